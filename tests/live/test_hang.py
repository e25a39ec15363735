"""I8 when a disk hangs: strace(1) holds every listing of one device's folders, as a dead network disk would."""

import contextlib
import signal
import subprocess
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.started import Running, Start, eventually, hot, put

LIMIT = "[kinds.captures]\nhot_limit = 3\n"
KINDS = ("segments", "captures", "thumbnails", "metadata")


@contextlib.contextmanager
def hung(running: Running, device: Path) -> Iterator[None]:
    """Each getdents64(2) on the device's hot folders waits for an hour, in the thread that asks."""
    paths = [word for kind in KINDS for word in ("-P", str(device / kind))]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *paths, "-e", "trace=getdents64"]
    command += ["-e", "inject=getdents64:delay_enter=3600s", "-p", str(running.process.pid)]
    with subprocess.Popen(command) as strace:
        try:
            status = Path(f"/proc/{running.process.pid}/status")
            eventually("strace to be there", lambda: f"TracerPid:\t{strace.pid}" in status.read_text("ascii"))
            yield
        finally:
            strace.kill()


def healthy(running: Running) -> str:
    try:
        return running.get("/healthz")
    except urllib.error.HTTPError as answer:
        with answer:
            return f"{answer.code}: {answer.read().decode()}"


@pytest.mark.needs("strace")
def test_i8_a_device_whose_disk_hangs_holds_up_nobody(root: Path, start: Start) -> None:
    (root / "capture2").mkdir()
    running = start(LIMIT)
    eventually("both devices", lambda: running.metric("hotcold_disk_free_bytes", device="capture2") > 0)
    folder = root / "capture1" / "captures"
    with hung(running, root / "capture2"):
        eventually("the hang to be told", lambda: healthy(running) == "503: no progress for 15 s: capture2\n", 40)
        for number in range(20):
            put(folder, f"capture_{number}.jpg")
            eventually("three hot", lambda: len(hot(folder)) <= 3)
        (root / "capture3").mkdir()
        eventually("a new device", (root / "capture3" / "metadata" / "23").is_dir)
        running.config.write_text(running.config.read_text("utf-8").replace("hot_limit = 3", "hot_limit = 2"), "utf-8")
        running.process.send_signal(signal.SIGHUP)
        eventually("two hot", lambda: len(hot(folder)) == 2)
        running.process.terminate()
        # strace keeps the hung threads; ours has come to its end when the main thread has.
        status = Path(f"/proc/{running.process.pid}/status")
        eventually("the end", lambda: "State:\tZ" in status.read_text("ascii"))
    assert running.process.wait(20) == 0
