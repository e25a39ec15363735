"""Makes what a benchmark looks at: a device with a full day in hot and cold folders, and the same day in one mixed
folder. The rates are the design's: 5 thumbnails, 2 captures, 2 metadata files and 1 segment a second.

A `share` of 1/20 makes every 20th of the files, as slower recorders do: the same hours and minutes, smaller folders.

Only what is read has a content, and the thumbnails of the first hours, which a cleanup deletes: listings know no
difference, and a disk takes ten times as long to delete a file that is not empty.
"""

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from hotcold_inotify import playlist
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import PLAYLIST
from hotcold_inotify.hours import DAY, HOUR, Calendar, zone

RATES = {"segments": 1.0, "captures": 2.0, "thumbnails": 5.0, "metadata": 2.0}
"""Files a second."""
LATE = 300
"""Seconds since the last cleanup of a mixed folder, which comes round every five minutes: so much more than a day is
in it.
"""
HEAVY_HOURS = 8
"""So many hours of thumbnails, the oldest ones, have a content."""
_DIGITS = 9  # ffmpeg's %09d
_READ = 1_000  # of each kind's newest
_PICTURE = b"\xff\xd8" + b"\x00" * 196 + b"\xff\xd9"
_SEGMENT = b"\x47" * 188


@attrs.frozen
class Made:
    """A file to be: its number, and when it was finished (Unix seconds)."""

    number: int
    at: float


def last_moment() -> float:
    """The end of the running hour (Unix time, UTC): all 24 slots are full then, and no turn of the hour is near."""
    return (time.time() // HOUR + 1) * HOUR - 0.001


def hot_and_cold(root: Path, now: float, share: float = 1.0) -> Config:
    """Make `root/capture1` with the hot folders at their limits and 24 slots up to `now`; its configuration."""
    config = Config(root=str(root), timezone="UTC")
    calendar = Calendar(zone("UTC"))
    for kind in config.kinds:
        rate = RATES[kind.name] * share
        files = list(_files(now, rate))
        # The newest are read, and of the metadata any.
        read = {one.number for one in (files if kind.name == "metadata" else files[-_READ:])}
        hot = {one.number for one in files[-kind.hot_limit :]}
        folder = root / "capture1" / kind.name
        for slot in range(24):
            (folder / str(slot)).mkdir(parents=True)
        listed: dict[int, list[Made]] = {}
        for one in files:
            slot = calendar.generation_at(one.at).slot
            place = folder if one.number in hot else folder / str(slot)
            _write(place, kind, one, _content(kind, one) if one.number in read or _heavy(kind, one, now) else b"")
            if kind.playlist and one.number not in hot:
                listed.setdefault(slot, []).append(one)
        for slot, segments in listed.items():
            named = kind.pattern.named
            entries = tuple(playlist.Entry(named(one.number, _DIGITS), 1 / rate, one.at - 1 / rate) for one in segments)
            target = math.ceil(1 / rate) + 1
            made = playlist.render(playlist.Playlist(target, entries, ended=len(segments) == round(HOUR * rate)))
            (folder / str(slot) / PLAYLIST).write_bytes(made)
    return config


def mixed(folder: Path, now: float, share: float = 1.0) -> int:
    """Make one folder with all files of the day and of the time since the last cleanup, as recorders without hour
    folders leave it; how many there are: 867,000 at the end of an hour.
    """
    folder.mkdir(parents=True)
    count = 0
    for kind in Config().kinds:
        for one in _files(now, RATES[kind.name] * share, LATE):
            _write(folder, kind, one, _content(kind, one) if _heavy(kind, one, now) else b"")
            count += 1
    return count


def _files(now: float, rate: float, late: float = 0.0) -> Iterator[Made]:
    """A day of one kind, and so many seconds more, oldest first, the last one just finished."""
    # From the turn of the hour that is 23 hours before the running one: 24 slots, one of them running.
    first = (now // HOUR) * HOUR - DAY + HOUR - late
    for number in range(int((now - first) * rate + 0.5)):
        # A hundredth before its time: the last one of an hour is within it.
        at = first + (number + 1) / rate - 0.01
        yield Made(number, min(at, now))


def _heavy(kind: Kind, one: Made, now: float) -> bool:
    """Whether a cleanup will delete it."""
    return kind.name == "thumbnails" and one.at < now - DAY + HEAVY_HOURS * HOUR


def _content(kind: Kind, one: Made) -> bytes:
    if kind.name == "segments":
        return _SEGMENT
    if kind.name != "metadata":
        return _PICTURE
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(one.at))
    black = {"start": stamp, "length": 4.0, "running": False} if one.number % 7_000 < 100 else None
    said = {
        "version": 1,
        "timestamp": stamp,
        "filename": f"capture_{one.number:09d}.jpg",
        "blackscreen": False,
        "freeze": False,
        "luma": 117.4,
        "audio": True,
        "mean_volume_db": -21.3,
        "events": {"black": black, "frozen": None, "silent": None},
    }
    return json.dumps(said).encode()


def _write(folder: Path, kind: Kind, one: Made, content: bytes) -> None:
    path = f"{folder}/{kind.pattern.named(one.number, _DIGITS)}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    if content:
        os.write(fd, content)
    os.close(fd)
    os.utime(path, (one.at, one.at))
