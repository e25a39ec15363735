"""The benchmark: what the reactor costs beside its alternatives, how that grows, and what the architecture promised.

    python -m benchmarks [--quick] [PART ...]

The results go to `benchmarks/results/`: `results.md` to read, `results.json` with every value, and pictures.
"""

import argparse
import importlib
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks import plots
from benchmarks.machine import described
from benchmarks.part import Part, Scene
from benchmarks.report import Report, target_row, write

PARTS: Final = {
    "comparison": "benchmarks.comparison.measuring",
    "growth": "benchmarks.growth",
    "operations": "benchmarks.operations",
}
_RESULTS: Final = Path(__file__).parent / "results"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a place, and a folder of its own in it


def main() -> None:
    """Measure, and write down."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; else all")
    arguments.add_argument("--quick", action="store_true", help="two minutes, for a look; else fifteen")
    arguments.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="a folder on a disk")  # noqa: S108 - see above
    given = arguments.parse_args()
    if unknown := [name for name in given.parts if name not in PARTS]:
        arguments.error(f"no part: {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    modules = {name: importlib.import_module(PARTS[name]) for name in given.parts or PARTS}
    console = Console()
    began, clock = datetime.now(UTC), time.monotonic()
    prefix = "hotcold-bench-"
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=_MEMORY) as memory,
        tempfile.TemporaryDirectory(prefix=prefix, dir=given.disk) as disk,
    ):
        machine = described(Path(memory), Path(disk))
        parts = _measured(list(modules.values()), Path(memory), Path(disk), console, quick=given.quick)
    report = Report(began.isoformat(timespec="seconds"), time.monotonic() - clock, given.quick, machine, parts)
    _RESULTS.mkdir(exist_ok=True)
    for old in _RESULTS.glob("*.png"):
        old.unlink()
    write(report, _RESULTS)
    for part in parts:
        for plot in part.plots:
            plots.draw(plot, _RESULTS)
    console.print(_targets(parts), f"All of it: {_RESULTS / 'results.md'}")


def _measured(modules: list[Any], memory: Path, disk: Path, console: Console, *, quick: bool) -> tuple[Part, ...]:
    columns = (
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}"),
    )
    # Drawn seldom: that takes the processor from whoever is measured.
    with Progress(*columns, console=console, refresh_per_second=1, speed_estimate_period=600) as progress:
        task = progress.add_task("", total=sum(module.steps(quick=quick) for module in modules))
        return tuple(module.measure(Scene(memory, disk, quick, _step(progress, task))) for module in modules)


def _targets(parts: tuple[Part, ...]) -> Table:
    table = Table("", "target", "limit", "measured", title="Targets")
    for part in parts:
        for target in part.targets:
            _, *cells = target_row(part.name, target)
            table.add_row("met" if target.met else "[bold]missed[/]", *cells[1:])
    return table


def _step(progress: Progress, task: Any) -> Callable[[str], None]:
    begun = False

    def step(what: str) -> None:
        nonlocal begun
        # What is said to begin ends the one before it.
        progress.update(task, advance=1 if begun else 0, description=what)
        begun = True

    return step


if __name__ == "__main__":
    main()
