"""Whether new files of each kind appear hot, and none where the old mixed folders had them."""

from collections.abc import Iterable, Sequence

import attrs

from hotcold_inotify.checklist.hotcount import Watched
from hotcold_inotify.checklist.promises import Checked
from hotcold_inotify.checklist.verdicts import Item, Line, Point, failed, not_shown, passed
from hotcold_inotify.checklist.wording import counted, lasting, some


@attrs.frozen
class Stray:
    """Files that were finished in the device's own folder, where the old layout has its segments."""

    device: str
    names: tuple[str, ...]


def judge(watched: Sequence[Watched], strays: Iterable[Stray], checked: Checked) -> Line:
    """Line 2."""
    points = list(checked.of(Item.WRITES))
    points += [
        failed(f"{one.device}: {some(one.names)} came into its own folder, which is the old place")
        for one in strays
        if one.names
    ]
    points += [_point(one, {other.device for other in watched if other.came}) for one in watched]
    points += [
        failed(f"{one.place}: {some(one.strange)} came, which {one.kind} does not have; its place is another folder")
        for one in watched
        if one.strange
    ]
    came = sum(one.came for one in watched)
    during = lasting(max((one.seconds for one in watched), default=0.0))
    said = f"{counted(came, 'new file')} in {counted(len(watched), 'hot folder')} in {during}, none in an old place"
    return Line(Item.WRITES, tuple(points), ("inotify on every hot folder, and on each device's own",), said)


def _point(one: Watched, alive: set[str]) -> Point:
    during = lasting(one.seconds)
    if one.came:
        return passed(f"{one.place}: {counted(one.came, 'new file')} in {during}")
    if one.device not in alive:
        return failed(f"{one.place}: no new file in {during}; nothing records {one.device}: start its ffmpeg")
    if one.known:
        return failed(f"{one.place}: no new file in {during}, and there have been some: docs/operate.md, KindStopped")
    return not_shown(f"{one.place}: it has never had a file; record this kind, or take it out of the configuration")
