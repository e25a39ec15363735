import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable
from datetime import UTC as ZONE_UTC
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hotcold_inotify.disk import Archived, Folder, archive, renaming, slots
from hotcold_inotify.hours import DAY, HOUR, Calendar, zone
from tests.disk.fake_calls import EXCHANGE, fake_error, fake_refusal, fake_renameat2, fake_without_flags, standing_in
from tests.disk.stage import AT_14, NOT_FOLLOWED, ROOM, TOMORROW_14, UTC, YESTERDAY_14, files, name, opened, write

NEW, OLD, OTHER = (f"segment_00000000{number}.ts" for number in (1, 2, 3))
TODAY, YESTERDAY, TOMORROW = (UTC.generation_at(at) for at in (AT_14, YESTERDAY_14, TOMORROW_14))


def enter(folder: Folder, text: str, mtime: float, now: float) -> Archived:
    """Archive a new file."""
    write(Path(folder.hot_path, text), mtime, text.encode())
    found = archive(folder, name(text), now)
    assert isinstance(found, Archived)
    return found


# --- I5: one generation ---


def test_i5_a_slot_is_emptied_before_the_first_file_of_a_new_hour(folder: Folder, hot: Path) -> None:
    for text in (OLD, OTHER):
        write(hot / "14" / text, YESTERDAY_14)
    write(hot / "14" / "archive.m3u8", YESTERDAY_14, b"its playlist")
    write(hot / "14" / "a stranger", YESTERDAY_14, b"goes along")
    found = enter(folder, NEW, AT_14, AT_14)
    assert not found.aside
    assert files(hot) == {
        f"14/{NEW}": NEW.encode(),
        f".retired/{ROOM}.0/{OLD}": b"a segment",
        f".retired/{ROOM}.0/{OTHER}": b"a segment",
        f".retired/{ROOM}.0/archive.m3u8": b"its playlist",
        f".retired/{ROOM}.0/a stranger": b"goes along",
    }


def test_i5_the_same_after_days_of_downtime(folder: Folder, hot: Path) -> None:
    write(hot / "14" / OLD, AT_14 - 5 * DAY)
    enter(folder, NEW, AT_14, AT_14 + HOUR)
    assert sorted(files(hot)) == [f".retired/2026-11-18T14.0/{OLD}", f"14/{NEW}"]


def test_i5_the_old_playlist_of_an_empty_slot_goes(folder: Folder, hot: Path) -> None:
    write(hot / "14" / "archive.m3u8", YESTERDAY_14)
    enter(folder, NEW, AT_14, AT_14)
    assert sorted(files(hot)) == [f"14/{NEW}"]


def test_i5_what_is_no_file_of_the_kind_holds_no_slot(folder: Folder, hot: Path) -> None:
    (hot / "14" / OLD).mkdir()
    (hot / "14" / OTHER).symlink_to("nowhere")
    write(hot / "14" / "capture_1.jpg", YESTERDAY_14)
    assert folder.slots.holds(14) is None
    enter(folder, NEW, AT_14, AT_14)
    assert folder.slots.holds(14) == TODAY
    assert not (hot / ".retired").exists()


def test_i5_a_late_file_goes_aside(folder: Folder, hot: Path) -> None:
    enter(folder, NEW, AT_14, AT_14)
    assert enter(folder, OLD, YESTERDAY_14, AT_14).aside
    assert enter(folder, OTHER, YESTERDAY_14 + 1, AT_14).aside
    assert not enter(folder, "segment_000000004.ts", AT_14 + 1, AT_14 + 1).aside
    assert sorted(files(hot)) == [
        f".retired/{ROOM}/{OLD}",
        f".retired/{ROOM}/{OTHER}",
        f"14/{NEW}",
        "14/segment_000000004.ts",
    ]


def test_i5_a_late_file_whose_slot_is_free_enters_it(folder: Folder, hot: Path) -> None:
    assert not enter(folder, OLD, YESTERDAY_14, AT_14 - HOUR).aside
    assert sorted(files(hot)) == [f"14/{OLD}"]


def test_i5_a_file_from_the_future_goes_aside_and_empties_no_good_hour(folder: Folder, hot: Path) -> None:
    enter(folder, NEW, AT_14, AT_14)
    assert enter(folder, OLD, TOMORROW_14, AT_14).aside
    assert sorted(files(hot)) == [f".retired/{TOMORROW}/{OLD}", f"14/{NEW}"]


