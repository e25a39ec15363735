"""`hotcold run` in a process of its own on a core of its own, and what that process takes.

When it is ready it says so as it does to systemd, sd_notify(3): the socket is ours.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import attrs

from benchmarks.comparison.contender import on
from benchmarks.comparison.processor import consumed, memory

_CLONE: Final = Path(__file__).parents[1]
# Seconds that a start, and an end, may take.
_PATIENCE: Final = 30.0
_END: Final = 10.0
# A start is over when two looks at what it takes differ by less than this part ...
_STEADY: Final = 0.15
# ... or when it takes less than this of a core.
_CALM: Final = 0.01


class Unfit(Exception):
    """It did not become ready, or it ended: the text says which, and the end of its log."""


@attrs.frozen
class Launched:
    """A reactor that is ready."""

    pid: int
    began: float
    """time.monotonic() just before it was started."""
    ready_after: float
    """Seconds from then on."""

    def processor(self) -> float:
        """Seconds of a processor that it has had, all of its threads together."""
        return consumed(self.pid) / 1e9

    def resident(self) -> float:
        """MiB that it has in memory now."""
        return memory(self.pid).resident

    def descriptors(self) -> int:
        """How many it holds open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def share(self, seconds: float) -> float:
        """The part of a core that it takes, over so many seconds from now."""
        began, used = time.monotonic(), self.processor()
        time.sleep(seconds)
        return (self.processor() - used) / (time.monotonic() - began)

    def rests(self, pause: float, at_most: float) -> None:
        """Wait until what a start does behind the scenes is done, by what it takes; but not for ever, seconds."""
        until = time.monotonic() + at_most
        before = self.share(pause)
        while before > _CALM and time.monotonic() < until:
            now = self.share(pause)
            if now > before * (1 - _STEADY):
                return
            before = now


@contextlib.contextmanager
def launched(folder: Path, root: Path, zone: str, core: int) -> Iterator[Launched]:
    """A reactor on `root`, pinned to `core`; its configuration and its log are in `folder`, which must be there. It
    ends with the block.

    `Unfit`: it is not ready in good time, or not there any more at the end of the block.
    """
    config, log = folder / "hotcold.toml", folder / "hotcold.log"
    config.write_text(f'root = "{root}"\ntimezone = "{zone}"\n[metrics]\nlisten = "127.0.0.1:0"\n', "utf-8")
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(config), "run"]
    with _Manager(folder / "notify") as manager, log.open("wb") as out:
        environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
        with on(core):
            began = time.monotonic()
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=_CLONE)
        try:
            while not manager.ready.wait(0.1):
                if process.poll() is not None:
                    raise Unfit(f"it ended at its start\n{_end_of(log)}")
                if time.monotonic() > began + _PATIENCE:
                    raise Unfit(f"not ready after {_PATIENCE:.0f} s")
            yield Launched(process.pid, began, manager.ready_at - began)
            if process.poll() is not None:
                raise Unfit(f"it ended\n{_end_of(log)}")
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END)
            process.kill()
            process.wait()


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]


class _Manager:
    """The service manager that the reactor tells how it does. What it says is read all the time: a full socket would
    hold it up.
    """

    def __init__(self, path: Path) -> None:
        """`path` of the socket, which is to be made."""
        self.address = str(path)
        self.ready = threading.Event()
        self.ready_at = 0.0
        """By time.monotonic()."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._hear)

    def __enter__(self) -> Self:
        self._socket.bind(self.address)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        os.unlink(self.address)

    def _hear(self) -> None:
        while said := self._socket.recv(4096):
            if b"READY=1" in said.splitlines() and not self.ready.is_set():
                self.ready_at = time.monotonic()
                self.ready.set()
