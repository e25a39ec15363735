"""The playlists of the hours that a migration has filled: with true durations, as far as anything still tells them."""

import os
import statistics
from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Final

import attrs

from hotcold_inotify import timeline
from hotcold_inotify.disk import Folder, HourPlaylist, list_slot
from hotcold_inotify.hours import Generation
from hotcold_inotify.migration.places import Place
from hotcold_inotify.names import Pattern
from hotcold_inotify.playlist import Heard
from hotcold_inotify.probe import Probe
from hotcold_inotify.timeline import Knowledge

# ffprobe takes some 50 ms. Files whose mtimes tell nothing, as after a copy without them, must not take hours.
_PROBES: Final = 500
# Gaps between segments that are looked at for the usual one.
_GAPS: Final = 200


@attrs.define
class Durations:
    """What is known of segments' durations. Asked in this order: the live playlists, which have the encoder's word; the
    segments' own mtimes, whose differences are durations with the jitter of closing a file, and add up to the hour; and
    ffprobe, for the few with no predecessor. What none of them tells is taken as the usual duration.
    """

    heard: dict[str, Heard]
    usual: float | None
    """Seconds; None: no playlist tells."""
    probe: Probe = attrs.field(factory=Probe)
    probes: int = _PROBES

    @classmethod
    def of(cls, places: Iterable[Place]) -> "Durations":
        """What the live playlists say, the old one last, for it is the one that named what was moved."""
        heard: dict[str, Heard] = {}
        told: list[float] = []
        for place in reversed([*places]):
            found = place.live_list()
            if found is not None:
                heard |= {uri.rpartition("/")[2]: said for uri, said in timeline.heard_from(found[0]).items()}
                told = [entry.duration for entry in found[0].entries] or told
        return cls(heard, statistics.median(told) if told else None)

    def knowledge(self, folder: Folder, slot: int, slot_fd: int) -> Knowledge:
        """What is known of the segments of an open slot."""
        if self.usual is None:
            self.usual = _usual_gap(slot_fd, folder.kind.pattern)
        path = os.path.join(folder.cold_path, str(slot))

        def measured(name: str) -> float | None:
            self.probes -= 1
            return self.probe.duration(os.path.join(path, name)) if self.probes >= 0 else None

        return Knowledge(self.heard.get, measured, self.usual or 1.0)


def make_true(
    folder: Folder,
    slot: int,
    live: Generation,
    waiting: set[Generation],
    durations: Durations,
    *,
    durable: bool,
) -> bool:
    """Bring the playlist of a slot in line with its segments; whether that changed it. It is ended where its hour is
    before the `live` one and not one of `waiting`, of which more is to come.
    """
    generation = folder.slots.holds(slot)
    if generation is None:
        return False  # whoever lets the next file in removes what is left of a playlist
    slot_fd = folder.slots.open(slot)
    hour = HourPlaylist(slot_fd, generation, folder.kind.pattern, durable=durable)
    try:
        over = generation < live and generation not in waiting
        return hour.recover(durations.knowledge(folder, slot, slot_fd), over=over) is not None
    finally:
        hour.close()


def _usual_gap(slot_fd: int, pattern: Pattern) -> float | None:
    """The median time between one segment and the next, seconds."""
    segments = sorted(list_slot(slot_fd, pattern), key=lambda segment: segment.order)
    gaps = (
        later.mtime - earlier.mtime
        for earlier, later in pairwise(segments)
        if later.name.number == earlier.name.number + 1 and later.mtime > earlier.mtime
    )
    found = list(islice(gaps, _GAPS))
    return statistics.median(found) if found else None
