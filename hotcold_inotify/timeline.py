"""Which playlist entries a slot's segments make: adding them one by one and rebuilding from a listing agree.

Both are the same step, from the last segment placed to the next one; a whole listing is that step, folded. The order is
(mtime, number, revision). What the live playlist said of a segment counts first, then the files' own times.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from itertools import pairwise
from typing import Final

import attrs

from hotcold_inotify.names import FileName
from hotcold_inotify.playlist import Entry, Heard, Playlist, fits

# ffmpeg counts EXT-X-PROGRAM-DATE-TIME on from its own start, so over days it drifts from the wall clock that the
# mtimes have. A start further off than this belongs to another run under the same name, or has drifted too far to be
# shown to anybody ...
BELIEVED_OFF: Final = 5.0
# ... but one that carries on where the last entry ended may go further: otherwise a drift around the limit, with an
# mtime's jitter, would switch between the two clocks from entry to entry, each time with a discontinuity.
CONTINUED_OFF: Final = 10.0


@attrs.frozen
class Segment:
    """One archived file: its name, its mtime (unix seconds: when it was finished), its size in bytes."""

    name: FileName
    mtime: float
    size: int

    @property
    def order(self) -> tuple[float, int, int]:
        """What a slot's segments are sorted by."""
        return self.mtime, self.name.number, self.name.revision


@attrs.frozen
class Placed:
    """A segment with its entry; `end` is the entry's start plus its duration, unix seconds."""

    segment: Segment
    entry: Entry
    end: float


class Refused(Enum):
    """Why a segment cannot be appended."""

    EMPTY = "it has no bytes: it makes no entry"
    LATE = "it sorts before the last entry: the playlist must be rebuilt"
    TOO_LONG = "it is longer than the target duration: the playlist must be rebuilt"


def _no_measure(_name: str) -> float | None:
    return None


@attrs.frozen
class Knowledge:
    """Where durations and starts come from, asked in this order, each by the segment's file name.

    `heard`: a playlist's word (`LiveWindow.get`, `heard_from(playlist).get`, or one after the other; for a file that
    took a revision in its slot, the window knows the name that it had before). `measured`: seconds from the file
    itself, or None; it may be slow, and is asked only when neither a playlist nor the mtimes tell. `nominal`: seconds,
    what a segment usually has.
    """

    heard: Callable[[str], Heard | None]
    measured: Callable[[str], float | None] = _no_measure
    nominal: float = 1.0

    @property
    def tolerance(self) -> float:
        """How far an entry may start from the end of the one before it, seconds, before that is a discontinuity.

        An mtime is late by whatever the encoder's buffers and the disk took, and a duration that nobody knew is taken
        as nominal: neither is a gap. What this misses is a restart that no playlist told of, quicker than a segment.
        """
        return max(1.0, self.nominal)


def step(previous: Placed | None, segment: Segment, knowledge: Knowledge, target: int) -> Placed | Refused:
    """Place a segment behind the last one of its slot (None: it is the first), under the playlist's target duration."""
    if segment.size == 0:
        return Refused.EMPTY
    if previous is not None and segment.order <= previous.segment.order:
        return Refused.LATE
    placed = _place(previous, segment, knowledge)
    return placed if fits(placed.entry.duration, target) else Refused.TOO_LONG


def timeline(segments: Iterable[Segment], knowledge: Knowledge) -> tuple[Placed, ...]:
    """Place a slot's whole listing, in any order. The result decides the target: see `target`."""
    placed: list[Placed] = []
    for segment in _in_order(segments):
        placed.append(_place(placed[-1] if placed else None, segment, knowledge))
    return tuple(placed)


def target(durations: Iterable[float], nominal: float) -> int:
    """A target duration with head room, whole seconds: it cannot be changed while entries are appended."""
    return 2 * max(1, math.ceil(max([nominal, *durations])))


def heard_from(playlist: Playlist) -> Mapping[str, Heard]:
    """What a slot's playlist says of its segments, so that a rebuild keeps what was known when they were appended."""
    return {entry.uri: Heard(entry.duration, entry.start, entry.discontinuity) for entry in playlist.entries}


def _in_order(segments: Iterable[Segment]) -> list[Segment]:
    return sorted((segment for segment in segments if segment.size > 0), key=lambda segment: segment.order)


def _place(previous: Placed | None, segment: Segment, knowledge: Knowledge) -> Placed:
    heard = knowledge.heard(segment.name.text)
    duration, claimed = _said(previous, segment, heard, knowledge)
    # Rounded as an entry's text is: a rebuild that knows only the text decides the same.
    duration = round(duration, 6)
    start = round(_start(previous, segment.mtime - duration, claimed, knowledge.tolerance), 3)
    restarted = heard is not None and heard.restart
    broken = previous is not None and (
        not _succeeds(previous, segment) or abs(start - previous.end) > knowledge.tolerance
    )
    return Placed(segment, Entry(segment.name.text, duration, start, restarted or broken), start + duration)


def _succeeds(previous: Placed, segment: Segment) -> bool:
    return segment.name.number == previous.segment.name.number + 1


def _said(
    previous: Placed | None, segment: Segment, heard: Heard | None, knowledge: Knowledge
) -> tuple[float, float | None]:
    """The duration, and the start that goes with it, if any source has one."""
    if heard is not None:
        return heard.duration, heard.start
    if previous is not None and _succeeds(previous, segment):
        between = segment.mtime - previous.segment.mtime
        # Much less is two files flushed at once, much more a pause: then the mtimes do not tell the duration.
        if knowledge.nominal / 2 <= between <= knowledge.nominal * 2:
            return between, round(previous.end, 3)
    measured = knowledge.measured(segment.name.text)
    return (knowledge.nominal if measured is None else measured), None


def _start(previous: Placed | None, by_mtime: float, claimed: float | None, tolerance: float) -> float:
    if claimed is None:
        return by_mtime
    continued = previous is not None and abs(claimed - previous.end) <= tolerance
    believed = abs(claimed - by_mtime) <= (CONTINUED_OFF if continued else BELIEVED_OFF)
    return claimed if believed else by_mtime


class Difference(Enum):
    """What can be wrong with a slot's playlist."""

    NOT_LISTED = "not listed"
    NO_FILE = "listed without a file"
    EMPTY_FILE = "listed with an empty file"
    LISTED_TWICE = "listed twice"
    OUT_OF_ORDER = "out of order"
    TOO_LONG = "longer than the target duration"


def differs(listing: Iterable[Segment], playlist: Playlist) -> Mapping[Difference, tuple[str, ...]]:
    """Where a playlist does not match its folder, each difference with the names it is about; empty when fine."""
    there = {segment.name.text: segment for segment in listing}
    listed = Counter(entry.uri for entry in playlist.entries)
    found = {
        Difference.NOT_LISTED: [
            segment.name.text for segment in _in_order(there.values()) if segment.name.text not in listed
        ],
        Difference.NO_FILE: [uri for uri in listed if uri not in there],
        Difference.EMPTY_FILE: [uri for uri in listed if uri in there and there[uri].size == 0],
        Difference.LISTED_TWICE: [uri for uri, times in listed.items() if times > 1],
        Difference.OUT_OF_ORDER: [
            later.name.text
            for earlier, later in pairwise(there[uri] for uri in listed if uri in there)
            if later.order < earlier.order
        ],
        Difference.TOO_LONG: [entry.uri for entry in playlist.entries if not fits(entry.duration, playlist.target)],
    }
    return {difference: tuple(names) for difference, names in found.items() if names}
