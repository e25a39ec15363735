"""Writes down what the parts found: every value as JSON, tables and targets as Markdown."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from benchmarks.machine import Machine
from benchmarks.part import Cell, Figure, Part, Table, Target

_READ = """\
Ratios are the result: they say what a design costs beside another one on the same machine, in the same minutes.
Absolute times are context, of this machine alone. A figure is the median of its rounds, with the least and the most
beside it where there was more than one. Each value of each round is in `results.json`.
"""


@attrs.frozen
class Report:
    """All of one run."""

    began: str
    """ISO 8601."""
    seconds: float
    quick: bool
    machine: Machine
    parts: tuple[Part, ...]


def write(report: Report, folder: Path) -> None:
    """Into `folder`, in the place of what an earlier run left."""
    (folder / "results.json").write_text(json.dumps(_plain(attrs.asdict(report)), indent=1) + "\n", "utf-8")
    (folder / "results.md").write_text(markdown(report), "utf-8")


def markdown(report: Report) -> str:
    """The page."""
    way = "quick, for a look: too short for a target" if report.quick else "full"
    lines = ["# Benchmark", "", f"{report.began}, {report.seconds / 60:.0f} min ({way}).", "", _READ]
    targets = [(part.name, target) for part in report.parts for target in part.targets]
    if targets:
        met = sum(target.met for _, target in targets)
        lines += [f"## Targets: {met} of {len(targets)} met", ""]
        lines += _rows(
            ("", "part", "target", "limit", "measured"), [target_row(name, target) for name, target in targets]
        )
    for part in report.parts:
        lines += [f"## {part.name}", ""]
        for plot in part.plots:
            lines += [f"![{plot.title}]({plot.name}.png)", ""]
        for table in part.tables:
            lines += _table(table)
    lines += ["## Machine", "", *_rows(("", ""), report.machine.facts.items())]
    return "\n".join(lines)


def text(cell: Cell) -> str:
    """A cell as it is read."""
    if not isinstance(cell, Figure):
        return f"{cell:,}" if isinstance(cell, int) else cell
    if not math.isfinite(cell.median):
        return "-"
    cell = _short(cell)
    unit = f" {cell.unit}" if cell.unit else ""
    if len(cell.values) == 1 or cell.least == cell.most:
        return number(cell.median) + unit
    return f"{number(cell.median)} ({number(cell.least)}..{number(cell.most)}){unit}"


def _short(figure: Figure) -> Figure:
    """Times in the unit that keeps them short."""
    for unit, larger in (("us", "ms"), ("ms", "s")):
        if figure.unit == unit and figure.median >= 10_000:
            figure = Figure.of([value / 1000 for value in figure.values], larger)
    return figure


def number(value: float) -> str:
    """With three digits that count, or all before the point."""
    if not math.isfinite(value):
        return "-"
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}" if abs(value) >= 0.001 else f"{value:.1g}"


def target_row(part: str, target: Target) -> tuple[str, ...]:
    """Met or missed, the part, the target, its limit, and what was measured."""
    unit = f" {target.measured.unit}" if target.measured.unit else ""
    bound = f"{'at least' if target.at_least else 'at most'} {target.limit:,g}{unit}"
    return "met" if target.met else "**missed**", part, target.text, bound, text(target.measured)


def _table(table: Table) -> list[str]:
    lines = [f"### {table.title}", "", *_rows(table.headings, [[text(cell) for cell in row] for row in table.rows])]
    return [*lines, table.note, ""] if table.note else lines


def _rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *rows]
    return [*("| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in line) + " |" for line in lines), ""]


def _plain(value: object) -> object:
    """JSON knows no number that is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
