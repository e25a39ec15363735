"""From the old mixed folders to hot and cold, and back, on real folders: what goes where, what stays, what survives."""

import errno
import fcntl
import os
import random
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from hotcold_inotify import migration, playlist
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import Home, archiving, mixed, rename_new
from hotcold_inotify.disk.layout import find_devices
from hotcold_inotify.hours import DAY, HOUR, Calendar, zone
from hotcold_inotify.migration import DevicePlan, Moved, outcome
from hotcold_inotify.migration.judging import Judge, Stays, most_specific_first, recognised
from hotcold_inotify.names import Pattern
from tests.disk.stage import AT_14, CAPTURES, NOT_FOLLOWED, SEGMENTS, UTC, files, occupy, write
from tests.faults.calls import changes, stand_between, without_rename_flags

THUMBNAILS = Kind("thumbnails", Pattern.parse("capture_*_thumbnail.jpg"), hot_limit=3)
METADATA = Kind("metadata", Pattern.parse("capture_*.json"), hot_limit=3)
KINDS = (SEGMENTS, CAPTURES, THUMBNAILS, METADATA)
CLOCK = Clock(lambda: AT_14, lambda: 1000.0)
MINUTE = 60.0


@pytest.fixture(autouse=True)
def no_ffprobe(monkeypatch: pytest.MonkeyPatch) -> None:
    """These are no segments: it would find nothing, slowly."""
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.fixture
def home(ground: Path) -> Home:
    device = ground / "capture1"
    (device / "captures").mkdir(parents=True)
    return Home("capture1", str(device), str(device))


def device(home: Home) -> Path:
    return Path(home.path)


def segment(home: Home, number: int, mtime: float, content: bytes | None = None) -> Path:
    return write(device(home) / f"segment_{number:09}.ts", mtime, content or b"segment %d" % number)


def picture(home: Home, number: int, mtime: float, suffix: str = ".jpg") -> Path:
    name = f"capture_{number}{suffix}"
    return write(device(home) / "captures" / name, mtime, name.encode())


def list_live(
    home: Home, numbers: range, *, written: float = AT_14, ended: bool = False, duration: float = 1.0
) -> None:
    entries = tuple(playlist.Entry(f"segment_{number:09}.ts", duration) for number in numbers)
    whole = playlist.Playlist(1, entries, ended=ended, type=None)
    write(device(home) / "output.m3u8", written, playlist.render(whole))


def looked(home: Home, *, live: bool = False, kinds: tuple[Kind, ...] = KINDS) -> DevicePlan:
    return migration.plan(home, kinds, UTC, AT_14, live=live)


def migrated(
    home: Home,
    *,
    expire: bool = False,
    live: bool = False,
    believed: bool = True,
    kinds: tuple[Kind, ...] = KINDS,
) -> Moved:
    return migration.migrate(
        home,
        kinds,
        UTC,
        CLOCK,
        looked(home, live=live, kinds=kinds),
        expire=expire,
        believable=lambda: believed,
        reactor=lambda: live,
    )


def at_rest(home: Home) -> dict[str, tuple[bytes, int]]:
    """Path below the device -> content and mtime of all that is there, but for playlists."""
    top = device(home)
    return {
        path: (content, (top / path).lstat().st_mtime_ns)
        for path, content in files(top).items()
        if not path.endswith((".m3u8", ".m3u8.tmp"))
    }


def inventory(home: Home) -> dict[str, tuple[bytes, int]]:
    """Name -> content and mtime; each name is there once."""
    found = at_rest(home)
    names = {path.rpartition("/")[2]: known for path, known in found.items()}
    assert len(names) == len(found)
    return names


def a_day_and_more(home: Home) -> None:
    """Files of 30 hours, of all kinds, some of them unknown."""
    for number in range(60):
        at = AT_14 - 30 * HOUR + (number + 1) * HOUR / 2 - 20
        segment(home, number, at)
        for suffix in (".jpg", "_thumbnail.jpg", ".json"):
            picture(home, number, at, suffix)
    write(device(home) / "notes.txt")
    write(device(home) / "captures" / "capture_x.jpg")
    write(device(home) / "captures" / "capture_99.jpg.tmp")
    (device(home) / "captures" / "capture_98.jpg").mkdir()


