"""The comparison's plots."""

import math
from typing import Final

from benchmarks.comparison.contender import REACTOR, polling
from benchmarks.comparison.findings import ORDER, Findings, Value, each, figure, p50
from benchmarks.comparison.outcome import Outcome
from benchmarks.comparison.plan import DESIGN, LONGEST, LONGEST_QUICK, RATES
from benchmarks.comparison.workload import HOTS
from benchmarks.part import Figure, Plot, Series

# The busiest folder of the first device: five files a second on the design's host, and 100 may stay.
_SHOWN: Final = next(place for place, hot in enumerate(HOTS) if hot.kind.name == "thumbnails")
# Seconds; the greatest count in each such stretch is drawn.
_STRETCH: Final = 0.5


def pictures(findings: Findings) -> tuple[Plot, ...]:
    """All of them, the one that says most first."""
    latency = "From a file's close to the move that it causes, median"
    return (
        _hot_files(findings),
        _by_rate(findings, "comparison-latency", latency, p50),
        _by_rate(findings, "comparison-processor", "Processor time a moved file", each),
    )


def _by_rate(findings: Findings, name: str, title: str, value: Value) -> Plot:
    """In us, over the files a second."""
    rates = tuple(rate for rate in RATES if findings.there(rate))
    nothing = Figure.of([math.nan], "us")
    series = tuple(
        Series(one, tuple(figure(found, value, "us") if found else nothing for found in rounds))
        for one in ORDER
        if any(rounds := [findings.rounds(rate, one) for rate in rates])
    )
    return Plot(name, title, "files finished a second, in all folders", "", rates, series, log_x=True, log_y=True)


def _hot_files(findings: Findings) -> Plot:
    hot = HOTS[_SHOWN]
    names = (REACTOR.name, polling(LONGEST_QUICK if findings.quick else LONGEST).name)
    courses = {name: _course(findings.rounds(DESIGN, name)[0]) for name in names if findings.rounds(DESIGN, name)}
    length = min(map(len, courses.values()))
    series = tuple(Series(name, tuple(Figure.of([at]) for at in course[:length])) for name, course in courses.items())
    title = f"One hot folder of the design's host, where {hot.kind.limit} {hot.kind.name} may stay"
    x = tuple(stretch * _STRETCH for stretch in range(length))
    return Plot("comparison-hot-files", title, "seconds", "files in the hot folder", x, series)


def _course(outcome: Outcome) -> list[float]:
    """The greatest count in each stretch of time, an instant before a file is finished."""
    history, since = outcome.reckoned.histories[_SHOWN], outcome.reckoned.since
    counts: dict[int, int] = {}
    for at, count in history.before():
        if at >= since:
            stretch = int((at - since) / 1e9 / _STRETCH)
            counts[stretch] = max(count, counts.get(stretch, 0))
    course: list[float] = []
    for stretch in range(max(counts) + 1):
        course.append(counts.get(stretch, course[-1] if course else history.limit))
    return course
