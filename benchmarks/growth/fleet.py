"""Some devices whose hot folders are at their limits, and the encoder that writes to all of them: each file it finishes
makes the oldest of its folder leave.

How long that took needs no observer: the file that left has the moment of its rename as its ctime, and while the writer
waits for its next turn it makes the kernel's stamps fine (`benchmarks.comparison.finetime`).
"""

import math
import os
import time
from collections import deque
from pathlib import Path
from typing import Final

import attrs

from benchmarks.comparison.finetime import ticker
from benchmarks.comparison.writer import write
from hotcold_inotify import playlist
from hotcold_inotify.config import DEFAULT_KINDS, Kind
from hotcold_inotify.disk import LIVE_PLAYLIST, SLOT_NAMES
from hotcold_inotify.hours import Calendar

RATE: Final = 10
"""Files that one device finishes in a second."""
# What comes in that second, in its order: 1 segment, 2 captures, 5 thumbnails, 2 metadata.
_SECOND: Final = "thumbnails captures thumbnails metadata thumbnails segments thumbnails captures thumbnails metadata"
_ORDER: Final = tuple(_SECOND.split())
_SIZES: Final = {"segments": 40_000, "captures": 60_000, "thumbnails": 15_000, "metadata": 1_000}
_KINDS: Final = {kind.name: kind for kind in DEFAULT_KINDS}
# As the launcher has ffmpeg list them.
_LISTED: Final = 6
_DIGITS: Final = 9
# Seconds that the last files have to leave.
_PATIENCE: Final = 20.0


@attrs.frozen
class Waits:
    """How long the files took to leave that had to, in seconds."""

    seconds: tuple[float, ...]

    def part(self, of: float) -> float:
        """The wait that this part of them did not exceed: 0.99 for the 99th percentile. ValueError: there are none."""
        if not self.seconds:
            raise ValueError("no file had to leave")
        ordered = sorted(self.seconds)
        return ordered[math.ceil(len(ordered) * of) - 1]


@attrs.define
class _Hot:
    """One hot folder as its encoder knows it."""

    path: str
    kind: Kind
    next: int = 0
    """The number of the file to come."""

    def named(self, number: int) -> str:
        return self.kind.pattern.named(number, _DIGITS)


@attrs.frozen
class _Finished:
    """A file that was closed after writing, at `at` by the wall clock, in nanoseconds."""

    hot: _Hot
    number: int
    at: int


class Fleet:
    """The devices `capture1` ... below one root."""

    def __init__(self, root: Path, count: int, calendar: Calendar) -> None:
        """Makes them: hot folders with as many files of a byte as may stay, as old as their rates make them; slots."""
        self.count = count
        self._calendar = calendar
        self._tick = ticker()
        self._turn = 0
        self._devices: list[dict[str, _Hot]] = []
        self._lists: list[deque[bytes]] = []
        self._data = {name: os.urandom(size) for name, size in _SIZES.items()}
        for number in range(1, count + 1):
            device = root / f"capture{number}"
            self._lists.append(deque())
            self._devices.append({name: self._filled(device / name, kind) for name, kind in _KINDS.items()})

    def write(self, seconds: float, rate: float = RATE) -> Waits:
        """Finish files for so long, evenly, `rate` a second of each device, the devices by turns; back when what had to
        leave has left.

        TimeoutError: it has not, long after.
        """
        pause = 1 / (rate * self.count)
        finished: list[_Finished] = []
        begun = time.monotonic()
        for number in range(round(seconds / pause)):
            while time.monotonic() < begun + number * pause:
                self._tick()
            finished.append(self._one())
        self._settled()
        return Waits(tuple(self._wait(one) for one in finished))

    def _filled(self, folder: Path, kind: Kind) -> _Hot:
        for slot in SLOT_NAMES:
            (folder / slot).mkdir(parents=True)
        hot = _Hot(str(folder), kind)
        now = time.time()
        pause = 1 / _ORDER.count(kind.name)
        for number in range(kind.hot_limit):
            at = now - (kind.hot_limit - number) * pause
            path = f"{hot.path}/{hot.named(number)}"
            write(path, b"x")
            os.utime(path, (at, at))
            if kind.playlist:
                self._lists[-1].append(_line(hot.named(number), at - pause))
        hot.next = kind.hot_limit
        if kind.playlist:
            self._list(hot, 0, self._lists[-1])
        return hot

    def _one(self) -> _Finished:
        device = self._turn % self.count
        hot = self._devices[device][_ORDER[self._turn // self.count % len(_ORDER)]]
        self._turn += 1
        number = hot.next
        hot.next = number + 1
        at = write(f"{hot.path}/{hot.named(number)}", self._data[hot.kind.name], self._tick)
        if hot.kind.playlist:
            lines = self._lists[device]
            lines.append(_line(hot.named(number), at / 1e9 - 1))
            while len(lines) > _LISTED:
                lines.popleft()
            self._list(hot, number, lines)
        return _Finished(hot, number, at)

    def _list(self, hot: _Hot, newest: int, lines: deque[bytes]) -> None:
        """Replace the live playlist, as ffmpeg does."""
        path = f"{hot.path}/{LIVE_PLAYLIST}"
        text = playlist.head(1, None, max(0, newest - _LISTED)) + b"".join(lines)
        write(f"{path}.tmp", text)
        os.rename(f"{path}.tmp", path)

    def _settled(self) -> None:
        until = time.monotonic() + _PATIENCE
        for hot in (hot for device in self._devices for hot in device.values()):
            leaves = f"{hot.path}/{hot.named(hot.next - hot.kind.hot_limit - 1)}"
            while os.path.exists(leaves):
                if time.monotonic() > until:
                    raise TimeoutError(f"{leaves} has not left {_PATIENCE:.0f} s after its time")
                time.sleep(0.005)

    def _wait(self, one: _Finished) -> float:
        """Of the file that had to leave for this one's sake."""
        hot = one.hot
        slot = self._calendar.generation_at(one.at / 1e9).slot
        left = os.stat(f"{hot.path}/{slot}/{hot.named(one.number - hot.kind.hot_limit)}")
        return (left.st_ctime_ns - one.at) / 1e9


def _line(name: str, start: float) -> bytes:
    return playlist.line(playlist.Entry(name, 1.0, start), 0)
