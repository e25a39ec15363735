"""One hour's playlist, `archive.m3u8` in its slot: a reader always gets a complete version, each a prefix of the next
(I9).

An entry is appended by one write(2) that no page boundary cuts. Only a repair replaces the playlist: whole, by temp +
rename. An append opens the file anew and compares it with the one that is known here: whoever replaced or removed it in
between is noticed, and nothing is written in the wrong place. Whoever writes has the slot's folder locked (flock(2)),
for a reactor, its look through all hours at start and `check --repair` may do so at once.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from hotcold_inotify import playlist, timeline
from hotcold_inotify.disk.listing import list_slot
from hotcold_inotify.disk.slots import PLAYLIST
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import Pattern
from hotcold_inotify.timeline import Difference, Knowledge, Placed, Refused, Segment

_UNFINISHED = f"{PLAYLIST}.tmp"


class Changed(Exception):
    """The playlist on disk is not the one that is known here: `recover` it."""


class HourPlaylist:
    """The playlist of `generation` in an open slot. `recover` first; then `append` and `end`, and `close`."""

    def __init__(self, slot_fd: int, generation: Generation, pattern: Pattern, *, durable: bool) -> None:
        """Takes `slot_fd` over. `durable`: a segment and its folder are fsynced before it is listed, and the playlist
        after.
        """
        self.generation = generation
        self.ended = False
        self.entries = 0
        self.discontinuities = 0
        self._fd = slot_fd
        self._pattern = pattern
        self._durable = durable
        self._size = 0
        self._file = (0, 0)  # device and inode
        self._target = 0
        self._last: Placed | None = None
        self._listed: set[str] = set()

    def close(self) -> None:
        """Close the slot."""
        os.close(self._fd)

    def __contains__(self, name: str) -> bool:
        return name in self._listed

    def recover(self, knowledge: Knowledge, *, over: bool) -> str | None:
        """Compare the playlist with its folder and replace it where they differ; `over`: nothing more will come.

        Returns why it was replaced, in a word for a metric (`new`, `torn`, `differs`), or None. May take long: call it
        in a thread. Durations that `knowledge` has heard of are believed after those of the old playlist.
        """
        with self._locked(wait=True):
            return self._recover(knowledge, over=over)

    def _recover(self, knowledge: Knowledge, *, over: bool) -> str | None:
        segments = list(list_slot(self._fd, self._pattern))
        if self._durable and segments:
            self._sync_one("..", os.O_DIRECTORY)  # the slot itself may be new
        old, torn = self._read()
        if old is not None and (over or not old.ended):
            # Changed: by somebody who does not know of the lock.
            with contextlib.suppress(Changed):
                if self._continue(old, segments, knowledge):
                    if over:
                        self._end()
                    return None
        placed = timeline.timeline(segments, _first_heard(old, knowledge))
        if not placed:
            # An hour without a segment has no playlist, rather than one that lists nothing.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(PLAYLIST, dir_fd=self._fd)
            self._remember(placed, 0, ended=False)
            return "torn" if torn else None if old is None else "differs"
        target = timeline.target((one.entry.duration for one in placed), knowledge.nominal)
        if old is not None:
            target = max(target, old.target)
        if self._durable:
            before = {entry.uri for entry in old.entries} if old is not None else set()
            self._sync(*(one.entry.uri for one in placed if one.entry.uri not in before))
        self._replace(playlist.Playlist(target, tuple(one.entry for one in placed), ended=over))
        self._remember(placed, target, ended=over)
        return "torn" if torn else "new" if old is None else "differs"

    def _continue(self, old: playlist.Playlist, segments: list[Segment], knowledge: Knowledge) -> bool:
        """Go on from the playlist as it is, appending what came after its end; False: only a replacement makes it
        right.
        """
        differences = dict(timeline.differs(segments, old))
        missing = set(differences.pop(Difference.NOT_LISTED, ()))
        if differences or (missing and old.ended):
            return False
        listed = [segment for segment in segments if segment.name.text not in missing]
        self._remember(timeline.timeline(listed, _first_heard(old, knowledge)), old.target, ended=old.ended)
        late = sorted(
            (segment for segment in segments if segment.name.text in missing), key=lambda segment: segment.order
        )
        return all(isinstance(self._append(segment, knowledge), Placed) for segment in late)

    def append(self, segment: Segment, knowledge: Knowledge) -> Placed | Refused:
        """List one more segment behind the last. Refused: it has no bytes, or the playlist must be recovered to take
        it.

        `Changed`: the same, or somebody is at it this moment. OSError (ENOSPC, EIO): nothing was added, a reader sees
        the version before.
        """
        with self._locked(wait=False):
            return self._append(segment, knowledge)

    def _append(self, segment: Segment, knowledge: Knowledge) -> Placed | Refused:
        if self._size == 0:
            raise Changed
        if self.ended:
            return Refused.LATE
        placed = timeline.step(self._last, segment, knowledge, self._target)
        if isinstance(placed, Placed):
            if self._durable:
                self._sync(segment.name.text)
            self._write(playlist.line(placed.entry, self._size))
            self._last = placed
            self._listed.add(segment.name.text)
            self.entries += 1
            self.discontinuities += placed.entry.discontinuity
        return placed

    def verify(self) -> None:
        """`Changed`: it is not as it was left, or somebody is at it this moment."""
        with self._locked(wait=False):
            try:
                found = os.stat(PLAYLIST, dir_fd=self._fd, follow_symlinks=False)
            except FileNotFoundError:
                raise Changed from None
            if not self._as_left(found):
                raise Changed

    def _as_left(self, found: os.stat_result) -> bool:
        return (found.st_size, found.st_dev, found.st_ino) == (self._size, *self._file)

    def end(self) -> None:
        """Say that nothing will follow; raises as `append` does."""
        with self._locked(wait=False):
            self._end()

    def _end(self) -> None:
        if self._size and not self.ended:
            self._write(playlist.end(self._size))
            self.ended = True

    def _remember(self, placed: tuple[Placed, ...], target: int, *, ended: bool) -> None:
        self._last = placed[-1] if placed else None
        self._listed = {one.segment.name.text for one in placed}
        self._target = target
        self.ended = ended
        self.entries = len(placed)
        self.discontinuities = sum(one.entry.discontinuity for one in placed)
        try:
            found = os.stat(PLAYLIST, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            self._size, self._file = 0, (0, 0)
        else:
            self._size, self._file = found.st_size, (found.st_dev, found.st_ino)

    def _read(self) -> tuple[playlist.Playlist | None, bool]:
        """What is there, and whether it is there but no playlist."""
        try:
            if not stat.S_ISREG(os.stat(PLAYLIST, dir_fd=self._fd, follow_symlinks=False).st_mode):
                return None, True
            fd = os.open(PLAYLIST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            return None, False
        with os.fdopen(fd, encoding="utf-8", errors="replace", newline="") as file:
            try:
                return playlist.parse(file.read()), False
            except playlist.PlaylistError:
                return None, True

    def _write(self, data: bytes) -> None:
        try:
            fd = os.open(PLAYLIST, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except FileNotFoundError:
            raise Changed from None
        try:
            if not self._as_left(os.fstat(fd)):
                raise Changed
            try:
                written = os.write(fd, data)
            except OSError:
                os.ftruncate(fd, self._size)
                raise
            if written != len(data):  # at a page's end: the filler went in, and its entry did not
                os.ftruncate(fd, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), PLAYLIST)
            if self._durable:
                os.fdatasync(fd)
            self._size += written
        finally:
            os.close(fd)

    def _replace(self, whole: playlist.Playlist) -> None:
        with contextlib.suppress(FileNotFoundError):  # what a crash left; never written into, for it may be a link
            os.unlink(_UNFINISHED, dir_fd=self._fd)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(_UNFINISHED, flags, 0o666, dir_fd=self._fd)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(playlist.render(whole))
                file.flush()
                if self._durable:
                    os.fsync(fd)
            os.rename(_UNFINISHED, PLAYLIST, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_UNFINISHED, dir_fd=self._fd)
            raise
        if self._durable:
            os.fsync(self._fd)

    @contextlib.contextmanager
    def _locked(self, *, wait: bool) -> Iterator[None]:
        """Alone with the playlist; without waiting, `Changed` says that somebody else is."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Changed from None
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _sync(self, *names: str) -> None:
        """Have these segments on the disk, and their names."""
        for name in names:
            self._sync_one(name, os.O_NOFOLLOW)
        os.fsync(self._fd)

    def _sync_one(self, name: str, flags: int) -> None:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | flags, dir_fd=self._fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _first_heard(old: playlist.Playlist | None, knowledge: Knowledge) -> Knowledge:
    """The old playlist's word first: a name that was used twice is heard of twice, and it knows which one is in this
    slot.
    """
    if old is None:
        return knowledge
    said = timeline.heard_from(old)

    def heard(name: str) -> playlist.Heard | None:
        return said.get(name) or knowledge.heard(name)

    return Knowledge(heard, knowledge.measured, knowledge.nominal)
