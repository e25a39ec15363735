import contextlib
import errno
import os
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hotcold_inotify.disk import Folder, Scan, generation_of, list_hot, list_slot, listing
from hotcold_inotify.names import FileName
from tests.disk.fake_calls import fake_error, standing_in
from tests.disk.stage import AT_14, CAPTURES, UTC, files, name, opened, write

ONE, TWO, THREE = (f"segment_00000000{number}.ts" for number in (1, 2, 3))


def scanned(scan: Scan) -> tuple[list[FileName], list[FileName]]:
    """(what was given out, what is kept)"""
    left, more = [], True
    while more:
        displaced, more = scan.step()
        left += displaced
    return left, scan.newest()


def strangers(hot: Path) -> None:
    """Nine entries that are nobody's."""
    for text in ("segment_bad.ts", "notes.txt", "two\nlines.ts", "segment_1.ts\n", ".hidden", "archive.m3u8"):
        write(hot / text)
    write(Path(os.fsdecode(os.fsencode(hot) + b"/segment_\xff\xfe.ts")))
    (hot / "segment_7.ts").mkdir()
    (hot / "segment_8.ts").symlink_to("nowhere")


# --- a hot folder ---


def test_a_listing_has_the_managed_files_and_counts_what_is_nobodys(folder: Folder, hot: Path) -> None:
    for text in (ONE, TWO, f"{THREE}.tmp", "anything.tmp", "output.m3u8"):
        write(hot / text)
    (hot / ".retired").mkdir()
    strangers(hot)
    found = list_hot(folder, 1000)
    assert found.names == {ONE: name(ONE), TWO: name(TWO)}
    assert (found.unmanaged, found.complete) == (9, True)


def test_a_live_playlist_is_nobodys_where_there_are_none(tmp_path: Path) -> None:
    with opened(tmp_path / "captures", kind=CAPTURES) as folder:
        write(tmp_path / "captures" / "output.m3u8")
        assert list_hot(folder, 1000).unmanaged == 1


@pytest.mark.parametrize(("at_most", "complete"), [(0, False), (26, False), (27, True), (28, True)])
def test_a_listing_says_whether_it_is_all(folder: Folder, hot: Path, at_most: int, *, complete: bool) -> None:
    for text in (ONE, TWO, THREE):
        write(hot / text)
    found = list_hot(folder, at_most)
    assert found.complete == complete
    assert len(found.names) == 3 if complete else len(found.names) <= at_most


def test_the_hour_of_a_hot_file(folder: Folder, hot: Path) -> None:
    write(hot / ONE)
    assert generation_of(folder, ONE) == UTC.generation_at(AT_14)
    assert generation_of(folder, TWO) is None


# --- a pass over a folder of any size ---


def test_a_scan_keeps_the_newest_and_gives_out_each_of_the_others_once(folder: Folder, hot: Path) -> None:
    strangers(hot)
    # Sorted by mtime, then number, then revision.
    ages = {ONE: AT_14 + 9, TWO: AT_14, THREE: AT_14, "segment_000000002_r1.ts": AT_14, "segment_4.ts": AT_14 - 1}
    for text, mtime in ages.items():
        write(hot / text, mtime)
    scan = Scan(folder)
    left, kept = scanned(scan)
    scan.close()
    assert [one.text for one in left] == ["segment_4.ts", TWO]
    assert [one.text for one in kept] == ["segment_000000002_r1.ts", THREE, ONE]
    assert set(files(hot)) > set(ages)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), unique=True, max_size=25), st.integers(1, 4))
@settings(max_examples=40)
def test_a_scan_agrees_with_sorting(ages: list[tuple[int, int]], step: int) -> None:
    with pytest.MonkeyPatch.context() as patch, listed(ages) as folder:
        patch.setattr(listing, "_STEP", step)
        scan = Scan(folder)
        left, kept = scanned(scan)
        scan.close()
    wanted = [f"segment_{number * 10 + later}.ts" for later, number in sorted((one[1], one[0]) for one in ages)]
    assert [one.text for one in kept] == wanted[-3:]
    assert sorted(one.text for one in left) == sorted(wanted[:-3])


