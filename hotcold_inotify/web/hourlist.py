"""The files of one hour, by time, the hot ones included.

A full hour has 18,000 thumbnails. A stat(2) of each takes Python longer than all the rest, so times are looked up for
some and reckoned for the others where that is safe: between two files that are as far apart in time as their numbers
say, nothing paused. Where numbers or times do not follow that rule, each file is looked at.
"""

import bisect
import operator
import os
from collections.abc import Callable, Sequence

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import Home
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import Numbered, Pattern
from hotcold_inotify.web.tree import Tree

# A folder with fewer files is looked at file by file.
_FEW = 512
# How far, in seconds, a reckoned time may be off.
_EXACT = 0.1
_BLOCK = 32
# A reckoned time may fall just outside of the hour that its file lies in.
_SLACK = 60.0
# Files that may have moved between the two looks at most.
_MOVING = 1_000

Timed = tuple[float, str]


@attrs.frozen
class HourList:
    """An hour's generation, and its files by time: (Unix seconds, name), the archived ones and the hot ones."""

    generation: Generation
    cold: list[Timed]
    hot: list[Timed]


def hour_of(tree: Tree, home: Home, kind: Kind, slot: int) -> HourList:
    """The newest generation of an hour; an hour without files has its latest generation."""
    generation_at = tree.calendar.generation_at
    # Hot first: a file that moves meanwhile is then seen twice, never missed.
    hot = [(one.mtime, one.name.text) for one in tree.hot(home, kind) if generation_at(one.mtime).slot == slot]
    with tree.folder(home.cold_path, kind, slot) as fd:
        cold = [] if fd is None else _timed(tree, fd, kind.pattern)
    newest = max((generation_at(at) for at, _name in (*hot[-1:], *cold[-1:])), default=tree.latest(slot))
    if newest.slot != slot:  # foreign files, of another hour
        newest = tree.latest(slot)
    span = tree.calendar.span(newest)
    if span is None:
        return HourList(newest, [], [])
    first, last = bisect.bisect_left(cold, (span.start - _SLACK,)), bisect.bisect_left(cold, (span.end + _SLACK,))
    cold = cold[first:last]
    archived = {name for _at, name in cold[-_MOVING:]}
    hot = [(at, name) for at, name in hot if span.start <= at < span.end and name not in archived]
    return HourList(newest, cold, hot)


def _timed(tree: Tree, slot_fd: int, pattern: Pattern) -> list[Timed]:
    """A slot's files by time."""
    names = pattern.match_all(os.listdir(slot_fd))

    def mtime(text: str) -> float | None:
        found = tree.looked_at(slot_fd, text)
        return None if found is None else found.st_mtime

    times = [mtime(text) for _, _, text in names] if len(names) < _FEW else reckoned(names, mtime)
    timed = [(at, name[2]) for at, name in zip(times, names, strict=True) if at is not None]
    timed.sort(key=operator.itemgetter(0))  # stable: of the same time, by number
    return timed


def reckoned(names: Sequence[Numbered], mtime: Callable[[str], float | None]) -> list[float | None]:
    """The times of files in order of their numbers, to a tenth of a second, by asking `mtime` for few; None: gone."""
    times: list[float | None] = [None] * len(names)
    if not names:
        return times
    interval = _interval(names, mtime)
    work = [(0, len(names) - 1)]
    times[0], times[-1] = mtime(names[0][2]), mtime(names[-1][2])
    while work:
        a, b = work.pop()
        if b - a <= 1:
            continue
        first, last = times[a], times[b]
        expected = (names[b][0] - names[a][0]) * interval
        unbroken = names[b][0] - names[a][0] == b - a
        if first is not None and last is not None and abs(last - first - expected) <= _EXACT and unbroken:
            step = (last - first) / (b - a)
            times[a + 1 : b] = [first + step * ahead for ahead in range(1, b - a)]
            continue
        middle = (a + b) // 2
        times[middle] = mtime(names[middle][2])
        work += [(a, middle), (middle, b)]
    return times


def _interval(names: Sequence[Numbered], mtime: Callable[[str], float | None]) -> float:
    """Seconds from one number to the next where nothing paused: the shortest of some blocks."""
    found = []
    for a in range(0, max(len(names) - _BLOCK, 1), max(len(names) // 16, _BLOCK)):
        b = min(a + _BLOCK, len(names) - 1)
        first, last = mtime(names[a][2]), mtime(names[b][2])
        if first is not None and last is not None and names[b][0] > names[a][0]:
            found.append((last - first) / (names[b][0] - names[a][0]))
    return max(min(found, default=0.0), 0.0)