def slot(path: str) -> int:
    return int(path.split("/")[1])


@pytest.mark.parametrize("zone_name", ["UTC", "Europe/Zurich", "Antarctica/Troll", "Pacific/Apia", "Asia/Kolkata"])
@pytest.mark.parametrize("kind", [SEGMENTS, CAPTURES, THUMBNAILS, attrs.evolve(SEGMENTS, retention=5400.0)])
def test_the_judge_says_what_the_calendar_says(zone_name: str, kind: Kind) -> None:
    calendar = Calendar(zone(zone_name))
    draw = random.Random(7)
    judge = Judge(kind, calendar)
    # Around the changes of summer time of 2026, and Samoa's skipped day of 2011.
    for around in (1_774_746_000.0, 1_792_890_000.0, 1_325_239_200.0, AT_14):
        now = around + draw.uniform(-2 * DAY, 2 * DAY)
        for _ in range(8):
            now += draw.choice((0.5, 20.0, 1800.0, 7200.0))
            judge.at(now)
            for _ in range(12):
                mtime = now - draw.choice((1.0, 2 * HOUR, 30 * HOUR, 90 * HOUR)) * draw.random()
                generation = calendar.generation_at(mtime)
                if kind.playlist:
                    due = calendar.slot_due(generation, kind.retention, now)
                else:
                    due = calendar.file_due(mtime, kind.retention, now)
                assert judge.generation(mtime) == (None if due else generation), (now, mtime)
                assert judge.due(mtime) is due


def test_the_pattern_that_says_most_of_a_name_has_it() -> None:
    greedy = Kind("all", Pattern.parse("capture_*.jpg"))
    precise = Kind("left", Pattern.parse("capture_left_*.jpg"))
    kinds = most_specific_first((greedy, precise, THUMBNAILS))
    found = {
        text: recognised(kinds, text) for text in ("capture_1.jpg", "capture_left_1.jpg", "capture_1_thumbnail.jpg")
    }
    assert [known and known[0].name for known in found.values()] == ["all", "left", "thumbnails"]
    assert recognised(kinds, "capture_1_thumb.jpg") is None


def test_a_plan_says_what_will_happen_and_changes_nothing(home: Home) -> None:
    a_day_and_more(home)
    list_live(home, range(58, 60))
    before = at_rest(home)
    folders = sorted(path for path in device(home).rglob("*"))
    plan = looked(home)
    assert at_rest(home) == before
    assert sorted(path for path in device(home).rglob("*")) == folders
    segments = plan.kinds["segments"]
    # The hours from 15 yesterday to 14 today have 47 files; the two that are listed stay, three become hot.
    assert (segments.hot, segments.slots.total(), segments.expired) == (3, 42, 13)
    assert segments.stays == {Stays.LISTED: 2}
    assert (plan.kinds["captures"].in_place, plan.kinds["captures"].hot, plan.kinds["captures"].expired) == (3, 0, 57)
    assert (plan.kinds["thumbnails"].hot, plan.kinds["thumbnails"].slots.total()) == (3, 44)
    assert (plan.unknown, sorted(plan.examples)) == (
        3,
        ["captures/capture_98.jpg", "captures/capture_x.jpg", "notes.txt"],
    )
    moved = migration.migrate(home, KINDS, UTC, CLOCK, plan)
    assert (moved.hot + moved.slots, moved.expired, moved.failed) == (plan.moves, 0, 0)
    assert moved.bytes == sum(kind.bytes for kind in plan.kinds.values())


def test_each_file_goes_where_its_kind_and_its_hour_are(home: Home) -> None:
    a_day_and_more(home)
    before = inventory(home)
    moved = migrated(home)
    assert moved.troubles == []
    assert inventory(home) == before
    for path, (_, mtime) in at_rest(home).items():
        found = recognised(most_specific_first(KINDS), path.rpartition("/")[2])
        if found is None or "capture_98" in path:
            continue
        kind, name = found
        at = mtime / 1e9
        if name.number >= 57:
            assert path == f"{kind.name}/{name.text}"
        elif not (UTC.slot_due(UTC.generation_at(at), DAY, AT_14) or at < AT_14 - kind.retention):
            assert path == f"{kind.name}/{UTC.generation_at(at).slot}/{name.text}"
        else:
            assert path == (name.text if kind is SEGMENTS else f"captures/{name.text}")
    again = migrated(home)
    assert (again.hot, again.slots, again.playlists) == (0, 0, 0)


