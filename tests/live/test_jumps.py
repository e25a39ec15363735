"""The wall clock is set wrong under a whole running reactor, and set right again: nothing younger than its retention is
lost, by the time that it was in truth, and what was displaced comes back.

Both clocks are handed in; time goes by in steps, and trio's clock runs fast.
"""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import pytest
import structlog
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind, Metrics
from hotcold_inotify.disk import Expired
from hotcold_inotify.reactor import Reactor
from hotcold_inotify.rotation import Rotation
from tests.live.camera import KINDS, Camera, Shot
from tests.live.started import Start, eventually, mid_hour, put

HOUR, DAY = 3_600.0, 86_400.0
# Eight minutes before a turn of the hour, so that the hour turns while the clock is wrong.
TRUTH = datetime(2026, 6, 15, 12, 52, tzinfo=UTC).timestamp()
STEP = 120.0
BACK, AHEAD = datetime(1970, 1, 1, 0, 20, tzinfo=UTC).timestamp(), datetime(2099, 6, 1, 5, 30, tzinfo=UTC).timestamp()
JUMPS = {"+1h": HOUR, "-1h": -HOUR, "+24h": DAY, "-24h": -DAY, "1970": BACK - TRUTH, "2099": AHEAD - TRUTH}


@pytest.fixture
def quick() -> trio.testing.MockClock:
    """What is done every few seconds is done some ten times a second."""
    return trio.testing.MockClock(rate=50.0)


@attrs.define
class Machine:
    """The time in truth, what the wall clock shows beside it, and when the machine was booted."""

    truth: float = TRUTH
    wrong_by: float = 0.0
    booted: float = TRUTH - 40 * DAY

    def wall(self) -> float:
        return self.truth + self.wrong_by

    def boottime(self) -> float:
        return self.truth - self.booted


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, dict[str, Expired]]]:
    """What the wall clock showed when each pass of the rotation began that has ended, and what it did."""
    ended: list[tuple[float, dict[str, Expired]]] = []
    one_pass = Rotation.one_pass

    async def counted(rotation: Rotation) -> dict[str, Expired]:
        began = rotation._clock.wall()
        done = await one_pass(rotation)
        ended.append((began, done))
        return done

    monkeypatch.setattr(Rotation, "one_pass", counted)
    return ended


class Scene:
    """A reactor on a day of files of all four kinds, on a machine whose clock a test sets."""

    def __init__(self, root: Path, passes: list[tuple[float, dict[str, Expired]]], machine: Machine) -> None:
        self.machine = machine
        self.camera = Camera(root / "capture1")
        self.registry = CollectorRegistry()
        config = Config(root=str(root), timezone="UTC", kinds=KINDS, metrics=Metrics(listen=None))
        clock = Clock(machine.wall, machine.boottime)
        self.reactor = Reactor(config, registry=self.registry, clock=clock, heed_signals=False)
        self._passes = passes
        for kind in KINDS:
            for minutes in range(8, 24 * 60, 20):
                at = machine.truth - minutes * 60
                hour = datetime.fromtimestamp(at, UTC)
                if stays(kind, at, machine.truth):
                    self.camera.stored(kind, hour.hour, at)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.reactor.run)
            yield
            nursery.cancel_scope.cancel()

    async def passed(self) -> None:
        """Until a pass has ended that began at the time that the clock shows."""
        with trio.fail_after(1000):
            while not any(began == self.machine.wall() for began, _ in self._passes):  # noqa: ASYNC110  no event
                await trio.sleep(1)

    async def go_on(self, seconds: float = STEP) -> None:
        """Time passes; two more files of each kind are finished, by the clock as it is; a pass ends."""
        for part in (seconds / 2, seconds / 2):
            self.machine.truth += part
            self.camera.finished(self.machine.wall(), self.machine.truth)
        await self.camera.settled()
        await self.passed()
        self.nothing_young_is_lost()

    async def set_wrong(self, by: float) -> None:
        self.machine.wrong_by = by
        await self.passed()
        self.nothing_young_is_lost()

    def nothing_young_is_lost(self) -> None:
        places = self.camera.places()
        for shot in self.camera.shots:
            if stays(shot.kind, shot.at, self.machine.truth):
                assert shot.content in places, f"{shot} is lost at {self.machine}"

    def not_home(self) -> list[Shot]:
        """Of what was dated right and is young: what is neither hot nor in its hour."""
        places = self.camera.places()
        homes = {shot.content: str(datetime.fromtimestamp(shot.mtime, UTC).hour) for shot in self.camera.shots}
        return [
            shot
            for shot in self.camera.shots
            if shot.mtime == shot.at
            and stays(shot.kind, shot.at, self.machine.truth)
            and places.get(shot.content) not in ("", homes[shot.content])
        ]

    def two_hours_in_a_slot(self) -> list[str]:
        held: dict[tuple[str, str], set[str]] = {}
        places = self.camera.places()
        for shot in self.camera.shots:
            place = places.get(shot.content, "")
            if place.isdigit():
                hour = datetime.fromtimestamp(shot.mtime, UTC).strftime("%Y-%m-%dT%H")
                held.setdefault((shot.kind.name, place), set()).add(hour)
        return [f"{where}: {sorted(hours)}" for where, hours in held.items() if len(hours) > 1]

    def left(self, shots: list[Shot]) -> list[Shot]:
        places = self.camera.places()
        return [shot for shot in shots if shot.content in places]

    def believable(self) -> float | None:
        return self.registry.get_sample_value("hotcold_clock_believable")


