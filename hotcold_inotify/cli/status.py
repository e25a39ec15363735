"""`hotcold status`: what the folders say, with or without a reactor. It reads, and changes nothing."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator

import attrs
import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hotcold_inotify import hours
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.config import Config, Kind, format_size
from hotcold_inotify.disk import SLOT_NAMES, Folder, Home, errno_name, find_devices, holder, list_hot, rooms
from hotcold_inotify.disk.space import spaces
from hotcold_inotify.disk.waiting import waiting
from hotcold_inotify.hours import Calendar
from hotcold_inotify.pressure import Space

# A folder over its limit is looked at again, for a second: a file may have come in this moment, and a reactor takes
# milliseconds to let another one go.
_LOOKS = 10
_PAUSE = 0.1
# A pipe has no width; the table needs this much.
_WIDTH = 110


@attrs.frozen
class FolderStatus:
    """One (device, kind), as it stands."""

    device: str
    kind: str
    hot: int
    limit: int
    unmanaged: int
    live_slot: int
    slots: dict[str, str]
    """Slot number -> generation, for those that hold one."""
    newest_age: float | None
    """Seconds since the newest hot file was finished."""
    waiting: int
    """Rooms of `.retired/`: taken out of their slot, not deleted yet."""
    backlog_bytes: int = 0
    """Of the files beyond the limit, which wait to leave."""
    error: str | None = None


@attrs.frozen
class DiskStatus:
    """A file system of hour folders, against what must stay free there."""

    devices: tuple[str, ...]
    free: int
    min_free: int
    free_inodes: int
    min_free_inodes: int
    too_full: bool
    """The reactor takes the oldest hours away early, until there is some more room than that."""


def show(config: Config, *, as_json: bool) -> None:
    """Print the status; `Failed` (exit code 1) when a folder cannot be read or is over its limit."""
    try:
        devices, wrong = find_devices(config)
    except OSError as error:
        raise Failed(f"cannot list the root {config.root}: {error.strerror}") from error
    calendar = Calendar(hours.zone(config.timezone))
    folders = [(device, kind) for device in devices.values() for kind in config.kinds]
    found = [_look(device, kind, calendar) for device, kind in folders]
    for _ in range(_LOOKS):
        over = [number for number, one in enumerate(found) if one.hot > one.limit]
        if not over:
            break
        time.sleep(_PAUSE)
        for number in over:
            found[number] = _look(*folders[number], calendar)
    pid = holder(config.root)
    disks = _disks(config, devices.values())
    if as_json:
        document = {
            "root": config.root,
            "reactor": pid,
            "warnings": list(wrong),
            "pressure": [attrs.asdict(disk) for disk in disks],
            "devices": {name: {one.kind: _plain(one) for one in found if one.device == name} for name in devices},
        }
        click.echo(json.dumps(document, indent=2))
    else:
        _print(config, found, pid)
        for disk in disks:
            click.echo(_room(disk))
        for text in wrong:
            click.echo(text, err=True)
    if bad := [one for one in found if one.error is not None or one.hot > one.limit]:
        raise Failed("; ".join(_complaint(one, config.cold_backlog) for one in bad))


def _look(device: Home, kind: Kind, calendar: Calendar) -> FolderStatus:
    now = time.time()
    live = calendar.generation_at(now).slot
    try:
        with device.open(kind, calendar) as folder:
            listing = list_hot(folder, 1_000_000)
            mtimes = list(_mtimes(folder, listing.names))
            held = {name: folder.slots.holds(int(name)) for name in SLOT_NAMES}
            slots = {name: str(generation) for name, generation in held.items() if generation is not None}
            age = round(now - max(mtimes), 3) if mtimes else None
            return FolderStatus(
                device.name,
                kind.name,
                len(mtimes),
                kind.hot_limit,
                listing.unmanaged,
                live,
                slots,
                age,
                waiting=len(rooms(folder)),
                backlog_bytes=waiting(folder).bytes if len(mtimes) > kind.hot_limit else 0,
            )
    except OSError as error:
        said = f"{errno_name(error)}: {error.filename}"
        return FolderStatus(device.name, kind.name, 0, kind.hot_limit, 0, live, {}, None, waiting=0, error=said)


def _disks(config: Config, devices: Iterable[Home]) -> list[DiskStatus]:
    """Each file system once; none where nothing has to stay free."""
    floor = config.pressure.floor
    if not floor:
        return []
    found: dict[int, tuple[Space, set[str]]] = {}
    for device in devices:
        for disk, space in spaces(device, (kind.name for kind in config.kinds)).values():
            found.setdefault(disk, (space, set()))[1].add(device.name)
    return [
        DiskStatus(
            tuple(sorted(names)),
            space.free,
            floor.wanted(space)[0],
            space.free_inodes,
            floor.wanted(space)[1],
            floor.short(space, pressed=False),
        )
        for space, names in found.values()
    ]


def _room(disk: DiskStatus) -> str:
    said = f"{disk.free / 1e9:.1f} GB free"
    if disk.min_free:
        said += f" (at least {disk.min_free / 1e9:.1f} GB)"
    if disk.min_free_inodes:
        said += f", {disk.free_inodes} inodes free (at least {disk.min_free_inodes})"
    state = "TOO FULL: the oldest hours go early" if disk.too_full else "room enough"
    return f"disk of {', '.join(disk.devices)}: {said}: {state}"


def _mtimes(folder: Folder, names: Iterable[str]) -> Iterator[float]:
    for text in names:
        with contextlib.suppress(FileNotFoundError):  # archived since it was listed
            yield os.stat(text, dir_fd=folder.hot_fd, follow_symlinks=False).st_mtime


def _plain(one: FolderStatus) -> dict[str, object]:
    return {key: value for key, value in attrs.asdict(one).items() if key not in ("device", "kind")}


def _complaint(one: FolderStatus, cold_backlog: int) -> str:
    where = f"{one.device}/{one.kind}"
    if one.error:
        return f"{where}: {one.error}"
    said = f"{where}: {one.hot} hot files, the limit is {one.limit}"
    if one.backlog_bytes > cold_backlog:
        said += (
            f", and {one.backlog_bytes / 1e6:.1f} MB wait to leave, more than cold_backlog "
            f"({format_size(cold_backlog)}): the disk of the hours does not keep up"
        )
    return said


def _print(config: Config, found: list[FolderStatus], pid: int | None) -> None:
    # Text, for in a plain string rich reads brackets as markup.
    table = Table(title=Text(f"{config.root} · reactor {'not running' if pid is None else f'running, process {pid}'}"))
    for heading in ("device", "kind", "hot / limit", "newest", "live slot", "hours held", "waiting", "unmanaged"):
        table.add_column(heading, justify="left" if heading in ("device", "kind") else "right")
    for one in found:
        age = "-" if one.newest_age is None else f"{one.newest_age:.1f} s ago"
        cells = (
            f"{one.hot} / {one.limit}",
            age,
            str(one.live_slot),
            str(len(one.slots)),
            str(one.waiting),
            str(one.unmanaged),
        )
        table.add_row(Text(one.device), one.kind, *cells)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table)
    if not found:
        click.echo("no device is there; make one: hotcold init capture1", err=True)
