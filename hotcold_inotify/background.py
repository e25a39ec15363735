"""What may be done in a thread a little later: looks, recovery, expiry. One thread at a time for the whole process, and
it takes what has gathered in one go.

To hand work to a thread costs several times what a look costs. To list a folder gives up the interpreter for each entry
(scandir(3)): threads that list at once wake each other each time, twenty futex(2) for every file that moves meanwhile.
But a disk that is slow or hangs must not keep others from their turn (I8): who is longer than a moment at one thing is
left to it, and another thread takes the rest.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs
import outcome
import trio

_MOMENT: Final = 0.25
# What is done is told at least this often. Both in seconds.
_TELL: Final = 0.01

T = TypeVar("T")


@attrs.define(eq=False)
class _Job:
    """Something to do, and what came of it."""

    work: Callable[[], Any]
    done: trio.Event = attrs.field(factory=trio.Event)
    result: outcome.Value[Any] | outcome.Error | None = None
    wanted: bool = True


@attrs.define(eq=False)
class _Thread:
    """Whoever is at the jobs."""

    since: float
    """When it began its present one: time.monotonic()."""
    done: list[_Job] = attrs.field(factory=list)
    """What nobody has been told of yet."""


class Background:
    """The queue of one process, and whoever is at it."""

    def __init__(self) -> None:
        self.folders = 0
        """How many hot folders are looked at by it."""
        self._waiting: deque[_Job] = deque()
        self._at_it: _Thread | None = None
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. A cancelled caller leaves it behind, for a disk may hang for ever."""
        job = _Job(work)
        self._waiting.append(job)
        try:
            while not job.done.is_set():
                self._have_it_done(trio.lowlevel.current_trio_token())
                with trio.move_on_after(_MOMENT):
                    await job.done.wait()
        finally:
            job.wanted = False
        if job.result is None:
            raise AssertionError("unreachable: it is done")
        result: T = job.result.unwrap()
        return result

    def _have_it_done(self, token: trio.lowlevel.TrioToken) -> None:
        """See that somebody is at it who gets on."""
        with self._lock:
            before = self._at_it
            if before is not None and time.monotonic() - before.since > _MOMENT:
                self._tell(before)  # it comes to it late, if ever
                before = self._at_it = None
            if before is not None or not self._waiting:
                return
            thread = self._at_it = _Thread(time.monotonic())
        trio.lowlevel.start_thread_soon(lambda: self._work(thread, token), lambda ended: ended.unwrap())

    def _work(self, me: _Thread, token: trio.lowlevel.TrioToken) -> None:
        """In the thread: until nothing waits, or another one has taken over."""
        told = time.monotonic()
        while (job := self._next(me)) is not None:
            job.result = outcome.capture(job.work)
            me.done.append(job)
            if me.since - told > _TELL:
                told = me.since
                self._have_told(me, token)
        self._have_told(me, token)

    def _have_told(self, me: _Thread, token: trio.lowlevel.TrioToken) -> None:
        with contextlib.suppress(trio.RunFinishedError):  # nobody is there to be told any more
            token.run_sync_soon(self._tell, me)

    def _next(self, me: _Thread) -> _Job | None:
        with self._lock:
            while self._at_it is me and self._waiting:
                job = self._waiting.popleft()
                if job.wanted:
                    me.since = time.monotonic()
                    return job
            if self._at_it is me:
                self._at_it = None
            return None

    @staticmethod
    def _tell(thread: _Thread) -> None:
        """In the event loop."""
        while thread.done:
            thread.done.pop(0).done.set()
