"""A hot path as it is often written: one loop that moves files, and deletes an expired folder when it comes by.

    python -m benchmarks.operations.inlinedeletion HOT SLOT EXPIRED

It is what `expiring` compares the daemon with: as fast as Python can move a file, for it does nothing else. It moves
the oldest of HOT to SLOT whenever a file is closed there and more are in it than may be; and when EXPIRED is there, it
deletes it.
"""

import os
import shutil
import sys
from collections import deque

import inotify_simple
from inotify_simple import flags

from benchmarks.operations.steady import LIMIT


def main() -> None:
    """Until it is killed."""
    hot, slot, expired = sys.argv[1:]
    inotify = inotify_simple.INotify()
    inotify.add_watch(hot, flags.CLOSE_WRITE)
    names = deque(sorted(entry.name for entry in os.scandir(hot) if entry.is_file()))
    print("ready", flush=True)
    while True:
        for event in inotify.read():
            if os.path.exists(expired):
                shutil.rmtree(expired)
            names.append(event.name)
            if len(names) > LIMIT:
                name = names.popleft()
                os.rename(f"{hot}/{name}", f"{slot}/{name}")


if __name__ == "__main__":
    main()
