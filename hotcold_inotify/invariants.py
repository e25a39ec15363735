"""What the promises say of one folder: facts about it go in, what breaks a promise comes out.

How the facts are read, and how a folder is mended, is the business of `audit`. Names are counted, and only the first
of them kept: so a folder of any size is judged in bounded memory.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Final

import attrs

from hotcold_inotify import timeline
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.playlist import Playlist
from hotcold_inotify.timeline import Difference, Segment

KEPT: Final = 1000
"""So many names of one finding are kept."""


class What(Enum):
    """What can be found, in plain words; the member's name is what JSON calls it."""

    UNREADABLE = "the folder cannot be read"
    NO_FOLDER = "the folder is missing"
    NOT_A_FOLDER = "something else has the name of a folder"
    OVER_LIMIT = "more files are hot than the limit allows"
    IN_TWO_PLACES = "the same file is hot and in its hour folder"
    WRONG_HOUR = "files lie in the hour folder of another hour"
    MIXED_DAYS = "files of another day lie in the hour folder"
    EXPIRED = "files are past their retention"
    RETIRED = "files wait in .retired although their hour folder has room for them"
    UNFINISHED = "unfinished files were left behind"
    NO_PLAYLIST_FILE = "the playlist is no playlist, or is cut off"
    LISTED_MISSING = "the playlist lists files that are missing or empty"
    NOT_LISTED = "the playlist misses files"
    DISORDER = "the playlist lists files twice or out of order"
    TARGET = "the playlist's target duration is too small for its entries"
    NOT_ENDED = "the hour is over, and its playlist is not ended"
    ENDED_EARLY = "the playlist is ended, and its hour is not over"
    UNMANAGED = "entries that are nobody's; they stay as they are"
    WAITING = "files wait in .retired; the reactor puts them back within a minute"

    @property
    def fails(self) -> bool:
        """Whether a promise is broken; else it is information."""
        return self not in (What.UNMANAGED, What.WAITING)


_MEND: Final = "hotcold check --repair"
_REMEDIES: Final[Mapping[What, str]] = {
    What.UNREADABLE: "see to the folder's owner and mode, and to the disk",
    What.NOT_A_FOLDER: f"{_MEND} renames what is in the place of an hour folder; anything else is yours to move away",
    What.OVER_LIMIT: f"start the reactor, or {_MEND} moves the oldest into their hours",
    What.EXPIRED: "start the reactor, or hotcold rotate; if it runs, its log says what keeps it",
    What.UNMANAGED: "none is needed",
    What.WAITING: "none is needed",
}


@attrs.define
class Names:
    """Some files: all are counted, the first `KEPT` names kept."""

    count: int = 0
    kept: list[str] = attrs.field(factory=list)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Names":
        """These names."""
        names = cls()
        for text in texts:
            names.add(text)
        return names

    def add(self, text: str) -> None:
        """One more."""
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(text)


@attrs.frozen
class Finding:
    """One thing about one part of a folder; `slot` None: it is about the hot folder, or about `.retired/`."""

    what: What
    names: Names
    slot: int | None = None


@attrs.frozen
class Violation:
    """A finding with its device and kind."""

    finding: Finding
    device: str
    kind: str

    @property
    def fails(self) -> bool:
        """Whether a promise is broken; else it is information."""
        return self.finding.what.fails

    @property
    def place(self) -> str:
        """The folder as an operator writes it."""
        slot = "" if self.finding.slot is None else f"/{self.finding.slot}"
        return f"{self.device}/{self.kind}{slot}"

    @property
    def example(self) -> str | None:
        """One of the names."""
        return next(iter(self.finding.names.kept), None)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES.get(self.finding.what, _MEND)

    def __str__(self) -> str:
        example = "" if self.example is None else f", {self.example}"
        return f"{self.place}: {self.finding.what.value} ({self.finding.names.count}{example})"

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return {
            "what": self.finding.what.name.lower(),
            "device": self.device,
            "kind": self.kind,
            "slot": self.finding.slot,
            "count": self.finding.names.count,
            "example": self.example,
            "text": self.finding.what.value,
            "remedy": self.remedy,
        }


@attrs.frozen
class Moment:
    """The hours by which a folder is judged."""

    live: Generation
    settled: Generation
    """The hour that was live a while ago: what belongs before it, a running reactor has had time to end."""


class Expiry:
    """Which files were due at an instant already; `whole`: by whole hours, as kinds with playlists go."""

    def __init__(self, calendar: Calendar, retention: float, then: float, *, whole: bool) -> None:
        self._calendar = calendar
        self._retention = retention
        self._then = then
        self._whole = whole
        self._live = calendar.generation_at(then)
        self._hours: dict[Generation, bool] = {}

    def __call__(self, generation: Generation, mtime: float) -> bool:
        """Whether a file of that hour and mtime was; the calendar is asked once an hour, not once a file."""
        due = self._hours.get(generation)
        if due is None:
            due = self._hours[generation] = self._calendar.slot_due(generation, self._retention, self._then)
        return due or (not self._whole and generation < self._live and mtime + self._retention < self._then)


@attrs.define
class Hour:
    """The files of one generation in a slot; `segments` are kept only for a kind with playlists."""

    names: Names = attrs.field(factory=Names)
    due: Names = attrs.field(factory=Names)
    segments: list[Segment] = attrs.field(factory=list)


@attrs.define
class SlotFacts:
    """What lies in one slot. `broken`: there is a playlist's name, and no playlist under it."""

    slot: int
    hours: dict[Generation, Hour] = attrs.field(factory=dict)
    strangers: Names = attrs.field(factory=Names)
    unfinished: Names = attrs.field(factory=Names)
    playlist: Playlist | None = None
    broken: str | None = None


