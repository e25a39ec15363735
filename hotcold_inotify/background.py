"""What may be done in threads a little later: looks, recovery, expiry. One at a time in the whole process.

To list a folder gives up the interpreter for each entry (scandir(3)). Threads that list at once wake each other each
time: twenty futex(2) for every file that moves meanwhile, and the event loop among them. But a disk that is slow or
hangs must not keep others from their turn (I8): what has been at it for a moment no longer counts.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

import trio

_MOMENT: Final = 0.25
"""Seconds."""

T = TypeVar("T")


class Background:
    """The turns of one process."""

    def __init__(self) -> None:
        self._latest_began: float | None = None
        self._turns = 0
        self._waiting = trio.lowlevel.ParkingLot()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it."""
        while self._latest_began is not None and (left := self._latest_began + _MOMENT - trio.current_time()) > 0:
            with trio.move_on_after(left):
                await self._waiting.park()
        self._turns += 1
        turn = self._turns
        self._latest_began = trio.current_time()
        try:
            yield
        finally:
            if turn == self._turns:  # else somebody has got impatient, and is at it
                self._latest_began = None
                self._waiting.unpark()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, in a thread, when its turn has come. A cancelled caller leaves it behind, for a disk may
        hang for ever.
        """
        async with self.turn():
            # The turns bound them; a limiter of its own, for those that hang would use up a common one.
            return await trio.to_thread.run_sync(work, limiter=trio.CapacityLimiter(1), abandon_on_cancel=True)
