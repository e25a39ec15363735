"""`check` and `repair` on real folders: each fault is planted, found, and nothing else is; a repair loses no file."""

import errno
import gc
import hashlib
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from hotcold_inotify import audit, invariants, playlist
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import PLAYLIST, Home
from hotcold_inotify.disk.adoption import evict
from hotcold_inotify.hours import DAY, HOUR
from hotcold_inotify.invariants import What
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.probe import Probe
from hotcold_inotify.rotation import Rotation
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UTC, files, occupy, write

AT_12 = AT_14 - 2 * HOUR
AT_13 = AT_14 - HOUR
KINDS = (SEGMENTS, attrs.evolve(CAPTURES, retention=float(2 * HOUR)))


@attrs.define
class Tree:
    """A device whose clock stands at 14:30."""

    top: Path
    home: Home
    now: float = AT_14

    @property
    def segments(self) -> Path:
        return Path(self.home.cold_path, "segments")

    @property
    def hot(self) -> Path:
        return Path(self.home.path, "segments")

    @property
    def captures(self) -> Path:
        return Path(self.home.cold_path, "captures")

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now)

    def check(self, *, live: bool = False) -> audit.Report:
        return audit.check([self.home], KINDS, UTC, self.clock, live=live)

    def found(self) -> set[tuple[What, str, int | None]]:
        return {(one.finding.what, one.kind, one.finding.slot) for one in self.check().wrong}

    def repair(self) -> list[str]:
        """As the command does: only where something is wrong."""
        wrong = {one.kind for one in self.check().wrong}
        kinds = tuple(kind for kind in KINDS if kind.name in wrong)
        rotation = Rotation(self.home, kinds, UTC, self.clock, lambda: True, Instruments(CollectorRegistry()))
        return audit.repair(self.home, kinds, UTC, self.clock, lambda: trio.run(rotation.one_pass), durable=False)

    def everything(self) -> dict[str, bytes]:
        tops = {Path(self.home.path), Path(self.home.cold_path)}
        return {f"{top}/{path}": content for top in tops for path, content in files(top).items()}

    def contents(self) -> Counter[str]:
        """How often each finished file's content is there."""
        return Counter(
            hashlib.sha256(content).hexdigest()
            for path, content in self.everything().items()
            if not path.endswith((".tmp", ".m3u8")) and not content.startswith(b"->")
        )


@pytest.fixture(autouse=True)
def no_ffprobe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probe, "duration", lambda _self, _path: None)


