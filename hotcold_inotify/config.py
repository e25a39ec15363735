"""The text of a configuration stops here: behind `parse`, every value is known to be good.

Each key is one attrs field with its form: how TOML writes it, and the words of its error. A new key is a new field.
All errors of a file are reported at once, each with its key.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address
from math import inf
from pathlib import PurePosixPath
from typing import Any, Final, Generic, TypeVar

import attrs
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from hotcold_inotify.hours import DAY, LOCAL, zone
from hotcold_inotify.names import Pattern

T = TypeVar("T")
K = TypeVar("K", bound=int | str)
S = TypeVar("S", "Metrics", "Web")

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


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


_UNITS: Final = {"h": 3_600, "m": 60, "s": 1}


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


# --- errors: each is a key's path below the place that reports it (an int is a list's index), and a reason

_Fault = tuple[tuple[str | int, ...], str]


class ConfigError(ValueError):
    """A configuration that cannot be used. str() is one line an error; each names the source and the key."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


@attrs.define  # not frozen: cattrs puts its notes on what it catches
class _WrongError(ValueError):
    faults: list[_Fault]


def _expected(what: str, value: object) -> _WrongError:
    if isinstance(value, str):
        found = repr(value if len(value) <= 60 else f"{value[:60]}...")
    else:
        found = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else str(value).lower()
    return _WrongError([((), f"expected {what}, found {found}")])


