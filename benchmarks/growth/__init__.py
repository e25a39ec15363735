"""How the reactor grows: with the number of devices, and with the number of files that lie in hour folders.

    python -m benchmarks.growth [--quick] [--devices 1,10,100]

The reactor has a core of its own, the writer another one. Each hot folder is at its limit before the start, so each
file that the writer finishes makes one leave.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.comparison.contender import cores
from benchmarks.comparison.finetime import resolution
from benchmarks.growth import manydevices, manyfiles
from benchmarks.growth.limits import ended_by_term, roomy
from benchmarks.growth.manydevices import Size
from benchmarks.growth.manyfiles import Sizes
from benchmarks.machine import described
from benchmarks.part import Cell, Figure, Part, Plot, Scene, Series, Table, Target
from benchmarks.report import Report, markdown


@attrs.frozen
class _Plan:
    """How much of it is done."""

    devices: tuple[Size, ...]
    cold: Sizes


_FULL: Final = _Plan(
    tuple(Size(count, rounds, rest=20, idle=4, load=4) for count, rounds in ((1, 2), (10, 2), (100, 2), (1000, 1))),
    Sizes((0, 1_000_000, 4_000_000), first=20, slice=2, rounds=3),
)
_QUICK: Final = _Plan(
    tuple(Size(count, 1, rest=1, idle=2, load=2) for count in (1, 10, 50)),
    Sizes((0, 100_000), first=1, slice=1, rounds=1),
)
# For each file and folder that is made, with room for those that are written.
_INODES: Final = 8_000_000
_WAY: Final = "reactor and writer on a core each; hot folders at their limits; 10 files/s a device, written in place"


@attrs.frozen
class _Grown:
    """One number of devices: its rounds, or why there is none."""

    count: int
    rounds: tuple[manydevices.Seen, ...]
    why: str = ""

    def figure(self, of: Callable[[manydevices.Seen], float], unit: str = "") -> Figure:
        return Figure.of([of(one) for one in self.rounds], unit)

    @property
    def gross(self) -> Figure:
        return self.figure(lambda one: one.gross * 1e6, "us")

    @property
    def resident(self) -> Figure:
        return self.figure(lambda one: one.resident, "MiB")


def steps(*, quick: bool) -> int:
    """How often `measure` says what begins."""
    plan = _QUICK if quick else _FULL
    return sum(size.rounds for size in plan.devices) + 1


def measure(scene: Scene) -> Part:
    """Measure, in the scene's folder in memory."""
    return _measured(scene, _QUICK if scene.quick else _FULL)


def _measured(scene: Scene, plan: _Plan) -> Part:
    place = scene.memory / "growth"
    # Stamps are the kernel's own: what they are worth is asked first.
    fine = resolution(scene.memory, *cores()).fine
    with ended_by_term(), roomy(place, _INODES) as has_room:
        grown = []
        for size in plan.devices:
            found: list[manydevices.Seen | str] = []
            for number in range(size.rounds):
                scene.step(f"devices: {size.count:,}" + (f", round {number + 1}" if size.rounds > 1 else ""))
                found.append(manydevices.seen(place / "devices", size))
            rounds = tuple(one for one in found if isinstance(one, manydevices.Seen))
            grown.append(_Grown(size.count, rounds, next((one for one in found if isinstance(one, str)), "")))
        cold = plan.cold if has_room else attrs.evolve(plan.cold, files=_small(plan.cold.files))
        scene.step(f"cold files: up to {max(cold.files):,}")
        filled = manyfiles.seen(place / "files", cold)
    served = [one for one in grown if one.rounds]
    return Part(
        "Growth",
        (_costs(grown), _start(served), _cold(filled, cold.first, fine=fine)),
        _targets(grown, filled),
        _plots(served, filled),
    )


def _small(files: Iterable[int]) -> tuple[int, ...]:
    """Those for which /dev/shm has inodes, as a rule."""
    return tuple(count for count in files if count <= 1_000_000)


# --- tables