def test_i6_what_has_expired_goes_when_it_is_asked_for_and_the_clock_is_believed(home: Home) -> None:
    a_day_and_more(home)
    plan = looked(home)
    before = inventory(home)
    assert migrated(home, expire=True, believed=False).expired == 0
    assert inventory(home) == before
    moved = migrated(home, expire=True)
    assert moved.expired == plan.expired > 60
    left = inventory(home)
    assert len(left) == len(before) - moved.expired
    gone = [mtime / 1e9 for name, (_, mtime) in before.items() if name not in left]
    assert max(gone) < AT_14 - HOUR
    assert not [
        name
        for name, (_, mtime) in left.items()
        if recognised(KINDS, name) is not None and "98" not in name and mtime / 1e9 < AT_14 - 24 * HOUR
    ]


def test_what_is_young_or_listed_stays_and_the_next_run_takes_it(home: Home) -> None:
    for number in range(40):
        segment(home, number, AT_14 - 45 + number)
        picture(home, number, AT_14 - 45 + number, "_thumbnail.jpg")
    ahead = segment(home, 77, AT_14 + DAY)
    list_live(home, range(30, 36))
    plan = looked(home)
    assert plan.kinds["segments"].stays == {Stays.LISTED: 6, Stays.YOUNG: 4, Stays.AHEAD: 1}
    migrated(home)
    assert sorted(path.name for path in device(home).glob("*.ts")) == [
        *(f"segment_{number:09}.ts" for number in range(30, 40)),
        ahead.name,
    ]
    assert len(list((device(home) / "captures").glob("*_thumbnail.jpg"))) == 4
    later = AT_14 + 20
    list_live(home, range(45, 50), written=later)
    migration.migrate(
        home, KINDS, UTC, Clock(lambda: later, lambda: 1.0), migration.plan(home, KINDS, UTC, later, live=False)
    )
    assert [path.name for path in device(home).glob("*.ts")] == [ahead.name]
    assert sorted(path.name for path in (device(home) / "segments").glob("*.ts")) == [
        f"segment_{number:09}.ts" for number in (37, 38, 39)
    ]
    assert not list((device(home) / "captures").glob("*_thumbnail.jpg"))


def test_a_million_names_are_never_had_at_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day_and_more(home)
    assert len(os.listdir(device(home) / "captures")) > 180
    listdir = os.listdir

    def listed(folder: int | str) -> list[str]:
        found = listdir(folder)
        assert len(found) < 100
        return found

    monkeypatch.setattr(os, "listdir", listed)
    assert migrated(home).slots > 100
    assert migration.undo(home, KINDS, UTC, AT_14).files.total() > 100


def test_i3_what_comes_into_a_hot_folder_after_the_look_stays_there(home: Home) -> None:
    for number in range(9):
        picture(home, number, AT_14 - 100 + number)
    plan = looked(home)
    late = picture(home, 10, AT_14 + 1)
    moved = migration.migrate(home, KINDS, UTC, CLOCK, plan)
    assert moved.slots == plan.moves == 6
    assert late.exists()


@pytest.mark.parametrize("why", ["its writer is gone", "its writer has ended it"])
def test_a_list_that_nobody_writes_holds_nothing(home: Home, why: str) -> None:
    for number in range(6):
        segment(home, number, AT_14 - 130 + number)
    list_live(home, range(6), ended=why == "its writer has ended it", written=AT_14 - (120 if "gone" in why else 0))
    migrated(home)
    assert not list(device(home).glob("*.ts"))


def test_of_a_list_that_forgets_nothing_the_end_stays_and_all_of_it_tells_durations(home: Home) -> None:
    for number in range(150):
        segment(home, number, AT_14 - 1000 + number)
    list_live(home, range(150), duration=0.96)
    migrated(home)
    assert len(list(device(home).glob("*.ts"))) == 100
    made = playlist.parse((device(home) / "segments" / "14" / "archive.m3u8").read_text("utf-8"))
    assert [entry.duration for entry in made.entries] == [0.96] * 47
    assert not made.ended


