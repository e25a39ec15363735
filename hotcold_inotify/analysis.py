"""What ffmpeg prints of each capture and of the sound -> what `metadata/capture_N.json` says.

ffmpeg/capture.sh makes ffmpeg print, with the filters `metadata` and `ametadata`, onto one pipe:

    frame:12   pts:12      pts_time:6                a picture: pts counts captures, from 0 at ffmpeg's start
    lavfi.blackframe.pblack=99                       only where it is black
    lavfi.freezedetect.freeze_start=5.5              only where it has just been found frozen
    lavfi.freezedetect.freeze_end=6                  only where it moves again, maybe after a freeze_start
    lavfi.signalstats.YAVG=127.393                   always, and always the picture's last
    frame:31   pts:NOPTS   pts_time:NOPTS            a piece of sound, CHUNK seconds long
    lavfi.astats.Overall.RMS_level=-21.074044        its level in dB, or -inf

Lines arrive whole and in order. Those of the picture and of the sound may be mixed, for two threads of ffmpeg write
them: so a value is told by its key, and a piece of sound has no time stamp that could be taken for a picture's.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

VERSION: Final = 1
CHUNK: Final = 0.1
"""Seconds of sound to one level."""
QUIETEST: Final = -120.0
"""dB: what is written for digital silence, whose level is -inf."""

# Seconds without a piece of sound after which there is none: a camera's arrive in bursts.
_SOUND_GONE: Final = 3.0
# More than this is no line of ffmpeg's.
_LONGEST_LINE: Final = 1000
_HEADER: Final = re.compile(rb"frame:\d+ +pts:(-?\d{1,18}|NOPTS) +pts_time:\S+", re.ASCII)
_VALUE: Final = re.compile(rb"(lavfi\.[\w.]+)=(\S*)", re.ASCII)
_NUMBER: Final = re.compile(rb"[-+]?\d+(\.\d*)?(e[-+]?\d+)?|-inf", re.ASCII)


@attrs.frozen
class Levels:
    """What counts as silent and frozen; what counts as black ffmpeg decides."""

    silence: float = -60.0
    """dB: what is below it, or as low, is silent."""
    silence_seconds: float = 0.4
    """Silence shorter than this is a pause."""
    freeze_seconds: float = 0.5
    """For how long a picture had not changed when ffmpeg said so."""


@attrs.frozen
class Picture:
    """One capture, as ffmpeg saw it, and the sound up to it."""

    number: int
    """From 0 at ffmpeg's start."""
    luma: float
    """Mean brightness, 0 (black) to 255."""
    black: bool
    frozen: bool
    """It stands still, and is not black: for that, one name is enough."""
    volume: float | None
    """dB, the mean since the picture before, at least QUIETEST; None: no sound comes in."""
    silent: float | None
    """Seconds for which it has been silent; None: it is not, or no sound comes in."""


