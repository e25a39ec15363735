"""Whether the oldest file leaves at once, by what was watched and by the reactor's own histogram."""

from collections.abc import Sequence
from typing import Final

import attrs

from hotcold_inotify.checklist.histogram import Histogram
from hotcold_inotify.checklist.hotcount import Watched
from hotcold_inotify.checklist.promises import CHECK, Checked
from hotcold_inotify.checklist.verdicts import Item, Line, Point, failed, not_shown, passed
from hotcold_inotify.checklist.wording import counted, lasting

# Above the limit for longer than this is not at once. The file that displaces another one is always there for some
# microseconds, and a busy machine wakes the one who watches late.
AT_ONCE: Final = 0.5
# Of the reactor's own times, 99 of 100 stay below; the alert HotcoldMovesSlow has the same figure.
SLOW: Final = 0.1


@attrs.frozen
class Moves:
    """What the reactor's metrics said between two looks. `url`: where; None: they are not configured. `latency` None:
    they did not answer.
    """

    url: str | None
    latency: Histogram | None
    refused: float = 0.0


def judge(watched: Sequence[Watched], moves: Moves, reactor: int | None, checked: Checked) -> Line:
    """Line 3. `reactor`: the process that has the root; None: none has."""
    points = [] if reactor is not None else [failed("no reactor runs on this root: hotcold run")]
    points += checked.of(Item.MOVES)
    points += [_point(one, runs=reactor is not None) for one in watched]
    points += _reactors_own(moves, runs=reactor is not None)
    asked = ["inotify on every hot folder", CHECK, *([moves.url] if moves.url else [])]
    above = max((one.above for one in watched), default=0.0)
    said = f"{counted(sum(one.left for one in watched), 'file')} left; no hot folder was above its limit for more than "
    said += lasting(above)
    if moves.latency is not None and moves.latency.count:
        said += f"; the reactor's own time: 99 of 100 within {lasting(moves.latency.quantile(0.99))}"
    return Line(Item.MOVES, tuple(points), tuple(asked), said)


def _point(one: Watched, *, runs: bool) -> Point:
    if one.above > AT_ONCE:
        return failed(f"{one.place}: {one.most} were hot of {one.limit}, above the limit for {lasting(one.above)}")
    if one.left:
        above = "never above it" if not one.above else f"above it for {lasting(one.above)} at most"
        return passed(
            f"{one.place}: {counted(one.came, 'file')} came and {one.left} left, "
            f"{one.most} were hot at most of {one.limit}, {above}"
        )
    if not one.came:
        said = f"{one.place}: nothing came, so nothing had to leave"
        return not_shown(said) if one.known else Point(said)
    wait = (one.limit - one.last) * one.seconds / one.came
    start = "" if runs else "start the reactor, and "
    return not_shown(
        f"{one.place}: {one.last} of {one.limit} are hot, so nothing has to leave: {start}look again in {lasting(wait)}"
    )


def _reactors_own(moves: Moves, *, runs: bool) -> list[Point]:
    if moves.url is None:
        return [Point("the reactor's own times are not to be had: metrics.listen is empty, or has no port")]
    if moves.latency is None:
        return [failed(f"{moves.url} did not answer")] if runs else []
    points = []
    if moves.refused:
        points.append(failed(f"the reactor counted {moves.refused:.0f} refused moves; its log has the errno"))
    if not moves.latency.count:
        return [*points, Point("the reactor moved nothing meanwhile")]
    half, most = moves.latency.quantile(0.5), moves.latency.quantile(0.99)
    said = (
        f"the reactor's own time for {counted(moves.latency.count, 'move')}: half took at most {lasting(half)}, "
        f"99 of 100 at most {lasting(most)} (hotcold_move_latency_seconds, by its buckets)"
    )
    return [*points, passed(said) if most <= SLOW else failed(said)]
