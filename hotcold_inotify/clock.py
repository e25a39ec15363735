"""The machine's two clocks. Nothing else reads the wall clock: it is handed in as a function, and read again after
every wait.
"""

import time
from collections.abc import Callable

import attrs


@attrs.frozen
class Clock:
    """Both are functions without arguments that return seconds."""

    wall: Callable[[], float] = time.time
    """Unix time: decides hours and retention."""

    boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    """CLOCK_BOOTTIME (clock_gettime(2)): runs on in suspend, never steps. What the wall clock is believed against."""