@attrs.define
class HotFacts:
    """What lies in a hot folder. `unfinished`: only what its writer has left. `hours`: those of its files."""

    limit: int
    count: int = 0
    strangers: Names = attrs.field(factory=Names)
    unfinished: Names = attrs.field(factory=Names)
    twice: Names = attrs.field(factory=Names)
    hours: set[Generation] = attrs.field(factory=set)


@attrs.define
class RetiredFacts:
    """What lies in `.retired/`. `homeless`: not expired, and their slot would take them."""

    due: Names = attrs.field(factory=Names)
    homeless: Names = attrs.field(factory=Names)


def resident(slot: int, generations: Iterable[Generation], live: Generation) -> Generation | None:
    """Which of the generations in a slot stays there: the newest one that has begun; None: none belongs there."""
    own = [generation for generation in generations if generation.slot == slot]
    begun = [generation for generation in own if generation <= live]
    return max(begun) if begun else min(own, default=None)


def judge_hot(facts: HotFacts) -> list[Finding]:
    """What is wrong with a hot folder, or worth knowing."""
    found = [
        Finding(What.IN_TWO_PLACES, facts.twice),
        Finding(What.UNFINISHED, facts.unfinished),
        Finding(What.UNMANAGED, facts.strangers),
    ]
    # Without names: at the next look they are others, and it is the same trouble.
    return [Finding(What.OVER_LIMIT, Names(max(0, facts.count - facts.limit))), *found]


def judge_retired(facts: RetiredFacts, *, live: bool) -> list[Finding]:
    """What is wrong with `.retired/`; `live`: a reactor runs, and will put back what it can."""
    return [Finding(What.EXPIRED, facts.due), Finding(What.WAITING if live else What.RETIRED, facts.homeless)]


def judge_slot(facts: SlotFacts, moment: Moment, hot_hours: Collection[Generation], *, lists: bool) -> list[Finding]:
    """What is wrong with a slot, or worth knowing; `lists`: its kind has playlists."""
    slot = facts.slot
    stays = resident(slot, facts.hours, moment.live)
    found = [Finding(What.UNFINISHED, facts.unfinished, slot), Finding(What.UNMANAGED, facts.strangers, slot)]
    for generation in sorted(facts.hours):
        hour = facts.hours[generation]
        if generation == stays:
            found.append(Finding(What.EXPIRED, hour.due, slot))
        else:
            what = What.MIXED_DAYS if generation.slot == slot else What.WRONG_HOUR
            found.append(Finding(what, hour.names, slot))
    if lists:
        # A playlist in a slot without segments has other faults than its end.
        over = stays is None or stays not in hot_hours
        must_end = over and stays is not None and stays < moment.settled
        may_end = over and (stays is None or stays < moment.live)
        found += _judge_playlist(facts, stays, must_end=must_end, may_end=may_end)
    return found


_DIFFERENCES: Final[Mapping[What, tuple[Difference, ...]]] = {
    What.LISTED_MISSING: (Difference.NO_FILE, Difference.EMPTY_FILE),
    What.NOT_LISTED: (Difference.NOT_LISTED,),
    What.DISORDER: (Difference.LISTED_TWICE, Difference.OUT_OF_ORDER),
    What.TARGET: (Difference.TOO_LONG,),
}


def _judge_playlist(facts: SlotFacts, stays: Generation | None, *, must_end: bool, may_end: bool) -> list[Finding]:
    slot = facts.slot
    own: Sequence[Segment] = facts.hours[stays].segments if stays is not None else ()
    if facts.broken is not None:
        return [Finding(What.NO_PLAYLIST_FILE, Names.of([facts.broken]), slot)]
    if facts.playlist is None:
        return [Finding(What.NOT_LISTED, Names.of(one.name.text for one in own if one.size), slot)]
    # What does not belong here is told of already; that it is not listed is as it should be.
    listed = {entry.uri for entry in facts.playlist.entries}
    others = [
        one
        for generation, hour in facts.hours.items()
        if generation != stays
        for one in hour.segments
        if one.name.text in listed
    ]
    differences = timeline.differs([*own, *others], facts.playlist)
    found = [
        Finding(what, Names.of(name for part in parts for name in differences.get(part, ())), slot)
        for what, parts in _DIFFERENCES.items()
    ]
    ended = facts.playlist.ended
    found.append(Finding(What.NOT_ENDED, Names(int(must_end and not ended)), slot))
    found.append(Finding(What.ENDED_EARLY, Names(int(ended and not may_end)), slot))
    return found


def merged(found: Iterable[Finding]) -> list[Finding]:
    """The findings that found anything, one for each thing in each slot."""
    kept: dict[tuple[What, int | None], Names] = {}
    for one in found:
        if not one.names.count:
            continue
        before = kept.setdefault((one.what, one.slot), Names())
        for text in one.names.kept:
            before.add(text)
        before.count += one.names.count - len(one.names.kept)
    return [Finding(what, names, slot) for (what, slot), names in kept.items()]


def still(before: Iterable[Finding], after: Iterable[Finding]) -> list[Finding]:
    """What two looks at the same place both found: the same names, where all of them are known."""
    was = {(one.what, one.slot): one.names for one in before}
    found = []
    for one in after:
        earlier = was.get((one.what, one.slot))
        if earlier is None:
            continue
        if _all_known(earlier) and _all_known(one.names):
            known = set(earlier.kept)
            both = Names.of(text for text in one.names.kept if text in known)
            if both.count:
                found.append(Finding(one.what, both, one.slot))
        else:
            found.append(one)
    return found


def _all_known(names: Names) -> bool:
    return names.count == len(names.kept)
