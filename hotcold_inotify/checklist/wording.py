"""Durations, instants and counts as a person reads them."""

from datetime import datetime
from math import inf

from hotcold_inotify.hours import HOUR, Zone


def lasting(seconds: float) -> str:
    """`0.25 ms`, `31 ms`, `4.2 s`, `12 min`, `23.4 h`."""
    if seconds == inf:
        return "longer than can be told"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h"


def kept(seconds: float) -> str:
    """A retention, which is written in whole hours as a rule: `1 h`, `24 h`, `90 min`."""
    return f"{seconds / HOUR:.0f} h" if seconds % HOUR == 0 and seconds >= HOUR else lasting(seconds)


def when(at: float, zone: Zone) -> str:
    """`2026-11-26 21:04:09` in the zone of the configuration."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def clock(at: float, zone: Zone) -> str:
    """`2026-11-26 21:04`."""
    return when(at, zone)[:-3]


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 file`, `2,500 files`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def some(names: tuple[str, ...], at_most: int = 3) -> str:
    """The first of some names, and how many there are besides."""
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {more} more" if more > 0 else "")
