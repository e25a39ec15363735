"""What waits to leave one hot folder, because its disk does not keep up: told to the metrics, and said in the log."""

from structlog.typing import FilteringBoundLogger

from hotcold_inotify.disk.waiting import Waiting
from hotcold_inotify.metrics import FolderInstruments


class Backlog:
    """The state of one folder: whether more waits than may."""

    def __init__(self, limit: int, instruments: FolderInstruments, log: FilteringBoundLogger) -> None:
        """`limit`: bytes that may wait without a word."""
        self._limit = limit
        self._instruments = instruments
        self._log = log
        self._over = False
        self._last = Waiting(0, 0)
        instruments.waiting_limit.set(limit)
        instruments.waiting_files.set(0)
        instruments.waiting_bytes.set(0)

    def is_now(self, waiting: Waiting) -> None:
        """So much waits at this moment."""
        if waiting != self._last:
            self._last = waiting
            self._instruments.waiting_files.set(waiting.files)
            self._instruments.waiting_bytes.set(waiting.bytes)
        if waiting.bytes > self._limit and not self._over:
            self._over = True
            self._log.warning(
                "more waits to leave the hot folder than cold_backlog allows: the disk of its hours does not keep up; "
                "nothing is deleted",
                waiting_files=waiting.files,
                waiting_bytes=waiting.bytes,
                cold_backlog=self._limit,
            )
        elif self._over and not waiting.files:
            # Not as soon as it is below the limit: a disk that just keeps up would have it said again and again.
            self._over = False
            self._log.info("what waited to leave the hot folder has left")
