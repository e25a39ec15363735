"""The main job on real video: two devices, small limits, so that everything turns over in a minute."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import inotify_simple
import pytest
from inotify_simple import flags

from hotcold_inotify import playlist
from tests.live.started import eventually
from tests.machine import CLONE

LIMITS = {"segments": 3, "captures": 10, "thumbnails": 25, "metadata": 5}
DEVICES = ("capture1", "capture2")
FRAME = 1 / 25
SECONDS = 60.0


@attrs.define
class Witness:
    """What ffmpeg finished, seen by its own watch: (folder, name) -> hash; and the most files that were hot at once."""

    root: Path
    hashes: dict[tuple[str, str], str] = attrs.Factory(dict)
    most: dict[str, int] = attrs.Factory(dict)
    _stop: threading.Event = attrs.Factory(threading.Event)

    def run(self, notify: inotify_simple.INotify, folders: dict[int, str]) -> None:
        while not self._stop.is_set():
            for wd, _mask, _cookie, name in notify.read(timeout=100):
                folder = folders[wd]
                if name.endswith(".tmp") or name == "output.m3u8":
                    continue
                self.hashes[folder, name] = digest(self.root / folder / name)
                hot = sum(
                    entry.is_file() and not entry.name.endswith((".tmp", ".m3u8"))
                    for entry in os.scandir(self.root / folder)
                )
                self.most[folder] = max(self.most.get(folder, 0), hot)

    def stop(self) -> None:
        self._stop.set()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def witness(root: Path) -> Iterator[Witness]:
    found = Witness(root)
    with inotify_simple.INotify() as notify:
        folders = {
            notify.add_watch(root / device / kind, flags.CLOSE_WRITE | flags.MOVED_TO): f"{device}/{kind}"
            for device in DEVICES
            for kind in LIMITS
        }
        thread = threading.Thread(target=found.run, args=(notify, folders))
        thread.start()
        try:
            yield found
        finally:
            found.stop()
            thread.join()


@contextmanager
def child(*command: str, env: dict[str, str] | None = None, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def files(root: Path, device: str, kind: str) -> dict[str, list[Path]]:
    """Every finished file of a folder, hot and cold: name -> where it is."""
    found: dict[str, list[Path]] = {}
    for path in (root / device / kind).rglob("*"):
        if path.is_file() and path.suffix not in (".tmp", ".m3u8"):
            found.setdefault(path.name, []).append(path)
    return found


@pytest.mark.needs("ffprobe")
@pytest.mark.timeout(300)
def test_real_video_on_two_devices_turns_over_and_nothing_is_lost(tmp_path: Path, ffmpeg_exe: str) -> None:
    root = tmp_path / "stream"
    config = tmp_path / "hotcold.toml"
    kinds = "".join(f"[kinds.{kind}]\nhot_limit = {limit}\n" for kind, limit in LIMITS.items())
    config.write_text(f'root = "{root}"\n[metrics]\nlisten = "127.0.0.1:0"\n{kinds}', "utf-8")
    hotcold = (sys.executable, "-m", "hotcold_inotify", "--config", str(config))
    subprocess.run([*hotcold, "init", *(str(root / device) for device in DEVICES)], check=True, capture_output=True)
    env = {"HOTCOLD_SOURCE": "test", "HOTCOLD_FFMPEG": ffmpeg_exe, "HOTCOLD_SIZE": "320x180"}
    logs = tmp_path / "reactor.log"

    def capture(device: str) -> tuple[str, ...]:
        return "bash", str(CLONE / "ffmpeg" / "capture.sh"), str(root / device)

    with child(*hotcold, "run", log=logs) as reactor, witness(root) as seen:
        with (
            child(*capture("capture1"), env=env, log=tmp_path / "capture1.log"),
            child(*capture("capture2"), env=env, log=tmp_path / "capture2.log") as second,
        ):
            began = time.monotonic()
            eventually("12 segments of the second device", lambda: len(files(root, "capture2", "segments")) >= 12, 60)
            pid = ffmpeg_of(second.pid)
            os.kill(pid, signal.SIGKILL)
            second.wait(20)
            assert second.returncode != 0
            with child(*capture("capture2"), env=env, log=tmp_path / "capture2.log"):
                before = len(files(root, "capture2", "segments"))
                eventually("its segments go on", lambda: len(files(root, "capture2", "segments")) >= before + 12, 60)
                eventually("the time is over", lambda: time.monotonic() - began >= SECONDS, SECONDS + 10)
        for device in DEVICES:
            for kind in ("segments", "captures", "thumbnails"):
                eventually(
                    f"{device}/{kind} is at its limit", partial(at_limit, root / device / kind, LIMITS[kind]), 30
                )
        eventually("every archived segment is listed", lambda: all(listed(root, device) for device in DEVICES), 30)
        status = subprocess.run([*hotcold, "status", "--json"], check=True, capture_output=True)
        assert json.loads(status.stdout)["reactor"] == reactor.pid
        reactor.send_signal(signal.SIGTERM)
        assert reactor.wait(10) == 0

    assert len(seen.hashes) > 2 * 50 * 8
    for (folder, name), expected in seen.hashes.items():
        device, kind = folder.split("/")
        places = files(root, device, kind).get(name, [])
        assert len(places) == 1, f"I1: {folder}/{name} is in {places}"
        assert digest(places[0]) == expected, f"I2: {folder}/{name} has other bytes"
    for folder, most in seen.most.items():
        # The witness may look between the close and the move of one file, and on a busy machine of a few more.
        limit = LIMITS[folder.split("/")[1]]
        print(f"{folder}: at most {most} files were hot, the limit is {limit}")  # noqa: T201  a figure to report
        assert most <= limit + 5
    discontinuities = {device: sum(plays(path) for path in hour_playlists(root, device)) for device in DEVICES}
    assert discontinuities == {"capture1": 0, "capture2": 1}


def ffmpeg_of(launcher: int) -> int:
    """The launcher's ffmpeg: its only child that is no shell."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text("ascii").split()
    return next(int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text("utf-8").startswith("ffmpeg"))


