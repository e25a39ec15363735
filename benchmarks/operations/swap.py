"""Cleanup in hot and cold folders: an hour's slot changes places with an empty folder, and its files are deleted later.

Both are the daemon's own code, called here without its event loop.
"""

import time
from collections.abc import Iterator

import attrs

from hotcold_inotify.config import Config
from hotcold_inotify.disk import empty_rooms, find_device
from hotcold_inotify.hours import HOUR, Calendar, zone


@attrs.frozen
class Cleaned:
    """One hour of thumbnails that went; milliseconds."""

    files: int
    swap: float
    deletion: float
    """In the background, in slices of some 10 ms."""


def cleaned(config: Config, now: float) -> Iterator[Cleaned]:
    """Take the hours of `capture1` away, the oldest of the day up to `now` first.

    SystemExit: a slot does not hold the hour that was made.
    """
    device = find_device(config, "capture1")
    if device is None:
        raise SystemExit(f"{config.root} has no capture1")
    kind = next(kind for kind in config.kinds if kind.name == "thumbnails")
    calendar = Calendar(zone(config.timezone))
    with device.open(kind, calendar) as folder:
        for back in range(23, 0, -1):
            hour = calendar.generation_at(now - back * HOUR)
            began = time.perf_counter()
            gone = folder.slots.retire(hour.slot, hour)
            swapped = time.perf_counter()
            if not gone:
                raise SystemExit(f"slot {hour.slot} does not hold {hour}")
            files = sum(slice_.files for slice_ in empty_rooms(folder, due=lambda _mtime: True))
            yield Cleaned(files, (swapped - began) * 1000, (time.perf_counter() - swapped) * 1000)
