"""What may happen to a device's folders under a running reactor, and what it does to no other device."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.started import Running, Start, eventually, everywhere, hot, put

LIMIT = "[kinds.captures]\nhot_limit = 3\n[kinds.segments]\nhot_limit = 3\n"


def archives(folder: Path, first: int) -> Callable[[], bool]:
    """Finish ten files; whether the folder is then within its limit of three."""
    for number in range(first, first + 10):
        put(folder, f"capture_{number}.jpg")
    return lambda: hot(folder) == [f"capture_{number}.jpg" for number in range(first + 7, first + 10)]


@pytest.fixture
def running(start: Start) -> Running:
    return start(LIMIT)


def test_exactly_the_limit_stays(root: Path, running: Running) -> None:
    folder = root / "capture1" / "captures"
    for number in range(3):
        put(folder, f"capture_{number}.jpg")
    eventually("three", lambda: running.metric("hotcold_hot_files", device="capture1", kind="captures") == 3)
    assert hot(folder) == everywhere(folder, "*.jpg") == ["capture_0.jpg", "capture_1.jpg", "capture_2.jpg"]
    (folder / "capture_1.jpg").unlink()
    eventually("two", lambda: running.metric("hotcold_hot_files", device="capture1", kind="captures") == 2)
    put(folder, "capture_3.jpg")
    eventually("three again", lambda: running.metric("hotcold_hot_files", device="capture1", kind="captures") == 3)
    assert hot(folder) == ["capture_0.jpg", "capture_2.jpg", "capture_3.jpg"]


@pytest.mark.usefixtures("running")
def test_a_hot_folder_that_is_replaced_by_another_one_is_served(root: Path) -> None:
    folder = root / "capture1" / "captures"
    eventually("ten files", archives(folder, 100))
    other = root.parent / "other"
    other.mkdir()
    for number in range(200, 220):
        put(other, f"capture_{number}.jpg", mtime=2_000_000_000.0 + number)
    folder.rename(root.parent / "away")
    other.rename(folder)
    eventually("the backlog of the other one to leave", lambda: len(hot(folder)) == 3)
    eventually("ten more files", archives(folder, 300))
    assert len(everywhere(folder, "*.jpg")) == 30
    # What was moved away is nobody's any more.
    put(root.parent / "away", "capture_999.jpg")
    eventually("ten more files", archives(folder, 400))
    assert len(hot(root.parent / "away")) == 4


@pytest.mark.usefixtures("running")
def test_an_hour_folder_that_is_deleted_is_made_anew_and_takes_every_file(root: Path) -> None:
    folder = root / "capture1" / "captures"
    for first in range(100, 400, 100):
        eventually("ten files", archives(folder, first))
        for hour in range(24):
            shutil.rmtree(folder / str(hour), ignore_errors=True)
        assert len(everywhere(folder, "*.jpg")) == 3
        eventually("ten more files", archives(folder, first + 10))
        assert len(everywhere(folder, "*.jpg")) == 13


def test_a_file_without_an_event_is_found_by_the_sweep(root: Path, running: Running) -> None:
    folder = root / "capture1" / "captures"
    source = root.parent / "source"
    source.write_bytes(b"x")
    for number in range(9):
        (folder / f"capture_{number}.jpg").hardlink_to(source)
    eventually("three hot", lambda: len(hot(folder)) == 3)
    assert len(everywhere(folder, "*.jpg")) == 9
    assert running.metric("hotcold_rescans_total", device="capture1", kind="captures", reason="sweep") > 0


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc")])
def test_i8_a_live_playlist_that_is_no_file_ends_nothing(
    root: Path, start: Start, make: Callable[[Path], None]
) -> None:
    folder = root / "capture1" / "segments"
    folder.mkdir()
    make(folder / "output.m3u8")
    running = start(LIMIT)
    for number in range(10):
        put(folder, f"segment_{number}.ts")
    eventually("three hot", lambda: len([name for name in hot(folder) if name.endswith(".ts")]) == 3)
    eventually("a playlist", lambda: bool(list(folder.glob("*/archive.m3u8"))))
    assert running.stop() == 0


def test_i8_one_bad_folder_delays_no_other(root: Path, start: Start) -> None:
    (root / "capture2").mkdir()
    (root / "capture2" / "captures").write_bytes(b"a file where a folder should be")
    (root / "capture2" / "segments").symlink_to(root / "capture1")
    (root / "capture3" / "captures").mkdir(parents=True)
    for hour in range(24):
        (root / "capture3" / "captures" / str(hour)).write_bytes(b"a file where an hour should be")
    running = start(LIMIT)
    eventually("three devices", lambda: running.metric("hotcold_devices") == 3)
    for kind in ("metadata", "thumbnails"):
        eventually(f"the good folder {kind}", (root / "capture2" / kind / "23").is_dir)
    eventually("ten files", archives(root / "capture1" / "captures", 100))
    for number in range(10):
        put(root / "capture3" / "captures", f"capture_{number}.jpg")
    eventually(
        "the refused moves to be counted",
        lambda: running.metric("hotcold_move_errors_total", device="capture3", kind="captures", errno="ENOTDIR") >= 7,
    )
    # A sweep that tries again counts too, perhaps before the last of the ten is there.
    eventually("ten hot", lambda: running.metric("hotcold_hot_files", device="capture3", kind="captures") == 10)
    for hour in range(24):
        (root / "capture3" / "captures" / str(hour)).unlink()
    eventually("what was refused to leave", lambda: len(hot(root / "capture3" / "captures")) == 3)
    refusals = [record for record in running.said() if str(record["event"]).startswith("cannot move a file")]
    assert len(refusals) == 1, "said once, not for each file"
    assert running.stop() == 0


def test_a_crowd_of_strangers_is_counted_and_is_no_backlog(root: Path, start: Start) -> None:
    folder = root / "capture1" / "captures"
    folder.mkdir()
    for number in range(5_000):
        (folder / f"stranger_{number}").touch()
    running = start(LIMIT)

    def rescans() -> float:
        return running.metric("hotcold_rescans_total", device="capture1", kind="captures", reason="sweep")

    eventually(
        "all to be counted",
        lambda: running.metric("hotcold_unmanaged_files", device="capture1", kind="captures") == 5_000,
    )
    before = rescans()
    (folder / "stranger").touch()
    eventually(
        "one more", lambda: running.metric("hotcold_unmanaged_files", device="capture1", kind="captures") == 5_001
    )
    assert rescans() == before
