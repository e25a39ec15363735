"""Whether every folder is there: each device and kind, with its hours."""

from collections.abc import Iterable

import attrs

from hotcold_inotify.checklist.promises import CHECK, Checked
from hotcold_inotify.checklist.verdicts import Item, Line, failed, passed
from hotcold_inotify.checklist.wording import counted, some


@attrs.frozen
class Layout:
    """One device's folders. `missing`: those that are none, below the device; `there`: how many are."""

    device: str
    kinds: tuple[str, ...]
    there: int
    missing: tuple[str, ...]


def judge(layouts: Iterable[Layout], checked: Checked) -> Line:
    """Line 1."""
    points = list(checked.of(Item.FOLDERS))
    layouts = list(layouts)
    for one in layouts:
        if one.missing:
            points.append(failed(f"{one.device}: {counted(len(one.missing), 'folder')} missing: {some(one.missing)}"))
        else:
            kinds = ", ".join(one.kinds)
            points.append(passed(f"{one.device}: {counted(one.there, 'folder')}: {kinds}, each with 0 to 23"))
    there = sum(one.there for one in layouts)
    said = f"{counted(there, 'folder')} of {counted(len(layouts), 'device')}"
    return Line(Item.FOLDERS, tuple(points), (CHECK, "stat of every folder"), said)
