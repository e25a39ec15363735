"""What the hour folders hold: files of their own hour, and nothing that is past its retention."""

from collections.abc import Sequence
from typing import Final

import attrs

from hotcold_inotify.checklist.promises import CHECK, Checked
from hotcold_inotify.checklist.verdicts import Item, Line, Point, not_shown, passed
from hotcold_inotify.checklist.wording import clock, counted, kept, lasting
from hotcold_inotify.hours import DAY, Generation, Zone

# A reactor expires each minute. A kind with playlists goes by whole hours, so its oldest may be younger by one.
_PASS: Final = 120.0


@attrs.frozen
class Held:
    """One folder's slots. `hours`: the generations that they hold, oldest first; `oldest`: mtime of the oldest file of
    the oldest of them. `expired`: how many the reactor has deleted since it began; None: it did not tell.
    """

    device: str
    kind: str
    retention: float
    hours: tuple[Generation, ...]
    oldest: float | None
    recorded: bool
    """Whether anything is hot."""
    waiting: int = 0
    """Rooms of `.retired/`."""
    expired: float | None = None

    @property
    def place(self) -> str:
        """The folder as an operator writes it."""
        return f"{self.device}/{self.kind}"


def judge_hours(held: Sequence[Held], checked: Checked) -> Line:
    """Line 4."""
    bad = checked.places(Item.SLOTS)
    points = list(checked.of(Item.SLOTS))
    for one in held:
        if one.hours:
            said = f"{one.place}: {counted(len(one.hours), 'hour')}, {one.hours[0]} to {one.hours[-1]}"
            points.append(Point(said) if one.place in bad else passed(f"{said}, each with files of its own alone"))
        elif one.recorded:
            points.append(not_shown(f"{one.place}: nothing has left the hot folder yet"))
        else:
            points.append(Point(f"{one.place}: empty"))
    points.append(Point(f"{counted(checked.files, 'file')} looked at, each by its mtime"))
    hours = sum(len(one.hours) for one in held)
    said = f"{counted(checked.files, 'file')} looked at, in {counted(hours, 'hour folder')} and hot: each in its place"
    return Line(Item.SLOTS, tuple(points), (CHECK,), said)


def judge_expiry(held: Sequence[Held], checked: Checked, now: float, zone: Zone) -> Line:
    """Line 8."""
    bad = checked.places(Item.EXPIRY)
    points = list(checked.of(Item.EXPIRY))
    for one in held:
        if one.place not in bad and (one.hours or one.recorded or one.expired):
            points.append(_past(one, now, zone))
        if one.waiting:
            points.append(Point(f"{one.place}: {counted(one.waiting, 'folder')} in .retired, until each file is due"))
    said = "nothing that is older than its retention lies anywhere"
    expired = sum(one.expired or 0 for one in held)
    if expired:
        said += f"; {counted(round(expired), 'file')} expired since the reactor began"
    return Line(Item.EXPIRY, tuple(points), (CHECK, "hotcold_expired_files_total"), said)


def _past(one: Held, now: float, zone: Zone) -> Point:
    retention = min(one.retention, DAY)
    oldest = "its hour folders are empty"
    if one.oldest is not None:
        oldest = f"the oldest file is {lasting(max(now - one.oldest, 0.0))} old, and is kept for {kept(retention)}"
    if one.expired:
        return passed(f"{one.place}: {oldest}; {counted(round(one.expired), 'file')} expired since the reactor began")
    if one.oldest is not None and now - one.oldest >= retention - _PASS:
        return passed(f"{one.place}: {oldest}")
    if one.oldest is None:
        return not_shown(f"{one.place}: {oldest}")
    return not_shown(f"{one.place}: {oldest}, so none is due: look again after {clock(one.oldest + retention, zone)}")
