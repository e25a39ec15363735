"""One VOD playlist over any range of time: the hours' playlists one after the other, then the hot segments, gaps
marked.

A day has 86,400 segments: what the hours' playlists say is taken over as text, and read only for the times.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import attrs

from hotcold_inotify import playlist
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import LIVE_PLAYLIST, PLAYLIST, Home
from hotcold_inotify.hours import DAY, HOUR
from hotcold_inotify.names import FileName
from hotcold_inotify.playlist import Entry, Playlist, PlaylistError
from hotcold_inotify.web.tree import Dated, NotThere, Tree, url_of

# Less than this between two segments is an encoder's jitter; what is longer a viewer should be told of. Seconds.
_GAP = 2.0
# Two starts of one segment, told by the live playlist and reckoned from files, are nearer than this. Seconds.
_SAME = 0.3
# Segments that may be on their way from the hot folder into their hour's playlist.
_MOVING = 16
# How far a segment may begin outside of the hour that it was finished in, seconds.
_SLACK = 60.0
# What `playlist.line` writes; what fills up a page stands between entries, and is a comment to every reader.
_ENTRY = re.compile(
    rb"(?:#EXT-X-DISCONTINUITY\n)?#EXT-X-PROGRAM-DATE-TIME:([^\n]*)\n#EXTINF:([0-9.]+),\n[^#\n][^\n]*\n"
)


@attrs.frozen
class _Part:
    """A stretch of the playlist: text of whole entries, when it begins and ends (Unix seconds), its target duration."""

    start: float
    end: float
    text: bytes
    target: int


def vod(tree: Tree, home: Home, kind: Kind, start: float, end: float) -> bytes:
    """The playlist's text for [start, end), Unix seconds. `NotThere`: nothing was recorded then."""
    now = tree.now()
    start, end = max(start, now - DAY - 2 * HOUR), min(end, now + HOUR)
    # Hot first: a segment that moves meanwhile is then seen twice, never missed.
    hot = list(_hot(tree, home, kind, start, end))
    cold_end = min(end, hot[0].start - _SAME) if hot else end
    parts = [*_cold(tree, home, kind, start, cold_end), *hot]
    if not parts:
        raise NotThere("nothing was recorded in this range")
    text = bytearray(playlist.head(max(part.target for part in parts), "VOD"))
    before: float | None = None
    for number, part in enumerate(parts):
        if before is not None and part.start - before > _GAP:
            text += _gap(number, before, part.start)
            if not part.text.startswith(b"#EXT-X-DISCONTINUITY"):
                text += b"#EXT-X-DISCONTINUITY\n"
        text += part.text
        before = part.end
    return bytes(text + playlist.ENDLIST)


def _cold(tree: Tree, home: Home, kind: Kind, start: float, end: float) -> Iterator[_Part]:
    """Hour by hour, in order of time, cut where there is a gap."""
    calendar = tree.calendar
    at = start - _SLACK
    newest: float | None = None
    while at < end + _SLACK:
        generation = calendar.generation_at(at)
        span = calendar.span(generation)
        text = tree.read(home.cold_path, kind, generation.slot, PLAYLIST)
        if text is not None and span is not None:
            # A slot may still hold yesterday's hour, or hold today's already.
            first, last = max(start, span.start - _SLACK), min(end, span.end + _SLACK)
            for part in _hour(text, url_of(home, kind, generation.slot).encode(), first, last):
                if newest is None or part.end > newest:
                    yield part
                    newest = part.end
        at = calendar.next_turn(at)


def _hour(text: bytes, prefix: bytes, start: float, end: float) -> Iterator[_Part]:
    """An hour's playlist, cut to the range and at its gaps."""
    entries = list(_ENTRY.finditer(text))
    try:
        head = text[: text.index(b"#EXT-X-PLAYLIST-TYPE")]
        target = int(head.rpartition(b"TARGETDURATION:")[2].split(b"\n")[0])
        times = list(_times(entries))
    except ValueError:
        return  # not one of ours, or torn: the reactor repairs it
    first = 0
    while first < len(times):
        last = first
        if not start <= times[first][0] < end:
            first += 1
            continue
        while last + 1 < len(times) and start <= times[last + 1][0] < end:
            if times[last + 1][0] - times[last][1] > _GAP:
                break
            last += 1
        # Each `,\n` is the end of an #EXTINF: in a URI a comma is escaped.
        taken = text[entries[first].start() : entries[last].end()].replace(b",\n", b",\n" + prefix)
        yield _Part(times[first][0], times[last][1], taken, target)
        first = last + 1


