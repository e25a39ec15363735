"""Makes what a benchmark looks at: a device with a full day in hot and cold folders, and the same day in one mixed
folder. The sizes are the design's: 5 thumbnails, 2 captures, 2 metadata files and 1 segment a second.
"""

import json
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
_DIGITS = 9  # ffmpeg's %09d
_PICTURE = b"\xff\xd8" + b"\x00" * 196 + b"\xff\xd9"
_SEGMENT = b"\x47" * 188


@attrs.frozen
class Made:
    """A file to be: its number, when it was finished (Unix seconds), and its content."""

    number: int
    at: float
    content: bytes


def hot_and_cold(root: Path, now: float) -> Config:
    """Make `root/capture1` with the hot folders at their limits and 24 full slots; its configuration."""
    config = Config(root=str(root), timezone="UTC")
    calendar = Calendar(zone("UTC"))
    for kind in config.kinds:
        files = list(_files(kind, now))
        hot = {one.number for one in files[-kind.hot_limit :]}
        folder = root / "capture1" / kind.name
        for slot in range(24):
            (folder / str(slot)).mkdir(parents=True)
        listed: dict[int, list[Made]] = {}
        for one in files:
            slot = calendar.generation_at(one.at).slot
            _write(folder if one.number in hot else folder / str(slot), kind, one)
            if kind.playlist and one.number not in hot:
                listed.setdefault(slot, []).append(one)
        for slot, segments in listed.items():
            named = kind.pattern.named
            entries = tuple(playlist.Entry(named(one.number, _DIGITS), 1.0, one.at - 1.0) for one in segments)
            made = playlist.render(playlist.Playlist(2, entries, ended=len(segments) == HOUR))
            (folder / str(slot) / PLAYLIST).write_bytes(made)
    return config


def mixed(folder: Path, now: float) -> int:
    """Make one folder with all files of the day, as recorders without hour folders leave it; how many there are."""
    folder.mkdir(parents=True)
    count = 0
    for kind in Config().kinds:
        for one in _files(kind, now):
            _write(folder, kind, one)
            count += 1
    return count


def _files(kind: Kind, now: float) -> Iterator[Made]:
    """A day of one kind, oldest first, the last one just finished."""
    rate = RATES[kind.name]
    # From the turn of the hour that is 23 hours before the running one: 24 slots, one of them running.
    first = (now // HOUR) * HOUR - DAY + HOUR
    count = int((now - first) * rate)
    for number in range(count):
        at = first + (number + 1) / rate
        yield Made(number, min(at, now), _content(kind, number, at))


def _content(kind: Kind, number: int, at: float) -> bytes:
    if kind.name == "segments":
        return _SEGMENT
    if kind.name != "metadata":
        return _PICTURE
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(at))
    black = {"start": stamp, "length": 4.0, "running": False} if number % 7_000 < 100 else None
    said = {
        "version": 1,
        "timestamp": stamp,
        "filename": f"capture_{number:09d}.jpg",
        "blackscreen": False,
        "freeze": False,
        "luma": 117.4,
        "audio": True,
        "mean_volume_db": -21.3,
        "events": {"black": black, "frozen": None, "silent": None},
    }
    return json.dumps(said).encode()


def _write(folder: Path, kind: Kind, one: Made) -> None:
    path = f"{folder}/{kind.pattern.named(one.number, _DIGITS)}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, one.content)
    os.close(fd)
    os.utime(path, (one.at, one.at))
