"""What one device does in threads: so much at once at most, and it is known for how long it has been at it."""

from collections.abc import Callable
from typing import TypeVar

import trio

PER_FOLDER = 3
"""Threads that one hot folder may keep busy, each with one thing at a time: a look at it, what leaves it, its playlist.
So no folder waits for another's, and a disk that hangs holds so many for each folder that is on it."""

T = TypeVar("T")


class Threads:
    """The threads of one device."""

    def __init__(self, folders: int) -> None:
        """`folders`: how many hot folders the device has."""
        self.limiter = trio.CapacityLimiter(max(1, PER_FOLDER * folders))
        self._began: dict[object, float] = {}

    @property
    def oldest(self) -> float | None:
        """When the oldest piece of work that still goes on was begun, in trio's time; None: there is none."""
        return min(self._began.values(), default=None)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns. A cancelled caller leaves it behind, for a disk may hang for ever."""
        key = object()
        self._began[key] = trio.current_time()
        try:
            return await trio.to_thread.run_sync(work, limiter=self.limiter, abandon_on_cancel=True)
        finally:
            del self._began[key]
