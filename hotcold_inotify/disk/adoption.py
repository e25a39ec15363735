"""What `check --repair` changes: what lies in the wrong place goes where it belongs. No finished file is deleted here;
what a writer left unfinished is, by the rotation too.

A file in the wrong slot goes to the waiting room first, under the slots' lock; from there `expiry` puts it back into
its own slot, or judges it by its mtime. So a crash anywhere leaves a state that a running reactor goes on from.
"""

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from typing import Final

from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.liveplaylist import LIVE_PLAYLIST
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import FileName

UNFINISHED_AGE: Final = 3600.0
"""Seconds without a change after which the writer of an unfinished file is gone."""
Seen = dict[str, tuple[int, int, int]]
"""Stale unfinished files by name: inode, mtime and ctime (ns)."""

_REMEMBERED = 1000
# Files that are moved while the slots are locked: a millisecond or two, for a reactor waits some 10 ms for its turn.
_BATCH = 50
_CHUNK = 1 << 20
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a FIFO may have taken a file's name.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def evict(folder: Folder, slot: int, slot_fd: int, stays: Generation | None) -> int:
    """Take the files of every other generation than `stays` out of the open slot, to the waiting room; how many went.

    Nothing more is done once the slot is another folder than the open one: then somebody else emptied it.
    """
    moved = 0
    while names := list(itertools.islice(_others(folder, slot_fd, stays), 20 * _BATCH)):
        before = moved
        for start in range(0, len(names), _BATCH):
            with folder.slots.locked():
                if not _is_slot(folder, slot, slot_fd):
                    return moved
                for name in names[start : start + _BATCH]:
                    moved += _set_out(folder, slot_fd, name, stays)
        if moved == before:
            break
    return moved


def _others(folder: Folder, slot_fd: int, stays: Generation | None) -> Iterator[FileName]:
    with os.scandir(slot_fd) as entries:
        for entry in entries:
            name = folder.kind.pattern.match(entry.name)
            if name is not None and _other(folder, slot_fd, name, stays) is not None:
                yield name


def _other(folder: Folder, slot_fd: int, name: FileName, stays: Generation | None) -> Generation | None:
    """The generation of a regular file that does not stay."""
    try:
        found = os.stat(name.text, dir_fd=slot_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    generation = folder.calendar.generation_at(found.st_mtime)
    return generation if stat.S_ISREG(found.st_mode) and generation != stays else None


def _is_slot(folder: Folder, slot: int, slot_fd: int) -> bool:
    try:
        there = os.stat(str(slot), dir_fd=folder.cold_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(slot_fd))


def _set_out(folder: Folder, slot_fd: int, name: FileName, stays: Generation | None) -> bool:
    generation = _other(folder, slot_fd, name, stays)
    if generation is None:
        return False
    room_fd = _waiting_room(folder, generation)
    try:
        # ENOENT: the file went, or the empty room did, under the reactor's hand; the next round sees which.
        with contextlib.suppress(FileNotFoundError):
            _move(folder, slot_fd, name, room_fd)
            return True
    finally:
        os.close(room_fd)
    return False


def _waiting_room(folder: Folder, generation: Generation) -> int:
    _make(folder.cold_fd, RETIRED)
    retired = os.open(RETIRED, _OPEN_FOLDER, dir_fd=folder.cold_fd)
    try:
        _make(retired, str(generation))
        return os.open(str(generation), _OPEN_FOLDER, dir_fd=retired)
    finally:
        os.close(retired)


def _make(parent_fd: int, name: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent_fd)


def _move(folder: Folder, source_fd: int, name: FileName, target_fd: int) -> None:
    target = name
    while True:
        try:
            rename_new(source_fd, name.text, target_fd, target.text)
        except FileExistsError:
            target = folder.kind.pattern.revised(name, target.revision + 1)
        else:
            return


def set_aside(folder: Folder, text: str) -> str:
    """Rename what has a folder's name and is none: `5` becomes `5.aside`; the name that it has now."""
    for number in itertools.count():
        target = f"{text}.aside{number or ''}"
        with contextlib.suppress(FileExistsError):
            rename_new(folder.cold_fd, text, folder.cold_fd, target)
            return target
    raise AssertionError("unreachable: there is always another number")


def remove_stale(folder: Folder, now: float, seen: Seen) -> int:
    """Remove unfinished files from the hot folder whose writer is gone; how many went. They have not changed for
    `UNFINISHED_AGE` at `now` (Unix seconds), and an earlier look found the same.

    `seen` is what that look found, empty at first, and becomes what this one does. One look alone could meet a writer
    who dates his file back before he renames it. So many at a time are remembered; call it again for the others.
    """
    before, removed = dict(seen), 0
    seen.clear()
    with os.scandir(folder.hot_fd) as entries:
        for text in (entry.name for entry in entries if is_unfinished(folder, entry.name, hot=True)):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(text, dir_fd=folder.hot_fd, follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode) or not is_stale(found.st_mtime, now):
                    continue
                state = found.st_ino, found.st_mtime_ns, found.st_ctime_ns
                if before.get(text) == state:
                    os.unlink(text, dir_fd=folder.hot_fd)
                    removed += 1
                elif len(seen) < _REMEMBERED:
                    seen[text] = state
    return removed


def is_stale(mtime: float, now: float) -> bool:
    """Whether an unfinished file of that mtime has been left by its writer (both Unix seconds)."""
    return mtime + UNFINISHED_AGE < now


def is_unfinished(folder: Folder, text: str, *, hot: bool = False) -> bool:
    """Whether a name is that of a managed file that is not finished; in the `hot` folder, of the live playlist too."""
    final = text.removesuffix(".tmp")
    if final == text:
        return False
    return folder.kind.pattern.match(final) is not None or (hot and folder.kind.playlist and final == LIVE_PLAYLIST)


def twin(folder: Folder, name: FileName, found: os.stat_result, slot_fd: int) -> str | None:
    """The name in the open slot under which a hot file lies there too, byte for byte; None: it does not."""
    target = name
    while True:
        try:
            there = os.stat(target.text, dir_fd=slot_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        alike = stat.S_ISREG(there.st_mode) and (there.st_size, there.st_mtime_ns) == (found.st_size, found.st_mtime_ns)
        if alike and _same_bytes(folder.hot_fd, name.text, slot_fd, target.text, found.st_size):
            return target.text
        target = folder.kind.pattern.revised(name, target.revision + 1)


def _same_bytes(one_fd: int, one: str, other_fd: int, other: str, size: int) -> bool:
    with contextlib.ExitStack() as opened:
        try:
            first = os.open(one, _OPEN_FILE, dir_fd=one_fd)
            opened.callback(os.close, first)
            second = os.open(other, _OPEN_FILE, dir_fd=other_fd)
            opened.callback(os.close, second)
        except FileNotFoundError:
            return False
        offsets = range(0, size, _CHUNK)
        return all(os.pread(first, _CHUNK, offset) == os.pread(second, _CHUNK, offset) for offset in offsets)
