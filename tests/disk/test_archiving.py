import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hotcold_inotify.disk import Archived, Folder, NotRegular, archive, archiving, remove_unfinished, renaming
from hotcold_inotify.disk.slots import Slots
from hotcold_inotify.hours import HOUR, Generation
from tests.disk.fake_calls import fake_count, fake_error, fake_refusal, fake_renameat2, fake_without_flags, standing_in
from tests.disk.stage import AT_14, NOT_FOLLOWED, SEGMENTS, TOMORROW_14, UTC, files, name, occupy, opened, write

ONE = "segment_000000001.ts"
REVISED = "segment_000000001_r1.ts"
TWICE_REVISED = "segment_000000001_r2.ts"


def archived(folder: Folder, text: str = ONE, now: float = AT_14, *, durable: bool = False) -> Archived:
    found = archive(folder, name(text), now, durable=durable)
    assert isinstance(found, Archived)
    return found


@pytest.fixture
def copying(grounds: tuple[Path, Path]) -> Iterator[Folder]:
    """Hot and cold on different file systems."""
    with opened(grounds[0] / "segments", grounds[1] / "segments") as folder:
        assert folder.copies
        yield folder


WAYS = ["rename on a disk", "rename in memory", "link", "copy"]


@pytest.fixture(params=WAYS)
def any_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """A folder for each way in which a file can move."""
    way = request.param
    if way == "link":
        monkeypatch.setattr(renaming._libc, "renameat2", fake_without_flags())
    if way == "copy":
        yield request.getfixturevalue("copying")
        return
    ground: Path = request.getfixturevalue("in_memory" if way == "rename in memory" else "tmp_path")
    with opened(ground / "segments") as folder:
        yield folder


def slot_14(folder: Folder) -> Path:
    return Path(folder.cold_path, "14")


def hot_of(folder: Folder) -> Path:
    return Path(folder.hot_path)


# --- I1: one place ---


def test_i1_a_file_moves_into_the_slot_of_its_mtimes_hour(any_way: Folder) -> None:
    write(hot_of(any_way) / ONE, AT_14 - HOUR, b"thirteen")
    found = archived(any_way)
    assert found == Archived(name(ONE), name(ONE), UTC.generation_at(AT_14 - HOUR), AT_14 - HOUR, 8, aside=False)
    assert not found.collided
    assert files(Path(any_way.cold_path)) == {f"13/{ONE}": b"thirteen"}
    assert not (hot_of(any_way) / ONE).exists()


def test_i1_a_file_that_is_gone_is_nothing(any_way: Folder) -> None:
    assert archive(any_way, name(ONE), AT_14) is None


def test_what_is_moved_keeps_mtime_mode_and_bytes(any_way: Folder) -> None:
    content = os.urandom(2 * archiving._CHUNK + 17)
    path = write(hot_of(any_way) / ONE, AT_14, content)
    os.utime(path, ns=(1_795_444_199_123_456_789, 1_795_444_200_987_654_321))
    path.chmod(0o640)
    before = path.stat()
    archived(any_way)
    after = (slot_14(any_way) / ONE).stat()
    assert (slot_14(any_way) / ONE).read_bytes() == content
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


@pytest.mark.needs("root")
def test_a_copy_keeps_its_owner(copying: Folder) -> None:
    path = write(hot_of(copying) / ONE)
    os.chown(path, 12_345, 54_321)
    archived(copying)
    found = (slot_14(copying) / ONE).stat()
    assert (found.st_uid, found.st_gid) == (12_345, 54_321)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL], ids=["not root", "an owner unknown to the namespace"])
