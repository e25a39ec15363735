"""The tree changes under a running reactor: it follows no link, loses no file, and goes on when all is well again."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotcold_inotify.playlist import parse
from tests.live.started import Running, Start, eventually, everywhere, hot, mid_hour, put

LIMIT = "[kinds.captures]\nhot_limit = 3\n[kinds.segments]\nhot_limit = 3\n"
CHANGES = ("deleted", "renamed", "linked", "hour-linked", "hour-a-file", "hour-deleted")
# Longer than from one sweep to the next.
SWEPT = 2.5


def captures(device: Path, first: int) -> set[str]:
    names = [f"capture_{first + number}.jpg" for number in range(5)]
    for name in names:
        put(device / "captures", name)
    return set(names)


def settled(device: Path, names: set[str]) -> bool:
    """Each is there once, and three are hot."""
    return Counter(everywhere(device / "captures", "*.jpg")) == Counter(names) and len(hot(device / "captures")) <= 3


def hour_of(device: Path) -> Path:
    return next((device / "captures").glob("[0-9]*/*.jpg")).parent


def errors(running: Running, device: str) -> set[object]:
    return {said.get("errno") for said in running.said() if said.get("device") == device and said["level"] == "error"}


def test_i8_folders_are_taken_away_and_replaced(root: Path, start: Start, tmp_path: Path) -> None:
    devices = {change: root / f"capture-{change}" for change in CHANGES}
    for device in devices.values():
        device.mkdir()
    elsewhere = {change: tmp_path / f"elsewhere-{change}" for change in ("linked", "hour-linked")}
    for folder in elsewhere.values():
        folder.mkdir()
        for number in range(5):
            (folder / f"capture_{number}.jpg").write_bytes(b"somebody else's")
    running = start(mid_hour() + LIMIT)
    names = {change: captures(device, 0) for change, device in devices.items()}
    for change, device in devices.items():
        eventually(f"{change}: archived", lambda device=device, change=change: settled(device, names[change]))  # type: ignore[misc]
    hours = {change: hour_of(devices[change]) for change in ("hour-linked", "hour-a-file", "hour-deleted")}

    # The reactor may make hour folders meanwhile.
    shutil.rmtree(devices["deleted"] / "captures", ignore_errors=True)
    (devices["renamed"] / "captures").rename(devices["renamed"] / "captures.old")
    (devices["linked"] / "captures").rename(devices["linked"] / "captures.old")
    (devices["linked"] / "captures").symlink_to(elsewhere["linked"])
    for change, hour in hours.items():
        if change == "hour-deleted":
            names[change] -= {path.name for path in hour.glob("*.jpg")}
            shutil.rmtree(hour)
        else:
            hour.rename(devices[change] / "hour.old")
    hours["hour-linked"].symlink_to(elsewhere["hour-linked"])
    hours["hour-a-file"].write_bytes(b"a file")

    # Who writes into an hour that is gone is not delayed, nor is anybody else.
    names["hour-deleted"] |= captures(devices["hour-deleted"], 100)
    eventually("the hour is made anew", lambda: settled(devices["hour-deleted"], names["hour-deleted"]))
    for number in range(5):
        put(root / "capture1" / "captures", f"capture_{number}.jpg")
    eventually("capture1", lambda: len(hot(root / "capture1" / "captures")) == 3)
    for change in ("deleted", "renamed"):
        folder = devices[change] / "captures"
        eventually(f"{change}: made anew", (folder / "23").is_dir)
        names[change] = captures(devices[change], 100)
        eventually(f"{change}: served", lambda change=change: settled(devices[change], names[change]))  # type: ignore[misc]
    assert len(everywhere(devices["renamed"] / "captures.old", "*.jpg")) == 5
    time.sleep(SWEPT)  # until then the hour that is held open may be the one that was renamed
    for change in ("hour-linked", "hour-a-file"):
        names[change] = {*hot(devices[change] / "captures")} | captures(devices[change], 100)
        name = devices[change].name
        eventually(f"{change}: said", lambda name=name: bool(errors(running, name) & {"ELOOP", "ENOTDIR"}))  # type: ignore[misc]
        assert running.metric("hotcold_move_errors_total", device=name, kind="captures") > 0
        hours[change].unlink()
        eventually(f"{change}: mended", lambda change=change: settled(devices[change], names[change]))  # type: ignore[misc]
    eventually("linked: said", lambda: bool(errors(running, "capture-linked") & {"ELOOP", "ENOTDIR"}))
    (devices["linked"] / "captures").unlink()
    eventually("linked: made anew", (devices["linked"] / "captures" / "23").is_dir)
    names["linked"] = captures(devices["linked"], 100)
    eventually("linked: served", lambda: settled(devices["linked"], names["linked"]))
    for folder in elsewhere.values():
        assert sorted(path.name for path in folder.iterdir()) == [f"capture_{number}.jpg" for number in range(5)]
    assert running.stop() == 0


def test_i4_the_hour_that_somebody_removed_has_a_true_playlist_again(root: Path, start: Start) -> None:
    running = start(mid_hour() + LIMIT)
    folder = root / "capture1" / "segments"

    def true() -> bool:
        there = sorted(path.name for path in folder.glob("[0-9]*/*.ts"))
        playlists = list(folder.glob("[0-9]*/archive.m3u8"))
        return bool(there) and there == sorted(
            entry.uri for path in playlists for entry in parse(path.read_text("ascii")).entries
        )

    for number in range(8):
        put(folder, f"segment_{number}.ts")
    eventually("five listed", lambda: true() and len(hot(folder)) == 3)
    shutil.rmtree(next(folder.glob("[0-9]*/*.ts")).parent)
    for number in range(8, 16):
        put(folder, f"segment_{number}.ts")
    eventually("eight listed", lambda: true() and len(everywhere(folder, "*.ts")) == 11)
    assert running.stop() == 0


@pytest.fixture
def mounted(root: Path) -> Iterator[Path]:
    """A hot folder that is a file system of its own."""
    folder = root / "capture1" / "captures"
    folder.mkdir()
    mount("-t", "tmpfs", "tmpfs", str(folder))
    yield folder
    while subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True).returncode == 0:
        pass


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


@pytest.mark.needs("mounts")
def test_i8_a_file_system_turns_read_only_and_one_is_mounted_over_it(root: Path, start: Start, mounted: Path) -> None:
    (root / "capture2").mkdir()
    running = start(mid_hour() + LIMIT)
    device = mounted.parent
    running.process.send_signal(signal.SIGSTOP)
    names = captures(device, 0)
    mount("-o", "remount,ro", str(mounted))
    running.process.send_signal(signal.SIGCONT)
    eventually("said", lambda: running.metric("hotcold_move_errors_total", device="capture1", errno="EROFS") > 0)
    captures(root / "capture2", 0)
    eventually("capture2", lambda: len(hot(root / "capture2" / "captures")) == 3)
    mount("-o", "remount,rw", str(mounted))
    eventually("moves go on", lambda: settled(device, names), 5)

    mount("-t", "tmpfs", "tmpfs", str(mounted))
    eventually("the other one is served", (mounted / "23").is_dir)
    others = captures(device, 100)
    eventually("it is within its limit", lambda: settled(device, others))
    subprocess.run(["umount", "--lazy", mounted], check=True)
    names |= captures(device, 200)
    eventually("the first is served again", lambda: settled(device, names))
    assert running.stop() == 0
