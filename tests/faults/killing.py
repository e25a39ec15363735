"""Kill a reactor at every file operation in turn: `python -m tests.faults.killing move`; or at drawn ones, under load:
`python -m tests.faults.killing --drawn 10000 --seed 1`.

A reactor runs in a forked process, in which every operation that changes the disk is counted, and SIGKILL comes right
after the N-th. Between two of them the disk stays as it is, so these are all the states that a kill can leave. Then a
reactor starts on what is left, and an inventory is taken. N goes up until a reactor comes to rest without being killed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import audit, logs
from hotcold_inotify.clock import Clock
from hotcold_inotify.device import Device
from hotcold_inotify.disk import archiving, home
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.reactor import Reactor
from hotcold_inotify.rotation import Rotation
from tests.disk.conftest import MEMORY
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UTC
from tests.faults.calls import Doing, changes, stand_between, without_rename_flags
from tests.faults.scenes import (
    SCENES,
    Known,
    Scene,
    Tree,
    Write,
    backlog,
    empty,
    left_over,
    managed,
    wrong_at_once,
    wrong_at_rest,
)

# It stands still: the hour does not turn while a tree is looked at.
CLOCK: Final = Clock(lambda: AT_14, lambda: 1000.0)
# A reactor that has changed nothing for so long has come to rest.
_REST: Final = 0.4
_ROUNDS: Final = 25


class Killer:
    """Counts what changes the disk, and kills this process right after operation number `at`."""

    def __init__(self, at: int) -> None:
        self.count = 0
        self.seen: Counter[str] = Counter()
        self.last = time.monotonic()
        self._at = at
        self.local = threading.local()  # the writer's own changes do not count
        self._lock = threading.Lock()

    def between(self, name: str, doing: Doing, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        if getattr(self.local, "writing", False) or not changes(name, args):
            return doing()
        with self._lock:
            done = doing()  # one that fails has changed nothing
            self.count += 1
            self.seen[name] += 1
            self.last = time.monotonic()
            if self.count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            return done


async def _reactor(tree: Tree, live: tuple[Write, ...], killer: Killer, journal: Path) -> None:
    """A whole reactor, and a writer beside it, until nothing happens any more."""
    reactor = Reactor(tree.config, registry=CollectorRegistry(), clock=CLOCK, heed_signals=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(reactor.run)
        for write in live:
            killer.local.writing = True
            tree.put(write.kind, write.number, write.mtime)
            with journal.open("ab") as file:
                file.write(b".")
            killer.local.writing = False
            await trio.lowlevel.checkpoint()
        while time.monotonic() - killer.last < _REST:  # noqa: ASYNC110 - the reactor says no word when it is done
            await trio.sleep(_REST / 8)
        nursery.cancel_scope.cancel()


async def _start_again(tree: Tree) -> None:
    """What a reactor does at its start, to its end."""
    config, clock, instruments = tree.config, CLOCK, Instruments(CollectorRegistry())
    place = home(config, str(tree.root / "capture1"))
    device = Device(place, config, UTC, clock, instruments)
    rotation = Rotation(place, config.kinds, UTC, clock, lambda: True, instruments, device.returned)
    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        await rotation.one_pass()
        await audit.recover(place, config.kinds, UTC, clock, instruments)
        nursery.cancel_scope.cancel()


def _forked(work: Callable[[], None]) -> int:
    """The wait status of a forked process that does the work; what it dies of goes to standard error."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        work()
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def kill_once(tree: Tree, scene: Scene, at: int) -> Counter[str] | None:
    """Run on the tree, killed right after change number `at`; None: it was. Else the changes there are, by call."""
    journal, report = tree.root.parent / "journal", tree.root.parent / "report"
    journal.write_bytes(b"")

    def work() -> None:
        killer = Killer(at)
        if scene.plain_rename:
            without_rename_flags()
        archiving._CHUNK = 64
        stand_between(killer.between)
        trio.run(_reactor, tree, scene.live, killer, journal)
        killer.local.writing = True
        report.write_text(" ".join(killer.seen.elements()), "ascii")

    status = _forked(work)
    _learn(tree, scene.live, journal.stat().st_size)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status:
        raise Failed([f"the reactor ended with {status}"])
    return Counter(report.read_text("ascii").split())


