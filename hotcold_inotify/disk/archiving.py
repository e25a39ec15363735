"""Archive: move one file from its hot folder into the slot of its own mtime's hour.

Within a file system by one rename. Across file systems by copy to a temporary name beside the target, rename to the
final name, unlink of the source, in that order: a crash leaves the file whole in one of the two places, or in both,
which the next try recognises. Nothing is overwritten: a newcomer whose name is taken becomes the next free revision of
its number.
"""

import contextlib
import errno
import os
import stat

import attrs

from hotcold_inotify.disk.errnos import survived
from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.disk.slots import PLAYLIST, Place
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import FileName, Pattern

_CHUNK = 1 << 20
_UNFINISHED = ".tmp"
# Not blocking: a FIFO that took a file's name would hold the thread for ever.
_OPEN_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@attrs.frozen(slots=True)
class Archived:
    """What became of a file that left the hot folder."""

    was: FileName
    """As it was called in the hot folder."""
    name: FileName
    """As it is called in its slot."""
    generation: Generation
    mtime: float
    size: int
    aside: bool
    """It went to the waiting room: its slot holds, or will hold, another generation."""

    @property
    def collided(self) -> bool:
        """Its name was taken."""
        return self.was.text != self.name.text


@attrs.frozen(slots=True)
class NotRegular:
    """A folder, link, FIFO or device has a managed file's name. It stays where it is."""


class NotAtHand(Exception):
    """The file's slot is not held open: to open it, and perhaps to empty it, may take long."""


def archive(
    folder: Folder, name: FileName, now: float, *, durable: bool = False, at_hand: bool = False
) -> Archived | NotRegular | None:
    """Move `name` out of the hot folder. None: it is not there any more.

    OSError: it could not be moved and is still hot; EAGAIN: it was written again meanwhile, or another process works on
    the slots. EXDEV is not among them: then the file is copied, now and from here on, so call this in a thread once
    `folder.copies` is set. `durable`: a copy is fsynced before its source goes. `at_hand`: only if its slot is held
    open; else `NotAtHand`, and nothing is done.
    """
    for patience in (True, False):
        try:
            found = os.stat(name.text, dir_fd=folder.hot_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            return NotRegular()
        generation = folder.calendar.generation_at(found.st_mtime)
        if at_hand and not folder.slots.at_hand(generation, now):
            raise NotAtHand
        try:
            place = folder.slots.place(generation, now)
            target = enter(folder, name, found, place, durable=durable)
        except FileNotFoundError:
            # Either the file went, and the next look says so, or its slot did: then it is made anew, once.
            folder.slots.forget()
            if not patience:
                raise
            continue
        return Archived(name, target, generation, found.st_mtime, found.st_size, place.aside)
    raise AssertionError("unreachable: the second round returns or raises")


def enter(folder: Folder, name: FileName, found: os.stat_result, place: Place, *, durable: bool) -> FileName:
    """Bring a file of the hot folder, `found` there just now, into the open place under the first free name; that name.
    OSError as from `archive`.
    """
    if folder.copies:
        return _copy(folder, name, found, place.fd, durable=durable)
    target = name
    while True:
        try:
            rename_new(folder.hot_fd, name.text, place.fd, target.text)
        except FileExistsError:
            if _same_inode(place.fd, target.text, found):
                # Two names of one file: the leftover of a link and unlink that was cut short.
                os.unlink(name.text, dir_fd=folder.hot_fd)
                return target
            target = folder.kind.pattern.revised(name, target.revision + 1)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # One disk under two mounts has one st_dev and still refuses.
            folder.copies = True
            return _copy(folder, name, found, place.fd, durable=durable)
        else:
            return target


def _copy(folder: Folder, name: FileName, found: os.stat_result, place_fd: int, *, durable: bool) -> FileName:
    source = os.open(name.text, _OPEN_SOURCE, dir_fd=folder.hot_fd)
    try:
        if not _unchanged(os.fstat(source), found):
            raise BlockingIOError(errno.EAGAIN, "another file took its name", name.text)
        target = name
        while _exists(place_fd, target.text):
            if _same_content(source, found, place_fd, target.text):  # copied before, and cut short
                break
            target = folder.kind.pattern.revised(name, target.revision + 1)
        else:
            target = _copy_anew(folder, name, target, source, found, place_fd, durable=durable)
        if durable:
            os.fsync(place_fd)
        # Written again since? Then what is hot is another file than the copy, and stays.
        if _unchanged(os.stat(name.text, dir_fd=folder.hot_fd, follow_symlinks=False), found):
            os.unlink(name.text, dir_fd=folder.hot_fd)
        return target
    finally:
        os.close(source)


def _copy_anew(
    folder: Folder,
    name: FileName,
    target: FileName,
    source: int,
    found: os.stat_result,
    place_fd: int,
    *,
    durable: bool,
) -> FileName:
    """Copy to a temporary name and rename that to the first free name from `target` on."""
    unfinished = f"{name.text}{_UNFINISHED}"
    if not _copy_bytes(source, found, place_fd, unfinished, durable=durable):
        # A thread that was left behind by a reload has come back from a slow disk, and is at the same file.
        raise BlockingIOError(errno.EAGAIN, "somebody else copies it too", name.text)
    if not _unchanged(os.fstat(source), found):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=place_fd)
        raise BlockingIOError(errno.EAGAIN, "it was written while it was copied", name.text)
    while True:
        try:
            rename_new(place_fd, unfinished, place_fd, target.text)
        except FileExistsError:
            target = folder.kind.pattern.revised(name, target.revision + 1)
        else:
            return target


