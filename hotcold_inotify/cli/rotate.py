"""`hotcold rotate`: one pass of what the reactor's rotation does, by hand, beside a reactor or without one."""

import json
import time

import attrs
import click
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours
from hotcold_inotify.brake import Brake
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import Expired, Home, find_devices
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.rotation import Plan, Rotation, plan


def once(config: Config, *, dry_run: bool, as_json: bool) -> None:
    """Do the pass, or with `dry_run` say what it would do. `Failed` when a folder could not be worked on."""
    try:
        devices, _wrong = find_devices(config)
    except OSError as error:
        raise Failed(f"cannot list the root {config.root}: {error.strerror}") from error
    calendar = Calendar(hours.zone(config.timezone))
    clock, brake = Clock(), Brake()

    def believable() -> bool:
        return brake.observe(clock.wall(), clock.boottime())

    if not believable():
        raise Failed(f"{brake.reason}; set the clock first")
    if dry_run:
        _say_plans(
            [(device, _plan(device, kind, calendar)) for device in devices.values() for kind in config.kinds],
            as_json=as_json,
        )
        return
    instruments = Instruments(CollectorRegistry())
    report: dict[str, dict[str, object]] = {}
    failed: list[str] = []
    for device in devices.values():
        rotation = Rotation(device, config.kinds, calendar, clock, believable, instruments)
        done = trio.run(rotation.one_pass)
        report[device.name] = {kind: _expired(expired) for kind, expired in done.items()}
        failed += [f"{device.name}/{kind.name}" for kind in config.kinds if kind.name not in done]
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        for name, kinds in report.items():
            for kind, found in kinds.items():
                click.echo(f"{name}/{kind}: {found}")
    if failed:
        raise Failed(f"could not be worked on: {', '.join(failed)}; the log says why")


def _expired(expired: Expired) -> dict[str, object]:
    return {"files": expired.files, "bytes": expired.bytes, "put_back": list(expired.put_back)}


def _plan(device: Home, kind: Kind, calendar: Calendar) -> Plan:
    try:
        with device.open(kind, calendar) as folder:
            return plan(folder, time.time(), count=True)
    except OSError as error:
        raise Failed(f"cannot look at {error.filename}: {error.strerror}") from error


def _say_plans(plans: list[tuple[Home, Plan]], *, as_json: bool) -> None:
    if as_json:
        report: dict[str, dict[str, object]] = {}
        for device, found in plans:
            whole = attrs.asdict(
                found,
                value_serializer=lambda _i, _f, value: str(value) if isinstance(value, hours.Generation) else value,
            )
            report.setdefault(device.name, {})[found.kind] = {
                key: value for key, value in whole.items() if key != "kind"
            }
        click.echo(json.dumps(report, indent=2))
        return
    said = False
    for device, found in plans:
        where = f"{device.name}/{found.kind}"
        for word, dues in (("retire", found.retire), ("trim", found.trim)):
            for due in dues:
                said = True
                click.echo(f"would {word} {where}/{due.slot}: {due.files} files, {due.bytes} bytes of {due.generation}")
        for room in found.waiting:
            said = True
            click.echo(f"would go through {where}/.retired/{room}")
    if not said:
        click.echo("nothing has expired")
