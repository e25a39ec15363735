"""One hot folder's reaction: a finished file comes in, and while there are more than the limit the oldest leaves (I3).

The directory is the truth. The hot set is derived from it by `reconcile`, and corrected by `compare` every few seconds
for what raises no event. A file that cannot be moved stays where it is, is set apart so that the others go on (I8), and
is tried again at each comparison.
"""

import itertools
import os
import stat
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import attrs
import trio
from structlog.typing import FilteringBoundLogger

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.device.recorder import Recorder
from hotcold_inotify.disk import (
    SURVIVED,
    Archived,
    Folder,
    Lent,
    Listing,
    NotRegular,
    Scan,
    archive,
    errno_name,
    expected,
    generation_of,
    list_hot,
)
from hotcold_inotify.hotset import HotSet
from hotcold_inotify.hours import Generation
from hotcold_inotify.logs import Troubles
from hotcold_inotify.metrics import FolderInstruments
from hotcold_inotify.names import FileName

# Moves between two looks at the other tasks: about a millisecond.
_TURN = 32
# A refused move is tried again for so many files at each comparison; after a disk comes back the rest follows by
# itself.
_RETRIES = 256
# So many refused moves in a row, and a look at a backlog ends early: what is remembered as refused stays bounded.
_HOPELESS = 1024

T = TypeVar("T")


@attrs.frozen
class Look:
    """What a look at a folder found. `listing` None: its path leads to another folder, or to none."""

    listing: Listing | None
    free_bytes: int


