"""An HLS media playlist as text and as values: what is written reads back the same, and no entry lies across a page.

An hour's playlist grows by one `write(2)` on an O_APPEND descriptor for each segment. A reader may see such a write
torn, but only at a multiple of 4096 bytes. So no entry crosses one: what is left of a page too small for the next entry
is filled with one comment line, and whatever a reader gets is a complete playlist.

The format is RFC 8216. Starts are unix seconds, kept to the millisecond; durations are seconds, kept to the
microsecond.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote, unquote

import attrs

PAGE: Final = 4096
ENDLIST: Final = b"#EXT-X-ENDLIST\n"

Type = Literal["EVENT", "VOD"]

_TYPES: Final[dict[str, Type]] = {"EVENT": "EVENT", "VOD": "VOD"}
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_INTEGER: Final = re.compile(r"[0-9]{1,20}")
# Longer than nine digits is 30 years for one segment.
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")


class PlaylistError(ValueError):
    """A text that is not a whole media playlist; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def _to_microsecond(seconds: float) -> float:
    return round(seconds, 6)


def _to_millisecond(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


@attrs.frozen
class Entry:
    """One media segment in a playlist.

    `uri` is a relative reference (a file name, or a path with `/`), not percent-encoded. `start` is None when the
    playlist does not say it, or says it without a time zone. Both numbers are rounded to the resolution of the text
    when an entry is made.
    """

    uri: str
    duration: float = attrs.field(converter=_to_microsecond)
    start: float | None = attrs.field(default=None, converter=_to_millisecond)
    discontinuity: bool = False


@attrs.frozen
class Playlist:
    """A media playlist. `target` (seconds) bounds every duration, see `fits`; `type` is None for a sliding one."""

    target: int
    entries: tuple[Entry, ...] = ()
    ended: bool = False
    type: Type | None = "EVENT"
    media_sequence: int = 0


@attrs.frozen
class Heard:
    """What a playlist said of a segment: seconds, unix seconds or None, and whether a new run begins with it."""

    duration: float
    start: float | None
    restart: bool


def fits(duration: float, target: int) -> bool:
    """Whether a duration, rounded to whole seconds, is not above the target (RFC 8216 section 4.3.3.1)."""
    return duration < target + 0.5


def head(target: int, type: Type | None = "EVENT", media_sequence: int = 0) -> bytes:  # noqa: A002 - RFC's word
    """The tags before the first entry. Version 3 is what decimal durations need (RFC 8216 section 7)."""
    text = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{media_sequence}\n"
    if type is not None:
        text += f"#EXT-X-PLAYLIST-TYPE:{type}\n"
    return text.encode()


def line(entry: Entry, offset: int) -> bytes:
    """What to append for this entry to a playlist of `offset` bytes.

    ValueError when the entry is longer than a page: a file's name, at most 255 bytes, never makes it so.
    """
    text = "#EXT-X-DISCONTINUITY\n" if entry.discontinuity else ""
    if entry.start is not None:
        at = _EPOCH + round(entry.start * 1000) * _MILLISECOND
        text += f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z\n"
    # Names that the system could not decode travel as surrogates (PEP 383), and come out as the bytes that they are.
    text += f"#EXTINF:{entry.duration:.6f},\n{quote(entry.uri, errors='surrogateescape')}\n"
    return _within_a_page(text.encode(), offset)


def end(offset: int) -> bytes:
    """What to append to a playlist of `offset` bytes to say that nothing will follow."""
    return _within_a_page(ENDLIST, offset)


def render(playlist: Playlist) -> bytes:
    """The whole text: the same bytes as `head`, one `line` after the other, and `end`."""
    text = bytearray(head(playlist.target, playlist.type, playlist.media_sequence))
    for entry in playlist.entries:
        text += line(entry, len(text))
    if playlist.ended:
        text += end(len(text))
    return bytes(text)


def _within_a_page(text: bytes, offset: int) -> bytes:
    if len(text) > PAGE:
        raise ValueError(f"an entry of {len(text)} bytes does not fit into a page of {PAGE}")
    room = PAGE - offset % PAGE
    if len(text) <= room:
        return text
    # A comment takes two bytes at least; a single byte of room takes an empty line, which readers skip too.
    filler = b"\n" if room == 1 else b"#".ljust(room - 1, b"-") + b"\n"
    return filler + text


def parse(text: str) -> Playlist:
    """Read a media playlist, ours or ffmpeg's; PlaylistError says in which line it is not one, or where it is cut off.

    Tags that change nothing here are skipped, known or not, and so are comments and empty lines.
    """
    lines = text.split("\n")
    if lines.pop():
        raise PlaylistError(len(lines) + 1, "cut off: the last line has no end")
    if not lines or lines[0].removesuffix("\r") != "#EXTM3U":
        raise PlaylistError(1, "not a playlist: it does not begin with #EXTM3U")
    reader = _Reader()
    for number, content in enumerate(lines, 1):
        try:
            reader.read(content.removesuffix("\r"))
        except ValueError as error:
            raise PlaylistError(number, str(error)) from error
    if reader.target is None:
        raise PlaylistError(len(lines), "the playlist has no #EXT-X-TARGETDURATION")
    if reader.amid_entry:
        raise PlaylistError(len(lines), "cut off: the last entry has no URI")
    return Playlist(reader.target, tuple(reader.entries), reader.ended, reader.type, reader.media_sequence)


class _Reader:
    """The playlist so far, and the tags of the entry whose URI is still to come."""

    def __init__(self) -> None:
        self.target: int | None = None
        self.entries: list[Entry] = []
        self.ended = False
        self.type: Type | None = None
        self.media_sequence = 0
        self._begin_entry()

    def _begin_entry(self) -> None:
        self._duration: float | None = None
        self._start: float | None = None
        self._discontinuity = False
        self.amid_entry = False

    def read(self, content: str) -> None:
        """One line; ValueError says what is wrong with it."""
        if content.startswith("#EXT"):
            self._read_tag(*content.partition(":")[::2])
        elif content and not content.startswith("#"):
            if self._duration is None:
                raise ValueError("a URI without #EXTINF before it")
            uri = unquote(content, errors="surrogateescape")
            self.entries.append(Entry(uri, self._duration, self._start, self._discontinuity))
            self._begin_entry()

    def _read_tag(self, tag: str, value: str) -> None:
        match tag:
            case "#EXTINF":
                self._duration, self.amid_entry = _seconds(value.partition(",")[0]), True
            case "#EXT-X-PROGRAM-DATE-TIME":
                self._start, self.amid_entry = _instant(value), True
            case "#EXT-X-DISCONTINUITY":
                self._discontinuity = self.amid_entry = True
            case "#EXT-X-TARGETDURATION":
                self.target = _integer(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                self.media_sequence = _integer(value)
            case "#EXT-X-PLAYLIST-TYPE":
                self.type = _type(value)
            case "#EXT-X-ENDLIST":
                self.ended = True


def _integer(value: str) -> int:
    if not _INTEGER.fullmatch(value):
        raise ValueError(f"not a whole number: {value[:40]!r}")
    return int(value)


def _seconds(value: str) -> float:
    if not _SECONDS.fullmatch(value):
        raise ValueError(f"not a duration in seconds: {value[:40]!r}")
    return float(value)


def _type(value: str) -> Type:
    if value not in _TYPES:
        raise ValueError(f"neither EVENT nor VOD: {value[:40]!r}")
    return _TYPES[value]


def _instant(value: str) -> float | None:
    """Unix seconds of an ISO 8601 date and time; None without a zone: then only its writer knows the instant."""
    try:
        at = datetime.fromisoformat(value)
        return None if at.tzinfo is None else (at.astimezone(UTC) - _EPOCH) // _MILLISECOND / 1000
    except (ValueError, OverflowError) as error:  # OverflowError: the zone moves it out of the years 1 to 9999
        raise ValueError(f"not a date and time: {value[:40]!r}") from error
