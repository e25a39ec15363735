"""The only place that deletes finished files (I6): by each file's own mtime, never a hot one.

Both functions work through folders of any size in slices, so that the caller can look at the clock again, and be
cancelled, between them. `due` answers for one mtime (Unix seconds) whether its file has expired, at the moment of
asking.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator

import attrs

from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.disk.slots import PLAYLIST, RETIRED
from hotcold_inotify.names import FileName

# Some 10 ms of work.
_SLICE = 500
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Due = Callable[[float], bool]


@attrs.frozen
class Expired:
    """What one slice did."""

    files: int = 0
    bytes: int = 0
    put_back: tuple[int, ...] = ()
    """The slots into which files that had not expired returned."""

    def __add__(self, other: "Expired") -> "Expired":
        put_back = tuple(sorted({*self.put_back, *other.put_back}))
        return Expired(self.files + other.files, self.bytes + other.bytes, put_back)


def trim(folder: Folder, slot: int, due: Due) -> Iterator[Expired]:
    """Delete the files of one slot that are due."""
    fd = folder.slots.open(slot)
    try:
        with os.scandir(fd) as entries:
            while names := [entry.name for _, entry in zip(range(_SLICE), entries, strict=False)]:
                yield _unlink_due(fd, (name for name in names if folder.kind.pattern.match(name)), due)
    finally:
        os.close(fd)


def rooms(folder: Folder) -> list[str]:
    """The names of what waits in `.retired/`."""
    try:
        retired = os.open(RETIRED, _OPEN, dir_fd=folder.cold_fd)
    except FileNotFoundError:
        return []
    try:
        return sorted(os.listdir(retired))
    finally:
        os.close(retired)


def empty_rooms(folder: Folder, due: Due) -> Iterator[Expired]:
    """Go through `.retired/`: delete what is due, put back what is not and has its slot free, leave the rest."""
    try:
        retired = os.open(RETIRED, _OPEN, dir_fd=folder.cold_fd)
    except FileNotFoundError:
        return
    try:
        for room in sorted(os.listdir(retired)):
            yield from _empty_room(folder, retired, room, due)
    finally:
        os.close(retired)
    _rmdir_if_empty(folder.cold_fd, RETIRED)


def _empty_room(folder: Folder, retired: int, room: str, due: Due) -> Iterator[Expired]:
    fd = os.open(room, _OPEN, dir_fd=retired)
    try:
        names = os.listdir(fd)
        for start in range(0, len(names), _SLICE):
            yield _judge(folder, fd, names[start : start + _SLICE], due)
        if os.listdir(fd) == [PLAYLIST]:
            os.unlink(PLAYLIST, dir_fd=fd)  # it lists nothing any more
    finally:
        os.close(fd)
    _rmdir_if_empty(retired, room)


def _judge(folder: Folder, room_fd: int, names: list[str], due: Due) -> Expired:
    """One slice of a room: managed files are deleted or put back; what else lay in the slot goes with its hour when it
    is due.
    """
    expired: list[str] = []
    put_back: set[int] = set()
    for text in names:
        name = folder.kind.pattern.match(text)
        found = _stat(room_fd, text)
        if found is None or text == PLAYLIST:
            continue
        if not stat.S_ISREG(found.st_mode):
            if due(found.st_mtime):
                _remove_stranger(room_fd, text, found)
        elif due(found.st_mtime):
            expired.append(text)
        elif name is not None and (slot := _put_back(folder, room_fd, name, found)) is not None:
            put_back.add(slot)
    return attrs.evolve(_unlink_due(room_fd, expired, due), put_back=tuple(sorted(put_back)))


def _put_back(folder: Folder, room_fd: int, name: FileName, found: os.stat_result) -> int | None:
    generation = folder.calendar.generation_at(found.st_mtime)
    slot_fd = folder.slots.put_back(generation)
    if slot_fd is None:
        return None
    target = name
    try:
        while True:
            try:
                rename_new(room_fd, name.text, slot_fd, target.text)
            except FileExistsError:
                target = folder.kind.pattern.revised(name, target.revision + 1)
            else:
                return generation.slot
    finally:
        os.close(slot_fd)


def _unlink_due(fd: int, names: Iterator[str] | list[str], due: Due) -> Expired:
    files = size = 0
    for name in names:
        found = _stat(fd, name)
        if found is None or not stat.S_ISREG(found.st_mode) or not due(found.st_mtime):
            continue
        with contextlib.suppress(FileNotFoundError):  # somebody else deleted it first
            os.unlink(name, dir_fd=fd)
            files += 1
            size += found.st_size
    return Expired(files, size)


def _remove_stranger(fd: int, name: str, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(name, dir_fd=fd)
    else:
        os.unlink(name, dir_fd=fd)


def _stat(fd: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _rmdir_if_empty(fd: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=fd)
    except OSError as error:
        # Something waits there, or came in this moment; or somebody else was first.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
