"""`hotcold doctor --acceptance`: the checklist, line by line, with what was seen; as text, as JSON, and as a page."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotcold_inotify import audit, hours
from hotcold_inotify.acceptance import NoToken, Report, accept
from hotcold_inotify.checklist import Line, Verdict
from hotcold_inotify.checklist.promises import Checked
from hotcold_inotify.cli import acceptancepage
from hotcold_inotify.cli.devices import chosen
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.disk import Home, holder
from hotcold_inotify.hours import Calendar

_STYLES = {Verdict.PASSED: "green", Verdict.NOT_SHOWN: "yellow", Verdict.FAILED: "bold red"}
# Evidence beyond so many points of one line is for JSON and the page.
_SHOWN = 12


def show(config: Config, *, names: Sequence[str], seconds: float, as_json: bool, page: str | None) -> None:
    """Print the report, and write the page where one is asked for; `Failed` (exit code 1) when a line failed."""
    devices = chosen(config, names)
    try:
        with _waiting(seconds):
            report = accept(config, devices, seconds, lambda: _check(config, devices))
    except NoToken as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise Failed(f"cannot look at {error.filename or config.root}: {error.strerror}") from error
    at = datetime.fromtimestamp(report.about.at, hours.zone(config.timezone))
    at = at.astimezone(at.tzinfo)  # "local" has no zone of its own until now
    if page is not None:
        _write(page, acceptancepage.render(report, at))
    if as_json:
        click.echo(json.dumps(_document(report, at), indent=2))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        console.print(_summary(report, at))
        for line in report.lines:
            console.print(*_evidence(line), sep="\n", soft_wrap=True)
        if page is not None:
            click.echo(f"\nthe same to look at: {page}")
    failed = [line for line in report.lines if line.verdict is Verdict.FAILED]
    if failed:
        numbers = ", ".join(str(line.item.number) for line in failed)
        raise Failed(f"failed: line {numbers} of {len(report.lines)}")


def _check(config: Config, devices: Sequence[Home]) -> Checked:
    """What `hotcold check` finds."""
    calendar = Calendar(hours.zone(config.timezone))
    report = audit.check(devices, config.kinds, calendar, Clock(), live=holder(config.root) is not None)
    return Checked(report.wrong, report.files)


@contextlib.contextmanager
def _waiting(seconds: float) -> Iterator[None]:
    """A word on a terminal, nothing anywhere else."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"looking at the host for {seconds:.0f} seconds"):
        yield


def _write(path: str, text: str) -> None:
    unfinished = f"{path}.tmp"
    try:
        with open(unfinished, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(unfinished, path)
    except OSError as error:
        raise Failed(f"{path}: cannot be written: {error.strerror}") from error


def _document(report: Report, at: datetime) -> dict[str, object]:
    about = report.about
    return {
        "date": at.isoformat(timespec="seconds"),
        "host": about.host,
        "kernel": about.kernel,
        "cores": about.cores,
        "versions": {"hotcold": about.hotcold, "python": about.python, "ffmpeg": about.ffmpeg},
        "root": report.root,
        "api": report.api,
        "reactor": report.reactor,
        "devices": list(report.devices),
        "seconds": round(report.seconds, 3),
        "verdict": report.verdict.name.lower(),
        "lines": [line.plain() for line in report.lines],
    }


def _summary(report: Report, at: datetime) -> Table:
    about = report.about
    title = (
        f"{about.host} · {at:%Y-%m-%d %H:%M:%S %Z} · hotcold {about.hotcold}, Python {about.python}, "
        f"ffmpeg {about.ffmpeg}, {about.kernel}, {about.cores} cores\n"
        f"{report.root} · {', '.join(report.devices)} · API {report.api} · "
        f"reactor {'none' if report.reactor is None else f'process {report.reactor}'} · {report.seconds:.0f} s observed"
    )
    table = Table(title=Text(title), title_justify="left", show_lines=True)
    for heading in ("", "checklist", "verdict", "why"):
        table.add_column(heading)
    for line in report.lines:
        verdict = Text(line.verdict.value, style=_STYLES[line.verdict])
        table.add_row(str(line.item.number), line.item.value, verdict, Text(line.why))
    return table


def _evidence(line: Line) -> Iterator[Text]:
    yield Text.assemble(
        f"\n{line.item.number}. {line.item.value}: ", (line.verdict.value, _STYLES[line.verdict]), style="bold"
    )
    for point in line.points[:_SHOWN]:
        style = "dim" if point.verdict is None else _STYLES[point.verdict]
        mark = "  " if point.verdict is None else {"passed": "+ ", "failed": "! "}.get(point.verdict.value, "? ")
        yield Text.assemble("   ", (mark, style), point.text)
    if len(line.points) > _SHOWN:
        yield Text(f"     and {len(line.points) - _SHOWN} more: --json or --html", style="dim")
    yield Text(f"     asked: {_shortened(line.asked)}", style="dim")


def _shortened(asked: Sequence[str]) -> str:
    return ", ".join(asked[:4]) + (f" and {len(asked) - 4} more" if len(asked) > 4 else "")
