"""The commands. Each does little more than hand its words to the room that does the work.

What is large is imported by the command that needs it: each device has an analyser, which needs no web server.
"""

import functools
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import click
import tomli_w

from hotcold_inotify import __version__, config
from hotcold_inotify.analysis import Levels
from hotcold_inotify.cli import analyze as analyze_
from hotcold_inotify.cli.settings import Failed, common, configure_logs, load, reloader, remember
from hotcold_inotify.disk import find_devices, home


def _command(**extra: Any) -> Callable[[Callable[..., None]], click.Command]:
    """A command of the group with the common options read and the log set up."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def run(
            context: click.Context,
            /,
            config_file: str | None,
            root: str | None,
            log_format: str | None,
            log_level: str | None,
            **rest: Any,
        ) -> None:
            remember(
                context, {"config_file": config_file, "root": root, "log_format": log_format, "log_level": log_level}
            )
            configure_logs(context)
            function(context, **rest)

        return main.command(**extra)(common(click.pass_context(run)))

    return decorate


_json = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hotcold")
@common
@click.pass_context
def main(context: click.Context, /, **given: str | None) -> None:
    """Keep capture folders hot and cold: the newest files in the root, the rest in their hour's folder."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A folder's name may be any bytes; one that is no text must not keep the others from being shown.
        sys.stdout.reconfigure(errors="backslashreplace")
    remember(context, given)


@_command()
def run(context: click.Context) -> None:
    """Run the reactor until SIGTERM; SIGHUP reads the configuration again."""
    import trio
    from prometheus_client import CollectorRegistry

    from hotcold_inotify.reactor import CannotStart, Reactor

    reactor = Reactor(load(context), registry=CollectorRegistry(), reload=reloader(context))
    try:
        trio.run(reactor.run)
    except CannotStart as error:
        raise Failed(str(error)) from error


@_command()
def serve(context: click.Context) -> None:
    """Serve the API and the page until SIGTERM. It reads the folders, beside a reactor or without one."""
    from hotcold_inotify.cli import serve as serve_

    serve_.run(load(context))


@_command()
@click.option(
    "--devices", default=2, show_default=True, type=click.IntRange(1, 16), help="How many devices to generate."
)
@click.option("--plain", is_flag=True, help="Log lines instead of the live table.")
def demo(context: click.Context, devices: int, *, plain: bool) -> None:
    """Run everything on generated video: ffmpeg, reactor, API and page, and a live table of what they do."""
    from hotcold_inotify.cli import demo as demo_

    demo_.run(context, devices=devices, plain=plain)


@_command()
@click.argument("devices", nargs=-1)
def init(context: click.Context, devices: tuple[str, ...]) -> None:
    """Make the folders of DEVICES (names under the root, or absolute paths), else of the devices that are there."""
    settings = load(context)
    try:
        homes = [home(settings, path) for path in _paths(settings, devices)] if devices else _found(settings)
        for device in homes:
            device.make(kind.name for kind in settings.kinds)
            click.echo(f"{device.path}: {len(settings.kinds)} kinds, 24 hour folders each")
    except OSError as error:
        raise Failed(f"cannot make {error.filename}: {error.strerror}") from error
    if not homes:
        raise Failed(f"{settings.root} has no device yet; name one: hotcold init capture1")


@_command()
@_json
def status(context: click.Context, *, as_json: bool) -> None:
    """Show each hot folder: count and limit, the live slot, the age of the newest file; and whether a reactor runs."""
    from hotcold_inotify.cli import status as status_

    status_.show(load(context), as_json=as_json)


@_command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@_json
def rotate(context: click.Context, *, dry_run: bool, as_json: bool) -> None:
    """Take away what has expired, once, as the reactor does each minute."""
    from hotcold_inotify.cli import rotate as rotate_

    rotate_.once(load(context), dry_run=dry_run, as_json=as_json)


