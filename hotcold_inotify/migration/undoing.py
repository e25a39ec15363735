"""The way back: what is hot or in its hour returns to the two mixed folders. Only where no reactor runs, which would
take it away again.
"""

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Iterator

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, Folder, Home, rooms
from hotcold_inotify.disk.mixed import (
    Taken,
    forget_notes,
    move_named,
    noted,
    old_place,
    open_old,
    remove_empty,
    take_back,
    unlist,
)
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.hours import Calendar
from hotcold_inotify.migration.outcome import Hopeless, Moved
from hotcold_inotify.migration.places import Place
from hotcold_inotify.migration.planning import Step, stays
from hotcold_inotify.names import FileName

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.define
class Undone:
    """What was done, or would be: files by kind; those that stay, as they are being written or listed; troubles as of
    `Moved`.
    """

    files: Counter[str] = attrs.field(factory=Counter)
    stays: int = 0
    renamed: int = 0
    """Files whose name was taken in their old place."""
    moved: Moved = attrs.field(factory=Moved)


def undo(
    home: Home,
    kinds: tuple[Kind, ...],
    calendar: Calendar,
    now: float,
    *,
    dry_run: bool = False,
    step: Step = lambda _files: None,
) -> Undone:
    """Put a device back. A writer may be at work in the hot folders: what it has just finished, and what its live
    playlist lists, stays for the next run. `now` is Unix time. OSError: a folder cannot be opened.
    """
    undone = Undone()
    notes = [] if dry_run else noted(home.path)
    try:
        for kind in kinds:
            with contextlib.ExitStack() as opened:
                try:
                    folder = opened.enter_context(home.open(kind, calendar))
                except FileNotFoundError:
                    continue
                old_fd = open_old(home.path, old_place(kind), make=not dry_run)
                if old_fd is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old_place(kind))
                opened.callback(os.close, old_fd)
                back = _Back(folder, old_fd, undone, step, dry_run=dry_run)
                back.noted(notes)
                for path in _cold(folder):
                    back.cold(path)
                if kind.name != old_place(kind):
                    back.hot(now)
                if not dry_run:
                    remove_empty(folder)
    except Hopeless:
        undone.moved.troubles.append("so many in a row: the others were not tried")
    if not dry_run and not undone.moved.failed:
        forget_notes(home.path)
    return undone


def _cold(folder: Folder) -> Iterator[str]:
    """The folders below a kind's in which files lie that are not hot."""
    yield from SLOT_NAMES
    yield from (f"{RETIRED}/{room}" for room in rooms(folder))


@attrs.frozen
class _Back:
    """One kind on its way back."""

    folder: Folder
    old_fd: int
    undone: Undone
    step: Step
    dry_run: bool = attrs.field(kw_only=True)

    def noted(self, notes: list[Taken]) -> None:
        """First those that had to take another name: they were here before whoever has theirs."""
        for kind, text, mtime, size in notes:
            name = self.folder.kind.pattern.match(text)
            if kind != self.folder.kind.name or name is None:
                continue
            slot = str(self.folder.calendar.generation_at(mtime / 1e9).slot)
            with self.undone.moved.trying(text), self._opened(slot) as fd:
                unlist(fd)
                self._find(fd, name, mtime, size)

    def _find(self, fd: int, name: FileName, mtime: int, size: int) -> None:
        """Under which revision the file went in, only its time and size tell; a name that is free ends the search."""
        revision = name
        while True:
            revision = self.folder.kind.pattern.revised(name, revision.revision + 1)
            found = os.stat(revision.text, dir_fd=fd, follow_symlinks=False)
            if (found.st_mtime_ns, found.st_size) == (mtime, size):
                # Its name is taken where an old writer has begun anew: then it goes with the others.
                if move_named(fd, revision.text, self.old_fd, name.text):
                    self._count(size)
                return

    def cold(self, path: str) -> None:
        """All files of a slot, or of a room; its playlist goes first, for it must not list what is gone (I4)."""
        try:
            with self._opened(path) as fd:
                if not self.dry_run:
                    unlist(fd)
                self._all(Place(path, fd, (self.folder.kind,)), frozenset(), None)
        except FileNotFoundError:
            pass

    def hot(self, now: float) -> None:
        """What is hot, save what its writer is at."""
        place = Place(self.folder.kind.name, self.folder.hot_fd, (self.folder.kind,))
        self._all(place, place.listed(now), now)

    def _all(self, place: Place, listed: frozenset[str], began: float | None) -> None:
        for kind, text, found in place.files():
            if began is not None and stays(text, found.st_mtime, listed, began) is not None:
                self.undone.stays += 1
                continue
            if self.dry_run:
                self._count(found.st_size)
                continue
            with self.undone.moved.trying(os.path.join(place.path, text)):
                # One rename is enough for almost all of them.
                moved = move_named(place.fd, text, self.old_fd, text)
                if not moved and (name := kind.pattern.match(text)) is not None:
                    self.undone.renamed += take_back(self.folder, place.fd, name, found, self.old_fd) != name
                self._count(found.st_size)

    def _count(self, size: int) -> None:
        self.undone.moved.went(size)
        self.undone.files[self.folder.kind.name] += 1
        self.step(1)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        fd = os.open(path, _OPEN, dir_fd=self.folder.cold_fd)
        try:
            yield fd
        finally:
            os.close(fd)