def at_limit(folder: Path, limit: int) -> bool:
    return hot_count(folder) == limit


def hot_count(folder: Path) -> int:
    return sum(path.is_file() and path.suffix not in (".tmp", ".m3u8") for path in folder.iterdir())


def hour_playlists(root: Path, device: str) -> list[Path]:
    return sorted((root / device / "segments").glob("*/archive.m3u8"))


def listed(root: Path, device: str) -> bool:
    """I4: the hours' playlists list exactly the archived segments that have bytes."""
    names = {
        entry.uri for path in hour_playlists(root, device) for entry in playlist.parse(path.read_text("utf-8")).entries
    }
    return names == {path.name for path in (root / device / "segments").glob("[0-9]*/*.ts") if path.stat().st_size}


def plays(path: Path) -> int:
    """Ffprobe reads the hour and finds as long a video as its entries say; how many discontinuities it has."""
    found = playlist.parse(path.read_text("utf-8"))
    # The hour still runs, and ffprobe would wait for more of it.
    whole = path.with_name("whole.m3u8")
    whole.write_bytes(playlist.render(attrs.evolve(found, ended=True)))
    probe = [
        "ffprobe",
        "-v",
        "error",
        "-count_packets",
        "-select_streams",
        "v",
        "-show_entries",
        "stream=nb_read_packets",
    ]
    done = subprocess.run([*probe, "-of", "csv=p=0", str(whole)], capture_output=True, check=True)
    packets = int(done.stdout.split()[0].strip(b","))
    total = sum(entry.duration for entry in found.entries)
    assert abs(packets * FRAME - total) <= FRAME * len(found.entries), f"{path}: {packets} frames, {total} s"
    return sum(entry.discontinuity for entry in found.entries)
