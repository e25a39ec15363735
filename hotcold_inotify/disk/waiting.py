"""How much waits to leave a hot folder. Reads only; may take long, so call it in a thread."""

import heapq
import itertools
import os
import stat
from typing import Final

import attrs

from hotcold_inotify.disk.folder import Folder

# A stat(2) for each, while files are to leave.
_LOOKED_AT: Final = 4_096


@attrs.frozen
class Waiting:
    """Files of a hot folder beyond its limit, the oldest ones."""

    files: int
    bytes: int


def waiting(folder: Folder) -> Waiting:
    """What is in the hot folder besides the newest that may stay, in bounded memory and time: where there are more than
    some thousand entries, it is reckoned from those.
    """
    files = size = looked_at = 0
    newest: list[tuple[int, int]] = []  # mtime and size of those that may stay
    with os.scandir(folder.hot_fd) as entries:
        for entry in itertools.islice(entries, _LOOKED_AT):
            looked_at += 1
            if folder.kind.pattern.match(entry.name) is None:
                continue
            try:
                found = os.stat(entry.name, dir_fd=folder.hot_fd, follow_symlinks=False)
            except FileNotFoundError:
                continue  # it left since it was listed
            if not stat.S_ISREG(found.st_mode):
                continue
            aged = (found.st_mtime_ns, found.st_size)
            if len(newest) < folder.kind.hot_limit:
                heapq.heappush(newest, aged)
            else:
                files += 1
                size += heapq.heappushpop(newest, aged)[1]
        rest = sum(1 for _ in entries)
    if not rest:
        return Waiting(files, size)
    as_many = 1 + rest / looked_at
    return Waiting(round(files * as_many), round(size * as_many))
