"""Any story of writers, others who delete, clocks, faults, restarts and kills, told to a whole reactor: what is there
afterwards is what the promises say, file by file.

`HOTCOLD_STORIES=500 pytest tests/faults/test_any_story.py` tells more of them.
"""

import errno
import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from hotcold_inotify.config import Kind
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.hours import HOUR, Generation
from hotcold_inotify.names import FileName
from tests.disk.conftest import MEMORY
from tests.disk.stage import AT_14, SEGMENTS, UTC
from tests.faults.expected import Expected, File, Place
from tests.faults.scenes import KINDS, Found, Tree, managed, playlists_of
from tests.faults.stepped import Did, Step, Stepped

STORIES = int(os.environ.get("HOTCOLD_STORIES", "12"))
STEPS = 25

# From a fault's end until all is well: three sweeps, and as many looks at which devices are there.
_REST = 6.5
# The clocks are looked at every 10 s, what is due every 5 s.
_CLOCKS_SEEN = 10.5
_FAULTS = ("rename", "mkdir", "open", "write", "unlink")
_ERRNOS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES)

Written = tuple[bytes, File]

NAMED = {kind.name: kind for kind in KINDS}
KIND_NAMES = st.sampled_from(sorted(NAMED, reverse=True))
COUNTS = st.integers(1, 5)
MINUTES = st.sampled_from([0, 0, 0, 1, 59, 61, 90]) | st.integers(0, 26 * 60)
WHICH = st.integers(0, 30)
WAYS = st.sampled_from(["renamed", "closed", "linked"])


