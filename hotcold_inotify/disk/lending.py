"""Descriptors that threads work on are closed by whoever is last: the owner, or a thread that nobody waits for any
more.

A task that is cancelled leaves its thread behind, for a disk may hang for ever. Closing under such a thread would let
it go on with a number that by then is another folder's.
"""

import contextlib
import errno
import os
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Lent:
    """What `closing` holds is closed once, when its owner and every thread have done with it."""

    def __init__(self) -> None:
        self.closing = contextlib.ExitStack()
        """What there is to close; add to it only before `close`, or within `use`."""
        self._lock = threading.Lock()
        self._holders = 1
        self._owned = True

    def use(self, work: Callable[[], T]) -> T:
        """What `work` returns; for a thread. OSError EBADF: it was closed before the work began."""
        with self._lock:
            if self._holders == 0:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._holders += 1
        try:
            return work()
        finally:
            self._let_go()

    def close(self) -> None:
        """The owner has done with it; to be called by him alone, and again without harm."""
        if self._owned:
            self._owned = False
            self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self.closing.close()
