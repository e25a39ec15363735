"""The only place that deletes finished files (I6): by each file's own mtime, never a hot one.

Both functions work through folders of any size in slices, so that the caller can look at the clock again, and be
cancelled, between them. `due` answers for one mtime (Unix seconds) whether its file has expired, at the moment of
asking.
"""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator

import attrs

from hotcold_inotify.disk.errnos import SURVIVED
from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.disk.slots import PLAYLIST, RETIRED
from hotcold_inotify.names import FileName

# Some 10 ms of work.
_SLICE = 500
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Due = Callable[[float], bool]


def _no(_mtime: float) -> bool:
    return False


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


class _Troubles:
    """One file that cannot be deleted holds up no other (I8): its error is raised when all the others are done."""

    def __init__(self) -> None:
        self._first: OSError | None = None

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            pass  # somebody else was first
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            self._first = self._first or error

    def tell(self) -> None:
        if self._first is not None:
            raise self._first


def trim(folder: Folder, slot: int, due: Due) -> Iterator[Expired]:
    """Delete the files of one slot that are due. OSError, at the end: what one of them could not be deleted for."""
    troubles = _Troubles()
    fd = folder.slots.open(slot)
    try:
        with os.scandir(fd) as entries:
            while names := [entry.name for entry in itertools.islice(entries, _SLICE)]:
                yield _unlink_due(fd, (name for name in names if folder.kind.pattern.match(name)), due, troubles)
    finally:
        os.close(fd)
    troubles.tell()


def expire_named(fd: int, names: Iterable[str], due: Due) -> Expired:
    """Delete those of these files of an open folder that are due. OSError, at the end: what one of them could not be
    deleted for.
    """
    troubles = _Troubles()
    expired = _unlink_due(fd, names, due, troubles)
    troubles.tell()
    return expired


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


def empty_rooms(folder: Folder, due: Due, waits: Due = _no) -> Iterator[Expired]:
    """Go through `.retired/`: delete what is due, put back what is not and has its slot free, leave the rest.

    `waits` answers for an mtime whether its file, though not due, has no place in a slot any more. OSError, at the end:
    what one of the files or rooms resisted with.
    """
    try:
        retired = os.open(RETIRED, _OPEN, dir_fd=folder.cold_fd)
    except FileNotFoundError:
        return
    troubles = _Troubles()
    try:
        for room in sorted(os.listdir(retired)):
            with troubles.noted():
                yield from _empty_room(folder, retired, room, due, waits, troubles)
    finally:
        os.close(retired)
    _rmdir_if_empty(folder.cold_fd, RETIRED)
    troubles.tell()


def _empty_room(
    folder: Folder, retired: int, room: str, due: Due, waits: Due, troubles: _Troubles
) -> Iterator[Expired]:
    with folder.slots.locked():  # a room that is about to become the slot is not taken for one
        fd = os.open(room, _OPEN, dir_fd=retired)
    try:
        names = os.listdir(fd)
        for start in range(0, len(names), _SLICE):
            yield _judge(folder, fd, names[start : start + _SLICE], due, waits, troubles)
        if os.listdir(fd) == [PLAYLIST]:
            os.unlink(PLAYLIST, dir_fd=fd)  # it lists nothing any more
    finally:
        os.close(fd)
    _rmdir_if_empty(retired, room)


def _judge(folder: Folder, room_fd: int, names: list[str], due: Due, waits: Due, troubles: _Troubles) -> Expired:
    """One slice of a room: managed files are deleted or put back; what else lay in the slot goes with its hour when it
    is due.
    """
    expired: list[str] = []
    put_back: set[int] = set()
    for text in names:
        with troubles.noted():
            name = folder.kind.pattern.match(text)
            found = os.stat(text, dir_fd=room_fd, follow_symlinks=False)
            if text == PLAYLIST:
                continue
            if not stat.S_ISREG(found.st_mode):
                if due(found.st_mtime):
                    _remove_stranger(room_fd, text, found, due)
            elif due(found.st_mtime):
                expired.append(text)
            elif name is not None and not waits(found.st_mtime):
                slot = _put_back(folder, room_fd, name, found)
                if slot is not None:
                    put_back.add(slot)
    return attrs.evolve(_unlink_due(room_fd, expired, due, troubles), put_back=tuple(sorted(put_back)))


def _put_back(folder: Folder, room_fd: int, name: FileName, found: os.stat_result) -> int | None:
    generation = folder.calendar.generation_at(found.st_mtime)
    with folder.slots.locked():
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


def _unlink_due(fd: int, names: Iterable[str], due: Due, troubles: _Troubles) -> Expired:
    files = size = 0
    for name in names:
        with troubles.noted():
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and due(found.st_mtime):
                os.unlink(name, dir_fd=fd)
                files += 1
                size += found.st_size
    return Expired(files, size)


def _remove_stranger(fd: int, name: str, found: os.stat_result, due: Due) -> None:
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=fd)
        return
    # A folder that somebody put into the slot: what is in it goes by its own mtime too.
    for _, folders, files, here in os.fwalk(name, topdown=False, dir_fd=fd):
        for text in (*folders, *files):
            inner = os.stat(text, dir_fd=here, follow_symlinks=False)
            if stat.S_ISDIR(inner.st_mode):
                _rmdir_if_empty(here, text)
            elif due(inner.st_mtime):
                os.unlink(text, dir_fd=here)
    _rmdir_if_empty(fd, name)


def _rmdir_if_empty(fd: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=fd)
    except OSError as error:
        # Something waits there, or came in this moment; or somebody else was first.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