def _learn(tree: Tree, live: tuple[Write, ...], closed: int) -> None:
    """What the killed process wrote, by its journal; the file that it was about to note may be there or not."""
    there = {path.read_bytes() for path, _ in managed(tree)}
    for number, write in enumerate(live):
        content = tree.content(write.kind.name)
        if number < closed or content in there:
            tree.known[content] = Known(write.kind, write.mtime, cold=False)


class Failed(Exception):
    """What an inventory found."""


def _judge(tree: Tree, where: str, plain_rename: bool) -> None:
    """The inventories: as the kill left it, and after a start."""

    def start_again() -> None:
        if plain_rename:
            without_rename_flags()
        trio.run(_start_again, tree)

    wrong = [f"at once: {text}" for text in wrong_at_once(tree)]
    if _forked(start_again):
        wrong.append("it does not start again")
    wrong += [f"after a start: {text}" for text in wrong_at_rest(tree) + left_over(tree)]
    if wrong:
        raise Failed([where, *wrong])


def in_turn(name: str, ground: Path, other_ground: Path) -> int:
    """Kill at every point of a scene; how many there are. Failed: what was wrong at which."""
    scene = SCENES[name]
    tree = Tree(ground / "root", other_ground / "cold" if scene.two_disks else None, scene.durable)
    at = 0
    while True:
        at += 1
        tree.clear()
        scene.prepare(tree)
        calls = kill_once(tree, scene, at)
        _judge(tree, f"{name}, killed after change {at}", scene.plain_rename)
        if calls is not None:
            lacking = [call for call in scene.needs if not calls[call]]
            if lacking:
                raise Failed([f"{name} shows nothing: it never came to {', '.join(lacking)}"])
            return at - 1


def drawn(kills: int, seed: int, ground: Path) -> int:
    """Kill so many times at drawn points, on trees that live on over many kills; how many changes went before."""
    draw = random.Random(seed)
    tree = Tree(ground / "root")
    killed = before = 0
    while killed < kills:
        if killed % _ROUNDS == 0:
            tree.clear()
            backlog(tree)
        tree.durable = draw.random() < 0.3
        # The encoder begins to count anywhere, but never over a file that is still hot.
        first, kind = draw.randrange(200), draw.choice((SEGMENTS, CAPTURES))
        hot = {found.number for path in tree.hot(kind).iterdir() if (found := kind.pattern.match(path.name))}
        numbers = [number for number in range(first, first + draw.randrange(5, 40)) if number not in hot]
        live = [Write(kind, number, AT_14 - draw.choice((0, 0, 0, 1, 2000, 5000))) for number in numbers]
        at = draw.randrange(1, len(live) + 3)
        if kill_once(tree, Scene(empty, tuple(live)), at) is None:
            killed += 1
            before += at
        _judge(tree, f"seed {seed}, kill {killed}, after change {at}", plain_rename=False)
    return before


def main() -> None:
    """Print how many points there were; exit 1 and say what was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenes", nargs="*", choices=[*SCENES, []])
    parser.add_argument("--drawn", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    os.environ["PATH"] = "/nonexistent"  # no ffprobe: these are no segments
    os.umask(0o022)
    logs.configure("json", "critical")
    with tempfile.TemporaryDirectory(dir=MEMORY) as ground, tempfile.TemporaryDirectory() as other_ground:
        try:
            for name in chosen.scenes:
                began = time.monotonic()
                points = in_turn(name, Path(ground), Path(other_ground))
                print(f"{name}: {points} points, {time.monotonic() - began:.1f} s", flush=True)  # noqa: T201
            if chosen.drawn:
                began = time.monotonic()
                before = drawn(chosen.drawn, chosen.seed, Path(ground))
                seconds = time.monotonic() - began
                print(f"{chosen.drawn} kills, seed {chosen.seed}, after {before} changes, {seconds:.1f} s")  # noqa: T201
        except Failed as failed:
            sys.exit("\n".join(failed.args[0]))


if __name__ == "__main__":
    main()
