"""One round: a contender is started on full folders, the writer writes, and what came of it is reckoned."""

import array
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.comparison.arena import Arena, zone
from benchmarks.comparison.contender import REACTOR, Contender, Running, cores, on, overflows, running
from benchmarks.comparison.outcome import Outcome
from benchmarks.comparison.processor import consumed, memory
from benchmarks.comparison.reckoning import Round, reckon
from benchmarks.comparison.workload import CYCLE, Load

# Seconds that a contender has got after the last file; flat out it may have a queue to work off.
_GRACE: Final = 3.0
_GRACE_FLAT_OUT: Final = 30.0


def run(contender: Contender, load: Load, folder: Path) -> Outcome:
    """In `folder`, which is empty again afterwards."""
    writers, contenders = cores()
    place = folder / contender.name.replace(" ", "-")
    place.mkdir()
    try:
        arena = Arena(place / "stream", zone())
        arena.make(load.rate or CYCLE)
        with running(contender, arena, contenders) as started, on(writers):
            seen = written(arena, load, place / "closed", started)
            settle(arena, load, started)
            started.check()
            ended, used = time.time_ns(), consumed(started.pid)
            size = memory(started.pid)
            full = overflows(arena) if contender is REACTOR else 0
        closed = array.array("q", (place / "closed").read_bytes())
        reckoned = reckon(Round(closed, seen["since"], arena.found(), seen["began"], ended))
    finally:
        shutil.rmtree(place)
    return Outcome(contender.name, load, reckoned, used - seen["processor"], ended - seen["began"], size, full)


def written(arena: Arena, load: Load, result: Path, started: Running) -> dict[str, int]:
    """The writer has been and gone; what it said of its start."""
    given = [load.rate, load.seconds, load.warm, load.most, started.pid, int(load.nap)]
    command = [sys.executable, "-m", "benchmarks.comparison.writer", str(arena.root), str(result), *map(str, given)]
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    seen: dict[str, int] = json.loads(written.stdout)
    return seen


def settle(arena: Arena, load: Load, started: Running) -> None:
    """Until all has been moved that must be; one that looks more seldom than it would be waited for is not."""
    grace = _GRACE if load.rate else _GRACE_FLAT_OUT
    deadline = time.monotonic() + (grace if started.contender.period <= grace else 0)
    while not arena.settled() and time.monotonic() < deadline:
        time.sleep(0.02)
