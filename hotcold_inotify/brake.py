"""Nothing is deleted by a clock that cannot be believed (I6).

The wall clock is compared with CLOCK_BOOTTIME, which no one can set and which counts through suspend
(clock_gettime(2)). When the two part by more than a tolerance, someone or something set the clock: every file on disk
just became older or younger than it is. The brake then stays on until the clock has run on steadily for a while; so a
step there and back, or a machine that starts in 1970 and hears from its time server a minute later, costs patience and
no file.

Which of two times is the right one, nobody here can know. So the brake does not judge a step; it gives a person, or the
time server, the time to undo it.

But how long ago a file was finished, the boot clock does know, whatever the wall clock showed then. So the brake
remembers what was shown, and translates the mtimes of that time into the present one's (ADR 0014).
"""

from datetime import UTC, datetime
from typing import Final

import attrs

BUILT_YEAR: Final = 2026
"""No clock that shows an earlier year is right: this program did not exist."""

_LAST_YEAR: Final = BUILT_YEAR + 25
_EARLIEST: Final = datetime(BUILT_YEAR, 1, 1, tzinfo=UTC).timestamp()
_TOO_LATE: Final = datetime(_LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()
# What `datetime` can name, with a day to spare.
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
# Slewing moves both clocks alike (CLOCK_MONOTONIC in clock_gettime(2)), but a time daemon may also set the clock by a
# fraction of a second, again and again, and a leap second is a step. So much parting a second is forgotten.
_FORGOTTEN: Final = 0.1
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
# What was shown so long ago matters no more: a slot is emptied when its hour comes round, two days later at the latest.
_REMEMBERED: Final = 3 * 86_400.0
# A clock that steps all the time must not fill the memory.
_MOST: Final = 64


@attrs.frozen
class _Shown:
    """The wall clock between two steps: what it showed (Unix seconds), when that ended (boottime), and by how much it
    has been set forward since, in all.
    """

    start: float
    end: float
    ended: float
    set_by: float

    def joined(self, later: "_Shown") -> "_Shown":
        """Both as one, which makes files rather younger than older."""
        start, end = min(self.start, later.start), max(self.end, later.end)
        return _Shown(start, end, later.ended, max(self.set_by, later.set_by))


class Brake:
    """Whether the wall clock is believable, judged from one look after another."""

    def __init__(self, hold: float = 600.0, tolerance: float = 60.0) -> None:
        """`hold`: seconds without a step until a clock is believed again; `tolerance`: seconds that are no step yet."""
        self._hold = hold
        self._tolerance = tolerance
        self._expected: float | None = None  # wall minus boottime, as it should be at the next look
        self._looked = 0.0
        self._doubted: float | None = None  # boottime of the last step, or of the last look that showed a wrong year
        self._why = ""
        self._shown: tuple[_Shown, ...] = ()  # replaced whole: threads ask `finished`
        self._since = 0.0  # what the clock showed after its last step, or at boot

    def observe(self, wall: float, boottime: float) -> bool:
        """Look at both clocks (unix seconds; seconds since boot); whether the wall clock is believable now.

        To be asked before every deletion, and every minute or so besides: a step is dated by the look that finds it.
        """
        offset = wall - boottime
        if self._expected is None:
            self._expected = offset
            self._since = offset
        step = offset - self._expected
        if abs(step) > self._tolerance:
            self._why = f"the clock was set {'forward' if step > 0 else 'back'} by {_words(abs(step))}"
            self._doubted = boottime
            self._stepped(step, wall, boottime)
            self._expected = offset
        else:
            forgotten = (boottime - self._looked) * _FORGOTTEN
            self._expected += min(max(step, -forgotten), forgotten)
        self._looked = boottime
        if self._doubted is not None and boottime - self._doubted >= self._hold:
            self._doubted = None
        if not _EARLIEST <= wall < _TOO_LATE:
            self._why = f"the clock showed the year {_year(wall)}, no year from {BUILT_YEAR} to {_LAST_YEAR}"
            self._doubted = boottime
        return self._doubted is None

    def finished(self, mtime: float) -> float:
        """When a file of that mtime was finished, by the present clock (Unix seconds), as far as the steps that were
        seen tell: the latest possible time. The mtime itself where no step makes a difference.
        """
        times = [
            mtime + shown.set_by
            for shown in self._shown
            if shown.start - self._tolerance <= mtime <= shown.end + self._tolerance
        ]
        if not times:
            return mtime
        now = self._looked + (self._expected or 0.0)
        if self._since - self._tolerance <= mtime <= now + self._tolerance:
            times.append(mtime)
        return max(times)

    def _stepped(self, step: float, wall: float, boottime: float) -> None:
        """What was shown until now is over. The step may have come at any moment since the last look."""
        over = _Shown(self._since, wall - step, boottime, 0.0)
        shown = [
            attrs.evolve(one, set_by=one.set_by + step)
            for one in (*self._shown, over)
            if boottime - one.ended < _REMEMBERED
        ]
        if len(shown) > _MOST:
            shown[:2] = [shown[0].joined(shown[1])]
        self._shown = tuple(shown)
        self._since = wall - (boottime - self._looked)

    @property
    def reason(self) -> str | None:
        """Why the clock is not believed, in plain words, as of the last look; None while it is."""
        if self._doubted is None:
            return None
        return f"{self._why}; nothing expires until it has run steadily for {_words(self._hold)}"


def _year(wall: float) -> int:
    return datetime.fromtimestamp(min(max(wall, _FIRST), _LAST), UTC).year


def _words(exact: float) -> str:
    seconds = round(exact)  # a step of a day is measured to the microsecond, and is a day all the same
    unit, size = next((pair for pair in _UNITS if seconds >= pair[1]), ("s", 1))
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
