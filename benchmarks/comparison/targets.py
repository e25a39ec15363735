"""What the comparison aims at. All of it on tmpfs; ratios are the median of those of each round."""

from collections.abc import Iterator
from typing import Final

import attrs

from benchmarks.comparison.contender import FLOOR, REACTOR, WATCHDOG, Contender, polling
from benchmarks.comparison.findings import Findings, Value, each, figure, p50, ratio
from benchmarks.comparison.outcome import Outcome
from benchmarks.comparison.plan import DESIGN, LONGEST, LONGEST_QUICK
from benchmarks.part import Figure, Target


@attrs.frozen
class _Ratio:
    """The reactor's value beside another's; `fewer`: the other's beside the reactor's, which is to be large."""

    value: Value
    rate: float
    other: Contender
    limit: float
    fewer: bool = False

    def __str__(self) -> str:
        what = "latency (p50)" if self.value is p50 else "CPU a file"
        whose = f"{self.other.name}'s, beside ours" if self.fewer else f"ours, beside {self.other.name}'s"
        return f"{what} at {self.rate:,.0f} files/s: {whose}"


_RATIOS: Final = (
    _Ratio(each, 5_000, FLOOR, 3.5),
    _Ratio(p50, 5_000, FLOOR, 2.5),
    _Ratio(p50, 100, FLOOR, 6),
    _Ratio(each, 100, WATCHDOG, 3, fewer=True),
    _Ratio(p50, 100, WATCHDOG, 500, fewer=True),
    _Ratio(each, 5_000, WATCHDOG, 3, fewer=True),
    _Ratio(p50, 5_000, WATCHDOG, 500, fewer=True),
)


def _most(outcome: Outcome) -> float:
    return outcome.most


def targets(findings: Findings) -> Iterator[Target]:
    """Those that can be judged on this machine."""
    for one in _RATIOS:
        ours, theirs = findings.rounds(one.rate, REACTOR.name), findings.rounds(one.rate, one.other.name)
        if not theirs or (one.value is p50 and not findings.resolution.fine):
            continue
        above, below = (theirs, ours) if one.fewer else (ours, theirs)
        yield Target(str(one), ratio(above, below, one.value), one.limit, at_least=one.fewer)

    design, flat = findings.rounds(DESIGN, REACTOR.name), findings.rounds(0, REACTOR.name)
    yield Target("files in the fullest hot folder of the design's host, x limit", figure(design, _most), 1)
    # Five seconds show little of what sixty do.
    slow, much = (polling(LONGEST_QUICK), 1.2) if findings.quick else (polling(LONGEST), 3.0)
    text = f"the same with {slow.name}, which is what the reactor spares"
    yield Target(text, figure(findings.rounds(DESIGN, slow.name), _most), much, at_least=True)
    busy = figure(design, lambda outcome: outcome.busy, "%")
    yield Target("the whole process on the design's host, of a core", busy, 1)
    resident = figure(design, lambda outcome: outcome.resident, "MiB")
    yield Target("memory with the design's four devices (VmRSS)", resident, 45)
    speed = figure(flat, lambda outcome: outcome.speed, "files/s")
    yield Target("flat out, with metrics and playlists", speed, 15_000, at_least=True)
    astray = sum(outcome.astray for outcome in findings.all_of(REACTOR.name))
    yield Target("files lost, or in two places, of all rounds", Figure.of([astray]), 0)
