"""Whether the disk of a folder is slow of late: then what needs it is done in a thread, and not in the event loop."""

import time

from structlog.typing import FilteringBoundLogger

SLOW = 0.05
"""Seconds: a rename takes some 50 us, so one that takes longer than this waits for a disk, and all devices with it."""
CALM = 10.0
"""Seconds for which nothing was slow, until things are done in the event loop again. A disk that is slow now and then
holds the loop once in so long."""
DOUBT = 1.0
"""The same after a single slow call: on a machine that is too busy any call may take long, and a thread costs more."""


class Spell:
    """One folder's slow spells. For the event loop's thread only."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        """`log` hears of it when a spell begins, and when it is over."""
        self.slow = False
        """Whether a spell lasts."""
        self._log = log
        self._sure = False
        self._slow_at = 0.0

    def took(self, seconds: float) -> None:
        """A piece of work that is usually done in the event loop took so long, wherever it was done."""
        if seconds > SLOW:
            self._slow_at = time.monotonic()
            if not self.slow:
                self.slow = True
                self._log.debug("a call was slow: files leave by a thread for now", took=round(seconds, 3))
            elif not self._sure:
                self._sure = True
                self._log.warning("the disk is slow: files leave by a thread until it is quick", took=round(seconds, 3))
        elif self.slow and time.monotonic() - self._slow_at > (CALM if self._sure else DOUBT):
            self.slow = False
            if self._sure:
                self._sure = False
                self._log.info("the disk is quick again: files leave at once")
