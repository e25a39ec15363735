"""`hotcold migrate`: from the old mixed folders to hot and cold, beside writers and a reactor; and the way back."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from typing import Final

import click

from hotcold_inotify import hours, migration
from hotcold_inotify.brake import Brake
from hotcold_inotify.cli import migratereport as report
from hotcold_inotify.cli.devices import chosen
from hotcold_inotify.cli.migratebars import bars, shown
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Home, RootHeld, RootLock, holder
from hotcold_inotify.hours import Calendar

_AGAIN: Final = "what was moved is whole; run it again, and it goes on"


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
    plans = []
    resisted = 0
    for home in homes:
        with _refusals(home), contextlib.nullcontext() if dry_run else migration.alone(home.path):
            with bars({f"{home.name}: looking": None}) as (looking,):
                plan = migration.plan(home, config.kinds, calendar, clock.wall(), live=reactor(), step=looking)
            document[home.name] = entry = report.plan_document(plan)
            if not as_json:
                for text in report.lines(home.name, plan, expire=expire):
                    click.echo(text)
            plans.append(plan)
            if dry_run:
                continue
            began = time.monotonic()
            totals = {f"{home.name}: moving": plan.moves + plan.expired * expire, f"{home.name}: hour playlists": lists}
            with bars(totals) as (moving, listing):
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
                    step=moving,
                    step_playlists=listing,
                )
            took = time.monotonic() - began
            entry["done"] = report.done_document(moved, took)
            resisted += moved.failed
            for text in moved.troubles:
                click.echo(f"{home.name}: {text}", err=True)
            if not as_json:
                click.echo(report.said(home.name, moved, took))
    if dry_run and len(plans) > 1 and not as_json:
        click.echo(report.together(plans))
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
                total = _to_undo(home, config, calendar, clock) if shown() and not dry_run else None
                with bars({f"{home.name}: {'looking' if dry_run else 'moving back'}": total}) as (back,):
                    undone = migration.undo(home, config.kinds, calendar, clock.wall(), dry_run=dry_run, step=back)
                document[home.name] = report.undone_document(undone)
                resisted += undone.moved.failed
                for text in undone.moved.troubles:
                    click.echo(f"{home.name}: {text}", err=True)
                if not as_json:
                    click.echo(report.said_back(home.name, undone, dry_run=dry_run))
    _end(config, document, resisted, dry_run=dry_run, as_json=as_json)


def _to_undo(home: Home, config: Config, calendar: Calendar, clock: Clock) -> int:
    """How many files there are to put back, so that the bar knows."""
    with bars({f"{home.name}: looking": None}) as (looking,):
        would = migration.undo(home, config.kinds, calendar, clock.wall(), dry_run=True, step=looking)
    return would.files.total()


def _end(config: Config, document: dict[str, object], resisted: int, *, dry_run: bool, as_json: bool) -> None:
    """Print the document, if it is wanted. `Failed`: something resisted."""
    if as_json:
        click.echo(json.dumps({"root": config.root, "dry_run": dry_run, "devices": document}, indent=2))
    if resisted:
        raise Failed(f"{resisted} files or folders resisted; {_AGAIN}")


def _homes(config: Config, names: tuple[str, ...], *, writes: bool) -> list[Home]:
    homes = chosen(config, names)
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
