"""One (device, kind): its hot folder and the folder of its slots, held open.

Everything is done relative to the open descriptors, so that a path that changes under us cannot send a file somewhere
else; `moved_away` says when path and descriptor have parted.
"""

import os
from typing import Self

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk.slots import Slots
from hotcold_inotify.hours import Calendar

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.define
class Folder:
    """Open with `opened`, close with `close`; `clone` gives a thread descriptors of its own."""

    hot_path: str
    cold_path: str
    kind: Kind
    calendar: Calendar
    hot_fd: int
    cold_fd: int
    slots: Slots
    copies: bool
    """Hot and cold are on different file systems: a file is copied, not renamed."""

    @classmethod
    def opened(cls, hot_path: str, cold_path: str, kind: Kind, calendar: Calendar) -> "Folder":
        """OSError ENOENT: the folder is not there; ELOOP or ENOTDIR: something that is no folder has its name."""
        hot_fd = os.open(hot_path, _OPEN)
        try:
            cold_fd = os.open(cold_path, _OPEN)
        except OSError:
            os.close(hot_fd)
            raise
        copies = os.fstat(hot_fd).st_dev != os.fstat(cold_fd).st_dev
        slots = Slots(cold_fd, kind.pattern, calendar)
        return cls(hot_path, cold_path, kind, calendar, hot_fd, cold_fd, slots, copies)

    def clone(self) -> "Folder":
        """The same folder on descriptors of its own, to be closed by its user.

        Opened anew: a dup(2) would share the position of a listing and the slots' lock with the original.
        """
        hot_fd = os.open(".", _OPEN, dir_fd=self.hot_fd)
        try:
            cold_fd = os.open(".", _OPEN, dir_fd=self.cold_fd)
        except OSError:
            os.close(hot_fd)
            raise
        slots = Slots(cold_fd, self.kind.pattern, self.calendar)
        return attrs.evolve(self, hot_fd=hot_fd, cold_fd=cold_fd, slots=slots)

    def close(self) -> None:
        """Close every descriptor."""
        self.slots.forget()
        os.close(self.hot_fd)
        os.close(self.cold_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def moved_away(self) -> bool:
        """Whether a path no longer leads to the folder held open: deleted, renamed, replaced or mounted over."""
        return self.hot_moved_away() or self.cold_moved_away()

    def hot_moved_away(self) -> bool:
        """The same of the hot folder alone: the slots' disk is not asked."""
        return _parted(self.hot_path, self.hot_fd)

    def cold_moved_away(self) -> bool:
        """The same of the slots' folder."""
        return _parted(self.cold_path, self.cold_fd)

    def free_bytes(self) -> int:
        """What an ordinary user may still write where the slots are (statvfs(3) f_bavail)."""
        found = os.fstatvfs(self.cold_fd)
        return found.f_bavail * found.f_frsize


def _parted(path: str, fd: int) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return True
    return not os.path.samestat(there, os.fstat(fd))