class Story(RuleBasedStateMachine):
    """One device of two kinds, and what must be in it."""

    stepped: ClassVar[Stepped]
    told: ClassVar[Counter[str]]
    """What happened in all stories together."""

    def __init__(self) -> None:
        super().__init__()
        self.ground = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        self.tree = Tree(Path(self.ground.name, "root"))
        (self.tree.root / self.tree.device).mkdir(parents=True)
        self.expected = Expected(UTC, KINDS, AT_14)
        self.did = Did(0)
        self.made = 0
        self.rebuilds = 0
        self.jumped = 0.0
        self.playlists: dict[int, tuple[Generation | None, str]] = {}
        self.ghosts: dict[int, set[str]] = {}
        """Names that somebody deleted from a slot: its playlist may list them until the next start."""

    def teardown(self) -> None:
        self.stepped.kill()
        self.ground.cleanup()

    # --- the writer ---

    @initialize(seed=st.integers(0, 3))
    def begin(self, seed: int) -> None:
        self.seed = seed
        self._start()

    @rule(
        kind=KIND_NAMES,
        first=st.integers(0, 4),
        count=COUNTS,
        minutes=MINUTES,
        way=WAYS,
        empty=st.sampled_from([False, False, False, True]),
    )
    def finish(self, kind: str, first: int, count: int, minutes: int, way: str, empty: bool) -> None:
        """Files are finished, by rename or at their own name, or come as links, which raises no event."""
        self._seen(self._write(NAMED[kind], first, count if way != "linked" else 1, minutes, way, empty=empty))
        self.told[way] += 1
        if way != "linked":
            self._step()
            self._within_limits()
        self._rest()

    @precondition(lambda self: self._hot())
    @rule(which=WHICH, way=st.sampled_from(["renamed", "closed"]))
    def overwrite(self, which: int, way: str) -> None:
        """The writer itself takes the name of a file that is still hot."""
        content = self._hot()[which % len(self._hot())]
        file = self.expected.files[content]
        self.expected.gone(content)
        self._seen([self._put(file.kind, file.name, 0, way)])
        self.told["overwritten"] += 1
        self._rest()

    # --- others ---

    @precondition(lambda self: self.expected.files)
    @rule(which=WHICH)
    def others_delete(self, which: int) -> None:
        content = sorted(self.expected.files)[which % len(self.expected.files)]
        found = self._there()[content]
        os.unlink(found.path)
        self._forget(content, found.name)
        self.told["deleted"] += 1
        self._rest()

    @precondition(lambda self: self._slots())
    @rule(which=WHICH)
    def others_remove_an_hour(self, which: int) -> None:
        kind, slot = self._slots()[which % len(self._slots())]
        for content in self.expected.within(kind, slot):
            self._forget(content)
        shutil.rmtree(self.tree.cold(kind) / str(slot))
        self.told["hour removed"] += 1
        self._rest()

    @rule(kind=KIND_NAMES)
    def a_hot_folder_is_away_for_a_while(self, kind: str) -> None:
        """The reactor makes another one; then the first is back."""
        hot = self.tree.hot(NAMED[kind])
        away = self.tree.root / "away"
        hot.rename(away)
        self._pass()
        assert (hot / "23").is_dir()
        shutil.rmtree(hot)
        away.rename(hot)
        self.expected.opened(NAMED[kind])
        self.told["folder away"] += 1
        self._rest()

    @rule()
    def the_device_is_away_for_a_while(self) -> None:
        device, away = self.tree.root / self.tree.device, self.tree.root / "away"
        device.rename(away)
        self._pass()
        assert not device.exists()
        away.rename(device)
        self.expected.started(anew=False)
        self.told["device away"] += 1
        self.rebuilds = 0  # a device that leaves takes its counters with it
        self._rest()

    # --- clocks ---

    @rule(minutes=st.integers(1, 90) | st.sampled_from([10, 11, 60, 60, 60, 23 * 60, 24 * 60, 47 * 60]))
    def time_passes(self, minutes: int) -> None:
        hour = self.expected.wall // HOUR
        self.expected.clock_runs(60.0 * minutes)
        self.told["turned"] += self.expected.wall // HOUR != hour
        self._rest(_CLOCKS_SEEN)

    @precondition(lambda self: not self.jumped)
    @rule(hours=st.integers(-30, 50).filter(bool))
    def the_clock_jumps(self, hours: int) -> None:
        self.jumped = float(hours * HOUR)
        self.expected.clock_is_set(self.jumped)
        self.told["jumped"] += 1
        self._rest(_CLOCKS_SEEN)

    @precondition(lambda self: self.jumped)
    @rule()
    def the_clock_jumps_back(self) -> None:
        self.expected.clock_is_set(-self.jumped)
        self.jumped = 0.0
        self._rest(_CLOCKS_SEEN)

    # --- faults ---

    @rule(kind=KIND_NAMES, first=st.integers(0, 4), count=COUNTS, minutes=MINUTES)
    def the_queue_overflows(self, kind: str, first: int, count: int, minutes: int) -> None:
        self._unseen(self._write(NAMED[kind], first, count, minutes))
        before = self.did.overflows
        self._step(lose=True)
        assert self.did.overflows == before + 1
        for each in KINDS:
            self.expected.looked_through(each)
        self.told["overflowed"] += 1
        self._within_limits()
        self._rest()

    @rule(
        kind=KIND_NAMES,
        count=COUNTS,
        minutes=MINUTES,
        call=st.sampled_from(_FAULTS),
        error=st.sampled_from(_ERRNOS),
        times=st.integers(1, 9),
    )
    def a_call_fails(self, kind: str, count: int, minutes: int, call: str, error: int, times: int) -> None:
        self._seen(self._write(NAMED[kind], 0, count, minutes))
        before = self.did.fired
        self._step(fault=(call, error, times))
        self.told[f"{call} failed"] += self.did.fired - before
        self._rest()

    # --- ends and starts ---

    @rule(
        kind=KIND_NAMES,
        first=st.integers(0, 4),
        count=st.integers(0, 5),
        minutes=MINUTES,
        fails=st.sampled_from([0, 0, 1, 5]),
    )
    def restart(self, kind: str, first: int, count: int, minutes: int, fails: int) -> None:
        """With files that come meanwhile; the first renames of the new process may fail."""
        self.stepped.stop()
        self._unseen(self._write(NAMED[kind], first, count, minutes))
        self.told["restarted"] += 1
        self._start(fails=fails)

    @rule(
        kind=KIND_NAMES,
        count=st.integers(0, 5),
        minutes=MINUTES,
        clock=st.sampled_from([0, 0, 0, 61, 25 * 60]),
        at=st.integers(1, 12),
        again=st.sampled_from([0, 0, 1, 2, 3, 5]),
    )
    def kill(self, kind: str, count: int, minutes: int, clock: int, at: int, again: int) -> None:
        """After the at-th change to the disk, or at rest; and perhaps once more while it starts."""
        self.expected.wall += 60.0 * clock
        self.expected.boottime += 60.0 * clock
        written = self._write(NAMED[kind], 0, count, minutes)
        alive = self._step(_REST, kill_at=at)
        self.stepped.kill()
        self.told["killed at rest" if alive else "killed at work"] += 1
        self._unseen(written)
        self._learn(killed=True)
        self._start(kill_at=again)

    # --- how it is told ---

    def _write(
        self, kind: Kind, first: int, count: int, minutes: int, way: str = "renamed", *, empty: bool = False
    ) -> list[Written]:
        """Files under free numbers: an encoder that counts from 0 again spares what is hot. At most one is empty."""
        taken = {name.number for name in self._hot_names(kind)}
        free = (number for number in itertools.count(first) if number not in taken)
        found = (kind.pattern.match(kind.pattern.named(number, 9)) for number in free)
        names = [name for name in itertools.islice(found, count) if name is not None]
        empty = empty and b"" not in self.expected.files
        return [self._put(kind, name, minutes, way, empty=empty and name is names[0]) for name in names]

    def _put(self, kind: Kind, name: FileName, minutes: int, way: str, *, empty: bool = False) -> Written:
        self.made += 1
        content = b"" if empty else b"file %d" % self.made
        age = 60.0 * minutes + 1.0 - self.made / 1024  # no two of them alike, and none in the future
        mtime = self.expected.wall - age
        path = self.tree.hot(kind) / name.text
        unfinished = path if way == "closed" else path.with_name(f"{name.text}.tmp")
        if way == "linked":
            unfinished = self.tree.root / "elsewhere"
        unfinished.write_bytes(content)
        os.utime(unfinished, (mtime, mtime))
        if way == "renamed":
            unfinished.rename(path)
        elif way == "linked":
            path.hardlink_to(unfinished)
            unfinished.unlink()
        return content, File(kind, name, mtime, None if minutes else self.expected.boottime - age)

    def _seen(self, written: list[Written]) -> None:
        for content, file in written:
            self.expected.finished(content, file)

    def _unseen(self, written: list[Written]) -> None:
        for content, file in written:
            self.expected.lie(content, file)

    def _forget(self, content: bytes, name: str = "") -> None:
        """Somebody deleted that file, and left the playlist that may list it."""
        file = self.expected.files[content]
        if isinstance(file.place, int) and file.kind.playlist:
            self.ghosts.setdefault(file.place, set()).add(name)
        self.expected.gone(content)

    def _start(self, *, kill_at: int = 0, fails: int = 0) -> None:
        fault = ("rename", errno.EIO, fails)
        first = Step(self.expected.wall, self.expected.boottime, _REST, kill_at, fault)
        did = self.stepped.start(self.tree.config, first, self.seed)
        if did is None:
            self.told["killed at start"] += 1
            self._learn(killed=True)
            did = self.stepped.start(self.tree.config, attrs.evolve(first, kill_at=0), self.seed)
            assert did is not None
        assert all(self.tree.hot(kind).is_dir() for kind in KINDS), "it does not serve"
        self.did = did
        self.rebuilds = 0
        self.ghosts.clear()
        self.expected.started()
        if fails:  # the pass at the start may have met it; the next one comes in a minute
            self.expected.clock_runs(60.0)
            self._pass(_CLOCKS_SEEN)
        self._judge()

    def _step(self, seconds: float = 0.0, **more: Any) -> bool:
        """Whether the reactor is still there after a step."""
        did = self.stepped.step(Step(self.expected.wall, self.expected.boottime, seconds, **more))
        if did is not None:
            self.did = did
        return did is not None

    def _rest(self, seconds: float = _REST) -> None:
        self._pass(seconds)
        self._judge()

    def _pass(self, seconds: float = _REST) -> None:
        assert self._step(seconds)

    # --- what is there ---

    def _hot(self) -> list[bytes]:
        return sorted(content for hot in self.expected.hot.values() for content in hot)

    def _hot_names(self, kind: Kind) -> list[FileName]:
        return [self.expected.files[content].name for content in self.expected.hot.get(kind.name, [])]

    def _slots(self) -> list[tuple[Kind, int]]:
        return [(kind, slot) for kind in KINDS for slot in range(24) if self.expected.within(kind, slot)]

    def _there(self) -> dict[bytes, Found]:
        """Where each file is; I1, I2: in one place only."""
        there: dict[bytes, Found] = {}
        for found in managed(self.tree):
            assert found.content not in there, f"twice there: {found}, {there[found.content]}"
            there[found.content] = found
        return there

    def _place(self, found: Found) -> Place:
        folder = Path(found.folder).relative_to(self.tree.hot(found.kind)).parts
        return "hot" if not folder else "waiting" if len(folder) == 2 else int(folder[0])

    def _learn(self, *, killed: bool) -> None:
        """Where what is not hot is by now, and whether it had to stay; a kill leaves a file where it was or was to be.

        I6: what is gone was past its retention, by the clock and by its age, and the clock was believed.
        """
        if killed:
            self.playlists.clear()  # what it repaired, it has counted in vain
        there = self._there()
        for content, file in list(self.expected.files.items()):
            found = there.get(content)
            if found is None:
                assert killed or file.place != "hot", f"lost: {content!r}, {file}"
                assert self.expected.may_expire(file), f"deleted: {content!r}, {file}, now {self.expected.wall}"
                self.expected.gone(content)
                continue
            place = self._place(found)
            if killed and file.place == "hot" != place:
                self.expected.hot[file.kind.name].remove(content)
                file.place = place
            if file.place != "hot":
                assert place in {"waiting", self.expected.generation(file).slot}, found
                file.place = place

    def _within_limits(self) -> None:
        for kind in KINDS:
            hot = [name for name in os.listdir(self.tree.hot(kind)) if kind.pattern.match(name) is not None]
            assert len(hot) <= kind.hot_limit, f"I3: {hot}"

    def _judge(self) -> None:
        self.told["judged"] += 1
        if not self.expected.exact:
            self._learn(killed=False)
            self.told["judged loosely"] += 1
        there = self._there()
        wrong = [f"lost: {content!r}, {file}" for content, file in self.expected.files.items() if content not in there]
        for content, found in there.items():
            file = self.expected.files.get(content)
            if file is None:
                wrong.append(f"must be gone: {found}, of {UTC.generation_at(found.mtime)}")
                continue
            if found.mtime != file.mtime:
                wrong.append(f"not of {file.mtime}: {found}")
            name = file.kind.pattern.match(found.name)
            if self._place(found) != file.place:
                wrong.append(f"must be in {file.place}: {found}, of {self.expected.generation(file)}")
            elif name != file.name and (file.place == "hot" or name is None or name.number != file.name.number):
                wrong.append(f"was called {file.name.text}: {found}")
        for kind, slot in self._slots():
            hours = {self.expected.generation(self.expected.files[one]) for one in self.expected.within(kind, slot)}
            if len(hours) > 1:
                wrong.append(f"I5: {kind.name}/{slot} holds {sorted(map(str, hours))}")
        # What was taken away with its hour goes with it.
        left = (path for path in self.tree.root.rglob("*.tmp") if RETIRED not in path.parts)
        wrong += [f"left over: {path}" for path in left]
        assert not wrong, "\n".join([f"it is {UTC.generation_at(self.expected.wall)}", *wrong])
        self._judge_playlists(there)

    def _judge_playlists(self, files: dict[bytes, Found]) -> None:
        """I4: an hour's segments are listed, each once, and nothing else. I9: only a repair, which is counted, changes
        what was said before.
        """
        there: dict[int, set[str]] = {}
        for content, found in files.items():
            place = self._place(found)
            if found.kind.playlist and isinstance(place, int):
                there.setdefault(place, set()).update([found.name] if content else [])
        said = {int(path.parent.name): (path, listed) for path, listed in playlists_of(self.tree)}
        rebuilt, self.rebuilds = self.did.rebuilds > self.rebuilds, self.did.rebuilds
        before, self.playlists = self.playlists, {}
        for slot in said.keys() | there.keys():
            path, listed = said.get(slot, (None, None))
            assert path is None or listed is not None, f"torn: {path}"
            names = [entry.uri for entry in listed.entries] if listed else []
            wanted, ghosts = there.get(slot, set()), self.ghosts.get(slot, set())
            assert len(names) == len(set(names)), f"listed twice in {path}: {names}"
            assert wanted <= set(names) <= wanted | ghosts, (
                f"slot {slot} lists {sorted(names)}, there is {sorted(wanted)}"
            )
            held = self.expected.held(SEGMENTS, slot)
            if path is None or held is None:
                continue
            text = path.read_text("ascii")
            self.playlists[slot] = held, text
            once, its = before.get(slot, (None, ""))
            assert once != held or rebuilt or text.startswith(its), (
                f"changed and not counted: {path}\n{its}\n---\n{text}"
            )


