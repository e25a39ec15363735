"""The text of a configuration stops here: behind `parse`, every value is known to be good.

Each key is one attrs field with its form. A new key is a new field. All errors of a file are reported at once, each
with its key.
"""

import difflib
import re
import tomllib
from collections.abc import Container, Iterable, Iterator
from ipaddress import IPv6Address
from math import inf
from pathlib import PurePosixPath
from typing import Any, Final

import attrs
from cattrs import ClassValidationError

from hotcold_inotify.forms import (
    BARE_KEY,
    CONVERTER,
    TABLE,
    ConfigError,
    Fault,
    Form,
    WrongError,
    dotted,
    faults,
    forms,
    gather,
    listed,
    plain,
    table,
    text,
    unknown,
    written,
)
from hotcold_inotify.hours import DAY, LOCAL, zone
from hotcold_inotify.names import Pattern
from hotcold_inotify.pressure import UNITS, Amount, Floor


@attrs.frozen
class Listen:
    """An address to listen on. str() is the file's own form: `127.0.0.1:9776`, `[::1]:80`. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Listen":
        """Read what str() writes. ValueError on any other text."""
        found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
        if found is None or int(found[3]) > 65_535:
            raise ValueError(f"{text!r} is not an address such as '127.0.0.1:8080' or '[::1]:8080'")
        return cls(str(IPv6Address(found[1])) if found[1] else found[2], int(found[3]))


__all__ = [
    "DEFAULT_KINDS",
    "Config",
    "ConfigError",
    "Kind",
    "Listen",
    "Metrics",
    "Pressure",
    "Web",
    "dump",
    "format_duration",
    "format_size",
    "parse",
    "parse_duration",
    "parse_size",
]

_UNITS: Final = {"h": 3_600, "m": 60, "s": 1}
_SIZES: Final = {"GiB": 2**30, "GB": 10**9, "MiB": 2**20, "MB": 10**6, "KiB": 2**10, "KB": 10**3}


def parse_duration(text: str) -> float:
    """Seconds from `90s`, `15m` or `24h`: a whole number and one unit. ValueError on any other text."""
    found = re.fullmatch(r"([0-9]{1,9})([smh])", text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as '90s', '15m' or '24h'")
    return float(int(found[1]) * _UNITS[found[2]])


def format_duration(seconds: float) -> str:
    """The text in the largest unit that divides these seconds; ValueError unless they are a whole number, 0 or more."""
    if seconds < 0 or seconds % 1:
        raise ValueError(f"{seconds} is not a whole number of seconds, 0 or more")
    unit, size = next((unit, size) for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{int(seconds // size)}{unit}"


def parse_size(text: str) -> int:
    """Bytes from `256MiB` or `1GB`: a whole number above 0 and one unit. ValueError on any other text."""
    found = re.fullmatch(r"([0-9]{1,9})([GMK]i?B)", text)
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is not a size such as '256MiB' or '1GB'")
    return int(found[1]) * _SIZES[found[2]]


def format_size(size: int) -> str:
    """The text in the largest unit that divides these bytes; ValueError unless they are whole KB or KiB, 1 or more."""
    unit = next((unit for unit in _SIZES if size > 0 and size % _SIZES[unit] == 0), None)
    if unit is None:
        raise ValueError(f"{size} is not a whole number of KB or KiB, 1 or more")
    return f"{size // _SIZES[unit]}{unit}"


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\0" in text or ".." in PurePosixPath(text).parts:
        raise ValueError(text)
    return "/" + str(PurePosixPath(text)).lstrip("/")


def _device(text: str) -> str:
    if "/" in text:
        # A glob here would watch whatever appears anywhere; and "/" has no name.
        return _absolute(text if PurePosixPath(text).name and not {"*", "?"} & {*text} else "")
    if not text or text.startswith(".") or "\0" in text:
        raise ValueError(text)
    return text


def _zone_name(text: str) -> str:
    zone(text)
    return text


def _seconds(text: str, at_most: float = inf) -> float:
    seconds = parse_duration(text)
    if not 0 < seconds <= at_most:
        raise ValueError(text)
    return seconds


def _text_like(what: str, pattern: str) -> Form[str]:
    def parse(given: str) -> str:
        if re.fullmatch(pattern, given) is None:
            raise ValueError(given)
        return given

    return text(what, parse)


_BOOL: Final = plain(bool, "true or false")
_COUNT: Final = plain(int, "a whole number, 1 or more", lambda number: number >= 1)
_PATH: Final = text("an absolute path without '..'", _absolute)
_PATH_OR_NONE: Final = text("an absolute path without '..', or '' for none", lambda path: path and _absolute(path))
_LISTEN: Final = text(
    "an address such as '127.0.0.1:8080' or '[::1]:8080', or '' for none",
    lambda address: Listen.parse(address) if address else None,
    lambda address: str(address or ""),
)
_DURATION: Final = text("a duration above 0, such as '90s', '15m' or '24h'", _seconds, format_duration)
_SIZE: Final = text("a size above 0, such as '256MiB' or '1GB'", parse_size, format_size)
_RETENTION: Final = text(
    "a duration such as '90s', '15m' or '24h', at most 24h because a slot is emptied when its hour comes round",
    lambda duration: _seconds(duration, DAY),
    format_duration,
)


def _room(what: str, units: Container[str]) -> Form[Amount | None]:
    def parse(given: str) -> Amount | None:
        amount = Amount.parse(given) if given else None
        if amount is not None and amount.unit not in units:
            raise ValueError(given)
        return amount

    return text(what, parse, lambda amount: str(amount or ""))


_ROOM: Final = _room("an amount such as '5GB', '500MB' or '5%' (at most 50%), or '' for none", {*UNITS, "%"})
_INODES: Final = _room("a part such as '5%' (at most 50%) or a number such as '100000', or '' for none", {"", "%"})
_KIND_NAMES: Final = listed(plain(str, "a kind's name"), "a list of kinds")
_PATTERN: Final = text("a pattern such as 'segment_*.ts'", Pattern.parse, say_why=True)
_ZONE: Final = text("'local' or an IANA time zone name", _zone_name)
_HOSTS: Final = listed(
    _text_like("a host name or address without a port", r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]"), "a list of host names"
)
_ORIGINS: Final = listed(
    _text_like("an origin such as 'https://dashboard.example'", r"https?://[A-Za-z0-9._\[\]:-]+"), "a list of origins"
)
_DEVICES: Final = listed(
    text("a name or glob without '/' and no leading '.', or an absolute path without '..' and wildcards", _device),
    "a list of device names, globs or absolute paths",
)


@attrs.frozen
class Kind:
    """One sort of file of every device, and the folder below the device that it lives in.

    name: the folder's name, and no key of the kind's table. hot_limit: files that stay in the hot folder. retention:
    seconds, above 0 and at most a day. playlist: whether its hour folders have one.
    """

    name: str
    pattern: Pattern = attrs.field(metadata={"form": _PATTERN})
    hot_limit: int = attrs.field(default=100, metadata={"form": _COUNT})
    retention: float = attrs.field(default=float(DAY), metadata={"form": _RETENTION})
    playlist: bool = attrs.field(default=False, metadata={"form": _BOOL})


DEFAULT_KINDS: Final = (
    Kind("segments", Pattern.parse("segment_*.ts"), hot_limit=10, playlist=True),
    Kind("captures", Pattern.parse("capture_*.jpg"), retention=3_600.0),
    Kind("thumbnails", Pattern.parse("capture_*_thumbnail.jpg")),
    Kind("metadata", Pattern.parse("capture_*.json")),
)


def _read_kinds(value: object) -> tuple[Kind, ...]:
    """The defaults as the file changes them, in their order; then those that it adds, in its order."""
    return gather((_write_kinds(DEFAULT_KINDS) | TABLE.read(value)).items(), _read_kind)


def _read_kind(name: str, value: object) -> Kind:
    if BARE_KEY.fullmatch(name) is None or name.isdigit():
        raise WrongError([((), "expected a kind's name of letters, digits, '_' and '-', and not digits alone")])
    defaults = _write_kinds(DEFAULT_KINDS)
    given = defaults.get(name, {}) | TABLE.read(value)
    if "name" in given:
        raise WrongError([(("name",), unknown("name", forms(Kind)))])
    if "pattern" not in given:
        near = difflib.get_close_matches(name, defaults, n=1)
        hint = f"; did you mean kinds.{near[0]}?" if near else ""
        raise WrongError([(("pattern",), f"expected a pattern, for this kind is new, found none{hint}")])
    return CONVERTER.structure(given | {"name": name}, Kind)


def _write_kinds(kinds: Iterable[Kind]) -> dict[str, dict[str, Any]]:
    return {kind.name: written(kind) for kind in kinds}


@attrs.frozen
class Metrics:
    """Where Prometheus finds the reactor's metrics; None: nowhere."""

    listen: Listen | None = attrs.field(default=Listen("127.0.0.1", 9776), metadata={"form": _LISTEN})


