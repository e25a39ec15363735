"""What one device does in threads: so much at once at most, and it is known for how long it has been at it.

What a file waits for is done at once; what only looks waits for its turn among all devices.
"""

from collections.abc import Callable
from typing import TypeVar

import trio

from hotcold_inotify.background import Background

PER_FOLDER = 2
"""Threads that one hot folder may keep busy, each with one thing at a time: what leaves it, its playlist. So no folder
waits for another's, and a disk that hangs holds so many for each folder that is on it."""

T = TypeVar("T")


class Threads:
    """The threads of one device."""

    def __init__(self, folders: int, background: Background) -> None:
        """`folders`: how many hot folders the device has; `background` has the turns of all devices."""
        self._background = background
        self.limiter = trio.CapacityLimiter(max(1, PER_FOLDER * folders))
        self._began: dict[object, float] = {}

    @property
    def oldest(self) -> float | None:
        """When the oldest piece of work that still goes on was begun, in trio's time; None: there is none."""
        # Of one moment, for a thread may begin meanwhile.
        return min(list(self._began.values()), default=None)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns. A cancelled caller leaves it behind, for a disk may hang for ever."""
        key = object()
        self._began[key] = trio.current_time()
        try:
            return await trio.to_thread.run_sync(work, limiter=self.limiter, abandon_on_cancel=True)
        finally:
            del self._began[key]

    async def run_in_turn(self, work: Callable[[], T]) -> T:
        """The same a little later, if many others have something to look at."""
        key, clock = object(), trio.lowlevel.current_clock()

        def timed() -> T:
            self._began[key] = clock.current_time()
            return work()

        try:
            return await self._background.run(timed)
        finally:
            self._began.pop(key, None)
