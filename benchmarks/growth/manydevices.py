"""What a reactor takes with so many devices: to start, while nothing comes, and for each file that moves."""

import shutil
import time
from pathlib import Path
from typing import Final

import attrs

from benchmarks.comparison.arena import zone
from benchmarks.comparison.contender import cores, on
from benchmarks.growth.fleet import Fleet
from benchmarks.growth.limits import allowed
from benchmarks.launched import Unfit, launched
from hotcold_inotify.hours import Calendar
from hotcold_inotify.hours import zone as tzinfo

# Seconds that do not count: each folder's first file looks at its hour folder.
_WARM: Final = 1.0


@attrs.frozen
class Size:
    """So many devices, and seconds: `rest` for what a start does behind the scenes, at most; `idle` without a file,
    `load` with ten a second of each. Both are whole sweeps, which come every two seconds.
    """

    count: int
    rounds: int
    rest: float
    idle: float
    load: float


@attrs.frozen
class Seen:
    """One round."""

    ready: float
    """Seconds from exec to READY=1."""
    idle: float
    """Part of a core while nothing comes."""
    gross: float
    """Processor time while the files were moved, by files; seconds."""
    net: float
    """The same less what idle would have taken for as long."""
    speed: float
    """Files a second that were moved."""
    median: float
    """Seconds from a file's close to the oldest one's move."""
    p99: float
    resident: float
    """MiB, at the end."""
    descriptors: int


def seen(folder: Path, size: Size) -> Seen | str:
    """One round in `folder`, which is made, and away afterwards; or why there is no figure, in words."""
    with allowed(size.count) as why:
        if why:
            return why
        try:
            return _seen(folder, size)
        except (Unfit, TimeoutError) as error:
            return str(error)
        finally:
            shutil.rmtree(folder)


def _seen(folder: Path, size: Size) -> Seen:
    name, root = zone(), folder / "stream"
    writers, reactors = cores()
    with on(writers):
        fleet = Fleet(root, size.count, Calendar(tzinfo(name)))
        with launched(folder, root, name, reactors) as reactor:
            reactor.rests(size.idle / 2, size.rest)
            idle = reactor.share(size.idle)
            fleet.write(_WARM)
            began, used = time.monotonic(), reactor.processor()
            waits = fleet.write(size.load)
            took, used = time.monotonic() - began, reactor.processor() - used
            files = len(waits.seconds)
            return Seen(
                ready=reactor.ready_after,
                idle=idle,
                gross=used / files,
                net=(used - idle * took) / files,
                speed=files / took,
                median=waits.part(0.5),
                p99=waits.part(0.99),
                resident=reactor.resident(),
                descriptors=reactor.descriptors(),
            )