def test_hour_playlists_have_the_durations_that_mtimes_tell(home: Home) -> None:
    draw = random.Random(3)
    at, numbers = AT_14 - 3 * HOUR, range(40)
    lengths = [round(draw.uniform(1.5, 2.5), 3) for _ in numbers]
    for number, length in zip(numbers, lengths, strict=True):
        at += length
        segment(home, number, at)
    for number in range(40, 60):
        segment(home, number, AT_14 - 100 + number)
    assert migrated(home).playlists == 2
    made = playlist.parse((device(home) / "segments" / "11" / "archive.m3u8").read_text("utf-8"))
    assert [entry.uri for entry in made.entries] == [f"segment_{number:09}.ts" for number in numbers]
    assert [entry.duration for entry in made.entries[1:]] == pytest.approx(lengths[1:], abs=0.002)
    assert made.entries[0].duration == pytest.approx(2.0, abs=0.3)  # its own mtime has no predecessor: the usual
    assert made.ended
    assert not any(entry.discontinuity for entry in made.entries)


def test_an_hour_of_which_files_are_yet_to_come_is_not_ended(home: Home) -> None:
    turn = AT_14 - AT_14 % HOUR
    now = turn + 5
    for number in range(20):
        segment(home, number, turn - 23 + number)
    plan = migration.plan(home, KINDS, UTC, now, live=False)
    assert plan.kinds["segments"].stays == {Stays.YOUNG: 1}
    migration.migrate(home, KINDS, UTC, Clock(lambda: now, lambda: 1.0), plan)
    hour = device(home) / "segments" / "13" / "archive.m3u8"
    assert not playlist.parse(hour.read_text("utf-8")).ended
    later = now + 30
    plan = migration.plan(home, KINDS, UTC, later, live=False)
    migration.migrate(home, KINDS, UTC, Clock(lambda: later, lambda: 1.0), plan)
    assert len(playlist.parse(hour.read_text("utf-8")).entries) == 17


def test_i2_a_taken_name_gets_a_revision_and_the_way_back_gives_it_its_name_again(home: Home) -> None:
    for number in range(8):
        segment(home, number, AT_14 - 2 * HOUR + number, b"old %d" % number)
    before = at_rest(home)
    taken = device(home) / "segments" / "12"
    taken.mkdir(parents=True)
    for number in (1, 2):
        write(taken / f"segment_{number:09}.ts", AT_14 - 2 * HOUR + 300, b"new %d" % number)
    write(taken / "segment_000000001_r1.ts", AT_14 - 2 * HOUR + 301, b"newer 1")
    moved = migrated(home)
    assert (moved.collided, moved.slots, moved.hot) == (2, 5, 3)
    there = files(taken)
    del there["archive.m3u8"]
    assert there["segment_000000001_r2.ts"] == b"old 1"
    assert there["segment_000000002_r1.ts"] == b"old 2"
    assert there["segment_000000001.ts"] == b"new 1"
    undone = migration.undo(home, KINDS, UTC, AT_14)
    after = at_rest(home)
    assert {path: after[path] for path in before} == before
    assert sorted(content for path, (content, _) in after.items() if path not in before) == [
        b"new 1",
        b"new 2",
        b"newer 1",
    ]
    assert undone.renamed in {2, 3}  # as the folder lists them: `_r1` is taken by whoever comes first
    assert sorted(entry.name for entry in device(home).iterdir() if entry.is_dir()) == ["captures"]


def test_a_name_that_is_hot_already_goes_to_its_hour(home: Home) -> None:
    segment(home, 1, AT_14 - 30, b"old")
    hot = device(home) / "segments"
    hot.mkdir()
    write(hot / "segment_000000001.ts", AT_14 - 40, b"new")
    migrated(home)
    assert (hot / "segment_000000001.ts").read_bytes() == b"new"
    assert (hot / "14" / "segment_000000001.ts").read_bytes() == b"old"


def test_i3_without_a_reactor_the_newest_of_both_layouts_are_hot(home: Home) -> None:
    hot = device(home) / "segments"
    hot.mkdir()
    for number in range(2):
        write(hot / f"segment_{number:09}.ts", AT_14 - 200 + number)
    for number in range(5, 7):
        segment(home, number, AT_14 - 100 + number)
    migrated(home)
    assert sorted(path.name for path in hot.glob("*.ts")) == [f"segment_{number:09}.ts" for number in (1, 5, 6)]
    assert [path.name for path in (hot / "14").glob("*.ts")] == ["segment_000000000.ts"]


