"""`hotcold check`: hold a tree against the promises, beside a reactor or without one, and mend it when asked."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

import click
import trio
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hotcold_inotify import audit, hours
from hotcold_inotify.audit.checking import PARTS
from hotcold_inotify.brake import Brake
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import Home, find_devices, holder
from hotcold_inotify.hours import Calendar
from hotcold_inotify.invariants import Violation, What
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.rotation import Rotation

# More files that are in two places than were kept by name, or a file that came meanwhile: then once more.
_ROUNDS: Final = 5


def check(config: Config, *, repair: bool, as_json: bool) -> None:
    """Print what is wrong; `Failed` (exit code 1) when anything is, after the repair if there is one."""
    try:
        devices, warnings = find_devices(config)
    except OSError as error:
        raise Failed(f"cannot list the root {config.root}: {error.strerror}") from error
    calendar, clock = Calendar(hours.zone(config.timezone)), Clock()
    pid = holder(config.root)
    began = time.monotonic()

    def look() -> audit.Report:
        with _progress(len(devices) * len(config.kinds)) as step:
            return audit.check(devices.values(), config.kinds, calendar, clock, live=pid is not None, step=step)

    report = first = look()
    resisted: list[str] = []
    for _ in range(_ROUNDS if repair else 0):
        if not report.wrong:
            break
        before, resisted = report, _repair(config, devices, calendar, clock, report)
        report = look()
        if report.wrong == before.wrong:
            break
    mended = [one for one in first.wrong if one not in report.wrong] if repair else []
    if as_json:
        document = {
            "root": config.root,
            "reactor": pid,
            "files": report.files,
            "seconds": round(time.monotonic() - began, 3),
            "fine": not report.wrong,
            "wrong": [one.plain() for one in report.wrong],
            "repaired": [one.plain() for one in mended],
            "resisted": resisted,
            "notes": [one.plain() for one in report.notes],
            "warnings": list(warnings),
        }
        click.echo(json.dumps(document, indent=2))
    else:
        _print(report, mended)
        for text in (*warnings, *resisted):
            click.echo(text, err=True)
        if not devices:
            click.echo("no device is there; make one: hotcold init capture1", err=True)
    if report.wrong:
        raise Failed(f"{len(report.wrong)} things are wrong")


def _repair(
    config: Config, devices: dict[str, Home], calendar: Calendar, clock: Clock, report: audit.Report
) -> list[str]:
    """Mend the folders in which something is wrong, and no others."""
    brake = Brake()

    def believable() -> bool:
        return brake.observe(clock.wall(), clock.boottime())

    if not believable():
        raise Failed(f"{brake.reason}; set the clock first")
    resisted: list[str] = []
    for name, device in devices.items():
        kinds = tuple(kind for kind in config.kinds if _is_mendable(report.wrong, name, kind))
        if kinds:
            instruments = Instruments(CollectorRegistry())
            rotation = Rotation(device, kinds, calendar, clock, believable, instruments)
            rotate = _passes(rotation)
            resisted += audit.repair(device, kinds, calendar, clock, rotate, durable=config.durable)
    return resisted


def _passes(rotation: Rotation) -> Callable[[], object]:
    return lambda: trio.run(rotation.one_pass)


def _is_mendable(wrong: tuple[Violation, ...], device: str, kind: Kind) -> bool:
    return any(
        one.device == device and one.kind == kind.name and one.finding.what is not What.UNREADABLE for one in wrong
    )


def _print(report: audit.Report, mended: list[Violation]) -> None:
    for one in mended:
        click.echo(f"mended  {one}")
    for one in report.wrong:
        click.echo(f"wrong   {one}; remedy: {one.remedy}")
    for one in report.notes:
        click.echo(f"note    {one}")
    if not report.wrong:
        click.echo(f"fine: {report.files} files, and every promise kept")


@contextlib.contextmanager
def _progress(folders: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing anywhere else."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("looking at folders", total=folders * PARTS)
        files = 0

        def step(more: int) -> None:
            nonlocal files
            files += more
            progress.update(task, advance=1, description=f"{files} files")

        yield step
