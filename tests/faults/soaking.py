"""Day after day in minutes: a reactor in a process of its own, by a clock whose hours are a test's to turn;
encoders that write all four kinds; and what goes wrong in a day, drawn from a seed.

`python -m tests.faults.soaking LEVERS CONFIG` is that process; `Soak` is the test's side.
"""

import errno
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import tomli_w
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import logs, rotation
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind, Listen, Metrics, dump, parse
from hotcold_inotify.disk.renaming import exchange
from hotcold_inotify.hours import HOUR
from hotcold_inotify.names import Pattern
from hotcold_inotify.playlist import Entry, Playlist, render
from hotcold_inotify.reactor import Reactor
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UTC
from tests.faults.calls import Doing, stand_between
from tests.faults.scenes import Found, Known, Tree, managed, wrong_at_rest
from tests.live.started import Running, end, eventually, free_port
from tests.machine import CLONE

DEVICES: Final = ("capture1", "capture2")
KINDS: Final = (
    SEGMENTS,
    CAPTURES,
    Kind("thumbnails", Pattern.parse("capture_*_thumbnail.jpg"), hot_limit=3, retention=float(2 * HOUR)),
    Kind("metadata", Pattern.parse("capture_*.json"), hot_limit=3),
)
# Calls that a running reactor makes all the time.
FAULTS: Final = (("rename", errno.ENOSPC), ("rename", errno.EIO), ("write", errno.ENOSPC), ("scandir", errno.EACCES))
# The promise: so long after a trouble's end all is as it should be.
NORMAL: Final = 5.0
# A pass comes each minute and at the hour's turn; the clock is looked at this often.
_LOOK: Final = 0.5
_HERE: Final = -100  # AT_FDCWD of openat(2)
_BURST: Final = 6
"""Files of a kind that come at once."""
_WINDOW: Final = 6
# Where the levers' numbers are, and the name of the call.
_NUMBER: Final = struct.Struct("d")
_BEGAN, _AHEAD, _SET_BY, _ERRNO, _FIRED, _CALL = range(0, 48, 8)
_SIZE: Final = 64


class Levers:
    """What two processes share: how far the clocks were moved, in seconds, and which call fails how often."""

    def __init__(self, path: Path) -> None:
        """`path`: a file; where it is missing, it is 14:30 now."""
        fresh = not path.exists()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, _SIZE)
            self._memory = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        if fresh:
            self._put(_BEGAN, time.monotonic())

    def _get(self, place: int) -> float:
        return float(_NUMBER.unpack_from(self._memory, place)[0])

    def _put(self, place: int, value: float) -> None:
        _NUMBER.pack_into(self._memory, place, value)

    def turn(self, seconds: float) -> None:
        """Time passes: both clocks go on."""
        self._put(_AHEAD, self._get(_AHEAD) + seconds)

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the wall clock; by so much in all."""
        self._put(_SET_BY, seconds)

    @property
    def set_by(self) -> float:
        """By how much the wall clock is wrong."""
        return self._get(_SET_BY)

    def wall(self) -> float:
        """Unix time."""
        return AT_14 + self.set_by + self.boottime()

    def boottime(self) -> float:
        """Seconds since 14:30."""
        return self._get(_AHEAD) + time.monotonic() - self._get(_BEGAN)

    def fail(self, call: str, number: int) -> None:
        """From now on that call fails; "": none does."""
        self._put(_FIRED, 0)
        self._put(_ERRNO, number)
        self._memory[_CALL:] = call.encode().ljust(_SIZE - _CALL, b"\0")

    @property
    def fired(self) -> int:
        """How often a call has failed since `fail`."""
        return int(self._get(_FIRED))

    def between(self, name: str, doing: Doing, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        """For `stand_between`: a call within a device's folders, which are open, may fail."""
        if self._memory[_CALL:].rstrip(b"\0") != name.encode() or not (name == "rename" or isinstance(args[0], int)):
            return doing()
        self._put(_FIRED, self._get(_FIRED) + 1)
        number = int(self._get(_ERRNO))
        raise OSError(number, os.strerror(number), "a fault")


@attrs.define
class Written(Tree):
    """A device whose encoder sometimes wrote by a clock that was wrong."""

    finished: dict[float, float] = attrs.field(factory=dict)
    """By the mtime that a wrong clock gave: when it was in truth."""

    def may_go(self, known: Known) -> bool:
        """By its mtime, or by its age where that is known to be greater (ADR 0014)."""
        finished = self.finished.get(known.mtime, known.mtime)
        return super().may_go(known) or UTC.file_due(finished, known.kind.retention, self.now)


