"""The same on PyPI's watchdog, as its users write it: one handler a folder, its names in a deque, a rename for each.

Its arguments: FOLDER PATTERN LIMIT [FOLDER PATTERN LIMIT ...]
"""

import fnmatch
import os
import sys
import time
from collections import deque

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Archiver(FileSystemEventHandler):
    """Keeps one folder at its limit."""

    def __init__(self, folder: str, pattern: str, limit: int) -> None:
        self._folder = folder
        self._pattern = pattern
        self._limit = limit
        self._names = deque(sorted(fnmatch.filter(os.listdir(folder), pattern)))

    def on_closed(self, event: FileSystemEvent) -> None:
        """A file was written in place."""
        self._finished(os.path.basename(str(event.src_path)))

    def on_moved(self, event: FileSystemEvent) -> None:
        """A file was written under another name."""
        self._finished(os.path.basename(str(event.dest_path)))

    def _finished(self, name: str) -> None:
        if not fnmatch.fnmatch(name, self._pattern):
            return
        self._names.append(name)
        while len(self._names) > self._limit:
            oldest = self._names.popleft()
            path = f"{self._folder}/{oldest}"
            hour = time.localtime(os.stat(path).st_mtime).tm_hour
            os.rename(path, f"{self._folder}/{hour}/{oldest}")


def main() -> None:
    """Until it is ended."""
    observer = Observer()
    for folder, pattern, limit in zip(sys.argv[1::3], sys.argv[2::3], map(int, sys.argv[3::3]), strict=True):
        observer.schedule(Archiver(folder, pattern, limit), folder)
    observer.start()
    print("ready", flush=True)
    observer.join()


if __name__ == "__main__":
    main()
