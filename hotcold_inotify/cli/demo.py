"""`hotcold demo`: the whole main job on video that a real ffmpeg generates, with its API and its page, until Ctrl-C.

At the end ffmpeg stops first and finishes its files; the reactor, last, leaves every hot folder within its limit.
"""

import os
import signal
import sys
import time
from contextlib import nullcontext

import attrs
import click
import trio
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.live import Live

from hotcold_inotify import hours
from hotcold_inotify.cli import launcher
from hotcold_inotify.cli.livetable import Samples, table
from hotcold_inotify.cli.settings import Failed, configure_logs, load
from hotcold_inotify.config import Config, Listen
from hotcold_inotify.disk import home
from hotcold_inotify.endpoint import CannotListen, bind
from hotcold_inotify.hours import Calendar
from hotcold_inotify.reactor import CannotStart, Reactor
from hotcold_inotify.web import CannotServe, Serving

DEFAULT_ROOT = "hotcold-demo"
_REFRESH = 0.5
# Without a terminal a line now and then says how it goes.
_PLAIN_REFRESH = 10.0
# The last files' events are on their way when ffmpeg has ended.
_LAST_EVENTS = 0.3


def run(context: click.Context, *, devices: int, plain: bool) -> None:
    """Run until SIGINT or SIGTERM; `Failed` when ffmpeg or the reactor cannot."""
    config = load(context)
    if "root" not in context.ensure_object(dict):
        config = attrs.evolve(config, root=os.path.abspath(DEFAULT_ROOT))
    config = attrs.evolve(
        config,
        metrics=attrs.evolve(config.metrics, listen=_free(config.metrics.listen)),
        web=attrs.evolve(config.web, listen=_free(config.web.listen)),
    )
    names = [f"capture{number}" for number in range(1, devices + 1)]
    try:
        for name in names:
            home(config, os.path.join(config.root, name)).make(kind.name for kind in config.kinds)
    except OSError as error:
        raise Failed(f"cannot make {error.filename}: {error.strerror}") from error
    plain = plain or not sys.stdout.isatty()
    console = Console()
    live = None if plain else Live(console=console, auto_refresh=False)
    with live or nullcontext():
        configure_logs(context)  # again: a live table catches standard error, and prints it above itself
        try:
            trio.run(_run, config, names, live)
        except* (Failed, CannotStart, CannotServe) as errors:
            raise Failed(str(_first(errors))) from errors
    click.echo(f"stopped; the files are in {config.root}")


async def _run(config: Config, names: list[str], live: Live | None) -> None:
    reactor = Reactor(config, registry=CollectorRegistry(), heed_signals=False)
    serving = None if config.web.listen is None and not config.web.socket else Serving(config)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(reactor.run)
            if serving is not None:
                nursery.start_soon(serving.run)
            nursery.start_soon(_show, reactor, "" if serving is None else serving.addresses[0], live)
            async with trio.open_nursery() as encoders:
                for name in names:
                    encoders.start_soon(launcher.capture, os.path.join(config.root, name), _settings(name))
                async for _signal in signals:
                    break
                encoders.cancel_scope.cancel()
            await trio.sleep(_LAST_EVENTS)
            nursery.cancel_scope.cancel()


def _settings(name: str) -> dict[str, str]:
    return {
        "HOTCOLD_SOURCE": "test",
        "HOTCOLD_FFMPEG": launcher.ffmpeg(),
        "HOTCOLD_QUALITY": "demo",
        "HOTCOLD_TEST_LABEL": name,
        "HOTCOLD_TEST_EVENTS": launcher.INCIDENTS.get(name, ""),
    }


async def _show(reactor: Reactor, page: str, live: Live | None) -> None:
    calendar = Calendar(hours.zone(reactor.config.timezone))
    title = f"{reactor.config.root} · metrics at {reactor.address}/metrics · Ctrl-C stops"
    if page:
        title = f"look at {page}/ · {title}"
    if live is None:
        click.echo(title)
    while True:
        await trio.sleep(_PLAIN_REFRESH if live is None else _REFRESH)
        samples = Samples(reactor.registry)
        if live is not None:
            live.update(table(samples, calendar.generation_at(time.time()).slot, title), refresh=True)
        else:
            folders = samples.folders()
            hot = " ".join(
                f"{device}/{kind}={samples.get('hotcold_hot_files', device, kind):.0f}" for device, kind in folders
            )
            archived = sum(samples.get("hotcold_archived_files_total", device, kind) for device, kind in folders)
            click.echo(f"hot: {hot}; archived: {archived:.0f}")


def _free(listen: Listen | None) -> Listen | None:
    """The address, or another port there when somebody has it: a demo should not fail for that."""
    if listen is None:
        return None
    try:
        bind(listen).close()
    except CannotListen:
        return Listen(listen.host, 0)
    return listen


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
