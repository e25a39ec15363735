"""The options that every command takes, and the configuration that follows from them.

They may stand before the command's name or behind it; behind counts.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import click

from hotcold_inotify import config, logs

DEFAULT_FILE = "/etc/hotcold/hotcold.toml"
ENVIRONMENT = "HOTCOLD_CONFIG"

F = TypeVar("F", bound=Callable[..., Any])


class Bad(click.ClickException):
    """Usage or configuration: exit code 2."""

    exit_code = 2


class Failed(click.ClickException):
    """Something was found, or did not work: exit code 1."""

    exit_code = 1


def common(command: F) -> F:
    """Give a command the common options; `settings` then reads them from the context."""
    options = [
        click.option(
            "--config", "config_file", metavar="FILE", help=f"Configuration (else ${ENVIRONMENT}, else {DEFAULT_FILE})."
        ),
        click.option("--root", metavar="DIR", help="The folder with the devices, instead of the configured one."),
        click.option("--log-format", type=click.Choice(logs.FORMATS), help="How the log is written (text)."),
        click.option("--log-level", type=click.Choice(logs.LEVELS), help="From which level on (info)."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def remember(context: click.Context, given: dict[str, Any]) -> None:
    """Keep the options that were given, for `load` and `configure_logs`; the ones behind the command's name replace
    those before it.
    """
    kept = context.ensure_object(dict)
    kept.update({key: value for key, value in given.items() if value is not None})


def configure_logs(context: click.Context) -> None:
    """Set the log up as the options say."""
    kept = context.ensure_object(dict)
    logs.configure(kept.get("log_format", "text"), kept.get("log_level", "info"))


def load(context: click.Context) -> config.Config:
    """Read the configuration that the options name; `Bad` names file, key and what was expected."""
    kept = context.ensure_object(dict)
    try:
        found = _parse(kept.get("config_file"))
    except config.ConfigError as error:
        raise Bad(str(error)) from error
    if "root" in kept:
        found = attrs.evolve(found, root=os.path.abspath(kept["root"]))
    return found


def reloader(context: click.Context) -> Callable[[], config.Config]:
    """A function that reads the same configuration again, raising ConfigError."""

    def again() -> config.Config:
        try:
            return load(context)
        except Bad as error:
            raise config.ConfigError([error.message]) from error

    return again


def _parse(given: str | None) -> config.Config:
    path = given or os.environ.get(ENVIRONMENT) or DEFAULT_FILE
    try:
        with open(path, encoding="utf-8") as file:
            return config.parse(file.read(), path)
    except FileNotFoundError:
        if path == DEFAULT_FILE:
            return config.Config()
        where = "--config" if given else f"${ENVIRONMENT}"
        raise Bad(f"{path}: no such file, named by {where}") from None
    except OSError as error:
        raise Bad(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Bad(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from error
