"""Whether the heatmap has every hour that is on the disk, and whether that is all 24 of them."""

from collections.abc import Iterable, Sequence

import attrs

from hotcold_inotify.checklist.verdicts import Item, Line, Point, failed, not_shown, passed
from hotcold_inotify.checklist.wording import clock, counted, some
from hotcold_inotify.hours import DAY, HOUR, Calendar, Generation, Zone


@attrs.frozen
class Minute:
    """One minute that has thumbnails: its start (Unix seconds), how many there are, and the URL of one."""

    at: float
    files: int
    thumbnail: str | None


@attrs.frozen
class Day:
    """One device's heatmap. `start` to `end`: what it spans. `held`: the hours of which thumbnails are on the disk, the
    hot ones included; `since`: mtime of the oldest. `broken`: URLs of thumbnails that were asked for, one an hour, and
    did not come; `refused`: what was answered instead of a heatmap.
    """

    device: str
    url: str
    start: float
    end: float
    minutes: tuple[Minute, ...]
    held: tuple[Generation, ...]
    since: float | None
    asked: int = 0
    broken: tuple[str, ...] = ()
    refused: str | None = None


def hourly(minutes: Iterable[Minute], calendar: Calendar) -> dict[Generation, list[Minute]]:
    """The minutes by their hours."""
    hours: dict[Generation, list[Minute]] = {}
    for one in minutes:
        hours.setdefault(calendar.generation_at(one.at), []).append(one)
    return hours


def judge(found: Sequence[Day], calendar: Calendar, zone: Zone) -> Line:
    """Line 6."""
    points = [point for day in found for point in _points(day, calendar, zone)]
    if not found:
        points.append(not_shown("there is no device with thumbnails to ask for"))
    minutes, asked = sum(len(day.minutes) for day in found), sum(day.asked for day in found)
    said = f"every hour that is on the disk, {counted(minutes, 'minute')} with thumbnails; "
    said += f"{counted(asked, 'thumbnail')} asked for, one an hour, and complete"
    return Line(Item.DAY, tuple(points), tuple(day.url for day in found), said)


def _points(day: Day, calendar: Calendar, zone: Zone) -> list[Point]:
    if day.refused is not None:
        return [failed(f"{day.device}: {day.refused}")]
    shown = hourly(day.minutes, calendar)
    wanted = [held for held in day.held if _within(held, day, calendar)]
    lost = tuple(str(held) for held in wanted if held not in shown)
    points = []
    if lost:
        points.append(failed(f"{day.device}: thumbnails of {some(lost)} are on the disk, and not in the heatmap"))
    if day.broken:
        points.append(failed(f"{day.device}: of {day.asked} thumbnails these did not come: {some(day.broken)}"))
    if day.since is None:
        return [*points, not_shown(f"{day.device}: nothing was recorded yet")]
    if not lost and not day.broken:
        points.append(_complete(day, len(shown), zone))
    points += _empty(day, shown, calendar, zone)
    return points


def _complete(day: Day, shown: int, zone: Zone) -> Point:
    since = day.since if day.since is not None else day.end
    said = f"{day.device}: {counted(shown, 'hour')} of 24, {counted(len(day.minutes), 'minute')} with thumbnails, "
    said += f"{counted(day.asked, 'thumbnail')} asked for and complete"
    if since < day.start + HOUR:
        return passed(said)
    return not_shown(
        f"{said}: all that there is since the first recording, {clock(since, zone)}; "
        f"look again after {clock(since + DAY - HOUR, zone)}"
    )


def _within(held: Generation, day: Day, calendar: Calendar) -> bool:
    span = calendar.span(held)
    return span is not None and span.start < day.end and span.end > day.start


def _empty(day: Day, shown: dict[Generation, list[Minute]], calendar: Calendar, zone: Zone) -> list[Point]:
    """The hours without thumbnails, and why."""
    before: list[str] = []
    gaps: list[str] = []
    at = day.start
    while at < day.end:
        hour, after = calendar.generation_at(at), calendar.next_turn(at)
        if hour not in shown and hour not in day.held:
            (before if day.since is None or after <= day.since else gaps).append(str(hour))
        at = after
    points = []
    if before and day.since is not None:
        said = f"{before[0]} to {before[-1]}" if len(before) > 1 else before[0]
        points.append(Point(f"{day.device}: empty: {said}, before the first recording, {clock(day.since, zone)}"))
    if gaps:
        points.append(Point(f"{day.device}: empty: {', '.join(gaps)}: nothing of these hours is on the disk"))
    return points
