"""Writers at full speed: every hot folder is within its limit soon after, nothing is lost, and no device waits for a
flooded one.

By default for moments; `HOTCOLD_FLOOD=3 pytest -s tests/live/test_floods.py` floods for so many seconds at a time, and
asserts the promised figures.
"""

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import do_without
from tests.disk.conftest import MEMORY
from tests.live.pace import KIND, Pace, Spread, archived, named
from tests.live.started import Running, Start, eventually, hot, mid_hour
from tests.machine import CLONE, Lack

LONG = "HOTCOLD_FLOOD" in os.environ
SECONDS = float(os.environ.get("HOTCOLD_FLOOD", "1.5"))
LIMIT = 20
FIRST = 1_000
# Files a second that leave a backlog.
RATE = 20_000
CONFIG = f"{mid_hour()}[kinds.{KIND}]\nhot_limit = {LIMIT}\n"


@pytest.fixture
def root() -> Iterator[Path]:
    """In memory: what floods is the writers, not the disk."""
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        do_without(Lack(f"needs {MEMORY}"))
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        (Path(path) / "capture1" / KIND).mkdir(parents=True)
        yield Path(path)


def flooded(folders: Iterable[Path], seconds: float, first: int = FIRST) -> list[int]:
    """Write to all of them at once, a process each; how many files it were."""
    command = (sys.executable, "-m", "tests.live.flooding")
    writers = [
        subprocess.Popen(
            (*command, str(folder), str(seconds), str(first)), cwd=CLONE, stdout=subprocess.PIPE, text=True
        )
        for folder in folders
    ]
    try:
        return [int(writer.communicate(timeout=seconds + 30)[0]) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()


def reactions(running: Running, devices: Iterable[str]) -> Counter[float]:
    """How many moves these devices' folders have made, by the least bucket's bound in seconds that each fitted in."""
    found: Counter[float] = Counter()
    for device in devices:
        rule = rf'hotcold_move_latency_seconds_bucket{{device="{device}",kind="{KIND}",le="([^"]+)"}} (\S+)'
        below = 0.0
        for bound, count in re.findall(rule, running.get("/metrics")):
            found[float(bound)] += int(float(count) - below)
            below = float(count)
    return found


def p99(counted: Counter[float]) -> float:
    """The bound below which 99 of 100 are, seconds."""
    below, total = 0, counted.total()
    for bound, count in sorted(counted.items()):
        below += count
        if below >= total * 0.99:
            return bound
    raise AssertionError("nothing was counted")


@pytest.mark.needs("root")
@pytest.mark.timeout(90 + 4 * SECONDS)
def test_i1_i3_eight_floods_into_the_smallest_queues_settle_and_lose_nothing(
    root: Path, start: Start, sysctl: Callable[[str, int], None]
) -> None:
    """Within a second, beside what their backlog takes at the promised rate: the writers are faster than any reader."""
    sysctl("fs.inotify.max_queued_events", 64)
    folders = [root / f"capture{number}" / KIND for number in range(1, 9)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    running = start(CONFIG)
    eventually("all devices", lambda: all((folder / "23").is_dir() for folder in folders))
    written = flooded(folders, SECONDS)
    last = time.monotonic()
    behind = sum(len(hot(folder)) - LIMIT for folder in folders)
    eventually("all within their limits", lambda: all(len(hot(folder)) == LIMIT for folder in folders), 60)
    took = time.monotonic() - last
    overflows = [running.metric("hotcold_inotify_overflows_total", device=f"capture{number}") for number in range(1, 9)]
    said = f"{sum(written):,} files, {behind:,} of them to leave yet, settled {took:.2f} s after the last"
    print(f"{said}; {sum(overflows):.0f} overflows")  # noqa: T201  figures, with -s
    for folder, count in zip(folders, written, strict=True):
        assert hot(folder) == [named(number) for number in range(FIRST + count - LIMIT, FIRST + count)]
        assert archived(folder) == count - LIMIT
    assert all(overflows), "the fault has fired"
    assert took < (1 + behind / RATE if LONG else 30)


@pytest.mark.timeout(120 + 15 * SECONDS)
def test_i8_beside_a_flooded_device_no_other_waits(root: Path, start: Start) -> None:
    """Not twice as long as without, at p99."""
    names = ("capture2", "capture3", "capture4")
    flood = root / "capture1" / KIND
    ratios = []
    with contextlib.ExitStack() as paced:
        running = start(CONFIG)
        pace = paced.enter_context(Pace([root / name / KIND for name in names], limit=LIMIT, rate=20))
        eventually("the first of them", lambda: pace.first_left_at is not None)
        for number in range(5 if LONG else 1):
            # As busy a machine, but with a flood that is nobody's: what differs is the reactor's doing.
            elsewhere = Path(paced.enter_context(tempfile.TemporaryDirectory(dir=root.parent)))
            calm = time.monotonic()
            flooded([elsewhere], SECONDS)
            began, before = time.monotonic(), reactions(running, names)
            (count,) = flooded([flood], SECONDS, FIRST + 1_000_000 * number)
            ended, after = time.monotonic(), reactions(running, names)
            eventually("the flood to settle", lambda: len(hot(flood)) == LIMIT, 60)
            without, beside = Spread.of(pace.waits(calm, began)), Spread.of(pace.waits(began, ended))
            ratios.append(beside.p99 / without.p99)
            told = f"{count:,} files; without: {without}; beside: {beside}"
            print(f"{told}; from the event's reading p99 < {1000 * p99(after - before)} ms")  # noqa: T201  figures
            assert count > LIMIT * 10 * SECONDS, "a flood"
            assert beside.count > 10 * SECONDS
            assert beside.worst < 1
    print(f"p99 beside a flood {statistics.median(ratios):.2f} times as long")  # noqa: T201  a figure, with -s
    assert not LONG or statistics.median(ratios) <= 2
