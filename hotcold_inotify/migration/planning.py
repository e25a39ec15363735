"""Look first: how many files of which kind will go where. Changes nothing, in memory bounded by the hot limits."""

import heapq
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import Home
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.migration.judging import Judge, Stays
from hotcold_inotify.migration.places import SETTLED, Place, expected, places

# Names of unknown entries that are told.
_EXAMPLES: Final = 10
# A move takes about so many times as long as a look at the same file.
_MOVE: Final = 4.0
_STEP: Final = 4096
# A file of this many seconds to come has a time that is wrong, and not one that is a little ahead.
_AHEAD: Final = 60.0

Step = Callable[[int], None]
"""Hears how many files were worked on since it was called last."""
Aged = tuple[float, int, int, str, str]
"""By age: mtime, number, revision, name, the place that it lies in."""


def aged(kind: Kind, text: str, found: os.stat_result, place: Place) -> Aged:
    """What a kind's files are ordered by."""
    name = kind.pattern.match(text)
    number, revision = (name.number, name.revision) if name is not None else (0, 0)
    return found.st_mtime, number, revision, text, place.path


@attrs.define
class KindPlan:
    """One kind of one device. All counts are of files."""

    in_place: int = 0
    """Hot, and where they belong."""
    hot: int = 0
    """To go to the hot folder."""
    slots: Counter[int] = attrs.field(factory=Counter)
    """To go to each hour."""
    bytes: int = 0
    """Of what goes to the hot folder and to the hours."""
    expired: int = 0
    expired_bytes: int = 0
    stays: Counter[Stays] = attrs.field(factory=Counter)
    newest: frozenset[tuple[str, str]] = frozenset()
    """(place, name) of each file that will be hot: at most the hot limit."""
    hot_since: float = -math.inf
    """Unix time: what is younger stays in the hot folder where it lies, for it may have come since."""
    hours: set[Generation] = attrs.field(factory=set)
    """The hours of which files stay in an old place."""

    @property
    def moves(self) -> int:
        """How many files will be moved."""
        return self.hot + self.slots.total()


@attrs.define
class DevicePlan:
    """What a migration of one device would do."""

    kinds: dict[str, KindPlan]
    began: float
    """Unix time: files that were finished shortly before, or later, stay."""
    unknown: int = 0
    examples: list[str] = attrs.field(factory=list)
    """Names of what is nobody's, and stays."""
    seconds: float = 0.0
    """An estimate of what it takes."""

    @property
    def moves(self) -> int:
        """How many files will be moved."""
        return sum(kind.moves for kind in self.kinds.values())

    @property
    def bytes(self) -> int:
        """The size of what will be moved."""
        return sum(kind.bytes for kind in self.kinds.values())

    @property
    def expired(self) -> int:
        """How many files have expired."""
        return sum(kind.expired for kind in self.kinds.values())


class _Heap:
    """The newest files of one kind that were seen so far; the others are counted by their fate."""

    def __init__(self, kind: Kind, judge: Judge, *, live: bool) -> None:
        self.plan = KindPlan()
        self._live = live
        self._limit = kind.hot_limit
        self._kind = kind
        self._judge = judge
        self._newest: list[tuple[Aged, int]] = []

    def add(self, text: str, found: os.stat_result, place: Place) -> None:
        newest = self._newest
        if len(newest) < self._limit:
            heapq.heappush(newest, (aged(self._kind, text, found, place), found.st_size))
        elif found.st_mtime < newest[0][0][0]:
            self._count(found.st_mtime, found.st_size, place.path)
        else:
            one, size = heapq.heappushpop(newest, (aged(self._kind, text, found, place), found.st_size))
            self._count(one[0], size, one[-1])

    def _count(self, mtime: float, size: int, place: str) -> None:
        if self._live and place == self._kind.name:
            return  # the reactor's own business
        generation = self._judge.generation(mtime)
        if generation is None:
            self.plan.expired += 1
            self.plan.expired_bytes += size
        else:
            self.plan.slots[generation.slot] += 1
            self.plan.bytes += size

    def end(self) -> KindPlan:
        """What is left is hot; beside a reactor, which takes what comes for the newest, only if it is that."""
        newest = sorted(self._newest)
        here = [one for one, _ in newest if one[-1] == self._kind.name]
        hot = []
        for one, size in newest:
            if one[-1] == self._kind.name:
                self.plan.in_place += 1
                hot.append(one)
            elif self._live and here and one < here[-1]:
                self._count(one[0], size, one[-1])
            else:
                self.plan.hot += 1
                self.plan.bytes += size
                hot.append(one)
        if len(newest) == self._limit:
            self.plan.hot_since = newest[0][0][0]
        self.plan.newest = frozenset((place, text) for *_, text, place in hot)
        return self.plan


def plan(
    home: Home, kinds: tuple[Kind, ...], calendar: Calendar, now: float, *, live: bool, step: Step = lambda _files: None
) -> DevicePlan:
    """Look at every file of a device's old places. `live`: a reactor runs, and its hot folders are its own business.

    OSError: a folder cannot be read.
    """
    began = time.monotonic()
    judges = {kind.name: Judge(kind, calendar) for kind in kinds}
    for judge in judges.values():
        judge.at(now)
    heaps = {kind.name: _Heap(kind, judges[kind.name], live=live) for kind in kinds}
    whole = DevicePlan({}, now)
    looked = 0
    with places(home, kinds) as found:
        for place in found:
            looked += _look(place, heaps, calendar, now, step, partial(_strange, whole, place, kinds))
    whole.kinds = {name: heap.end() for name, heap in heaps.items()}
    if looked:
        whole.seconds = round((time.monotonic() - began) / looked * _MOVE * whole.moves, 1)
    return whole


def _look(
    place: Place,
    heaps: dict[str, _Heap],
    calendar: Calendar,
    now: float,
    step: Step,
    stranger: Callable[[str], None],
) -> int:
    listed = place.listed(now)
    looked = 0
    for kind, text, found in place.files(stranger):
        looked += 1
        if looked % _STEP == 0:
            step(_STEP)
        heap = heaps[kind.name]
        why = None if place.keeps(kind) else stays(text, found.st_mtime, listed, now)
        if why is None:
            heap.add(text, found, place)
        else:
            heap.plan.stays[why] += 1
            heap.plan.hours.add(calendar.generation_at(found.st_mtime))
    step(looked % _STEP)
    return looked


def _strange(whole: DevicePlan, place: Place, kinds: tuple[Kind, ...], text: str) -> None:
    if place.mixed and not expected(kinds, text):
        whole.unknown += 1
        if len(whole.examples) < _EXAMPLES:
            whole.examples.append(os.path.join(place.path, text))


def stays(text: str, mtime: float, listed: frozenset[str], began: float) -> Stays | None:
    """Why a file in an old place stays there in a run that began at that moment; None: it goes."""
    if mtime > began - SETTLED:
        return Stays.AHEAD if mtime > began + _AHEAD else Stays.YOUNG
    return Stays.LISTED if text in listed else None
