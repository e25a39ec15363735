"""Whether everything answered, and recording went on, for as long as the acceptance took."""

from collections.abc import Sequence

import attrs

from hotcold_inotify.checklist.hotcount import Watched
from hotcold_inotify.checklist.verdicts import Item, Line, Point, failed, not_shown, passed
from hotcold_inotify.checklist.wording import counted, lasting, some


@attrs.frozen
class Asked:
    """One request. `status` None: it was not answered, and `trouble` says why."""

    url: str
    seconds: float
    status: int | None
    trouble: str | None = None


@attrs.frozen
class Health:
    """What one /healthz said, again and again. `url` None: it is not configured; `bad`: what it said besides "ok"."""

    who: str
    url: str | None
    times: int
    bad: tuple[str, ...]


def judge(asked: Sequence[Asked], healths: Sequence[Health], watched: Sequence[Watched], patience: float) -> Line:
    """Line 9. `patience`: seconds after which a device without a new file counts as stopped."""
    points = [*(_health(one) for one in healths), *_requests(asked), *_recorded(watched, patience)]
    slowest = max((one.seconds for one in asked), default=0.0)
    silent = max((one.silent for one in _busiest(watched)), default=0.0)
    said = f"{len(asked):,} requests answered, the slowest in {lasting(slowest)}; every /healthz said ok each second; "
    said += f"no device was without a new file for more than {lasting(silent)}"
    return Line(Item.STEADY, tuple(points), tuple(one.url for one in healths if one.url is not None), said)


def _requests(asked: Sequence[Asked]) -> list[Point]:
    lost: dict[str, list[Asked]] = {}
    for one in asked:
        if one.status is None:
            lost.setdefault(one.url, []).append(one)
    points = []
    for url, own in lost.items():
        longest = max(own, key=lambda one: one.seconds)
        times = counted(len(own), "time")
        points.append(failed(f"{url}: not answered {times}, after {lasting(longest.seconds)}: {longest.trouble}"))
    if asked and not lost:
        slowest = max(asked, key=lambda one: one.seconds)
        requests = f"{len(asked):,} requests were" if len(asked) > 1 else "one request was"
        points.append(passed(f"{requests} answered; the slowest, {slowest.url}, in {lasting(slowest.seconds)}"))
    return points


def _health(one: Health) -> Point:
    if one.url is None:
        return not_shown(f"{one.who}: its address is not configured, so its /healthz cannot be asked")
    if not one.times:
        return failed(f"{one.who}: /healthz could not be asked once")
    if one.bad:
        return failed(f"{one.who}: of {counted(one.times, 'time')}, {len(one.bad)} not ok: {some(one.bad, 1)}")
    return passed(f"{one.who}: /healthz said ok {counted(one.times, 'time')} of {one.times}")


def _recorded(watched: Sequence[Watched], patience: float) -> list[Point]:
    points = []
    for best in _busiest(watched):
        said = f"{best.device}: the longest time without a new file was {lasting(best.silent)} (in {best.kind})"
        if best.silent <= patience:
            points.append(passed(said))
        else:
            points.append(failed(f"{said}: its ffmpeg stood still"))
    return points


def _busiest(watched: Sequence[Watched]) -> list[Watched]:
    """Of each device the folder with the shortest silence: while one kind comes, its ffmpeg is alive."""
    return [
        min((one for one in watched if one.device == device), key=lambda one: one.silent)
        for device in dict.fromkeys(one.device for one in watched)
    ]