@attrs.frozen
class Sample:
    """A reactor at rest: which one, and what it holds."""

    pid: int
    resident_kib: int
    descriptors: int


@attrs.define
class Soak:
    """A reactor, its encoders, and what happens to them."""

    ground: Path
    draw: random.Random
    wrong: list[str] = attrs.field(factory=list)
    happened: Counter[str] = attrs.field(factory=Counter)
    samples: list[Sample] = attrs.field(factory=list)
    slowest: float = 0.0
    closed: int = 0
    starts: int = 0
    shown: list[tuple[float, float, float]] = attrs.field(factory=list)
    """From when to when a wrong clock showed, and by how much it was set right."""
    numbers: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    windows: dict[str, list[Entry]] = attrs.field(factory=dict)
    port: int = attrs.field(factory=free_port)
    levers: Levers = attrs.field(init=False)
    trees: list[Written] = attrs.field(init=False)
    running: Running = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.levers = Levers(self.ground / "levers")
        self.trees = [Written(self.ground / "root", device=device, kinds=KINDS) for device in DEVICES]
        for tree in self.trees:
            (tree.root / tree.device).mkdir(parents=True)
        self.configure()
        self.start()

    # --- the reactor ---

    def configure(self) -> None:
        config = attrs.evolve(self.trees[0].config, metrics=Metrics(listen=Listen("127.0.0.1", self.port)))
        (self.ground / "hotcold.toml").write_text(tomli_w.dumps(dump(config)), "utf-8")

    def start(self) -> None:
        """Start a reactor, and wait until it serves."""
        self.starts += 1
        log = self.ground / f"reactor{self.starts}.log"
        command = [sys.executable, "-m", "tests.faults.soaking"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, self.ground / "levers", self.ground / "hotcold.toml"], cwd=CLONE, stdout=out, stderr=out
            )
        self.running = Running(process, log, self.ground / "hotcold.toml", self.port)
        self.served(len(DEVICES))

    def served(self, devices: int) -> None:
        self.told("device served", devices)

    def told(self, event: str, times: int = 1) -> None:
        """Wait until it has said so."""

        def holds() -> bool:
            assert self.running.process.poll() is None, self.running.log.read_text("utf-8")[-4000:]
            return self.said(event) >= times

        eventually(f"{event} ({times})", holds, 30.0)

    def said(self, event: str) -> int:
        return self.running.log.read_bytes().count(f'"event": "{event}'.encode())

    def close(self) -> None:
        end(self.running.process)

    # --- the encoders ---

    def write(self) -> None:
        """Each encoder finishes some files of each kind, and says so in its live playlist."""
        for tree in self.trees:
            for kind in KINDS:
                hot = set(os.listdir(tree.hot(kind)))
                for ago in reversed(range(_BURST)):
                    number = self.numbers[tree.device, kind.name]
                    # An encoder that counts from 0 again does not come by a name that is still hot.
                    while (name := kind.pattern.named(number, 9)) in hot:
                        number += 1
                    self.numbers[tree.device, kind.name] = number + 1
                    self.finish(tree, kind, name, self.levers.wall() - ago)

    def finish(self, tree: Written, kind: Kind, name: str, mtime: float) -> None:
        """One file: a segment under its own name, an image by rename."""
        path = tree.hot(kind) / name
        content = tree.content(f"{tree.device} {kind.name}")
        unfinished = path if kind.playlist else path.with_name(f"{name}.tmp")
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.utime(file.fileno(), (mtime, mtime))
        if not kind.playlist:
            unfinished.rename(path)
        tree.known[content] = Known(kind, mtime, cold=False)
        if self.levers.set_by:
            tree.finished[mtime] = mtime - self.levers.set_by
        self.closed += 1
        if kind.playlist:
            window = self.windows[tree.device] = [*self.windows.get(tree.device, []), Entry(name, 1.0, mtime - 1)][
                -_WINDOW:
            ]
            live = tree.hot(kind) / "output.m3u8"
            live.with_name("output.m3u8.tmp").write_bytes(render(Playlist(2, tuple(window), type=None)))
            live.with_name("output.m3u8.tmp").rename(live)

    # --- a turn of the hour ---

    def turn(self, incidents: list[str]) -> None:
        """An hour of files, and what happens in it; then an inventory."""
        self.levers.turn(UTC.next_turn(self.levers.wall()) - self.levers.wall() + self.draw.uniform(1, 1200))
        self.write()
        for incident in incidents:
            getattr(self, incident)()
            self.happened[incident] += 1
            self.write()
        self.levers.turn(60.0)  # what was hot when the hour turned may be due since
        self.settle(believed="clock_jumped" not in incidents)
        self.sample()

    def settle(self, *, believed: bool) -> None:
        """Wait until all is as the promises say; what is still wrong after a while is wrong."""
        began = time.monotonic()
        while wrong := self.look(believed=believed):
            if time.monotonic() > began + NORMAL:
                self.wrong += wrong
                break
            time.sleep(0.1)  # a folder at rest says no word
        self.slowest = max(self.slowest, time.monotonic() - began)

    def look(self, *, believed: bool) -> list[str]:
        assert self.running.process.poll() is None, self.running.log.read_text("utf-8")[-4000:]
        wrong = []
        for tree in self.trees:
            tree.now = self.levers.wall()
            wrong += [f"{tree.device}: {text}" for text in wrong_at_rest(tree)]
            if believed:
                wrong += self.overdue(tree)
        return wrong

    def overdue(self, tree: Written) -> list[str]:
        """What is still there though its retention is over: to the minute, of a kind with playlists to the hour."""
        wrong = []
        for found in self.there(tree):
            if found.folder == str(tree.hot(found.kind)):
                continue
            before = tree.now - 60.0
            mtime = max([found.mtime, *self.perhaps(found.mtime)])
            if UTC.file_due(mtime, found.kind.retention, before) and (
                not found.kind.playlist or UTC.slot_due(UTC.generation_at(mtime), found.kind.retention, before)
            ):
                wrong.append(f"{tree.device}: overdue: {found}")
        return wrong

    def perhaps(self, mtime: float) -> Iterator[float]:
        """When else a file of that mtime may have been finished, as far as the reactor knows (ADR 0014): whoever looks
        at a clock every few seconds takes a minute for no step.
        """
        yield from (mtime + set_by for start, end, set_by in self.shown if start - 70.0 <= mtime <= end + 70.0)

    def there(self, tree: Tree) -> list[Found]:
        """Every file, as soon as none moves while it is looked at."""
        while True:
            try:
                return managed(tree)
            except FileNotFoundError:
                continue

    def forget_expired(self) -> None:
        """What is gone, and was due, need not be counted any more."""
        for tree in self.trees:
            there = {found.content for found in self.there(tree)}
            tree.known = {content: known for content, known in tree.known.items() if content in there}

    def sample(self) -> None:
        process = f"/proc/{self.running.process.pid}"
        resident = next(line for line in Path(process, "status").read_text("ascii").splitlines() if "VmRSS" in line)
        # The least of a moment: whoever looks at a folder, or passes through it, has it open meanwhile.
        descriptors = []
        for _ in range(10):
            descriptors.append(len(os.listdir(f"{process}/fd")))
            time.sleep(0.05)
        self.samples.append(Sample(self.running.process.pid, int(resident.split()[1]), min(descriptors)))
        if not self.wrong:
            self.forget_expired()

    # --- what happens ---

    def killed(self) -> None:
        """SIGKILL, with files on their way."""
        self.write()
        self._ends(signal.SIGKILL, -signal.SIGKILL)

    def terminated(self) -> None:
        """SIGTERM, with files on their way."""
        self.write()
        self._ends(signal.SIGTERM, 0)

    def _ends(self, number: int, status: int) -> None:
        self.running.process.send_signal(number)
        assert self.running.process.wait(20) == status
        self.write()
        self.start()

    def reloaded(self) -> None:
        """SIGHUP, and the captures' hot folder holds another number."""
        before = self.said("configuration read again")
        for tree in self.trees:
            tree.kinds = tuple(
                attrs.evolve(kind, hot_limit=7 - kind.hot_limit) if kind.name == "captures" else kind
                for kind in tree.kinds
            )
        self.configure()
        served = self.said("device served")
        self.running.process.send_signal(signal.SIGHUP)
        self.write()
        self.told("configuration read again", before + 1)
        self.served(served + len(DEVICES))

    def encoder_restarted(self) -> None:
        """It counts from 0 again."""
        self.numbers.clear()
        self.windows.clear()

    def call_failed(self) -> None:
        """An error that lasts for a while, on all devices."""
        call, number = self.draw.choice(FAULTS)
        self.levers.fail(call, number)
        self.write()
        eventually(f"{call} fails", lambda: self.levers.fired > 0, 10.0)
        time.sleep(self.draw.uniform(0.0, 0.5))  # how long an error lasts
        self.levers.fail("", 0)

    def others_deleted(self) -> None:
        """Hot and cold files, of kinds without playlists: one lists what was deleted until the next start."""
        for tree in self.trees:
            there = [found for found in self.there(tree) if not found.kind.playlist]
            for found in self.draw.sample(there, min(5, len(there))):
                try:
                    os.unlink(found.path)
                except FileNotFoundError:
                    continue  # it left the hot folder this moment
                del tree.known[found.content]

    def device_away(self) -> None:
        """Its folder is renamed, and comes back."""
        tree = self.draw.choice(self.trees)
        folder, away = tree.root / tree.device, tree.root / "away"
        left, served = self.said("device left"), self.said("device served")
        folder.rename(away)
        self.told("device left", left + 1)
        away.rename(folder)
        self.served(served + 1)

    def folder_away(self) -> None:
        """A hot folder is renamed, the reactor makes another one; then the first is back."""
        tree = self.draw.choice(self.trees)
        folder, away = tree.hot(CAPTURES), tree.root / "away"
        before = self.said("the folder is another one")

        def served_anew() -> float:
            return self.running.metric(
                "hotcold_rescans_total", device=tree.device, kind=CAPTURES.name, reason="identity"
            )

        times = served_anew()
        folder.rename(away)
        self.told("the folder is another one", before + 1)
        # Made is not enough: what changes places before it is opened is no other folder to the reactor.
        eventually("another folder to be served", lambda: served_anew() > times)
        assert (folder / "23").is_dir()
        exchange(_HERE, str(folder), _HERE, str(away))  # at no moment is there none to be made once more
        self.told("the folder is another one", before + 2)
        shutil.rmtree(away)

    def queue_overflowed(self) -> None:
        """More happens than the kernel's queue takes, while the reactor gets no time."""
        # Its queue is as long as the limit was when it was made; the kernel's own is 16,384.
        most = max(16_384, int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii")))
        tree = self.draw.choice(self.trees)
        strangers = [tree.hot(CAPTURES) / f"stranger{number}.tmp" for number in range(2)]
        before = self.running.metric("hotcold_inotify_overflows_total", device=tree.device)
        self.running.process.send_signal(signal.SIGSTOP)
        for number in range(most + 100):
            strangers[number % 2].open("wb", 0).close()  # the same event twice in a row would be one
        self.write()
        self.running.process.send_signal(signal.SIGCONT)
        eventually(
            "an overflow",
            lambda: self.running.metric("hotcold_inotify_overflows_total", device=tree.device) > before,
        )
        for path in strangers:
            path.unlink()

    def clock_jumped(self) -> None:
        """The clock is set wrong, and right again a while later."""
        time.sleep(3 * _LOOK)  # a step may have come at any moment since the last look, and an hour went by since
        jump = float(HOUR * self.draw.choice((-26, -5, -1, 1, 5, 26)))
        self.levers.set_clock(jump)
        start = self.levers.wall()
        eventually("the clock is not believed", lambda: self.running.metric("hotcold_clock_believable") == 0)
        self.write()
        self.shown.append((start, self.levers.wall(), -jump))
        self.levers.set_clock(0.0)
        time.sleep(3 * _LOOK)  # and this one is looked at before an hour goes by


RESTARTS: Final = ("killed", "terminated")
OTHERS: Final = (
    *("reloaded", "encoder_restarted", "call_failed", "others_deleted"),
    *("device_away", "folder_away", "queue_overflowed", "clock_jumped"),
)


def main(levers_path: str, config_path: str) -> None:
    """The reactor's process."""
    os.environ["PATH"] = "/nonexistent"  # no ffprobe: these are no segments
    rotation._LOOK = _LOOK
    logs.configure("json", "info")
    levers = Levers(Path(levers_path))
    stand_between(levers.between)

    def read() -> Config:
        return parse(Path(config_path).read_text("utf-8"), config_path)

    clock = Clock(levers.wall, levers.boottime)
    trio.run(Reactor(read(), registry=CollectorRegistry(), clock=clock, reload=read).run)


if __name__ == "__main__":
    main(*sys.argv[1:])
