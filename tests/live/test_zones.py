"""Both changes of summer time in six zones: files that are finished through them, each hour in its slot, on real
inotify.

What must be there is worked out anew, on a grid of quarters of an hour: in each of these zones an hour begins and ends
on it.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from hotcold_inotify import audit, hours
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.device import Device
from hotcold_inotify.disk import home
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.rotation import Rotation
from tests.live.camera import KINDS as ALL_KINDS
from tests.live.camera import Camera

STEP = 900
# An hour; half an hour; at a quarter to; at midnight, so that an evening has two elevens; two hours.
CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),
    "Pacific/Chatham": ("2026-09-26T14:00", "2026-04-04T14:00"),
    "Africa/Cairo": ("2026-04-23T22:00", "2026-10-29T21:00"),
    "Antarctica/Troll": ("2026-03-29T01:00", "2026-10-25T01:00"),
}
CASES = [(zone, moment) for zone, moments in CHANGES.items() for moment in moments]

# One that goes by whole hours; by each file's age, an hour long; by age and by its hour.
KINDS = tuple(kind for kind in ALL_KINDS if kind.name != "metadata")
# Quarters around the change, halves before and after, three hours each.
STEPS = (*range(-12, -4, 2), *range(-4, 5), *range(6, 13, 2))

Hour = tuple[date, int]


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


class Wall:
    """The clock on a wall of that zone, and what it makes of a file's age."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.hour = cache(self._hour)

    def _hour(self, at: int) -> Hour:
        local = datetime.fromtimestamp(at, self.zone)
        return local.date(), local.hour

    def hour_of(self, at: float) -> Hour:
        return self.hour(int(at // STEP) * STEP)

    def stays(self, kind: Kind, mtime: float, now: int) -> bool:
        """Whether the promise is that an archived file is there: not past its retention, its hour not come again."""
        day, number = mine = self.hour_of(mtime)
        live = self.hour(now)
        if mine == live:
            return True
        first = int(mtime // STEP) * STEP
        since = [self.hour(at) for at in range(first, now + 1, STEP)]
        if any(hour == number and later > day for later, hour in since):
            return False
        if not kind.playlist:
            return mtime + kind.retention >= now
        # By whole hours: until the last moment that belongs to its hour is past retention.
        end = first + STEP * (1 + max(place for place, hour in enumerate(since) if hour == mine))
        return end + kind.retention > now


def offset(zone: str, at: int) -> timedelta:
    found = datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found


@pytest.mark.parametrize("zone", CHANGES)
def test_the_table_holds_the_zones_changes(zone: str) -> None:
    forward, back = (offset(zone, instant(at)) - offset(zone, instant(at) - 1) for at in CHANGES[zone])
    assert forward == -back > timedelta()


@pytest.fixture
def quick() -> trio.testing.MockClock:
    """What is done every few seconds is done some times a second; the tests' own clock goes by steps."""
    return trio.testing.MockClock(rate=10.0)


@pytest.mark.parametrize(("zone", "moment"), CASES)
async def test_i5_i6_a_night_with_a_change_of_summer_time(
    tmp_path: Path,
    quick: trio.testing.MockClock,  # noqa: ARG001  makes the waiting short
    zone: str,
    moment: str,
) -> None:
    """From three hours before to three after: each time exactly what is promised is there, in the hour of its own
    local time, and no slot has two hours.
    """
    wall, change = Wall(zone), instant(moment)
    now = change - 12 * STEP
    camera = Camera(tmp_path / "capture1", KINDS)
    for kind in KINDS:
        for at in range(now - 27 * 4 * STEP, now, 2 * STEP):
            if wall.stays(kind, at + 60, now) and wall.hour_of(at) != wall.hour(now):
                camera.stored(kind, wall.hour(at)[1], at + 60.0)
    before = len(camera.shots)
    gone: set[bytes] = set()
    config = Config(root=str(tmp_path), timezone=zone, kinds=KINDS)
    here, calendar = home(config, str(tmp_path / "capture1")), Calendar(hours.zone(zone))
    clock, instruments = Clock(lambda: now, lambda: now), Instruments(CollectorRegistry())
    device = Device(here, config, calendar, clock, instruments)
    rotation = Rotation(here, KINDS, calendar, clock, lambda: True, instruments, device.returned)
    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        await audit.recover(here, KINDS, calendar, clock, instruments, durable=False)
        for turn, step in enumerate(STEPS):
            now = change + step * STEP
            for aside in (0.25, 0.5):
                camera.finished(now + aside, now + aside)
            await camera.settled()
            one_hour_a_slot(camera, wall)
            # After a turn of the hour either may be first: the pass, or the file that needs the slot.
            if turn % 3 == 0:
                await rotation.one_pass()
                check(camera, wall, now, gone)
                one_hour_a_slot(camera, wall)
        await rotation.one_pass()
        check(camera, wall, now, gone)
        await camera.listed()
        nursery.cancel_scope.cancel()
    assert len(camera.shots) - before == len(STEPS) * 2 * len(KINDS)
    assert len(gone) > 40, "else nothing expired"


def check(camera: Camera, wall: Wall, now: int, gone: set[bytes]) -> None:
    """`gone`: what had expired at the last look, and may not come back; replaced by what has by now."""
    places = camera.places()
    for shot in camera.shots:
        place = places.get(shot.content)
        if place == "":
            continue  # hot
        # An hour that is live again in another one's stead (Troll) brings nothing back.
        stays = shot.content not in gone and wall.stays(shot.kind, shot.mtime, now)
        words = f"of {wall.hour_of(shot.mtime)}, at {datetime.fromtimestamp(now, wall.zone)}: {place!r}"
        assert (place is not None) is stays, f"{shot} {words}"
        if place is None:
            gone.add(shot.content)
        else:
            assert place == str(wall.hour_of(shot.mtime)[1]), f"{shot} {words}"


def one_hour_a_slot(camera: Camera, wall: Wall) -> None:
    """Both passes of an autumn hour are one."""
    places = camera.places()
    slots: dict[tuple[str, str], set[Hour]] = {}
    for shot in camera.shots:
        place = places.get(shot.content, "")
        if place.isdigit():
            slots.setdefault((shot.kind.name, place), set()).add(wall.hour_of(shot.mtime))
    assert slots
    assert [held for held in slots.items() if len(held[1]) > 1] == []
