"""`hotcold migrate`: from the old mixed folders to hot and cold, beside writers and a reactor; and the way back."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs
import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hotcold_inotify import hours, migration
from hotcold_inotify.brake import Brake
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Home, RootHeld, RootLock, find_devices, holder
from hotcold_inotify.hours import Calendar
from hotcold_inotify.migration import DevicePlan, Moved, Undone

# The bar hears of so many files at once: it takes longer than a rename.
_ADVANCE: Final = 500
_AGAIN: Final = "what was moved is whole; run it again, and it goes on"

Step = Callable[[int], None]


def migrate(config: Config, devices: tuple[str, ...], *, dry_run: bool, expire: bool, as_json: bool) -> None:
    """Say what would move, and without `dry_run` move it. `Failed` when something could not be."""
    homes = _homes(config, devices, writes=not dry_run)
    calendar, clock, brake = Calendar(hours.zone(config.timezone)), Clock(), Brake()

    def believable() -> bool:
        return brake.observe(clock.wall(), clock.boottime())

    def reactor() -> bool:
        return holder(config.root) is not None

    if not believable():
        raise Failed(f"{brake.reason}; set the clock first")
    lists = sum(kind.playlist for kind in config.kinds) * len(SLOT_NAMES)
    document: dict[str, object] = {}
    resisted = 0
    for home in homes:
        with _refusals(home), contextlib.nullcontext() if dry_run else migration.alone(home.path):
            with _bars({"looking": None}) as bars:
                plan = migration.plan(home, config.kinds, calendar, clock.wall(), live=reactor(), step=bars["looking"])
            document[home.name] = report = _plan(plan)
            if not as_json:
                _print_plan(home, plan, expire=expire)
            if dry_run:
                continue
            began = time.monotonic()
            with _bars({"moving": plan.moves + plan.expired * expire, "hour playlists": lists}) as bars:
                moved = migration.migrate(
                    home,
                    config.kinds,
                    calendar,
                    clock,
                    plan,
                    expire=expire,
                    believable=believable,
                    reactor=reactor,
                    durable=config.durable,
                    step=bars["moving"],
                    step_playlists=bars["hour playlists"],
                )
            done = report["done"] = _done(moved, time.monotonic() - began)
            resisted += moved.failed
            for text in moved.troubles:
                click.echo(f"{home.name}: {text}", err=True)
            if not as_json:
                click.echo(f"{home.name}: {_words(done)}")
    _end(config, document, resisted, dry_run=dry_run, as_json=as_json)


def undo(config: Config, devices: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Put devices back, or say what would go back. `Failed` where a reactor runs, or something resists."""
    homes = _homes(config, devices, writes=not dry_run)
    calendar, clock = Calendar(hours.zone(config.timezone)), Clock()
    document: dict[str, object] = {}
    resisted = 0
    with contextlib.ExitStack() as held:
        if not dry_run:
            try:
                # Held, and not only looked at: a reactor that starts meanwhile would take everything away again.
                held.callback(RootLock(config.root).close)
            except RootHeld as error:
                raise Failed(f"{error}; stop it first") from error
        for home in homes:
            with _refusals(home), contextlib.nullcontext() if dry_run else migration.alone(home.path):
                with _bars({"moving back": None}) as bars:
                    undone = migration.undo(
                        home, config.kinds, calendar, clock.wall(), dry_run=dry_run, step=bars["moving back"]
                    )
                document[home.name] = report = _undone(undone)
                resisted += undone.moved.failed
                for text in undone.moved.troubles:
                    click.echo(f"{home.name}: {text}", err=True)
                if not as_json:
                    click.echo(f"{home.name}: {'would go back: ' if dry_run else ''}{_words(report)}")
    _end(config, document, resisted, dry_run=dry_run, as_json=as_json)


def _end(config: Config, document: dict[str, object], resisted: int, *, dry_run: bool, as_json: bool) -> None:
    """Print the document, if it is wanted. `Failed`: something resisted."""
    if as_json:
        click.echo(json.dumps({"root": config.root, "dry_run": dry_run, "devices": document}, indent=2))
    if resisted:
        raise Failed(f"{resisted} files or folders resisted; {_AGAIN}")


