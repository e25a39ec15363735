"""The old layout's two mixed folders: the device's own, with the kinds that have playlists and the old live playlist,
and `captures/` with all others. What changes them stands here; a migration decides.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator

import attrs

from hotcold_inotify import playlist
from hotcold_inotify.config import Kind
from hotcold_inotify.disk.archiving import Archived, NotRegular, archive, enter
from hotcold_inotify.disk.errnos import SURVIVED
from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.liveplaylist import LIVE_PLAYLIST
from hotcold_inotify.disk.renaming import rename_new
from hotcold_inotify.disk.slots import PLAYLIST, RETIRED, SLOT_NAMES, Place, Slots
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import FileName

MIXED = "captures"
"""The folder below the device in which every kind without playlists lies in the old layout."""
JOURNAL = ".hotcold-migration"
"""In the device's folder: the files whose name was taken in their slot, so that the way back finds their names."""
# Bytes that are read of a live playlist. One that never forgets has some 90 an entry.
_LONGEST_LIST = 16 << 20
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class MigrationHeld(Exception):
    """Another process migrates this device; the text says which device."""


@contextlib.contextmanager
def alone(path: str) -> Iterator[None]:
    """Alone among migrations of the device at `path` (flock(2) on its folder). MigrationHeld: there is another one."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MigrationHeld(f"another migration is at work on {path}") from None
        yield
    finally:
        os.close(fd)  # and with it the lock


def open_old(device: str, place: str, *, make: bool = False) -> int | None:
    """A folder of a device, "" its own. None: it has no such folder, and is not to `make` it."""
    path = os.path.join(device, place) if place else device
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
    try:
        # The device's own folder may be a link, as it may be for a reactor.
        return os.open(path, _OPEN if place else _OPEN & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return None


def old_place(kind: Kind) -> str:
    """Where a kind's files lie in the old layout: "" or `captures`."""
    return "" if kind.playlist and kind.name != MIXED else MIXED


def read_list(fd: int) -> tuple[playlist.Playlist, float] | None:
    """The live playlist in an open folder, and its mtime (Unix seconds); None: there is none that can be read, or one
    of more than 16 MiB.
    """
    try:
        live = os.open(LIVE_PLAYLIST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=fd)
        with os.fdopen(live, encoding="utf-8", errors="replace", newline="") as file:
            found = os.fstat(live)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST_LIST:
                return None
            return playlist.parse(file.read()), found.st_mtime
    except OSError as error:
        if error.errno not in SURVIVED:
            raise
        return None
    except playlist.PlaylistError:
        return None


@attrs.define
class Entrance:
    """From one old place into the slots of one kind; `close` it. Not for two threads at once."""

    folder: Folder
    """The kind's, with the old place as its hot folder: closed by whoever opened it."""
    _slots: dict[int, Slots] = attrs.field(factory=dict, init=False)
    _places: dict[int, tuple[Generation, float, int]] = attrs.field(factory=dict, init=False)
    """By slot: the hour, the moment and the open folder of the last file that went in by `move`."""

    @classmethod
    def of(cls, folder: Folder, source_fd: int) -> "Entrance":
        """From the open folder `source_fd` into the slots of `folder`."""
        return cls(attrs.evolve(folder, hot_fd=source_fd))

    def close(self) -> None:
        """Close the slots."""
        for slots in self._slots.values():
            slots.forget()

    def look(self) -> None:
        """Let go of slots that somebody has emptied by now. To be called now and then."""
        self._places.clear()
        for slots in self._slots.values():
            if slots.moved_away():
                slots.forget()

    def move(self, text: str, generation: Generation, now: float) -> bool:
        """Move a file into its slot by one rename; False: that will not do, and `archive` knows more means.

        OSError as from `archive`.
        """
        if self.folder.copies:
            return False
        try:
            known = self._places.get(generation.hour)
            if known is not None and known[0] is generation and known[1] == now:
                fd = known[2]
            else:
                fd = self._of(generation).place(generation, now).fd
                self._places[generation.hour] = generation, now, fd
            rename_new(self.folder.hot_fd, text, fd, text)
        except OSError as error:
            # Its name is taken, it went or its slot did, another process is at the slots, or they are on another disk.
            if error.errno not in (errno.EEXIST, errno.ENOENT, errno.EAGAIN, errno.EXDEV):
                raise
            self._places.clear()
            return False
        return True

    def is_taken(self, name: FileName, generation: Generation, now: float) -> bool:
        """Whether something has that name in the slot. OSError as from `archive`."""
        return _is_there(self._of(generation).place(generation, now).fd, name.text)

    def archive(
        self, name: FileName, generation: Generation, now: float, *, durable: bool
    ) -> Archived | NotRegular | None:
        """The same by all means that `archive` knows; results and errors are its."""
        work = attrs.evolve(self.folder, slots=self._of(generation))
        try:
            return archive(work, name, now, durable=durable)
        finally:
            self.folder.copies = work.copies

    def _of(self, generation: Generation) -> Slots:
        # Each slot held open: in a mixed folder the hours come in any order.
        slots = self._slots.get(generation.slot)
        if slots is None:
            slots = Slots(self.folder.cold_fd, self.folder.kind.pattern, self.folder.calendar)
            self._slots[generation.slot] = slots
        return slots


