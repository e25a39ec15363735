"""Where the host is looked at: what all of a machine shares, in one value, so that another one may stand in for it."""

import errno
import os
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from hotcold_inotify.clock import Clock
from hotcold_inotify.disk import SURVIVED
from hotcold_inotify.doctor.synchronisation import synchronised

# A process may end while it is looked at, and a folder go.
_GONE: Final = frozenset({errno.ENOENT, errno.ESRCH, errno.ENOTDIR})
_NOT_TO_BE_HAD: Final = SURVIVED | {errno.ESRCH, errno.EINVAL}


@attrs.frozen
class Host:
    """Folders as hier(7) has them; `synchronised` says whether the clock is, None where nobody knows."""

    proc: str = "/proc"
    etc: str = "/etc"
    lib: str = "/usr/lib"
    spool: str = "/var/spool/cron"
    clock: Clock = attrs.field(factory=Clock)
    synchronised: Callable[[], bool | None] = synchronised


class Missed:
    """What could not be looked at, in plain words, each once."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._refused: dict[str, dict[str, None]] = {}

    def add(self, what: str) -> None:
        """One more."""
        self._said[what] = None

    def failed(self, path: str, error: OSError) -> None:
        """A path that refused; one that is not there has nothing to be looked at. Other errors are raised."""
        if error.errno not in _NOT_TO_BE_HAD:
            raise error
        if error.errno not in _GONE:
            self._refused.setdefault(os.strerror(error.errno or 0), {})[path] = None

    def texts(self) -> tuple[str, ...]:
        """All of it; of many paths that refused in one way, the first."""
        refused = []
        for reason, paths in self._refused.items():
            first, *more = paths
            refused.append(f"{first}{f' and {len(more)} more' if more else ''}: {reason}")
        return (*self._said, *refused)


def read(path: str, missed: Missed, at_most: int = -1) -> str | None:
    """The text of a file, or its first bytes; None: it is not there, or missed."""
    try:
        with open(path, "rb") as file:
            return file.read(at_most).decode("utf-8", "surrogateescape")
    except OSError as error:
        missed.failed(path, error)
        return None


def entries(path: str, missed: Missed) -> Iterator[str]:
    """The paths of what is in a folder, by name; nothing when it is not there, or missed."""
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        missed.failed(path, error)
        return
    yield from (os.path.join(path, name) for name in names)
