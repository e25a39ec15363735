"""What a hot path notices while a full hour expires beside it: `hotcold run`, and a loop that deletes in its own task.

A device comes back to a running reactor after a day: a slot of it is full of files of 26 hours ago, which its rotation
takes away and deletes at once. Captures come at a steady pace meanwhile, to a device that was there before, and to the
one that comes back. When the deletion begins and ends is seen by the folder `.retired/`, and that it was the reactor
which deleted them by its metric.
"""

import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from benchmarks.comparison.contender import cores, on
from benchmarks.launched import launched
from benchmarks.operations.steady import Steady, Waits
from hotcold_inotify.config import DEFAULT_KINDS
from hotcold_inotify.disk import Home
from hotcold_inotify.hours import HOUR, Calendar, zone
from tests.live.started import mid_hour

RATE: Final = 200
"""Files a second to each hot folder: a deletion is short, and has to meet enough of them."""
WINDOW: Final = 0.7
"""Seconds that are looked at before and after it."""
_AGE: Final = 26 * HOUR
_PATIENCE: Final = 30.0


@attrs.frozen
class Beside:
    """What one hot folder's files waited around one deletion; `before` is None for a device that was not there."""

    before: Waits | None
    during: Waits
    after: Waits


@attrs.frozen
class Expiry:
    """One slot that expired beside a reactor."""

    other_device: Beside
    same_device: Beside
    """Another kind of the device whose slot expires."""
    seconds: float
    """From the swap to the end of the deletion."""
    files: int
    """By how much hotcold_expired_files_total rose."""


def by_the_reactor(ground: Path, files: int, rounds: int) -> Iterator[Expiry]:
    """Have so many slots of so many files expire, one after the other, below an empty folder."""
    root = ground / "stream"
    hour = zone_of_mid_hour()
    _home(root / "capture1").make(kind.name for kind in DEFAULT_KINDS)
    present = Steady(root / "capture1" / "captures", RATE)
    ours, theirs = cores()
    with on(ours), launched(ground, root, hour, theirs), present:
        for number in range(2, 2 + rounds):
            yield _comes_back(ground, root / f"capture{number}", files, Calendar(zone(hour)), present)


def _comes_back(ground: Path, device: Path, files: int, calendar: Calendar, present: Steady) -> Expiry:
    aside = ground / device.name
    _home(aside).make(kind.name for kind in DEFAULT_KINDS)
    at = time.time() - _AGE
    full(aside / "thumbnails" / str(calendar.generation_at(at).slot), files, at)
    come = Steady(aside / "captures", RATE)
    before = _expired(ground, device.name)
    time.sleep(WINDOW)
    retired = device / "thumbnails" / ".retired"
    come.folder = device / "captures"
    aside.rename(device)
    with come:
        began = _moment(retired.exists, f"{device.name} to expire")
        ended = _moment(lambda: not retired.exists(), f"{device.name} to have expired")
        time.sleep(WINDOW)
        other = Beside(*(present.waits(*span) for span in _spans(began, ended)))
        same = Beside(None, *(come.waits(*span) for span in _spans(began, ended)[1:]))
    return Expiry(other, same, ended - began, _expired(ground, device.name) - before)


def _spans(began: float, ended: float) -> tuple[tuple[float, float], ...]:
    """Before a deletion, during it, and after it."""
    return (began - WINDOW, began), (began, ended), (ended, ended + WINDOW)


def by_its_own_task(ground: Path, files: int, rounds: int) -> Iterator[Beside]:
    """The same by a loop that deletes the folder itself."""
    hot, slot, expired, aside = ground / "hot", ground / "hot" / "0", ground / "expired", ground / "aside"
    slot.mkdir(parents=True)
    present = Steady(hot, RATE)
    ours, theirs = cores()
    with on(ours), _loop(hot, slot, expired, theirs), present:
        for _ in range(rounds):
            full(aside, files, time.time() - _AGE)
            time.sleep(WINDOW)
            began = time.monotonic()
            aside.rename(expired)
            ended = _moment(lambda: not expired.exists(), "the loop to delete")
            time.sleep(WINDOW)
            yield Beside(*(present.waits(*span) for span in _spans(began, ended)))


@contextlib.contextmanager
def _loop(hot: Path, slot: Path, expired: Path, core: int) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.operations.inlinedeletion", *map(str, (hot, slot, expired))]
    with on(core):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    try:
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise SystemExit("the loop that deletes in its own task did not start")
        yield
    finally:
        process.kill()
        process.wait()


def full(slot: Path, files: int, at: float) -> None:
    """Fill a slot with thumbnails that were finished at that Unix time."""
    slot.mkdir(exist_ok=True)
    for number in range(files):
        path = f"{slot}/capture_{number:09d}_thumbnail.jpg"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, b"x")
        os.close(fd)
        os.utime(path, (at, at))


def zone_of_mid_hour() -> str:
    """A time zone whose hour is not about to turn."""
    return mid_hour().split('"')[1]


def _home(device: Path) -> Home:
    return Home(device.name, str(device), str(device))


def _moment(holds: Callable[[], bool], what: str) -> float:
    """The time.monotonic() at which it began to hold, to a millisecond. TimeoutError: it does not."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_PATIENCE:.0f} s for {what}")
        time.sleep(0.001)
    return time.monotonic()


def _expired(ground: Path, device: str) -> int:
    """What the reactor says that it has deleted of a device's thumbnails; not asked while anything is measured."""
    log = (ground / "hotcold.log").read_text("utf-8")
    if "no inotify" in log:
        raise SystemExit(f"the reactor must hear events here: raise fs.inotify.max_user_instances\n{log}")
    found = re.search(r"http://[0-9.]+:[0-9]+/metrics", log)
    if found is None:
        raise SystemExit(f"it serves no metrics:\n{log}")
    with urllib.request.urlopen(found[0], timeout=10) as answer:  # noqa: S310  it is http, by the expression above
        told = str(answer.read().decode())
    labels = re.escape(f'{{device="{device}",kind="thumbnails"}}')
    said = re.search(rf"^hotcold_expired_files_total{labels} (\S+)$", told, re.MULTILINE)
    return int(float(said[1])) if said else 0