def _costs(grown: Sequence[_Grown]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in grown:
        if not one.rounds:
            rows.append((one.count, one.why, *["-"] * 5))
            continue
        rows.append((
            one.count,
            one.figure(lambda seen: seen.speed, "files/s"),
            one.gross,
            one.figure(lambda seen: seen.net * 1e6, "us"),
            one.figure(lambda seen: seen.idle * 100, "%"),
            one.figure(lambda seen: seen.median * 1000, "ms"),
            one.figure(lambda seen: seen.p99 * 1000, "ms"),
        ))  # fmt: skip
    headings = ("devices", "moved", "processor a file", "less idle", "idle, of a core", "latency, median", "p99")
    note = f"{_WAY}. Idle is what the looks every two seconds take while nothing comes; the third column has it in it."
    return Table("Devices", headings, tuple(rows), note)


def _start(served: Sequence[_Grown]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in served:
        least = served[0]
        more = one.count - least.count
        slope = (one.resident.median - least.resident.median) / more * 1024 if more else float("nan")
        rows.append((
            one.count,
            one.figure(lambda seen: seen.ready, "s"),
            one.resident,
            Figure.of([slope], "KiB"),
            one.figure(lambda seen: seen.descriptors),
        ))  # fmt: skip
    headings = ("devices", "ready after", "memory", "of it each device more", "descriptors")
    return Table("Start and memory", headings, tuple(rows), "Ready: from exec to READY=1; the slots are there already.")


def _cold(filled: Sequence[manyfiles.Seen], first: float, *, fine: bool) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in filled:
        median, p99 = (Figure.of([wait * 1000 for wait in waits], "ms") for waits in (one.median, one.p99))
        ready, busy, memory = Figure.of([one.ready], "s"), Figure.of([one.first], "s"), Figure.of([one.resident], "MiB")
        rows.append((one.files, *((median, p99) if fine else ("-", "-")), ready, busy, memory))
    headings = (
        "cold files", "latency, median", "p99", "ready after", f"processor of the first {first:.0f} s", "memory",
    )  # fmt: skip
    note = "Four devices, 24 hours; one reactor a tree, all there at once and written to by turns."
    return Table("Cold files", headings, tuple(rows), note)


# --- targets and plots


def _targets(grown: Sequence[_Grown], filled: Sequence[manyfiles.Seen]) -> tuple[Target, ...]:
    medians = [one.gross.median if one.rounds else float("inf") for one in grown]
    most, least = filled[-1], filled[0]
    ratio = [more / less for more, less in zip(most.median, least.median, strict=True)]
    span = f"{grown[0].count} to {grown[-1].count:,} devices"
    return (
        Target(f"processor time a file, most by least, {span}", Figure.of([max(medians) / min(medians)]), 1.25),
        Target(f"latency with {most.files:,} cold files by that with none", Figure.of(ratio), 1.25),
        Target(f"ready with {most.files:,} cold files", Figure.of([most.ready], "s"), 1.0),
    )


def _plots(served: Sequence[_Grown], filled: Sequence[manyfiles.Seen]) -> tuple[Plot, ...]:
    if not served:
        return ()
    counts = tuple(float(one.count) for one in served)
    less_idle = tuple(one.figure(lambda seen: seen.net * 1e6, "us") for one in served)
    waits = (
        Series("median", tuple(Figure.of([wait * 1000 for wait in one.median], "ms") for one in filled)),
        Series("p99", tuple(Figure.of([wait * 1000 for wait in one.p99], "ms") for one in filled)),
    )
    return (
        Plot(
            "growth-processor",
            "Processor time a moved file, 10 files/s a device",
            "devices",
            "us",
            counts,
            (Series("in all", tuple(one.gross for one in served)), Series("less idle", less_idle)),
            log_x=True,
        ),
        Plot(
            "growth-memory",
            "Memory of the reactor",
            "devices",
            "MiB",
            counts,
            (Series("resident", tuple(one.resident for one in served)),),
        ),
        Plot(
            "growth-cold",
            "Latency beside files that lie in their hours",
            "cold files, millions",
            "ms",
            tuple(one.files / 1e6 for one in filled),
            waits,
        ),
    )


def main() -> None:
    """Measure this part alone, and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--devices", help="numbers with commas between them, smallest first")
    given = arguments.parse_args()
    plan = _QUICK if given.quick else _FULL
    if given.devices:
        example = plan.devices[0]
        plan = attrs.evolve(
            plan, devices=tuple(attrs.evolve(example, count=int(count)) for count in given.devices.split(","))
        )
    console = Console()
    began, clock = datetime.now(UTC), time.monotonic()
    memory_, disk_ = Path("/dev/shm"), Path(tempfile.gettempdir())  # noqa: S108 - a folder of its own in it
    with (
        tempfile.TemporaryDirectory(prefix="hotcold-growth-", dir=memory_) as memory,
        tempfile.TemporaryDirectory(prefix="hotcold-growth-", dir=disk_) as disk,
    ):
        machine = described(Path(memory), Path(disk))
        scene = Scene(Path(memory), Path(disk), given.quick, lambda what: console.print(f"{what} ..."))
        part = _measured(scene, plan)
    report = Report(began.isoformat(timespec="seconds"), time.monotonic() - clock, given.quick, machine, (part,))
    console.print(Markdown(markdown(report)))
