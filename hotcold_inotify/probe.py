"""A segment's own duration, by ffprobe: for a backlog of which no playlist tells and whose mtimes do not either."""

import shutil
import subprocess
import time

_TIMEOUT = 5.0
# So many failures in a row are no accident: there is no ffprobe, or these are no segments. Then it is left in peace
# for a while.
_FAILURES = 3
_PAUSE = 60.0


class Probe:
    """Asks ffprobe, and stops asking for a minute when it cannot tell anyway. For one thread at a time."""

    def __init__(self) -> None:
        self._failed = 0
        self._not_before = 0.0

    def duration(self, path: str) -> float | None:
        """Seconds, or None when it cannot be told. Takes some 50 ms of a core: call it in a thread."""
        if time.monotonic() < self._not_before:
            return None
        found = _ffprobe(path)
        self._failed = 0 if found is not None else self._failed + 1
        if self._failed >= _FAILURES:
            self._failed = 0
            self._not_before = time.monotonic() + _PAUSE
        return found


def _ffprobe(path: str) -> float | None:
    program = shutil.which("ffprobe")
    if program is None:
        return None
    command = [program, "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", "-i", path]
    try:
        found = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL)
        return float(found.stdout.split()[0])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return None