@contextlib.contextmanager
def listed(ages: list[tuple[int, int]]) -> Iterator[Folder]:
    """A folder with files of (number, mtime), for as long as the block runs."""
    with tempfile.TemporaryDirectory() as ground, opened(Path(ground, "segments")) as folder:
        for number, later in ages:
            write(Path(ground, "segments", f"segment_{number * 10 + later}.ts"), AT_14 + later)
        yield folder


def test_a_scan_takes_memory_for_a_step_not_for_the_folder(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def peak(count: int) -> int:
        for number in range(count):
            os.close(os.open(in_memory / "segments" / f"segment_{number:09}.ts", os.O_CREAT | os.O_WRONLY))
        tracemalloc.start()
        scan = Scan(folder)
        more, given = True, 0
        while more:
            displaced, more = scan.step()
            given += len(displaced)
        scan.close()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert given == count - 3
        return most

    monkeypatch.setattr(listing, "_STEP", 256)
    with opened(in_memory / "segments") as folder:
        small = peak(1_000)
        assert peak(4_000) < 1.5 * small


def test_files_that_leave_and_come_during_a_scan_do_not_disturb_it(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_STEP", 7)
    for number in range(100):
        write(hot / f"segment_{number}.ts", AT_14 + number)
    scan = Scan(folder)
    left, more, come = [], True, 1000
    while more:
        displaced, more = scan.step()
        for one in displaced:
            (hot / one.text).rename(hot / "14" / one.text)
            assert list_hot(folder, 10).complete is False  # another look does not move the scan's position
        left += displaced
        if come < 1010:
            write(hot / f"segment_{come}.ts", AT_14 + come)
            come += 1
    kept = scan.newest()
    scan.close()
    assert len(left) == len(set(left))
    assert {one.number for one in (*left, *kept)} >= set(range(100))
    assert sorted(path.name for path in hot.glob("segment_*")) == sorted(
        {one.text for one in kept} | {f"segment_{number}.ts" for number in range(1000, come)}
    )


def test_a_file_that_goes_between_two_looks_is_skipped(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (ONE, TWO):
        write(hot / text)
        write(hot / "14" / text)
    real = os.stat

    def fake_stat(path: str, **kwargs: Any) -> os.stat_result:
        if path == ONE:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return real(path, **kwargs)

    monkeypatch.setattr(os, "stat", fake_stat)
    scan = Scan(folder)
    assert scanned(scan) == ([], [name(TWO)])
    scan.close()
    fd = folder.slots.open(14)
    assert [one.name for one in list_slot(fd, folder.kind.pattern)] == [name(TWO)]
    os.close(fd)


def test_a_scan_that_is_closed_during_a_step_ends_behind_it(
    folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(hot / ONE)
    scan = Scan(folder)
    within, go_on = threading.Event(), threading.Event()
    real = os.stat

    def fake_stat(path: str, **kwargs: Any) -> os.stat_result:
        if path == ONE:
            within.set()
            assert go_on.wait(30)
        return real(path, **kwargs)

    monkeypatch.setattr(os, "stat", fake_stat)
    step = threading.Thread(target=scan.step)
    step.start()
    assert within.wait(30)
    scan.close()  # does not wait
    os.fstat(scan._fd)
    go_on.set()
    step.join(30)
    assert scan.newest() == [name(ONE)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(scan._fd)
    scan.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        scan.step()


def test_a_scan_that_cannot_begin_leaves_no_descriptor(folder: Folder) -> None:
    with standing_in(os, "scandir", fake_error(errno.EMFILE)), pytest.raises(OSError, match="Too many open files"):
        Scan(folder)


# --- a slot ---


def test_a_slots_listing_has_its_files_and_nothing_else(folder: Folder, hot: Path) -> None:
    strangers(hot / "14")
    write(hot / "14" / ONE, AT_14, b"12345")
    write(hot / "14" / TWO, AT_14 + 0.25, b"")
    fd = folder.slots.open(14)
    found = {one.name.text: (one.mtime, one.size) for one in list_slot(fd, folder.kind.pattern)}
    again = list(list_slot(fd, folder.kind.pattern))
    os.close(fd)
    assert found == {ONE: (AT_14, 5), TWO: (AT_14 + 0.25, 0)}
    assert len(again) == 2
