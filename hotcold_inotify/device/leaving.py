"""How files leave one hot folder: at once in the event loop, or by a thread, oldest first in either case.

By a thread they leave while the disk is slow, always where they are copied, and the first one of an hour. One thread at
a time, so that they arrive in their order: the playlist task must hear of segments as they were made.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import attrs
import trio

from hotcold_inotify.clock import Clock
from hotcold_inotify.device.looking import is_there
from hotcold_inotify.device.spell import SLOW, Spell
from hotcold_inotify.device.threads import Threads
from hotcold_inotify.disk import SURVIVED, Archived, Folder, Lent, NotAtHand, NotRegular, archive
from hotcold_inotify.names import FileName

Outcome = Archived | NotRegular | None | OSError
"""What `archive` returned; an OSError: what it was refused with."""

# Seconds after which a thread comes back, with the files that it is through with: they are counted and listed then.
_JOB = 0.1

T = TypeVar("T")


@attrs.frozen(slots=True)
class Left:
    """What became of a file that had to leave."""

    name: FileName
    outcome: Outcome
    ended: float
    """time.perf_counter() when it was done with."""
    took: float
    """Seconds."""


class Leaving:
    """Moves the files of one hot folder. Only one of its methods at a time: the slots are for one user."""

    def __init__(
        self, folder: Folder, lent: Lent, *, clock: Clock, durable: bool, threads: Threads, spell: Spell
    ) -> None:
        """`lent` closes the folder; `spell` hears how long moves take."""
        self._folder = folder
        self._lent = lent
        self._clock = clock
        self._durable = durable
        self._threads = threads
        self.spell = spell

    @property
    def by_thread(self) -> bool:
        """Whether files leave by a thread now."""
        return self.spell.slow or self._folder.copies

    def one(self, name: FileName, *, at_hand: bool = True) -> Outcome:
        """Move one file, and wait for the disk. `NotAtHand`: only a thread may, but for `at_hand` False.

        An OSError that is not survived is raised: it is a bug.
        """
        try:
            return archive(self._folder, name, self._clock.wall(), durable=self._durable, at_hand=at_hand)
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            return error

    def at_once(self, names: Sequence[FileName]) -> list[Left]:
        """Move these in the event loop, or the first of them: the others are for a thread."""
        done: list[Left] = []
        with contextlib.suppress(NotAtHand):
            self._move(names, lambda left, _began: left.took > SLOW, done, at_hand=True)
        return self._told(done)

    async def in_thread(self, names: Sequence[FileName]) -> list[Left]:
        """Move these in a thread, or as many of them as are done in a moment, one at least.

        A cancelled caller leaves the thread to its present file; it begins no other one.
        """
        abandoned = False

        def enough(left: Left, began: float) -> bool:
            return abandoned or left.ended - began > _JOB

        done: list[Left] = []
        try:
            await self.do(lambda: self._move(names, enough, done, at_hand=False))
            return self._told(done)
        except trio.Cancelled:
            abandoned = True
            raise

    async def look_for(self, names: Sequence[FileName]) -> list[tuple[FileName, bool]]:
        """Whether these are there, or as many of them as are looked for in a moment, one at least."""

        def work() -> list[tuple[FileName, bool]]:
            began = time.perf_counter()
            found: list[tuple[FileName, bool]] = []
            for name in names:
                found.append((name, bool(is_there(self._folder, name.text))))
                if time.perf_counter() - began > _JOB:
                    break
            return found

        return await self.do(work)

    async def look_at_cold(self) -> tuple[bool, int]:
        """Look at the slots' folder between two moves: (whether its path leads to another one, its free bytes)."""
        return await self.do(self._look_at_cold)

    async def do(self, work: Callable[[], T]) -> T:
        """Do something with the folder in a thread."""
        return await self._threads.run(lambda: self._lent.use(work))

    async def do_in_turn(self, work: Callable[[], T]) -> T:
        """The same a little later, if many others have something to look at."""
        return await self._threads.run_in_turn(lambda: self._lent.use(work))

    def _look_at_cold(self) -> tuple[bool, int]:
        if self._folder.slots.moved_away():
            self._folder.slots.forget()
        return self._folder.cold_moved_away(), self._folder.free_bytes()

    def _move(
        self, names: Sequence[FileName], enough: Callable[[Left, float], bool], done: list[Left], *, at_hand: bool
    ) -> None:
        began = before = time.perf_counter()
        for name in names:
            outcome = self.one(name, at_hand=at_hand)
            now = time.perf_counter()
            done.append(Left(name, outcome, now, now - before))
            if enough(done[-1], began):
                break
            before = now

    def _told(self, done: list[Left]) -> list[Left]:
        if not self._folder.copies:  # a copy takes as long as its file is large
            for left in done:
                self.spell.took(left.took)
        return done