def test_beside_a_reactor_only_what_is_newer_than_its_hot_set_becomes_hot(home: Home) -> None:
    hot = device(home) / "segments"
    hot.mkdir()
    for number in range(5):
        write(hot / f"segment_{number:09}.ts", AT_14 - 60 + number)
    segment(home, 9, AT_14 - 70)
    segment(home, 10, AT_14 - 20)
    for number in range(6):
        picture(home, number, AT_14 - 100 + number)
    plan = looked(home, live=True)
    assert (plan.kinds["segments"].hot, plan.kinds["segments"].slots) == (1, {14: 1})
    assert plan.kinds["captures"].moves == 0
    migrated(home, live=True)
    # Beyond its limit, which is the reactor's to keep: it knows which of them are listed.
    assert sorted(path.name for path in hot.glob("*.ts")) == [f"segment_{n:09}.ts" for n in (*range(5), 10)]
    assert len(list((device(home) / "captures").glob("*.jpg"))) == 6


def test_beside_a_reactor_nothing_older_than_what_is_hot_becomes_hot(home: Home) -> None:
    hot = device(home) / "segments"
    hot.mkdir()
    write(hot / "segment_000000001.ts", AT_14 - 60)
    segment(home, 9, AT_14 - 70)
    assert looked(home).kinds["segments"].hot == 1
    plan = looked(home, live=True)
    assert (plan.kinds["segments"].hot, plan.kinds["segments"].slots) == (0, {14: 1})
    migrated(home, live=True)
    assert (hot / "14" / "segment_000000009.ts").exists()


def test_one_disk_under_two_mounts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day_and_more(home)
    before, plan, refused = inventory(home), looked(home), list[str]()
    monkeypatch.setattr(mixed, "rename_new", refused_across(refused))
    monkeypatch.setattr(archiving, "rename_new", refused_across(refused))
    moved = migration.migrate(home, KINDS, UTC, CLOCK, plan)
    assert moved.troubles == []
    assert moved.slots == plan.moves
    # Once refused, it is copied without asking again.
    assert {name.rpartition(".")[2] for name in refused} == {"ts", "jpg", "json"}
    assert inventory(home) == before


def refused_across(refused: list[str]) -> Callable[[int, str, int, str], None]:
    """A rename that works within a folder only."""

    def rename(source_fd: int, source: str, target_fd: int, target: str) -> None:
        if not os.path.samestat(os.fstat(source_fd), os.fstat(target_fd)):
            refused.append(source)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
        rename_new(source_fd, source, target_fd, target)

    return rename


