"""The form of a configuration's value: how TOML writes it, and what is said when it is wrong.

A settings class has one attrs field a key, with its form as metadata. All errors are gathered, each with the path to
its key.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import attrs
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

T = TypeVar("T")
K = TypeVar("K", bound=int | str)

BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


# --- errors: each is a key's path below the place that reports it (an int is a list's index), and a reason

Fault = tuple[tuple[str | int, ...], str]


class ConfigError(ValueError):
    """A configuration that cannot be used. str() is one line an error; each names the source and the key."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


@attrs.define  # not frozen: cattrs puts its notes on what it catches
class WrongError(ValueError):
    """A value that its key cannot have: each fault by the path to it."""

    faults: list[Fault]


def expected(what: str, value: object) -> WrongError:
    """The error that says what was expected and what stands there."""
    if isinstance(value, str):
        found = repr(value if len(value) <= 60 else f"{value[:60]}...")
    else:
        found = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else str(value).lower()
    return WrongError([((), f"expected {what}, found {found}")])


def unknown(key: str, known: Iterable[str]) -> str:
    """The words for a key that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(key, known := list(known), n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


def faults(error: Exception) -> list[Fault]:
    """What is wrong, out of what cattrs raised; anything but a fault in the file is raised again."""
    match error:
        case WrongError():
            return error.faults
        case ForbiddenExtraKeysError():
            return [((key,), unknown(key, forms(error.cl))) for key in sorted(error.extra_fields)]
        case ClassValidationError():
            keyed, loose = error.group_exceptions()
            below: list[Fault] = [((note.name, *path), why) for inner, note in keyed for path, why in faults(inner)]
            return below + [fault for inner in loose for fault in faults(inner)]
        case _:
            raise error


def gather(pairs: Iterable[tuple[K, object]], read: Callable[[K, object], T]) -> tuple[T, ...]:
    """What `read` makes of each key and value; the faults of all of them together."""
    values: list[T] = []
    found: list[Fault] = []
    for key, value in pairs:
        try:
            values.append(read(key, value))
        except (WrongError, ClassValidationError) as error:
            found += [((key, *path), why) for path, why in faults(error)]
    if found:
        raise WrongError(found)
    return tuple(values)


def dotted(path: Iterable[str | int]) -> str:
    """A path as TOML would write the key: `kinds.captures.hot_limit`, `devices[1]`."""

    def step(key: str | int) -> str:
        return f"[{key}]" if isinstance(key, int) else f".{key if BARE_KEY.fullmatch(key) else repr(key)}"

    return "".join(map(step, path)).removeprefix(".")


# --- forms: how a key's value is written in TOML


@attrs.frozen
class Form(Generic[T]):
    """`read` raises WrongError; `write` gives what TOML can hold, so that `read` gives the same value again."""

    read: Callable[[object], T]
    write: Callable[[T], object]


def forms(cls: type) -> dict[str, Form[Any]]:
    """The keys of that class's table."""
    return {field.name: field.metadata["form"] for field in attrs.fields(cls) if "form" in field.metadata}


def plain(cls: type[T], what: str, good: Callable[[T], bool] = lambda _: True) -> Form[T]:
    """A value that TOML has itself. By type and not by isinstance, for to Python a bool is a number."""

    def read(value: object) -> T:
        if type(value) is not cls or not good(value):
            raise expected(what, value)
        return value

    return Form(read, lambda value: value)


TABLE: Final = plain(dict, "a table")


def text(what: str, parse: Callable[[str], T], write: Callable[[T], str] = str, *, say_why: bool = False) -> Form[T]:
    """A string with a meaning. `parse` raises ValueError; `say_why`: its words tell more than `what`."""
    string = plain(str, what)

    def read(value: object) -> T:
        given = string.read(value)
        try:
            return parse(given)
        except ValueError as reason:
            raise expected(f"{what} ({reason})" if say_why else what, value) from reason

    return Form(read, write)


def listed(form: Form[T], what: str) -> Form[tuple[T, ...]]:
    """A list of values of one form."""
    items = plain(list, what)

    def read(value: object) -> tuple[T, ...]:
        return gather(enumerate(items.read(value)), lambda _, item: form.read(item))

    return Form(read, lambda values: [form.write(value) for value in values])


def table(cls: type[T]) -> Form[T]:
    """A table whose keys are the fields of an attrs class."""

    def read(value: object) -> T:
        return CONVERTER.structure(TABLE.read(value), cls)

    return Form(read, written)


def written(settings: object) -> dict[str, Any]:
    """Settings in the file's own form, every key written out."""
    return {key: form.write(getattr(settings, key)) for key, form in forms(type(settings)).items()}


def _structure_by_forms(cls: type) -> Callable[[Mapping[str, Any], Any], Any]:
    def by(form: Form[Any]) -> Any:
        return override(struct_hook=lambda value, _: form.read(value))

    return make_dict_structure_fn(cls, CONVERTER, **{key: by(form) for key, form in forms(cls).items()})


CONVERTER: Final = Converter(forbid_extra_keys=True, detailed_validation=True)
CONVERTER.register_structure_hook_factory(attrs.has, _structure_by_forms)
