"""The archiver that this project replaces, as people have it: wake, look through each folder, move the excess, sleep.

Its arguments: PERIOD FOLDER PATTERN LIMIT [FOLDER PATTERN LIMIT ...]
"""

import fnmatch
import os
import sys
import time


def archive(folder: str, pattern: str, limit: int) -> None:
    """Move what is beyond the newest `limit` files into the hours of their mtimes."""
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if fnmatch.fnmatch(entry.name, pattern)]
    # Files of one tick of the kernel's clock have the same time: then the name says which is older.
    found.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name))
    for entry in found[:-limit]:
        hour = time.localtime(entry.stat().st_mtime).tm_hour
        os.rename(entry.path, f"{folder}/{hour}/{entry.name}")


def main() -> None:
    """Until it is ended."""
    period = float(sys.argv[1])
    folders = list(zip(sys.argv[2::3], sys.argv[3::3], map(int, sys.argv[4::3]), strict=True))
    print("ready", flush=True)
    while True:
        for folder, pattern, limit in folders:
            archive(folder, pattern, limit)
        time.sleep(period)


if __name__ == "__main__":
    main()
