"""From when each file was finished and when each was moved to what is said of a round. Values only.

The n-th file that is finished in a folder pushes out the one that came `limit` before it. So its latency is the time
from its own close to the other's move; and the hot count at any moment is what was finished by then less what was
moved. Both are exact: nothing is sampled. Times are Unix ns.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import attrs

from benchmarks.comparison.arena import Found
from benchmarks.comparison.workload import HOTS, files


@attrs.frozen
class Round:
    """What happened: `closed` in the writer's order, `found` in the order of HOTS."""

    closed: Sequence[int]
    since: int
    """Place in `closed` of the first file that counts."""
    found: Sequence[Found]
    began: int
    ended: int
    """Between these two the processor's time was taken."""


@attrs.frozen
class History:
    """One hot folder: when its files came, and when its oldest went, each in order; `limit` were there before."""

    limit: int
    came: tuple[int, ...]
    went: tuple[int, ...]

    def before(self) -> Iterator[tuple[int, int]]:
        """Of each file that came: when, and how many were there an instant before."""
        gone = 0
        for earlier, at in enumerate(self.came):
            while gone < len(self.went) and self.went[gone] < at:
                gone += 1
            yield at, self.limit + earlier - gone

    def greatest(self, since: int) -> int:
        """The most that were there an instant before the next one was finished."""
        return max((count for at, count in self.before() if at >= since), default=self.limit)

    def over(self, since: int, until: int) -> float:
        """Share of the time in which more were there than may be."""
        total = 0
        for start, end, count in self.spans():
            if count > self.limit:
                total += max(0, min(end, until) - max(start, since))
        return total / (until - since) if until > since else 0.0

    def spans(self) -> list[tuple[int, int, int]]:
        """Start, end and count of each stretch in which the count stayed the same, from the first event on."""
        events = sorted([(at, 1) for at in self.came] + [(at, -1) for at in self.went])
        counts = itertools.accumulate((step for _, step in events), initial=self.limit)
        next(counts)
        return (
            [
                (at, following, count)
                for (at, _), (following, _), count in zip(
                    events, [*events[1:], (events[-1][0], 0)], counts, strict=True
                )
            ]
            if events
            else []
        )


@attrs.frozen
class Reckoned:
    """What is said of a round."""

    latencies: tuple[int, ...]
    """ns, sorted, of each counted file: until the one that it pushed out had been moved. Of one that had not been moved
    at the end: the time until then.
    """
    unmoved: int
    """Of them."""
    moved: int
    """Files that were moved while the processor's time was taken."""
    speed: float
    """Files a second, from the first of them to the last."""
    histories: tuple[History, ...]
    """In the order of HOTS."""
    since: int
    until: int
    """When the first and the last file that count were finished."""
    lost: int
    twice: int

    def latency(self, share: float) -> float:
        """The quantile, in us."""
        return self.latencies[max(0, math.ceil(len(self.latencies) * share) - 1)] / 1000

    @property
    def multiple(self) -> float:
        """The greatest hot count of any folder, as a multiple of its limit."""
        return max(history.greatest(self.since) / history.limit for history in self.histories)

    @property
    def over(self) -> float:
        """Share of the time above the limit, of the mean folder."""
        shares = [history.over(self.since, self.until) for history in self.histories]
        return sum(shares) / len(shares)


def reckon(seen: Round) -> Reckoned:
    """Of one round."""
    came: list[list[int]] = [[] for _ in HOTS]
    latencies, unmoved, lost = [], 0, 0
    for turn, ((place, number), at) in enumerate(zip(files(), seen.closed, strict=False)):
        came[place].append(at)
        if turn < seen.since:
            continue
        pushed = seen.found[place].places.get(number - HOTS[place].kind.limit)
        if pushed is None:
            continue  # it is among the lost
        if pushed.slot is None:
            unmoved += 1
        latencies.append((seen.ended if pushed.slot is None else pushed.changed) - at)
    histories = []
    moves: list[int] = []
    for hot, times, found in zip(HOTS, came, seen.found, strict=True):
        lost += sum(number not in found.places for number in range(hot.kind.limit + len(times)))
        went = sorted(place.changed for place in found.places.values() if place.slot is not None)
        moves += [at for at in went if seen.began <= at <= seen.ended]
        histories.append(History(hot.kind.limit, tuple(times), tuple(went)))
    moves.sort()
    return Reckoned(
        tuple(sorted(latencies)),
        unmoved,
        len(moves),
        (len(moves) - 1) / (moves[-1] - moves[0]) * 1e9 if len(moves) > 1 and moves[-1] > moves[0] else 0.0,
        tuple(histories),
        seen.closed[seen.since],
        seen.closed[-1],
        lost,
        sum(found.twice for found in seen.found),
    )