def test_i5_a_file_from_the_future_leaves_the_slot_to_its_hour(folder: Folder, hot: Path) -> None:
    assert not enter(folder, OLD, TOMORROW_14, AT_14 - HOUR).aside
    assert not enter(folder, NEW, AT_14, AT_14).aside
    assert sorted(files(hot)) == [f".retired/{TOMORROW}.0/{OLD}", f"14/{NEW}"]


def test_i5_an_hour_that_was_the_future_has_its_slot_once_it_is_live(folder: Folder, hot: Path) -> None:
    write(hot / "14" / OTHER, YESTERDAY_14)
    assert enter(folder, OLD, AT_14, AT_14 - HOUR).aside
    assert enter(folder, "segment_000000004.ts", AT_14, AT_14 - HOUR + 1).aside
    assert not enter(folder, NEW, AT_14, AT_14).aside
    assert folder.slots.holds(14) == TODAY


def test_i5_both_passes_of_an_autumn_hour_are_one_generation(tmp_path: Path) -> None:
    zurich = Calendar(zone("Europe/Zurich"))
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Zurich")).timestamp()
    with opened(tmp_path / "segments", calendar=zurich) as folder:
        for text, mtime in ((OLD, first), (NEW, first + HOUR)):
            assert not enter(folder, text, mtime, mtime).aside
        assert sorted(files(tmp_path / "segments")) == [f"2/{NEW}", f"2/{OLD}"]


def test_i5_an_hour_that_spring_skips_keeps_its_slot_until_the_next_day(tmp_path: Path) -> None:
    zurich = Calendar(zone("Europe/Zurich"))
    before = datetime(2026, 3, 28, 1, 30, tzinfo=ZONE_UTC).timestamp()  # 2026-03-28 02:30
    with opened(tmp_path / "segments", calendar=zurich) as folder:
        enter(folder, OLD, before, before)
        enter(folder, OTHER, before + DAY, before + DAY)  # 2026-03-29 03:30: there is no 02:30
        assert sorted(files(tmp_path / "segments")) == [f"2/{OLD}", f"3/{OTHER}"]
        enter(folder, NEW, before + 2 * DAY - HOUR, before + 2 * DAY - HOUR)  # 2026-03-30 02:30
        assert (tmp_path / "segments" / "2" / NEW).exists()
        assert (tmp_path / "segments" / ".retired" / "2026-03-28T02.0" / OLD).exists()


# --- retiring ---


def test_retire_takes_an_hour_away_if_it_is_still_there(folder: Folder, hot: Path) -> None:
    write(hot / "14" / OLD, YESTERDAY_14)
    assert not folder.slots.retire(14, TODAY)
    assert sorted(files(hot)) == [f"14/{OLD}"]
    assert folder.slots.retire(14, YESTERDAY)
    assert sorted(files(hot)) == [f".retired/{ROOM}.0/{OLD}"]
    assert not folder.slots.retire(14, YESTERDAY)
    write(hot / "14" / OLD, YESTERDAY_14)
    assert folder.slots.retire(14, YESTERDAY)
    assert sorted(files(hot)) == [f".retired/{ROOM}.0/{OLD}", f".retired/{ROOM}.1/{OLD}"]


