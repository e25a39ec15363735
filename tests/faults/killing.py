"""Kill a reactor at every file operation in turn: `python -m tests.faults.killing move`; or at drawn ones, under load:
`python -m tests.faults.killing --drawn 10000 --seed 1`.

A reactor runs in a forked process, in which every operation that changes the disk is counted, and SIGKILL comes right
after the N-th. Between two of them the disk stays as it is, so these are all the states that a kill can leave. Then
what a start does is done on what is left, and an inventory is taken. N goes up until a reactor comes to rest without
being killed. A repair, `hotcold check --repair`, is killed in the same way; what comes after it is another repair.
"""

import argparse
import contextlib
import errno
import gc
import io
import mmap
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from unittest import mock

import outcome
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import audit, logs, relief, rotation
from hotcold_inotify.cli import check as checking
from hotcold_inotify.cli.settings import Failed as CommandFailed
from hotcold_inotify.config import Kind
from hotcold_inotify.device import Device
from hotcold_inotify.disk import Home, archiving, find_devices, home
from hotcold_inotify.hours import HOUR
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.pressure import Space
from hotcold_inotify.reactor import Reactor
from hotcold_inotify.rotation import Rotation
from tests.disk.conftest import MEMORY
from tests.disk.stage import CAPTURES, SEGMENTS, UTC, files
from tests.faults.calls import Doing, changes, stand_between, without_rename_flags
from tests.faults.scenes import (
    KINDS,
    SCENES,
    Found,
    Known,
    Scene,
    Tree,
    Turn,
    Write,
    backlog,
    empty,
    left_over,
    managed,
    playlists_of,
    wrong_at_once,
    wrong_at_rest,
)

T = TypeVar("T")

# A reactor that has changed nothing for so many looks has come to rest; one that is killed anyway need not quite be
# there. Looks and not seconds, for others may be busy on the machine.
_REST: Final = 40
_NEARLY: Final = 5
_PAUSE: Final = 0.01
# What a reactor looks at every few seconds, it looks at as often here: the hour's turn, and the room on its disk.
_LOOK: Final = 0.05
# So many kills a tree lives through.
_ROUNDS: Final = 15
# Of the drawn kills: these parts are on two disks, hit a repair, meet a turn of the hour. A run is killed within twice
# as many changes as files come, and some more.
_TWO_DISKS: Final = 0.25
_REPAIRS: Final = 0.15
_TURNS: Final = 0.3
_CHANGES: Final = 10


class Notes:
    """Two numbers that outlive the process that is killed: files that its writer has closed, and changes made."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    def write(self, *, closed: int | None = None, changes: int | None = None) -> None:
        for offset, number in ((0, closed), (8, changes)):
            if number is not None:
                self._memory[offset : offset + 8] = number.to_bytes(8)

    @property
    def closed(self) -> int:
        return int.from_bytes(self._memory[:8])

    @property
    def changes(self) -> int:
        return int.from_bytes(self._memory[8:])


class Killer:
    """Counts what changes the disk, and kills this process right after operation number `at`."""

    def __init__(self, at: int, notes: Notes, *, roomless: bool) -> None:
        self.count = 0
        self.seen: Counter[str] = Counter()
        self._at = at
        self._notes = notes
        self._roomless = roomless
        self.local = threading.local()  # the writer's own changes do not count
        self._lock = threading.Lock()

    def between(self, name: str, doing: Doing, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        if getattr(self.local, "writing", False) or not changes(name, args):
            return doing()
        if self._roomless and name == "mkdir" and "T" in os.fspath(args[0]):  # a room is called after its hour
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with self._lock:
            done = doing()  # one that fails has changed nothing
            self.count += 1
            self.seen[name] += 1
            self._notes.write(changes=self.count)
            if self.count == self._at:
                kill_this()
            return done


def kill_this() -> None:
    """The end of this process."""
    os.kill(os.getpid(), signal.SIGKILL)


async def _reactor(tree: Tree, scene: Scene, killer: Killer, notes: Notes, rest: int) -> None:
    """A whole reactor, and a writer beside it, until nothing happens any more."""
    reactor = Reactor(tree.config, registry=CollectorRegistry(), clock=tree.clock, heed_signals=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(reactor.run)
        for number, write in enumerate(scene.live):
            if scene.turn is not None and number == scene.turn.before:
                tree.now += scene.turn.ahead
            killer.local.writing = True
            tree.put(write.kind, write.number, write.mtime)
            killer.local.writing = False
            notes.write(closed=number + 1)
            await trio.lowlevel.checkpoint()
        quiet = before = 0
        while quiet < rest:
            await trio.sleep(_PAUSE)  # the reactor says no word when it is done
            quiet, before = quiet + 1 if killer.count == before else 0, killer.count
        nursery.cancel_scope.cancel()


def _spaces(tree: Tree, _home: Home, kinds: Iterable[str]) -> dict[str, tuple[int, Space]]:
    """What a disk says that has inodes for `tree.room` files."""
    cold = sum(not found.folder.endswith(found.kind.name) for found in managed(tree))
    return dict.fromkeys(kinds, (1, Space(0, 0, max(0, (tree.room or 0) - cold), 10**6)))


async def _start_again(tree: Tree) -> None:
    """What a reactor does at its start, to its end."""
    config, clock, instruments = tree.config, tree.clock, Instruments(CollectorRegistry())
    place = home(config, str(tree.root / tree.device))
    device = Device(place, config, UTC, clock, instruments)
    rotation = Rotation(place, config.kinds, UTC, clock, lambda: True, instruments, device.returned)
    async with trio.open_nursery() as nursery:
        await nursery.start(device.run)
        await rotation.one_pass()
        await audit.recover(place, config.kinds, UTC, clock, instruments, durable=config.durable)
        nursery.cancel_scope.cancel()


def _repair(tree: Tree) -> None:
    """`hotcold check --repair`, at the tree's time. Failed: something is wrong after it."""
    with (
        mock.patch.object(checking, "Clock", return_value=tree.clock),
        contextlib.redirect_stdout(io.StringIO()) as said,
    ):
        try:
            checking.check(tree.config, repair=True, as_json=True)
        except CommandFailed as failed:
            raise Failed([f"{failed}: {said.getvalue()}"]) from failed


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


