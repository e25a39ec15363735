"""Which files each minute of an hour has, from few looks: numbers grow with time, so a minute's first file is found by
search.

A full hour has 18,000 thumbnails; to list them all takes the kernel too long for a day's heatmap. So some names are
read, and where the numbers around them are one unbroken run, some 200 stats find its sixty minutes. Where they are not
(files are missing), all names are read and searched the same way; where times do not grow with the numbers (an encoder
counted from 0 again), every file is looked at.
"""

import bisect
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from hotcold_inotify.names import Numbered, Pattern

# Entries that are read to learn which numbers there are. A folder with fewer is looked at file by file.
_SAMPLE = 512
# Places at which times are compared before they are trusted to grow.
_PROBES = 16
# Seconds that a run which fills its hour may begin late or end early.
_WHOLE = 3.0
# How far, in powers of two, beyond the end of a run another one is looked for.
_BEYOND = 18


class _Broken(Exception):
    """The files do not follow the rule that would have made it quick."""


@attrs.frozen
class Minute:
    """The files of one minute: how many, the first and the last of them."""

    files: int
    first: str
    last: str


Bounds = Sequence[float]
Stat = Callable[[str], os.stat_result | None]


def minutes(folder_fd: int, pattern: Pattern, bounds: Bounds, look: Stat) -> list[Minute | None]:
    """What lies between each two neighbours of `bounds` (Unix seconds, ascending) in an open folder; None: nothing.

    `look` is the stat(2) of a name in that folder, None if it is not there.
    """

    def mtime(text: str) -> float | None:
        found = look(text)
        return None if found is None else found.st_mtime

    with os.scandir(folder_fd) as entries:
        names = [entry.name for entry in itertools.islice(entries, _SAMPLE)]
        if len(names) == _SAMPLE:
            try:
                run = _Run(pattern, pattern.match_all(names), mtime)
                # An encoder that began anew within the hour left two runs, and each ends within it.
                if run.at(run.low) - bounds[0] > _WHOLE or bounds[-1] - run.at(run.high) > _WHOLE:
                    raise _Broken  # noqa: TRY301 (said and heard in one place)
                return _search(run, bounds)
            except _Broken:
                names += [entry.name for entry in entries]
    found = pattern.match_all(names)
    if len(names) > _SAMPLE:
        try:
            return _search(_Names(found, mtime), bounds)
        except _Broken:
            pass
    dated = [(at, text) for _, _, text in found if (at := mtime(text)) is not None]
    return by_time(sorted(dated), bounds)


def by_time(dated: Sequence[tuple[float, str]], bounds: Bounds) -> list[Minute | None]:
    """The same for files whose times are known, in order of time."""
    times = [mtime for mtime, _name in dated]
    at = [bisect.bisect_left(times, bound) for bound in bounds]
    return [Minute(b - a, dated[a][1], dated[b - 1][1]) if b > a else None for a, b in itertools.pairwise(at)]


class _Files(Protocol):
    """Files in order of their numbers, at the positions `low`..`high` (included)."""

    low: int
    high: int

    def text(self, position: int) -> str:
        """The file's name."""

    def at(self, position: int) -> float:
        """When it was finished; `_Broken`: it is not there."""


def _search(files: _Files, bounds: Bounds) -> list[Minute | None]:
    if files.low > files.high:
        raise _Broken
    count = files.high - files.low
    probed = [files.at(files.low + count * step // _PROBES) for step in range(_PROBES + 1)]
    if any(early > late for early, late in itertools.pairwise(probed)):
        raise _Broken
    at: list[int] = []
    for bound in bounds:
        at.append(_first_at(files, bound, at[-1] if at else files.low))
    return [Minute(b - a, files.text(a), files.text(b - 1)) if b > a else None for a, b in itertools.pairwise(at)]


def _first_at(files: _Files, bound: float, low: int) -> int:
    """The first position, `low` or above, whose file was finished at `bound` or later; else one past the last."""
    high = files.high
    if low > high or files.at(high) < bound:
        return high + 1
    if files.at(low) >= bound:
        return low
    # Always: at(low) < bound <= at(high). A guess by proportion first, halves when that goes slowly.
    for step in itertools.count():
        if high - low <= 1:
            break
        early, late = files.at(low), files.at(high)
        middle = (low + high) // 2
        if step < 4 and late > early:
            middle = low + round((bound - early) / (late - early) * (high - low))
            middle = min(max(middle, low + 1), high - 1)
        if files.at(middle) < bound:
            low = middle
        else:
            high = middle
    return high


class _Names:
    """All names of a folder; a position is an index."""

    def __init__(self, names: Sequence[Numbered], mtime: Callable[[str], float | None]) -> None:
        if any(revision for _, revision, _ in names):
            raise _Broken  # an encoder that began anew met its own numbers
        self._names = names
        self._mtime = mtime
        self._known: dict[int, float] = {}
        self.low, self.high = 0, len(self._names) - 1

    def text(self, position: int) -> str:
        return self._names[position][2]

    def at(self, position: int) -> float:
        if position not in self._known:
            found = self._mtime(self.text(position))
            if found is None:
                raise _Broken
            self._known[position] = found
        return self._known[position]


class _Run:
    """The unbroken run of numbers that a folder's files have; a position is a number."""

    def __init__(self, pattern: Pattern, sample: Sequence[Numbered], mtime: Callable[[str], float | None]) -> None:
        if len(sample) < _SAMPLE // 2 or any(revision for _, revision, _ in sample):
            raise _Broken
        widths = {pattern.digits(text) for _, _, text in sample}
        if len(widths) != 1:
            raise _Broken  # 999 and 1000 without leading zeros: their names follow no one rule
        self._pattern, self._digits, self._mtime = pattern, widths.pop(), mtime
        self._known: dict[int, float | None] = {}
        self.low = self._edge(sample[0][0], -1)
        self.high = self._edge(sample[-1][0], +1)

    def text(self, position: int) -> str:
        return self._pattern.named(position, self._digits)

    def at(self, position: int) -> float:
        found = self._look(position)
        if found is None:
            raise _Broken
        return found

    def _look(self, number: int) -> float | None:
        if number not in self._known:
            self._known[number] = self._mtime(self.text(number))
        return self._known[number]

    def _edge(self, number: int, way: int) -> int:
        """The last number of the run in one direction: out in growing steps, then by halves."""
        inside, step = number, 1
        while number + way * step >= 0 and self._look(number + way * step) is not None:
            inside = number + way * step
            step *= 2
        outside = max(number + way * step, -1)
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            if self._look(middle) is not None:
                inside = middle
            else:
                outside = middle
        # A missing file is not the end: if anything lies behind it, the run is none.
        beyond = (outside + way * 2**power for power in range(_BEYOND))
        if any(self._look(number) is not None for number in beyond if number >= 0):
            raise _Broken
        return inside