def stays(kind: Kind, at: float, now: float) -> bool:
    """Whether what was finished at that time is promised to be there: its retention, and its hour not come again."""
    again = datetime.fromtimestamp(at, UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    return at + kind.retention >= now and again.timestamp() > now


@pytest.fixture
def log() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as found:
        yield found


@pytest.mark.parametrize("jump", JUMPS)
async def test_i5_i6_a_clock_that_jumps_there_and_back(
    tmp_path: Path,
    quick: trio.testing.MockClock,  # noqa: ARG001  makes the waiting short
    passes: list[tuple[float, dict[str, Expired]]],
    log: list[structlog.typing.EventDict],
    jump: str,
) -> None:
    """Wrong for ten minutes over a turn of the hour, then right; a day later all that is of then has expired."""
    scene = Scene(tmp_path, passes, Machine())
    async with scene.running():
        await scene.go_on()
        assert scene.believable() == 1
        captures = [shot for shot in scene.camera.shots if shot.kind.name == "captures"]
        there = len(scene.left(scene.camera.shots))

        await scene.set_wrong(JUMPS[jump])
        assert scene.believable() == 0
        assert "nothing expires: the clock " in scene.reactor.status()
        for _ in range(4):
            await scene.go_on()
        dated_wrong = [shot for shot in scene.camera.shots if shot.mtime != shot.at]
        assert len(dated_wrong) == 4 * 2 * len(KINDS)
        assert len(scene.left(scene.camera.shots)) == there + len(dated_wrong), "nothing expires meanwhile"
        assert not scene.two_hours_in_a_slot()

        await scene.set_wrong(0.0)
        assert "nothing expires: the clock was set" in scene.reactor.status()
        for _ in range(4):
            await scene.go_on()
        assert scene.believable() == 0, "eight minutes only"
        assert scene.left(captures) == captures, "some of them are older than an hour by now"
        for _ in range(2):
            await scene.go_on()
        assert scene.believable() == 1
        assert "expires" not in scene.reactor.status()
        said = [str(record["event"]) for record in log if "believed" in str(record["event"])]
        there_and_back = ["the clock is not believed: nothing expires"] * 2
        assert said == [*there_and_back, "the clock is believed again: expiry goes on"]

        assert scene.not_home() == []
        assert not scene.two_hours_in_a_slot()
        gone = [shot for shot in captures if shot not in scene.left(captures)]
        assert gone, "expiry goes on"
        assert not [shot for shot in gone if stays(shot.kind, shot.at, scene.machine.truth)]
        await scene.camera.listed()
        # What is dated of tomorrow goes by that.
        for hours in (1, 22, 2, 24) if jump == "+24h" else (1, 22, 2):
            await scene.go_on(hours * HOUR)
            assert not scene.two_hours_in_a_slot()
        assert scene.not_home() == []
        assert scene.left(dated_wrong) == []


async def test_i6_a_machine_sleeps_and_what_is_due_goes(
    tmp_path: Path,
    quick: trio.testing.MockClock,  # noqa: ARG001  makes the waiting short
    passes: list[tuple[float, dict[str, Expired]]],
) -> None:
    """Eight hours of suspend: both clocks went on, and the reactor's own time did not."""
    scene = Scene(tmp_path, passes, Machine())
    async with scene.running():
        await scene.go_on()
        before = list(scene.camera.shots)
        scene.machine.truth += 8 * HOUR
        await scene.passed()
        assert scene.believable() == 1
        assert "expires" not in scene.reactor.status()
        now = scene.machine.truth
        places = scene.camera.places()
        for shot in before:
            kept = stays(shot.kind, shot.at, now) or places.get(shot.content) == ""
            if shot.kind.playlist and not kept and shot.content in places:
                # By whole hours.
                assert now - shot.at < DAY + HOUR
            else:
                assert (shot.content in places) is kept, shot
        assert len(before) - len(places) > 8 * 3 * 3, "else nothing expired"
        await scene.go_on()
        assert scene.not_home() == []
        assert not scene.two_hours_in_a_slot()


@pytest.mark.parametrize("shown", [25.0, TRUTH - 8 * HOUR], ids=["1970", "as it was saved eight hours ago"])
async def test_i6_what_is_finished_before_the_clock_is_set_lives_its_time(
    tmp_path: Path,
    quick: trio.testing.MockClock,  # noqa: ARG001  makes the waiting short
    passes: list[tuple[float, dict[str, Expired]]],
    shown: float,
) -> None:
    """A Raspberry Pi starts at the epoch, or at the last time that it saved; the time server is heard minutes later."""
    truth = TRUTH
    scene = Scene(tmp_path, passes, Machine(truth, shown - truth, truth - 25))
    before = list(scene.camera.shots)
    async with scene.running():
        for _ in range(2):
            await scene.go_on()
        dated_wrong = scene.camera.shots[len(before) :]
        assert all(shot.at - shot.mtime > 7 * HOUR for shot in dated_wrong)
        await scene.set_wrong(0.0)
        assert scene.believable() == 0
        for _ in range(6):
            await scene.go_on()
        assert scene.believable() == 1
        assert scene.not_home() == []
        assert scene.left(dated_wrong) == dated_wrong
        for hours in (1, 22, 2):
            await scene.go_on(hours * HOUR)
            assert not scene.two_hours_in_a_slot()
            assert "captures" not in {shot.kind.name for shot in scene.left(dated_wrong)}
        assert scene.left(dated_wrong) == []
        assert scene.left(before) == []


# faketime would need to leave the monotonic clock alone; then every sleep of Python fails with EINVAL, for
# clock_nanosleep(2) with TIMER_ABSTIME is given a faked time (seen with 0.9.10).
SHIFTED = """
import os, time
in_truth = time.time
def shown():
    with open(os.environ["AHEAD"]) as text:
        return in_truth() + float(text.read())
time.time = shown
"""


def test_i6_the_command_and_a_clock_that_is_set_a_day_ahead_and_back(
    root: Path, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, whose time.time alone is shifted. A start believes the clock at once, and puts right."""
    zone = mid_hour()
    camera = Camera(root / "capture1")
    begun = time.time()
    here = ZoneInfo(zone.split('"')[1])

    def hour(at: float) -> int:
        return datetime.fromtimestamp(at, here).hour

    for kind in KINDS:
        for minutes in range(8, 23 * 60, 20):
            if minutes * 60 < kind.retention - 600:
                camera.stored(kind, hour(begun - minutes * 60), begun - minutes * 60)
    put(tmp_path, "ahead", b"0")
    put(tmp_path, "sitecustomize.py", SHIFTED.encode())
    monkeypatch.setenv("AHEAD", str(tmp_path / "ahead"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    limits = "".join(f"[kinds.{kind.name}]\nhot_limit = 2\n" for kind in KINDS)
    running = start(zone + limits)

    def believed() -> float:
        return running.metric("hotcold_clock_believable")

    def finish(by: float) -> None:
        for _ in range(4):
            camera.finished(time.time() + by, time.time())
        eventually("all but the newest two of each kind to leave", camera.is_settled)
        assert camera.places().keys() == {shot.content for shot in camera.shots}, "something is lost"

    assert believed() == 1
    finish(0)
    put(tmp_path, "ahead", b"86400")
    eventually("the brake", lambda: believed() == 0)
    finish(DAY)
    assert set(camera.places().values()) > {f".retired/{room(begun, here)}.0"}, "today's hour is displaced"
    put(tmp_path, "ahead", b"0")
    told = "the clock was set back by 1 d"
    eventually("the brake again", lambda: told in running.log.read_text("utf-8"))
    finish(0)
    assert believed() == 0
    assert running.stop() == 0
    running = start(zone + limits)
    assert believed() == 1

    def strayed() -> list[Shot]:
        places = camera.places()
        dated_right = [shot for shot in camera.shots if shot.mtime < shot.at + HOUR]
        return [shot for shot in dated_right if places.get(shot.content) not in ("", str(hour(shot.mtime)))]

    eventually("today's hour to be back", lambda: not strayed())
    assert camera.places().keys() == {shot.content for shot in camera.shots}, "something is lost"
    eventually("true playlists", lambda: not camera.unlisted())


def room(at: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H")
