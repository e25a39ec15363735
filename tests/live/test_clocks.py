"""Clocks that are not set yet, and time away, with a device that goes on archiving."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify.clock import Clock
from hotcold_inotify.device import Device
from hotcold_inotify.metrics import Instruments
from tests.live.started import everywhere, hot, put
from tests.live.test_turns import NOON, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


async def settled(folder: Path, newest: int) -> None:
    """Until the hot folder is within its limit and the newest file is in it."""
    with trio.fail_after(20):
        while not (len(hot(folder)) == 10 and f"segment_{newest}.ts" in hot(folder)):  # noqa: ASYNC110  no event
            await trio.sleep(0.02)


@pytest.mark.parametrize("shown", [0.0, 1.6e9, 4.1e9], ids=["1970", "before the build", "2099"])
async def test_i6_a_machine_that_starts_without_a_set_clock(tree: Tree, shown: float) -> None:
    """As a Raspberry Pi does: 1970, or the last time that was saved; the time server sets it a minute later."""
    thumbnails = tree.day("thumbnails", "capture_{}_thumbnail.jpg", range(1, 24))
    captures = tree.put("captures", "capture_1.jpg", NOON - 3_000)
    tree.clock.wall, tree.clock.boot = shown, 5.0
    tree.brake = type(tree.brake)()  # a new process
    for _ in range(6):
        await tree.rotation().one_pass()
        tree.clock.forward(10)
    assert tree.left(thumbnails) == set(range(1, 24))
    tree.clock.wall = NOON + 900  # set: captures are due by it
    await tree.rotation().one_pass()
    tree.clock.forward(590)
    await tree.rotation().one_pass()
    assert captures.exists(), "held for ten minutes more"
    tree.clock.forward(20)
    await tree.rotation().one_pass()
    assert not captures.exists()
    assert tree.left(thumbnails) == set(range(1, 24))


@pytest.mark.parametrize("away", [1, 23, 24, 25, 49])
async def test_i5_after_time_away_each_slot_holds_one_hour(tree: Tree, away: int) -> None:
    """The day before, ten hot files from before the stop, then a start and new ones: no slot has two generations."""
    segments = Path(tree.home.path, "segments")
    for ago in range(1, 24):
        for number in range(3):
            tree.put("segments", f"segment_{1_000 - ago * 10 + number}.ts", NOON - ago * 3_600 + 1_800 + number)
    for number in range(10):
        put(segments, f"segment_{2_000 + number}.ts", b"x", NOON - 10 + number)
    tree.clock.forward(away * 3_600 + 60)
    clock = Clock(lambda: tree.clock.wall, lambda: tree.clock.boot)
    instruments = Instruments(CollectorRegistry())
    device = Device(tree.home, tree.config, tree.calendar, clock, instruments)
    began = time.monotonic()
    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        await tree.rotation().one_pass()
        for number in range(30):
            put(segments, f"segment_{3_000 + number}.ts", b"x", tree.clock.wall - 30 + number)
        await settled(segments, 3_029)
        await tree.rotation().one_pass()  # as in each minute: what was hot before is cold now, and past its day
        nursery.cancel_scope.cancel()
    assert time.monotonic() - began < 10
    assert hot(segments) == [f"segment_{3_020 + number}.ts" for number in range(10)]
    now = datetime.fromtimestamp(tree.clock.wall, UTC)
    oldest = now.replace(minute=0, second=0) - timedelta(hours=23)
    for slot in range(24):
        times = [datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in (segments / str(slot)).glob("*.ts")]
        assert len({(at.date(), at.hour) for at in times}) <= 1
        assert all(at.hour == slot for at in times)
        assert all(at >= oldest for at in times)
    assert len(list((segments / str(now.hour)).glob("segment_30*.ts"))) == 20
    kept = {ago for ago in range(1, 24) if NOON - ago * 3_600 >= oldest.timestamp()}
    there = set(everywhere(segments, "*.ts"))
    assert {f"segment_{1_000 - ago * 10 + number}.ts" for ago in kept for number in range(3)} <= there


async def test_i5_i6_an_hour_that_a_clock_ahead_displaced_is_back_after_a_restart(tree: Tree) -> None:
    """The slot is free for it again, though the new process knows of no step."""
    tomorrow = tree.put("thumbnails", "capture_1_thumbnail.jpg", NOON - 1_800 + 86_400)
    today = tree.put("thumbnails", "capture_2_thumbnail.jpg", NOON - 1_800)
    slot = today.parent
    room = slot.parent / ".retired" / "2026-06-15T11.0"
    room.mkdir(parents=True)
    today.rename(room / today.name)
    tree.brake = type(tree.brake)()
    for _ in range(2):
        await tree.rotation().one_pass()
        assert [path.name for path in slot.iterdir()] == [today.name]
        assert everywhere(slot.parent / ".retired", "*.jpg") == [tomorrow.name]
        tree.clock.forward(60)
