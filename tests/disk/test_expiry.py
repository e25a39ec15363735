import errno
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hotcold_inotify.disk import Expired, Folder, archive, empty_rooms, expiry, rooms, trim
from hotcold_inotify.hours import DAY, HOUR
from tests.disk.fake_calls import fake_error, fake_refusal, standing_in
from tests.disk.stage import AT_14, ROOM, TOMORROW_14, UTC, YESTERDAY_14, Due, descriptors, files, name, write

ONE, TWO, THREE = (f"segment_00000000{number}.ts" for number in (1, 2, 3))
ALL = Due(AT_14 + 10 * DAY)
NONE = Due(0)


def done(slices: Iterator[Expired]) -> Expired:
    total = Expired()
    for each in slices:
        total += each
    return total


def retire(folder: Folder, slot: int = 14) -> None:
    held = folder.slots.holds(slot)
    assert held is not None
    assert folder.slots.retire(slot, held)


# --- one slot ---


def test_i6_a_slot_is_trimmed_by_each_files_own_mtime(folder: Folder, hot: Path) -> None:
    write(hot / "14" / ONE, AT_14, b"12345")
    write(hot / "14" / TWO, AT_14 + 1)
    write(hot / "14" / THREE, AT_14 - 1, b"123")
    assert done(trim(folder, 14, Due(AT_14 + 1))) == Expired(2, 8)
    assert sorted(files(hot)) == [f"14/{TWO}"]


def test_i6_a_trim_touches_neither_the_hot_folder_nor_what_is_nobodys(folder: Folder, hot: Path) -> None:
    write(hot / ONE)
    for text in ("archive.m3u8", "notes.txt", f"{ONE}.tmp", "segment_bad.ts"):
        write(hot / "14" / text)
    (hot / "14" / TWO).mkdir()
    (hot / "14" / THREE).symlink_to(hot / ONE)
    before = files(hot)
    assert done(trim(folder, 14, ALL)) == Expired()
    assert files(hot) == before


def test_i6_no_young_file_of_a_slot_is_trimmed_by_the_calendars_word(folder: Folder, hot: Path) -> None:
    write(hot / "14" / ONE, AT_14 - 1)
    write(hot / "14" / TWO, AT_14)
    now = AT_14 + HOUR
    assert done(trim(folder, 14, partial(UTC.file_due, retention=float(HOUR), now=now))) == Expired(1, 9)
    assert sorted(files(hot)) == [f"14/{TWO}"]


def test_a_big_slot_is_trimmed_in_slices_and_each_asks_anew(folder: Folder, hot: Path) -> None:
    for number in range(2 * expiry._SLICE + 1):
        write(hot / "14" / f"segment_{number}.ts")
    due = Due(AT_14 + 1)
    work = trim(folder, 14, due)
    assert next(work) == Expired(expiry._SLICE, 9 * expiry._SLICE)
    due.before = 0  # the clock is looked at again
    assert done(work) == Expired()
    assert len(files(hot)) == expiry._SLICE + 1
    assert done(trim(folder, 14, ALL)).files == expiry._SLICE + 1
    assert files(hot) == {}


def test_a_trim_that_is_given_up_closes_what_it_opened(folder: Folder, hot: Path) -> None:
    for number in range(expiry._SLICE + 1):
        write(hot / "14" / f"segment_{number}.ts")
    before = descriptors()
    work = trim(folder, 14, ALL)
    next(work)
    assert descriptors() != before
    del work
    assert descriptors() == before


def test_i8_a_file_that_cannot_be_deleted_holds_up_no_other(folder: Folder, hot: Path) -> None:
    for text in (ONE, TWO, THREE):
        write(hot / "14" / text)
    seen: list[Expired] = []
    refusing = standing_in(os, "unlink", fake_refusal(os.unlink, errno.EPERM, TWO))
    with refusing, pytest.raises(PermissionError):
        seen.extend(trim(folder, 14, ALL))
    assert seen == [Expired(2, 18)]
    assert sorted(files(hot)) == [f"14/{TWO}"]


