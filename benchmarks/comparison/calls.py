"""System calls a moved file, counted by strace: it slows down what it counts, so that is done in rounds of its own."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.comparison.arena import Arena, zone
from benchmarks.comparison.contender import Contender, Failed, Running, cores, on, running
from benchmarks.comparison.round import settle, written
from benchmarks.comparison.workload import Load

_PATIENCE: Final = 10.0


def missing() -> str:
    """Why nothing can be counted here, in words; "" when it can."""
    return "" if shutil.which("strace") else "strace is not installed"


def counted(contender: Contender, load: Load, folder: Path) -> float:
    """In `folder`, which is empty again afterwards. Failed where strace may not attach."""
    writers, movers = cores()
    place = folder / "traced"
    place.mkdir()
    try:
        arena = Arena(place / "stream", zone())
        arena.make(load.rate)
        with running(contender, arena, movers) as started, _tracing(started, movers, place / "calls"), on(writers):
            began = time.time_ns()
            written(arena, load, place / "closed", started)
            settle(arena, load, started)
        moves = [one.changed for found in arena.found() for one in found.places.values() if one.slot is not None]
        moved = sum(at >= began for at in moves)
        return _total((place / "calls").read_text("utf-8")) / moved
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def _tracing(started: Running, core: int, result: Path) -> Iterator[None]:
    said = result.with_suffix(".log")
    with said.open("wb") as out, on(core):
        tracing = subprocess.Popen(["strace", "-c", "-f", "-o", result, "-p", str(started.pid)], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + _PATIENCE
        while "attached" not in said.read_text("utf-8"):
            if tracing.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"strace cannot count the calls of {started.contender.name}: {said.read_text('utf-8')}")
            time.sleep(0.02)
        yield
    finally:
        tracing.send_signal(signal.SIGINT)  # then it writes its sums
        tracing.wait()


def _total(text: str) -> int:
    """The number of all calls in a table of `strace -c`."""
    found = re.search(r"^ *100\.00 +\S+ +(?:\S+ +)?(\d+) +(?:\d+ +)?total$", text, re.MULTILINE)
    if found is None:
        raise Failed(f"not a table of strace:\n{text[-500:]}")
    return int(found[1])
