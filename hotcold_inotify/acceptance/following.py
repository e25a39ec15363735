"""Follow every hot folder for a while: what comes, what leaves, and how many files there are at each moment.

The reactor's own `watch` does not ask for MOVED_FROM, which is what it makes itself; here it is what is looked for. So
this is an inotify instance of its own, and what it says of the reactor does not come from the reactor. See inotify(7).
"""

import contextlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import inotify_simple
from inotify_simple import flags

from hotcold_inotify.acceptance.holding import NO_FOLDER
from hotcold_inotify.checklist.hotcount import HotCount, Watched
from hotcold_inotify.checklist.writing import Stray
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import LIVE_PLAYLIST, Folder, Home, list_hot
from hotcold_inotify.hours import Calendar

_CAME: Final = int(flags.CLOSE_WRITE | flags.MOVED_TO)
_WENT: Final = int(flags.MOVED_FROM | flags.DELETE)
_MASK: Final = flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.ONLYDIR
# How often the thread looks whether it is to end, in milliseconds. Events wake it at once.
_LOOK_UP: Final = 100
_MOST: Final = 1_000_000


class _Place:
    """One hot folder."""

    def __init__(self, folder: Folder, device: str, kinds: Collection[Kind]) -> None:
        self.folder = folder
        self.device = device
        self.kind = folder.kind
        self._others = [kind.pattern for kind in kinds if kind is not folder.kind]
        self.count = HotCount(self.names(), folder.kind.hot_limit, time.monotonic())

    def names(self) -> list[str]:
        return list(list_hot(self.folder, _MOST).names)

    def event(self, mask: int, name: str, at: float) -> None:
        if self.kind.pattern.match(name) is None:
            if mask & _CAME and any(pattern.match(name) for pattern in self._others):
                self.count.strange(name)
        elif mask & _CAME:
            self.count.come(name, at)
        elif mask & _WENT:
            self.count.go(name, at)


class Following:
    """From its making until `end`, in a thread."""

    def __init__(self, config: Config, devices: Sequence[Home], calendar: Calendar) -> None:
        """A folder that is not there is left out. OSError: inotify has no instance or no watch left."""
        self._kinds = config.kinds
        self._inotify = inotify_simple.INotify(nonblocking=True)
        self._places: dict[int, _Place] = {}
        self._tops: dict[int, tuple[str, dict[str, None]]] = {}
        self._ends = threading.Event()
        # A future keeps what went wrong in the thread until it is asked for its result.
        self._threads = ThreadPoolExecutor(1)
        try:
            for device in devices:
                self._add(device, calendar)
        except BaseException:
            self._close()
            raise
        self._running = self._threads.submit(self._run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ends.set()
        self._threads.shutdown()
        self._close()

    def _add(self, device: Home, calendar: Calendar) -> None:
        top = self._inotify.add_watch(device.path, flags.CLOSE_WRITE | flags.MOVED_TO | flags.ONLYDIR)
        self._tops[top] = (device.name, {})
        for kind in self._kinds:
            try:
                folder = device.open(kind, calendar)
            except OSError as error:
                if error.errno not in NO_FOLDER:
                    raise
                continue
            with contextlib.ExitStack() as opened:
                opened.callback(folder.close)
                # Watch, then list: a file that comes in between is told twice, and counts once.
                key = self._inotify.add_watch(folder.hot_path, _MASK)
                self._places[key] = _Place(folder, device.name, self._kinds)
                opened.pop_all()

    def end(self, known: Mapping[tuple[str, str], bool]) -> tuple[list[Watched], list[Stray]]:
        """What was seen. `known`: of (device, kind), whether any file of it lies anywhere."""
        self._ends.set()
        self._running.result()
        at = time.monotonic()
        watched = [
            one.count.ended(one.device, one.kind.name, at, known=known.get((one.device, one.kind.name), False))
            for one in self._places.values()
        ]
        return watched, [Stray(name, tuple(found)) for name, found in self._tops.values()]

    def _run(self) -> None:
        while not self._ends.is_set():
            for event in self._inotify.read(timeout=_LOOK_UP):
                self._take(event.wd, event.mask, event.name)

    def _take(self, key: int, mask: int, name: str) -> None:
        at = time.monotonic()
        if mask & flags.Q_OVERFLOW:
            for one in self._places.values():
                one.count.anew(one.names(), at)
        elif mask & flags.ISDIR:
            return
        elif key in self._places:
            self._places[key].event(mask, name, at)
        elif key in self._tops and mask & _CAME:
            found = self._tops[key][1]
            if name == LIVE_PLAYLIST or any(kind.pattern.match(name) for kind in self._kinds):
                found[name] = None

    def _close(self) -> None:
        self._inotify.close()
        for one in self._places.values():
            one.folder.close()
