"""Days of files, turns of the clock, rotations and recoveries on a real folder, against a dict of what must be there.

Each file has bytes of its own, so that a file is known wherever it goes and whatever it is called there.
"""

import os
import tempfile
from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import PLAYLIST, Archived, HourPlaylist, archive, empty_rooms, remove_unfinished, trim
from hotcold_inotify.hours import DAY, HOUR, Calendar, zone
from hotcold_inotify.playlist import parse
from hotcold_inotify.rotation import plan
from tests.disk.conftest import MEMORY
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UNHEARD, opened

# An ordinary day; the evenings before Zurich's clock goes forward, and back.
EVENINGS = (AT_14, 1_774_731_600.0, 1_792_872_000.0)
CALENDARS = {name: Calendar(zone(name)) for name in ("Europe/Zurich", "UTC")}


@attrs.define
class Known:
    """A file as the model knows it; `name` None: it has left the hot folder."""

    mtime: float
    name: str | None


class Days(RuleBasedStateMachine):
    """One kind's folder, and what must be in it."""

    kind: ClassVar[Kind]
    cold_ground: ClassVar[str | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.grounds = [
            tempfile.TemporaryDirectory(dir=ground) for ground in (self.ground(), self.cold_ground) if ground
        ]
        self.hot = Path(self.grounds[0].name, self.kind.name)
        self.cold = Path(self.grounds[-1].name, self.kind.name)
        self.known: dict[bytes, Known] = {}
        self.made = 0

    @staticmethod
    def ground() -> str:
        return MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir()

    @initialize(evening=st.sampled_from(EVENINGS), zone_name=st.sampled_from(sorted(CALENDARS)))
    def begin(self, evening: float, zone_name: str) -> None:
        self.now = evening
        self.calendar = CALENDARS[zone_name]
        self.folder = opened(self.hot, self.cold, self.kind, self.calendar)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.close()
        for ground in self.grounds:
            ground.cleanup()

    # --- what happens ---

    @rule(
        number=st.integers(0, 2),
        minutes=st.integers(0, 90) | st.integers(0, 60 * 60) | st.sampled_from([DAY // 60, 2 * DAY // 60]),
        empty=st.sampled_from([False, False, False, True]),
    )
    def close(self, number: int, minutes: int, empty: bool) -> None:
        """A file is finished; the encoder's numbers come again, and never over a file that is still hot."""
        self.made += 1
        while (path := self.hot / f"{self.kind.pattern.prefix}{number:09}{self.kind.pattern.suffix}").exists():
            number += 1
        content = b"" if empty and b"" not in self.known else b"file %d" % self.made
        mtime = self.now - 60.0 * minutes + self.made / 1024
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))
        self.known[content] = Known(mtime, path.name)

    @precondition(lambda self: self.hot_ones())
    @rule(count=st.integers(1, 4))
    def archive_oldest(self, count: int) -> None:
        for content in sorted(self.hot_ones(), key=lambda content: self.known[content].mtime)[:count]:
            known = self.known[content]
            assert known.name is not None
            name = self.kind.pattern.match(known.name)
            assert name is not None
            found = archive(self.folder, name, self.now)
            assert isinstance(found, Archived)
            assert (found.mtime, found.size) == (known.mtime, len(content))
            assert found.generation == self.calendar.generation_at(known.mtime)
            known.name = None

    @rule(minutes=st.integers(1, 90) | st.sampled_from([60, 23 * 60, 24 * 60, 25 * 60, 47 * 60]))
    def clock_turns(self, minutes: int) -> None:
        self.now += 60.0 * minutes

    @rule(minutes=st.integers(1, 180) | st.sampled_from([24 * 60]))
    def clock_is_set_back(self, minutes: int) -> None:
        self.now -= 60.0 * minutes

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def others_delete(self, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.known)))
        (path,) = (path for path, there in self.there().items() if there == content)
        path.unlink()
        del self.known[content]

    @rule(data=st.data())
    def others_remove_a_slot(self, data: st.DataObject) -> None:
        slot = self.cold / str(data.draw(st.integers(0, 23)))
        if slot.exists() and not os.listdir(slot):
            slot.rmdir()

    @rule()
    def i6_rotate(self) -> None:
        """As the rotation does. What goes was due, what is due goes."""
        due = partial(self.calendar.file_due, retention=self.kind.retention, now=self.now)
        todo = plan(self.folder, self.now)
        for old in todo.retire:
            assert self.folder.slots.retire(old.slot, old.generation)
        gone = sum(done.files for straddling in todo.trim for done in trim(self.folder, straddling.slot, due))
        gone += sum(done.files for done in empty_rooms(self.folder, due))
        left = Counter(self.there().values())
        expired = [content for content in self.known if not left[content]]
        for content in expired:
            known = self.known.pop(content)
            assert known.name is None
            assert due(known.mtime)
        assert len(expired) == gone
        for content, known in self.known.items():
            if known.name is None and not self.kind.playlist:
                assert not due(known.mtime), content
        for slot in range(24):
            held = self.folder.slots.holds(slot)
            assert held is None or not self.calendar.slot_due(held, self.kind.retention, self.now)

    @rule()
    def i4_recover(self) -> None:
        """As a start does, and `check --repair`."""
        live = self.calendar.generation_at(self.now)
        for slot in range(24):
            fd = self.folder.slots.open(slot)
            held = self.folder.slots.held(fd)
            remove_unfinished(fd, self.kind.pattern)
            if held is None or not self.kind.playlist:
                os.close(fd)
                continue
            hour = HourPlaylist(fd, held, self.kind.pattern, durable=False)
            hour.recover(UNHEARD, over=held < live)
            hour.close()
            path = self.cold / str(slot)
            wanted = {file.name for file in path.iterdir() if file.name != PLAYLIST and file.stat().st_size}
            assert (path / PLAYLIST).exists() == bool(wanted)
            if wanted:
                found = parse((path / PLAYLIST).read_text("ascii"))
                assert sorted(entry.uri for entry in found.entries) == sorted(wanted)
                assert found.ended == (held < live)

    @rule()
    def restart(self) -> None:
        self.folder.close()
        self.folder = opened(self.hot, self.cold, self.kind, self.calendar)

    # --- what always holds ---

    def hot_ones(self) -> list[bytes]:
        return [content for content, known in self.known.items() if known.name is not None]

    def there(self) -> dict[Path, bytes]:
        """Every managed file, wherever it is."""
        places = {*self.hot.glob("*"), *self.cold.glob("*/*"), *self.cold.glob(".retired/*/*")}
        return {path: path.read_bytes() for path in places if self.kind.pattern.match(path.name)}

    @invariant()
    def i1_i2_each_file_is_in_one_place_and_whole(self) -> None:
        there = self.there()
        assert Counter(there.values()) == Counter(list(self.known))
        for path, content in there.items():
            known = self.known[content]
            assert path.stat().st_mtime == known.mtime
            assert (path.parent == self.hot and path.name == known.name) == (known.name is not None)

    @invariant()
    def i5_a_slot_holds_one_generation(self) -> None:
        if hasattr(self, "folder"):
            for slot in range(24):
                mtimes = [path.stat().st_mtime for path in (self.cold / str(slot)).glob(f"{self.kind.pattern}")]
                held = {self.calendar.generation_at(mtime) for mtime in mtimes}
                assert len(held) <= 1
                assert {generation.slot for generation in held} <= {slot}

    @invariant()
    def nothing_unfinished_is_left(self) -> None:
        assert not [*self.hot.glob("**/*.tmp"), *self.cold.glob("**/*.tmp")]


