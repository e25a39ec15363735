"""A start after time away, and with a backlog: each slot holds one hour, memory is bounded, and no other device waits.

`HOTCOLD_BACKLOG=1000000 pytest -s tests/live/test_backlog.py` takes two minutes and asserts the promised figures.
"""

import os
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import playlist
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.device import Device, recorder
from hotcold_inotify.disk import LIVE_PLAYLIST, HourPlaylist
from hotcold_inotify.hours import HOUR, Calendar, zone
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.timeline import Knowledge
from tests.disk.conftest import in_memory
from tests.live.pace import KIND, Pace, Spread, archived, filled, memory_peak
from tests.live.started import Running, Start, eventually, hot, mid_hour, put
from tests.live.test_turns import NOON, Tree

__all__ = ["in_memory"]

LONG = "HOTCOLD_BACKLOG" in os.environ
BACKLOG = int(os.environ.get("HOTCOLD_BACKLOG", "40000"))
OTHERS = ("capture2", "capture3", "capture4")
LIMIT = 100
AWAY = (1, 23, 24, 25, 49)


@pytest.fixture
def root(in_memory: Path) -> Path:
    """In memory: a disk's own pace is not what is asked here."""
    return in_memory / "stream"


def hotcold(running: Running, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hotcold_inotify", "--config", str(running.config), command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- time away ---


def day_until(stop: float, folder: Path, kind: Kind, calendar: Calendar) -> list[Path]:
    """24 slots with three files each and a full hot folder, as they are when a reactor stops; the files."""
    times = []
    for ago in reversed(range(24)):
        span = calendar.span(calendar.generation_at(stop - ago * HOUR))
        assert span is not None
        times += [span.start + minute * 60 for minute in (1, 2, 3)]
    made = []
    for number, at in enumerate([*times, *(stop - left for left in reversed(range(kind.hot_limit)))]):
        place = folder / str(calendar.generation_at(at).slot) if number < len(times) else folder
        place.mkdir(parents=True, exist_ok=True)
        put(place, kind.pattern.named(number, 9), b"x", at)
        made.append(place / kind.pattern.named(number, 9))
    return made


def is_due(kind: Kind, calendar: Calendar, mtime: float, now: float) -> bool:
    if kind.playlist:
        return calendar.slot_due(calendar.generation_at(mtime), kind.retention, now)
    return calendar.file_due(mtime, kind.retention, now)


def cold(folder: Path, kind: Kind) -> dict[str, tuple[int, float]]:
    """Slot and mtime of each file in the slots; one that goes meanwhile is left out."""
    found = {}
    for slot in range(24):
        for entry in os.scandir(folder / str(slot)):
            if kind.pattern.match(entry.name):
                try:
                    found[entry.name] = slot, entry.stat().st_mtime
                except FileNotFoundError:
                    continue
    return found


def test_i5_i6_after_time_away_each_slot_holds_one_hour_that_is_not_over(root: Path, start: Start) -> None:
    """Five devices that have been left for an hour to two days, served by the real command at once."""
    text = mid_hour()
    calendar = Calendar(zone(tomllib.loads(text)["timezone"]))
    began = time.time()
    folders = {(away, kind): root / f"capture{away}" / kind.name for away in AWAY for kind in Config().kinds}
    before = {}
    for (away, kind), folder in folders.items():
        paths = day_until(began - away * HOUR - 60, folder, kind, calendar)
        before[away, kind] = {path.name: path.stat().st_mtime for path in paths}

    launched = time.monotonic()
    running = start(text)

    def only_what_is_not_due() -> bool:
        return all(
            not is_due(kind, calendar, mtime, began)
            for (_, kind), folder in folders.items()
            for _, mtime in cold(folder, kind).values()
        )

    eventually("what is due to go", only_what_is_not_due)
    print(f"{len(AWAY)} devices: right {time.monotonic() - launched:.2f} s after the launch")  # noqa: T201  a figure, with -s
    for (_, kind), folder in folders.items():
        for number in range(kind.hot_limit + 5):
            put(folder, kind.pattern.named(1_000 + number, 9))
    for (away, kind), folder in folders.items():
        newest = [kind.pattern.named(1_005 + number, 9) for number in range(kind.hot_limit)]
        eventually(f"{away} h, {kind.name}", partial(is_hot, folder, newest))
    hotcold(running, "rotate")  # as each minute's pass: what was hot at the stop is cold now
    now = time.time()
    for (away, kind), folder in folders.items():
        there = cold(folder, kind)
        for name, (slot, mtime) in there.items():
            generation = calendar.generation_at(mtime)
            assert generation.slot == slot, f"{away} h, {kind.name}, {name}"
            assert {calendar.generation_at(at) for where, at in there.values() if where == slot} == {generation}
            assert not is_due(kind, calendar, mtime, now), f"{away} h, {kind.name}, {name}"
        kept = {name for name, mtime in before[away, kind].items() if not is_due(kind, calendar, mtime, now)}
        new = {kind.pattern.named(1_000 + number, 9) for number in range(5)}
        assert set(there) == kept | new, f"{away} h, {kind.name}"
    hotcold(running, "check")


def is_hot(folder: Path, names: list[str]) -> bool:
    return [name for name in hot(folder) if name != LIVE_PLAYLIST] == names


# --- a backlog ---


@pytest.mark.timeout(60 + BACKLOG / 4_000)
def test_i1_i3_i8_a_backlog_leaves_and_no_other_device_waits(root: Path, in_memory: Path, start: Start) -> None:
    text = f"{mid_hour()}[kinds.{KIND}]\nhot_limit = {LIMIT}\n"
    others = [root / name / KIND for name in OTHERS]
    for folder in others:
        folder.mkdir(parents=True)
    alone = start(text, wait=False)
    eventually("the others", lambda: alone.log.read_text("utf-8").count('"device served"') == len(OTHERS))
    without = memory_peak(alone.process.pid)
    assert alone.stop() == 0

    filled(in_memory / "backlog", BACKLOG)
    (root / "capture1").mkdir()
    (in_memory / "backlog").rename(root / "capture1" / KIND)
    began, left = 0.0, 0
    with Pace(others, limit=LIMIT, rate=10) as pace:
        running = start(text, wait=False)
        launched = time.monotonic()
        while left < BACKLOG - LIMIT:
            time.sleep(0.1)  # each look costs the reactor some milliseconds
            left = moved(running)
            began = began or (time.monotonic() if left else 0.0)
            assert time.monotonic() < launched + 20 + BACKLOG / 5_000, f"{left} of {BACKLOG}"
        drained = time.monotonic()
        first = pace.first_left_at
        time.sleep(2)  # the first looks at the full slot are part of it
        more = memory_peak(running.process.pid) - without
    assert first is not None
    assert first < drained, "the others were served before it had left"
    beside = Spread.of(pace.waits(max(first, began), drained))
    after = Spread.of(pace.waits(drained))
    print(  # noqa: T201  figures, with -s
        f"{BACKLOG:,} files: {left / (drained - began):,.0f} files/s, {more:.1f} MiB more\n"
        f"others served {first - launched:.2f} s after the launch; meanwhile {beside}; then {after}"
    )
    assert len(hot(root / "capture1" / KIND)) == LIMIT
    assert archived(root / "capture1" / KIND) == BACKLOG - LIMIT
    assert more < 16
    if LONG:
        assert left / (drained - began) > 20_000
        assert beside.p99 < 0.1
        assert after.p99 < 0.1
    else:
        assert beside.count >= 10, "there was time for others"
        assert beside.worst < max(0.2, (drained - began) / 4)


def moved(running: Running) -> int:
    try:
        return int(running.metric("hotcold_archived_files_total", device="capture1", kind=KIND))
    except OSError:  # it is starting
        return 0


class Held:
    """HourPlaylist.recover, held up at its end: what comes meanwhile is not in the listing that it has made."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.waiting = 0
        self._go = threading.Semaphore(0)
        real = HourPlaylist.recover

        def recover(hour: HourPlaylist, knowledge: Knowledge, *, over: bool) -> str | None:
            reason = real(hour, knowledge, over=over)
            self.waiting += 1
            assert self._go.acquire(timeout=20)
            return reason

        patch.setattr(HourPlaylist, "recover", recover)

    def go_on(self, times: int = 1) -> None:
        self._go.release(times)


async def test_i4_what_finds_the_queue_full_while_its_hour_is_recovered_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_QUEUE", 4)
    held = Held(monkeypatch)
    tree = Tree(tmp_path)
    segments = Path(tree.home.path, "segments")
    clock = Clock(lambda: tree.clock.wall, lambda: tree.clock.boot)
    device = Device(tree.home, tree.config, tree.calendar, clock, Instruments(CollectorRegistry()))

    async def until(what: str, holds: Callable[[], bool]) -> None:
        with trio.move_on_after(15) as scope:
            while not holds():  # noqa: ASYNC110  neither a thread nor a folder tells of it
                await trio.sleep(0.01)
        assert not scope.cancelled_caught, what

    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        finish(segments, 0)
        await until("ten in their hour", lambda: len(list((segments / "12").glob("*.ts"))) == 10)
        await until("the hour's opening", lambda: held.waiting == 1)
        held.go_on()
        await until("its recovery, for more came meanwhile than the queue takes", lambda: held.waiting == 2)
        finish(segments, 20)
        await until("thirty in their hour", lambda: len(list((segments / "12").glob("*.ts"))) == 30)
        held.go_on(20)
        listed = segments / "12" / "archive.m3u8"
        await until("thirty listed", lambda: len(playlist.parse(listed.read_text("utf-8")).entries) == 30)
        nursery.cancel_scope.cancel()


def finish(segments: Path, first: int) -> None:
    """Twenty segments, a second each."""
    for number in range(first, first + 20):
        put(segments, f"segment_{number}.ts", b"x", NOON + number)
