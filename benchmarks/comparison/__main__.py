"""A few contenders at one rate, for a quick look while something is being made faster.

    python -m benchmarks.comparison --only reactor,floor --rate 5000 --seconds 5 --rounds 3

Contenders take turns, round by round. Medians, with the least and the most beside them. `--rate 0` is flat out.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.comparison.contender import ALL
from benchmarks.comparison.outcome import Outcome
from benchmarks.comparison.round import run
from benchmarks.comparison.workload import Load

_COLUMNS: dict[str, Callable[[Outcome], float]] = {
    "p50 us": lambda outcome: outcome.p50,
    "p99 us": lambda outcome: outcome.p99,
    "CPU us/file": lambda outcome: outcome.each,
    "CPU %": lambda outcome: outcome.busy,
    "moved": lambda outcome: outcome.reckoned.moved,
    "moved/s": lambda outcome: outcome.speed,
    "hot, x limit": lambda outcome: outcome.most,
    "over, %": lambda outcome: outcome.over,
    "RSS MiB": lambda outcome: outcome.resident,
    "astray": lambda outcome: outcome.astray,
    "unmoved": lambda outcome: outcome.reckoned.unmoved,
    "overflows": lambda outcome: outcome.overflows,
}


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--only", default="reactor,floor", help=", ".join(ALL))
    arguments.add_argument("--rate", type=float, default=5_000, help="files a second in all; 0: flat out")
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--warm", type=float, default=0.5, help="seconds before, which do not count")
    arguments.add_argument("--most", type=int, default=100_000, help="files in all; a thousand take 24 MB")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where it is done")  # noqa: S108 - a folder is made in it
    given = arguments.parse_args()
    names = given.only.split(",")
    if unknown := [name for name in names if name not in ALL]:
        arguments.error(f"no contender: {', '.join(unknown)}; there are: {', '.join(ALL)}")
    load = Load(given.rate, given.seconds, given.warm, given.most)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="hotcold-bench-", dir=given.folder) as place,
        Progress(console=console, refresh_per_second=2) as progress,
    ):
        task = progress.add_task(load.label, total=given.rounds * len(names))
        for _ in range(given.rounds):
            for name in names:
                outcomes[name].append(run(ALL[name], load, Path(place)))
                progress.advance(task)
    console.print(_table(load, outcomes))


def _table(load: Load, outcomes: dict[str, list[Outcome]]) -> Table:
    table = Table(title=f"{load.label}, medians (least..most)")
    table.add_column("")
    for name in outcomes:
        table.add_column(name, justify="right")
    for heading, value in _COLUMNS.items():
        table.add_row(heading, *(_cell([value(outcome) for outcome in rounds]) for rounds in outcomes.values()))
    return table


def _cell(values: list[float]) -> str:
    middle, least, most = (
        f"{value:,.{0 if value >= 1000 or value == int(value) else 2}f}"
        for value in (statistics.median(values), min(values), max(values))
    )
    return middle if least == most else f"{middle} ({least}..{most})"


if __name__ == "__main__":
    main()
