"""Expiry beside the main job: it holds up no hot folder, what comes back is listed, a clock change empties one slot."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours, playlist
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.device import Device
from hotcold_inotify.disk import home
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.rotation import Rotation
from tests.live.started import Start, eventually, everywhere, hot, put

OLD = 18_000


def test_i8_deleting_an_hour_holds_up_no_hot_folder(root: Path, start: Start) -> None:
    folder = root / "capture1" / "thumbnails"
    at = time.time() - 30 * 3_600
    slot = folder / str(time.localtime(at).tm_hour)
    slot.mkdir(parents=True)
    for number in range(OLD):
        path = slot / f"capture_{number}_thumbnail.jpg"
        path.touch()
        os.utime(path, (at, at))
    running = start("[kinds.thumbnails]\nhot_limit = 3\n", wait=False)

    def expired() -> float:
        return running.metric("hotcold_expired_files_total", device="capture1", kind="thumbnails")

    def archived() -> float:
        return running.metric("hotcold_archived_files_total", device="capture1", kind="thumbnails")

    def begun() -> bool:
        try:
            return expired() > 0
        except OSError:
            return False  # it does not listen yet

    eventually("the deletion to begin", begun)
    meanwhile = number = 0
    while expired() < OLD:
        put(folder, f"capture_{number}_thumbnail.jpg")
        number += 1
        if expired() < OLD:
            meanwhile = int(archived())
    assert meanwhile > 0
    newest = [f"capture_{each}_thumbnail.jpg" for each in range(number - 3, number)]
    eventually("the newest three to be hot", lambda: hot(folder) == sorted(newest))
    assert len(everywhere(folder, "*.jpg")) == number
    print(f"{meanwhile} files archived while {OLD} were deleted")  # noqa: T201  a figure to report


async def test_i4_what_comes_back_from_the_waiting_room_is_listed(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path), timezone="UTC")
    here = home(config, str(tmp_path / "capture1"))
    here.make(kind.name for kind in config.kinds)
    segments = tmp_path / "capture1" / "segments"
    clock, calendar, instruments = Clock(), Calendar(hours.zone("UTC")), Instruments(CollectorRegistry())
    device = Device(here, config, calendar, clock, instruments)
    at = time.time() // 3_600 * 3_600 - 5 * 3_600
    slot = segments / str(datetime.fromtimestamp(at, UTC).hour)
    for number in range(2):
        put(slot, f"segment_{number}.ts", b"x", at + number)
    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        room = segments / ".retired" / "2026-01-01T05"
        room.mkdir(parents=True)
        put(room, "segment_2.ts", b"x", at + 2)
        rotation = Rotation(here, config.kinds, calendar, clock, lambda: True, instruments, device.returned)
        done = await rotation.one_pass()
        assert done["segments"].put_back == (int(slot.name),)
        with trio.fail_after(20):
            while not (slot / "archive.m3u8").exists():  # noqa: ASYNC110  a file tells no event
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    found = playlist.parse((slot / "archive.m3u8").read_text("utf-8"))
    assert [entry.uri for entry in found.entries] == ["segment_0.ts", "segment_1.ts", "segment_2.ts"]


@pytest.mark.needs("faketime")
def test_i5_the_night_of_the_spring_change(root: Path, tmp_path: Path) -> None:
    """At 02:00 it is 03:00: yesterday's three goes at once, yesterday's two has no hour to make room for."""
    zurich = ZoneInfo("Europe/Zurich")
    folder = root / "capture1" / "thumbnails"
    turn = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    yesterday = {hour: datetime(2026, 3, 28, hour, 30, tzinfo=zurich).timestamp() for hour in (1, 2, 3, 4)}
    for hour, at in yesterday.items():
        (folder / str(hour)).mkdir(parents=True)
        put(folder / str(hour), f"capture_{hour}_thumbnail.jpg", b"x", at)
    config = tmp_path / "night.toml"
    config.write_text(
        f'root = "{root}"\ntimezone = "Europe/Zurich"\n[metrics]\nlisten = ""\n[kinds.thumbnails]\nhot_limit = 1\n',
        "utf-8",
    )
    before = (turn - timedelta(seconds=4)).strftime("@%Y-%m-%d %H:%M:%S")
    command = ["faketime", "-f", before, sys.executable, "-m", "hotcold_inotify", "--config", str(config), "run"]
    env = {**os.environ, "TZ": "UTC", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with subprocess.Popen(command, env=env, start_new_session=True) as process:
        try:
            eventually("yesterday's one to go, for its hour has come", lambda: not everywhere(folder, "capture_1_*"))
            assert everywhere(folder / "3", "*.jpg") == ["capture_3_thumbnail.jpg"]
            eventually("yesterday's three to go at the turn", lambda: not everywhere(folder, "capture_3_*"))
            assert everywhere(folder, "*.jpg") == ["capture_2_thumbnail.jpg", "capture_4_thumbnail.jpg"]
            # What was finished on both sides of the turn lies in one and three.
            for number, seconds in enumerate((-2, -1, 0, 1, 2), start=10):
                put(folder, f"capture_{number}_thumbnail.jpg", b"x", turn.timestamp() + seconds)
            eventually("four to leave", lambda: len(hot(folder)) == 1)
            assert everywhere(folder / "1", "*.jpg") == ["capture_10_thumbnail.jpg", "capture_11_thumbnail.jpg"]
            assert everywhere(folder / "2", "*.jpg") == ["capture_2_thumbnail.jpg"]
            assert everywhere(folder / "3", "*.jpg") == ["capture_12_thumbnail.jpg", "capture_13_thumbnail.jpg"]
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # faketime stays its parent, and passes no signal on
