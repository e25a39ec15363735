"""What becomes of a file, by its name and its mtime. Pure: `now` is always an argument."""

from bisect import bisect_right
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

    YOUNG = "just written"
    LISTED = "listed live"
    AHEAD = "from the future"


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
        self._hours: list[Generation | None] = []  # None: it goes as a whole
        self._live = calendar.generation_at(0.0)
        self._live_since = self._kept_since = self._trimmed = 0.0
        self.oldest = 0.0
        """Unix time: what is older has expired. What is not may have."""

    def at(self, now: float) -> None:
        """The moment (Unix seconds) by which is judged from here on."""
        if not self._from <= now < self._until:
            self._work_out(now)
        # A kind with playlists goes by whole slots.
        self._trimmed = 0.0 if self._kind.playlist else now - self._kind.retention
        self.oldest = max(self._kept_since, min(self._trimmed, self._live_since))

    def generation(self, mtime: float) -> Generation | None:
        """The hour of a file that was finished then (Unix seconds, not after the moment); None: it has expired."""
        if mtime < self.oldest:
            return None
        generation = self._hours[bisect_right(self._starts, mtime) - 1]
        return None if mtime < self._trimmed and generation != self._live else generation

    def due(self, mtime: float) -> bool:
        """Whether a file of that mtime has expired."""
        return self.generation(mtime) is None

    def _work_out(self, now: float) -> None:
        calendar, retention = self._calendar, self._kind.retention
        self._live = live = calendar.generation_at(now)
        starts: list[float] = []
        hours: list[Generation | None] = []
        start = now - _LONGEST
        while start <= now:
            generation = calendar.generation_at(start)
            if self._kind.playlist:
                due = calendar.slot_due(generation, retention, now)
            else:
                due = generation < live and calendar.comes_round(generation) <= now
            starts.append(start)
            hours.append(None if due else generation)
            start = calendar.next_turn(start)
        self._starts, self._hours = starts, hours
        # The live hour is always kept.
        self._kept_since = next(at for at, kept in zip(starts, hours, strict=True) if kept is not None)
        self._live_since = next(at for at, kept in zip(starts, hours, strict=True) if kept == live)
        self._from, self._until = now, min(start, now + _HOLDS)
