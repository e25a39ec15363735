"""One ear for all devices: it waits for their event queues together, and has each device react to its next few events.

A queue is read in slices, round about, so that a flood on one device delays no other (I8).

While events come closely, one after the other, it waits for the next one in the kernel itself, for a moment: the way
through trio's loop costs half as much again as all the rest that is done for a file. The other tasks wait so long at
most; they get their turn every few milliseconds in any case.
"""

import time
from collections.abc import Callable
from typing import Final

from hotcold_inotify.watch import Queues, Watch

# Seconds. An event that followed its forerunner within this time has the next one waited for as long.
_LINGER: Final = 0.001
# After so many seconds, or events, each of which may move a file, the other tasks get their turn.
_TURN: Final = 0.001
_EVENTS: Final = 32


class Hearing:
    """`run` it beside the devices that `listen`."""

    def __init__(self) -> None:
        self._queues = Queues()
        self._listeners: dict[int, Callable[[], int]] = {}

    def listen(self, watch: Watch, hear: Callable[[], int]) -> None:
        """From now on `hear` is called when the watch has something to read; it reads once, and says how many events
        that were.
        """
        self._listeners[watch.fileno()] = hear
        self._queues.add(watch)

    def leave(self, watch: Watch) -> None:
        """The watch is about to be closed."""
        self._queues.remove(watch)
        del self._listeners[watch.fileno()]

    def close(self) -> None:
        """When nobody listens any more."""
        self._queues.close()

    async def run(self) -> None:
        """Hear until cancelled."""
        done = 0.0
        while True:
            await self._queues.wait()
            began, heard, wait = time.perf_counter(), 0, 0.0
            while ready := self._queues.ready(wait):
                heard += sum(self._listeners[fd]() for fd in ready)
                before, done, wait = done, time.perf_counter(), _LINGER
                if done - before > _LINGER or done - began > _TURN or heard >= _EVENTS:
                    break