@_command()
@click.option("--repair", is_flag=True, help="Put right what is wrong; nothing is deleted that has not expired.")
@_json
def check(context: click.Context, *, repair: bool, as_json: bool) -> None:
    """Hold the folders against every promise, beside a reactor or without one; exit code 1 when one is broken."""
    from hotcold_inotify.cli import check as check_

    check_.check(load(context), repair=repair, as_json=as_json)


@_command()
@click.option("--user", metavar="NAME", help="Whom the service runs as (else by its process, its unit, or you).")
@click.option("--acceptance", is_flag=True, help="Watch and ask the running host, and hold it against the checklist.")
@click.option("--device", "devices", metavar="NAME", multiple=True, help="Accept only this one; may be given again.")
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(1, 3600), help="Watch for so long.")
@click.option("--html", "page", metavar="FILE", help="Write the acceptance as a page too.")
@_json
def doctor(
    context: click.Context,
    *,
    user: str | None,
    acceptance: bool,
    devices: tuple[str, ...],
    seconds: float,
    page: str | None,
    as_json: bool,
) -> None:
    """Say what would go wrong on this host, and what to do about it; exit code 1 when something would."""
    if acceptance:
        from hotcold_inotify.cli import acceptance as acceptance_

        if user is not None:
            raise click.UsageError("--user is for the look without --acceptance")
        acceptance_.show(load(context), names=devices, seconds=seconds, as_json=as_json, page=page)
        return
    if devices or page is not None:
        raise click.UsageError("--device and --html need --acceptance")
    from hotcold_inotify.cli import doctor as doctor_

    doctor_.show(load(context), user=user, as_json=as_json)


@_command()
@click.argument("folder", metavar="[ROOT]", required=False)
@click.option("--device", "devices", metavar="NAME", multiple=True, help="Only this one; may be given again.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--expire", is_flag=True, help="Delete what is past its retention, which else stays where it is.")
@click.option("--undo", is_flag=True, help="Put everything back; no reactor may run.")
@_json
def migrate(
    context: click.Context,
    folder: str | None,
    devices: tuple[str, ...],
    *,
    dry_run: bool,
    expire: bool,
    undo: bool,
    as_json: bool,
) -> None:
    """Move recordings from mixed folders to hot and cold, while they are written and read; again, to go on."""
    from hotcold_inotify.cli import migrate as migrate_

    if undo and expire:
        raise click.UsageError("--undo deletes nothing: it takes no --expire")
    remember(context, {"root": folder})
    if undo:
        migrate_.undo(load(context), devices, dry_run=dry_run, as_json=as_json)
    else:
        migrate_.migrate(load(context), devices, dry_run=dry_run, expire=expire, as_json=as_json)


@_command()
@click.argument("device")
@click.option("--first", default=0, type=click.IntRange(0), help="The number of ffmpeg's first capture.")
@click.option("--silence", default=Levels().silence, show_default=True, help="dB up to which sound is silence.")
@click.option("--silence-seconds", default=Levels().silence_seconds, show_default=True, help="Shorter is a pause.")
@click.option("--freeze-seconds", default=Levels().freeze_seconds, show_default=True, help="As freezedetect has it.")
def analyze(_context: click.Context, device: str, first: int, **levels: float) -> None:
    """Write DEVICE/metadata from what ffmpeg prints on standard input; ffmpeg/capture.sh starts this."""
    analyze_.run(device, first=first, levels=Levels(**levels))


@_command(name="config")
@_json
def show_config(context: click.Context, *, as_json: bool) -> None:
    """Print the effective configuration, every key."""
    settings = config.dump(load(context))
    click.echo(json.dumps(settings, indent=2) if as_json else tomli_w.dumps(settings), nl=as_json)


def _paths(settings: config.Config, devices: tuple[str, ...]) -> list[str]:
    for name in devices:
        if not name.startswith("/") and (name in (".", "..") or "/" in name):
            raise click.BadParameter(f"{name}: a device is a name under the root, or an absolute path")
    return [name if name.startswith("/") else f"{settings.root}/{name}" for name in devices]


def _found(settings: config.Config) -> list[Any]:
    return list(find_devices(settings)[0].values())
