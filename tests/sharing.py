"""Several pytest processes share one machine: their tests run side by side, but one that sets a kernel parameter runs
alone.

Two locks, by flock(2). Whoever holds the gate may go for the machine: many at once, or one alone. Who wants to be alone
keeps the gate while he waits, so the others cannot keep him waiting for ever.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, operation)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def machine(*, alone: bool, folder: Path | None = None) -> Iterator[None]:
    """Hold the machine, `alone` or beside others; waits for as long as it takes. `folder` has the lock files."""
    place = folder or Path(tempfile.gettempdir())
    gate, held = (place / f"hotcold-tests-{os.getuid()}.{name}" for name in ("gate", "machine"))
    with contextlib.ExitStack() as stack:
        with _locked(gate, fcntl.LOCK_EX):
            stack.enter_context(_locked(held, fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        yield
