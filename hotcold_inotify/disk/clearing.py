"""Empty a slot where it stands: for a disk that has no room left even for the folder that would take its place."""

import contextlib
import os
from collections.abc import Iterator

from hotcold_inotify.disk.expiry import Due, Expired, trim
from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.slots import PLAYLIST
from hotcold_inotify.hours import Generation


def clear(folder: Folder, slot: int, generation: Generation, due: Due) -> Iterator[Expired]:
    """Delete what is due in the slot, in slices, if it still is `generation`'s. Its playlist goes first: it must not
    list what is gone (I4). OSError as from `trim`.
    """
    with folder.slots.locked():
        fd = folder.slots.open(slot)
        try:
            if folder.slots.held(fd) != generation:
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(PLAYLIST, dir_fd=fd)
        finally:
            os.close(fd)
    yield from trim(folder, slot, due)
