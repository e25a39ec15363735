"""Look through a tree, and tell what breaks a promise.

Beside a running reactor something is always on its way: a file that is hot for a millisecond too long, a segment whose
entry is about to be written. So what is found there counts only when it is found again, by name, at each look for some
seconds.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable

import attrs

from hotcold_inotify.audit.looking import NOT_A_FOLDER, Looker
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Folder, Home, errno_name
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.invariants import (
    Finding,
    Names,
    Violation,
    What,
    judge_hot,
    judge_retired,
    judge_slot,
    merged,
    still,
)

# How long a reactor is given, and the pause between two looks. A playlist that was found wrong is mended after two
# seconds.
_PATIENCE = 5.0
_PAUSE = 0.1
_HOT = -1
_RETIRED = len(SLOT_NAMES)
PARTS = len(SLOT_NAMES) + 2
"""Looks that a folder takes: its slots, what is hot, and what is retired."""

Step = Callable[[int], None]


@attrs.frozen
class Report:
    """What a check found. `files`: the managed files that were looked at."""

    wrong: tuple[Violation, ...]
    notes: tuple[Violation, ...]
    files: int


def check(
    devices: Iterable[Home],
    kinds: tuple[Kind, ...],
    calendar: Calendar,
    clock: Clock,
    *,
    live: bool,
    step: Step = lambda _files: None,
) -> Report:
    """Look at each folder. `live`: a reactor runs; `step` hears after each part how many files it had."""
    places = [_Place(device, kind, calendar, clock, live=live) for device in devices for kind in kinds]
    for place in places:
        place.look(step)
    until = time.monotonic() + _PATIENCE
    while live and any(place.suspect for place in places) and time.monotonic() < until:
        time.sleep(_PAUSE)
        for place in places:
            place.look_again()
    found = [
        Violation(finding, place.device.name, place.kind.name)
        for place in places
        for part in sorted(place.found)
        for finding in place.found[part]
    ]
    return Report(
        tuple(one for one in found if one.fails),
        tuple(one for one in found if not one.fails),
        sum(place.files for place in places),
    )


class _Place:
    """One folder and what was found in it, part by part."""

    def __init__(self, device: Home, kind: Kind, calendar: Calendar, clock: Clock, *, live: bool) -> None:
        self.device = device
        self.kind = kind
        self.files = 0
        self.found: dict[int, list[Finding]] = {}
        self._calendar = calendar
        self._clock = clock
        self._live = live

    @property
    def suspect(self) -> bool:
        return any(one.what.fails for found in self.found.values() for one in found)

    def look(self, step: Step) -> None:
        parts = range(_HOT, _RETIRED + 1)
        for part, (found, files) in self._findings(parts, step).items():
            self.files += files
            if found:
                self.found[part] = found

    def look_again(self) -> None:
        parts = [part for part, found in self.found.items() if any(one.what.fails for one in found)]
        if not parts:
            return
        for part, (found, _files) in self._findings(parts, lambda _files: None).items():
            self.found[part] = still(self.found.get(part, []), found)

    def _findings(self, parts: Iterable[int], step: Step) -> dict[int, tuple[list[Finding], int]]:
        """What is found in each part, and how many files it has."""
        try:
            folder = self.device.open(self.kind, self._calendar)
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            # The other parts cannot be told of, and stay as they were.
            step(0)
            return {_HOT: ([Finding(*_refused(error, os.fspath(error.filename)))], 0)}
        with folder:
            # What is hot decides whether an hour is over, and is looked at each time, but once a look.
            hot, hot_hours = self._hot(folder)
            done: dict[int, tuple[list[Finding], int]] = {}
            for part in parts:
                done[part] = hot if part == _HOT else self._part(folder, part, hot_hours)
                step(done[part][1])
            return done

    def _hot(self, folder: Folder) -> tuple[tuple[list[Finding], int], frozenset[Generation]]:
        looker = Looker(folder, self._clock, live=self._live)
        try:
            facts = looker.hot()
        except OSError as error:
            return (_unreadable(error, self.kind.name, None), 0), frozenset()
        return (merged(judge_hot(facts)), looker.files), frozenset(facts.hours)

    def _part(self, folder: Folder, part: int, hot_hours: frozenset[Generation]) -> tuple[list[Finding], int]:
        looker = Looker(folder, self._clock, live=self._live)
        try:
            if part == _RETIRED:
                return merged(judge_retired(looker.retired(), live=self._live)), looker.files
            facts = looker.slot(part)
        except OSError as error:
            text, slot = (RETIRED, None) if part == _RETIRED else (str(part), part)
            return _unreadable(error, text, slot), looker.files
        return merged(judge_slot(facts, looker.moment, hot_hours, lists=self.kind.playlist)), looker.files


def _unreadable(error: OSError, text: str, slot: int | None) -> list[Finding]:
    if error.errno not in SURVIVED:
        raise error
    return [Finding(*_refused(error, text), slot)]


def _refused(error: OSError, text: str) -> tuple[What, Names]:
    if error.errno == errno.ENOENT:
        return What.NO_FOLDER, Names.of([text])
    if error.errno in NOT_A_FOLDER:
        return What.NOT_A_FOLDER, Names.of([text])
    return What.UNREADABLE, Names.of([f"{text}: {errno_name(error)}"])