def test_another_process_at_the_slots_is_waited_for(home: Home) -> None:
    for number in range(9):
        segment(home, number, AT_14 - 100 + number)
    home.make(kind.name for kind in KINDS)
    fd = os.open(device(home) / "segments", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    released: list[float] = []

    def release() -> None:
        time.sleep(0.3)  # longer than the slots' own patience
        released.append(time.monotonic())
        os.close(fd)

    thread = threading.Thread(target=release)
    thread.start()
    moved = migrated(home)
    ended = time.monotonic()
    thread.join()
    assert (moved.slots, moved.failed) == (6, 0)
    assert ended > released[0]


def test_the_way_back_leaves_what_was_before(home: Home) -> None:
    a_day_and_more(home)
    list_live(home, range(58, 60))
    before, top = at_rest(home), sorted(str(path) for path in device(home).rglob("*"))
    assert migrated(home).slots > 100
    would = migration.undo(home, KINDS, UTC, AT_14, dry_run=True)
    done = migration.undo(home, KINDS, UTC, AT_14)
    assert would.files == done.files
    assert done.files.total() > 100
    assert at_rest(home) == before
    assert sorted(str(path) for path in device(home).rglob("*")) == top
    assert migration.undo(home, KINDS, UTC, AT_14).files.total() == 0


def test_the_way_back_takes_what_waits_and_leaves_what_is_written(home: Home) -> None:
    hot = device(home) / "segments"
    room = hot / ".retired" / "2026-11-22T14"
    room.mkdir(parents=True)
    write(room / "segment_000000001.ts", AT_14 - DAY)
    for number in range(10, 20):
        write(hot / f"segment_{number:09}.ts", AT_14 - 35 + number)
    entries = tuple(playlist.Entry(f"segment_{number:09}.ts", 1.0) for number in range(15, 19))
    write(hot / "output.m3u8", AT_14, playlist.render(playlist.Playlist(1, entries, type=None)))
    undone = migration.undo(home, KINDS, UTC, AT_14)
    assert (undone.files["segments"], undone.stays) == (7, 4)
    assert sorted(path.name for path in device(home).glob("*.ts")) == [
        f"segment_{number:09}.ts" for number in (1, *range(10, 15), 19)
    ]
    assert sorted(entry.name for entry in hot.iterdir()) == [
        "output.m3u8",
        *(f"segment_{number:09}.ts" for number in range(15, 19)),
    ]


def test_i8_a_file_that_resists_holds_up_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day_and_more(home)
    before, refused = inventory(home), []

    def refuse(source_fd: int, source: str, target_fd: int, target: str) -> None:
        if source == "segment_000000040.ts":
            refused.append(source)
            raise OSError(errno.EIO, os.strerror(errno.EIO), source)
        rename_new(source_fd, source, target_fd, target)

    monkeypatch.setattr(mixed, "rename_new", refuse)
    moved = migrated(home)
    assert refused
    assert (moved.failed, moved.troubles) == (1, ["segment_000000040.ts: EIO: Input/output error"])
    assert moved.hot + moved.slots > 100
    assert (device(home) / "segment_000000040.ts").exists()
    monkeypatch.undo()
    assert migrated(home).slots == 1
    assert inventory(home) == before


def test_a_disk_that_refuses_everything_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day_and_more(home)
    before, refused = at_rest(home), []

    def refuse(_source_fd: int, source: str, _target_fd: int, _target: str) -> None:
        refused.append(source)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source)

    monkeypatch.setattr(mixed, "rename_new", refuse)
    monkeypatch.setattr(outcome, "HOPELESS", 10)
    moved = migrated(home)
    assert (len(refused), moved.failed) == (10, 10)
    assert "were not tried" in moved.troubles[-1]
    assert at_rest(home) == before


def test_one_migration_a_device(home: Home) -> None:
    with migration.alone(home.path), pytest.raises(migration.MigrationHeld, match="another migration"):  # noqa: SIM117 - one block
        with migration.alone(home.path):
            pass
    with migration.alone(home.path):
        pass


def test_hours_on_another_disk_are_copied_there_and_back(grounds: tuple[Path, Path]) -> None:
    hot, cold = grounds
    home = Home("capture1", str(hot / "capture1"), str(cold / "cold" / "capture1"))
    (hot / "capture1" / "captures").mkdir(parents=True)
    a_day_and_more(home)
    before = at_rest(home)
    moved = migrated(home)
    assert moved.troubles == []
    assert not (hot / "capture1" / mixed.JOURNAL).exists()
    there = files(Path(home.cold_path))
    assert len([path for path in there if not path.endswith(".m3u8")]) == moved.slots > 100
    assert {path.partition("/")[0] for path in there} == {"segments", "thumbnails", "metadata", "captures"} - (
        {"captures"} if not looked(home).kinds["captures"].slots else set()
    )
    undone = migration.undo(home, KINDS, UTC, AT_14)
    assert undone.moved.troubles == []
    assert at_rest(home) == before
    assert files(Path(home.cold_path)) == {}


@pytest.mark.parametrize("what", ["link", "FIFO", "folder"])
def test_what_only_has_a_files_name_stays(home: Home, tmp_path: Path, what: str) -> None:
    for number in range(9):
        segment(home, number, AT_14 - 100 + number)
    elsewhere = write(tmp_path / "elsewhere")
    occupy(device(home) / "segment_000000100.ts", what, elsewhere)
    assert looked(home).unknown == 1
    migrated(home)
    assert len(list(device(home).glob("*.ts"))) == 1
    assert elsewhere.exists()


