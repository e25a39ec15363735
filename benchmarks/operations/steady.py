"""Captures that come to a hot folder at a steady pace, and how long each waited for the oldest one to leave.

Its writer hears of that by inotify: the time is from just before the close to the reading of the event, so it has the
writer's own waking in it, some 50 us. ctime would tell no more than the kernel's last tick.
"""

import math
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs
import inotify_simple
from inotify_simple import flags

LIMIT: Final = 100
"""Files of a full hot folder."""
# Seconds that a file may take to leave: a disk may hang for a while.
_PATIENCE: Final = 30.0


def named(number: int) -> str:
    """A capture's name."""
    return f"capture_{number:09d}.jpg"


@attrs.frozen
class Waits:
    """How long files waited, milliseconds."""

    count: int
    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, waits: Iterable[float]) -> "Waits":
        """ValueError: there are none."""
        found = sorted(waits)
        if not found:
            raise ValueError("no file came in this time")
        return cls(len(found), found[len(found) // 2], found[math.ceil(len(found) * 0.99) - 1], found[-1])


class Steady:
    """Writes to one folder in a thread of its own, for as long as the block runs."""

    def __init__(self, folder: Path, rate: float) -> None:
        """`rate`: files a second. The folder is filled up to its limit: from then on each newcomer makes the oldest one
        leave. It may be renamed before the block, and is told so by `folder`.
        """
        self.folder = folder
        self._pause = 1 / rate
        self._closed_at: list[float] = []
        self._left_at: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        for _ in range(LIMIT):
            self._finish()
        self._inotify = inotify_simple.INotify()
        self._inotify.add_watch(folder, flags.MOVED_FROM)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._inotify.close()

    def waits(self, since: float, until: float) -> Waits:
        """Of the files closed between two past readings of time.monotonic(), when what they displace has left.

        Within the block only. ValueError: there were none. TimeoutError: one does not leave.
        """
        closed_at = self._closed_at.copy()
        here = [number for number in range(LIMIT, len(closed_at)) if since <= closed_at[number] < until]
        deadline = time.monotonic() + _PATIENCE
        while missing := [number - LIMIT for number in here if number - LIMIT not in self._left_at]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} files have not left {self.folder}: {named(missing[0])} ...")
            time.sleep(0.01)
        return Waits.of((self._left_at[number - LIMIT] - closed_at[number]) * 1000 for number in here)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self._hear(due - time.monotonic())
            if (now := time.monotonic()) >= due:
                self._finish()
                due = max(due + self._pause, now - self._pause)  # a pause is not made up for by a burst

    def _hear(self, seconds: float) -> None:
        for event in self._inotify.read(timeout=max(0.0, seconds) * 1000):
            self._left_at.setdefault(int(event.name[8:17]), time.monotonic())

    def _finish(self) -> None:
        path = self.folder / named(len(self._closed_at))
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, b"x")
        self._closed_at.append(time.monotonic())
        os.close(fd)
