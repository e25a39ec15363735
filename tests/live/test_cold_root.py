"""Hot files in memory, hours on a disk: real copies between two real file systems, by the real commands."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from hotcold_inotify import playlist
from tests.disk.conftest import grounds, in_memory
from tests.live.started import Running, Start, end, eventually, everywhere, free_port, hot, mid_hour, put
from tests.live.test_commands import hotcold

__all__ = ["grounds", "in_memory"]

HOUR = 3_600.0
LIMITS = "".join(f"[kinds.{kind}]\nhot_limit = 3\n" for kind in ("segments", "captures", "thumbnails", "metadata"))
NAMES = {
    "segments": "segment_{:09}.ts",
    "captures": "capture_{:09}.jpg",
    "thumbnails": "capture_{:09}_thumbnail.jpg",
    "metadata": "capture_{:09}.json",
}
JPEG = b"\xff\xd8 a picture \xff\xd9"
_AN_HOUR = 4
"""Files of each kind an hour."""


@pytest.fixture
def root(grounds: tuple[Path, Path]) -> Path:
    """Instead of the one on the disk."""
    root = grounds[0] / "stream"
    (root / "capture1").mkdir(parents=True)
    return root


@pytest.fixture
def cold(grounds: tuple[Path, Path]) -> Path:
    cold = grounds[1] / "cold"
    cold.mkdir()
    return cold


@contextlib.contextmanager
def traced(pid: int, *how: str) -> Iterator[None]:
    """strace(1) is at work on each thread of the process."""
    with subprocess.Popen(["strace", "-f", "-qq", *how, "-p", str(pid)]) as strace:
        try:
            status = Path(f"/proc/{pid}/status")
            eventually("strace to be there", lambda: f"TracerPid:\t{strace.pid}" in status.read_text("ascii"))
            yield
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait(20)


def lists(slot: Path, names: list[str]) -> bool:
    path = slot / "archive.m3u8"
    return path.exists() and [entry.uri for entry in playlist.parse(path.read_text("ascii")).entries] == names


def is_hot(folder: Path, names: list[str]) -> bool:
    return hot(folder) == names


def is_within(folder: Path) -> bool:
    return len(hot(folder)) == 3


def test_a_days_files_are_in_their_hours_as_they_were_and_everything_reads_them(
    root: Path, cold: Path, start: Start, tmp_path: Path
) -> None:
    settings = f'cold_root = "{cold}"\ntimezone = "UTC"\n'
    now = time.time()
    first = now - now % HOUR - 22 * HOUR
    wanted: dict[str, dict[str, int]] = {kind: {} for kind in NAMES}
    for kind, form in NAMES.items():
        folder = root / "capture1" / kind
        folder.mkdir()
        # Captures stay an hour: older ones would expire. In the present hour files are of before this moment.
        for hour in range(22 if kind == "captures" else 0, 23):
            for number in range(_AN_HOUR):
                at = first + hour * HOUR + (now % HOUR if hour == 22 else HOUR - 1) * number / (_AN_HOUR - 1)
                name = form.format(hour * _AN_HOUR + number)
                put(folder, name, JPEG if name.endswith(".jpg") else f"{kind} {hour} {number}".encode(), at)
                wanted[kind][name] = (folder / name).stat().st_mtime_ns
    running = start(settings + LIMITS)
    for kind, names in wanted.items():
        stay = sorted(names)[-3:]
        eventually(f"{kind} to be within the limit", partial(is_hot, root / "capture1" / kind, stay))
        for name in sorted(names)[:-3]:
            slot = time.gmtime(names[name] // 10**9).tm_hour
            assert (cold / "capture1" / kind / str(slot) / name).stat().st_mtime_ns == names[name], (kind, name)
    segments = cold / "capture1" / "segments"
    full = [time.gmtime(first + hour * HOUR).tm_hour for hour in range(22)]
    for hour, slot in enumerate(full):
        names_ = [NAMES["segments"].format(hour * _AN_HOUR + number) for number in range(_AN_HOUR)]
        eventually(f"the playlist of hour {slot}", partial(lists, segments / str(slot), names_))
    ask(running, tmp_path, str(full[21]))
    assert running.stop() == 0
    hotcold("check", "--config", running.config)
    status = json.loads(hotcold("status", "--config", running.config, "--json").stdout)
    assert [one["backlog_bytes"] for one in status["devices"]["capture1"].values()] == [0] * 4


def ask(running: Running, tmp_path: Path, hour: str) -> None:
    """What `hotcold serve` says of the tree."""
    port = free_port()
    config = tmp_path / "serve.toml"
    config.write_text(
        f'{running.config.read_text("utf-8")}\n[web]\nlisten = "127.0.0.1:{port}"\nstale_after = "5m"\n', "utf-8"
    )
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(config), "serve"]
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    web = Running(process, tmp_path / "serve.log", config, port)

    def answers() -> bool:
        assert process.poll() is None, web.log.read_text("utf-8")
        with contextlib.suppress(OSError):
            return web.get("/healthz") == "ok\n"
        return False

    try:
        eventually("the server", answers)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as asked:
            asked.request("GET", "/api/host/screenshot/capture1")
            answer = asked.getresponse()
            assert (answer.status, answer.read()) == (200, JPEG)
        thumbnails = json.loads(web.get(f"/api/host/thumbnails/capture1/{hour}"))
        assert len(re.findall(r"capture_[0-9]+_thumbnail\.jpg", json.dumps(thumbnails))) >= _AN_HOUR
        text = web.get(f"/host/stream/capture1/segments/{hour}/archive.m3u8")
        entries = playlist.parse(text).entries
        assert len(entries) == _AN_HOUR
        assert web.get(f"/host/stream/capture1/segments/{hour}/{entries[0].uri}").startswith("segments ")
    finally:
        end(process)


@pytest.mark.needs("strace")
@pytest.mark.parametrize("durable", [True, False])
def test_a_copy_is_on_the_disk_before_its_source_goes_if_asked(
    root: Path, cold: Path, tmp_path: Path, start: Start, durable: bool
) -> None:
    running = start(f'cold_root = "{cold}"\ndurable = {str(durable).lower()}\n{mid_hour()}{LIMITS}')
    trace = tmp_path / "trace"
    folder = root / "capture1" / "captures"
    with traced(running.process.pid, "-y", "-e", "trace=fsync,unlinkat", "-o", str(trace)):
        for number in range(13):
            put(folder, f"capture_{number:09}.jpg", b"x")
        eventually("ten to leave", lambda: len(hot(folder)) == 3)
    lines = [line for line in trace.read_text("utf-8", "replace").splitlines() if "/captures" in line]
    # The file itself, then the folder that names it; then its source goes. At its start a reactor removes copies that a
    # crash left: one that is at work that moment is begun again.
    calls = "".join(
        "f" if re.search(rf"fsync\(\d+<{cold}/.*\.tmp", line)
        else "d" if re.search(rf"fsync\(\d+<{cold}/", line)
        else "u" if re.search(rf"unlinkat\(\d+<{root}/capture1/captures>", line)
        else ""
        for line in lines
        if "resumed" not in line
    )  # fmt: skip
    assert re.fullmatch("(f{1,2}du){10}" if durable else "u{10}", calls), "\n".join(lines)


@pytest.mark.needs("strace")
def test_i8_one_slow_cold_disk_has_nobody_wait_and_loses_nothing(root: Path, cold: Path, start: Start) -> None:
    (root / "capture2").mkdir()
    zone = mid_hour()
    running = start(f'cold_root = "{cold}"\ncold_backlog = "20KB"\n{zone}{LIMITS}')
    eventually("both devices", lambda: running.metric("hotcold_disk_free_bytes", device="capture2") > 0)
    slow = {kind: root / "capture2" / kind for kind in ("segments", "captures")}
    put(slow["captures"], "capture_000000000.jpg")  # which tells the slot of this hour
    for number in range(3):
        put(slow["captures"], f"capture_{number + 1:09}.jpg", b"x" * 1_000)
    eventually("the slot", lambda: bool(list((cold / "capture2" / "captures").glob("*/capture_000000000.jpg"))))
    (slot,) = (path.parent.name for path in (cold / "capture2" / "captures").glob("*/capture_000000000.jpg"))
    # Whatever is opened in these slots takes its time: each copy, and each line of the playlist.
    paths = [word for kind in slow for word in ("-P", str(cold / "capture2" / kind / slot))]
    delay = ["-e", "trace=openat", "-e", "inject=openat:delay_enter=400ms"]
    quick = [root / "capture1" / "captures", root / "capture1" / "segments", root / "capture2" / "thumbnails"]
    with traced(running.process.pid, "-o", "/dev/null", *paths, *delay):
        for number in range(40):
            put(slow["captures"], f"capture_{number + 4:09}.jpg", b"x" * 1_000)
            put(slow["segments"], f"segment_{number:09}.ts", b"x" * 1_000)
        for number in range(10):
            for folder in quick:
                put(folder, NAMES[folder.name].format(number), b"x")
        for folder in quick:
            eventually(f"{folder} to be within its limit", partial(is_within, folder))
        assert len(hot(slow["captures"])) > 30, "they left before the others, or nothing was slow"
        for kind in slow:
            eventually("what waits", partial(waits, running, kind, lambda size: size > 20_000))
        eventually("it to be said", lambda: told(running, "more waits to leave") == {"segments", "captures"})
        said = hotcold("status", "--config", running.config, code=1).stderr
        assert re.search(r"capture2/captures: \d+ hot files, the limit is 3, and 0\.0 MB wait to leave", said), said
        assert "more than cold_backlog (20KB): the disk of the hours does not keep up" in said
        assert healthy(running)
    for kind, folder in slow.items():
        eventually(f"{kind} to be within the limit", partial(is_within, folder))
        eventually("nothing to wait", partial(waits, running, kind, lambda size: size == 0))
    eventually("it to be said to be over", lambda: told(running, "what waited to leave") == {"segments", "captures"})
    captures = [NAMES["captures"].format(number) for number in range(44)]
    segments = [NAMES["segments"].format(number) for number in range(40)]
    assert hot(slow["captures"]) == captures[-3:]
    assert everywhere(cold / "capture2" / "captures", "*.jpg") == captures[:-3]
    assert everywhere(cold / "capture2" / "segments", "*.ts") == segments[:-3]
    eventually("the playlist", partial(lists, cold / "capture2" / "segments" / slot, segments[:-3]))
    assert running.metric("hotcold_playlist_rebuilds_total", device="capture2") == 0, "they came in their order"
    assert running.stop() == 0
    hotcold("check", "--config", running.config)


def waits(running: Running, kind: str, enough: Callable[[float], bool]) -> bool:
    return enough(running.metric("hotcold_waiting_bytes", device="capture2", kind=kind))


def told(running: Running, begins: str) -> set[object]:
    """The kinds of capture2 of which something was said, once of each."""
    kinds = [record["kind"] for record in running.said() if str(record["event"]).startswith(begins)]
    assert len(kinds) == len(set(kinds)), "said once"
    return set(kinds)


def healthy(running: Running) -> bool:
    return running.get("/healthz") == "ok\n" and os.path.exists(f"/proc/{running.process.pid}")