def _is_there(fd: int, text: str) -> bool:
    try:
        os.stat(text, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def move_named(source_fd: int, source: str, target_fd: int, target: str) -> bool:
    """Move a file from one open folder to another under exactly that name; False: the name is another file's, or the
    folder is on another disk. FileNotFoundError: it is not there.
    """
    try:
        rename_new(source_fd, source, target_fd, target)
    except FileExistsError:
        found = os.stat(source, dir_fd=source_fd, follow_symlinks=False)
        return remove_twin(source_fd, source, found, target_fd, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def remove_twin(source_fd: int, source: str, found: os.stat_result, target_fd: int, target: str) -> bool:
    """Remove one of two names of one file, the leftover of a link and unlink that was cut short; whether they were
    that. `found` is the source's.
    """
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(found, os.stat(target, dir_fd=target_fd, follow_symlinks=False)):
            os.unlink(source, dir_fd=source_fd)
            return True
    return False


def take_back(folder: Folder, from_fd: int, name: FileName, found: os.stat_result, old_fd: int) -> FileName:
    """Move a file, `found` just now in the open folder `from_fd`, to its old place under the first free name: that
    name. Nothing is overwritten. OSError as from `archive`.
    """
    place = Place(old_fd, folder.calendar.generation_at(found.st_mtime), aside=False)
    work = attrs.evolve(folder, hot_fd=from_fd, copies=os.fstat(from_fd).st_dev != os.fstat(old_fd).st_dev)
    return enter(work, name, found, place, durable=False)


def unlist(slot_fd: int) -> None:
    """Remove the playlist of an open slot whose files leave it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(PLAYLIST, dir_fd=slot_fd)


def remove_empty(folder: Folder) -> None:
    """Remove what is empty of a kind's folders: slots, waiting room, and the folders themselves, save `captures/`."""
    for room in _names(folder.cold_fd, RETIRED):
        _rmdir(folder.cold_fd, f"{RETIRED}/{room}")
    for text in (RETIRED, *SLOT_NAMES):
        _rmdir(folder.cold_fd, text)
    for path in {folder.cold_path, folder.hot_path}:
        if os.path.basename(path) != MIXED or path != folder.hot_path:
            with contextlib.suppress(FileNotFoundError):
                _rmdir(None, path)


def _names(fd: int, name: str) -> list[str]:
    try:
        opened = os.open(name, _OPEN, dir_fd=fd)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return []
    try:
        return os.listdir(opened)
    finally:
        os.close(opened)


def _rmdir(fd: int | None, name: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        try:
            os.rmdir(name, dir_fd=fd)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


Taken = tuple[str, str, int, int]
"""A file whose name was taken in its slot: kind, name, mtime (ns), size (bytes)."""


def note(device: str, kind: Kind, name: FileName, found: os.stat_result) -> None:
    """Write down, before the file moves, that its name is taken in its slot. Twice is no harm."""
    # Its end of line comes first: what a full disk cut short spoils no other.
    line = "\n" + json.dumps((kind.name, name.text, found.st_mtime_ns, found.st_size))
    fd = os.open(os.path.join(device, JOURNAL), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(fd, line.encode("ascii"))
    finally:
        os.close(fd)


def noted(device: str) -> list[Taken]:
    """What was written down; a line that was cut short is none."""
    found: dict[Taken, None] = {}
    try:
        fd = os.open(os.path.join(device, JOURNAL), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    with os.fdopen(fd, encoding="ascii", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                kind, name, mtime, size = json.loads(line)
                found[str(kind), str(name), int(mtime), int(size)] = None
    return list(found)


def forget_notes(device: str) -> None:
    """The way back is done."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(device, JOURNAL))