class DaysOfSegments(Days):
    kind = SEGMENTS


class DaysOfCaptures(Days):
    kind = attrs.evolve(CAPTURES, retention=float(5 * HOUR))


class DaysAcrossDisks(Days):
    kind = SEGMENTS
    cold_ground = tempfile.gettempdir()


DaysOfSegments.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
DaysOfCaptures.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
DaysAcrossDisks.TestCase.settings = settings(max_examples=20, stateful_step_count=25)
TestDaysOfSegments: Any = DaysOfSegments.TestCase
TestDaysOfCaptures: Any = DaysOfCaptures.TestCase
TestDaysAcrossDisks: Any = DaysAcrossDisks.TestCase


def test_the_evenings_are_before_a_change() -> None:
    zurich = CALENDARS["Europe/Zurich"]
    for evening, night in zip(EVENINGS[1:], ("2026-03-29T02", "2026-10-25T02"), strict=True):
        turns = [evening]
        while turns[-1] < evening + 12 * HOUR:
            turns.append(zurich.next_turn(turns[-1]))
        lasted = {str(zurich.generation_at(turn)): end - turn for turn, end in pairwise(turns)}
        assert lasted.get(night, 0.0) == {"2026-03-29T02": 0.0, "2026-10-25T02": 2 * HOUR}[night]
