"""How long a screenshot takes: by the server's own histogram where it has one, else by the client's clock."""

from collections.abc import Sequence
from statistics import quantiles
from typing import Final

import attrs

from hotcold_inotify.checklist.histogram import Histogram
from hotcold_inotify.checklist.verdicts import Item, Line, Point, failed, not_shown, passed
from hotcold_inotify.checklist.wording import counted, lasting

SOON: Final = 0.005
"""Seconds that a screenshot may take."""


@attrs.frozen
class Shots:
    """The screenshots of one device, asked for over loopback one after the other. `seconds`: the client's, of those
    that came; `refused`: what was answered instead of a picture, if anything was; `size`: bytes of the last one.
    """

    device: str
    url: str
    seconds: tuple[float, ...]
    size: int = 0
    refused: str | None = None


def judge(shots: Sequence[Shots], served: Histogram) -> Line:
    """Line 5. `served`: the server's own times meanwhile."""
    points = [failed(f"{one.device}: {one.refused}") for one in shots if one.refused is not None]
    times = [seconds for one in shots for seconds in one.seconds]
    if served.count:
        half, most = served.quantile(0.5), served.quantile(0.99)
        said = (
            f"the server's own time for {counted(served.count, 'request')}: half took at most {lasting(half)}, "
            f"99 of 100 at most {lasting(most)}; {served.within(SOON):.1%} were within {lasting(SOON)} "
            "(hotcold_http_request_duration_seconds, by its buckets)"
        )
        points.append(passed(said) if half <= SOON else failed(said))
    elif times:
        half, most = _half_and_most(times)
        said = f"the client's time, as the server tells none: median {lasting(half)}, p99 {lasting(most)}"
        points.append(passed(said) if half <= SOON else failed(said))
    elif not points:
        points.append(not_shown("there is no device with captures to ask for"))
    points += [_clients(one) for one in shots if one.seconds]
    return Line(Item.SCREENSHOT, tuple(points), tuple(one.url for one in shots))


def _clients(one: Shots) -> Point:
    half, most = _half_and_most(one.seconds)
    return Point(
        f"{one.device}: {counted(len(one.seconds), 'picture')}, the last of {one.size:,} bytes; over loopback, "
        f"with the client: median {lasting(half)}, p99 {lasting(most)}"
    )


def _half_and_most(times: Sequence[float]) -> tuple[float, float]:
    if len(times) == 1:
        return times[0], times[0]
    cuts = quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[98]
