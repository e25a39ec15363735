"""What may be done in threads a little later: looks, recovery, expiry. Few at once in the whole process.

Threads that compete for the interpreter make each of the event loop's calls wait for it, and a thousand devices have
thousands of things to look at when they start. But a disk that hangs must not keep others from their turn (I8): what
has been at it for a second no longer counts.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

import trio

_AT_ONCE: Final = 4
_LONG: Final = 1.0
"""Seconds."""

T = TypeVar("T")


class Background:
    """The turns of one process."""

    def __init__(self) -> None:
        self._began: dict[object, float] = {}
        self._waiting = trio.lowlevel.ParkingLot()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it."""
        while self._crowded():
            with trio.move_on_after(_LONG):
                await self._waiting.park()
        key = object()
        self._began[key] = trio.current_time()
        try:
            yield
        finally:
            del self._began[key]
            self._waiting.unpark()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, in a thread, when its turn has come. A cancelled caller leaves it behind, for a disk may
        hang for ever.
        """
        async with self.turn():
            # The turns bound them; a limiter of its own, for those that hang would use up a common one.
            return await trio.to_thread.run_sync(work, limiter=trio.CapacityLimiter(1), abandon_on_cancel=True)

    def _crowded(self) -> bool:
        if len(self._began) < _AT_ONCE:
            return False
        since = trio.current_time() - _LONG
        return sum(began > since for began in self._began.values()) >= _AT_ONCE
