"""Nothing is deleted by a clock that cannot be believed (I6).

The wall clock is compared with CLOCK_BOOTTIME, which no one can set and which counts through suspend
(clock_gettime(2)). When the two part by more than a tolerance, someone or something set the clock: every file on disk
just became older or younger than it is. The brake then stays on until the clock has run on steadily for a while; so a
step there and back, or a machine that starts in 1970 and hears from its time server a minute later, costs patience and
no file.

Which of two times is the right one, nobody here can know. So the brake does not judge a step; it gives a person, or the
time server, the time to undo it.
"""

from datetime import UTC, datetime
from typing import Final

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

    def observe(self, wall: float, boottime: float) -> bool:
        """Look at both clocks (unix seconds; seconds since boot); whether the wall clock is believable now.

        To be asked before every deletion, and every minute or so besides: a step is dated by the look that finds it.
        """
        offset = wall - boottime
        if self._expected is None:
            self._expected = offset
        step = offset - self._expected
        if abs(step) > self._tolerance:
            self._why = f"the clock was set {'forward' if step > 0 else 'back'} by {_words(abs(step))}"
            self._doubted = boottime
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

    @property
    def reason(self) -> str | None:
        """Why the clock is not believed, in plain words, as of the last look; None while it is."""
        if self._doubted is None:
            return None
        return f"{self._why}; nothing expires until it has run steadily for {_words(self._hold)}"


def _year(wall: float) -> int:
    return datetime.fromtimestamp(min(max(wall, _FIRST), _LAST), UTC).year


def _words(seconds: float) -> str:
    unit, size = next((pair for pair in _UNITS if seconds >= pair[1]), ("s", 1))
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
