"""One way out for every line of log, ours and the libraries': a structlog event becomes one record on standard error.

What is global is only what structlog and the standard library's logging keep themselves. `configure` may be called
again; a logger made before it keeps the old settings, so make loggers after it.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Final, Literal, TextIO, get_args

import attrs


@contextlib.contextmanager
def _as_if_missing(name: str) -> Iterator[None]:
    """Whatever tries to import it meanwhile does without, unless it is there already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # the import system's own mark for "not found"
    try:
        yield
    finally:
        del sys.modules[name]


# structlog takes rich where it finds it, for tracebacks in a form that is not wanted here: 4 MiB of every reactor.
with _as_if_missing("rich"):
    import structlog
    from structlog.stdlib import ProcessorFormatter
    from structlog.types import EventDict, Processor, WrappedLogger
    from structlog.typing import FilteringBoundLogger

Format = Literal["text", "json", "journal"]
Level = Literal["debug", "info", "warning", "error", "critical"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_NAME: Final = "hotcold"

# sd-daemon(3), "Logging": the kernel's levels, syslog(3). 5 is a notice, for levels of a library's own.
_PRIORITIES: Final = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}
_UNKNOWN_PRIORITY: Final = "<5>"


def configure(log_format: Format, level: Level, stream: TextIO | None = None) -> None:
    """Send every record of at least `level` to `stream` (None: standard error), one event each.

    - `text`: for people; local time, colours only where the stream is a terminal.
    - `json`: one object a line; `timestamp` in UTC (RFC 3339).
    - `journal`: for systemd, which stamps the time itself: a priority before each line, sd-daemon(3).

    ValueError: no such format or level.
    """
    if log_format not in FORMATS:
        raise ValueError(f"no such log format: {log_format!r} (one of {', '.join(FORMATS)})")
    if level not in LEVELS:
        raise ValueError(f"no such log level: {level!r} (one of {', '.join(LEVELS)})")
    number = logging.getLevelNamesMapping()[level.upper()]
    stream = sys.stderr if stream is None else stream

    enriching: list[Processor] = [structlog.processors.add_log_level, *_timestamp(log_format)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *enriching],
            processors=[ProcessorFormatter.remove_processors_meta, *_rendering(log_format, colours=stream.isatty())],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    structlog.configure(
        processors=[*enriching, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def logger(**keys: object) -> FilteringBoundLogger:
    """A logger whose every event carries `keys`, by the settings of the last `configure`."""
    bound: FilteringBoundLogger = structlog.get_logger(_NAME).bind(**keys)
    return bound


class Troubles:
    """Says a trouble when it begins or changes, and when it ends: once each, however often it is met in between."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._errnos: dict[str, str] = {}

    def begins(self, what: str, errno: str, text: str, /, **keys: object) -> None:
        """`what` has met this errno (its symbolic name)."""
        if self._errnos.get(what) != errno:
            self._errnos[what] = errno
            self._log.error(text, errno=errno, **keys)

    def ends(self, what: str, text: str, /, **keys: object) -> None:
        """`what` has gone well."""
        before = self._errnos.pop(what, None)
        if before is not None:
            self._log.info(text, after=before, **keys)


def _timestamp(log_format: Format) -> list[Processor]:
    match log_format:
        case "text":
            return [structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False)]
        case "json":
            return [structlog.processors.TimeStamper(fmt="iso", utc=True)]
        case "journal":
            return []


def _rendering(log_format: Format, *, colours: bool) -> list[Processor]:
    match log_format:
        case "text":
            return [_for_people(colours=colours)]
        case "json":
            return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        case "journal":
            return [_Journal(_for_people(colours=False))]


def _for_people(*, colours: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=colours,
        pad_event_to=0,
        repr_native_str=True,  # a file's name may hold anything, a terminal's escape sequences too
        exception_formatter=structlog.dev.plain_traceback,  # the rich one prints every frame's local variables
    )


@attrs.frozen
class _Journal:
    """The priority goes before each line of an event, for journald makes an entry of each line."""

    text: structlog.dev.ConsoleRenderer

    def __call__(self, wrapped: WrappedLogger, method: str, event: EventDict) -> str:
        priority = _PRIORITIES.get(event.pop("level"), _UNKNOWN_PRIORITY)
        return "\n".join(priority + line for line in self.text(wrapped, method, event).split("\n"))