def test_an_error_that_nobody_named_ends_it(folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(hot / "14" / ONE)
    monkeypatch.setattr(os, "unlink", fake_refusal(os.unlink, errno.EINVAL, ONE))
    with pytest.raises(OSError, match="Invalid"):
        next(trim(folder, 14, ALL))


def test_a_file_that_somebody_else_deletes_is_not_counted(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (ONE, TWO):
        write(hot / "14" / text)
    real = os.unlink

    def fake_unlink(path: str, *, dir_fd: int) -> None:
        if path == ONE:
            real(path, dir_fd=dir_fd)
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", fake_unlink)
    assert done(trim(folder, 14, ALL)) == Expired(1, 9)


# --- the waiting room ---


def test_without_a_waiting_room_there_is_nothing_to_do(folder: Folder) -> None:
    assert rooms(folder) == []
    assert list(empty_rooms(folder, ALL)) == []


def test_i6_a_retired_hour_that_is_due_goes_and_leaves_no_folder(folder: Folder, hot: Path) -> None:
    for text in (ONE, TWO, "archive.m3u8", "notes.txt", "segment_bad.ts"):
        write(hot / "14" / text, YESTERDAY_14)
    retire(folder)
    assert rooms(folder) == [f"{ROOM}.0"]
    assert done(empty_rooms(folder, Due(AT_14))) == Expired(4, 36)
    assert rooms(folder) == []
    assert sorted(os.listdir(hot)) == sorted(map(str, range(24)))


def test_i6_a_room_is_judged_file_by_file(folder: Folder, hot: Path) -> None:
    for text, mtime in ((ONE, YESTERDAY_14), (TWO, YESTERDAY_14 + 60), ("young.txt", YESTERDAY_14 + 60)):
        write(hot / "14" / text, mtime)
    write(hot / "14" / "archive.m3u8", YESTERDAY_14 - DAY)
    retire(folder)
    write(hot / "14" / THREE, AT_14)
    assert done(empty_rooms(folder, Due(YESTERDAY_14 + 1))) == Expired(1, 9)
    assert sorted(files(hot)) == [
        f".retired/{ROOM}.0/archive.m3u8",
        f".retired/{ROOM}.0/{TWO}",
        f".retired/{ROOM}.0/young.txt",
        f"14/{THREE}",
    ]


def test_i6_what_is_not_due_returns_to_its_slot_where_that_is_free(folder: Folder, hot: Path) -> None:
    write(hot / "14" / ONE, YESTERDAY_14)
    write(hot / "14" / TWO, YESTERDAY_14 + 1)
    write(hot / "14" / "archive.m3u8")
    retire(folder)
    assert done(empty_rooms(folder, NONE)) == Expired(0, 0, (14,))
    assert sorted(files(hot)) == [f"14/{ONE}", f"14/{TWO}"]
    assert not (hot / ".retired").exists()


def test_i2_what_returns_overwrites_nothing(folder: Folder, hot: Path) -> None:
    write(hot / "14" / ONE, AT_14, b"one")
    retire(folder)
    write(hot / "14" / ONE, AT_14 + 1, b"another")
    (hot / "14" / "segment_000000001_r1.ts").mkdir()
    assert done(empty_rooms(folder, NONE)).put_back == (14,)
    assert files(hot) == {f"14/{ONE}": b"another", "14/segment_000000001_r2.ts": b"one"}


def test_i5_what_has_no_slot_any_more_stays_until_it_is_due(folder: Folder, hot: Path) -> None:
    write(hot / ONE, AT_14)
    archive(folder, name(ONE), AT_14)
    write(hot / TWO, YESTERDAY_14)
    archive(folder, name(TWO), AT_14)
    assert done(empty_rooms(folder, NONE)) == Expired()
    assert sorted(files(hot)) == [f".retired/{ROOM}/{TWO}", f"14/{ONE}"]
    assert done(empty_rooms(folder, Due(AT_14))) == Expired(1, 9)
    assert sorted(files(hot)) == [f"14/{ONE}"]


def test_i6_a_file_from_the_future_waits_until_its_time_has_gone(folder: Folder, hot: Path) -> None:
    write(hot / "14" / ONE, AT_14)
    write(hot / TWO, TOMORROW_14)
    archive(folder, name(TWO), AT_14)

    def due(now: float) -> partial[bool]:
        return partial(UTC.file_due, retention=float(DAY), now=now)

    for now in (AT_14, TOMORROW_14 - HOUR, TOMORROW_14):
        assert done(empty_rooms(folder, due(now))) == Expired()
    assert done(empty_rooms(folder, due(TOMORROW_14 + DAY + 1))) == Expired(1, 9)


def test_i6_strangers_in_a_room_go_by_their_own_mtime(folder: Folder, hot: Path) -> None:
    """A link is deleted and what it points to is not; a folder goes when what is in it has gone."""
    slot, precious = hot / "14", write(hot / "precious", YESTERDAY_14)
    write(slot / ONE, YESTERDAY_14)
    (slot / TWO).symlink_to(precious)
    (slot / "all old").mkdir()
    (slot / "all old" / "inner").mkdir()
    (slot / "all old" / "link").symlink_to(hot)
    write(slot / "all old" / "inner" / "a", YESTERDAY_14)
    (slot / "young inside").mkdir()
    write(slot / "young inside" / "young", TOMORROW_14)
    write(slot / "young inside" / "old", YESTERDAY_14)
    (slot / "young").mkdir()
    for path in (slot / "all old", slot / "young inside"):
        os.utime(path, (YESTERDAY_14, YESTERDAY_14))
    for link in (slot / TWO, slot / "all old" / "link"):
        os.utime(link, (YESTERDAY_14, YESTERDAY_14), follow_symlinks=False)
    os.utime(slot / "young", (TOMORROW_14, TOMORROW_14))
    retire(folder)
    assert done(empty_rooms(folder, Due(AT_14))) == Expired(1, 9)
    room = hot / ".retired" / f"{ROOM}.0"
    assert sorted(os.listdir(room)) == ["young", "young inside"]
    assert os.listdir(room / "young inside") == ["young"]
    assert precious.exists()


def test_a_big_room_is_emptied_in_slices_and_each_asks_anew(folder: Folder, hot: Path) -> None:
    for number in range(expiry._SLICE + 2):
        write(hot / "14" / f"segment_{number}.ts", YESTERDAY_14)
    retire(folder)
    due = Due(AT_14)
    work = empty_rooms(folder, due)
    assert next(work).files == expiry._SLICE
    due.before = 0
    assert done(work) == Expired(0, 0, (14,))
    assert len(files(hot / "14")) == 2


def test_i8_what_resists_in_a_room_holds_up_no_other(folder: Folder, hot: Path) -> None:
    for slot in (13, 14, 15):
        for text in (ONE, TWO):
            write(hot / str(slot) / text, AT_14 - DAY + (slot - 14) * HOUR)
        retire(folder, slot)
    write(hot / ".retired" / "0 a file")
    (hot / ".retired" / "1 a link").symlink_to(hot)
    refusing = standing_in(os, "unlink", fake_refusal(os.unlink, errno.EPERM, TWO))
    with refusing, pytest.raises(NotADirectoryError):
        done(empty_rooms(folder, ALL))
    assert sorted(files(hot)) == [
        ".retired/0 a file",
        ".retired/1 a link",
        *(f".retired/2026-11-22T{slot}.0/{TWO}" for slot in (13, 14, 15)),
    ]


def test_i8_a_slot_that_is_no_folder_keeps_only_its_own_files_waiting(folder: Folder, hot: Path) -> None:
    for slot in (13, 14):
        write(hot / str(slot) / ONE, AT_14 - DAY + (slot - 14) * HOUR)
        retire(folder, slot)
    (hot / "13").rmdir()
    write(hot / "13")
    with pytest.raises(NotADirectoryError):
        done(empty_rooms(folder, NONE))
    assert sorted(files(hot)) == [f".retired/2026-11-22T13.0/{ONE}", "13", f"14/{ONE}"]


def test_a_room_is_not_looked_into_while_it_may_become_a_slot(folder: Folder, hot: Path) -> None:
    write(hot / "14" / ONE, AT_14)
    retire(folder)
    with folder.clone() as clone, clone.slots.locked(), pytest.raises(BlockingIOError):
        done(empty_rooms(folder, ALL))
    assert sorted(files(hot)) == [f".retired/2026-11-23T14.0/{ONE}"]
    assert done(empty_rooms(folder, ALL)) == Expired(1, 9)


def test_what_vanishes_from_a_room_is_not_missed(folder: Folder, hot: Path) -> None:
    for number in range(expiry._SLICE + 2):
        write(hot / "14" / f"segment_{number}.ts", YESTERDAY_14)
    retire(folder)
    work = empty_rooms(folder, ALL)
    assert next(work).files == expiry._SLICE
    for path in (hot / ".retired").glob("*/*"):
        path.unlink()
    assert done(work) == Expired()
    assert not (hot / ".retired").exists()


def test_a_folder_that_cannot_be_removed_is_said(folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(hot / "14" / ONE, YESTERDAY_14)
    retire(folder)
    monkeypatch.setattr(os, "rmdir", fake_error(errno.EROFS))
    with pytest.raises(OSError, match="Read-only"):
        done(empty_rooms(folder, ALL))


def test_slices_add_up() -> None:
    assert Expired(1, 10, (3,)) + Expired(2, 5, (1, 3)) == Expired(3, 15, (1, 3))