@attrs.frozen
class Web:
    """The API and the page.

    stale_after: seconds after its newest file until a device counts as stopped. token_file: who knows its content may
    look from elsewhere. socket: a Unix socket to listen on besides. hosts: names that a request may call this server,
    besides its own addresses. origins: other sites whose pages may read the API.
    """

    listen: Listen | None = attrs.field(default=Listen("127.0.0.1", 8080), metadata={"form": _LISTEN})
    stale_after: float = attrs.field(default=3.0, metadata={"form": _DURATION})
    token_file: str = attrs.field(default="", metadata={"form": _PATH_OR_NONE})
    socket: str = attrs.field(default="", metadata={"form": _PATH_OR_NONE})
    hosts: tuple[str, ...] = attrs.field(default=(), metadata={"form": _HOSTS})
    origins: tuple[str, ...] = attrs.field(default=(), metadata={"form": _ORIGINS})


@attrs.frozen
class Pressure:
    """What goes before its time where the disk of the hour folders is fuller than it may be; without floors, nothing.

    min_free, min_free_inodes: what must stay free. order: the kinds that may go early, each wholly before the next.
    """

    min_free: Amount | None = attrs.field(default=None, metadata={"form": _ROOM})
    min_free_inodes: Amount | None = attrs.field(default=None, metadata={"form": _INODES})
    order: tuple[str, ...] = attrs.field(
        default=("captures", "thumbnails", "segments", "metadata"), metadata={"form": _KIND_NAMES}
    )

    @property
    def floor(self) -> Floor:
        """Both floors as one; false without any."""
        return Floor(self.min_free, self.min_free_inodes)