def _unknown(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, known := list(known), n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


def _faults(error: Exception) -> list[_Fault]:
    """What is wrong, out of what cattrs raised; anything but a fault in the file is raised again."""
    match error:
        case _WrongError():
            return error.faults
        case ForbiddenExtraKeysError():
            return [((key,), _unknown(key, _forms(error.cl))) for key in sorted(error.extra_fields)]
        case ClassValidationError():
            keyed, loose = error.group_exceptions()
            below: list[_Fault] = [((note.name, *path), why) for inner, note in keyed for path, why in _faults(inner)]
            return below + [fault for inner in loose for fault in _faults(inner)]
        case _:
            raise error


def _gather(pairs: Iterable[tuple[K, object]], read: Callable[[K, object], T]) -> tuple[T, ...]:
    """What `read` makes of each key and value; the faults of all of them together."""
    values: list[T] = []
    faults: list[_Fault] = []
    for key, value in pairs:
        try:
            values.append(read(key, value))
        except (_WrongError, ClassValidationError) as error:
            faults += [((key, *path), why) for path, why in _faults(error)]
    if faults:
        raise _WrongError(faults)
    return tuple(values)


def _dotted(path: Iterable[str | int]) -> str:
    def step(key: str | int) -> str:
        return f"[{key}]" if isinstance(key, int) else f".{key if _BARE_KEY.fullmatch(key) else repr(key)}"

    return "".join(map(step, path)).removeprefix(".")


# --- forms: how a key's value is written in TOML


@attrs.frozen
class _Form(Generic[T]):
    """`read` raises _WrongError; `write` gives what TOML can hold, so that `read` gives the same value again."""

    read: Callable[[object], T]
    write: Callable[[T], object]


def _forms(cls: type) -> dict[str, _Form[Any]]:
    """The keys of that class's table."""
    return {field.name: field.metadata["form"] for field in attrs.fields(cls) if "form" in field.metadata}


def _plain(cls: type[T], what: str, good: Callable[[T], bool] = lambda _: True) -> _Form[T]:
    """A value that TOML has itself. By type and not by isinstance, for to Python a bool is a number."""

    def read(value: object) -> T:
        if type(value) is not cls or not good(value):
            raise _expected(what, value)
        return value

    return _Form(read, lambda value: value)


_TABLE: Final = _plain(dict, "a table")


def _text(what: str, parse: Callable[[str], T], write: Callable[[T], str] = str, *, say_why: bool = False) -> _Form[T]:
    """A string with a meaning. `parse` raises ValueError; `say_why`: its words tell more than `what`."""
    string = _plain(str, what)

    def read(value: object) -> T:
        text = string.read(value)
        try:
            return parse(text)
        except ValueError as reason:
            raise _expected(f"{what} ({reason})" if say_why else what, value) from reason

    return _Form(read, write)


def _list(form: _Form[T], what: str) -> _Form[tuple[T, ...]]:
    items = _plain(list, what)

    def read(value: object) -> tuple[T, ...]:
        return _gather(enumerate(items.read(value)), lambda _, item: form.read(item))

    return _Form(read, lambda values: [form.write(value) for value in values])


def _table(cls: type[S]) -> _Form[S]:
    def read(value: object) -> S:
        return _CONVERTER.structure(_TABLE.read(value), cls)

    return _Form(read, lambda settings: dump(settings))  # noqa: PLW0108  dump is defined below its users


def _structure_by_forms(cls: type) -> Callable[[Mapping[str, Any], Any], Any]:
    def by(form: _Form[Any]) -> Any:
        return override(struct_hook=lambda value, _: form.read(value))

    return make_dict_structure_fn(cls, _CONVERTER, **{key: by(form) for key, form in _forms(cls).items()})


_CONVERTER: Final = Converter(forbid_extra_keys=True, detailed_validation=True)
_CONVERTER.register_structure_hook_factory(attrs.has, _structure_by_forms)


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


_BOOL: Final = _plain(bool, "true or false")
_COUNT: Final = _plain(int, "a whole number, 1 or more", lambda number: number >= 1)
_PATH: Final = _text("an absolute path without '..'", _absolute)
_PATH_OR_NONE: Final = _text("an absolute path without '..', or '' for none", lambda text: text and _absolute(text))
_LISTEN: Final = _text(
    "an address such as '127.0.0.1:8080' or '[::1]:8080', or '' for none",
    lambda text: Listen.parse(text) if text else None,
    lambda address: str(address or ""),
)
_DURATION: Final = _text("a duration above 0, such as '90s', '15m' or '24h'", _seconds, format_duration)
_RETENTION: Final = _text(
    "a duration such as '90s', '15m' or '24h', at most 24h because a slot is emptied when its hour comes round",
    lambda text: _seconds(text, DAY),
    format_duration,
)
_PATTERN: Final = _text("a pattern such as 'segment_*.ts'", Pattern.parse, say_why=True)
_ZONE: Final = _text("'local' or an IANA time zone name", _zone_name)
_DEVICES: Final = _list(
    _text("a name or glob without '/' and no leading '.', or an absolute path without '..' and wildcards", _device),
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
    return _gather((_write_kinds(DEFAULT_KINDS) | _TABLE.read(value)).items(), _read_kind)


def _read_kind(name: str, value: object) -> Kind:
    if _BARE_KEY.fullmatch(name) is None or name.isdigit():
        raise _WrongError([((), "expected a kind's name of letters, digits, '_' and '-', and not digits alone")])
    defaults = _write_kinds(DEFAULT_KINDS)
    table = defaults.get(name, {}) | _TABLE.read(value)
    if "name" in table:
        raise _WrongError([(("name",), _unknown("name", _forms(Kind)))])
    if "pattern" not in table:
        near = difflib.get_close_matches(name, defaults, n=1)
        hint = f"; did you mean kinds.{near[0]}?" if near else ""
        raise _WrongError([(("pattern",), f"expected a pattern, for this kind is new, found none{hint}")])
    return _CONVERTER.structure(table | {"name": name}, Kind)


def _write_kinds(kinds: Iterable[Kind]) -> dict[str, dict[str, Any]]:
    return {kind.name: dump(kind) for kind in kinds}


@attrs.frozen
class Metrics:
    """Where Prometheus finds the reactor's metrics; None: nowhere."""

    listen: Listen | None = attrs.field(default=Listen("127.0.0.1", 9776), metadata={"form": _LISTEN})


@attrs.frozen
class Web:
    """The API and the page. stale_after: seconds after its newest file until a device counts as stopped."""

    listen: Listen | None = attrs.field(default=Listen("127.0.0.1", 8080), metadata={"form": _LISTEN})
    stale_after: float = attrs.field(default=3.0, metadata={"form": _DURATION})


@attrs.frozen
class Config:
    """All settings; `Config()` is what an empty file gives. Paths are absolute; '' stands for none."""

    root: str = attrs.field(default="/var/www/html/stream", metadata={"form": _PATH})
    devices: tuple[str, ...] = attrs.field(default=("capture*",), metadata={"form": _DEVICES})
    active_captures: str = attrs.field(default="", metadata={"form": _PATH_OR_NONE})
    timezone: str = attrs.field(default=LOCAL, metadata={"form": _ZONE})
    cold_root: str = attrs.field(default="", metadata={"form": _PATH_OR_NONE})
    durable: bool = attrs.field(default=False, metadata={"form": _BOOL})
    kinds: tuple[Kind, ...] = attrs.field(default=DEFAULT_KINDS, metadata={"form": _Form(_read_kinds, _write_kinds)})
    metrics: Metrics = attrs.field(default=Metrics(), metadata={"form": _table(Metrics)})
    web: Web = attrs.field(default=Web(), metadata={"form": _table(Web)})


def parse(text: str, source: str) -> Config:
    """What this TOML text says, and defaults for the rest. ConfigError names `source` and every key that is wrong."""
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # not TOMLDecodeError alone: a number of 5,000 digits is refused by int()
        end = f"at end of document, line {len(text.splitlines())}"
        raise ConfigError([f"{source}: not TOML: {str(error).replace('at end of document', end)}"]) from error
    try:
        return _CONVERTER.structure(table, Config)
    except ClassValidationError as error:
        raise ConfigError(f"{source}: {_dotted(path)}: {why}" for path, why in _faults(error)) from error


def dump(settings: Config | Kind | Metrics | Web) -> dict[str, Any]:
    """Settings in the file's own form, every key written out: `parse` of a dumped Config as TOML gives an equal one."""
    return {key: form.write(getattr(settings, key)) for key, form in _forms(type(settings)).items()}
