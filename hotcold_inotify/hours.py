"""An instant belongs to one generation: its local date and hour. From that alone follows when a slot must be emptied.

A clock change never splits or merges content by accident: both passes of an autumn hour are one generation, an hour
that spring skips has no span, and a slot comes round again at the next day that *has* its hour. All instants are unix
seconds; a generation begins and ends on a whole second. Nothing here reads a clock: `now` is always an argument.

Not every zone turns as tidily as Zurich. Troll goes back two hours, Newfoundland (until 2011) changed at one minute
past midnight, Samoa once skipped a day (IANA tz database, files `antarctica`, `northamerica`, `australasia`). So a
generation may last one minute, or be live, left, and live again. The one thing assumed of a zone is that its offset
changes at most once within any hour.
"""

import functools
import itertools
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import floor
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

Zone = tzinfo | None
"""A time zone; None is the machine's own, as the C library knows it (localtime(3))."""

LOCAL: Final = "local"
HOUR: Final = 3_600
DAY: Final = 86_400

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
# Local time has never been 16 h from UTC (today: -12 h to +14 h), so every hour is found that near to its UTC namesake.
_WIDEST: Final = 16 * HOUR
# What `datetime` can hold, with days to spare. A file system holds stranger mtimes, and one such file must stop nobody.
_EARLIEST: Final = floor(datetime(1, 1, 10, tzinfo=UTC).timestamp())
_LATEST: Final = floor(datetime(9999, 12, 20, tzinfo=UTC).timestamp())


def zone(name: str) -> Zone:
    """The zone of that name: "local", or a name of the IANA database. ValueError says in plain words what is wrong."""
    if name == LOCAL:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as reason:  # OSError: the name of a folder, as "Europe"
        raise ValueError(f"{name!r} is neither 'local' nor a zone of this machine's IANA database") from reason


@attrs.frozen(order=True)
class Generation:
    """The local date and hour (0..23) that a slot's content belongs to; sorts by date, then hour."""

    day: date
    hour: int

    @property
    def slot(self) -> int:
        """The number of the hour folder, 0..23."""
        return self.hour

    def __str__(self) -> str:
        """The generation as text, such as `2026-03-29T14`."""
        return f"{self.day.isoformat()}T{self.hour:02d}"

    @classmethod
    def parse(cls, text: str) -> "Generation":
        """Read what str() writes. ValueError on any other text."""
        found = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3])", text)
        if found is None:
            raise ValueError(f"{text!r} is not a generation such as '2026-03-29T14'")
        return cls(date.fromisoformat(found[1]), int(found[2]))


@attrs.frozen
class Span:
    """Unix seconds: `start` belongs to it, `end` does not."""

    start: float
    end: float


@attrs.frozen
class _Run:
    """Seconds in a row of one generation and one offset. Most generations are one run, some two."""

    start: int
    end: int
    generation: Generation


class Calendar:
    """The hours of one zone.

    It remembers the run of seconds that was asked for last, so that `generation_at` costs two comparisons for files as
    they arrive, and the spans that it worked out. Both die with the object: when the machine's own zone changes (the C
    library notices at tzset(3), in practice at the next start), make a new Calendar. Threads may share one: what it
    remembers is replaced whole.
    """

    def __init__(self, zone: Zone) -> None:
        """Begin with nothing remembered."""
        self._zone = zone
        self._last = self._run_at(0)
        # Bounded: the slots of a day and their successors, several times over; what falls out is worked out anew.
        self._spans = functools.lru_cache(maxsize=256)(self._find_span)

    @property
    def zone_name(self) -> str:
        """The name that `zone` takes: "local" or the IANA name."""
        return LOCAL if self._zone is None else str(self._zone)

    def generation_at(self, timestamp: float) -> Generation:
        """The generation live at that instant; both passes of an autumn hour give the same one.

        Any number is answered: one that no calendar holds gives the calendar's first or last days.
        """
        run = self._last
        if not run.start <= timestamp < run.end:
            run = self._last = self._run_at(_second(timestamp))
        return run.generation

    def span(self, generation: Generation) -> Span | None:
        """When that hour was or will be; None if it does not exist on that day.

        Where a clock goes back by other than an hour (Troll), a generation is live twice with another one in between;
        the span then reaches from its first start to its last end.
        """
        return self._spans(generation)

    def next_turn(self, timestamp: float) -> float:
        """The first instant after this one at which `generation_at` gives another answer."""
        run = self._run_at(floor(timestamp))
        while (after := self._run_at(run.end)).generation == run.generation:
            run = after
        return run.end

    def comes_round(self, generation: Generation) -> float:
        """The start of the slot's next generation that exists: a day on which the hour is skipped does not count."""
        days = (generation.day + timedelta(days=ahead) for ahead in itertools.count(1))
        return next(span.start for day in days if (span := self.span(Generation(day, generation.hour))) is not None)

    def slot_due(self, generation: Generation, retention: float, now: float) -> bool:
        """Whether a slot that holds this generation must be emptied whole (`retention` in seconds).

        It must when its hour has come round again, or when its youngest possible file is past retention. Never the
        live generation, and never one of the future: that the clock was wrong is no reason to delete.
        """
        if generation >= self.generation_at(now):
            return False
        if self.comes_round(generation) <= now:
            return True
        span = self.span(generation)
        return span is not None and span.end + retention <= now

    def file_due(self, mtime: float, retention: float, now: float) -> bool:
        """Whether a file of that mtime must be deleted from its slot (`retention` in seconds).

        It must when it is older than the retention, or when its hour has come round again. Never one of the live
        generation, and never one of the future.
        """
        if mtime > now:
            return False
        live = self.generation_at(now)
        # Not through `generation_at`: a folder of old files would make it forget the live hour, again and again.
        generation = self._generation(_second(mtime))
        return generation != live and (mtime + retention < now or self.comes_round(generation) <= now)

    def _local(self, second: int) -> datetime:
        return datetime.fromtimestamp(second, self._zone).replace(tzinfo=None)

    def _offset(self, second: int) -> timedelta:
        return self._local(second) - (_EPOCH + timedelta(seconds=second))

    def _generation(self, second: int) -> Generation:
        local = self._local(second)
        return Generation(local.date(), local.hour)

    def _run_at(self, second: int) -> _Run:
        local = self._local(second)
        offset = self._offset(second)
        start = second - local.minute * 60 - local.second
        end = start + HOUR
        if self._offset(start) != offset:
            start = self._change(start, second)
        if self._offset(end - 1) != offset:
            end = self._change(second, end - 1)
        return _Run(start, end, Generation(local.date(), local.hour))

    def _change(self, before: int, after: int) -> int:
        """The first second that has the offset of `after`; `before` has another."""
        offset = self._offset(after)
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == offset:
                after = middle
            else:
                before = middle
        return after

    def _find_span(self, generation: Generation) -> Span | None:
        namesake = (generation.day - _EPOCH.date()).days * DAY + generation.hour * HOUR
        second = namesake - _WIDEST
        runs = []
        while second < namesake + _WIDEST + HOUR:
            run = self._run_at(second)
            if run.generation == generation:
                runs.append(run)
            second = run.end
        return Span(runs[0].start, runs[-1].end) if runs else None


def _second(timestamp: float) -> int:
    # Rounded down by hand: `datetime` rounds to the nearest microsecond, and that may lie in the next hour.
    return floor(min(max(timestamp, _EARLIEST), _LATEST))
