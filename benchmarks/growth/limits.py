"""What many devices and many files need of the machine, taken for a while and given back: a file system in memory with
inodes enough, inotify instances, descriptors.
"""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

_INSTANCES: Final = Path("/proc/sys/fs/inotify/max_user_instances")
# What a device holds open when it starts, at most; and what a reactor needs besides.
_PER_DEVICE: Final = 20
_BESIDES: Final = 200


@contextlib.contextmanager
def ended_by_term() -> Iterator[None]:
    """SIGTERM unwinds the block, so that everything is given back."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are not this thread's
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@contextlib.contextmanager
def roomy(folder: Path, inodes: int) -> Iterator[bool]:
    """A tmpfs of its own in `folder`, with so many inodes; whether it may be had: else it is the folder as it is.

    Taking it away is quick, however many files lie there.
    """
    folder.mkdir()
    option = f"nr_inodes={inodes},mode=0755"
    command = ["mount", "-t", "tmpfs", "-o", option, "hotcold-benchmark", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield mounted or _free_inodes(folder) > inodes
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def _free_inodes(folder: Path) -> int:
    return os.statvfs(folder).f_favail


@contextlib.contextmanager
def allowed(devices: int) -> Iterator[str]:
    """Instances and descriptors for so many devices. Yields why not, in words; "" when there are enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _PER_DEVICE * devices + _BESIDES
    with contextlib.ExitStack() as stack:
        # The reactor raises its soft limit to the hard one by itself.
        if hard != resource.RLIM_INFINITY and hard < needed:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, needed))
                stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        why = _raised(stack, devices)
        yield why


def _raised(stack: contextlib.ExitStack, devices: int) -> str:
    before = int(_INSTANCES.read_text("ascii"))
    # What others had before, they have besides.
    try:
        _INSTANCES.write_text(str(before + devices + 1), "ascii")
    except OSError:
        return "" if before > devices + 1 else f"fs.inotify.max_user_instances is {before}, and cannot be raised"
    stack.callback(_INSTANCES.write_text, str(before), "ascii")
    return ""