def test_an_owner_that_cannot_be_kept_stops_no_copy(
    copying: Folder, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fchown", fake_error(number))
    write(hot_of(copying) / ONE)
    archived(copying)
    assert files(slot_14(copying)) == {ONE: b"a segment"}


@pytest.mark.parametrize("what", ["folder", "link", "FIFO"])
def test_what_is_no_file_stays_where_it_is(any_way: Folder, what: str) -> None:
    path, elsewhere = hot_of(any_way) / ONE, write(hot_of(any_way).parent / "elsewhere")
    occupy(path, what, elsewhere)
    assert archive(any_way, name(ONE), AT_14) == NotRegular()
    assert path.lstat()
    assert elsewhere.read_bytes() == b"a segment"
    assert files(slot_14(any_way)) == {}


# --- I2: nothing is overwritten ---


def test_i2_a_newcomer_takes_the_next_free_revision(any_way: Folder) -> None:
    for revision, content in enumerate([b"first", b"second", b"third"]):
        write(hot_of(any_way) / ONE, AT_14, content)
        found = archived(any_way)
        assert (found.collided, found.name.revision) == (revision > 0, revision)
    assert files(slot_14(any_way)) == {ONE: b"first", REVISED: b"second", TWICE_REVISED: b"third"}


def test_i2_a_revision_in_the_hot_folder_goes_on_from_its_own(any_way: Folder) -> None:
    for content in (b"first", b"second"):
        write(hot_of(any_way) / REVISED, AT_14, content)
        archived(any_way, REVISED)
    assert files(slot_14(any_way)) == {REVISED: b"first", TWICE_REVISED: b"second"}


@pytest.mark.parametrize("what", ["folder", "link", "FIFO"])
def test_i2_a_name_is_taken_by_whatever_has_it(any_way: Folder, what: str) -> None:
    write(hot_of(any_way) / ONE)
    path, elsewhere = slot_14(any_way) / ONE, hot_of(any_way).parent / "nowhere"
    occupy(path, what, elsewhere)
    assert archived(any_way).name == name(REVISED)
    assert (slot_14(any_way) / REVISED).read_bytes() == b"a segment"
    assert not elsewhere.exists()


def test_i2_files_of_the_same_bytes_and_another_time_are_two(any_way: Folder) -> None:
    for mtime in (AT_14, AT_14 + 1):
        write(hot_of(any_way) / ONE, mtime)
        archived(any_way)
    assert files(slot_14(any_way)) == {ONE: b"a segment", REVISED: b"a segment"}


def test_i2_files_of_the_same_size_and_time_and_other_bytes_are_two(copying: Folder) -> None:
    write(slot_14(copying) / ONE, AT_14, b"aaa")
    write(hot_of(copying) / ONE, AT_14, b"aaa")
    assert not archived(copying).collided
    # Same names, sizes and times as before, but other bytes: nothing may have been remembered of them.
    write(slot_14(copying) / ONE, AT_14, b"bbb")
    write(hot_of(copying) / ONE, AT_14, b"aaa")
    assert archived(copying).collided
    assert files(slot_14(copying)) == {ONE: b"bbb", REVISED: b"aaa"}


def test_i2_a_name_that_becomes_free_again_costs_only_a_revision(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = write(slot_14(folder) / ONE, AT_14, b"taken")
    write(hot_of(folder) / ONE, AT_14, b"newcomer")
    real = archiving._same_inode

    def same_inode(folder_fd: int, text: str, found: os.stat_result) -> bool:
        taken.unlink(missing_ok=True)
        return real(folder_fd, text, found)

    monkeypatch.setattr(archiving, "_same_inode", same_inode)
    assert archived(folder).name == name(REVISED)
    assert files(slot_14(folder)) == {REVISED: b"newcomer"}


# --- I7: a move that was cut short ---


@pytest.mark.parametrize("taken", [False, True], ids=["", "as a revision"])
def test_i7_a_link_without_its_unlink_is_one_file(folder: Folder, *, taken: bool) -> None:
    path = write(hot_of(folder) / ONE, AT_14, b"linked")
    if taken:
        write(slot_14(folder) / ONE, AT_14, b"taken")
    os.link(path, slot_14(folder) / (REVISED if taken else ONE))
    assert archived(folder).name == name(REVISED if taken else ONE)
    assert files(Path(folder.hot_path)) == (
        {f"14/{ONE}": b"taken", f"14/{REVISED}": b"linked"} if taken else {f"14/{ONE}": b"linked"}
    )


@pytest.mark.parametrize("taken", [False, True], ids=["", "as a revision"])
def test_i7_a_copy_without_its_unlink_is_one_file(copying: Folder, *, taken: bool) -> None:
    write(hot_of(copying) / ONE, AT_14, b"copied")
    if taken:
        write(slot_14(copying) / ONE, AT_14, b"taken.")
    write(slot_14(copying) / (REVISED if taken else ONE), AT_14, b"copied")
    assert archived(copying, durable=True).name == name(REVISED if taken else ONE)
    assert files(hot_of(copying)) == {}
    assert files(slot_14(copying)) == ({ONE: b"taken.", REVISED: b"copied"} if taken else {ONE: b"copied"})


@pytest.mark.parametrize("any_way", ["link", "copy"], indirect=True)
def test_i7_killed_before_the_unlink_of_the_source_the_next_try_ends_it(any_way: Folder) -> None:
    folder = any_way
    write(hot_of(folder) / ONE)
    cut = standing_in(os, "unlink", fake_refusal(os.unlink, errno.EIO, ONE))
    with cut, pytest.raises(OSError, match="Input/output"):
        archive(folder, name(ONE), AT_14)
    assert (hot_of(folder) / ONE).exists()
    assert (slot_14(folder) / ONE).exists()
    assert archived(folder).name == name(ONE)
    assert files(slot_14(folder)) == {ONE: b"a segment"}
    assert not (hot_of(folder) / ONE).exists()


@pytest.mark.parametrize("what", ["file", "hard link", "FIFO"])
def test_i7_an_unfinished_copy_is_made_anew_and_never_written_into(copying: Folder, what: str) -> None:
    left, other = slot_14(copying) / f"{ONE}.tmp", write(slot_14(copying) / "other", AT_14, b"another's")
    occupy(left, what, other)
    write(hot_of(copying) / ONE, AT_14, b"whole")
    archived(copying)
    assert files(slot_14(copying)) == {ONE: b"whole", "other": b"another's"}


def test_i7_remove_unfinished_takes_what_was_ours_and_nothing_else(folder: Folder) -> None:
    slot = slot_14(folder)
    for text in (f"{ONE}.tmp", "archive.m3u8.tmp", "other.tmp", ".tmp", ONE, "archive.m3u8"):
        write(slot / text)
    (slot / "segment_2.ts.tmp").mkdir()
    fd = folder.slots.open(14)
    remove_unfinished(fd, SEGMENTS.pattern)
    os.close(fd)
    assert sorted(os.listdir(slot)) == sorted([".tmp", "archive.m3u8", ONE, "other.tmp", "segment_2.ts.tmp"])


# --- the tree changes while a file moves ---


def test_a_slot_that_was_removed_is_made_anew(any_way: Folder) -> None:
    write(hot_of(any_way) / ONE)
    archived(any_way)
    for path in slot_14(any_way).iterdir():
        path.unlink()
    slot_14(any_way).rmdir()
    write(hot_of(any_way) / ONE, AT_14, b"the next")
    archived(any_way)
    assert files(slot_14(any_way)) == {ONE: b"the next"}


def test_without_a_folder_for_slots_the_file_stays_hot(copying: Folder) -> None:
    write(hot_of(copying) / ONE)
    for slot in Path(copying.cold_path).iterdir():
        slot.rmdir()
    Path(copying.cold_path).rmdir()
    with pytest.raises(FileNotFoundError):
        archive(copying, name(ONE), AT_14)
    assert files(hot_of(copying)) == {ONE: b"a segment"}


@pytest.mark.parametrize("what", ["file", "link", "dangling link"])
def test_a_slot_that_is_no_folder_is_never_followed(any_way: Folder, tmp_path: Path, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    slot_14(any_way).rmdir()
    if what == "file":
        write(slot_14(any_way))
    else:
        slot_14(any_way).symlink_to(elsewhere if what == "link" else tmp_path / "nowhere")
    write(hot_of(any_way) / ONE)
    with pytest.raises(OSError, match=NOT_FOLLOWED) as raised:
        archive(any_way, name(ONE), AT_14)
    assert raised.value.errno in {errno.ENOTDIR, errno.ELOOP}
    assert (hot_of(any_way) / ONE).read_bytes() == b"a segment"
    assert files(elsewhere) == {}


def test_a_slot_that_becomes_a_link_is_noticed(folder: Folder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(hot_of(folder) / ONE)
    archived(folder)
    assert not folder.slots.moved_away()
    slot_14(folder).rename(hot_of(folder) / "14.old")
    slot_14(folder).symlink_to(elsewhere)
    assert folder.slots.moved_away()
    folder.slots.forget()
    write(hot_of(folder) / ONE)
    with pytest.raises(OSError, match=NOT_FOLLOWED):
        archive(folder, name(ONE), AT_14)
    assert files(elsewhere) == {}


@pytest.mark.parametrize("what", ["file", "link"])
def test_a_waiting_room_that_is_no_folder_is_never_followed(any_way: Folder, tmp_path: Path, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    retired = Path(any_way.cold_path, ".retired")
    if what == "file":
        write(retired)
    else:
        retired.symlink_to(elsewhere)
    write(slot_14(any_way) / ONE, AT_14)
    write(hot_of(any_way) / ONE, TOMORROW_14)
    for now in (AT_14, TOMORROW_14):  # aside; and with the slot's content taken away
        with pytest.raises(OSError, match=NOT_FOLLOWED):
            archive(any_way, name(ONE), now)
    assert files(slot_14(any_way)) == {ONE: b"a segment"}
    assert os.listdir(elsewhere) == []


def test_a_file_that_vanishes_at_the_last_moment_is_nothing(any_way: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(hot_of(any_way) / ONE)
    real = Slots.place

    def place(slots: Slots, generation: Generation, now: float) -> Any:
        path.unlink(missing_ok=True)
        return real(slots, generation, now)

    monkeypatch.setattr(Slots, "place", place)
    assert archive(any_way, name(ONE), AT_14) is None
    assert files(Path(any_way.cold_path)) == {}


def fake_sendfile(meanwhile: Callable[[], object]) -> Callable[..., int]:
    """sendfile(2); `meanwhile` happens behind its first chunk."""
    real, happened = os.sendfile, list[object]()

    def sendfile(target: int, source: int, offset: int, count: int) -> int:
        sent = real(target, source, offset, count)
        if not happened:
            happened.append(meanwhile())
        return sent

    return sendfile


@pytest.mark.parametrize("longer", [False, True])
def test_i1_a_file_that_is_written_while_it_is_copied_stays_hot(
    copying: Folder, monkeypatch: pytest.MonkeyPatch, *, longer: bool
) -> None:
    path = write(hot_of(copying) / ONE, AT_14, b"before")
    monkeypatch.setattr(
        os, "sendfile", fake_sendfile(lambda: write(path, AT_14 + 1, b"written" if longer else b"behind"))
    )
    with pytest.raises(BlockingIOError):
        archive(copying, name(ONE), AT_14)
    assert files(hot_of(copying)) == {ONE: b"written" if longer else b"behind"}
    assert files(slot_14(copying)) == {}
    archived(copying)
    assert files(slot_14(copying)) == {ONE: b"written" if longer else b"behind"}


def test_i1_a_file_that_takes_the_name_of_one_being_copied_is_not_deleted_for_it(
    copying: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(hot_of(copying) / ONE, AT_14, b"the old")

    def meanwhile() -> None:
        write(hot_of(copying) / f"{ONE}.tmp", AT_14 + 1, b"the new").rename(path)

    monkeypatch.setattr(os, "sendfile", fake_sendfile(meanwhile))
    archived(copying)
    assert files(hot_of(copying)) == {ONE: b"the new"}
    assert files(slot_14(copying)) == {ONE: b"the old"}


@pytest.mark.parametrize("what", ["file", "FIFO"])
def test_i1_what_takes_the_name_between_look_and_copy_is_not_taken_for_it(
    copying: Folder, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = write(hot_of(copying) / ONE, AT_14, b"the old")
    real = Slots.place

    def place(slots: Slots, generation: Generation, now: float) -> Any:
        path.unlink()
        if what == "file":
            write(hot_of(copying) / "behind", AT_14 + HOUR, b"the new").rename(path)
        else:
            os.mkfifo(path)
        return real(slots, generation, now)

    monkeypatch.setattr(Slots, "place", place)
    with pytest.raises(BlockingIOError):
        archive(copying, name(ONE), AT_14)
    assert files(slot_14(copying)) == {}
    assert stat.S_ISFIFO(path.lstat().st_mode) == (what == "FIFO")


def test_i2_a_name_that_is_taken_while_a_copy_is_made_is_left_alone(
    copying: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(hot_of(copying) / ONE, AT_14, b"copied")
    monkeypatch.setattr(os, "sendfile", fake_sendfile(lambda: write(slot_14(copying) / ONE, AT_14, b"earlier")))
    assert archived(copying).name == name(REVISED)
    assert files(slot_14(copying)) == {ONE: b"earlier", REVISED: b"copied"}


def test_an_unfinished_copy_that_is_removed_starts_over(copying: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    write(hot_of(copying) / ONE)
    fd = copying.slots.open(14)
    monkeypatch.setattr(os, "sendfile", fake_sendfile(lambda: remove_unfinished(fd, SEGMENTS.pattern)))
    archived(copying)
    os.close(fd)
    assert files(slot_14(copying)) == {ONE: b"a segment"}


# --- what file systems refuse ---


def test_one_disk_under_two_mounts_is_copied_from_then_on(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    crossing = fake_renameat2(errno.EXDEV, lambda source, _name, target, _other, _flags: source != target)
    monkeypatch.setattr(renaming._libc, "renameat2", crossing)
    before = folder.copies
    write(hot_of(folder) / ONE)
    archived(folder)
    assert (before, folder.copies) == (False, True)
    assert files(hot_of(folder)) == {f"14/{ONE}": b"a segment"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_refused_move_leaves_the_file_hot(folder: Folder, number: int) -> None:
    write(hot_of(folder) / ONE)
    refusing = standing_in(renaming._libc, "renameat2", fake_renameat2(number, lambda *_: True))
    with refusing, pytest.raises(OSError, match=os.strerror(number)):
        archive(folder, name(ONE), AT_14)
    assert files(hot_of(folder)) == {ONE: b"a segment"}
    archived(folder)


def test_a_name_that_has_no_room_for_a_revision_stays_hot(folder: Folder) -> None:
    kind_name = f"segment_{'0' * 17}1.ts"
    write(slot_14(folder) / kind_name, AT_14, b"taken")
    write(hot_of(folder) / kind_name, AT_14, b"newcomer")
    long = fake_renameat2(errno.ENAMETOOLONG, lambda _fd, _name, _to, target, _flags: "_r" in target)
    with standing_in(renaming._libc, "renameat2", long), pytest.raises(OSError, match="too long"):
        archive(folder, name(kind_name), AT_14)
    assert files(hot_of(folder)) == {kind_name: b"newcomer", f"14/{kind_name}": b"taken"}


@pytest.mark.parametrize("call", ["sendfile", "fsync", "utime"])
def test_a_refused_copy_leaves_the_file_hot_and_nothing_else(copying: Folder, call: str) -> None:
    write(hot_of(copying) / ONE)

    with standing_in(os, call, fake_error(errno.ENOSPC)), pytest.raises(OSError, match="No space"):
        archive(copying, name(ONE), AT_14, durable=True)
    assert files(hot_of(copying)) == {ONE: b"a segment"}
    assert files(slot_14(copying)) == {}
    archived(copying)


def test_durable_a_copy_is_on_the_disk_before_its_source_goes(copying: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real = os.unlink

    def unlink(path: str, *, dir_fd: int) -> None:
        if (path, dir_fd) == (ONE, copying.hot_fd):
            done.append("unlink")
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "fsync", fake_count(os.fsync, done))
    monkeypatch.setattr(os, "unlink", unlink)
    write(hot_of(copying) / ONE)
    archived(copying, durable=True)
    assert done == [f"{ONE}.tmp", "14", "unlink"]
    done.clear()
    write(hot_of(copying) / ONE, AT_14 + 1)
    archived(copying)
    assert done == ["unlink"]
