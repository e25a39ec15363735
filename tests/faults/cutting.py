"""Cut the power under a running reactor, again and again: `python -m tests.faults.cutting xfs --durable --cuts 200`.

The file system is one of its own, in an image, and the cut is the kernel's: a shutdown without a flush of its log. What
was not on the disk by then is not there when it is mounted again. A reactor serves two devices meanwhile, an encoder
writes into both, and the hours turn. After each cut an inventory is taken twice: of what the disk kept, and of what a
reactor that starts on it makes of that.

What the disk's own cache would lose is not tried: the image takes every block that it is given. Run it as root, with
mounts and processes of its own, so that nothing is left behind: `unshare --mount --pid --mount-proc --kill-child`. With
TMPDIR in memory an fsync is quick, and a durable reactor lists hundreds of segments a second.
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import itertools
import json
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import audit, logs
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind, Metrics
from hotcold_inotify.disk import PLAYLIST, home
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.hours import HOUR
from hotcold_inotify.playlist import Entry, PlaylistError, parse
from hotcold_inotify.reactor import Reactor
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UTC

SIZES: Final = {"ext4": 256 << 20, "xfs": 320 << 20}  # bytes; a smaller xfs is not to be had
DEVICES: Final = ("capture1", "capture2")
KINDS: Final = (SEGMENTS, CAPTURES)
CANNOT: Final = 77
"""The exit code when the machine has no loop device, or does not know the file system."""
_SHUTDOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, _IOR('X', 125, __u32)
_NO_LOG_FLUSH: Final = 2
# Cuts on one file system before there is a new one: an inventory reads every file.
_ROUNDS: Final = 25
# How much of what it writes the encoder syncs, cut by cut.
_SYNCS: Final = (0.2, 0.0, 0.02)
# The cut comes after so many files, drawn, or after so many seconds.
_FILES: Final = (30, 300)
_SECONDS: Final = 5.0
# Seconds that a start has to put everything right: far more than it takes, for the machine may be busy.
_PATIENCE: Final = 20.0
_PAUSE: Final = 0.004  # between two turns of the encoder


class Failed(Exception):
    """What an inventory found."""


class Cannot(Exception):
    """The machine has not got what this needs."""


class Disk:
    """A file system of its own."""

    def __init__(self, system: str, ground: Path) -> None:
        self.place = ground / "disk"
        self._system = system
        self._image = ground / "image"
        self._mounted = False
        self.place.mkdir()

    def make_anew(self) -> None:
        """An empty file system, mounted."""
        self.unmount()
        self._image.unlink(missing_ok=True)
        with self._image.open("wb") as file:
            file.truncate(SIZES[self._system])
        subprocess.run([f"mkfs.{self._system}", "-q", self._image], check=True)
        self.mount()

    def mount(self) -> None:
        done = subprocess.run(
            ["mount", "-t", self._system, "-o", "loop", self._image, self.place],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Cannot(done.stderr.strip())
        self._mounted = True

    def cut(self) -> None:
        """From here on nothing reaches the disk."""
        with _opened(self.place) as fd:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))

    def sync(self) -> None:
        with _opened(self.place) as fd:
            _syncfs(fd)

    def unmount(self) -> None:
        if self._mounted:
            subprocess.run(["umount", self.place], check=True)
            self._mounted = False


class Times:
    """The time of all processes of a run: it stands still until `go`, then runs `speed` times as fast as ours.

    It also holds what the reactor says of itself.
    """

    def __init__(self, base: float, speed: float) -> None:
        self._base = base
        self._speed = speed
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)  # anonymous: forked processes have it too

    def go(self) -> None:
        self._shared[:8] = struct.pack("d", time.monotonic())

    def stop(self) -> None:
        """Stand still at what it is now."""
        self._base += self.passed()
        self._shared[:8] = bytes(8)

    def passed(self) -> float:
        began = float(struct.unpack("d", self._shared[:8])[0])
        return (time.monotonic() - began) * self._speed if began else 0.0

    def wall(self) -> float:
        return self._base + self.passed()

    @property
    def clock(self) -> Clock:
        return Clock(self.wall, lambda: 1000.0 + self.passed())

    @property
    def ready(self) -> bool:
        return self._shared[8] != 0

    def set_ready(self) -> None:
        self._shared[8] = 1


@attrs.define
class Known:
    """A file that the encoder has made."""

    device: str
    kind: Kind
    mtime: float
    size: int
    closed: bool = False
    """It has its final name."""
    kept: bool = False
    """It is on the disk: the encoder has synced it, or a cut has left it, or a playlist of a durable one lists it."""


@attrs.frozen
class Found:
    """A managed file as it is on the disk: whose content it has, and whether it has all of it."""

    path: Path
    kind: Kind
    size: int
    mtime: float
    inode: int
    serial: int | None
    whole: bool

    @property
    def identity(self) -> tuple[int, float]:
        """What tells it from other files, wherever it is moved."""
        return self.inode, self.mtime


@attrs.define
class Seen:
    """What a reader saw just before a cut: slot -> the names in its playlist; and whose content new ones have."""

    listed: dict[Path, list[str]] = attrs.field(factory=dict)
    serials: list[int] = attrs.field(factory=list)


@attrs.define
class Tally:
    """What a run has seen."""

    cuts: int = 0
    cuts_amid_recovery: int = 0
    written: int = 0
    dropped: int = 0
    """Files with their final names that a cut took, wholly or in part; none that was known to be kept."""
    empty: int = 0
    """Names of the encoder's that lay there after a cut without a byte; one that stays there counts again."""
    kept_looked_at: int = 0
    """Files that a cut had to leave, looked at after it."""
    listed: int = 0
    """Entries of hour playlists looked at right after a cut."""
    listed_in_vain: int = 0
    """Of these: their file was gone, empty or torn; never where it is durable."""
    listed_torn_before: int = 0
    """Of the entries: their file was hot and not synced at an earlier cut, which left its length and not its bytes.
    What is hot is the encoder's to sync; a reactor cannot tell.
    """
    torn_playlists: int = 0
    listed_at_rest: int = 0
    slowest_start: float = 0.0
    """Seconds until a reactor that started after a cut had put everything right."""


