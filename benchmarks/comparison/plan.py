"""Which rounds there are, in which order. Contenders take turns, so that what drifts meanwhile hits all alike."""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from benchmarks.comparison.contender import FLOOR, INCRON, INOTIFYWAIT, REACTOR, WATCHDOG, Contender, polling
from benchmarks.comparison.workload import CYCLE, Load

DESIGN: Final = float(CYCLE)
"""Files a second of the design's host."""
RATES: Final = (DESIGN, 100.0, 1_000.0, 5_000.0)
LONGEST: Final = 60.0
"""Seconds between two looks of the polling archiver that this project replaces."""
LONGEST_QUICK: Final = 5.0
"""The one that stands in for it where two minutes are too long."""
# Some 2.6 and 1.2 GB, which stay until the end of the round.
_MOST, _MOST_QUICK = 110_000, 50_000


@attrs.frozen
class Step:
    """One round, or several side by side on the same core, each with its own writer."""

    contenders: tuple[Contender, ...]
    load: Load
    on_disk: bool = False
    traced: bool = False
    """System calls are counted, and nothing else."""

    def __str__(self) -> str:
        names = " and ".join(one.name for one in self.contenders)
        where = "disk, " if self.on_disk else ""
        return f"{names}: {where}{self.load.label}" + (", system calls" if self.traced else "")


def plan(*, quick: bool) -> list[Step]:
    """All that can be done on this machine."""
    return [step for step in (_quick() if quick else _full()) if not any(one.missing for one in step.contenders)]


def _full() -> Iterator[Step]:
    # Two whole periods of the polling archiver.
    yield Step((REACTOR, polling(LONGEST)), Load(DESIGN, 2 * LONGEST + 1.5, 0.3, nap=True))
    for one in (FLOOR, WATCHDOG, INOTIFYWAIT, INCRON, polling(0.1), polling(1)):
        yield Step((one,), Load(DESIGN, 6, 0.5))
    yield Step((polling(5),), Load(DESIGN, 15.5, 0.3))
    yield from _rounds(3, (REACTOR, FLOOR, WATCHDOG), Load(100, 5, 0.5))
    yield from _rounds(1, (INOTIFYWAIT, INCRON, polling(0.1), polling(1)), Load(100, 5, 0.5))
    yield from _rounds(1, (REACTOR, FLOOR, WATCHDOG, polling(0.1), polling(1)), Load(1_000, 4, 0.5))
    yield from _rounds(3, (REACTOR, FLOOR, WATCHDOG), Load(5_000, 4, 0.5))
    yield from _rounds(1, (polling(0.1), polling(1)), Load(5_000, 4, 0.5))
    yield from _rounds(3, (REACTOR, FLOOR), Load(0, 5, most=_MOST))
    yield Step((WATCHDOG,), Load(0, 5, most=_MOST))
    for rate in (DESIGN, 1_000.0):
        yield from _rounds(1, (REACTOR, FLOOR, WATCHDOG), Load(rate, 5, 0.5), on_disk=True)
    for one in (REACTOR, FLOOR, WATCHDOG, polling(1)):
        yield Step((one,), Load(1_000, 2), traced=True)


def _quick() -> Iterator[Step]:
    yield Step((REACTOR, polling(LONGEST_QUICK)), Load(DESIGN, 2 * LONGEST_QUICK + 1.5, 0.3, nap=True))
    yield from _rounds(1, (REACTOR, FLOOR, WATCHDOG), Load(100, 3, 0.3))
    yield from _rounds(1, (REACTOR, FLOOR, WATCHDOG, polling(1)), Load(5_000, 2, 0.3))
    yield from _rounds(1, (REACTOR, FLOOR), Load(0, 3, most=_MOST_QUICK))
    yield Step((REACTOR,), Load(1_000, 2, 0.3), on_disk=True)
    for one in (REACTOR, FLOOR):
        yield Step((one,), Load(1_000, 1), traced=True)


def _rounds(count: int, contenders: Iterable[Contender], load: Load, *, on_disk: bool = False) -> Iterator[Step]:
    for _ in range(count):
        for one in contenders:
            yield Step((one,), load, on_disk)
