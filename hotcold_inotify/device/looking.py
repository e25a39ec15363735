"""Looks at one hot folder. They read only; all but `is_there` may take long, and are for a thread."""

import os
import stat
import time
from collections.abc import Callable

import attrs

from hotcold_inotify.disk import SURVIVED, Folder, Lent, Listing, Scan, list_hot
from hotcold_inotify.disk.waiting import Waiting, waiting
from hotcold_inotify.names import FileName


@attrs.frozen
class Found:
    """What a look found. Of the slots' disk, which it may have been told not to ask: None, and False."""

    listing: Listing
    waiting: Waiting
    cost: float
    """Seconds of a processor, whatever the disk took."""
    free_bytes: int | None = None
    slot_moved: bool = False


def look(
    folder: Folder, at_most: int, *, known: Callable[[str], FileName | None], waits: bool, cold: bool
) -> Found | None:
    """List at most so many entries; None: the folder is another one by now.

    `known`: what is known of a name already. `waits`: more is known to be there than may stay, so reckon how much.
    `cold`: ask the slots' disk too.
    """
    began = time.thread_time()
    if folder.hot_moved_away() or (cold and folder.cold_moved_away()):
        return None
    listing = list_hot(folder, at_most, known)
    waits = waits or len(listing.names) > folder.kind.hot_limit
    there = waiting(folder) if waits else Waiting(0, 0)
    cost = time.thread_time() - began
    if not cold:
        return Found(listing, there, cost)
    return Found(listing, there, cost, folder.free_bytes(), folder.slots.moved_away())


def begin_scan(folder: Folder, lent: Lent) -> Scan:
    """A scan of the folder; `lent` closes it."""
    scan = Scan(folder)
    lent.closing.callback(scan.close)
    return scan


def is_there(folder: Folder, text: str) -> bool | None:
    """Whether a regular file has that name; None: nothing has.

    What an event names may have left since: a look at the whole folder runs ahead of the events in the queue. A name
    without a file would keep a file's place in the hot set.
    """
    try:
        return stat.S_ISREG(os.stat(text, dir_fd=folder.hot_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in SURVIVED:
            raise
        return True  # to find out is the move's business, which says what is wrong