def content(device: str, kind: str, serial: int, size: int) -> bytes:
    """What a file holds: it says on each of its lines whose it is."""
    text = f"{device} {kind} {serial} {size}\n".encode()
    return (text * (size // len(text) + 1))[:size]


class Encoder:
    """Writes as ffmpeg does: `x.tmp`, then its final name. What it has done it notes outside of the disk."""

    def __init__(self, root: Path, times: Times, journal: Path, draw: random.Random, serial: int, syncs: float) -> None:
        self._root = root
        self._times = times
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        self._draw = draw
        self._serials = itertools.count(serial)
        self._syncs = syncs
        self._numbers = {
            (device, kind.name): self._first(root / device / kind.name, kind) for device in DEVICES for kind in KINDS
        }

    def _first(self, hot: Path, kind: Kind) -> int:
        """It goes on counting, or begins anywhere."""
        there = [found.number for path in hot.iterdir() if (found := kind.pattern.match(path.name))]
        return self._draw.randrange(40) if self._draw.random() < 0.4 else max(there, default=-1) + 1

    def run(self) -> None:
        """Until the power goes: 1,000 segments a second and half as many captures, if the disk is as quick."""
        for turn in itertools.count():
            for device in DEVICES:
                self._write(device, SEGMENTS)
                self._write(device, SEGMENTS)
                self._write(device, CAPTURES)
            if self._syncs and turn % 16 == 7:
                with _opened(self._root) as fd:
                    last = self._last
                    _syncfs(fd)
                    self._note(f"all {last}")
            time.sleep(_PAUSE)

    def _write(self, device: str, kind: Kind) -> None:
        self._last = serial = next(self._serials)
        size, mtime = self._draw.choice((700, 4096, 5000, 13_000)), round(self._times.wall(), 6)
        self._note(f"makes {serial} {device} {kind.name} {mtime!r} {size}")
        hot = self._root / device / kind.name
        syncs = self._draw.random() < self._syncs
        with _opened(hot) as hot_fd:
            unfinished = hot / f"{kind.name}.tmp"
            with unfinished.open("wb") as file:
                file.write(content(device, kind.name, serial, size))
                file.flush()
                os.utime(file.fileno(), (mtime, mtime))
                if syncs:
                    os.fsync(file.fileno())
            while True:
                number = self._numbers[device, kind.name]
                self._numbers[device, kind.name] += 1
                # ffmpeg's rename would eat a hot file of that name, which is its own affair.
                with contextlib.suppress(FileExistsError):
                    name = f"{kind.pattern.prefix}{number:09}{kind.pattern.suffix}"
                    rename_new(hot_fd, unfinished.name, hot_fd, name)
                    break
            self._note(f"closed {serial}")
            if syncs:
                os.fsync(hot_fd)
                self._note(f"kept {serial}")

    def _note(self, text: str) -> None:
        os.write(self._journal, f"{text}\n".encode())


class Stage:
    """One file system, what is on it, and what is known of that."""

    def __init__(self, disk: Disk, ground: Path, tally: Tally, draw: random.Random, *, durable: bool) -> None:
        self._disk = disk
        self._root = disk.place / "root"
        self._journal = ground / "journal"
        self._tally = tally
        self._draw = draw
        self._durable = durable
        self._known: dict[int, Known] = {}
        self._serial = 0
        self._inventory: dict[Path, Found] = {}
        self._torn: set[tuple[int, float]] = set()
        self._now = AT_14
        self._config = Config(
            root=str(self._root), durable=durable, timezone="UTC", kinds=KINDS, metrics=Metrics(listen=None)
        )

    def begin(self) -> None:
        """Devices, and nothing in them."""
        self._disk.make_anew()
        for device in DEVICES:
            for kind in KINDS:
                (self._root / device / kind.name).mkdir(parents=True)
        self._disk.sync()

    def cut_once(self) -> None:
        """Start a reactor, let it come to rest, let the encoder write, cut, and take the inventories."""
        draw = self._draw
        if draw.random() < 0.25:
            self._cut_amid_recovery()
        times = Times(self._now, draw.choice((1.0, 60.0, 600.0)))
        syncs = _SYNCS[self._tally.cuts % len(_SYNCS)]
        reactor = _forked(lambda: trio.run(_reactor, self._config, times))
        running = [reactor]
        try:
            self._await_rest(times, reactor)
            times.go()
            self._journal.touch()
            running.append(_forked(lambda: Encoder(self._root, times, self._journal, draw, self._serial, syncs).run()))
            self._await_files(draw.randrange(*_FILES))
            if any(_ended(pid) for pid in running):
                raise Failed(["the reactor or the encoder ended before the cut"])
            seen = self._see()
            noted = self._journal.stat().st_size
            self._disk.cut()
            times.stop()
        finally:
            _kill(running)
        self._tally.cuts += 1
        self._learn(noted)
        self._rely_on(seen)
        self._remount()
        self._judge_kept(seen)
        self._advance(times.wall())

    def _await_files(self, files: int) -> None:
        until = time.monotonic() + _SECONDS
        while self._journal.read_bytes().count(b"closed") < files and time.monotonic() < until:
            time.sleep(_PAUSE)
        time.sleep(self._draw.uniform(0.0, 2 * _PAUSE))  # anywhere between two files

    def come_to_rest(self) -> None:
        """After the last cut, with nothing to write."""
        times = Times(self._now, 1.0)
        reactor = _forked(lambda: trio.run(_reactor, self._config, times))
        try:
            self._await_rest(times, reactor)
        finally:
            _kill([reactor])

    def _cut_amid_recovery(self) -> None:
        times = Times(self._now, 1.0)
        reactor = _forked(lambda: trio.run(_reactor, self._config, times))
        try:
            time.sleep(self._draw.uniform(0.0, 0.15))
            seen = self._see()
            self._disk.cut()
        finally:
            _kill([reactor])
        self._tally.cuts_amid_recovery += 1
        self._rely_on(seen)
        self._remount()
        self._judge_kept(seen)

    def _remount(self) -> None:
        self._disk.unmount()
        self._disk.mount()
        for device in DEVICES:
            for kind in KINDS:
                # An encoder that starts again writes over it.
                (self._root / device / kind.name / f"{kind.name}.tmp").unlink(missing_ok=True)

    def _advance(self, now: float) -> None:
        """The machine stays off for a while; often it is on again just before an hour turns."""
        # Once in a while long enough for all to expire.
        now += (25.0 if self._tally.cuts % 8 == 7 else self._draw.choice((0.0, 0.0, 0.0, 0.3, 1.0, 5.0))) * HOUR
        if self._draw.random() < 0.4:
            now = UTC.next_turn(now) - self._draw.uniform(0.0, 60.0)
        self._now = now

    # --- what is known ---

    def _learn(self, noted: int) -> None:
        """What the encoder has noted. What it says is kept counts up to the byte `noted`, before the cut: to an fsync
        of a folder an xfs that is being cut may answer that all is well.
        """
        at = 0
        for line in self._journal.read_bytes().splitlines(keepends=True):
            at += len(line)
            match line.decode("ascii").split():
                case ["makes", serial, device, kind, mtime, size]:
                    its = next(one for one in KINDS if one.name == kind)
                    self._known[int(serial)] = Known(device, its, float(mtime), int(size))
                    self._serial = int(serial) + 1
                case ["closed", serial]:
                    self._known[int(serial)].closed = True
                    self._tally.written += 1
                case ["kept", serial] if at <= noted:
                    self._known[int(serial)].kept = True
                case ["all", last] if at <= noted:
                    for serial_, known in self._known.items():
                        known.kept |= known.closed and serial_ <= int(last)
        self._journal.unlink()

    def _rely_on(self, seen: Seen) -> None:
        """Where playlists are durable, whoever reads an entry may rely on its segment."""
        if self._durable:
            for serial in seen.serials:
                self._known[serial].kept = True

    def _see(self) -> Seen:
        """What a reader sees at this moment."""
        seen = Seen()
        for device, slot in itertools.product(DEVICES, range(24)):
            folder = self._root / device / SEGMENTS.name / str(slot)
            with contextlib.suppress(FileNotFoundError):
                seen.listed[folder] = [entry.uri for entry in _lines(folder / PLAYLIST)[0]]
            for path in (folder / name for name in seen.listed.get(folder, ())):
                if path in self._inventory:
                    continue  # and known since the cut before
                with contextlib.suppress(FileNotFoundError), path.open("rb") as file:  # its hour may just have left
                    serial = _serial(file.read(100))
                    if serial is not None:
                        seen.serials.append(serial)
        return seen

    # --- the inventories ---

    def _found(self) -> Iterator[Found]:
        for kind in KINDS:
            for device in DEVICES:
                for folder, _, names in os.walk(self._root / device / kind.name):
                    for name in names:
                        if kind.pattern.match(name) is not None:
                            yield self._look(Path(folder, name), kind)

    def _look(self, path: Path, kind: Kind) -> Found:
        data, stat = path.read_bytes(), path.stat()
        serial = _serial(data)
        known = self._known.get(serial) if serial is not None else None
        whole = (
            known is not None
            and serial is not None
            and data == content(known.device, known.kind.name, serial, known.size)
        )
        return Found(path, kind, stat.st_size, stat.st_mtime, stat.st_ino, serial, whole)

    def _judge_kept(self, seen: Seen) -> None:
        """What the disk has kept, before anybody touches it; all of that is known to be kept from here on."""
        there = list(self._found())
        whole = _whole(there)
        wrong = self._wrong_files(there, whole)
        tally = self._tally
        for serial, known in list(self._known.items()):
            tally.kept_looked_at += known.kept
            if whole[serial]:
                known.kept = True
            else:
                tally.dropped += known.closed and not known.kept
                del self._known[serial]
        tally.empty += sum(not found.size for found in there)
        self._inventory = by_path = {found.path: found for found in there}
        for device, slot in itertools.product(DEVICES, range(24)):
            folder = self._root / device / SEGMENTS.name / str(slot)
            wrong += self._wrong_playlist(folder, seen.listed.get(folder, []), by_path)
        self._torn = {found.identity for found in there if found.size and not found.whole}
        if wrong:
            raise Failed(["right after the cut:", *wrong])

    def _wrong_playlist(self, slot: Path, seen: list[str], by_path: dict[Path, Found]) -> list[str]:
        try:
            entries, torn = _lines(slot / PLAYLIST)
        except FileNotFoundError:
            entries, torn = [], False
        self._tally.torn_playlists += torn
        listed = [entry.uri for entry in entries]
        self._tally.listed += len(listed)
        files = {name: by_path.get(slot / name) for name in listed}
        before = [name for name, found in files.items() if found is not None and found.identity in self._torn]
        in_vain = [name for name, found in files.items() if (found is None or not found.whole) and name not in before]
        self._tally.listed_torn_before += len(before)
        self._tally.listed_in_vain += len(in_vain)
        if not self._durable:
            return []
        # The last one that was seen may just have been written; all before it were on the disk. What is no longer in
        # its slot left with its hour, before the cut.
        missed = [name for name in seen[:-1] if name not in set(listed) and slot / name in by_path]
        return [
            *(f"{slot / PLAYLIST} lists {name}: {by_path.get(slot / name)}" for name in in_vain),
            *(f"{slot / PLAYLIST} no longer lists {name}" for name in missed),
        ]

    def _wrong_files(self, there: list[Found], whole: Counter[int]) -> list[str]:
        """I1, I2: what must be there is, once, as it was."""
        wrong = []
        for serial, known in self._known.items():
            due = UTC.file_due(known.mtime, known.kind.retention, self._now_at_least)
            allowed = (1,) if known.kept and not due else (0, 1)
            if whole[serial] not in allowed:
                wrong.append(f"{whole[serial]} times there: {serial}, {known}")
        for found in there:
            known_ = self._known.get(found.serial) if found.serial is not None else None
            if found.whole and known_ is not None and abs(found.mtime - known_.mtime) > 1e-5:
                wrong.append(f"{found.path} is of {found.mtime}, was closed at {known_.mtime}")
            if found.path.parent.name.isdigit() and int(found.path.parent.name) != UTC.generation_at(found.mtime).slot:
                wrong.append(f"{found.path} is of {UTC.generation_at(found.mtime)}")
        return wrong

    @property
    def _now_at_least(self) -> float:
        """The newest instant that anybody knows of."""
        return max([self._now, *(known.mtime for known in self._known.values())])

    def _await_rest(self, times: Times, reactor: int) -> None:
        """Until a reactor has put right what the cut left; what it cannot put right is wrong."""
        homes = [home(self._config, str(self._root / device)) for device in DEVICES]
        began = time.monotonic()
        while True:
            if _ended(reactor):
                raise Failed(["the reactor ended while it put the tree right"])
            wrong = ["it is not ready"]
            if times.ready:
                report = audit.check(homes, KINDS, UTC, times.clock, live=False)
                wrong = [f"hotcold check: {violation}" for violation in report.wrong]
            if not wrong:
                break
            if time.monotonic() > began + _PATIENCE:
                raise Failed([f"after {_PATIENCE} s:", *wrong])
            time.sleep(0.05)
        self._tally.slowest_start = max(self._tally.slowest_start, time.monotonic() - began)
        there = list(self._found())
        wrong = self._wrong_files(there, _whole(there))
        size = {found.path: found.size for found in there}
        for slot, names in self._see().listed.items():
            self._tally.listed_at_rest += len(names)
            wrong += [f"{slot / PLAYLIST} lists {name}, gone or empty" for name in names if not size.get(slot / name)]
        if wrong:
            raise Failed(["after a start:", *wrong])


def _lines(path: Path) -> tuple[Sequence[Entry], bool]:
    """The entries of a playlist up to where it is torn, and whether it is."""
    lines = path.read_bytes().decode("utf-8", "replace").splitlines(keepends=True)
    for count in range(len(lines), 0, -1):
        with contextlib.suppress(PlaylistError):
            return parse("".join(lines[:count])).entries, count < len(lines)
    return (), True


def _whole(there: list[Found]) -> Counter[int]:
    """How many times there is the whole of each content."""
    return Counter(found.serial for found in there if found.whole and found.serial is not None)


def _serial(data: bytes) -> int | None:
    """Whose content it is; None: it has none, or what no encoder wrote."""
    words = data[:100].split(b"\n")[0].split()
    return int(words[2]) if len(words) == 4 and words[2].isdigit() else None


async def _reactor(config: Config, times: Times) -> None:
    reactor = Reactor(config, registry=CollectorRegistry(), clock=times.clock, heed_signals=False)
    async with trio.open_nursery() as nursery:
        await nursery.start(reactor.run)
        times.set_ready()


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _syncfs(fd: int) -> None:
    """syncfs(2): nothing of this file system is only in memory any more."""
    if _libc.syncfs(fd):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_libc = ctypes.CDLL(None, use_errno=True)


def _forked(work: Callable[[], None]) -> int:
    """A process that does the work; what it dies of goes to standard error, if the power is on."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.environ["PATH"] = "/nonexistent"  # no ffprobe: these are no segments, and it would hold the disk
        work()
    except OSError as error:
        if error.errno not in (errno.EIO, errno.EROFS):  # the power is cut
            traceback.print_exc()
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        traceback.print_exc()
    os._exit(1)


def _ended(pid: int) -> bool:
    """Whether a child has ended; it is left to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(children: list[int]) -> None:
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)


def cut(system: str, cuts: int, seed: int, ground: Path, *, durable: bool) -> Tally:
    """So many cuts, on file systems that live on over many. Failed: what was wrong, and at which."""
    tally, draw = Tally(), random.Random(seed)
    disk = Disk(system, ground)
    try:
        while tally.cuts < cuts:
            stage = Stage(disk, ground, tally, draw, durable=durable)
            stage.begin()
            for _ in range(min(_ROUNDS, cuts - tally.cuts)):
                stage.cut_once()
            stage.come_to_rest()
    except Failed as failed:
        raise Failed([f"{system}, durable {durable}, seed {seed}, cut {tally.cuts}", *failed.args[0]]) from None
    finally:
        disk.unmount()
    return tally


def main() -> None:
    """Print what was seen, as JSON; exit 1 and say what was wrong, or CANNOT and say what is missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=SIZES)
    parser.add_argument("--durable", action="store_true")
    parser.add_argument("--cuts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    logs.configure("json", "critical")
    with tempfile.TemporaryDirectory() as ground:
        try:
            tally = cut(chosen.system, chosen.cuts, chosen.seed, Path(ground), durable=chosen.durable)
        except Failed as failed:
            sys.exit("\n".join(failed.args[0]))
        except Cannot as cannot:
            print(cannot)  # noqa: T201 - for the test that has started this
            sys.exit(CANNOT)
    print(json.dumps(attrs.asdict(tally)))  # noqa: T201 - the figures


if __name__ == "__main__":
    main()
