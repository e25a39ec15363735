"""What makes the kernel stamp a move with the time at which it was made, so that nobody has to watch for it.

A move sets the file's ctime, as a rule to the kernel's last tick, some milliseconds ago. Since Linux 6.13 (multigrain
timestamps) a file that changes, has its times asked for, and changes again within the same tick, gets the exact time;
and from then on no file on the machine is stamped with an earlier one. So a file in memory that is changed and asked
without a pause, beside whoever moves files, makes all stamps as fine as its own turns: some microseconds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

_MOVES: Final = 200
_FINE: Final = 100_000
"""ns: with stamps older than that nothing is said of latencies in microseconds."""


def ticker() -> Callable[[], None]:
    """A function that makes this moment the earliest stamp from now on. Some 2 us."""
    fd = os.memfd_create("clock")

    def tick() -> None:
        os.fchmod(fd, 0o600)
        os.fstat(fd)

    return tick


@attrs.frozen
class Resolution:
    """By how many ns a move's stamp is too early."""

    median: float
    most: float

    @property
    def fine(self) -> bool:
        """Whether latencies in microseconds can be told from stamps."""
        return self.median < _FINE

    def __str__(self) -> str:
        return f"stamps of moves are {self.median / 1000:.1f} us early, {self.most / 1000:.1f} us at most"


def resolution(folder: Path, writers: int, movers: int) -> Resolution:
    """Measured on `folder`'s file system, with the ticker on one core and the moves on another."""
    command = [sys.executable, "-m", "benchmarks.comparison.finetime"]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {writers})
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as ticking:
        try:
            os.sched_setaffinity(0, {movers})
            if ticking.stdout is None:
                raise AssertionError("it is a pipe")
            ticking.stdout.readline()
            early = _moved(folder)
        finally:
            os.sched_setaffinity(0, before)
            ticking.kill()
    return Resolution(statistics.median(early), max(early))


def _moved(folder: Path) -> list[int]:
    early = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for turn in range(_MOVES):
            path = f"{place}/{turn}"
            with open(path, "wb"):
                pass
            time.sleep(0.003)
            at = time.time_ns()
            os.rename(path, f"{path}.moved")
            # The stamp is taken a moment after `at`: what is early by less than that is not early.
            early.append(max(0, at - os.stat(f"{path}.moved").st_ctime_ns))
    return early


def main() -> None:
    """Tick until killed."""
    tick = ticker()
    json.dump("ticking", sys.stdout)
    print(flush=True)
    while True:
        tick()


if __name__ == "__main__":
    main()
