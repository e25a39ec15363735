"""The 24 hour folders of one (device, kind). A slot holds one generation (I5).

Before the first file of another generation enters, the slot's whole content leaves: the slot changes places with an
empty folder in `.retired/`, in one step. What lies in `.retired/` waits there for `expiry`, which judges each file by
its own mtime; so taking a slot's content away never deletes anything by itself, and may be done even while the wall
clock is not believed.

Which generation a slot holds is read from the mtime of one of its files: it holds only one.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Callable, Iterator

import attrs

from hotcold_inotify.disk.errnos import survived
from hotcold_inotify.disk.renaming import exchange
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.names import Pattern

SLOT_NAMES = tuple(str(hour) for hour in range(24))
RETIRED = ".retired"
PLAYLIST = "archive.m3u8"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Another process (`hotcold rotate`) holds the lock for one look and one swap: some 100 us.
_LOCK_TRIES = 20
_LOCK_PAUSE = 0.0005


@attrs.frozen
class Place:
    """Where a file of `generation` goes: an open folder. `aside`: not its slot, but the waiting room."""

    fd: int
    generation: Generation
    aside: bool


class Slots:
    """The hour folders below one open folder. Not for use by two threads at once: clone the folder instead."""

    def __init__(self, cold_fd: int, pattern: Pattern, calendar: Calendar) -> None:
        """`cold_fd` stays the caller's; `forget` closes what is opened here."""
        self._fd = cold_fd
        self._pattern = pattern
        self._calendar = calendar
        self._place: Place | None = None
        self._decided: Generation | None = None  # the live generation when a place aside was chosen

    def forget(self) -> None:
        """Close the slot that is held open: the next file looks at its slot anew."""
        if self._place is not None:
            os.close(self._place.fd)
            self._place = None

    def place(self, generation: Generation, now: float) -> Place:
        """The folder for a file of `generation`, emptied of any older one.

        To the waiting room goes what has no slot: a file older than what its slot holds by now, and a file from the
        future whose slot is in use, for a wrong mtime must not empty a good hour. OSError as from open(2), mkdir(2),
        renameat2(2); EAGAIN when another process works on these slots.
        """
        if self._place is not None and self.at_hand(generation, now):
            return self._place
        self.forget()
        live = self._decided = self._calendar.generation_at(now)
        with self.locked():
            fd = self.open(generation.slot)
            try:
                held = self.held(fd)
                aside = False
                if held is None:
                    _unlink_if_there(fd, PLAYLIST)  # it lists nothing that exists
                elif held != generation:
                    aside = generation > live or (generation < held <= live)
                    if not aside:
                        self._take_away(generation.slot, held)
                    os.close(fd)
                    fd = -1
                    fd = self._waiting_room(generation) if aside else self.open(generation.slot)
            except BaseException:
                if fd >= 0:
                    os.close(fd)
                raise
        self._place = Place(fd, generation, aside)
        return self._place

    def at_hand(self, generation: Generation, now: float) -> bool:
        """Whether `place` is held open already, and has nothing to do."""
        # What has its slot goes on there; what went aside may have come of age.
        return (
            self._place is not None
            and self._place.generation == generation
            and (not self._place.aside or self._decided == self._calendar.generation_at(now))
        )

    def put_back(self, generation: Generation) -> int | None:
        """The open slot (the caller closes it) if it is empty or holds `generation` already; None if another one lives
        there. Call it, and move the file, while the slots are `locked`.
        """
        fd = self.open(generation.slot)
        free = False
        try:
            free = self.held(fd) in (None, generation)
        finally:
            if not free:
                os.close(fd)
        return fd if free else None

    def retire(self, slot: int, generation: Generation) -> bool:
        """Take the content of `slot` away if it still is `generation`'s; whether it was."""
        with self.locked():
            fd = self.open(slot)
            try:
                held = self.held(fd)
            finally:
                os.close(fd)
            if held != generation:
                return False
            self._take_away(slot, generation)
        return True

    def open(self, slot: int) -> int:
        """The slot's folder, made if it is missing; the caller closes it. OSError ELOOP or ENOTDIR: something else has
        its name.
        """
        try:
            return os.open(str(slot), _OPEN_FOLDER, dir_fd=self._fd)
        except FileNotFoundError:
            _make(self._fd, str(slot))
            return os.open(str(slot), _OPEN_FOLDER, dir_fd=self._fd)

    def held(self, slot_fd: int) -> Generation | None:
        """The generation whose files lie in the open folder; None when none of this kind does."""
        mtime = first_mtime(slot_fd, self._pattern)
        return None if mtime is None else self._calendar.generation_at(mtime)

    def holds(self, slot: int) -> Generation | None:
        """The generation in a slot; None when it is empty, missing, or no folder."""
        try:
            fd = os.open(str(slot), _OPEN_FOLDER, dir_fd=self._fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        try:
            return self.held(fd)
        finally:
            os.close(fd)

    def moved_away(self) -> bool:
        """Whether the slot that is held open is no longer the one that its path names: then forget it.

        This alone may be called while another thread uses the slots; True may then be said without need.
        """
        place = self._place
        if place is None or place.aside:
            return False
        try:
            there = os.stat(str(place.generation.slot), dir_fd=self._fd, follow_symlinks=False)
            return not os.path.samestat(there, os.fstat(place.fd))
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBADF:  # the other thread has gone over to the next slot
                raise
            return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among processes, and among clones of the folder, from the look at a slot to its swap (flock(2) on the
        kind's folder). EAGAIN: another one works on these slots, and has not ended within some 10 ms.
        """
        _patiently(lambda: fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB))
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _take_away(self, slot: int, generation: Generation) -> None:
        """Swap the slot with a new, empty folder in the waiting room."""
        self.forget()
        like = os.stat(str(slot), dir_fd=self._fd, follow_symlinks=False)
        retired = self._open_retired()
        try:
            room = _new_room(retired, generation, like)
            try:
                exchange(self._fd, str(slot), retired, room)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    os.rmdir(room, dir_fd=retired)
                    raise
                # No exchange on this file system: a rename replaces the empty folder, and the slot is made anew. A
                # crash between the two leaves no slot, and `open` makes it.
                os.rename(str(slot), room, src_dir_fd=self._fd, dst_dir_fd=retired)
                os.mkdir(str(slot), dir_fd=self._fd)
                _liken(self._fd, str(slot), like)
        finally:
            os.close(retired)

    def _waiting_room(self, generation: Generation) -> int:
        """The open folder in `.retired/` for single files of `generation`."""
        retired = self._open_retired()
        try:
            _make(retired, str(generation))
            return os.open(str(generation), _OPEN_FOLDER, dir_fd=retired)
        finally:
            os.close(retired)

    def _open_retired(self) -> int:
        _make(self._fd, RETIRED)
        return os.open(RETIRED, _OPEN_FOLDER, dir_fd=self._fd)


def _new_room(retired: int, generation: Generation, like: os.stat_result) -> str:
    """A new empty folder in the open `.retired/`, owned and readable as the slot is, for it will be the slot."""
    for number in itertools.count():
        room = f"{generation}.{number}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(room, dir_fd=retired)
            _liken(retired, room, like)
            return room
    raise AssertionError("unreachable: there is always another number")


def _liken(parent_fd: int, name: str, like: os.stat_result) -> None:
    """Give a folder that was just made the owner and the mode of another."""
    fd = os.open(name, _OPEN_FOLDER, dir_fd=parent_fd)
    try:
        # Only root may give files away, and only to an owner that its namespace knows (EINVAL); another user's slot
        # then becomes ours, which is enough to go on.
        made = os.fstat(fd)
        if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
            with survived(errno.EPERM, errno.EINVAL):
                os.fchown(fd, like.st_uid, like.st_gid)
        if stat.S_IMODE(made.st_mode) != stat.S_IMODE(like.st_mode):
            with survived(errno.EPERM):
                os.fchmod(fd, stat.S_IMODE(like.st_mode))
    finally:
        os.close(fd)


def _make(parent_fd: int, name: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent_fd)


def first_mtime(folder_fd: int, pattern: Pattern) -> float | None:
    """The mtime (Unix seconds) of one regular file of the pattern in an open folder; None when there is none."""
    with os.scandir(folder_fd) as entries:
        for entry in entries:
            if pattern.match(entry.name) is not None and entry.is_file(follow_symlinks=False):
                try:
                    return os.stat(entry.name, dir_fd=folder_fd, follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue  # deleted since it was listed
    return None


def _unlink_if_there(folder_fd: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder_fd)


def _patiently(lock: Callable[[], None]) -> None:
    for left in reversed(range(_LOCK_TRIES)):
        try:
            lock()
        except BlockingIOError:
            if not left:
                raise
            time.sleep(_LOCK_PAUSE)
        else:
            return
