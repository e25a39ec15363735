"""One reactor a root: an flock(2) on `.hotcold.lock`, which names its holder. The kernel drops it with the process."""

import errno
import fcntl
import os
import time

from hotcold_inotify.disk.errnos import survived

LOCK_NAME = ".hotcold.lock"
# `holder` takes the lock for an instant; a reactor that starts in it looks again.
_TRIES = 5
_PAUSE = 0.02


class RootHeld(Exception):
    """Another reactor has this root; the text says which."""


class RootLock:
    """Held from construction to `close`."""

    def __init__(self, root: str) -> None:
        """RootHeld: another process has it. OSError: the root is missing or not writable."""
        path = os.path.join(root, LOCK_NAME)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        for left in reversed(range(_TRIES)):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if left:
                    time.sleep(_PAUSE)
                    continue
                pid = os.read(self._fd, 64).decode("ascii", "replace").strip() or "unknown"
                os.close(self._fd)
                raise RootHeld(f"{root} is run by another reactor, process {pid} (its lock: {path})") from None
        # In place and of one length, so that a full disk, which only a reactor empties, does not keep it from starting.
        with survived(errno.ENOSPC, errno.EDQUOT):
            os.pwrite(self._fd, f"{os.getpid():<15}\n".encode(), 0)

    def close(self) -> None:
        """Let go. The file stays: unlinking it would let two reactors hold two files of one name."""
        os.close(self._fd)


def holder(root: str) -> int | None:
    """The process that runs a reactor on `root`, or None."""
    try:
        fd = os.open(os.path.join(root, LOCK_NAME), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return None
        raise
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(fd, 64).strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(fd)
