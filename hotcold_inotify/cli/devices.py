"""The devices that a command is about: those that `--device` names, or all."""

from collections.abc import Sequence

import click

from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.config import Config
from hotcold_inotify.disk import Home, find_devices


def chosen(config: Config, names: Sequence[str]) -> list[Home]:
    """In the order of the names. What is wrong with the list is said on standard error; Failed: the root cannot be
    listed, a name is no device, or there is none at all.
    """
    try:
        found, warnings = find_devices(config)
    except OSError as error:
        raise Failed(f"cannot list the root {config.root}: {error.strerror}") from error
    for text in warnings:
        click.echo(text, err=True)
    missing = [name for name in names if name not in found]
    if missing:
        raise Failed(f"no such device under {config.root}: {', '.join(missing)}; there: {', '.join(found) or 'none'}")
    if not found:
        raise Failed(f"no device under {config.root}; make one: hotcold init capture1")
    return [found[name] for name in dict.fromkeys(names)] if names else list(found.values())
