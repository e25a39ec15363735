"""`hotcold doctor`: what would go wrong on this host, each thing with its remedy. It reads, and changes nothing."""

import json
from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.text import Text

from hotcold_inotify.cli.settings import Bad, Failed
from hotcold_inotify.config import Config
from hotcold_inotify.doctor import Host, NoSuchUser, Report, examine
from hotcold_inotify.prognosis import Finding, Severity, Trouble

_STYLES = {Severity.BROKEN: "bold red", Severity.WILL_BREAK: "yellow", Severity.NOTE: "cyan"}


def show(config: Config, *, user: str | None, as_json: bool, host: Host | None = None) -> None:
    """Print what was found; `Failed` (exit code 1) when something has to be done, `Bad` when there is no such user."""
    try:
        report = examine(config, host, user)
    except NoSuchUser as error:
        raise Bad(str(error)) from error
    except OSError as error:
        raise Failed(f"cannot look at {error.filename or config.root}: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(_document(config, report), indent=2))
    else:
        # A remedy is there to be copied: rich breaks no line.
        Console(soft_wrap=True, highlight=False).print(*_lines(config, report), sep="\n")
        for text in report.warnings:
            click.echo(text, err=True)
        if not report.devices:
            click.echo("no device is there; make one: hotcold init capture1", err=True)
    if report.fails:
        raise Failed(f"found: {sum(one.trouble.severity.fails for one in report.findings)}, each with its remedy")


def _document(config: Config, report: Report) -> dict[str, object]:
    return {
        "root": config.root,
        "user": report.user,
        "reactor": report.reactor,
        "devices": list(report.devices),
        "fine": not report.fails,
        "findings": [one.plain() for one in report.findings],
        "not_looked_at": list(report.missed),
        "warnings": list(report.warnings),
    }


def _lines(config: Config, report: Report) -> Iterator[Text]:
    """A block for each trouble, the worst first, and what was not looked at."""
    runs = "no reactor runs" if report.reactor is None else f"reactor: process {report.reactor}"
    yield Text(f"{config.root} · devices: {len(report.devices)} · as {report.user} · {runs}")
    for trouble, found in _grouped(report.findings):
        yield Text.assemble(f"\n{trouble.severity.value:<14} ", (trouble.text, "bold"), style=_STYLES[trouble.severity])
        yield Text(f"{'why':<14} {trouble.why}")
        for one in found:
            yield Text(f"{'where':<14} {one.where}: {one.detail}")
            yield Text.assemble(f"{'remedy':<14} ", (one.remedy, "green"))
    if not report.findings:
        yield Text("fine: nothing was found", style="green")
    for text in report.missed:
        yield Text(f"not looked at  {text}", style="dim")


def _grouped(findings: Iterable[Finding]) -> list[tuple[Trouble, list[Finding]]]:
    groups: dict[Trouble, list[Finding]] = {}
    for one in findings:
        groups.setdefault(one.trouble, []).append(one)
    worst = list(Severity)
    return sorted(groups.items(), key=lambda group: worst.index(group[0].severity))
