"""An ffmpeg that records in the old layout meanwhile, and what it has finished, by the kernel's word.

The witness knows of each file by its CLOSE_WRITE, and looks at size and mtime then: nothing moves a file that young.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import inotify_simple
from inotify_simple import flags

from tests.live.test_migrate import FIRST, old_command

SEGMENTS: Final = f"segment_{FIRST // 1_000_000}"
"""What the names of its segments begin with."""
# An ffmpeg that was interrupted says so.
_INTERRUPTED: Final = 255
_RECORDED: Final = (".ts", ".jpg")


def is_recorded(name: str) -> bool:
    """Whether it has one of this ffmpeg's names."""
    return name.partition("_")[2].startswith(str(FIRST // 1_000_000))


@attrs.define
class Witness:
    """What has been finished in a device's two mixed folders: size (bytes) and mtime (ns) by name."""

    _folders: dict[int, str]
    _inotify: inotify_simple.INotify
    _finished: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _ends: threading.Event = attrs.field(factory=threading.Event)

    def finished(self) -> dict[str, tuple[int, int]]:
        """All until now."""
        with self._lock:
            return dict(self._finished)

    def listen(self) -> None:
        """Until the end; and then once more, for what waits."""
        last = False
        while not last:
            last = self._ends.is_set()
            for event in self._inotify.read(timeout=100):
                if event.name.endswith(_RECORDED):
                    there = os.stat(os.path.join(self._folders[event.wd], event.name))
                    with self._lock:
                        self._finished[event.name] = there.st_size, there.st_mtime_ns

    def end(self) -> None:
        """Let `listen` end."""
        self._ends.set()


@contextlib.contextmanager
def recording(ffmpeg: str, device: Path) -> Iterator[Witness]:
    """One ffmpeg writes into `device` in the old layout; on the way out it is interrupted, and finishes its files."""
    folders = [str(device), str(device / "captures")]
    with inotify_simple.INotify() as inotify:
        witness = Witness({inotify.add_watch(folder, flags.CLOSE_WRITE): folder for folder in folders}, inotify)
        thread = threading.Thread(target=witness.listen)
        thread.start()
        process = subprocess.Popen(old_command(ffmpeg, device))
        try:
            yield witness
            if process.poll() is not None:
                raise SystemExit(f"{ffmpeg} ended with {process.returncode} while it was to record")
            process.send_signal(signal.SIGINT)
            if process.wait(timeout=20) != _INTERRUPTED:
                raise SystemExit(f"{ffmpeg} ended with {process.returncode} when it was interrupted")
        finally:
            process.kill()
            process.wait()
            witness.end()
            thread.join()