def _times(entries: Iterable[re.Match[bytes]]) -> Iterator[tuple[float, float]]:
    """When each entry begins and ends, Unix seconds."""
    # 86,400 a day: one parsing a minute, the seconds are added.
    minutes: dict[bytes, float] = {}
    for entry in entries:
        when, duration = entry.groups()
        minute = minutes.get(when[:17])
        if minute is None:
            minute = minutes[when[:17]] = datetime.fromisoformat(f"{when[:17].decode()}00Z").timestamp()
        begins = minute + float(when[17:-1])
        yield begins, begins + float(duration)


def _hot(tree: Tree, home: Home, kind: Kind, start: float, end: float) -> Iterator[_Part]:
    """The hot segments, as the live playlist and their mtimes tell."""
    text = tree.read(home.path, kind, None, LIVE_PLAYLIST)
    live = Playlist(2)
    if text is not None:
        with contextlib.suppress(PlaylistError):  # whoever writes it may do so in place: then mtimes tell
            live = playlist.parse(text.decode("utf-8", "replace"))
    said = {entry.uri: entry for entry in live.entries}
    target = max(2, live.target)
    run: list[Entry] = []
    previous: Dated | None = None
    hot = tree.hot(home, kind)
    for one in [*_moving(tree, home, kind, hot[0]), *hot] if hot else []:
        entry = _entry(one, previous, said, url_of(home, kind, None, one.name.text))
        previous = one
        # An empty one is no segment: no hour's playlist lists it either.
        if entry.start is None or not start <= entry.start < end or not one.size:
            continue
        if run and entry.start - _end(run[-1]) > _GAP:
            yield _part(run, target)
            run = []
        run.append(entry)
    if run:
        yield _part(run, target)


def _moving(tree: Tree, home: Home, kind: Kind, first: Dated) -> list[Dated]:
    """Segments before the first hot one that are in their slot already, and not in its playlist yet: the reactor lists
    them a moment later.
    """
    found: list[Dated] = []
    pattern, name = kind.pattern, first.name
    digits = pattern.digits(name.text)
    for number in range(name.number - 1, max(name.number - _MOVING, 0) - 1, -1):
        before = pattern.match(pattern.named(number, digits))
        one = None if before is None or name.revision else _unlisted(tree, home, kind, before, first.mtime)
        if one is None:
            break
        found.insert(0, one)
    return found


def _unlisted(tree: Tree, home: Home, kind: Kind, name: FileName, about: float) -> Dated | None:
    """A segment of the hour of `about` or the one before, if its hour's playlist has it not."""
    for slot in {tree.calendar.generation_at(at).slot for at in (about, about - HOUR)}:
        with tree.folder(home.cold_path, kind, slot) as fd:
            there = tree.looked_at(fd, name.text)
        if there is not None and abs(about - there.st_mtime) < HOUR:
            listed = name.text.encode() in (tree.read(home.cold_path, kind, slot, PLAYLIST) or b"")
            return None if listed else Dated(there.st_mtime, name, there.st_size)
    return None


def _entry(one: Dated, previous: Dated | None, said: dict[str, Entry], uri: str) -> Entry:
    heard = said.get(one.name.text)
    if heard is not None:
        start = heard.start if heard.start is not None else one.mtime - heard.duration
        return Entry(uri, heard.duration, start, heard.discontinuity)
    between = one.mtime - previous.mtime if previous is not None else 1.0
    duration = between if 0.2 < between < 2.5 else 1.0
    broken = previous is not None and one.name.number != previous.name.number + 1
    return Entry(uri, duration, one.mtime - duration, broken)


def _end(entry: Entry) -> float:
    return (entry.start or 0.0) + entry.duration


def _part(run: list[Entry], target: int) -> _Part:
    text = b"".join(playlist.line(entry, 0) for entry in run)
    longest = max(entry.duration for entry in run)
    return _Part(run[0].start or 0.0, _end(run[-1]), text, max(target, round(longest)))


def _gap(number: int, start: float, end: float) -> bytes:
    at = datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    attributes = f'ID="gap-{number}",CLASS="hotcold.gap",START-DATE="{at}",DURATION={end - start:.3f}'
    return f"#EXT-X-DATERANGE:{attributes}\n".encode()
