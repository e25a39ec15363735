"""Files that come to some hot folders at a steady pace, and how long each made the oldest one wait for its move; how
much memory a process takes.
"""

import fnmatch
import math
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import inotify_simple
from inotify_simple import flags

from tests.live.started import put

KIND = "captures"
PATTERN = "capture_*.jpg"
# Seconds that the last files have got to leave.
_GRACE = 1.0


def named(number: int, pattern: str = PATTERN) -> str:
    return pattern.replace("*", f"{number:09d}")


def filled(folder: Path, count: int, pattern: str = PATTERN) -> None:
    """Finish so many files of a byte, as fast as can be."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        fd = os.open(f"{folder}/{named(number, pattern)}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, b"x")
        os.close(fd)


def archived(folder: Path) -> int:
    """How many files lie in the slots of a hot folder."""
    return sum(len(fnmatch.filter(os.listdir(folder / str(slot)), PATTERN)) for slot in range(24))


def memory_peak(process: int) -> float:
    """The most that a running process has had in memory, MiB (VmHWM of proc(5))."""
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@attrs.frozen
class Waited:
    """A file that was closed, and how long it was until the oldest one had left for its sake; seconds."""

    closed_at: float
    """By time.monotonic()."""
    seconds: float


@attrs.frozen
class Spread:
    """Some waits, in seconds."""

    count: int
    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, waits: Iterable[Waited]) -> "Spread":
        """ValueError when there is none."""
        found = sorted(waited.seconds for waited in waits)
        if not found:
            raise ValueError("no file was waited for")
        return cls(len(found), found[len(found) // 2], found[math.ceil(len(found) * 0.99) - 1], found[-1])

    def __str__(self) -> str:
        median, p99, worst = (f"{seconds * 1000:.2f}" for seconds in (self.median, self.p99, self.worst))
        return f"{self.count} files, median {median} ms, p99 {p99} ms, worst {worst} ms"


class Pace:
    """Writes to hot folders in a thread of its own, `rate` files a second to each, for as long as the block runs; the
    reactor has to be there a moment longer.
    """

    def __init__(self, folders: Iterable[Path], *, limit: int, rate: float) -> None:
        """Each folder is filled up to its limit: from then on each newcomer makes the oldest one leave."""
        self._folders = list(folders)
        self._limit = limit
        self._pause = 1 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._closed_at: dict[tuple[Path, int], float] = {}
        self._waits: list[Waited] = []
        self._ended_at: float | None = None
        self._inotify = inotify_simple.INotify()
        self._keys: dict[int, Path] = {}
        for folder in self._folders:
            filled(folder, limit)
            self._keys[self._inotify.add_watch(folder, flags.MOVED_FROM)] = folder

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._inotify.close()

    @property
    def first_left_at(self) -> float | None:
        """time.monotonic() at which the first file had left that came when a reactor was there; None: none yet."""
        waits = self._waits
        return waits[0].closed_at + waits[0].seconds if waits else None

    def waits(self, since: float = -math.inf, until: float = math.inf) -> list[Waited]:
        """Of the files closed between two readings of time.monotonic(); the time so far of what has not left."""
        now = time.monotonic() if self._ended_at is None else self._ended_at
        open_ = [Waited(closed_at, now - closed_at) for closed_at in list(self._closed_at.values())]
        return [waited for waited in [*self._waits, *open_] if since <= waited.closed_at < until]

    def _run(self) -> None:
        begun = time.monotonic()
        # The folders take turns, so that their files come one by one.
        step = self._pause / len(self._folders)
        turn = 0
        while not self._stop.is_set():
            self._hear(begun + turn * step - time.monotonic())
            if time.monotonic() >= begun + turn * step:
                folder = self._folders[turn % len(self._folders)]
                number = self._limit + turn // len(self._folders)
                put(folder, named(number), b"")
                self._closed_at[folder, number] = time.monotonic()
                turn += 1
        stopped = time.monotonic()
        while self._closed_at and time.monotonic() < stopped + _GRACE:
            self._hear(_GRACE / 10)
        self._ended_at = time.monotonic()

    def _hear(self, seconds: float) -> None:
        for event in self._inotify.read(timeout=max(0.0, seconds) * 1000):
            if event.mask & flags.MOVED_FROM:
                self._moved(self._keys[event.wd], event.name)

    def _moved(self, folder: Path, name: str) -> None:
        if not fnmatch.fnmatch(name, PATTERN):
            return  # an unfinished name, which its writer took away
        now = time.monotonic()
        came = self._closed_at.pop((folder, int(name[8:17]) + self._limit), None)
        if came is not None:
            self._waits.append(Waited(came, now - came))
