"""The operations that the architecture promised times for: on hot and cold folders, and on one mixed folder with the
same day in it; and what a hot path notices of a cleanup.

    python -m benchmarks.operations [--quick]

The folders lie on a disk whose cache is warm: each was just made, and is asked more than once. For a quick look they
are on tmpfs, and smaller.
"""

import argparse
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import attrs
from rich.console import Console
from rich.table import Table as Printed

from benchmarks.operations import onefolder
from benchmarks.operations.api import Question, answered, questions, scanned
from benchmarks.operations.expiring import RATE, Beside, Expiry, by_its_own_task, by_the_reactor
from benchmarks.operations.fullday import hot_and_cold, last_moment, mixed
from benchmarks.operations.steady import Waits
from benchmarks.operations.swap import Cleaned, cleaned
from benchmarks.part import Cell, Figure, Part, Plot, Scene, Series, Table, Target
from benchmarks.report import text
from hotcold_inotify.config import Config
from hotcold_inotify.disk import SLOT_NAMES

_T = TypeVar("_T")

_HOUR_OF_THUMBNAILS: Final = 18_000
# Of the architecture, milliseconds; a question that is not here was promised nothing.
_PROMISED: Final = {
    "screenshot": 5.0,
    "count of files": 5.0,
    "24 h heatmap": 50.0,
    "hour playlist": 20.0,
    "cleanup": 1.0,
}


@attrs.frozen
class _Row:
    """One operation; milliseconds."""

    name: str
    after: Figure
    before: Figure
    script: Figure | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        promised = _PROMISED.get(self.name)
        return (
            self.name,
            "-" if promised is None else f"{promised:.0f} ms",
            self.after,
            self.before,
            self.script or "-",
            Figure.of([self.before.median / self.after.median]),
        )


@attrs.frozen
class _Sizes:
    """How much of it is done."""

    share: float
    """Of a day's files."""
    requests: int
    scans: int
    expiries: int


_FULL: Final = _Sizes(1.0, requests=60, scans=3, expiries=3)
_QUICK: Final = _Sizes(1 / 20, requests=20, scans=3, expiries=1)


def steps(*, quick: bool) -> int:
    """How many steps `measure` announces."""
    del quick
    return 6


def measure(scene: Scene) -> Part:
    """Everything of this part."""
    sizes = _QUICK if scene.quick else _FULL
    beside = []
    # Before the day is made and deleted: a disk is busy with that for a while.
    for place, folder in (("tmpfs", scene.memory), ("disk", scene.disk)):
        scene.step(f"a slot expires beside a hot path, {place}")
        beside += _beside(place, folder, sizes)
    rows, count, cleanups = _operations(scene, sizes)
    note = f"{count:,} files of a day in one folder, and the same day in hot folders and 24 full slots; "
    note += "a twentieth of the real size, on tmpfs." if scene.quick else "on a disk, its cache warm."
    return Part(
        "Operations",
        tables=(
            Table(
                "Operations, before and after",
                (
                    "operation",
                    "promised",
                    "hot and cold",
                    "one folder, by a scan",
                    "one folder, by a script",
                    "ratio to the scan",
                ),
                tuple(row.cells for row in rows),
                f"{note} A request is the server's own time, without a network. The count of files is that of the hot "
                "folders, as the list of devices tells it; the cleanup is the swap of an hour of thumbnails.",
            ),
            _cleanup_table(cleanups, round(_HOUR_OF_THUMBNAILS * sizes.share)),
            Table(
                "A full slot expires beside a hot path",
                ("where", "hot path", "when", "files", "p50", "p99", "worst"),
                tuple(beside),
                f"From a file's close until the move of the oldest one is heard of; {RATE} files a second and folder, "
                f"the reactor on one core. A slot of {_HOUR_OF_THUMBNAILS:,} files, counted by "
                "hotcold_expired_files_total.",
            ),
        ),
        targets=tuple(
            Target(f"{row.name}, as promised", row.after, _PROMISED[row.name]) for row in rows if row.name in _PROMISED
        ),
        plots=(_plot(rows),),
    )


def _operations(scene: Scene, sizes: _Sizes) -> tuple[list[_Row], int, dict[str, Figure]]:
    """Each operation in both ways, how many files the mixed folder has, and what the cleanup is made of."""
    now = last_moment()
    ground = scene.memory if scene.quick else scene.disk
    tree, folder = ground / "stream", ground / "mixed"
    try:
        scene.step("making a day in hot and cold folders")
        config = hot_and_cold(tree, now, sizes.share)
        scene.step("making the same day in one folder")
        count = mixed(folder, now, sizes.share)
        os.sync()  # else the disk would be busy with it
        scene.step("the operations, before and after")
        asked = questions(now)
        rows = [_asked(config, folder, question, now, sizes) for question in asked]
        slots = Figure.of(_times(lambda: _count_slots(tree), sizes.scans), "ms")
        counted = next(number for number, row in enumerate(rows) if row.name == "count of files")
        rows.insert(counted + 1, attrs.evolve(rows[counted], name="count of all 96 hour folders", after=slots))
        scene.step("cleanup, before and after")
        cleanups = _cleanups(config, folder, now, sizes)
    finally:
        for made in (tree, folder):
            shutil.rmtree(made, ignore_errors=True)
    rows.append(_Row("cleanup", cleanups[_SWAP], cleanups[_DELETED_BY_SCAN], cleanups[_DELETED_BY_SCRIPT]))
    return rows, count, cleanups