def _homes(config: Config, names: tuple[str, ...], *, writes: bool) -> list[Home]:
    try:
        found, warnings = find_devices(config)
    except OSError as error:
        raise Failed(f"cannot list the root {config.root}: {error.strerror}") from error
    for text in warnings:
        click.echo(text, err=True)
    missing = [name for name in names if name not in found]
    if missing:
        raise Failed(f"no such device under {config.root}: {', '.join(missing)}; there: {', '.join(found) or 'none'}")
    homes = [found[name] for name in dict.fromkeys(names)] if names else list(found.values())
    if not homes:
        raise Failed(f"no device under {config.root}")
    for home in homes if writes else ():
        if not os.access(home.path, os.W_OK | os.X_OK):
            raise Failed(f"cannot write in {home.path}: run it as its owner")
        if os.geteuid() == 0 and os.stat(home.path).st_uid != 0:
            click.echo(f"{home.path} is not root's, and new folders will be: better run it as its owner", err=True)
    return homes


@contextlib.contextmanager
def _refusals(home: Home) -> Iterator[None]:
    """What ends the command, in plain words."""
    try:
        yield
    except migration.MigrationHeld as error:
        raise Failed(str(error)) from error
    except KeyboardInterrupt:
        raise Failed(f"interrupted; {_AGAIN}") from None
    except OSError as error:
        if error.errno not in SURVIVED:
            raise
        raise Failed(f"cannot work on {error.filename or home.path}: {error.strerror}; {_AGAIN}") from error


def _plan(plan: DevicePlan) -> dict[str, object]:
    return {
        "kinds": {
            name: {
                "in_place": kind.in_place,
                "hot": kind.hot,
                "slots": {str(slot): kind.slots[slot] for slot in sorted(kind.slots)},
                "bytes": kind.bytes,
                "expired": kind.expired,
                "expired_bytes": kind.expired_bytes,
                "stays": {why.name.lower(): count for why, count in kind.stays.items()},
            }
            for name, kind in plan.kinds.items()
        },
        "moves": plan.moves,
        "expired": plan.expired,
        "unknown": plan.unknown,
        "examples": plan.examples,
        "seconds": plan.seconds,
    }


def _done(moved: Moved, seconds: float) -> dict[str, object]:
    return {
        "hot": moved.hot,
        "slots": moved.slots,
        "expired": moved.expired,
        "bytes": moved.bytes,
        "collided": moved.collided,
        "playlists": moved.playlists,
        "failed": moved.failed,
        "moving_seconds": round(moved.seconds, 3),
        "moving_processor": round(moved.processor, 3),
        "seconds": round(seconds, 3),
    }


def _undone(undone: Undone) -> dict[str, object]:
    return {
        "files": undone.files.total(),
        **undone.files,
        "stays": undone.stays,
        "renamed": undone.renamed,
        "failed": undone.moved.failed,
    }


def _words(report: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in report.items()
    )


def _print_plan(home: Home, plan: DevicePlan, *, expire: bool) -> None:
    for name, kind in plan.kinds.items():
        click.echo(
            f"{home.name}/{name}: {kind.hot:,} files to hot, {kind.slots.total():,} to {len(kind.slots)} hours, "
            f"{kind.bytes:,} bytes; {kind.in_place:,} are hot already"
        )
        if kind.slots:
            click.echo("    " + "  ".join(f"{slot}: {kind.slots[slot]:,}" for slot in sorted(kind.slots)))
        if kind.expired:
            what = "are deleted" if expire else "stay, without --expire"
            click.echo(f"    {kind.expired:,} files have expired ({kind.expired_bytes:,} bytes): they {what}")
        for why, count in kind.stays.items():
            click.echo(f"    {count:,} files stay for now: {why.value}")
    if plan.unknown:
        click.echo(f"{home.name}: {plan.unknown:,} unknown files or folders stay, as {', '.join(plan.examples)}")
    click.echo(f"{home.name}: {plan.moves:,} files to move, about {plan.seconds:,.0f} s")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextlib.contextmanager
def _bars(totals: Mapping[str, int | None]) -> Iterator[dict[str, Step]]:
    """On a terminal a bar for each, with rate and time left; nothing anywhere else."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bars = {text: _Bar(progress, progress.add_task(text, total=total)) for text, total in totals.items()}
        yield {text: bar.step for text, bar in bars.items()}
        for bar in bars.values():
            bar.show()


@attrs.define
class _Bar:
    progress: Progress
    task: TaskID
    waiting: int = 0

    def step(self, more: int) -> None:
        self.waiting += more
        if self.waiting >= _ADVANCE:
            self.show()

    def show(self) -> None:
        self.progress.advance(self.task, self.waiting)
        self.waiting = 0
