"""Give errors to a running reactor: `python -m tests.faults.erring rename open`.

One reactor serves a device for each call, error and moment, and one that nothing happens to. A fault lasts: from just
before the first, the second or the third of three hours on, each such call on its device fails, until it is lifted.
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
_HEALTHY: Final = "capture0"
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

    def between(self, name: str, doing: Doing, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name not in self.names or getattr(self.local, "aside", False):
            return doing()
        fault = self.by_device.get(self._device(args, kwargs))
        if fault is None or not fault.armed or name not in CALLS[fault.call]:
            return doing()
        if fault.error == DELAY:
            fault.armed = False
            fault.fired += 1
            time.sleep(1.0)
            return doing()
        fault.fired += 1
        number = getattr(errno, fault.error)
        raise OSError(number, os.strerror(number), "a fault")

    def _device(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The device on whose files a call works: by its descriptor, the folder that it is relative to, or its path."""
        at = next((kwargs[key] for key in ("dir_fd", "src_dir_fd") if kwargs.get(key) is not None), None)
        if isinstance(args[0], int):
            at = args[0]
        path = Path(args[0]) if at is None else Path(os.readlink(f"/proc/self/fd/{at}"))
        for top in (self.root, self.cold_root):
            # The device's own folder is not meant: without it there is no device.
            if top is not None and path.is_relative_to(top) and (at is not None or path.parent != top):
                return (*path.relative_to(top).parts, "")[0]
        return ""

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
    ahead: float = 0.0
    wrong: list[str] = attrs.field(factory=list)
    slowest: float = 0.0
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
            for moment in MOMENTS:
                await self._hour([fault for fault in self.faults.by_device.values() if fault.moment == moment])
                await self._normal()
            nursery.cancel_scope.cancel()

    async def _hour(self, faults: list[Fault]) -> None:
        """The clock turns, the faults begin, files come; the faults end."""
        turn = self.clock.wall() + HOUR
        slot = str(int(turn % DAY // HOUR))
        with self.faults.aside():
            for tree in self.trees.values():
                for number in range(3):
                    for kind in (SEGMENTS, CAPTURES):
                        tree.put(kind, 800 + number, turn - DAY - 300 + number, slot)
        for fault in faults:
            fault.armed = True
        self.ahead += HOUR
        self._write(0)
        began = trio.current_time()
        await trio.sleep(_LASTS / 2)
        self._write(50)
        await trio.sleep(_LASTS / 2)
        healthy = self.trees[_HEALTHY]
        while trio.current_time() < began + _FIRES:
            if all(fault.fired for fault in faults) and not self._wrong(healthy):
                break
            await trio.sleep(0.1)
        self.wrong += [f"{fault.name}: it never fired" for fault in faults if not fault.fired]
        self.wrong += [f"meanwhile, {text}" for text in self._wrong(healthy)]
        for fault in faults:
            fault.armed = False
        self.ahead += 60.0  # expiry goes by the minute

    def _write(self, first: int) -> None:
        """Each device gets some files, under numbers that it has had in each hour before."""
        now = self.clock.wall()
        self.faults.local.aside = True
        for tree in self.trees.values():
            for kind in (SEGMENTS, CAPTURES):
                hot = {path.name for path in tree.hot(kind).iterdir()}
                free = (n for n in range(first, 999) if f"{kind.pattern.prefix}{n:09}{kind.pattern.suffix}" not in hot)
                for ago in reversed(range(_FILES)):
                    tree.put(kind, next(free), now - ago / 8)
        self.faults.local.aside = False

    async def _normal(self) -> None:
        """Wait until all devices are as they should be."""
        ended = trio.current_time()
        left = dict(self.trees)
        while left and trio.current_time() < ended + _NORMAL:
            await trio.sleep(0.2)
            left = {name: tree for name, tree in left.items() if self._wrong(tree)}
        self.slowest = max(self.slowest, trio.current_time() - ended)
        self.wrong += [f"still wrong after {_NORMAL} s: {text}" for tree in left.values() for text in self._wrong(tree)]

    def _wrong(self, tree: Tree) -> list[str]:
        tree.now = self.clock.wall()
        with self.faults.aside():
            return [f"{tree.device}: {text[:600]}" for text in wrong_at_rest(tree)]

    def judge_words(self) -> None:
        """Each error is named, and said once until it ends or changes."""
        records = [json.loads(line) for line in self.said.getvalue().splitlines()]
        for fault in self.faults.by_device.values():
            mine = [record for record in records if record.get("device") == fault.name]
            said = [record for record in mine if record.get("errno") == fault.error]
            counted = any(
                sample.labels.get("device") == fault.name and sample.labels.get("errno") == fault.error
                for metric in self.registry.collect()
                for sample in metric.samples
                if sample.name == "hotcold_move_errors_total" and sample.value
            )
            # What is not there is looked for anew, or somebody else has taken it: that is no error.
            if not (said or counted or fault.error in {DELAY, "ENOENT"}):
                self.wrong.append(f"{fault.name}: {fault.error} is named nowhere")
            standing: set[tuple[object, ...]] = set()
            for record in mine:
                key = record.get("kind") or record.get("what"), record["event"].partition(":")[0], record.get("errno")
                if record["level"] == "error" and key in standing:
                    self.wrong.append(f"{fault.name}: said again: {record}")
                if record["level"] == "error":
                    standing.add(key)
                elif record.get("after"):
                    standing.clear()


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
    for call, error, moment in itertools.product(calls, (*ERRORS, DELAY), MOMENTS):
        name = f"capture-{call}-{error}-{moment}"
        by_device[name] = Fault(made(name), call, error, moment)
    said = io.StringIO()
    logs.configure("json", "info", said)
    names = frozenset(name for call in calls for name in CALLS[call])
    return Lab(Faults(root, cold_root, by_device, names), trees, said)


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
    if made.wrong:
        sys.exit("\n".join(made.wrong))
    fired = [fault.fired for fault in made.faults.by_device.values()]
    print(f"{' '.join(calls)}: {len(fired)} faults fired {sum(fired)} times, normal after {made.slowest:.1f} s")  # noqa: T201


if __name__ == "__main__":
    main()
