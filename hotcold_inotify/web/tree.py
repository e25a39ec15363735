"""What a request may name, as parsed values: a device that is there, a kind that is configured, a slot 0..23, a managed
file's name.

Nothing else reaches the file system, and every file is opened beneath its folder without following a link.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TypeVar
from urllib.parse import quote

import attrs

from hotcold_inotify import hours
from hotcold_inotify.beneath import open_beneath
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import LIVE_PLAYLIST, PLAYLIST, SLOT_NAMES, Home, find_device, find_devices
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.names import FileName

T = TypeVar("T")

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
# What a file that is not to be had is refused with: not there, a link, no folder, not ours to read, an impossible name.
_ABSENT = frozenset(
    {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EXDEV, errno.EACCES, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO}
)


class NotThere(Exception):
    """No such device, kind or file; the text says which."""


@attrs.frozen
class Found:
    """An open file to be sent; whoever takes it closes `fd`."""

    fd: int
    stat: os.stat_result


@attrs.frozen
class Dated:
    """A hot file with its time: mtime, Unix seconds."""

    mtime: float
    name: FileName
    size: int
    """Bytes."""


class Tree:
    """The folders of a configuration, as requests see them. Its methods may block: call them in a thread."""

    def __init__(self, config: Config, now: Callable[[], float] = time.time) -> None:
        """`now`: Unix time."""
        self.config = config
        self.now = now
        self.calendar = Calendar(hours.zone(config.timezone))
        self.kinds = {kind.name: kind for kind in config.kinds}

    def devices(self) -> list[Home]:
        """The devices that are there, by name; none when the root itself is not there."""
        found = _if_there(lambda: find_devices(self.config)[0]) or {}
        return [home for name, home in sorted(found.items()) if _is_text(name)]

    def device(self, name: str) -> Home:
        """`NotThere`: no device is called that."""
        found = _if_there(lambda: find_device(self.config, name))
        if found is None:
            raise NotThere("no such device")
        return found

    def kind(self, name: str) -> Kind:
        """`NotThere`: no kind is called that."""
        try:
            return self.kinds[name]
        except KeyError:
            raise NotThere("no such kind") from None

    def file(self, home: Home, kind: Kind, slot: int | None, name: str) -> Found:
        """Open a managed file or a playlist. Without a slot it is looked for in the hot folder and then, for it may
        just have moved, in the slots; `NotThere`: it is nowhere.
        """
        found = self.file_if_there(home, kind, slot, name)
        if found is None:
            raise NotThere("no such file")
        return found

    def file_if_there(self, home: Home, kind: Kind, slot: int | None, name: str) -> Found | None:
        """The same; None: it is nowhere."""
        if kind.playlist and name == (LIVE_PLAYLIST if slot is None else PLAYLIST):
            return self.opened(home.path if slot is None else home.cold_path, kind, slot, name)
        if kind.pattern.match(name) is None:
            return None
        if slot is not None:
            return self.opened(home.cold_path, kind, slot, name)
        found = self.opened(home.path, kind, None, name)
        if found is not None:
            return found
        places = (self.opened(home.cold_path, kind, slot, name) for slot in self.likely())
        return next((place for place in places if place is not None), None)

    def hot(self, home: Home, kind: Kind) -> list[Dated]:
        """The hot files, oldest first."""
        found = []
        with self.folder(home.path, kind, None) as fd:
            for name in _managed(fd, kind):
                there = self.looked_at(fd, name.text)
                if there is not None:
                    found.append(Dated(there.st_mtime, name, there.st_size))
        found.sort(key=lambda one: (one.mtime, one.name.number, one.name.revision))
        return found

    def looked_at(self, folder_fd: int | None, name: str) -> os.stat_result | None:
        """The stat(2) of a regular file in an open folder; None: it is not there, or is something else."""
        if folder_fd is None:
            return None
        try:
            found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None  # it moved on while we looked
        return found if stat.S_ISREG(found.st_mode) else None

    @contextlib.contextmanager
    def folder(self, path: str, kind: Kind, slot: int | None) -> Iterator[int | None]:
        """The open folder of a kind below a device's path, or of one of its slots; None when it is not there."""
        below = kind.name if slot is None else f"{kind.name}/{slot}"
        fd = _if_there(lambda: _beneath(path, below, _FOLDER))
        try:
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    def opened(self, path: str, kind: Kind, slot: int | None, name: str) -> Found | None:
        """Open a regular file below a device's path; None: there is none of that name."""
        return self.beneath(path, f"{kind.name}/{name}" if slot is None else f"{kind.name}/{slot}/{name}")

    def beneath(self, path: str, below: str) -> Found | None:
        """Open a regular file at `below`, a path below a device's; None: there is none."""
        return _found(lambda: _beneath(path, below))

    def read(self, path: str, kind: Kind, slot: int | None, name: str) -> bytes | None:
        """A file's content; None: there is none of that name."""
        return _content(self.opened(path, kind, slot, name))

    def read_anywhere(self, home: Home, kind: Kind, name: str) -> bytes | None:
        """The content of a hot file, or of one that has just moved; None: it is nowhere."""
        return _content(self.file_if_there(home, kind, None, name))

    def latest(self, slot: int) -> Generation:
        """The newest generation of an hour that has begun by now."""
        live = self.calendar.generation_at(self.now())
        generation = Generation(live.day, slot)
        while generation > live or self.calendar.span(generation) is None:
            generation = Generation(generation.day - timedelta(days=1), slot)
        return generation

    def likely(self) -> list[int]:
        """The slots, the live one first: a file that just moved is there."""
        live = self.calendar.generation_at(self.now()).slot
        return [(live - ago) % len(SLOT_NAMES) for ago in range(len(SLOT_NAMES))]


def read_beneath(folder_fd: int, name: str) -> bytes | None:
    """The content of a regular file in an open folder; None: there is none of that name."""
    return _content(_found(lambda: open_beneath(folder_fd, name)))


def url_of(home: Home, kind: Kind, slot: int | None = None, name: str = "") -> str:
    """Where a file is served, or a folder (without a name; it ends with `/`)."""
    base = f"/host/stream/{quote(home.name, safe='')}/{kind.name}/"
    return f"{base}{quote(name)}" if slot is None else f"{base}{slot}/{quote(name)}"


def screenshot_url(home: Home) -> str:
    """Where the device's newest picture is served."""
    return f"/api/host/screenshot/{quote(home.name, safe='')}"


def _managed(folder_fd: int | None, kind: Kind) -> Iterator[FileName]:
    if folder_fd is None:
        return
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            name = kind.pattern.match(entry.name)
            if name is not None:
                yield name


def _beneath(path: str, below: str, flags: int = os.O_RDONLY) -> int:
    # The device's own folder may be a link: an operator puts devices on several disks that way.
    root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_beneath(root, below, flags)
    finally:
        os.close(root)


def _if_there(look: Callable[[], T]) -> T | None:
    """What a look finds; None: what it is for is not there."""
    try:
        return look()
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None


def _found(opening: Callable[[], int]) -> Found | None:
    """What was opened, if it is a regular file."""
    fd = _if_there(opening)
    if fd is None:
        return None
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        return None
    return Found(fd, found)


def _content(found: Found | None) -> bytes | None:
    if found is None:
        return None
    with os.fdopen(found.fd, "rb") as file:
        return file.read()


def _is_text(name: str) -> bool:
    """Whether a folder's name can stand in a URL and in JSON: file systems allow any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
