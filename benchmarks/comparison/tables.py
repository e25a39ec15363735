"""The comparison's tables: one for each load, and what was counted besides."""

from collections.abc import Iterator
from typing import Final

from benchmarks.comparison.contender import FLOOR, REACTOR
from benchmarks.comparison.findings import Findings, each, figure, p50, ratio
from benchmarks.comparison.outcome import Outcome
from benchmarks.comparison.plan import DESIGN, RATES
from benchmarks.part import Cell, Figure, Table

_READ: Final = (
    "Latency: from the close of a file to the move of the one that it pushes out; of one that had not moved at the "
    "end, the time until then. CPU: user and system, of all processes. Hot at most: the fullest folder, an instant "
    "before its next file. Each contender has one core, the writer another. Times are read from the files themselves:"
)
_NOTES: Final = {
    DESIGN: "The design's host: four devices, 40 files/s in all. The reactor and the slowest polling archiver run side "
    "by side there, each with its own files.",
    0.0: "As fast as one writer can. Left behind: beyond the limit still, 30 s after the last file. Overflows: "
    "of the reactor's queues; what they hid is found by a look.",
}


def tables(findings: Findings) -> Iterator[Table]:
    """All of them."""
    for on_disk in (False, True):
        for rate in (*RATES, 0.0):
            if findings.there(rate, on_disk=on_disk):
                yield _at(findings, rate, on_disk=on_disk)
    yield _memory(findings)
    if findings.calls:
        rows = tuple((name, Figure.of([count])) for name, count in findings.calls.items())
        note = "By strace, in a round of its own at 1,000 files/s; it slows down what it counts."
        yield Table("System calls", ("contender", "a moved file"), rows, note)
    if findings.left_out:
        yield Table("Left out of the comparison", ("what", "why"), tuple(findings.left_out.items()))


def _at(findings: Findings, rate: float, *, on_disk: bool) -> Table:
    floor = findings.rounds(rate, FLOOR.name, on_disk=on_disk)
    rows = []
    for name in findings.there(rate, on_disk=on_disk):
        mine = findings.rounds(rate, name, on_disk=on_disk)
        shown = _at_a_pace(mine, floor) if rate else _flat_out(mine)
        rows.append((name, *shown, *_always(mine, floor)))
    how = ("latency p50", "p99", "p50, x floor") if rate else ("moved", "left behind", "overflows")
    always = (
        "CPU a file",
        "CPU, x floor",
        "of a core",
        "hot at most, x limit",
        "time over limit",
        "files moved",
        "astray",
    )
    label = f"{rate:,.0f} files/s" if rate else "Flat out"
    note = "" if on_disk else _NOTES.get(rate, "")
    if rate == DESIGN and not on_disk:
        note = f"{_READ} {findings.resolution}. Astray: lost, or in two places. {note}"
    return Table(f"{label}, {'disk' if on_disk else 'tmpfs'}", ("contender", *how, *always), tuple(rows), note)


def _at_a_pace(mine: list[Outcome], floor: list[Outcome]) -> list[Cell]:
    slowest = figure(mine, lambda outcome: outcome.p99, "us")
    return [figure(mine, p50, "us"), slowest, ratio(mine, floor, p50) if floor else "-"]


def _flat_out(mine: list[Outcome]) -> list[Cell]:
    full = sum(outcome.overflows for outcome in mine) if mine[0].contender == REACTOR.name else "-"
    behind = sum(outcome.reckoned.unmoved for outcome in mine)
    return [figure(mine, lambda outcome: outcome.speed, "files/s"), behind, full]


def _always(mine: list[Outcome], floor: list[Outcome]) -> list[Cell]:
    return [
        figure(mine, each, "us"),
        ratio(mine, floor, each) if floor else "-",
        figure(mine, lambda outcome: outcome.busy, "%"),
        figure(mine, lambda outcome: outcome.most),
        figure(mine, lambda outcome: outcome.over, "%"),
        sum(outcome.reckoned.moved for outcome in mine),
        sum(outcome.astray for outcome in mine),
    ]


def _memory(findings: Findings) -> Table:
    rows = []
    for name in findings.there(DESIGN):
        mine = findings.rounds(DESIGN, name)
        sizes = (
            figure(mine, lambda outcome: outcome.resident, "MiB"),
            figure(mine, lambda outcome: outcome.memory.proportional, "MiB"),
            figure(mine, lambda outcome: outcome.memory.peak, "MiB"),
        )
        rows.append((name, *sizes))
    note = "At the end of the round on the design's host, of all processes. Pss counts shared pages by the part."
    return Table("Memory", ("contender", "resident (VmRSS)", "Pss", "peak (VmHWM)"), tuple(rows), note)