def test_a_link_in_the_place_of_an_old_folder_is_not_followed(home: Home, tmp_path: Path) -> None:
    (device(home) / "captures").rmdir()
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere" / "capture_1.jpg")
    (device(home) / "captures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=NOT_FOLLOWED):
        looked(home)
    assert len(files(tmp_path / "elsewhere")) == 1


def test_a_device_that_a_link_leads_to(ground: Path) -> None:
    (ground / "far" / "captures").mkdir(parents=True)
    (ground / "root").mkdir()
    (ground / "root" / "capture1").symlink_to(ground / "far")
    home = find_devices(Config(root=str(ground / "root")))[0]["capture1"]
    a_day_and_more(home)
    assert migrated(home).slots > 100
    assert migration.undo(home, KINDS, UTC, AT_14).files.total() > 100


TWO = (SEGMENTS, THUMBNAILS)
DOINGS: dict[str, Callable[[Home], object]] = {
    "migrate": lambda home: migrated(home, kinds=TWO),
    "expire": lambda home: migrated(home, kinds=TWO, expire=True),
    "undo": lambda home: migration.undo(home, TWO, UTC, AT_14),
}


def small(home: Home) -> None:
    for number in range(7):
        segment(home, number, AT_14 - 2 * HOUR + 600 * number)
    for number in range(4):
        picture(home, number, AT_14 - 2 * HOUR + 600 * number, "_thumbnail.jpg")
    for number in range(20, 22):
        segment(home, number, AT_14 - 30 * HOUR + number)
    home.make(kind.name for kind in TWO)  # a kill between two of these teaches nothing
    write(device(home) / "segments" / "12" / "segment_000000001.ts", AT_14 - 2 * HOUR + 300, b"new 1")


def killed_after(doing: Callable[[], object], at: int, *, plain_rename: bool) -> bool:
    """Whether a forked process that does it was killed right after its change number `at`."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def between(
            name: str, work: Callable[[], object], args: tuple[object, ...], _kwargs: dict[str, object]
        ) -> object:
            nonlocal count
            done = work()
            # To go on after one of two empty hours was removed teaches nothing.
            if changes(name, args) and not (name == "rmdir" and str(args[0]).isdigit()):
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return done

        try:
            if plain_rename:
                without_rename_flags()
            stand_between(between)
            doing()
        except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert status == 0
    return False


@pytest.mark.parametrize(
    ("what", "plain_rename"),
    [("migrate", False), ("migrate", True), ("expire", False), ("undo", False), ("undo", True)],
)
def test_i7_killed_at_every_change_in_turn(in_memory: Path, what: str, plain_rename: bool) -> None:
    home = Home("capture1", str(in_memory / "capture1"), str(in_memory / "capture1"))
    at = 0
    while True:
        at += 1
        shutil.rmtree(home.path, ignore_errors=True)
        (device(home) / "captures").mkdir(parents=True)
        small(home)
        before = sorted(content for content, _ in at_rest(home).values())
        if what == "undo":
            DOINGS["migrate"](home)
        killed = killed_after(lambda: DOINGS[what](home), at, plain_rename=plain_rename)
        left = [content for path, (content, _) in at_rest(home).items() if path != mixed.JOURNAL]
        if what != "expire":
            # A link and unlink that was cut short leaves one file with two names, until the next run.
            assert sorted(set(left)) == before, at
            assert plain_rename or len(left) == len(before), at
        DOINGS[what](home)
        there = at_rest(home)
        there.pop(mixed.JOURNAL, None)
        if what == "undo":
            assert sorted(content for content, _ in there.values()) == before, at
            assert not (device(home) / "segments").exists(), at
            assert (device(home) / "segment_000000001.ts").read_bytes() == b"segment 1", at
        else:
            gone = [b"segment %d" % number for number in range(20, 22)] if what == "expire" else []
            assert sorted([*(content for content, _ in there.values()), *gone]) == before, at
            for text in device(home).glob("segments/*/archive.m3u8"):
                listed = [entry.uri for entry in playlist.parse(text.read_text("utf-8")).entries]
                assert sorted(listed) == sorted(path.name for path in text.parent.glob("*.ts")), at
            assert len(list(device(home).glob("segments/*/archive.m3u8"))) == 2
            # One file under two names counted twice when it was planned which are the newest.
            assert 3 - plain_rename <= len(list(device(home).glob("segments/*.ts"))) <= 3, at
        if not killed:
            break
    assert at > 15
