"""I8 within a device: a folder whose disk is slow, or that looks through a backlog, has no other one wait, and loses
nothing.

The device runs in the test's own process, with the real folders and the real inotify. Slow, or hung, is what moves the
files of one kind, or what lists them.
"""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.device import Device, contents, leaving, spell
from hotcold_inotify.disk import Folder, Home, Scan, archive
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.names import FileName, Pattern
from tests.live.started import everywhere, hot, put

KINDS = (
    Kind("segments", Pattern.parse("segment_*.ts"), hot_limit=3, playlist=True),
    Kind("captures", Pattern.parse("capture_*.jpg"), hot_limit=3),
)
SECONDS = 20.0


@attrs.define
class Disk:
    """Stands between a device and its moves."""

    takes: dict[str, float] = attrs.field(factory=dict)
    """Kind -> seconds that each of its moves takes."""
    hung: dict[str, threading.Event] = attrs.field(factory=dict)
    """Kind -> what its moves wait for."""
    waits: threading.Event = attrs.field(factory=threading.Event)
    """A move has begun to wait."""
    copies: frozenset[str] = frozenset()
    """Kinds whose hours are on another file system."""
    moved: list[tuple[str, str, bool]] = attrs.field(factory=list)
    """Kind, name, and whether it was moved in the event loop."""

    def archive(self, folder: Folder, name: FileName, now: float, **how: Any) -> Any:
        time.sleep(self.takes.get(folder.kind.name, 0.0))
        if folder.kind.name in self.hung:
            self.waits.set()
            assert self.hung[folder.kind.name].wait(SECONDS)
        done = archive(folder, name, now, **how)
        self.moved.append((folder.kind.name, name.text, threading.current_thread() is threading.main_thread()))
        return done

    def names(self, kind: str) -> list[str]:
        return [text for its, text, _ in self.moved if its == kind]

    def in_loop(self, kind: str) -> list[bool]:
        return [in_loop for its, _, in_loop in self.moved if its == kind]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(leaving, "archive", disk.archive)
    opened = Folder.opened

    def open_folder(hot_path: str, cold_path: str, kind: Kind, calendar: Calendar) -> Folder:
        folder = opened(hot_path, cold_path, kind, calendar)
        folder.copies = kind.name in disk.copies
        return folder

    monkeypatch.setattr(Folder, "opened", open_folder)
    return disk


@attrs.define
class Served:
    """A device that runs."""

    device: Device
    registry: CollectorRegistry

    def metric(self, name: str, kind: str, **labels: str) -> float:
        labels |= {"device": "capture1", "kind": kind}
        return self.registry.get_sample_value(name, labels) or 0.0


@contextlib.asynccontextmanager
async def serving(root: Path, **settings: Any) -> AsyncIterator[Served]:
    config = Config(root=str(root), kinds=KINDS, **settings)
    home = Home("capture1", str(root / "capture1"), str(root / "capture1"))
    registry = CollectorRegistry()
    device = Device(home, config, Calendar(hours.zone("UTC")), Clock(), Instruments(registry))
    async with trio.open_nursery() as nursery:
        with trio.fail_after(SECONDS):
            await nursery.start(device.run)
        yield Served(device, registry)
        nursery.cancel_scope.cancel()