@contextlib.contextmanager
def without_threads() -> Iterator[None]:
    """What is given to a thread is done at once: no thread is left at work, and this process can fork."""

    async def at_once(work: Callable[..., T], *args: Any, **_options: Any) -> T:
        await trio.lowlevel.checkpoint()
        return work(*args)

    def in_place(work: Callable[[], T], deliver: Callable[[outcome.Outcome[T]], object]) -> None:
        deliver(outcome.capture(work))

    with (
        mock.patch.object(trio.to_thread, "run_sync", at_once),
        mock.patch.object(trio.lowlevel, "start_thread_soon", in_place),
    ):
        yield


def kill_once(tree: Tree, scene: Scene, at: int, notes: Notes, *, anyway: bool = False) -> Counter[str] | None:
    """Run on the tree, killed right after change number `at`; None: it was. Else the changes there are, by call.
    `anyway`: it is killed at its end if it comes to that.
    """
    report = tree.root.parent / "report"
    notes.write(closed=0, changes=0)

    def work() -> None:
        killer = Killer(at, notes, roomless=scene.roomless)
        if scene.plain_rename:
            without_rename_flags()
        archiving._CHUNK = 64
        relief._LOOK = rotation._LOOK = _LOOK
        setattr(relief, "spaces", partial(_spaces, tree))  # noqa: B010 - a tree for the disk
        stand_between(killer.between)
        if scene.repairs:
            _repair(tree)
        else:
            trio.run(_reactor, tree, scene, killer, notes, _NEARLY if anyway else _REST)
        if anyway:
            kill_this()
        killer.local.writing = True
        report.write_text(" ".join(killer.seen.elements()), "ascii")

    status = _forked(work)
    if scene.turn is not None:
        tree.now += scene.turn.ahead
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status:
        raise Failed([f"the process ended with {status}"])
    return Counter(report.read_text("ascii").split())


def _learn(tree: Tree, live: tuple[Write, ...], closed: int, there: list[Found]) -> None:
    """What the killed process wrote, by its notes; the file that it was about to note may be there or not."""
    contents = {found.content for found in there}
    for number, write in enumerate(live):
        # What its writer has left unfinished is no leftover of the reactor's.
        (tree.hot(write.kind) / f"{write.kind.pattern.named(write.number, 9)}.tmp").unlink(missing_ok=True)
        content = tree.content(write.kind.name)
        if number < closed or content in contents:
            tree.known[content] = Known(write.kind, write.mtime, cold=False)


class Failed(Exception):
    """What an inventory found."""


def _judge(tree: Tree, scene: Scene, where: str, notes: Notes) -> None:
    """The inventories: as the kill left it, and after a start, or after another repair."""
    there = managed(tree)
    _learn(tree, scene.live, notes.closed, there)
    wrong = [f"at once: {text}" for text in wrong_at_once(tree, there)]
    try:
        _put_right(tree, scene)
        wrong += [f"after it: {text}" for text in [*wrong_at_rest(tree), *left_over(tree)]]
        if scene.repairs:
            before = files(*tree.tops)
            _repair(tree)
            if files(*tree.tops) != before:
                wrong.append("a repair changes what was mended")
    except Exception:  # noqa: BLE001 - said below, with where it was
        wrong.append(traceback.format_exc())
    if wrong:
        raise Failed([where, *wrong])


def _put_right(tree: Tree, scene: Scene) -> None:
    """What comes after a kill; then a check must find nothing either."""

    def again() -> None:
        if scene.plain_rename:
            without_rename_flags()
        if scene.repairs:
            _repair(tree)
        else:
            trio.run(_start_again, tree)

    with without_threads():
        if not scene.plain_rename:
            again()
        elif _forked(again):  # there is no way back to a rename with flags
            raise Failed(["it does not start again"])
        places, _ = find_devices(tree.config)
        report = audit.check(places.values(), KINDS, UTC, tree.clock, live=False)
    if report.wrong:
        raise Failed([str(one) for one in report.wrong])