class HotFolder:
    """The reaction of one (device, kind). Its methods are for the device's one loop only."""

    def __init__(
        self,
        folder: Folder,
        lent: Lent,
        *,
        clock: Clock,
        instruments: FolderInstruments,
        recorder: Recorder | None,
        progress: Callable[[], None],
        limiter: trio.CapacityLimiter,
        durable: bool,
        log: FilteringBoundLogger,
    ) -> None:
        """`lent` closes the folder, `recorder` hears of every segment that was archived, `progress` now and then;
        `limiter` bounds the device's threads.
        """
        self.folder = folder
        self._lent = lent
        self.kind: Kind = folder.kind
        self._clock = clock
        self._instruments = instruments
        self._recorder = recorder
        self._progress = progress
        self._limiter = limiter
        self._durable = durable
        self._troubles = Troubles(log)
        self._hot = HotSet(self.kind.hot_limit)
        self._stuck: dict[str, FileName] = {}
        self._last_file = 0.0
        self._suspects: frozenset[str] = frozenset()
        self._since_turn = 0
        self._refused_in_a_row = 0
        self._strangers = 0
        instruments.hot_limit.set(self.kind.hot_limit)

    def close(self) -> None:
        """Close the folder, as soon as no thread uses it any more."""
        self._lent.close()

    def finished(self, text: str, now: float) -> bool:
        """A name was closed after writing, or renamed into the folder; `now` is Unix time. False: it is nobody's."""
        name = self.kind.pattern.match(text)
        if name is None:
            if self._recorder is not None:
                self._recorder.file_changed(text)
            return expected(self.folder, text)
        there = self._is_there(text)
        if there:
            self._hot.add(name)
            self._last_file = now  # though the clock went back
            self._instruments.last_file.set(now)
        return there is not False

    def _came(self, at: float | None) -> None:
        """A file was finished at that time, Unix seconds. A look at the folder tells of older ones than are known."""
        if at is not None and at > self._last_file:
            self._last_file = at
            self._instruments.last_file.set(at)

    def deleted(self, text: str) -> None:
        """Somebody took a name away."""
        self._hot.discard(text)
        self._stuck.pop(text, None)
        self._show()

    def _is_there(self, text: str) -> bool | None:
        """Whether a regular file has that name; None: nothing has.

        What an event names may have left since: a look at the whole folder runs ahead of the events in the queue. A
        name without a file would keep a file's place in the hot set.
        """
        try:
            return stat.S_ISREG(os.stat(text, dir_fd=self.folder.hot_fd, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            return True  # to find out is the move's business, which says what is wrong

    async def settle(self, read_at: float) -> None:
        """Archive until the hot set is within its limit; `read_at` is trio's time of the event's reading."""
        while (name := self._hot.overflow()) is not None:
            await self._leave(name, read_at)
        self._show()

    async def reconcile(self, reason: str) -> None:
        """Derive the hot set from the folder: the newest stay, all others leave; in memory bounded by the limit,
        whatever lies there.
        """
        self._instruments.rescan(reason)
        self._stuck.clear()
        read_at = trio.current_time()
        scan = Scan(self.folder)
        try:
            more = True
            while more:
                displaced, more = await self._in_thread(scan.step)
                for name in displaced:
                    await self._leave(name, read_at)
                    if self._refused_in_a_row >= _HOPELESS:
                        more = False  # a full disk; the comparisons begin again
                        break
                self._show()
            self._hot.replace(scan.newest())
            self._came(scan.newest_mtime())
        finally:
            scan.close()
        self._show()

    def look(self) -> Look:
        """For a thread: what there is."""
        return self._lent.use(self._look)

    def _look(self) -> Look:
        if self.folder.moved_away():
            return Look(None, 0)
        return Look(list_hot(self.folder, self._enough()), self.folder.free_bytes())

    async def compare(self, listing: Listing) -> None:
        """Correct the hot set by what a look found: what raised no event comes in, what went without one goes, the
        stuck try again.
        """
        self._strangers = listing.unmanaged
        self._instruments.unmanaged_files.set(listing.unmanaged)
        unknown = frozenset(text for text in listing.names if text not in self._hot and text not in self._stuck)
        # A file that is being written, or whose event is on its way, is unknown for a moment. Twice unknown is missed.
        missed = unknown & self._suspects
        self._suspects = unknown
        if not listing.complete or len(missed) > self.kind.hot_limit:
            await self.reconcile("sweep")
            return
        for name in [name for name in self._hot if name.text not in listing.names]:
            self._hot.discard(name.text)
        for text in [text for text in self._stuck if text not in listing.names]:
            del self._stuck[text]
        if missed:
            self._instruments.rescan("sweep")
            for text in sorted(missed, key=lambda text: listing.names[text].number):
                self._hot.add(listing.names[text])
            self._came(self._clock.wall())
        read_at = trio.current_time()
        for name in list(self._stuck.values())[:_RETRIES]:
            if not await self._leave(name, read_at):
                break
        await self.settle(read_at)

    def holds(self, generation: Generation) -> bool:
        """Whether a file of that hour is still hot."""
        return any(
            generation_of(self.folder, name.text) == generation
            for name in itertools.chain(self._hot, self._stuck.values())
        )

    async def _leave(self, name: FileName, read_at: float) -> bool:
        """Move one file out; whether that went well."""
        self._since_turn += 1
        if self._since_turn >= _TURN:
            self._since_turn = 0
            self._progress()
            await trio.lowlevel.checkpoint()
        try:
            if self.folder.copies:
                archived = await self._copy_out(name)
            else:
                archived = archive(self.folder, name, self._clock.wall(), durable=self._durable)
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            self._refused(name, error)
            return False
        self._refused_in_a_row = 0
        self._stuck.pop(name.text, None)
        if isinstance(archived, Archived):
            self._moved(archived, trio.current_time() - read_at)
        return True

    async def _copy_out(self, name: FileName) -> Archived | NotRegular | None:
        work = partial(archive, self.folder, name, self._clock.wall(), durable=self._durable)
        return await self._in_thread(partial(self._lent.use, work))

    def _moved(self, archived: Archived, latency: float) -> None:
        instruments = self._instruments
        instruments.archived_files.inc()
        instruments.archived_bytes.inc(archived.size)
        instruments.move_latency.observe(latency)
        instruments.last_move.set(latency)
        if archived.collided:
            instruments.name_collisions.inc()
        self._troubles.ends("moves", "moves go on")
        if self._recorder is not None:
            self._recorder.archived(archived)

    def _refused(self, name: FileName, error: OSError) -> None:
        self._stuck[name.text] = name
        self._refused_in_a_row += 1
        trouble = errno_name(error)
        self._instruments.move_error(trouble)
        text = "cannot move a file to its hour; it stays hot and is tried again"
        self._troubles.begins("moves", trouble, text, file=name.text, error=str(error))

    @property
    def within(self) -> bool:
        """Whether it holds no more than it may."""
        return self._count <= self.kind.hot_limit

    @property
    def _count(self) -> int:
        return len(self._hot) + len(self._stuck)

    def _show(self) -> None:
        self._instruments.hot_files.set(self._count)

    def _enough(self) -> int:
        """Entries that a comparison looks at: more than that is a backlog, which `reconcile` takes in slices. A crowd
        of strangers is none: with each comparison more of it is looked at, until it is seen whole.
        """
        return 4 * (self.kind.hot_limit + len(self._stuck)) + 2 * self._strangers + 1000

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)
