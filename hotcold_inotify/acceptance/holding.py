"""What lies where: which folders there are, and which hours they hold."""

import errno
import os
from collections.abc import Iterable, Iterator

import attrs

from hotcold_inotify.acceptance.scraping import Scrape
from hotcold_inotify.checklist.folders import Layout
from hotcold_inotify.checklist.holding import Held
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, Folder, Home, generation_of, list_hot, list_slot, rooms
from hotcold_inotify.hours import Calendar, Generation

# Line 1 tells of these; errno of open(2) with O_DIRECTORY and O_NOFOLLOW.
NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.frozen
class Found:
    """One folder's hours, and those of its hot files besides."""

    held: Held
    hot: frozenset[Generation]
    hot_oldest: float | None

    @property
    def generations(self) -> tuple[Generation, ...]:
        """All of them."""
        return tuple(sorted({*self.held.hours, *self.hot}))

    @property
    def since(self) -> float | None:
        """The mtime of the oldest file."""
        known = [at for at in (self.held.oldest, self.hot_oldest) if at is not None]
        return min(known, default=None)


def layouts(devices: Iterable[Home], kinds: tuple[Kind, ...]) -> Iterator[Layout]:
    """Each device's folders. What is no folder counts as missing."""
    for device in devices:
        names = tuple(kind.name for kind in kinds)
        paths = {name: os.path.join(device.path, name) for name in names}
        paths |= {f"{name}/{slot}": os.path.join(device.cold_path, name, slot) for name in names for slot in SLOT_NAMES}
        missing = tuple(name for name, path in paths.items() if not os.path.isdir(path))
        yield Layout(device.name, names, len(paths) - len(missing), missing)


def found(device: Home, kind: Kind, calendar: Calendar, metrics: Scrape | None) -> Found | None:
    """One folder; None: it is not there. `metrics`: the reactor's."""
    try:
        folder = device.open(kind, calendar)
    except OSError as error:
        if error.errno not in NO_FOLDER:
            raise
        return None
    with folder:
        return _found(device, folder, metrics)


def _found(device: Home, folder: Folder, metrics: Scrape | None) -> Found:
    kind = folder.kind
    held = {hour: generation for hour in range(24) if (generation := folder.slots.holds(hour)) is not None}
    first = min(held, key=lambda hour: held[hour], default=None)
    names = list(list_hot(folder, kind.hot_limit * 10).names)
    hot = frozenset(one for name in names if (one := generation_of(folder, name)) is not None)
    expired = None
    if metrics is not None:
        expired = metrics.total("hotcold_expired_files_total", device=device.name, kind=kind.name)
    return Found(
        Held(
            device.name,
            kind.name,
            kind.retention,
            tuple(sorted(held.values())),
            None if first is None else _oldest(folder, first),
            recorded=bool(names),
            waiting=len(rooms(folder)),
            expired=expired,
        ),
        hot,
        min((at for name in names if (at := _mtime(folder, name)) is not None), default=None),
    )


def _oldest(folder: Folder, slot: int) -> float | None:
    try:
        fd = os.open(str(slot), _OPEN, dir_fd=folder.cold_fd)
    except FileNotFoundError:
        return None
    try:
        return min((one.mtime for one in list_slot(fd, folder.kind.pattern)), default=None)
    finally:
        os.close(fd)


def _mtime(folder: Folder, name: str) -> float | None:
    try:
        return os.stat(name, dir_fd=folder.hot_fd, follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return None  # archived since
