"""Whether the playlists of the hours load, list only what is there, and play."""

from collections.abc import Sequence

import attrs

from hotcold_inotify.checklist.promises import CHECK, Checked
from hotcold_inotify.checklist.verdicts import Item, Line, Point, failed, not_shown, passed
from hotcold_inotify.checklist.wording import counted, lasting


@attrs.frozen
class Sample:
    """One listed segment, as the API gave it. `frames`: what ffprobe decoded; None: there is no ffprobe."""

    url: str
    frames: int | None
    trouble: str | None = None


@attrs.frozen
class Hour:
    """One hour's playlist, as the API gave it and as it lies on the disk. `trouble`: what is wrong with it."""

    device: str
    url: str
    entries: int
    seconds: float
    missing: tuple[str, ...] = ()
    """Files that it lists, and that are not there."""
    samples: tuple[Sample, ...] = ()
    trouble: str | None = None


def judge(hours: Sequence[Hour], checked: Checked, *, answers: bool) -> Line:
    """Line 7. `answers`: whether the API could be asked."""
    points = list(checked.of(Item.PLAYLISTS))
    if not answers:
        points.append(failed("the API does not answer: hotcold serve"))
    elif not hours and not points:
        points.append(not_shown("no hour has a playlist yet: look again when a segment has left its hot folder"))
    for one in hours:
        points += _troubles(one)
    points += [_played(device, hours) for device in dict.fromkeys(one.device for one in hours)]
    samples = [sample for one in hours for sample in one.samples]
    if samples and all(sample.frames is None and sample.trouble is None for sample in samples):
        points.append(not_shown("whether they play: there is no ffprobe to decode a segment; install ffmpeg"))
    frames = sum(sample.frames or 0 for sample in samples)
    said = f"{counted(len(hours), 'playlist')} of an hour: {counted(sum(one.entries for one in hours), 'segment')}, "
    said += f"{lasting(sum(one.seconds for one in hours))}; {counted(len(samples), 'segment')} of them decoded, "
    said += counted(frames, "frame")
    return Line(Item.PLAYLISTS, tuple(points), (*(one.url for one in hours), CHECK), said)


def _troubles(one: Hour) -> list[Point]:
    points = [failed(f"{one.url}: {one.trouble}")] if one.trouble is not None else []
    if one.missing:
        missing = counted(len(one.missing), "file that is", "files that are")
        points.append(failed(f"{one.url}: lists {missing} not there: {one.missing[0]}"))
    return points + [failed(f"{sample.url}: {sample.trouble}") for sample in one.samples if sample.trouble is not None]


def _played(device: str, hours: Sequence[Hour]) -> Point:
    own = [one for one in hours if one.device == device and one.trouble is None]
    good = [sample for one in own for sample in one.samples if sample.trouble is None]
    frames = sum(sample.frames or 0 for sample in good)
    said = f"{device}: {counted(len(own), 'playlist')} of an hour answered 200 and the same bytes as on the disk: "
    said += f"{counted(sum(one.entries for one in own), 'segment')}, {lasting(sum(one.seconds for one in own))}"
    if good:
        said += f"; {counted(len(good), 'segment')} of them fetched"
    if frames:
        said += f" and decoded, {counted(frames, 'frame')}"
    return passed(said) if own else Point(f"{device}: none of its playlists could be had")
