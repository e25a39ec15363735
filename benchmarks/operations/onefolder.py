"""What is asked of one mixed folder with a whole day in it, and answered as its hosts did: by a scan of all names in
Python, and where that is one line of shell, by an operator's script.

`now` is the end of the folder's day, Unix seconds. Only files of the right name are looked at: a stat(2) for each.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.operations.fullday import LATE
from hotcold_inotify.hours import DAY, HOUR

_CAPTURE: Final = re.compile(r"capture_([0-9]+)\.jpg")
_THUMBNAIL: Final = re.compile(r"capture_([0-9]+)_thumbnail\.jpg")
_SEGMENT: Final = re.compile(r"segment_([0-9]+)\.ts")
_METADATA: Final = re.compile(r"capture_([0-9]+)\.json")
_KINDS: Final = (_SEGMENT, _CAPTURE, _THUMBNAIL, _METADATA)

NEWEST_CAPTURE: Final = r"ls -t | grep -m1 '^capture_[0-9]*\.jpg$'"
COUNT: Final = "ls | wc -l"
"""All kinds together."""


def newest_capture(folder: Path, _now: float) -> object:
    """The newest capture."""
    return max(_dated(folder, _CAPTURE))


def count(folder: Path, _now: float) -> object:
    """How many files there are of each kind."""
    counts = [0] * len(_KINDS)
    with os.scandir(folder) as entries:
        for entry in entries:
            for number, rule in enumerate(_KINDS):
                if rule.fullmatch(entry.name):
                    counts[number] += 1
                    break
    return counts


def thumbnails_of_an_hour(folder: Path, now: float) -> object:
    """The thumbnails of the hour before the running one."""
    return sorted(one for one in _dated(folder, _THUMBNAIL) if now - 2 * HOUR <= one[0] < now - HOUR)


def segments_of_an_hour(folder: Path, now: float) -> object:
    """The segments of the hour before the running one."""
    return sorted(one for one in _dated(folder, _SEGMENT) if now - 2 * HOUR <= one[0] < now - HOUR)


def segments_of_a_day(folder: Path, _now: float) -> object:
    """All segments."""
    return sorted(_dated(folder, _SEGMENT))


def minutes_of_a_day(folder: Path, _now: float) -> object:
    """How many thumbnails each minute has."""
    minutes: dict[int, int] = {}
    for mtime, _name in _dated(folder, _THUMBNAIL):
        minutes[int(mtime // 60)] = minutes.get(int(mtime // 60), 0) + 1
    return minutes


def delete_thumbnails(folder: Path, before: float) -> int:
    """Delete the thumbnails that are older than that; how many those were."""
    old = [name for mtime, name in _dated(folder, _THUMBNAIL) if mtime < before]
    for name in old:
        os.unlink(f"{folder}/{name}")
    return len(old)


def delete_by_script(before: float) -> str:
    """The same as a line of shell."""
    return f"find . -name '*_thumbnail.jpg' ! -newermt @{before:.3f} -delete"


def hours(now: float) -> Iterator[float]:
    """Ends of the folder's hours, the oldest first: what is older than the next of them is an hour's worth."""
    start = now - DAY - LATE
    return (start + number * HOUR for number in range(1, 24))


def run(script: str, folder: Path) -> None:
    """Run a line of shell in the folder. CalledProcessError: it failed."""
    subprocess.run(["sh", "-c", script], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _dated(folder: Path, rule: re.Pattern[str]) -> Iterable[tuple[float, str]]:
    with os.scandir(folder) as entries:
        return [(entry.stat().st_mtime, entry.name) for entry in entries if rule.fullmatch(entry.name)]
