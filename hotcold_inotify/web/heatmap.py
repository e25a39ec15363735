"""The last 24 hours, minute by minute: what was recorded, what it looked like, what was wrong with it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import Home
from hotcold_inotify.hours import DAY
from hotcold_inotify.web import incidents
from hotcold_inotify.web.answers import MinuteState
from hotcold_inotify.web.minutes import Minute, by_time, minutes
from hotcold_inotify.web.moments import Moments
from hotcold_inotify.web.tree import Tree, read_beneath, url_of

MINUTE = 60


@attrs.frozen
class _Placed:
    """A minute of one folder."""

    minute: Minute
    slot: int | None
    """Where its first file is; None: it is hot."""
    last: bytes | None
    """What its last file holds, where that was asked for."""


def heatmap(tree: Tree, home: Home, moments: Moments) -> dict[str, Any]:
    """The answer `Heatmap`, as plain values."""
    now = tree.now()
    end = tree.calendar.next_turn(now)
    bounds = [end - DAY + MINUTE * number for number in range(DAY // MINUTE + 1)]
    times = moments.texts(bounds)
    nothing: list[_Placed | None] = [None] * (len(bounds) - 1)
    shown = tree.kinds.get("thumbnails")
    counted = shown or next((kind for kind in tree.kinds.values() if kind.playlist), None)
    files = _day(tree, home, counted, bounds) if counted else nothing
    analysed = tree.kinds.get("metadata")
    metadata = _day(tree, home, analysed, bounds, contents=True) if analysed else nothing
    made = []
    for number, (found, said) in enumerate(zip(files, metadata, strict=True)):
        at = bounds[number]
        # The running minute of a live device is no gap before its first file is there.
        state = MinuteState.FILES if found else MinuteState.GAP if at + MINUTE <= now else MinuteState.FUTURE
        made.append(
            {
                "time": times[number],
                "state": state,
                "files": found.minute.files if found else 0,
                "thumbnail": url_of(home, shown, found.slot, found.minute.first) if found and shown else None,
                "incidents": incidents.within(said.last, at, at + MINUTE) if said else [],
            }
        )
    return {"device": home.name, "now": moments.text(now), "start": times[0], "end": times[-1], "minutes": made}


def _day(
    tree: Tree, home: Home, kind: Kind, bounds: Sequence[float], *, contents: bool = False
) -> list[_Placed | None]:
    """The minutes of one kind: its slots, and the hot folder after them. `contents`: read each minute's last file."""
    # Hot first: a file that moves meanwhile is then seen twice, never missed.
    hot = by_time([(one.mtime, one.name.text) for one in tree.hot(home, kind)], bounds)
    read: Callable[[str], bytes | None] = partial(tree.read_anywhere, home, kind) if contents else _no_content
    placed = [None if found is None else _Placed(found, None, read(found.last)) for found in hot]
    calendar = tree.calendar
    at, end = bounds[0], bounds[-1]
    while at < end:
        slot, after = calendar.generation_at(at).slot, min(calendar.next_turn(at), end)
        # Zones that turn within a minute are history; the minute goes to the hour that it begins in.
        first, last = _index(at, bounds), _index(after, bounds)
        with tree.folder(home.cold_path, kind, slot) as fd:
            if fd is not None:
                read = partial(read_beneath, fd) if contents else _no_content
                look = partial(tree.looked_at, fd)
                for number, found in enumerate(minutes(fd, kind.pattern, bounds[first : last + 1], look), first):
                    if found is not None:
                        placed[number] = _joined(found, slot, placed[number], read)
        at = after
    return placed


def _index(at: float, bounds: Sequence[float]) -> int:
    return min(round((at - bounds[0]) / MINUTE), len(bounds) - 1)


def _joined(cold: Minute, slot: int, hot: _Placed | None, read: Callable[[str], bytes | None]) -> _Placed:
    """One minute of which older files are archived, and newer ones may be hot."""
    if hot is None:
        return _Placed(cold, slot, read(cold.last))
    # Whoever moved between the two looks is counted twice: some files of one minute at most.
    return _Placed(Minute(cold.files + hot.minute.files, cold.first, hot.minute.last), slot, hot.last)


def _no_content(_name: str) -> None:
    return None