def test_the_slot_stays_as_it_was_to_others(folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hot / "14").chmod(0o2770)
    if os.geteuid() == 0:
        os.chown(hot / "14", 12_345, 54_321)
        (hot / "14").chmod(0o2770)
    before = (hot / "14").stat()
    for refused in (False, True):  # by exchange, and where the file system has none
        if refused:
            monkeypatch.setattr(renaming._libc, "renameat2", fake_without_flags())
        write(hot / "14" / OLD, YESTERDAY_14)
        assert folder.slots.retire(14, YESTERDAY)
        after = (hot / "14").stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
        assert after.st_ino != before.st_ino
    assert sorted(files(hot)) == [f".retired/{ROOM}.0/{OLD}", f".retired/{ROOM}.1/{OLD}"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
def test_a_slot_that_cannot_be_given_away_becomes_ours(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fake_stat(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        found = real(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        return os.stat_result([*found[:4], 12_345, *found[5:]])

    write(hot / "14" / OLD, YESTERDAY_14)
    real = os.stat
    held = folder.slots.holds(14)
    monkeypatch.setattr(os, "fchown", fake_error(number))
    with monkeypatch.context() as patch:
        patch.setattr(slots, "first_mtime", lambda _fd, _pattern: YESTERDAY_14)
        patch.setattr(os, "stat", fake_stat)
        assert folder.slots.retire(14, YESTERDAY)
    assert held == YESTERDAY
    assert sorted(files(hot)) == [f".retired/{ROOM}.0/{OLD}"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_slot_that_cannot_be_emptied_takes_no_file(folder: Folder, hot: Path, number: int) -> None:
    write(hot / "14" / OLD, YESTERDAY_14)
    write(hot / NEW)
    fake = fake_renameat2(number, lambda *call: call[-1] == EXCHANGE)
    with standing_in(renaming._libc, "renameat2", fake), pytest.raises(OSError, match=os.strerror(number)):
        archive(folder, name(NEW), AT_14)
    assert sorted(files(hot)) == [f"14/{OLD}", NEW]
    assert os.listdir(hot / ".retired") == []


def test_without_exchange_a_kill_between_its_two_steps_costs_nothing(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renaming._libc, "renameat2", fake_without_flags())
    write(hot / "14" / OLD, YESTERDAY_14)
    cut = standing_in(os, "mkdir", fake_refusal(os.mkdir, errno.EIO, "14"))
    with cut, pytest.raises(OSError, match="Input/output"):
        folder.slots.retire(14, YESTERDAY)
    assert not (hot / "14").exists()
    assert folder.slots.holds(14) is None
    enter(folder, NEW, AT_14, AT_14)
    assert sorted(files(hot)) == [f".retired/{ROOM}.0/{OLD}", f"14/{NEW}"]


# --- alone with the slots ---


def test_while_another_process_has_the_slots_a_file_stays_hot(folder: Folder, hot: Path) -> None:
    other = os.open(hot, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        write(hot / NEW)
        with pytest.raises(BlockingIOError) as raised:
            archive(folder, name(NEW), AT_14)
        assert raised.value.errno == errno.EAGAIN
        assert (hot / NEW).exists()
        fcntl.flock(other, fcntl.LOCK_UN)
        assert archive(folder, name(NEW), AT_14)
        # The place is known by now: nothing needs the lock.
        fcntl.flock(other, fcntl.LOCK_EX)
        enter(folder, OTHER, AT_14, AT_14)
    finally:
        os.close(other)
    assert sorted(files(hot)) == [f"14/{NEW}", f"14/{OTHER}"]


def test_a_lock_that_is_let_go_in_time_is_waited_for(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.open(hot, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(other, fcntl.LOCK_EX)
    waited: list[float] = []

    def fake_sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            fcntl.flock(other, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", fake_sleep)
    enter(folder, NEW, AT_14, AT_14)
    os.close(other)
    assert len(waited) == 2


def test_a_clone_has_descriptors_a_lock_and_a_position_of_its_own(folder: Folder, hot: Path) -> None:
    for number in range(5):
        write(hot / f"segment_{number}.ts")
    with folder.clone() as clone:
        with folder.slots.locked(), pytest.raises(BlockingIOError):
            clone.slots.retire(14, TODAY)
        with clone.slots.locked(), pytest.raises(BlockingIOError):
            folder.slots.retire(14, TODAY)
        with os.scandir(folder.hot_fd) as entries:
            seen = [next(entries).name]
            assert len(os.listdir(clone.hot_fd)) == 29
            seen += [entry.name for entry in entries]
        assert len(seen) == len(set(seen)) == 29
    assert archive(folder, name("segment_1.ts"), AT_14)


def test_what_cannot_be_opened_leaves_no_descriptor(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real, opens = os.open, list[str]()

    def fake_open(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        opens.append(path)
        if len(opens) == 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", fake_open)
    again: list[Callable[[], Folder]] = [
        folder.clone,
        lambda: Folder.opened(folder.hot_path, folder.cold_path, folder.kind, folder.calendar),
    ]
    for make in again:
        opens.clear()
        with pytest.raises(OSError, match="Too many open files"):
            make()


def test_i5_two_who_archive_at_once_agree(folder: Folder, hot: Path) -> None:
    """A reactor and a clone of its folder bring two hours to one slot: never are both in it."""
    for number in range(60):
        write(hot / f"segment_{number}.ts", AT_14 if number % 2 else YESTERDAY_14)
    tried: dict[int, int] = {}

    def work(mine: Folder, odd: int) -> None:
        for number in range(odd, 60, 2):
            tried[number] = 0
            while True:
                try:
                    assert archive(mine, name(f"segment_{number}.ts"), AT_14)
                except BlockingIOError:
                    tried[number] += 1
                else:
                    break

    with folder.clone() as clone:
        other = threading.Thread(target=work, args=(clone, 0))
        other.start()
        work(folder, 1)
        other.join()
    hours = {number for number in range(60) if (hot / "14" / f"segment_{number}.ts").exists()}
    assert hours == set(range(1, 60, 2))
    assert len(list((hot / ".retired").glob("*/segment_*.ts"))) == 30


# --- looks ---


def test_holds_is_none_for_what_is_no_hour(folder: Folder, hot: Path) -> None:
    (hot / "1").rmdir()
    (hot / "2").rmdir()
    (hot / "2").symlink_to("14")
    (hot / "3").rmdir()
    write(hot / "3")
    write(hot / "14" / NEW)
    assert [folder.slots.holds(slot) for slot in (0, 1, 2, 3, 14)] == [None, None, None, None, TODAY]


def test_holds_says_what_it_cannot_look_into(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", fake_refusal(os.open, errno.EIO, "14"))
    with pytest.raises(OSError, match="Input/output"):
        folder.slots.holds(14)


def test_a_look_that_fails_leaves_no_descriptor(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", fake_error(errno.EIO))
    looks: list[Callable[[], object]] = [
        lambda: folder.slots.holds(14),
        lambda: folder.slots.retire(14, TODAY),
        lambda: folder.slots.put_back(TODAY),
        lambda: folder.slots.place(TODAY, AT_14),
    ]
    for look in looks:
        with pytest.raises(OSError, match="Input/output"):
            look()


def test_the_slot_held_open_is_compared_with_its_path(folder: Folder, hot: Path) -> None:
    assert not folder.slots.moved_away()
    enter(folder, NEW, AT_14, AT_14)
    assert not folder.slots.moved_away()
    (hot / "14").rename(hot / "gone")
    assert folder.slots.moved_away()
    (hot / "14").mkdir()
    assert folder.slots.moved_away()
    folder.slots.forget()
    assert not folder.slots.moved_away()
    enter(folder, NEW, AT_14, AT_14)
    assert enter(folder, OLD, YESTERDAY_14, AT_14).aside
    assert not folder.slots.moved_away()


def test_a_file_that_goes_while_a_slot_is_looked_at_is_not_its_generation(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (OLD, OTHER):
        write(hot / "14" / text, YESTERDAY_14)
    real, gone = os.stat, list[str]()

    def fake_stat(path: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        if not gone:
            gone.append(path)
            (hot / "14" / path).unlink()
        return real(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fake_stat)
        assert folder.slots.holds(14) == YESTERDAY
    assert len(gone) == 1


def test_the_folder_is_compared_with_its_path(folder: Folder, hot: Path) -> None:
    assert not folder.moved_away()
    assert folder.free_bytes() > 0
    hot.rename(hot.parent / "elsewhere")
    assert folder.moved_away()
    write(hot)
    assert folder.moved_away()
    hot.unlink()
    hot.mkdir()
    assert folder.moved_away()
    hot.rmdir()
    hot.parent.rename(hot.parent.parent / "away")
    write(hot.parent)
    assert folder.moved_away()
    (hot.parent.parent / "away").rename(hot.parent.parent / "back")


def test_a_folder_that_is_a_link_is_not_opened(folder: Folder, hot: Path) -> None:
    link = hot.parent / "link"
    link.symlink_to(hot)
    for hot_path, cold_path in ((link, hot), (hot, link)):
        with pytest.raises(OSError, match=NOT_FOLLOWED):
            Folder.opened(str(hot_path), str(cold_path), folder.kind, folder.calendar)
    assert stat.S_ISLNK(link.lstat().st_mode)
