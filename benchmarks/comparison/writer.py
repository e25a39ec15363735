"""Writes the files of a workload in time, and notes when each was finished: a process of its own, on its own core.

    python -m benchmarks.comparison.writer ROOT RESULT RATE SECONDS WARM MOST PID NAP

Files are written in place. RESULT gets the Unix times of each close, ns, as int64; standard output one line of JSON:
`since`, the first file that counts, and of it `began` (Unix ns) and `processor`, ns that PID had used by then.

While it waits for the next file, it makes the stamps of whoever moves files fine: see `finetime`. With NAP that is for
some milliseconds after each file, and then it sleeps: two writers share a core so.
"""

import array
import gc
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from benchmarks.comparison.finetime import ticker
from benchmarks.comparison.processor import consumed
from benchmarks.comparison.workload import DEVICES, HOTS, files

# Seconds that it stays awake after a file, and is awake again before the next.
_AFTER: Final = 0.005
_BEFORE: Final = 0.001
_LISTED: Final = 6  # segments in a live playlist, as the launcher has it


class LivePlaylist:
    """A device's `output.m3u8`, replaced with each segment as ffmpeg does it: under another name, then renamed."""

    def __init__(self, folder: str, at: float, listed: int = _LISTED) -> None:
        """`at`: Unix time at which the first segment that it will list begins. It lists so many."""
        self._path = f"{folder}/output.m3u8"
        self._entries: deque[str] = deque(maxlen=listed)
        self._count = 0
        self._at = at

    def add(self, name: str, at: float) -> None:
        """A segment has ended."""
        began = datetime.fromtimestamp(self._at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        self._entries.append(f"#EXTINF:{at - self._at:.6f},\n#EXT-X-PROGRAM-DATE-TIME:{began}\n{name}\n")
        self._at = at
        self._count += 1
        first = self._count - len(self._entries)
        head = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        write(f"{self._path}.tmp", (head + "".join(self._entries)).encode())
        os.rename(f"{self._path}.tmp", self._path)


def write(path: str, content: bytes, tick: Callable[[], None] = lambda: None) -> int:
    """Finish a file; Unix ns just before its close."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, content)
    tick()
    at = time.time_ns()
    os.close(fd)
    return at


def main() -> None:
    """Write."""
    root, result = sys.argv[1:3]
    rate, seconds, warm = map(float, sys.argv[3:6])
    most, pid, nap = map(int, sys.argv[6:9])
    folders = [f"{root}/{hot.path}/" for hot in HOTS]
    contents = [os.urandom(hot.kind.size) for hot in HOTS]
    lives = {hot: LivePlaylist(f"{root}/{hot.path}", time.time()) for hot in HOTS if hot.kind.live}
    if len(lives) != DEVICES:
        raise AssertionError("each device has its segments")
    by_place = [lives.get(hot) for hot in HOTS]
    named = [hot.kind.named for hot in HOTS]
    tick = ticker()
    closed = array.array("q")
    gc.disable()

    since = began = processor = -1
    clock = time.monotonic
    start = clock()
    gap = 1 / rate if rate else 0.0
    for turn, (place, number) in enumerate(files()):
        due = start + turn * gap if rate else clock()
        if since < 0 and due >= start + warm:
            since, began, processor = turn, time.time_ns(), consumed(pid)
        if due >= start + warm + seconds or turn >= most:
            break
        rest = (clock() + _AFTER, due - _BEFORE) if nap else (due, due)
        while (now := clock()) < due:
            tick()
            if rest[0] < now < rest[1]:
                time.sleep(rest[1] - now)
        name = named[place](number)
        at = write(folders[place] + name, contents[place], tick)
        closed.append(at)
        live = by_place[place]
        if live is not None:
            live.add(name, at / 1e9)

    with open(result, "wb") as out:
        closed.tofile(out)
    json.dump({"since": since, "began": began, "processor": processor}, sys.stdout)


if __name__ == "__main__":
    main()