@pytest.fixture(params=["one disk", "two disks"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    cold = tmp_path / "capture1"
    hot = cold
    if request.param == "two disks":
        grounds: tuple[Path, Path] = request.getfixturevalue("grounds")
        hot, cold = (ground / "capture1" for ground in grounds)
    return grown(tmp_path, hot, cold)


def grown(top: Path, hot: Path, cold: Path) -> Tree:
    """A sound tree: three full hours, and hot folders at their limits."""
    tree = Tree(top, Home("capture1", str(hot), str(cold)))
    tree.home.make(kind.name for kind in KINDS)
    for at in (AT_12, AT_13, AT_14 - 100):
        hour = UTC.generation_at(at)
        entries = []
        for number in range(int(at), int(at) + 5):
            path = segment(tree.segments / str(hour.slot), number)
            entries.append(playlist.Entry(path.name, 1.0, number - 1.0))
            capture(tree.captures / str(hour.slot), number + 100)
        ended = at < AT_14 - 1000
        whole = playlist.Playlist(2, tuple(entries), ended=ended)
        (tree.segments / str(hour.slot) / PLAYLIST).write_bytes(playlist.render(whole))
    for number in range(int(AT_14) - 3, int(AT_14)):
        segment(tree.hot, number)
        capture(Path(tree.home.path, "captures"), number)
    return tree


def segment(folder: Path, number: int, mtime: float | None = None, *, content: bytes | None = None) -> Path:
    at = float(number) if mtime is None else mtime
    return write(folder / f"segment_{number}.ts", at, f"segment {number} {at}".encode() if content is None else content)


def capture(folder: Path, number: int, mtime: float | None = None) -> Path:
    at = float(number) if mtime is None else mtime
    return write(folder / f"capture_{number}.jpg", at, f"capture {number} {at}".encode())


def rewrite(path: Path, change: Callable[[playlist.Playlist], playlist.Playlist]) -> None:
    path.write_bytes(playlist.render(change(playlist.parse(path.read_text("utf-8")))))


# --- the faults, each with what is found of it ---


def over_the_limit(tree: Tree) -> None:
    for number in range(int(AT_14) - 20, int(AT_14) - 15):
        segment(tree.hot, number)


def same_file_twice(tree: Tree) -> None:
    path = next(tree.hot.glob("segment_*"))
    twin = write(tree.segments / "14" / path.name, path.stat().st_mtime, path.read_bytes())
    os.utime(twin, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns))
    listed = playlist.Entry(twin.name, 1.0, path.stat().st_mtime - 1)
    rewrite(tree.segments / "14" / PLAYLIST, lambda one: attrs.evolve(one, entries=(*one.entries, listed)))


def same_file_twice_under_a_revision(tree: Tree) -> None:
    path = next(Path(tree.home.path, "captures").glob("capture_*"))
    at = path.stat().st_mtime
    write(tree.captures / "14" / path.name, at - 10, b"another")
    write(tree.captures / "14" / path.name.replace(".jpg", "_r1.jpg"), at, path.read_bytes())


def wrong_hour(tree: Tree) -> None:
    capture(tree.captures / "5", int(AT_13) + 900)


def wrong_hour_among_segments(tree: Tree) -> None:
    segment(tree.segments / "12", int(AT_13) - 200)


def wrong_hour_whose_name_is_taken(tree: Tree) -> None:
    write(tree.captures / "12" / f"capture_{int(AT_13) + 100}.jpg", AT_13 + 50, b"the name is taken")


def two_hours_in_each_others_place(tree: Tree) -> None:
    for path in [*tree.captures.glob("12/*"), *tree.captures.glob("13/*")]:
        path.rename(path.parent.parent / ("13" if path.parent.name == "12" else "12") / f"moved{path.name}")
    for path in tree.captures.glob("*/moved*"):
        path.rename(path.with_name(path.name.removeprefix("moved")))


def mixed_days(tree: Tree) -> None:
    segment(tree.segments / "14", int(AT_14) - DAY)


def expired(tree: Tree) -> None:
    capture(tree.captures / "12", int(AT_14) - 2 * HOUR - 600)


def expired_hour(tree: Tree) -> None:
    capture(tree.captures / "9", int(AT_14) - 5 * HOUR)


def expired_in_retired(tree: Tree) -> None:
    room = tree.captures / ".retired" / "2026-11-22T14.0"
    room.mkdir(parents=True)
    capture(room, int(AT_14) - DAY)


def retired_too_early(tree: Tree) -> None:
    room = tree.captures / ".retired" / "2026-11-23T13"
    room.mkdir(parents=True)
    capture(room, int(AT_13) + 900)


def unfinished_for_a_day(tree: Tree) -> None:
    write(tree.hot / "segment_1.ts.tmp", AT_14 - 2 * DAY)


def unfinished_for_an_hour(tree: Tree) -> None:
    write(tree.hot / "output.m3u8.tmp", AT_13 - 1)
    write(tree.hot / "segment_2.ts.tmp", AT_13 + 1)
    write(tree.hot / "notes.txt.tmp", AT_13 - 1)


def unfinished_in_a_slot(tree: Tree) -> None:
    write(tree.segments / "13" / "segment_1.ts.tmp")
    write(tree.segments / "13" / "archive.m3u8.tmp")


def no_slot(tree: Tree) -> None:
    (tree.segments / "3").rmdir()


def a_file_for_a_slot(tree: Tree) -> None:
    (tree.segments / "3").rmdir()
    occupy(tree.segments / "3", "file", tree.top)


def a_link_for_a_slot(tree: Tree) -> None:
    (tree.segments / "3").rmdir()
    occupy(tree.segments / "3", "link", tree.top)


def a_file_for_the_waiting_room(tree: Tree) -> None:
    occupy(tree.captures / ".retired", "file", tree.top)


def torn(tree: Tree) -> None:
    path = tree.segments / "14" / PLAYLIST
    path.write_bytes(path.read_bytes()[:-9])


def no_text(tree: Tree) -> None:
    (tree.segments / "13" / PLAYLIST).write_bytes(b"\xff\x00")


def a_folder_for_a_playlist(tree: Tree) -> None:
    (tree.segments / "13" / PLAYLIST).unlink()
    (tree.segments / "13" / PLAYLIST).symlink_to("segment_1.ts")


def no_playlist(tree: Tree) -> None:
    (tree.segments / "13" / PLAYLIST).unlink()


def listed_and_missing(tree: Tree) -> None:
    next((tree.segments / "13").glob("*.ts")).unlink()


def listed_and_empty(tree: Tree) -> None:
    path = next((tree.segments / "13").glob("*.ts"))
    write(path, path.stat().st_mtime, b"")


def a_playlist_of_nothing(tree: Tree) -> None:
    (tree.segments / "13" / PLAYLIST).rename(tree.segments / "4" / PLAYLIST)
    rewrite(tree.segments / "4" / PLAYLIST, lambda one: attrs.evolve(one, ended=False))
    for path in (tree.segments / "13").iterdir():
        path.unlink()


def not_listed(tree: Tree) -> None:
    segment(tree.segments / "14", int(AT_14) - 50)


def listed_twice(tree: Tree) -> None:
    path = tree.segments / "13" / PLAYLIST
    rewrite(path, lambda one: attrs.evolve(one, entries=(*one.entries, one.entries[-1])))


def out_of_order(tree: Tree) -> None:
    rewrite(tree.segments / "13" / PLAYLIST, lambda one: attrs.evolve(one, entries=one.entries[::-1]))


def target_too_small(tree: Tree) -> None:
    long = [attrs.evolve(SEGMENT_OF_FIVE, uri=f"segment_{number}.ts") for number in range(int(AT_13), int(AT_13) + 5)]
    rewrite(tree.segments / "13" / PLAYLIST, lambda one: attrs.evolve(one, entries=tuple(long)))


SEGMENT_OF_FIVE = playlist.Entry("", 5.0)


def not_ended(tree: Tree) -> None:
    rewrite(tree.segments / "13" / PLAYLIST, lambda one: attrs.evolve(one, ended=False))


def ended_early(tree: Tree) -> None:
    rewrite(tree.segments / "14" / PLAYLIST, lambda one: attrs.evolve(one, ended=True))


FAULTS: list[tuple[Callable[[Tree], None], What, str, set[int | None]]] = [
    (over_the_limit, What.OVER_LIMIT, "segments", {None}),
    (same_file_twice, What.IN_TWO_PLACES, "segments", {None}),
    (same_file_twice_under_a_revision, What.IN_TWO_PLACES, "captures", {None}),
    (wrong_hour, What.WRONG_HOUR, "captures", {5}),
    (wrong_hour_among_segments, What.WRONG_HOUR, "segments", {12}),
    (wrong_hour_whose_name_is_taken, What.WRONG_HOUR, "captures", {12}),
    (two_hours_in_each_others_place, What.WRONG_HOUR, "captures", {12, 13}),
    (mixed_days, What.MIXED_DAYS, "segments", {14}),
    (expired, What.EXPIRED, "captures", {12}),
    (expired_hour, What.EXPIRED, "captures", {9}),
    (expired_in_retired, What.EXPIRED, "captures", {None}),
    (retired_too_early, What.RETIRED, "captures", {None}),
    (unfinished_for_a_day, What.UNFINISHED, "segments", {None}),
    (unfinished_for_an_hour, What.UNFINISHED, "segments", {None}),
    (unfinished_in_a_slot, What.UNFINISHED, "segments", {13}),
    (no_slot, What.NO_FOLDER, "segments", {3}),
    (a_file_for_a_slot, What.NOT_A_FOLDER, "segments", {3}),
    (a_link_for_a_slot, What.NOT_A_FOLDER, "segments", {3}),
    (a_file_for_the_waiting_room, What.NOT_A_FOLDER, "captures", {None}),
    (torn, What.NO_PLAYLIST_FILE, "segments", {14}),
    (no_text, What.NO_PLAYLIST_FILE, "segments", {13}),
    (a_folder_for_a_playlist, What.NO_PLAYLIST_FILE, "segments", {13}),
    (no_playlist, What.NOT_LISTED, "segments", {13}),
    (listed_and_missing, What.LISTED_MISSING, "segments", {13}),
    (listed_and_empty, What.LISTED_MISSING, "segments", {13}),
    (a_playlist_of_nothing, What.LISTED_MISSING, "segments", {4}),
    (not_listed, What.NOT_LISTED, "segments", {14}),
    (listed_twice, What.DISORDER, "segments", {13}),
    (out_of_order, What.DISORDER, "segments", {13}),
    (target_too_small, What.TARGET, "segments", {13}),
    (not_ended, What.NOT_ENDED, "segments", {13}),
    (ended_early, What.ENDED_EARLY, "segments", {14}),
]
# Nothing is deleted by a repair save what these have planted.
DELETES = {expired, expired_hour, expired_in_retired, mixed_days}
# Of these one of two copies goes.
TWICE = (same_file_twice, same_file_twice_under_a_revision)


def test_a_sound_tree_is_found_sound(tree: Tree) -> None:
    before = tree.everything()
    report = tree.check()
    assert report.wrong == report.notes == ()
    assert report.files == 2 * (15 + 3)
    assert tree.everything() == before


def test_every_fault_has_its_test() -> None:
    # An unreadable folder is not in the table: a repair cannot mend it. WAITING and UNMANAGED are no faults.
    assert {fault[1] for fault in FAULTS} == set(What) - {What.UNREADABLE, What.WAITING, What.UNMANAGED}


@pytest.mark.parametrize(
    ("plant", "what", "kind", "slots"), [pytest.param(*fault, id=fault[0].__name__) for fault in FAULTS]
)
def test_a_fault_is_found_alone_and_mended_for_good(
    tree: Tree, plant: Callable[[Tree], None], what: What, kind: str, slots: set[int | None]
) -> None:
    plant(tree)
    contents, planted = tree.contents(), tree.everything()
    assert tree.found() == {(what, kind, slot) for slot in slots}
    assert tree.everything() == planted
    assert tree.repair() == []
    assert tree.found() == set()
    mended = tree.everything()
    assert tree.repair() == []
    assert tree.everything() == mended
    lost = contents - tree.contents()
    if plant in TWICE:
        assert set(lost.values()) == {1}
        assert set(lost) <= set(tree.contents())
    else:
        assert lost.total() == int(plant in DELETES)


def test_a_file_in_the_wrong_slot_is_in_its_own_and_listed_after_the_repair(tree: Tree) -> None:
    wrong_hour_among_segments(tree)
    tree.repair()
    name = f"segment_{int(AT_13) - 200}.ts"
    assert [path.parent.name for path in tree.segments.rglob(name)] == ["13"]
    assert name in (tree.segments / "13" / PLAYLIST).read_text("ascii")
    assert not (tree.segments / ".retired").exists()


def test_what_is_in_the_place_of_a_slot_is_kept_under_another_name(tree: Tree) -> None:
    a_link_for_a_slot(tree)
    (tree.segments / "3.aside").mkdir()
    tree.repair()
    assert (tree.segments / "3.aside1").readlink() == tree.top
    assert (tree.segments / "3").is_dir()


def test_strangers_are_told_and_left(tree: Tree) -> None:
    write(tree.hot / "notes.txt")
    (tree.segments / "13" / "segment_7.ts").mkdir()
    (tree.hot / "segment_8.ts").mkdir()
    before = tree.everything()
    report = tree.check()
    assert report.wrong == ()
    assert {(one.finding.slot, one.finding.names.count) for one in report.notes} == {(None, 2), (13, 1)}
    tree.repair()
    assert tree.everything() == before


def test_a_folder_that_cannot_be_opened_keeps_no_other_from_being_looked_at(tree: Tree) -> None:
    moved = tree.hot.rename(tree.hot.parent / "elsewhere")
    tree.hot.symlink_to(moved)
    expired(tree)
    assert {one.finding.what for one in tree.check().wrong} == {What.NOT_A_FOLDER, What.EXPIRED}
    assert "captures" not in str(tree.repair())
    assert {one.finding.what for one in tree.check().wrong} == {What.NOT_A_FOLDER}


PARTS: dict[str, tuple[str, int | None]] = {
    "segments": ("segments", None),
    "13": ("13", 13),
    ".retired": (".retired", None),
}


@pytest.mark.parametrize("name", ["EACCES", "EIO"])
@pytest.mark.parametrize("part", PARTS)
def test_what_cannot_be_read_is_told_with_its_error_and_keeps_nothing_else(
    tree: Tree, part: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.segments / ".retired").mkdir()
    not_ended(tree)
    expired(tree)
    before, files = tree.everything(), tree.check().files
    parted = os.stat(tree.hot if part == "segments" else tree.segments / part)
    lacking = {"segments": 3, "13": 5, ".retired": 0}[part]
    fired: list[str] = []

    def scandir(fd: int) -> object:
        if os.path.samestat(os.fstat(fd), parted):
            fired.append(name)
            raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
        return real(fd)

    real = os.scandir
    with monkeypatch.context() as patched:
        # Root reads what it likes, so the error is the call's, not the mode's. Rooms are listed by another call.
        patched.setattr(os, "scandir", scandir)
        patched.setattr(os, "listdir", scandir)
        report = tree.check()
    assert fired
    text, slot = PARTS[part]
    unreadable = [one for one in report.wrong if one.finding.what is What.UNREADABLE]
    assert [(one.kind, one.finding.slot, one.example) for one in unreadable] == [("segments", slot, f"{text}: {name}")]
    assert "owner and mode" in unreadable[0].remedy
    others = {What.EXPIRED, What.NOT_ENDED} if part != "13" else {What.EXPIRED}
    assert {one.finding.what for one in report.wrong} == {What.UNREADABLE, *others}
    assert report.files == files - lacking
    assert tree.everything() == before


def test_beside_a_reactor_what_waits_is_no_fault_and_what_ends_late_is_not_yet_one(tree: Tree) -> None:
    retired_too_early(tree)
    report = tree.check(live=True)
    assert report.wrong == ()
    assert {one.finding.what for one in report.notes} == {What.WAITING}


def test_i7_a_repair_that_is_cut_short_is_gone_on_with_by_the_next(tree: Tree) -> None:
    wrong_hour(tree)
    wrong_hour_among_segments(tree)
    contents = tree.contents()
    audit.repair(tree.home, KINDS, UTC, tree.clock, lambda: None, durable=False)
    assert {what for what, _, _ in tree.found()} == {What.RETIRED}
    assert tree.contents() == contents
    assert tree.repair() == []
    assert tree.found() == set()
    assert tree.contents() == contents


def test_i1_a_file_that_is_hot_too_once_it_is_back_in_its_slot_is_there_once(tree: Tree) -> None:
    path = next(Path(tree.home.path, "captures").glob("capture_*"))
    write(tree.captures / "5" / path.name, path.stat().st_mtime, path.read_bytes())
    assert tree.repair() == []
    assert tree.found() == set()
    assert [one.parent.name for one in tree.captures.rglob(path.name)] == ["14"]


@pytest.mark.parametrize("plant", TWICE)
def test_i1_i7_a_start_settles_what_a_crash_left_in_two_places(tree: Tree, plant: Callable[[Tree], None]) -> None:
    plant(tree)
    contents = tree.contents()
    instruments = Instruments(CollectorRegistry())
    trio.run(partial(audit.recover, tree.home, KINDS, UTC, tree.clock, instruments, durable=False))
    assert tree.found() == set()
    assert set(tree.contents().values()) == {1}
    assert set(tree.contents()) == set(contents)


def test_beside_a_reactor_what_is_unfinished_is_its_own_for_some_passes(tree: Tree) -> None:
    left = write(tree.hot / "segment_1.ts.tmp", AT_13 - 10)
    assert tree.check(live=True).wrong == ()
    os.utime(left, (AT_13 - 300, AT_13 - 300))
    assert {one.finding.what for one in tree.check(live=True).wrong} == {What.UNFINISHED}


def test_a_kind_without_a_folder_gets_one(tree: Tree) -> None:
    for path in {tree.captures, Path(tree.home.path, "captures")}:
        path.rename(path.with_name("other"))
    assert tree.found() == {(What.NO_FOLDER, "captures", None)}
    tree.repair()
    assert tree.found() == set()


def test_beside_a_reactor_what_was_transient_is_forgotten(tree: Tree) -> None:
    over_the_limit(tree)
    not_listed(tree)

    def step(_files: int) -> None:
        """The reactor comes to it, once the folder has been looked at."""
        steps.append(_files)
        if len(steps) == 2 * 26:
            tree.repair()

    steps: list[int] = []
    report = audit.check([tree.home], KINDS, UTC, tree.clock, live=True, step=step)
    assert report.wrong == ()
    assert len(steps) == 2 * 26


def test_beside_a_reactor_what_stays_is_told(tree: Tree) -> None:
    over_the_limit(tree)
    wrong_hour(tree)
    (tree.segments / "3").rmdir()
    whats = {one.finding.what for one in tree.check(live=True).wrong}
    assert whats == {What.OVER_LIMIT, What.WRONG_HOUR, What.NO_FOLDER}


def test_a_slot_that_became_another_folder_is_left_alone(tree: Tree) -> None:
    with tree.home.open(KINDS[1], UTC) as folder:
        fd = folder.slots.open(13)
        try:
            folder.slots.retire(13, UTC.generation_at(AT_13))
            before = tree.everything()
            assert evict(folder, 13, fd, None) == 0
            (tree.captures / "13").rmdir()
            assert evict(folder, 13, fd, None) == 0
        finally:
            os.close(fd)
    assert tree.everything() == before


# --- memory ---


def peak(home: Home, kind: Kind, files: int) -> int:
    """Bytes of Python's that a check holds at most, more than before; it must find so many files."""
    clock = Clock(wall=lambda: AT_14)

    def look() -> int:
        return audit.check([home], (kind,), UTC, clock, live=False).files

    assert look() == files  # what is made once and kept is there by now
    gc.collect()
    tracemalloc.start()
    try:
        look()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def day(top: Path, kind: Kind, hours: int, each: int, *, misplaced: bool = False) -> Home:
    """A device with so many files in each of the last hours, listed; or all of them in each other's hours."""
    home = Home("capture1", str(top), str(top))
    home.make([kind.name])
    for ago in range(hours):
        first = int(AT_14 - 1000 - ago * HOUR)
        slot = UTC.generation_at(first).slot
        folder = top / kind.name / str((slot - misplaced) % 24)
        make = segment if kind.playlist else capture
        entries = [playlist.Entry(make(folder, number).name, 1.0) for number in range(first, first + each)]
        if kind.playlist:
            ended = playlist.Playlist(2, tuple(entries), ended=ago > 0)
            (folder / PLAYLIST).write_bytes(playlist.render(ended))
    return home


@pytest.mark.parametrize("misplaced", [False, True])
def test_what_a_check_holds_does_not_grow_with_the_files_of_an_hour(
    in_memory: Path, monkeypatch: pytest.MonkeyPatch, *, misplaced: bool
) -> None:
    monkeypatch.setattr(invariants, "KEPT", 10)
    kind = attrs.evolve(CAPTURES, retention=float(DAY))
    few = peak(day(in_memory / "few", kind, 20, 100, misplaced=misplaced), kind, 2000)
    many = peak(day(in_memory / "many", kind, 20, 300, misplaced=misplaced), kind, 6000)
    # To remember the 4,000 others' names would take 300,000 bytes.
    assert many < few + 60_000, f"{few} bytes for 2,000 files, {many} for 6,000"


def test_of_segments_a_check_holds_an_hour_at_a_time(in_memory: Path) -> None:
    few = peak(day(in_memory / "few", SEGMENTS, 2, 400), SEGMENTS, 800)
    many = peak(day(in_memory / "many", SEGMENTS, 12, 400), SEGMENTS, 4800)
    # An hour of 400, with its playlist, takes more than 200,000 bytes.
    assert few > 200_000
    assert many < few + 100_000, f"{few} bytes for 2 hours, {many} for 12"


# --- any tree ---


HOURS = st.integers(-30, 3).map(lambda hours: AT_14 + hours * HOUR)
MTIMES = st.builds(lambda hour, second: hour + second, HOURS, st.sampled_from([-1, 0, 1, 2, 3, 1700]))
PLACES = st.sampled_from(
    ["", "13", "14", "15", "2", ".retired/2026-11-23T13", ".retired/2026-11-22T15.0", ".retired/x"]
)
FILES = st.lists(st.tuples(PLACES, st.integers(0, 5), st.integers(0, 1), MTIMES, st.integers(0, 2)), max_size=25)
LISTS = st.dictionaries(
    st.sampled_from(["13", "14", "2"]),
    st.one_of(
        st.binary(max_size=20),
        st.builds(
            lambda target, names, ended: playlist.render(
                playlist.Playlist(
                    target, tuple(playlist.Entry(f"segment_{name}.ts", 1.5) for name in names), ended=ended
                )
            ),
            st.integers(0, 3),
            st.lists(st.integers(0, 5), max_size=4),
            st.booleans(),
        ),
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planted=FILES, lists=LISTS, kind=st.sampled_from(KINDS))
def test_any_tree_is_sound_after_one_repair_and_has_lost_only_what_expired(
    tmp_path_factory: pytest.TempPathFactory,
    planted: list[tuple[str, int, int, float, int]],
    lists: dict[str, bytes],
    kind: Kind,
) -> None:
    top = tmp_path_factory.mktemp("any")
    tree = Tree(top, Home("capture1", str(top), str(top)))
    tree.home.make(one.name for one in KINDS)
    young: set[str] = set()
    for place, number, revision, mtime, size in planted:
        folder = top / kind.name / place
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{kind.pattern.prefix}{number}{'_r1' if revision else ''}{kind.pattern.suffix}"
        content = f"{place} {name} {mtime}".encode() if size else b""
        write(folder / name, mtime, content)
    for slot, text in lists.items():
        (top / kind.name / slot / PLAYLIST).write_bytes(text)
    for path in (top / kind.name).rglob(f"{kind.pattern.prefix}*{kind.pattern.suffix}"):
        if path.stat().st_size and not UTC.file_due(path.stat().st_mtime, kind.retention, AT_14):
            young.add(path.read_bytes().decode())
    assert tree.repair() == []
    assert [str(one) for one in tree.check().wrong] == []
    mended = tree.everything()
    assert tree.repair() == []
    assert tree.everything() == mended
    assert young <= {content.decode("utf-8", "replace") for content in mended.values()}
