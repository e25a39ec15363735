"""One hot folder's reaction: a finished file comes in, and while there are more than the limit the oldest leaves (I3).

The directory is the truth. What is known of it is derived by a scan, and corrected by `look` every few seconds for what
raises no event. A file that cannot be moved stays where it is, is set apart so that the others go on (I8), and is tried
again at each look.

Usually a file leaves in the event loop, as soon as its event is read. Whatever takes longer is done by the folder's own
task, `run`: a scan, a backlog, moves by a thread. Names that come meanwhile are noted and wait; nobody else does.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from hotcold_inotify.clock import Clock
from hotcold_inotify.device.backlog import Backlog
from hotcold_inotify.device.contents import MOST, Contents
from hotcold_inotify.device.leaving import Leaving, Left, Outcome
from hotcold_inotify.device.looking import Found, begin_scan, is_there, look
from hotcold_inotify.device.recorder import Recorder
from hotcold_inotify.disk import SURVIVED, Archived, Folder, Lent, NotAtHand, errno_name, expected
from hotcold_inotify.logs import Troubles
from hotcold_inotify.metrics import FolderInstruments
from hotcold_inotify.names import FileName

# Moves between two looks at the other tasks: about a millisecond.
_TURN: Final = 32
# A refused move is tried again for so many files at once; while none of them is refused, the rest follows.
_RETRIES: Final = 256
# So many refused moves in a row, and a look at a backlog ends early: what is remembered as refused stays bounded.
_HOPELESS: Final = 1024


class HotFolder:
    """The reaction of one (device, kind). Its methods are for the event loop's thread."""

    def __init__(
        self,
        folder: Folder,
        leaving: Leaving,
        *,
        clock: Clock,
        instruments: FolderInstruments,
        recorder: Recorder | None,
        backlog: Backlog,
        log: FilteringBoundLogger,
    ) -> None:
        """`leaving` moves its files, `recorder` hears of every segment that was archived, `backlog` of what waits."""
        self.folder = folder
        self.kind = folder.kind
        self.free_bytes: int | None = None
        """What was free where the slots are, at the last look."""
        self.look_cost = 0.0
        """Seconds of a processor that the last look took."""
        self.settled = trio.Event()
        """What can leave at once has left; the rest leaves by a thread, or is refused."""
        self._leaving = leaving
        self._clock = clock
        self._instruments = instruments
        self._recorder = recorder
        self._backlog = backlog
        self._troubles = Troubles(log)
        self._contents = Contents(self.kind.hot_limit)
        # When the events were read whose files have displaced others, which wait.
        self._came_at: deque[float] = deque(maxlen=MOST)
        self._last_file = 0.0
        self._refused_in_a_row = 0
        self._strangers = 0
        # What the task has to do; while it is at it, files leave by it alone.
        self._work = trio.Event()
        self._busy = False
        self._scan: str | None = None  # why, if one is wanted
        self._try_again = False
        self._look_at_cold = False
        self._replaced = False
        self._last_move = 0.0
        # Asked when they are scraped, for they change with each file.
        instruments.hot_files.set_function(lambda: self._contents.count)
        instruments.last_file.set_function(lambda: self._last_file)
        instruments.last_move.set_function(lambda: self._last_move)
        instruments.hot_limit.set(self.kind.hot_limit)

    @property
    def within(self) -> bool:
        """Whether it is known to hold no more than it may."""
        return self._scan is None and self._contents.within

    def names(self) -> list[str] | None:
        """What is in the folder; None: that is not known at this moment."""
        return self._contents.names() if self._scan is None and self._contents.sure else None

    # --- events: nothing here waits for anything but a quick disk

    def finished(self, text: str, now: float, read_at: float) -> bool:
        """A name was closed after writing, or renamed into the folder; `now` is Unix time, `read_at` trio's time of the
        event's reading. False: it is nobody's.
        """
        name = self.kind.pattern.match(text)
        if name is None:
            if self._recorder is not None:
                self._recorder.file_changed(text)
            return expected(self.folder, text)
        if self._leaving.spell.slow:
            self._wait(name, now, read_at, seen=False)
            return True
        began = time.perf_counter()
        there = is_there(self.folder, text)
        if there and (self._busy or self._leaving.by_thread):
            self._wait(name, now, read_at, seen=True)
        elif there:
            self._came(now)
            self._contents.came(name)
            while (oldest := self._contents.hot.overflow()) is not None:
                try:
                    outcome = self._leaving.one(oldest)
                except NotAtHand:
                    self._contents.put_off(oldest)
                    self._came_at.append(read_at)
                    self._ask()
                    break
                self._left(oldest, outcome, trio.current_time() - read_at)
        self._leaving.spell.took(time.perf_counter() - began)
        return there is not False

    def deleted(self, text: str) -> None:
        """Somebody took a name away."""
        self._contents.went(text)

    def wants_scan(self, reason: str) -> None:
        """Events were lost, or none was heard: look through the folder, as soon as the task comes to it."""
        self._scan = self._scan or reason
        self._ask()

    def _wait(self, name: FileName, now: float, read_at: float, *, seen: bool) -> None:
        """It is the task's. Not `seen`: whether it is there at all, too."""
        self._came(now)
        self._contents.came(name, seen=seen)
        if self._contents.blind:
            self.wants_scan("backlog")
        elif len(self._contents.hot) > self.kind.hot_limit:
            self._came_at.append(read_at)
            self._ask()
        elif not seen:
            self._ask()

    def _came(self, at: float) -> None:
        """A file was finished at that time, Unix seconds; though the clock went back."""
        self._last_file = at

    # --- the folder's own task

    def _ask(self) -> None:
        self._busy = True
        self._work.set()

    async def run(self) -> None:
        """Do what the events leave to it, until cancelled."""
        while True:
            await self._work.wait()
            self._work = trio.Event()
            while await self._one_thing():
                pass
            self._came_at.clear()
            self._busy = False
            self.settled.set()

    async def _one_thing(self) -> bool:
        """Do what comes first; whether there was anything to do."""
        if self._look_at_cold:
            self._look_at_cold = False
            await self._survive("cannot look at the hour folders", self._look_at_slots)
        elif self._try_again:
            refused = list(self._contents.stuck.values())[:_RETRIES]
            well = await self._let_go(refused, trio.current_time(), patience=1)
            self._try_again = well and bool(self._contents.stuck)
        elif unseen := self._contents.unseen():
            # Before any leaves for them: one that is gone must not keep the place of one that is there.
            for name, there in await self._leaving.look_for(unseen):
                self._contents.looked_for(name, there=there)
        elif names := self._contents.displaced(_TURN):
            await self._let_go(names, self._came_at[0] if self._came_at else trio.current_time())
            for _ in range(min(len(names), len(self._came_at))):
                self._came_at.popleft()
        elif self._scan is not None:
            # After what is known to wait, which is older.
            await self._survive("cannot look through the hot folder", self._reconcile)
        else:
            return False
        return True

    async def _survive(self, text: str, work: Callable[[], Awaitable[None]]) -> None:
        """The named errors are said once; the next look has it tried again."""
        try:
            await work()
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            self._troubles.begins(text, errno_name(error), text, what=text, error=str(error))
        else:
            self._troubles.ends(text, "well again", what=text)

    async def _look_at_slots(self) -> None:
        self._replaced, self.free_bytes = await self._leaving.look_at_cold()

    async def _reconcile(self) -> None:
        """Derive what is known from the folder: the newest stay, all others leave; in memory bounded by the limit,
        whatever lies there.
        """
        reason, self._scan = self._scan, None
        self._instruments.rescan(reason or "")
        self._came_at.clear()
        self._contents.begin_scan()
        newest: list[FileName] | None = None
        lent = Lent()
        try:
            scan = await self._leaving.do(partial(lent.use, partial(begin_scan, self.folder, lent)))
            more, read_at = True, trio.current_time()
            while more:
                displaced, more = await self._leaving.do(scan.step)
                # Refused all the time? A full disk; the looks begin again.
                more = await self._let_go(displaced, read_at) and more
            newest = scan.newest()
            # A scan tells of older files than are known.
            self._came(max(self._last_file, scan.newest_mtime() or 0.0))
        finally:
            lent.close()
            self._contents.end_scan(newest)

    async def _let_go(self, names: Iterable[FileName], read_at: float, *, patience: int = _HOPELESS) -> bool:
        """Move these out of the folder; False: so many of them in a row were refused that it was given up."""
        self._refused_in_a_row = 0
        for_thread = False
        for batch in self._contents.leaving(names, min(_TURN, patience)):
            if self._leaving.by_thread:
                self.settled.set()
            if for_thread or self._leaving.by_thread:
                for_thread = False
                done = await self._leaving.in_thread(batch)
            else:
                done = self._leaving.at_once(batch)
                for_thread = len(done) < len(batch)
                await trio.lowlevel.checkpoint()
            self._done(done, read_at)
            if self._refused_in_a_row >= patience:
                return False
        return True

    def _done(self, done: list[Left], read_at: float) -> None:
        offset = trio.current_time() - time.perf_counter() - read_at
        for left in done:
            self._contents.gone()
            self._left(left.name, left.outcome, left.ended + offset)

    def _left(self, name: FileName, outcome: Outcome, latency: float) -> None:
        """What became of a file that had to leave; `latency`: seconds since the event's reading."""
        if isinstance(outcome, OSError):
            self._refused(name, outcome)
            return
        self._refused_in_a_row = 0
        self._contents.left(name.text)
        if not isinstance(outcome, Archived):
            return
        instruments = self._instruments
        instruments.archived_files.inc()
        instruments.archived_bytes.inc(outcome.size)
        instruments.move_latency.observe(latency)
        self._last_move = latency
        if outcome.collided:
            instruments.name_collisions.inc()
        self._troubles.ends("moves", "moves go on")
        if self._recorder is not None:
            self._recorder.archived(outcome)

    def _refused(self, name: FileName, error: OSError) -> None:
        self._contents.stuck[name.text] = name
        self._refused_in_a_row += 1
        trouble = errno_name(error)
        self._instruments.move_error(trouble)
        text = "cannot move a file to its hour; it stays hot and is tried again"
        self._troubles.begins("moves", trouble, text, file=name.text, error=str(error))

    # --- the look every few seconds

    async def look(self) -> bool:
        """Compare with what is there, and correct what is known; False: it is another folder by now."""
        by_thread = self._leaving.by_thread
        known = self._contents.hot.get
        work = partial(look, self.folder, self._enough(), known=known, waits=not self.within, cold=not by_thread)
        key, found = self._contents.begin_look(), None
        try:
            found = await self._leaving.do_in_turn(work)
        finally:
            listing, over = (found.listing, found.waiting.files) if found is not None else (None, 0)
            missed = self._contents.end_look(key, listing, over)
        if found is None or self._replaced:
            return False
        self.look_cost = found.cost
        self._tell(found)
        if missed is None or self._contents.blind:
            self.wants_scan("backlog" if self._contents.blind else "sweep")
        elif missed:
            self._instruments.rescan("sweep")
            for name in missed:
                self._contents.came(name)
            self._came(max(self._last_file, self._clock.wall()))
        self._try_again = self._try_again or bool(self._contents.stuck)
        # The slots' disk may hang: the task's thread looks there, and what comes in is known all the same.
        self._look_at_cold = by_thread
        if by_thread or self._try_again or len(self._contents.hot) > self.kind.hot_limit:
            self._ask()
        return True

    def _tell(self, found: Found) -> None:
        self._strangers = found.listing.unmanaged
        self._instruments.unmanaged_files.set(self._strangers)
        self._backlog.is_now(found.waiting)
        if found.free_bytes is not None:
            self.free_bytes = found.free_bytes
        if found.slot_moved and not self._busy:
            self.folder.slots.forget()

    def _enough(self) -> int:
        """Entries that a look goes through: more than that is a backlog, which a scan takes in slices. A crowd of
        strangers is none: with each look more of it is seen, until it is seen whole.
        """
        return 4 * (self.kind.hot_limit + self._contents.known) + 2 * self._strangers + 1000