def in_turn(name: str, ground: Path, other_ground: Path) -> int:
    """Kill at every point of a scene; how many there are. Failed: what was wrong at which."""
    scene = SCENES[name]
    notes = Notes()
    tree = Tree(ground / "root", other_ground / "cold" if scene.two_disks else None, scene.durable)
    at = 0
    while True:
        at += 1
        tree.clear()
        scene.prepare(tree)
        calls = kill_once(tree, scene, at, notes)
        _judge(tree, scene, f"{name}, killed after change {at}", notes)
        if calls is not None:
            lacking = [call for call in scene.needs if not calls[call]]
            if lacking:
                raise Failed([f"{name} shows nothing: it never came to {', '.join(lacking)}"])
            return at - 1


def drawn(kills: int, seed: int, ground: Path, other_ground: Path) -> str:
    """Kill so many times at drawn points, on trees that live on over some kills; what was done, in words."""
    draw = random.Random(seed)
    notes = Notes()
    trees = Tree(ground / "root"), Tree(ground / "hot", other_ground / "cold")
    tree = trees[0]
    done: Counter[str] = Counter()
    for number in range(kills):
        if number % _ROUNDS == 0:
            tree = trees[draw.random() < _TWO_DISKS]
            tree.clear()
            backlog(tree)
        tree.durable = draw.random() < 0.3
        scene = _trouble(tree, draw) if draw.random() < _REPAIRS else _load(tree, draw)
        at = draw.randrange(1, 2 * len(scene.live) + _CHANGES)
        kill_once(tree, scene, at, notes, anyway=True)
        done.update(
            {
                "repairs": scene.repairs,
                "over the turn of an hour": scene.turn is not None,
                "between two disks": tree is trees[1],
                "changes before them": notes.changes,
                "files closed": notes.closed,
            }
        )
        _judge(tree, scene, f"seed {seed}, kill {number + 1}, after change {notes.changes} of {at}", notes)
        tree.spoiled.clear()
    return ", ".join(f"{times} {what}" for what, times in done.items())


def _load(tree: Tree, draw: random.Random) -> Scene:
    """Files come, some of them late, and at times the hour turns meanwhile."""
    closed = draw.randrange(4, 30)
    turn = Turn(draw.randrange(closed), draw.choice((HOUR / 2, HOUR, 5 * HOUR))) if draw.random() < _TURNS else None
    free = {kind: _free(tree, kind, draw.randrange(200)) for kind in KINDS}
    live = []
    for number in range(closed):
        kind = draw.choice((SEGMENTS, SEGMENTS, CAPTURES))
        now = tree.now + (turn.ahead if turn is not None and number >= turn.before else 0)
        live.append(Write(kind, next(free[kind]), now - draw.choice((0, 0, 0, 1, 2000, 5000))))
    return Scene(empty, tuple(live), turn)


def _free(tree: Tree, kind: Kind, first: int) -> Iterator[int]:
    """The encoder begins to count anywhere, but never over a file that is still hot."""
    hot = set(os.listdir(tree.hot(kind)))
    return (number for number in count(first) if kind.pattern.named(number, 9) not in hot)


def _trouble(tree: Tree, draw: random.Random) -> Scene:
    """Somebody has put files into other hours, and has spoiled playlists: that is to be repaired."""
    cold = [found for found in managed(tree) if os.path.basename(found.folder).isdigit()]
    for found in draw.sample(cold, min(len(cold), 4)):
        target = tree.cold(found.kind) / str(draw.randrange(24)) / found.name
        if not target.exists():
            os.rename(found.path, target)
    for path, _ in list(playlists_of(tree)):
        match draw.choice(("stays", "torn", "gone")):
            case "torn":
                path.write_text("#EXTM3U\n#EXT-X-VER", "ascii")
                tree.spoiled.add(path)
            case "gone":
                path.unlink()
    return Scene(empty, repairs=True)


def _no_power_cut(_fd: int) -> None:
    """A kill loses nothing that was written, so nobody waits for the disk; the call is counted all the same."""


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
    for name in ("fsync", "fdatasync"):
        setattr(os, name, _no_power_cut)
    gc.collect()
    gc.freeze()  # what is never looked at again is never copied for a forked process
    with tempfile.TemporaryDirectory(dir=MEMORY) as ground, tempfile.TemporaryDirectory() as other_ground:
        try:
            for name in chosen.scenes:
                began = time.monotonic()
                points = in_turn(name, Path(ground), Path(other_ground))
                print(f"{name}: {points} points, {time.monotonic() - began:.1f} s", flush=True)  # noqa: T201
            if chosen.drawn:
                began = time.monotonic()
                done = drawn(chosen.drawn, chosen.seed, Path(ground), Path(other_ground))
                seconds = time.monotonic() - began
                print(f"{chosen.drawn} kills, seed {chosen.seed}, {seconds:.1f} s: {done}")  # noqa: T201
        except Failed as failed:
            sys.exit("\n".join(failed.args[0]))


if __name__ == "__main__":
    main()
