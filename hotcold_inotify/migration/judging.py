"""What becomes of a file, by its name and its mtime. Pure: `now` is always an argument."""

import bisect
from collections.abc import Iterable
from enum import Enum
from typing import Final

from hotcold_inotify.config import Kind
from hotcold_inotify.hours import DAY, Calendar, Generation
from hotcold_inotify.names import FileName

# A slot's hour comes round again two days later at the latest, so what is older than this has expired.
_LONGEST: Final = 3 * DAY
# Seconds for which the hours that were worked out hold, unless the hour turns before.
_HOLDS: Final = 10.0


class Stays(Enum):
    """Why a file stays in its old place for now."""

    YOUNG = "finished a moment ago, or still being written"
    LISTED = "in the live playlist of its writer"
    AHEAD = "of a time that is still to come"


def most_specific_first(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """The order in which kinds are asked for a name: the one whose pattern says most of the name comes first."""
    return tuple(sorted(kinds, key=lambda kind: -len(kind.pattern.prefix) - len(kind.pattern.suffix)))


def recognised(kinds: Iterable[Kind], text: str) -> tuple[Kind, FileName] | None:
    """The first kind whose pattern the name matches, and the name as parsed."""
    for kind in kinds:
        name = kind.pattern.match(text)
        if name is not None:
            return kind, name
    return None


class Judge:
    """The hour that a file of one kind goes to, for folders of a million: `at` a moment, then ask by mtime.

    It answers as `Calendar` does, but works the last three days out once, not for each file.
    """

    def __init__(self, kind: Kind, calendar: Calendar) -> None:
        self._kind = kind
        self._calendar = calendar
        self._from = self._until = 0.0
        self._starts: list[float] = []
        self._hours: list[tuple[Generation, bool]] = []  # and whether it goes as a whole
        self._live = calendar.generation_at(0.0)
        self._trimmed = 0.0

    def at(self, now: float) -> None:
        """The moment (Unix seconds) by which is judged from here on."""
        if not self._from <= now < self._until:
            self._work_out(now)
        # A kind with playlists goes by whole slots.
        self._trimmed = 0.0 if self._kind.playlist else now - self._kind.retention

    def generation(self, mtime: float) -> Generation | None:
        """The hour of a file that was finished then (Unix seconds, not after the moment); None: it has expired."""
        index = bisect.bisect_right(self._starts, mtime) - 1
        if index < 0:
            return None
        generation, due = self._hours[index]
        return None if due or (mtime < self._trimmed and generation != self._live) else generation

    def due(self, mtime: float) -> bool:
        """Whether a file of that mtime has expired."""
        return self.generation(mtime) is None

    def _work_out(self, now: float) -> None:
        calendar, retention = self._calendar, self._kind.retention
        self._live = live = calendar.generation_at(now)
        starts: list[float] = []
        hours: list[tuple[Generation, bool]] = []
        start = now - _LONGEST
        while start <= now:
            generation = calendar.generation_at(start)
            if self._kind.playlist:
                due = calendar.slot_due(generation, retention, now)
            else:
                due = generation < live and calendar.comes_round(generation) <= now
            starts.append(start)
            hours.append((generation, due))
            start = calendar.next_turn(start)
        self._starts, self._hours = starts, hours
        self._from, self._until = now, min(start, now + _HOLDS)