async def until(what: str, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
    with trio.move_on_after(seconds):
        while not holds():  # noqa: ASYNC110 - it looks at folders, and nobody tells of them
            await trio.sleep(0.01)
        return
    raise AssertionError(f"waited {seconds} s for: {what}")


def finish(folder: Path, pattern: str, numbers: range, *, ago: float = 0.0) -> list[str]:
    """Finish files, a millisecond apart, the last one `ago` seconds ago; their names."""
    names = [pattern.replace("*", f"{number:06}") for number in numbers]
    last = time.time() - ago
    for place, name in enumerate(names, 1 - len(names)):
        put(folder, name, name.encode(), last + place / 1_000)
    return names


@pytest.fixture
def segments(root: Path) -> Path:
    folder = root / "capture1" / "segments"
    folder.mkdir()
    return folder


@pytest.fixture
def captures(root: Path) -> Path:
    folder = root / "capture1" / "captures"
    folder.mkdir()
    return folder


async def test_a_slow_move_holds_the_loop_once_and_its_sister_leaves_in_the_loop(
    root: Path, segments: Path, captures: Path, disk: Disk
) -> None:
    async with serving(root):
        for number in range(4):
            put(segments, f"segment_{number:06}.ts")
            put(captures, f"capture_{number:06}.jpg")
        await until("the first of the hour to leave", lambda: len(disk.moved) == 2)
        disk.takes["segments"] = 0.2
        for number in range(4, 12):
            put(segments, f"segment_{number:06}.ts")
            put(captures, f"capture_{number:06}.jpg")
            await trio.lowlevel.checkpoint()
        await until("the sister's files to leave", lambda: len(disk.names("captures")) == 9)
        assert len(disk.names("segments")) < 9, "they left first, or the fault did not slow anything"
        await until("the slow ones to leave", lambda: len(disk.names("segments")) == 9)
    # The first one has an hour folder opened for it.
    assert disk.in_loop("segments") == [False, True, *[False] * 7]
    assert disk.in_loop("captures") == [False, *[True] * 8]
    assert disk.names("segments") == [f"segment_{number:06}.ts" for number in range(9)], "oldest first"


async def test_after_a_while_of_quick_moves_files_leave_in_the_loop_again(
    root: Path, captures: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spell, "CALM", 0.5)
    monkeypatch.setattr(spell, "DOUBT", 0.5)
    async with serving(root):
        for number in range(4):
            put(captures, f"capture_0{number}.jpg")
        await until("the first of the hour to leave", lambda: len(disk.moved) == 1)
        disk.moved.clear()
        disk.takes["captures"] = 0.1
        put(captures, "capture_3.jpg")
        put(captures, "capture_4.jpg")
        await until("two to leave", lambda: len(disk.moved) == 2)
        assert disk.in_loop("captures") == [True, False]
        disk.takes.clear()
        put(captures, "capture_5.jpg")
        await until("a quick one", lambda: len(disk.moved) == 3)
        assert disk.in_loop("captures")[2] is False, "quick once is not quick again"
        await trio.sleep(0.6)
        for number in (6, 7):
            put(captures, f"capture_{number}.jpg")
            await until("one more", lambda number=number: len(disk.moved) == number - 2)  # type: ignore[misc] # no lambda has types
    assert disk.in_loop("captures")[3:] == [False, True]


async def test_it_is_ready_while_a_backlog_leaves_by_a_thread_and_the_playlist_is_in_order(
    root: Path, segments: Path, disk: Disk
) -> None:
    disk.copies, disk.takes["segments"] = frozenset({"segments"}), 0.01
    names = finish(segments, "segment_*.ts", range(200), ago=1)
    async with serving(root) as served:
        assert len(disk.moved) < 100, "it waited for the backlog"
        assert served.device.within == 1
        assert served.metric("hotcold_hot_files", "segments") > 3
        await until("the limit", lambda: hot(segments)[:3] == names[-3:])
        await until("the metric", lambda: served.metric("hotcold_hot_files", "segments") == 3)
        assert served.device.within == 2
        assert disk.names("segments") == names[:-3]
        await until("the playlist", lambda: len(_listed(segments)) == 197)
    assert _listed(segments) == names[:-3]


def _listed(folder: Path) -> list[str]:
    paths = sorted(folder.glob("*/archive.m3u8"), key=lambda path: path.stat().st_mtime)
    return [line for path in paths for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]


async def test_a_folder_that_is_looked_through_has_no_sister_wait_and_misses_nothing(
    root: Path, segments: Path, captures: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, looking_through = threading.Event(), threading.Event()
    step = Scan.step

    def held(scan: Scan) -> Any:
        found = step(scan)
        if any(name.text.startswith("segment") for name in found[0]):
            looking_through.set()
            assert go_on.wait(SECONDS)
        return found

    monkeypatch.setattr(Scan, "step", held)
    old = finish(segments, "segment_*.ts", range(100), ago=60)
    async with trio.open_nursery() as nursery:
        async with _unready(root, nursery) as served:
            await until("the scan", looking_through.is_set)
            late = finish(segments, "segment_*.ts", range(100, 120))
            (segments / late[0]).unlink()
            for number in range(50):
                put(captures, f"capture_{number:06}.jpg")
                await trio.sleep(0.002)
            await until("the sister's files to leave", lambda: len(disk.names("captures")) == 47)
            assert disk.names("segments") == []
            assert served.device.within == 1
            go_on.set()
            await until("the limit", lambda: hot(segments) == late[-3:])
            await until("to be known", lambda: served.device.within == 2)
            assert served.metric("hotcold_hot_files", "segments") == 3
            assert served.metric("hotcold_rescans_total", "segments", reason="sweep") == 0, "a later look found them"
        nursery.cancel_scope.cancel()
    assert everywhere(segments, "*.ts") == sorted(old + late[1:])


@contextlib.asynccontextmanager
async def _unready(root: Path, nursery: trio.Nursery) -> AsyncIterator[Served]:
    """A device that is started and not waited for."""
    config = Config(root=str(root), kinds=KINDS)
    home = Home("capture1", str(root / "capture1"), str(root / "capture1"))
    registry = CollectorRegistry()
    device = Device(home, config, Calendar(hours.zone("UTC")), Clock(), Instruments(registry))
    nursery.start_soon(device.run)
    yield Served(device, registry)


async def test_more_than_is_remembered_is_found_by_a_scan(
    root: Path, segments: Path, captures: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MOST", 20)
    disk.copies, disk.hung["segments"] = frozenset({"segments"}), threading.Event()
    async with serving(root) as served:
        names = finish(segments, "segment_*.ts", range(100))
        await until("more than is remembered", lambda: served.metric("hotcold_waiting_files", "segments") == 97)
        assert served.metric("hotcold_hot_files", "segments") == 100
        assert served.device.within == 1
        finish(captures, "capture_*.jpg", range(10))
        await until("the sister's files to leave", lambda: len(disk.names("captures")) == 7)
        disk.hung["segments"].set()
        await until("the limit", lambda: hot(segments) == names[-3:])
        await until("the backlog to be over", lambda: served.metric("hotcold_waiting_files", "segments") == 0)
        assert served.metric("hotcold_rescans_total", "segments", reason="backlog") == 1
        assert served.device.within == 2
    assert everywhere(segments, "*.ts") == names
    assert disk.names("segments") == names[:-3], "each once, oldest first"


async def test_a_device_ends_while_its_disk_hangs_and_the_next_one_moves_nothing_twice(
    root: Path, captures: Path, disk: Disk
) -> None:
    disk.copies, disk.hung["captures"] = frozenset({"captures"}), threading.Event()
    names = finish(captures, "capture_*.jpg", range(50), ago=1)
    async with serving(root):
        await until("a file to be on its way", disk.waits.is_set)
        began = trio.current_time()
    assert trio.current_time() - began < 2
    assert disk.moved == []
    disk.hung["captures"].set()
    await until("the file to be through that was on its way", lambda: len(disk.moved) == 1)
    await trio.sleep(0.2)  # in which it could begin others
    assert len(disk.moved) == 1
    async with serving(root):
        await until("the limit", lambda: hot(captures) == names[-3:])
    assert everywhere(captures, "*.jpg") == names, "each is there once"


async def test_what_waits_is_told_when_it_is_too_much_and_when_it_has_left(
    root: Path, captures: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    disk.copies, disk.hung["captures"] = frozenset({"captures"}), threading.Event()

    async with serving(root, cold_backlog=5_000) as served:
        for number in range(13):
            put(captures, f"capture_{number:02}.jpg", b"x" * 1_000)
        await until("to be counted", lambda: served.metric("hotcold_waiting_bytes", "captures") == 10_000)
        assert served.metric("hotcold_waiting_files", "captures") == 10
        assert served.metric("hotcold_waiting_limit_bytes", "captures") == 5_000
        await trio.sleep(2.5)  # a look more, which says it no second time
        disk.hung["captures"].set()
        await until("nothing to wait", lambda: served.metric("hotcold_waiting_bytes", "captures") == 0)
        assert served.metric("hotcold_waiting_files", "captures") == 0
    said = capsys.readouterr()
    text = said.out + said.err
    assert text.count("more waits to leave the hot folder than cold_backlog allows") == 1
    assert text.count("what waited to leave the hot folder has left") == 1
    assert len(everywhere(captures, "*.jpg")) == 13


@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
async def test_i3_events_of_files_that_a_scan_has_moved_have_no_other_file_leave(
    root: Path, captures: Path, *, slow: bool
) -> None:
    """A scan runs ahead of the events in the queue: what they name is not there any more, and not the newest."""
    async with serving(root) as served:
        names = finish(captures, "capture_*.jpg", range(12))
        await until("three are hot", lambda: hot(captures) == names[-3:])
        folder = served.device._served["captures"].hot
        if slow:
            folder._leaving.spell.took(spell.SLOW + 0.01)
        folder.wants_scan("overflow")
        for name in names[:-3]:
            folder.finished(name, time.time(), trio.current_time())
        names += finish(captures, "capture_*.jpg", range(12, 14))
        await until("three are hot again", lambda: hot(captures) == names[-3:])
        await until("it is known", lambda: served.metric("hotcold_hot_files", "captures") == 3)
        assert served.metric("hotcold_rescans_total", "captures", reason="overflow") == 1
        assert hot(captures) == names[-3:], "neither more nor fewer"
        assert served.metric("hotcold_archived_files_total", "captures") == len(names) - 3
