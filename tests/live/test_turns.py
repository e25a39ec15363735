"""Turns of the hour, by a handed-in clock: what is due goes, nothing else does."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours
from hotcold_inotify.brake import Brake
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.disk import home
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.rotation import Rotation

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC).timestamp()


class FakeClock:
    """Two clocks that a test sets."""

    def __init__(self) -> None:
        self.wall = NOON
        self.boot = 1_000.0

    def forward(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


class Tree:
    """One device whose files a test dates as it likes."""

    def __init__(self, root: Path) -> None:
        self.config = Config(root=str(root), timezone="UTC")
        self.home = home(self.config, str(root / "capture1"))
        self.home.make(kind.name for kind in self.config.kinds)
        self.clock = FakeClock()
        self.brake = Brake()
        self.calendar = Calendar(hours.zone("UTC"))
        self.believable()

    def believable(self) -> bool:
        return self.brake.observe(self.clock.wall, self.clock.boot)

    def put(self, kind: str, name: str, at: float) -> Path:
        path = Path(self.home.path, kind, str(datetime.fromtimestamp(at, UTC).hour), name)
        path.write_bytes(b"x")
        os.utime(path, (at, at))
        return path

    def day(self, kind: str, pattern: str, hours_ago: range) -> dict[int, Path]:
        """A file in the middle of each of these hours, by how many hours before noon."""
        return {ago: self.put(kind, pattern.format(ago), NOON - ago * 3_600 + 1_800) for ago in hours_ago}

    def rotation(self) -> Rotation:
        clock = Clock(lambda: self.clock.wall, lambda: self.clock.boot)
        instruments = Instruments(CollectorRegistry())
        return Rotation(self.home, self.config.kinds, self.calendar, clock, self.believable, instruments)

    def left(self, files: dict[int, Path]) -> set[int]:
        return {ago for ago, path in files.items() if path.exists()}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


async def test_i5_i6_a_turn_empties_the_slot_that_comes_round(tree: Tree) -> None:
    thumbnails = tree.day("thumbnails", "capture_{}_thumbnail.jpg", range(1, 25))
    segments = tree.day("segments", "segment_{}.ts", range(1, 25))
    await tree.rotation().one_pass()
    assert tree.left(thumbnails) == tree.left(segments) == set(range(1, 24)), "at noon, yesterday's noon goes"
    tree.clock.forward(3_599)
    await tree.rotation().one_pass()
    assert tree.left(thumbnails) == set(range(1, 24))
    tree.clock.forward(1)
    await tree.rotation().one_pass()
    assert tree.left(thumbnails) == tree.left(segments) == set(range(1, 23)), "at one, yesterday's one goes"


@pytest.mark.parametrize(("away", "kept"), [(1, 22), (23, 0), (24, 0), (25, 0), (49, 0)])
async def test_i5_after_time_away_only_what_is_younger_is_left(tree: Tree, away: int, kept: int) -> None:
    thumbnails = tree.day("thumbnails", "capture_{}_thumbnail.jpg", range(1, 24))
    tree.clock.forward(away * 3_600)
    await tree.rotation().one_pass()
    assert tree.left(thumbnails) == set(range(1, kept + 1))


async def test_i6_captures_are_trimmed_to_the_minute(tree: Tree) -> None:
    ages = {minutes: tree.put("captures", f"capture_{minutes}.jpg", NOON - minutes * 60 - 1) for minutes in range(120)}
    await tree.rotation().one_pass()
    assert tree.left(ages) == set(range(60))
    tree.clock.forward(600)
    await tree.rotation().one_pass()
    assert tree.left(ages) == set(range(50))


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0, 86_400.0, -86_400.0, -1.78e9, 2.3e9])
async def test_i6_a_clock_that_jumps_deletes_nothing_until_it_is_believed(tree: Tree, jump: float) -> None:
    thumbnails = tree.day("thumbnails", "capture_{}_thumbnail.jpg", range(1, 24))
    captures = tree.put("captures", "capture_1.jpg", NOON - 3_000)
    tree.clock.wall += jump
    await tree.rotation().one_pass()
    tree.clock.forward(60)
    await tree.rotation().one_pass()
    assert tree.left(thumbnails) == set(range(1, 24))
    assert captures.exists()
    tree.clock.wall -= jump
    await tree.rotation().one_pass()
    tree.clock.forward(599)
    await tree.rotation().one_pass()
    assert captures.exists(), "past its hour now, but the clock is not believed yet"
    tree.clock.forward(1)
    await tree.rotation().one_pass()
    assert not captures.exists(), "believed again"
    assert tree.left(thumbnails) == set(range(1, 24))


async def test_the_task_notices_the_turn_by_reading_the_clock_again(tree: Tree) -> None:
    thumbnails = tree.day("thumbnails", "capture_{}_thumbnail.jpg", range(1, 24))
    tree.clock.forward(3_599.5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tree.rotation().run)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert tree.left(thumbnails) == set(range(1, 24))
        tree.clock.forward(1)
        with trio.fail_after(20):
            while thumbnails[23].exists():  # noqa: ASYNC110  a file tells no event
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    assert tree.left(thumbnails) == set(range(1, 23))