def _asked(config: Config, folder: Path, question: Question, now: float, sizes: _Sizes) -> _Row:
    after = answered(config, question, sizes.requests, now)
    before = scanned(question, folder, now, sizes.scans)
    script = question.script
    by_script = None if script is None else _times(lambda: onefolder.run(script, folder), sizes.scans)
    return _Row(
        question.name,
        Figure.of(after, "ms"),
        Figure.of(before, "ms"),
        None if by_script is None else Figure.of(by_script, "ms"),
    )


def _count_slots(tree: Path) -> int:
    return sum(len(os.listdir(kind / slot)) for kind in (tree / "capture1").iterdir() for slot in SLOT_NAMES)


_SWAP: Final = "the hour's slot is swapped away"
_DELETION: Final = "and deleted, in the background"
_DELETED_BY_SCAN: Final = "one folder: what is too old is found and deleted, by a scan"
_DELETED_BY_SCRIPT: Final = "one folder: the same, by find -delete"


def _cleanups(config: Config, folder: Path, now: float, sizes: _Sizes) -> dict[str, Figure]:
    """An hour of thumbnails goes, in each way and round."""
    files = round(_HOUR_OF_THUMBNAILS * sizes.share)
    went: list[Cleaned] = list(itertools.islice(cleaned(config, now), sizes.scans))
    ends = onefolder.hours(now)
    counts = [one.files for one in went]
    by_scan, by_script = [], []
    for _ in range(sizes.scans):
        took, deleted = _timed(partial(onefolder.delete_thumbnails, folder, next(ends)))
        by_scan.append(took)
        counts.append(deleted)
        before = len(os.listdir(folder))
        by_script += _times(partial(onefolder.run, onefolder.delete_by_script(next(ends)), folder), 1)
        counts.append(before - len(os.listdir(folder)))
    if set(counts) != {files}:
        raise SystemExit(f"an hour has {files} thumbnails, but {counts} were deleted")
    return {
        _SWAP: Figure.of([one.swap for one in went], "ms"),
        _DELETION: Figure.of([one.deletion for one in went], "ms"),
        _DELETED_BY_SCAN: Figure.of(by_scan, "ms"),
        _DELETED_BY_SCRIPT: Figure.of(by_script, "ms"),
    }


def _times(work: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each round."""
    return [_timed(work)[0] for _ in range(rounds)]


def _timed(work: Callable[[], _T]) -> tuple[float, _T]:
    """The milliseconds that it took, and what came of it."""
    began = time.perf_counter()
    result = work()
    return (time.perf_counter() - began) * 1000, result


def _cleanup_table(cleanups: dict[str, Figure], files: int) -> Table:
    return Table(
        "An hour of thumbnails goes",
        ("what is done", "time"),
        tuple(cleanups.items()),
        f"{files:,} files each time. Nothing waits for the deletion in the background: the slot is empty already.",
    )


def _plot(rows: Iterable[_Row]) -> Plot:
    shown = [row for row in rows if row.name in _PROMISED]
    return Plot(
        "operations",
        "One operation, before and after",
        "",
        "milliseconds",
        tuple(row.name for row in shown),
        (
            Series("one folder", tuple(row.before for row in shown)),
            Series("hot and cold", tuple(row.after for row in shown)),
            Series("promised", tuple(Figure.of([_PROMISED[row.name]], "ms") for row in shown)),
        ),
        log_y=True,
    )


def _beside(place: str, folder: Path, sizes: _Sizes) -> list[tuple[Cell, ...]]:
    """The rows of one file system."""
    grounds = folder / "reactor", folder / "loop"
    for ground in grounds:
        ground.mkdir()
    try:
        expiries: list[Expiry] = list(by_the_reactor(grounds[0], _HOUR_OF_THUMBNAILS, sizes.expiries))
        loops = list(by_its_own_task(grounds[1], _HOUR_OF_THUMBNAILS, sizes.expiries))
    finally:
        for ground in grounds:
            shutil.rmtree(ground)
    for expiry in expiries:
        if expiry.files != _HOUR_OF_THUMBNAILS:
            raise SystemExit(f"{expiry.files} files expired beside the hot path, not {_HOUR_OF_THUMBNAILS}")
    return [
        *_waited(place, "hotcold run, another device", [expiry.other_device for expiry in expiries]),
        *_waited(place, "hotcold run, another kind of the device", [expiry.same_device for expiry in expiries]),
        *_waited(place, "a loop that deletes in its own task", loops),
    ]


def _waited(place: str, path: str, rounds: list[Beside]) -> Iterable[tuple[Cell, ...]]:
    times = {
        "before": [one.before for one in rounds if one.before is not None],
        "during": [one.during for one in rounds],
        "after": [one.after for one in rounds],
    }
    return [_spread(place, path, when, waits) for when, waits in times.items() if waits]


def _spread(place: str, path: str, when: str, waits: list[Waits]) -> tuple[Cell, ...]:
    columns = [Figure.of([getattr(one, name) for one in waits], "ms") for name in ("median", "p99", "worst")]
    return (place, path, when, sum(one.count for one in waits), *columns)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="The operations that the architecture promised times for.")
    arguments.add_argument("--quick", action="store_true", help="a twentieth of it")
    given = arguments.parse_args()
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="hotcold-bench-", dir="/dev/shm") as memory,
        tempfile.TemporaryDirectory(prefix="hotcold-bench-", dir="/var/tmp") as disk,
    ):
        scene = Scene(Path(memory), Path(disk), given.quick, console.log)
        part = measure(scene)
    for table in part.tables:
        printed = Printed(title=table.title, caption=table.note)
        for heading in table.headings:
            printed.add_column(heading)
        for row in table.rows:
            printed.add_row(*(text(cell) for cell in row))
        console.print(printed)
    for target in part.targets:
        met = "met" if target.met else "MISSED"
        console.print(f"{met}: {target.text}: {text(target.measured)}, at most {target.limit:g} ms")
