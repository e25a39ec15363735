"""Look at folders: what is hot, what is in a slot. Reads only; may take long, so call it in a thread."""

import heapq
import itertools
import os
import stat
from collections.abc import Callable, Iterator

import attrs

from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.lending import Lent
from hotcold_inotify.disk.liveplaylist import LIVE_PLAYLIST
from hotcold_inotify.disk.slots import RETIRED, SLOT_NAMES
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import FileName, Pattern
from hotcold_inotify.timeline import Segment

_OURS = frozenset((*SLOT_NAMES, RETIRED))
# Entries a step of a scan looks at: some 10 ms of work, after which somebody else gets a turn.
_STEP = 4096

# Sorts by age: mtime, number, revision; the text decides between `x_1` and `x_01`.
_Aged = tuple[float, int, int, str, FileName]


@attrs.frozen
class Listing:
    """A hot folder's names: the managed files, and how many entries are nobody's."""

    names: dict[str, FileName]
    unmanaged: int
    complete: bool
    """False: there are more than was asked for, and the rest was not looked at."""


def list_hot(folder: Folder, at_most: int, known: Callable[[str], FileName | None] = lambda _text: None) -> Listing:
    """The hot folder's regular managed files, without a stat(2) each; stops after `at_most` entries. A name that is
    `known` is not parsed again.
    """
    match = folder.kind.pattern.match
    names: dict[str, FileName] = {}
    unmanaged = 0
    with os.scandir(folder.hot_fd) as entries:
        for seen, entry in enumerate(entries):
            if seen >= at_most:
                return Listing(names, unmanaged, complete=False)
            name = known(entry.name) or match(entry.name)
            if name is not None and entry.is_file(follow_symlinks=False):
                names[name.text] = name
            elif not expected(folder, entry.name):
                unmanaged += 1
    return Listing(names, unmanaged, complete=True)


def expected(folder: Folder, text: str) -> bool:
    """Whether a name that is no managed file belongs in a hot folder all the same: slots, unfinished files, the live
    playlist.
    """
    return text in _OURS or text.endswith(".tmp") or (folder.kind.playlist and text == LIVE_PLAYLIST)


def generation_of(folder: Folder, text: str) -> Generation | None:
    """The hour that a hot file belongs to; None when it is not there."""
    try:
        return folder.calendar.generation_at(os.stat(text, dir_fd=folder.hot_fd, follow_symlinks=False).st_mtime)
    except FileNotFoundError:
        return None


class Scan:
    """One pass over a hot folder of any size in bounded memory: keeps the newest `limit` files, gives out the others as
    it goes.
    """

    def __init__(self, folder: Folder) -> None:
        """Takes a place in the folder; `close` it."""
        self._pattern = folder.kind.pattern
        self._limit = folder.kind.hot_limit
        self._newest: list[_Aged] = []
        self._lent = Lent()
        # Opened anew: a dup(2) would share its position with whoever else lists the folder.
        self._fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder.hot_fd)
        self._lent.closing.callback(os.close, self._fd)
        try:
            self._entries = self._lent.closing.enter_context(os.scandir(self._fd))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the pass. A step that a cancelled task left in its thread ends first: the C library's listing must not be
        freed under it.
        """
        self._lent.close()

    def step(self) -> tuple[list[FileName], bool]:
        """Look at the next few thousand entries: (files that are older than the newest `limit`, oldest first; whether
        there is more).
        """
        return self._lent.use(self._step)

    def _step(self) -> tuple[list[FileName], bool]:
        displaced: list[_Aged] = []
        entries = list(itertools.islice(self._entries, _STEP))
        for entry in entries:
            name = self._pattern.match(entry.name)
            if name is None or not entry.is_file(follow_symlinks=False):
                continue
            try:
                mtime = os.stat(entry.name, dir_fd=self._fd, follow_symlinks=False).st_mtime
            except FileNotFoundError:
                continue
            aged = (mtime, name.number, name.revision, name.text, name)
            if len(self._newest) < self._limit:
                heapq.heappush(self._newest, aged)
            else:
                displaced.append(heapq.heappushpop(self._newest, aged))
        displaced.sort()
        return [aged[-1] for aged in displaced], len(entries) == _STEP

    def newest_mtime(self) -> float | None:
        """When the newest file was finished (Unix seconds); None: there is none."""
        return max(self._newest)[0] if self._newest else None

    def newest(self) -> list[FileName]:
        """The files to keep hot, oldest first."""
        return [aged[-1] for aged in sorted(self._newest)]


def list_slot(slot_fd: int, pattern: Pattern) -> Iterator[Segment]:
    """The regular managed files of an open slot, in no order."""
    with os.scandir(slot_fd) as entries:
        for entry in entries:
            name = pattern.match(entry.name)
            if name is None:
                continue
            try:
                found = os.stat(entry.name, dir_fd=slot_fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield Segment(name, found.st_mtime, found.st_size)
