"""How much room there is where a device's hour folders are.

Reads only; may hang with its disk, so call it in a thread.
"""

import os
from collections.abc import Iterable

from hotcold_inotify.disk.errnos import SURVIVED
from hotcold_inotify.disk.layout import Home
from hotcold_inotify.pressure import Space

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def spaces(home: Home, kinds: Iterable[str]) -> dict[str, tuple[int, Space]]:
    """By kind: which file system its hour folders are on (stat(2) st_dev), and the room there. A kind whose folder is
    not to be had is left out.
    """
    found: dict[str, tuple[int, Space]] = {}
    for kind in kinds:
        try:
            found[kind] = _space(os.path.join(home.cold_path, kind))
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
    return found


def _space(path: str) -> tuple[int, Space]:
    fd = os.open(path, _OPEN)
    try:
        there = os.fstatvfs(fd)
        free, total = there.f_bavail * there.f_frsize, there.f_blocks * there.f_frsize
        return os.fstat(fd).st_dev, Space(free, total, there.f_favail, there.f_files)
    finally:
        os.close(fd)