def _copy_bytes(source: int, found: os.stat_result, place_fd: int, unfinished: str, *, durable: bool) -> bool:
    """Make the file; False: another one has its name by now."""
    with contextlib.suppress(FileNotFoundError):  # what a crash left; never written into, for it may be a link
        os.unlink(unfinished, dir_fd=place_fd)
    target = os.open(
        unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place_fd
    )
    try:
        offset = 0
        while sent := os.sendfile(target, source, offset, _CHUNK):
            offset += sent
        os.fchmod(target, stat.S_IMODE(found.st_mode))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
        # Last, for then it is no longer ours. Only root can keep another's ownership, and only one that its namespace
        # knows (EINVAL).
        with survived(errno.EPERM, errno.EINVAL):
            os.fchown(target, found.st_uid, found.st_gid)
        if durable:
            os.fsync(target)
        # While it is open, for its inode number could be another file's afterwards.
        return not _exists(place_fd, unfinished) or _same_inode(place_fd, unfinished, os.fstat(target))
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=place_fd)
        raise
    finally:
        os.close(target)


def remove_unfinished(place_fd: int, pattern: Pattern) -> None:
    """Remove what a crash left of a copy or of a playlist's replacement in an open slot; one that is at work this
    moment starts over.
    """
    with os.scandir(place_fd) as entries:
        left = [
            entry.name
            for entry in entries
            if entry.name.endswith(_UNFINISHED) and not entry.is_dir(follow_symlinks=False)
        ]
    for name in left:
        final = name.removesuffix(_UNFINISHED)
        if final == PLAYLIST or pattern.match(final) is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=place_fd)


def _exists(folder_fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _same_inode(folder_fd: int, name: str, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.stat(name, dir_fd=folder_fd, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _same_content(source: int, found: os.stat_result, place_fd: int, name: str) -> bool:
    there = os.stat(name, dir_fd=place_fd, follow_symlinks=False)
    if (there.st_size, there.st_mtime_ns) != (found.st_size, found.st_mtime_ns) or not stat.S_ISREG(there.st_mode):
        return False
    other = os.open(name, _OPEN_SOURCE, dir_fd=place_fd)
    try:
        # Byte for byte, each time: `filecmp` remembers its verdicts by name, size and mtime.
        return all(
            os.pread(source, _CHUNK, offset) == os.pread(other, _CHUNK, offset)
            for offset in range(0, found.st_size, _CHUNK)
        )
    finally:
        os.close(other)


def _unchanged(now: os.stat_result, before: os.stat_result) -> bool:
    return os.path.samestat(now, before) and (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
