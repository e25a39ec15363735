"""Give errors to a running reactor: `python -m tests.faults.erring rename open`.

One reactor serves a device for each call, error and moment, and two that nothing happens to. A fault lasts: from just
before the first, the second or the third of three hours on, each such call on its device fails, or takes a second,
until it is lifted. Into one of the healthy devices files stream all the time; how long each takes to leave is measured.
"""

import argparse
import contextlib
import errno
import io
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import logs, rotation
from hotcold_inotify.clock import Clock
from hotcold_inotify.hours import DAY, HOUR
from hotcold_inotify.reactor import Reactor
from tests.disk.conftest import MEMORY
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS
from tests.faults.calls import Doing, stand_between, without_rename_flags
from tests.faults.scenes import Tree, wrong_at_rest

CALLS: Final = {
    "rename": ("rename",),
    "link": ("link",),
    "open": ("open",),
    "write": ("write",),
    "copy": ("sendfile",),
    "fsync": ("fsync", "fdatasync"),
    "mkdir": ("mkdir",),
    "unlink": ("unlink",),
    "scandir": ("scandir", "listdir"),
    "stat": ("stat", "fstat"),
}
ERRORS: Final = ("ENOSPC", "EIO", "EROFS", "EACCES", "ENOENT", "EMFILE", "EXDEV")
DELAY: Final = "delay"
MOMENTS: Final = ("first", "middle", "last")
_SECOND: Final = 1.0
_HEALTHY: Final = "capture0"
_STREAM: Final = "capture00"
_TURN: Final = 0.01
_WORDS: Final = {
    "cannot move a file": "moves go on",
    "cannot write an hour": "hour playlists are written again",
    "cannot take away": "expiry goes on",
}
# Seconds for which files stream, at least, while a fault lasts.
_STREAMS: Final = 3.0
# A slow call may hold the healthy ones by what a busy machine does by itself, and not by its second.
_FELT: Final = _SECOND * 0.9
# Calls that one move, or one line of a playlist, makes at most in the event loop.
_CALLS: Final = 4
# What moves a file: an error here is counted as a move's.
_MOVING: Final = frozenset({"rename", "link", "copy"})
_FILES: Final = 6
# The promise: so long after a fault's end all is as it should be.
_NORMAL: Final = 5.0
_FIRES: Final = 10.0
# Longer than from one sweep to the next.
_LASTS: Final = 2.2
# A pass comes each minute; the clock is turned on by one, and this often looked at.
_LOOK: Final = 0.5


@attrs.define
class Fault:
    """One error on one device, at one moment."""

    tree: Tree
    call: str
    error: str
    moment: str
    armed: bool = False
    fired: int = 0
    held: dict[str, list[int]] = attrs.field(factory=dict)
    """By kind: in which turn of the loop each call was made that was slow and not in a thread."""

    @property
    def name(self) -> str:
        return self.tree.device


