"""Cold files by the million, quickly: the reactor asks of them at its start which hour they belong to, and lists them.

The files of an hour are names of one file, hard links: to list and to ask costs the same, and to make them a third.
They are of the last 24 hours, so that none of them is due.
"""

import itertools
import os
from pathlib import Path
from typing import Final

from hotcold_inotify import playlist
from hotcold_inotify.config import DEFAULT_KINDS
from hotcold_inotify.disk import PLAYLIST
from hotcold_inotify.hours import HOUR, Calendar

# How a device's files are shared out; pictures are kept for an hour, so only the running one has any.
_SHARES: Final = {"segments": 1, "captures": 2, "thumbnails": 5, "metadata": 2}
_HOURS: Final = {kind.name: 24 if kind.retention > HOUR else 1 for kind in DEFAULT_KINDS}
_DIGITS: Final = 9
_FIRST: Final = 500_000_000
"""Their numbers begin here: the encoder's, which begin at nothing, must be free."""


def grown(root: Path, devices: int, files: int, calendar: Calendar, now: float) -> int:
    """Put so many cold files, about, into the devices below `root`, whose slots are there; how many they are. `now` is
    Unix time, at least a minute into its hour.
    """
    share = sum(_SHARES[name] * _HOURS[name] for name in _SHARES)
    each = files // (devices * share)
    if not each:
        return 0
    made = 0
    for ago, kind in itertools.product(range(24), DEFAULT_KINDS):
        if ago >= _HOURS[kind.name]:
            continue
        generation = calendar.generation_at(now - ago * HOUR)
        span = calendar.span(generation)
        if span is None:
            continue  # an hour that summer time skips
        at = span.start + 60
        names = [kind.pattern.named(_FIRST + number, _DIGITS) for number in range(each * _SHARES[kind.name])]
        source = root.parent / f"{root.name}.hour"
        source.write_bytes(b"x")
        os.utime(source, (at, at))
        text = b""
        if kind.playlist:
            entries = tuple(playlist.Entry(name, 1.0, at - 1) for name in names)
            text = playlist.render(playlist.Playlist(2, entries, ended=ago > 0))
        for device in range(1, devices + 1):
            slot = f"{root}/capture{device}/{kind.name}/{generation.slot}"
            for name in names:
                os.link(source, f"{slot}/{name}")
            if text:
                Path(slot, PLAYLIST).write_bytes(text)
            made += len(names)
        source.unlink()
    return made
