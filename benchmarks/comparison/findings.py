"""From the outcomes of all rounds to tables, targets and plots."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import attrs

from benchmarks.comparison.contender import FLOOR, REACTOR, WATCHDOG, polling
from benchmarks.comparison.finetime import Resolution
from benchmarks.comparison.plan import DESIGN, LONGEST, LONGEST_QUICK, RATES
from benchmarks.comparison.round import Outcome
from benchmarks.comparison.workload import HOTS
from benchmarks.part import Cell, Figure, Part, Plot, Series, Table, Target

Value = Callable[[Outcome], float]

_ORDER: Final = (
    *(REACTOR.name, FLOOR.name, WATCHDOG.name, "inotifywait", "incron"),
    *(polling(period).name for period in (0.1, 1, 5, 60)),
)
# The busiest folder of the first device: five files a second on the design's host, and 100 may stay.
_SHOWN: Final = next(place for place, hot in enumerate(HOTS) if hot.kind.name == "thumbnails")
# Seconds; the greatest count in each such stretch is drawn.
_GRID: Final = 0.5


@attrs.define
class Findings:
    """What is known so far."""

    quick: bool
    resolution: Resolution
    left_out: dict[str, str] = attrs.field(factory=dict)
    """What could not be measured here, and why."""
    calls: dict[str, float] = attrs.field(factory=dict)
    """System calls a moved file, by contender."""
    _outcomes: dict[tuple[bool, float, str], list[Outcome]] = attrs.field(factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome, *, on_disk: bool) -> None:
        """One more round."""
        self._outcomes[on_disk, outcome.load.rate, outcome.contender].append(outcome)

    def rounds(self, rate: float, contender: str, *, on_disk: bool = False) -> list[Outcome]:
        """Of one contender at one rate, in the order in which they were; none: []."""
        return self._outcomes.get((on_disk, rate, contender), [])

    def there(self, rate: float, *, on_disk: bool = False) -> list[str]:
        """Who was measured at a rate."""
        return [name for name in _ORDER if self.rounds(rate, name, on_disk=on_disk)]


def part(findings: Findings) -> Part:
    """All of it."""
    tables = [_at(findings, rate) for rate in (*RATES, 0.0) if findings.there(rate)]
    tables += [_at(findings, rate, on_disk=True) for rate in RATES if findings.there(rate, on_disk=True)]
    tables += [_memory(findings)]
    if findings.calls:
        tables.append(_calls(findings))
    if findings.left_out:
        rows = tuple(findings.left_out.items())
        tables.append(Table("Left out of the comparison", ("what", "why"), rows))
    plots = [
        _by_rate(findings, "comparison-latency", "From a file's close to the move that it causes, median", "us", _p50)
    ]
    plots += [_by_rate(findings, "comparison-processor", "Processor time a moved file", "us", _each)]
    return Part("Comparison", tuple(tables), tuple(_targets(findings)), (_hot_count(findings), *plots))


def _p50(outcome: Outcome) -> float:
    return outcome.reckoned.latency(0.5)


def _p99(outcome: Outcome) -> float:
    return outcome.reckoned.latency(0.99)


def _each(outcome: Outcome) -> float:
    return outcome.each


def _multiple(outcome: Outcome) -> float:
    return outcome.reckoned.multiple


def _lost(outcome: Outcome) -> float:
    return outcome.reckoned.lost + outcome.reckoned.twice


def _figure(rounds: Iterable[Outcome], value: Value, unit: str = "") -> Figure:
    return Figure.of([value(outcome) for outcome in rounds], unit)


def _ratio(above: Sequence[Outcome], below: Sequence[Outcome], value: Value) -> Figure:
    """Round by round: those that took turns are compared with each other."""
    return Figure.of([value(one) / value(other) for one, other in zip(above, below, strict=False)])


# --- tables


def _at(findings: Findings, rate: float, *, on_disk: bool = False) -> Table:
    def rounds(name: str) -> list[Outcome]:
        return findings.rounds(rate, name, on_disk=on_disk)

    floor = rounds(FLOOR.name)
    rows = []
    for name in findings.there(rate, on_disk=on_disk):
        mine = rounds(name)
        cells: list[Cell] = [name]
        if rate:
            cells += [_figure(mine, _p50, "us"), _figure(mine, _p99, "us")]
            cells += [_ratio(mine, floor, _p50) if floor else "-"]
        else:
            cells += [_figure(mine, lambda outcome: outcome.reckoned.speed, "files/s")]
        cells += [_figure(mine, _each, "us"), _ratio(mine, floor, _each) if floor else "-"]
        cells += [
            _figure(mine, lambda outcome: outcome.busy, "%"),
            _figure(mine, _multiple),
            _figure(mine, lambda outcome: 100 * outcome.reckoned.over, "%"),
            sum(outcome.reckoned.moved for outcome in mine),
            sum(outcome.reckoned.lost + outcome.reckoned.twice for outcome in mine),
        ]
        if not rate:
            full = sum(outcome.overflows for outcome in mine)
            cells += [full if name == REACTOR.name else "-"]
        rows.append(tuple(cells))
    how = ("latency p50", "p99", "p50, x floor") if rate else ("moved",)
    headings = ("contender", *how, "CPU a file", "CPU, x floor", "of a core", "hot at most, x limit", "time over limit")
    headings += ("files moved", "lost or twice") + (() if rate else ("overflows",))
    label = f"{rate:,.0f} files/s" if rate else "Flat out"
    note = _NOTES.get(rate, "")
    if rate == RATES[0] and not on_disk:
        note = f"{_NOTE} {findings.resolution}. {note}"
    return Table(f"{label}, {'disk' if on_disk else 'tmpfs'}", headings, tuple(rows), note)


_NOTE: Final = (
    "Latency: from the close of a file to the move of the one that it pushes out; of one that had not moved at the "
    "end, the time until then. CPU: user and system, of all processes. Hot at most: the fullest folder, an instant "
    "before its next file. Each contender has one core, the writer another. Times are read from the files themselves:"
)
_NOTES: Final = {
    DESIGN: "The design's host: four devices, 40 files/s in all. The reactor and the slowest polling archiver run side "
    "by side there, each with its own files.",
    0.0: "As fast as one writer can. Overflows: of the reactor's queues; what they hid is found by a look.",
}


def _memory(findings: Findings) -> Table:
    rows = []
    for name in findings.there(DESIGN) or findings.there(RATES[1]):
        mine = findings.rounds(DESIGN, name)
        values: tuple[Value, ...] = (
            lambda outcome: outcome.memory.resident,
            lambda outcome: outcome.memory.proportional,
            lambda outcome: outcome.memory.peak,
        )
        rows.append((name, *(_figure(mine, value, "MiB") for value in values)))
    note = "At the end of the round on the design's host, of all processes. Pss counts shared pages by the part."
    return Table("Memory", ("contender", "resident (VmRSS)", "Pss", "peak (VmHWM)"), tuple(rows), note)


def _calls(findings: Findings) -> Table:
    rows = tuple((name, Figure.of([count])) for name, count in findings.calls.items())
    note = "By strace, in a round of its own at 1,000 files/s; it slows down what it counts."
    return Table("System calls", ("contender", "a moved file"), rows, note)


# --- targets


def _targets(findings: Findings) -> Iterable[Target]:
    def of(rate: float, contender: str) -> list[Outcome]:
        return findings.rounds(rate, contender)

    def against(text: str, other: str, rate: float, value: Value, limit: float) -> Iterable[Target]:
        if of(rate, REACTOR.name) and of(rate, other):
            yield Target(text, _ratio(of(rate, REACTOR.name), of(rate, other), value), limit)

    def less(text: str, other: str, rate: float, value: Value, limit: float) -> Iterable[Target]:
        if of(rate, REACTOR.name) and of(rate, other):
            yield Target(text, _ratio(of(rate, other), of(rate, REACTOR.name), value), limit, at_least=True)

    yield from against("CPU a file at 5,000 files/s, beside the floor in C", FLOOR.name, 5_000, _each, 3.5)
    yield from against("latency (p50) at 5,000 files/s, beside the floor in C", FLOOR.name, 5_000, _p50, 2.5)
    yield from against("latency (p50) at 100 files/s, beside the floor in C", FLOOR.name, 100, _p50, 6)
    for rate in (100.0, 5_000.0):
        yield from less(f"CPU a file at {rate:,.0f} files/s: watchdog's, beside ours", WATCHDOG.name, rate, _each, 3)
        yield from less(
            f"latency (p50) at {rate:,.0f} files/s: watchdog's, beside ours", WATCHDOG.name, rate, _p50, 500
        )
    design, flat = of(DESIGN, REACTOR.name), of(0, REACTOR.name)
    yield Target("hot files at most on the design's host, x limit", _figure(design, _multiple), 1)
    slow = polling(LONGEST_QUICK if findings.quick else LONGEST)
    if of(DESIGN, slow.name):
        limit = 1.0 if findings.quick else 3.0
        text = f"the same for {slow.name}: at least"
        yield Target(text, _figure(of(DESIGN, slow.name), _multiple), limit, at_least=True)
    yield Target("whole process on the design's host, of a core", _figure(design, lambda one: one.busy, "%"), 1)
    text = "memory with 4 devices (VmRSS)"
    yield Target(text, _figure(design, lambda one: one.memory.resident, "MiB"), 45)
    text = "flat out, with metrics and playlists"
    yield Target(text, _figure(flat, lambda one: one.reckoned.speed, "files/s"), 15_000, at_least=True)
    yield Target("files lost or twice, in all rounds", Figure.of([sum(map(_lost, _all(findings)))]), 0)


def _all(findings: Findings) -> Iterable[Outcome]:
    for on_disk in (False, True):
        for rate in (*RATES, 0.0):
            yield from findings.rounds(rate, REACTOR.name, on_disk=on_disk)


# --- plots


def _by_rate(findings: Findings, name: str, title: str, unit: str, value: Value) -> Plot:
    rates = [rate for rate in RATES if findings.there(rate)]
    series = tuple(
        Series(one, tuple(_or_none(findings.rounds(rate, one), value, unit) for rate in rates))
        for one in _ORDER
        if any(findings.rounds(rate, one) for rate in rates)
    )
    return Plot(name, title, "files finished a second, all folders", unit, tuple(rates), series, log_x=True, log_y=True)


def _or_none(rounds: list[Outcome], value: Value, unit: str) -> Figure:
    return _figure(rounds, value, unit) if rounds else Figure.of([math.nan], unit)


def _hot_count(findings: Findings) -> Plot:
    """The folder's greatest count in each stretch of time, an instant before each of its files is finished."""
    hot = HOTS[_SHOWN]
    names = [REACTOR.name, polling(LONGEST_QUICK if findings.quick else LONGEST).name]
    shown = {name: _course(findings.rounds(DESIGN, name)[0]) for name in names if findings.rounds(DESIGN, name)}
    length = min(map(len, shown.values()), default=0)
    series = tuple(
        Series(name, tuple(Figure.of([count]) for count in course[:length])) for name, course in shown.items()
    )
    title = f"One hot folder of the design's host: {hot.kind.limit} {hot.kind.name} may stay"
    x = tuple(stretch * _GRID for stretch in range(length))
    return Plot("comparison-hot-files", title, "seconds", "files in the hot folder", x, series)


def _course(outcome: Outcome) -> list[float]:
    reckoned = outcome.reckoned
    history = reckoned.histories[_SHOWN]
    counts: dict[int, int] = {}
    for at, count in history.before():
        if at >= reckoned.since:
            stretch = int((at - reckoned.since) / 1e9 / _GRID)
            counts[stretch] = max(count, counts.get(stretch, 0))
    course: list[float] = []
    for stretch in range(max(counts) + 1):
        course.append(counts.get(stretch, course[-1] if course else history.limit))
    return course