@attrs.define
class Faults:
    """Stands between the reactor and its calls."""

    root: Path
    cold_root: Path | None
    by_device: dict[str, Fault]
    names: frozenset[str]
    local: threading.local = attrs.field(factory=threading.local)
    moved: dict[str, float] = attrs.field(factory=dict)
    """The stream's files by name: when each was in its slot (time.monotonic)."""
    holds: list[tuple[float, float]] = attrs.field(factory=list)
    """From when to when a slow call held the loop."""
    turns: int = 0
    """Of the loop."""

    def between(self, name: str, doing: Doing, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        done = self._between(name, doing, args, kwargs)
        # renameat2(2) has the target's name as its fourth argument.
        target = args[3] if name == "rename" and len(args) > 3 else args[1] if name == "link" else None
        if target is not None and self._place(args, kwargs)[:2] == (_STREAM, CAPTURES.name):
            self.moved.setdefault(target, time.monotonic())
        return done

    def _between(self, name: str, doing: Doing, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name not in self.names or getattr(self.local, "aside", False):
            return doing()
        device, kind = (*self._place(args, kwargs), "", "")[:2]
        fault = self.by_device.get(device)
        if fault is None or not fault.armed or name not in CALLS[fault.call]:
            return doing()
        fault.fired += 1
        if fault.error == DELAY:
            began = time.monotonic()
            time.sleep(_SECOND)
            if threading.current_thread() is threading.main_thread():
                fault.held.setdefault(kind, []).append(self.turns)
                self.holds.append((began, time.monotonic()))
            return doing()
        number = getattr(errno, fault.error)
        raise OSError(number, os.strerror(number), "a fault")

    def _place(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """Device, kind and so on of the files that a call works on: by its descriptor, the folder that it is relative
        to, or its path.
        """
        at = next((kwargs[key] for key in ("dir_fd", "src_dir_fd") if kwargs.get(key) is not None), None)
        if isinstance(args[0], int):
            at = args[0]
        path = Path(args[0]) if at is None else Path(os.readlink(f"/proc/self/fd/{at}"))
        for top in (self.root, self.cold_root):
            # The device's own folder is not meant: without it there is no device.
            if top is not None and path.is_relative_to(top) and (at is not None or path.parent != top):
                return path.relative_to(top).parts
        return ()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """What is done in here meets no fault."""
        self.local.aside = True
        try:
            yield
        finally:
            self.local.aside = False


@attrs.define
class Lab:
    """A reactor, its devices, its faults and its clock."""

    faults: Faults
    trees: dict[str, Tree]
    said: io.StringIO
    registry: CollectorRegistry = attrs.field(factory=CollectorRegistry)
    pause: float = 0.01
    """Seconds between two files of the stream."""
    ended: bool = False
    ahead: float = 0.0
    wrong: list[str] = attrs.field(factory=list)
    slowest: float = 0.0
    counted: set[tuple[str, str]] = attrs.field(factory=set)
    """Device and errno of what hotcold_move_errors_total has counted."""
    put_at: list[tuple[str, float]] = attrs.field(factory=list)
    """The stream's files in their order, and when each was there (time.monotonic)."""
    faulty: list[tuple[float, float]] = attrs.field(factory=list)
    """From when to when faults lasted."""
    began: float = attrs.field(factory=time.monotonic)

    @property
    def clock(self) -> Clock:
        return Clock(lambda: AT_14 + self._elapsed(), self._elapsed)

    def _elapsed(self) -> float:
        return self.ahead + time.monotonic() - self.began

    async def run(self) -> None:
        config = next(iter(self.trees.values())).config
        reactor = Reactor(config, registry=self.registry, clock=self.clock, heed_signals=False)
        async with trio.open_nursery() as nursery:
            await nursery.start(reactor.run)
            nursery.start_soon(self._turn)
            nursery.start_soon(self._stream)
            for moment in MOMENTS:
                await self._hour([fault for fault in self.faults.by_device.values() if fault.moment == moment])
                await self._normal()
            self.ended = True
            last = self.put_at[-1 - CAPTURES.hot_limit][0]
            with trio.move_on_after(_FIRES):
                while last not in self.faults.moved:  # noqa: ASYNC110 - a thread may note it
                    await trio.sleep(_TURN)
            nursery.cancel_scope.cancel()

    async def _turn(self) -> None:
        while True:
            self.faults.turns += 1
            await trio.sleep(_TURN)

    async def _stream(self) -> None:
        """Write on, file after file, into a device that nothing happens to."""
        tree = self.trees[_STREAM]
        for number in itertools.count():
            if self.ended:
                return
            with self.faults.aside():
                tree.put(CAPTURES, number, self.clock.wall())
            self.put_at.append((f"capture_{number:09}.jpg", time.monotonic()))
            await trio.sleep(self.pause)

    async def _hour(self, faults: list[Fault]) -> None:
        """The clock turns, the faults begin, files come; the faults end."""
        turn = self.clock.wall() + HOUR
        slot = str(int(turn % DAY // HOUR))
        with self.faults.aside():
            for tree in self.trees.values():
                for number in range(3):
                    for kind in (SEGMENTS, CAPTURES) if tree.device != _STREAM else ():
                        tree.put(kind, 800 + number, turn - DAY - 300 + number, slot)
        for fault in faults:
            fault.armed = True
        self.ahead += HOUR
        self._write(0)
        armed_at, streamed = time.monotonic(), len(self.put_at)
        began = trio.current_time()
        await trio.sleep(_LASTS / 2)
        self._write(50)
        await trio.sleep(_LASTS / 2)
        healthy = self.trees[_HEALTHY]
        while trio.current_time() < began + _FIRES:
            enough = len(self.put_at) - streamed >= _STREAMS / self.pause
            if enough and all(fault.fired for fault in faults) and not await self._look(healthy):
                break
            await trio.sleep(0.1)
        self.wrong += [f"{fault.name}: it never fired" for fault in faults if not fault.fired]
        self.wrong += [f"meanwhile, {text}" for text in await self._look(healthy)]
        self._count()
        self.faulty.append((armed_at, time.monotonic()))
        for fault in faults:
            fault.armed = False
        self.ahead += 60.0  # expiry goes by the minute

    def _write(self, first: int) -> None:
        """Each device gets some files, under numbers that it has had in each hour before."""
        now = self.clock.wall()
        self.faults.local.aside = True
        for tree in self.trees.values():
            if tree.device == _STREAM:
                continue
            for kind in (SEGMENTS, CAPTURES):
                hot = {path.name for path in tree.hot(kind).iterdir()}
                free = (n for n in range(first, 999) if f"{kind.pattern.prefix}{n:09}{kind.pattern.suffix}" not in hot)
                for ago in reversed(range(_FILES)):
                    tree.put(kind, next(free), now - ago / 8)
        self.faults.local.aside = False

    async def _normal(self) -> None:
        """Wait until all devices are as they should be."""
        ended = trio.current_time()
        left = {name: tree for name, tree in self.trees.items() if name != _STREAM}
        while left and trio.current_time() < ended + _NORMAL:
            await trio.sleep(0.2)
            left = {name: tree for name, tree in left.items() if await self._look(tree) or self._standing(name)}
        self.slowest = max(self.slowest, trio.current_time() - ended)
        for name, tree in left.items():
            found = await self._look(tree) + [f"{name}: not said to be over: {one}" for one in self._standing(name)]
            self.wrong += [f"still wrong after {_NORMAL} s: {text}" for text in found]

    async def _look(self, tree: Tree) -> list[str]:
        return await trio.to_thread.run_sync(self._wrong, tree)

    def _wrong(self, tree: Tree) -> list[str]:
        tree.now = self.clock.wall()
        with self.faults.aside():
            return [f"{tree.device}: {text[:600]}" for text in wrong_at_rest(tree)]

    def _count(self) -> None:
        """While the reactor runs: a device's series end with it."""
        self.counted |= {
            (sample.labels["device"], sample.labels["errno"])
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "hotcold_move_errors_total" and sample.value
        }

    def _records(self, device: str) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.said.getvalue().splitlines()]
        return [record for record in records if record.get("device") == device]

    def _standing(self, device: str, again: list[str] | None = None) -> dict[tuple[object, ...], str]:
        """Troubles of a device that were said, and not yet that they are over; `again` takes what was said twice."""
        standing: dict[tuple[object, ...], str] = {}
        for record in self._records(device):
            key = record.get("kind"), record.get("what") or _trouble(record["event"])
            if record["level"] == "error":
                if standing.get(key) == record.get("errno") and again is not None:
                    again.append(f"{device}: said again: {record}")
                standing[key] = record.get("errno", "")
            elif record.get("after"):
                standing.pop(key, None)
        return standing

    def judge_words(self) -> None:
        """Each error is named in the log and by the metric, said once until it ends or changes, and said to be over."""
        for fault in self.faults.by_device.values():
            said = any(record.get("errno") == fault.error for record in self._records(fault.name))
            is_counted = (fault.name, fault.error) in self.counted
            # What is not there is looked for anew, or somebody else has taken it: that is no error. And what cannot be
            # renamed from disk to disk is copied.
            if fault.error not in {DELAY, "ENOENT"} and not said:
                self.wrong.append(f"{fault.name}: {fault.error} is named nowhere")
            if fault.call in _MOVING and fault.error not in {DELAY, "ENOENT", "EXDEV"} and not is_counted:
                self.wrong.append(f"{fault.name}: {fault.error} is not in hotcold_move_errors_total")
            self._standing(fault.name, self.wrong)

    def _spells(self, fault: Fault, kind: str) -> int:
        """How many slow spells of one folder began."""
        mine = [record["event"] for record in self._records(fault.name) if record.get("kind") == kind]
        words = [event.partition(":")[0] for event in mine if event.startswith("the disk is ")]
        if words != (["the disk is slow", "the disk is quick again"] * len(words))[: len(words)]:
            self.wrong.append(f"{fault.name}/{kind}: said {words}")
        return sum(event.startswith("a call was slow") for event in mine)

    def judge_speed(self) -> str:
        """No device feels another's slow disk, but for one hold of the loop by each of its folders; the figures."""
        for fault in self.faults.by_device.values():
            for kind in (SEGMENTS.name, CAPTURES.name):
                spells = self._spells(fault, kind)
                turns = fault.held.get(kind, [])
                if len(set(turns)) > spells or len(turns) > _CALLS * spells:
                    self.wrong.append(f"{fault.name}/{kind}: {spells} slow spells held the loop in its turns {turns}")
        during: list[float] = []
        outside: list[float] = []
        # A file leaves when so many newer ones have come.
        for (name, _), (_, put_at) in zip(self.put_at, self.put_at[CAPTURES.hot_limit :], strict=False):
            moved_at = self.faults.moved.get(name)
            if moved_at is None:
                self.wrong.append(f"{name}: streamed, and never moved")
            elif not any(began < moved_at and put_at < ended for began, ended in self.faults.holds):
                faulty = any(began <= put_at <= ended for began, ended in self.faulty)
                (during if faulty else outside).append(moved_at - put_at)
        p99, usual = _p99(during), _p99(outside)
        if p99 > usual + _FELT:
            self.wrong.append(f"p99 of the healthy device is {p99:.3f} s during faults, {usual:.3f} s else")
        held = sum(ended - began for began, ended in self.faults.holds)
        return (
            f"p99 {p99 * 1e3:.1f} ms of {len(during)} during faults, {usual * 1e3:.1f} ms of {len(outside)} else; "
            f"the loop was held for {held:.0f} s in all"
        )


def _trouble(event: str) -> str:
    """What it is about, of an event that has no `what`."""
    return next((begins for begins, ends in _WORDS.items() if event.startswith(begins) or event == ends), event)


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


def lab(calls: list[str], ground: Path, other_ground: Path) -> Lab:
    """All of it, for some calls."""
    root, cold_root = ground / "root", other_ground / "cold" if "copy" in calls else None
    trees: dict[str, Tree] = {}
    by_device: dict[str, Fault] = {}

    def made(name: str) -> Tree:
        tree = trees[name] = Tree(root, cold_root, durable=True, device=name)
        (root / name).mkdir(parents=True)
        tree.lay_out()
        return tree

    made(_HEALTHY)
    made(_STREAM)
    for call, error, moment in itertools.product(calls, (*ERRORS, DELAY), MOMENTS):
        name = f"capture-{call}-{error}-{moment}"
        by_device[name] = Fault(made(name), call, error, moment)
    said = io.StringIO()
    logs.configure("json", "debug", said)
    names = frozenset(name for call in calls for name in CALLS[call])
    # Each copy is fsynced twice: a disk does a hundred of them a second, or less.
    return Lab(Faults(root, cold_root, by_device, names), trees, said, pause=0.05 if cold_root else 0.01)


def main() -> None:
    """Print the figures; exit 1 and say what was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("calls", nargs="+", choices=CALLS)
    calls = parser.parse_args().calls
    os.environ["PATH"] = "/nonexistent"  # no ffprobe: these are no segments
    rotation._LOOK = _LOOK
    if "link" in calls:
        without_rename_flags()
    with tempfile.TemporaryDirectory(dir=MEMORY) as ground, tempfile.TemporaryDirectory() as other_ground:
        made = lab(calls, Path(ground), Path(other_ground))
        stand_between(made.faults.between)
        try:
            trio.run(made.run)
        except BaseException:
            made.faults.by_device.clear()
            sys.stderr.write(made.said.getvalue()[-4000:])
            raise
        made.judge_words()
        figures = made.judge_speed()
    if made.wrong:
        sys.exit("\n".join(made.wrong))
    fired = [fault.fired for fault in made.faults.by_device.values()]
    said = f"{len(fired)} faults fired {sum(fired)} times, normal after {made.slowest:.1f} s, {figures}"
    print(f"{' '.join(calls)}: {said}")  # noqa: T201 - what it is run for


if __name__ == "__main__":
    main()