@attrs.define
class Lines:
    """The printed lines, in whatever pieces they are read, -> pictures."""

    levels: Levels
    frozen: bool = False
    """Whether the picture stands still; may be set when an earlier reader's work is taken up."""
    garbage: int = 0
    """Lines that ffmpeg does not print."""
    _rest: bytes = b""
    _number: int | None = None
    _black: bool = False
    _level: float | None = None
    _powers: list[float] = attrs.Factory(list)
    _silent_chunks: int = 0
    _heard: float = -math.inf

    def feed(self, data: bytes, clock: float) -> list[Picture]:
        """The pictures that these bytes complete. `clock` is seconds on a clock that only goes forward."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b"!"  # what remains of the line stays garbage, and is not kept
        return [picture for line in lines if (picture := self._line(line, clock)) is not None]

    def _line(self, line: bytes, clock: float) -> Picture | None:
        if header := _HEADER.fullmatch(line):
            if header[1] != b"NOPTS":
                self._number = int(header[1])
            return None
        found = _VALUE.fullmatch(line)
        if found is None or not _NUMBER.fullmatch(found[2]):
            self.garbage += 1
            return None
        value = float(found[2])
        match found[1].removeprefix(b"lavfi."):
            case b"blackframe.pblack":
                self._black = True
            case b"freezedetect.freeze_start":
                self.frozen = True
            case b"freezedetect.freeze_end":
                self.frozen = False
            case b"astats.Overall.RMS_level":
                self._sound(value, clock)
            case b"signalstats.YAVG":
                return self._picture(value, clock)
        return None

    def _sound(self, level: float, clock: float) -> None:
        self._heard = clock
        self._powers.append(10 ** (min(level, 0.0) / 10))
        self._silent_chunks = self._silent_chunks + 1 if level <= self.levels.silence else 0

    def _picture(self, luma: float, clock: float) -> Picture | None:
        number, black, powers = self._number, self._black, self._powers
        self._number, self._black, self._powers = None, False, []
        if powers:
            mean = math.fsum(powers) / len(powers)
            self._level = max(10 * math.log10(mean), QUIETEST) if mean > 0 else QUIETEST
        if clock - self._heard > _SOUND_GONE:
            self._level, self._silent_chunks = None, 0
        if number is None or number < 0:
            # The first lines after another reader has died: this picture's number went with it.
            return None
        silent = self._silent_chunks * CHUNK
        return Picture(
            number,
            min(max(luma, 0.0), 255.0),
            black,
            self.frozen and not black,
            self._level,
            silent if silent and silent >= self.levels.silence_seconds - CHUNK / 2 else None,
        )


@attrs.frozen
class Event:
    """A time during which the picture was black or frozen, or the sound silent."""

    start: datetime
    """With its offset."""
    length: float
    """Seconds up to its end, or so far."""
    running: bool


def follow(before: Event | None, at: datetime, lasting: float | None) -> Event | None:
    """The running event of one sort, or the latest that has ended, as of `at`. `lasting` is for how many seconds it has
    been so; None: it is not so.
    """
    if before is not None and before.running:
        length = max(round((at - before.start).total_seconds(), 3), 0.0)  # clocks are set back, too
        return Event(before.start, length, lasting is not None)
    if lasting is None:
        return before
    return Event(at - timedelta(seconds=lasting), round(lasting, 3), running=True)


@attrs.frozen
class Events:
    """Of each sort the running event, or the latest that has ended."""

    black: Event | None = None
    frozen: Event | None = None
    silent: Event | None = None

    def then(self, picture: Picture, at: datetime, levels: Levels) -> "Events":
        """As of the next picture, captured at `at`."""
        return Events(
            follow(self.black, at, 0.0 if picture.black else None),
            follow(self.frozen, at, levels.freeze_seconds if picture.frozen else None),
            follow(self.silent, at, picture.silent),
        )

    def over(self) -> "Events":
        """The same with nothing running: what an ffmpeg that has ended left running ended with it."""
        ended = {
            sort: event and attrs.evolve(event, running=False)
            for sort, event in attrs.asdict(self, recurse=False).items()
        }
        return Events(**ended)


@attrs.frozen
class Report:
    """What one `metadata/capture_N.json` says: docs/metadata.schema.json."""

    timestamp: datetime
    """When the capture was finished, with its offset; written to the millisecond."""
    filename: str
    """The capture's."""
    black: bool
    frozen: bool
    luma: float
    sound: bool | None
    """Whether there is some; None: no sound comes in."""
    volume: float | None
    """dB."""
    events: Events


def report(picture: Picture, filename: str, at: datetime, events: Events) -> Report:
    """What is said of a picture that was captured at `at`, when `events` are those as of it."""
    sound = None if picture.volume is None else picture.silent is None
    volume = None if picture.volume is None else round(picture.volume, 1)
    return Report(at, filename, picture.black, picture.frozen, round(picture.luma, 1), sound, volume, events)


def dump(report: Report) -> str:
    """The file's text, one line."""
    document = {
        "version": VERSION,
        "timestamp": report.timestamp.isoformat(timespec="milliseconds"),
        "filename": report.filename,
        "blackscreen": report.black,
        "freeze": report.frozen,
        "luma": report.luma,
        "audio": report.sound,
        "mean_volume_db": report.volume,
        "events": {sort: _dump(event) for sort, event in attrs.asdict(report.events, recurse=False).items()},
    }
    return json.dumps(document, allow_nan=False) + "\n"


def _dump(event: Event | None) -> dict[str, object] | None:
    if event is None:
        return None
    start = event.start.isoformat(timespec="milliseconds")
    return {"start": start, "length": event.length, "running": event.running}


def parse(text: str) -> Report:
    """The reverse of `dump`; ValueError: it is no such file of this version."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']!r} is not {VERSION}")
        events = document["events"]
        return Report(
            _moment(document["timestamp"]),
            _is(str, document["filename"]),
            _is(bool, document["blackscreen"]),
            _is(bool, document["freeze"]),
            _number(document["luma"]),
            _is(bool, document["audio"], nothing=True),
            None if document["mean_volume_db"] is None else _number(document["mean_volume_db"]),
            Events(*(_event(events[sort]) for sort in ("black", "frozen", "silent"))),
        )
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not a capture's metadata: {error!r}") from error


def _event(value: Mapping[str, Any] | None) -> Event | None:
    if value is None:
        return None
    return Event(_moment(value["start"]), _number(value["length"]), _is(bool, value["running"]))


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset")
    return moment


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _is(sort: type, value: Any, *, nothing: bool = False) -> Any:
    if not isinstance(value, sort) and not (nothing and value is None):
        raise TypeError(f"{value!r} is not a {sort.__name__}")
    return value
