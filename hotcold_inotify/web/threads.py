"""Blocking looks at a device's disk, in threads: a disk that hangs holds its own device's threads, and no others."""

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")

# Looks at one device at once, and as many reads: many who load large files do not keep others from a look.
_AT_ONCE: Final = 4
# Seconds after which a client hears that the disk does not answer.
_PATIENCE: Final = 20.0


class DiskHangs(Exception):
    """A folder has not been read within reasonable time."""


class Threads:
    """Two limits a device; names that are none share one, so that made-up ones take no memory."""

    def __init__(self) -> None:
        self._limiters: dict[tuple[str | None, str], anyio.CapacityLimiter] = {}

    async def run(self, device: str | None, work: Callable[[], T]) -> T:
        """The result of `work`; `DiskHangs`. None: it is about no one device."""
        return await self._run(self._limiter(device if (device, "looks") in self._limiters else None, "looks"), work)

    async def read(self, device: str, work: Callable[[], T]) -> T:
        """The same for a piece of a file of a device that is there."""
        return await self._run(self._limiter(device, "reads"), work)

    def known(self, device: str) -> None:
        """A device of that name is there: from now on it has its own threads."""
        self._limiter(device, "looks")

    async def _run(self, limiter: anyio.CapacityLimiter, work: Callable[[], T]) -> T:
        try:
            with anyio.fail_after(_PATIENCE):
                return await anyio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
        except TimeoutError as error:
            raise DiskHangs("the disk does not answer") from error

    def _limiter(self, device: str | None, what: str) -> anyio.CapacityLimiter:
        key = (device, what)
        if key not in self._limiters:
            self._limiters[key] = anyio.CapacityLimiter(_AT_ONCE)
        return self._limiters[key]
