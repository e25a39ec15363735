"""What a reactor notices of the files that lie in the hour folders already: at its start, and when a file moves.

One reactor a size, all at once; they are written to by turns, so that what disturbs one round disturbs each size alike.
"""

import contextlib
import time
from pathlib import Path
from typing import Final

import attrs

from benchmarks.comparison.arena import zone
from benchmarks.comparison.contender import cores, on
from benchmarks.growth.coldtree import grown
from benchmarks.growth.fleet import Fleet
from benchmarks.launched import Launched, launched
from hotcold_inotify.hours import Calendar
from hotcold_inotify.hours import zone as tzinfo

_DEVICES: Final = 4
# Of each device and second: enough for a p99 in a slice of seconds.
_RATE: Final = 50
_WARM: Final = 1.0


@attrs.frozen
class Sizes:
    """So many cold files, each a tree; `first`: seconds from a start for which its processor time is counted; `slice`:
    those that a tree is written to in one round.
    """

    files: tuple[int, ...]
    first: float
    slice: float
    rounds: int


@attrs.define
class Seen:
    """One tree. Seconds; of the waits, one a round."""

    files: int
    ready: float
    """From exec to READY=1."""
    first: float = 0.0
    """Processor time of its first seconds."""
    resident: float = 0.0
    """MiB, at the end."""
    median: list[float] = attrs.field(factory=list)
    p99: list[float] = attrs.field(factory=list)


def seen(folder: Path, sizes: Sizes) -> list[Seen]:
    """In `folder`, which is made. `Unfit`: a reactor did not become ready."""
    name = zone()
    calendar = Calendar(tzinfo(name))
    writers, reactors = cores()
    with on(writers), contextlib.ExitStack() as stack:
        runs: list[tuple[Seen, Fleet, Launched]] = []
        for files in sizes.files:
            place = folder / str(files)
            root = place / "stream"
            fleet = Fleet(root, _DEVICES, calendar)
            count = grown(root, _DEVICES, files, calendar, time.time())
            reactor = stack.enter_context(launched(place, root, name, reactors))
            runs.append((Seen(count, reactor.ready_after), fleet, reactor))
            # The next tree's making would else be counted as this one's waiting: the kernel's own work is shared.
            time.sleep(max(0.0, reactor.began + sizes.first - time.monotonic()))
            runs[-1][0].first = reactor.processor()
        for _, fleet, _ in runs:
            fleet.write(_WARM, _RATE)
        for _ in range(sizes.rounds):
            for run, fleet, _ in runs:
                waits = fleet.write(sizes.slice, _RATE)
                run.median.append(waits.part(0.5))
                run.p99.append(waits.part(0.99))
        for run, _, reactor in runs:
            run.resident = reactor.resident()
    return [run for run, _, _ in runs]