@pytest.fixture(autouse=True)
def stepped() -> Iterator[None]:
    Story.told = Counter()
    Story.stepped = Stepped()
    yield
    Story.stepped.close()


@pytest.mark.timeout(60 + 3 * STORIES)
def test_any_story_keeps_the_promises() -> None:
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=STEPS,
            # A story takes a second, and most of what it draws depends on what is there.
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
    print(dict(Story.told))  # noqa: T201 - the figures, with -s


def test_an_hour_that_resists_at_the_start_is_looked_through_again() -> None:
    story = Story()
    try:
        story.begin(seed=0)
        story.finish("segments", first=0, count=6, minutes=0, way="renamed", empty=False)
        story.others_delete(which=sorted(story.expected.files).index(b"file 1"))
        assert story.ghosts, "it was listed"
        story.restart("segments", first=0, count=0, minutes=0, fails=1)
        assert story.did.fired == 1
    finally:
        story.teardown()


def test_all_of_it_happens_in_one_story() -> None:
    """The drawn stories show something only if what they tell happens."""
    story = Story()
    try:
        story.begin(seed=0)
        for way in ("renamed", "closed", "linked"):
            for kind in NAMED:
                story.finish(kind, first=0, count=5, minutes=0, way=way, empty=way == "renamed")
        story.overwrite(which=0, way="closed")
        story.overwrite(which=5, way="renamed")
        story.others_delete(which=0)
        story.others_delete(which=9)
        story.time_passes(minutes=24 * 60)
        for call in _FAULTS:
            story.time_passes(minutes=24 * 60)
            story.a_call_fails("segments", count=5, minutes=0, call=call, error=errno.EIO, times=3)
        story.others_remove_an_hour(which=0)
        story.the_queue_overflows("captures", first=0, count=5, minutes=0)
        story.the_queue_overflows("segments", first=0, count=5, minutes=61)
        story.a_hot_folder_is_away_for_a_while("segments")
        story.the_device_is_away_for_a_while()
        story.the_clock_jumps(hours=5)
        story.finish("segments", first=0, count=4, minutes=0, way="renamed", empty=False)
        story.the_clock_jumps_back()
        story.time_passes(minutes=11)
        story.restart("segments", first=0, count=5, minutes=61, fails=1)
        story.kill("segments", count=5, minutes=0, clock=0, at=2, again=0)
        story.kill("captures", count=0, minutes=0, clock=0, at=12, again=0)
        story.kill("captures", count=0, minutes=0, clock=25 * 60, at=12, again=1)
    finally:
        story.teardown()
    assert Story.told.pop("judged loosely") * 4 < Story.told.pop("judged")  # what a jump leaves
    happened = {what for what, times in Story.told.items() if times}
    assert happened == {
        *("renamed", "closed", "linked", "overwritten", "deleted", "hour removed", "folder away", "device away"),
        *("turned", "jumped", "overflowed", "restarted", "killed at work", "killed at rest", "killed at start"),
        *(f"{call} failed" for call in _FAULTS),
    }