@attrs.frozen
class Config:
    """All settings; `Config()` is what an empty file gives. Paths are absolute; '' stands for none.

    cold_backlog: bytes that may wait to leave one hot folder without a word. compat_links: whether the paths of the
    layout before hot and cold are answered too, wherever their files lie.
    """

    root: str = attrs.field(default="/var/www/html/stream", metadata={"form": _PATH})
    devices: tuple[str, ...] = attrs.field(default=("capture*",), metadata={"form": _DEVICES})
    active_captures: str = attrs.field(default="", metadata={"form": _PATH_OR_NONE})
    timezone: str = attrs.field(default=LOCAL, metadata={"form": _ZONE})
    cold_root: str = attrs.field(default="", metadata={"form": _PATH_OR_NONE})
    durable: bool = attrs.field(default=False, metadata={"form": _BOOL})
    cold_backlog: int = attrs.field(default=256 * 2**20, metadata={"form": _SIZE})
    compat_links: bool = attrs.field(default=False, metadata={"form": _BOOL})
    kinds: tuple[Kind, ...] = attrs.field(default=DEFAULT_KINDS, metadata={"form": Form(_read_kinds, _write_kinds)})
    pressure: Pressure = attrs.field(default=Pressure(), metadata={"form": table(Pressure)})
    metrics: Metrics = attrs.field(default=Metrics(), metadata={"form": table(Metrics)})
    web: Web = attrs.field(default=Web(), metadata={"form": table(Web)})


def parse(toml: str, source: str) -> Config:
    """What this TOML text says, and defaults for the rest. ConfigError names `source` and every key that is wrong."""
    try:
        found = tomllib.loads(toml)
    except ValueError as error:  # not TOMLDecodeError alone: a number of 5,000 digits is refused by int()
        end = f"at end of document, line {len(toml.splitlines())}"
        raise ConfigError([f"{source}: not TOML: {str(error).replace('at end of document', end)}"]) from error
    try:
        settings = CONVERTER.structure(found, Config)
    except ClassValidationError as error:
        raise ConfigError(f"{source}: {dotted(path)}: {why}" for path, why in faults(error)) from error
    if wrong := list(_wrong_order(settings)):
        raise ConfigError(f"{source}: {dotted(path)}: {why}" for path, why in wrong)
    return settings


def _wrong_order(settings: Config) -> Iterator[Fault]:
    kinds = [kind.name for kind in settings.kinds]
    order = settings.pressure.order
    for place, name in enumerate(order):
        if name not in kinds:
            yield ("pressure", "order", place), f"no such kind: {name!r}; known here: {', '.join(kinds)}"
        elif name in order[:place]:
            yield ("pressure", "order", place), f"{name} is named twice"


def dump(settings: Config) -> dict[str, Any]:
    """Settings in the file's own form, every key written out: `parse` of a dumped Config as TOML gives an equal one."""
    return written(settings)
