"""What a moved file costs, counted and not timed: system calls, Python's calls, memory that stays.

The limits are what it took when they were written, and a little more. Whoever goes above one looks what his change does
for each file; docs/performance.md says what that costs.
"""

import collections
import gc
import os
import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.device import Device
from hotcold_inotify.disk import Home
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.names import Pattern
from tests.live.started import Start, eventually, fill, mid_hour

FILES = 200
LIMIT = 5
KIND = "captures"
NAME = "capture_{}.jpg"

# What the event loop's thread asks of the kernel for a file: it waits in trio (1) and is told which queue it is (1),
# reads it (1), looks at the new file and at the old one (2), moves that (1) and waits for the next event (1 or 2).
CALLS = {"renameat2": 1.0, "newfstatat": 2.0, "read": 1.1, "epoll_wait": 3.1, "epoll_ctl": 1.1, "futex": 0.5}
ALL_CALLS = 9.0
# Functions that are entered for a file, Python's and those in C.
FUNCTIONS = 110
# Bytes that a file needs while it is moved, and leaves behind.
PEAK = 4_000
KEPT = 8.0


def finish(folder: Path, number: int) -> None:
    """Written in place: one event. Not by pathlib, which remembers every name for ever."""
    os.close(os.open(f"{folder}/{NAME.format(number)}", os.O_WRONLY | os.O_CREAT, 0o644))


def gone(folder: Path, number: int) -> bool:
    return not (folder / NAME.format(number)).exists()


@pytest.mark.needs("strace")
def test_system_calls_for_a_moved_file(root: Path, start: Start, tmp_path: Path) -> None:
    folder = root / "capture1" / KIND
    folder.mkdir()
    fill(folder, "capture_*.jpg", LIMIT)
    running = start(f"{mid_hour()}[kinds.{KIND}]\nhot_limit = {LIMIT}\n")
    pid = running.process.pid
    finish(folder, LIMIT)
    first = NAME.format(0)
    eventually("the hour is open", lambda: not (folder / first).exists())
    log = tmp_path / "calls"
    with subprocess.Popen(["strace", "-f", "-o", log, "-p", str(pid)], stderr=subprocess.PIPE) as strace:
        try:
            assert strace.stderr is not None
            strace.stderr.readline()  # "strace: Process 1 attached with 4 threads"
            for number in range(1 + LIMIT, 1 + LIMIT + FILES):
                finish(folder, number)
                # One at a time: what comes together costs less.
                eventually("it has left", partial(gone, folder, number - LIMIT))
        finally:
            strace.send_signal(signal.SIGINT)
    calls = collections.Counter(re.findall(rf"^{pid} +([a-z0-9_]+)\(", log.read_text("utf-8", "replace"), re.MULTILINE))
    each = {name: count / FILES for name, count in calls.most_common()}
    print(each)  # noqa: T201  figures to report
    assert each["renameat2"] == 1.0
    above = {name: count for name, count in each.items() if name in CALLS and count > CALLS[name]}
    assert not above
    assert sum(each.values()) < ALL_CALLS


@attrs.define
class Tree:
    """A device in the test's own process, with one kind and its hot folder at the limit."""

    folder: Path
    device: Device
    next: int = 0

    async def settled(self) -> None:
        """Nothing is done with the folder beside the events: what comes meanwhile would be remembered for that."""
        hot = self.device._served[KIND].hot
        while hot._busy or hot._contents._since is not None:  # noqa: ASYNC110  neither tells of itself
            await trio.sleep(0.001)

    def finish(self, count: int) -> None:
        for _ in range(count):
            finish(self.folder, self.next)
            self.next += 1


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    kind = Kind(KIND, Pattern.parse("capture_*.jpg"), hot_limit=LIMIT)
    config = Config(root=str(tmp_path), kinds=(kind,))
    (tmp_path / "capture1").mkdir()
    home = Home("capture1", str(tmp_path / "capture1"), str(tmp_path / "capture1"))
    device = Device(home, config, Calendar(hours.zone("UTC")), Clock(), Instruments(CollectorRegistry()))
    tree = Tree(Path(home.path) / KIND, device)
    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        tree.finish(LIMIT + 1)
        with trio.fail_after(20):
            while not gone(tree.folder, 0):  # noqa: ASYNC110  no folder tells of it
                await trio.sleep(0.001)
        yield tree
        nursery.cancel_scope.cancel()


def react(tree: Tree, count: int) -> None:
    """So many files are finished, and the device reacts, with nothing in between."""
    tree.finish(count)
    heard = 0
    while heard < count:
        heard += tree.device._hear()


async def test_the_events_of_a_file_are_what_is_counted(tree: Tree) -> None:
    await tree.settled()
    react(tree, FILES)
    hot = [entry.name for entry in os.scandir(tree.folder) if entry.is_file()]
    assert sorted(hot) == sorted(NAME.format(number) for number in range(tree.next - LIMIT, tree.next))


async def test_functions_entered_for_a_moved_file(tree: Tree) -> None:
    await tree.settled()
    react(tree, FILES)
    tree.finish(30)
    each = entered(tree.device._hear) / 30
    print(each)  # noqa: T201  a figure to report
    assert 10 < each < FUNCTIONS


def entered(work: Callable[[], object]) -> int:
    """How many functions are entered meanwhile."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.fixture
def _traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
async def test_memory_that_a_moved_file_needs_and_keeps(tree: Tree) -> None:
    await tree.settled()
    react(tree, FILES)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    react(tree, 10 * FILES)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tree.finish(1)
    tracemalloc.reset_peak()
    began, _ = tracemalloc.get_traced_memory()
    assert tree.device._hear() == 1
    _, peak = tracemalloc.get_traced_memory()
    kept = (after - before) / (10 * FILES)
    print(f"{peak - began} bytes needed, {kept:.1f} kept")  # noqa: T201  figures to report
    assert kept < KEPT
    assert 0 < peak - began < PEAK
