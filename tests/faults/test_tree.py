"""The tree changes under a running reactor: it follows no link, loses no file, and goes on when all is well again."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hotcold_inotify.playlist import parse
from tests.live.started import Running, Start, end, eventually, everywhere, hot, mid_hour, put

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
        refused = partial(running.metric, "hotcold_move_errors_total", device=name, kind="captures")
        eventually(f"{change}: counted", lambda refused=refused: refused() > 0)  # type: ignore[misc]
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

    for number in range(8):
        put(folder, f"segment_{number}.ts")
    eventually("five listed", lambda: true(folder) and len(hot(folder)) == 3)
    shutil.rmtree(next(folder.glob("[0-9]*/*.ts")).parent)
    for number in range(8, 16):
        put(folder, f"segment_{number}.ts")
    eventually("eight listed", lambda: true(folder) and len(everywhere(folder, "*.ts")) == 11)
    assert running.stop() == 0


def true(folder: Path) -> bool:
    """Whether the playlists list what is in the hours."""
    there = sorted(path.name for path in folder.glob("[0-9]*/*.ts") if path.stat().st_size)
    playlists = list(folder.glob("[0-9]*/archive.m3u8"))
    return there == sorted(entry.uri for path in playlists for entry in parse(path.read_text("ascii")).entries)


def test_i8_the_devices_folder_is_renamed_and_another_takes_its_name(root: Path, start: Start) -> None:
    running = start(mid_hour() + LIMIT)
    device, away = root / "capture1", root / "elsewhere"
    before = captures(device, 0)
    eventually("archived", lambda: settled(device, before))
    device.rename(away)
    late = captures(away, 100)  # its encoder has the folder open still
    device.mkdir()
    eventually("the new one is served", (device / "captures" / "23").is_dir)
    after = captures(device, 200)
    eventually("within its limit", lambda: settled(device, after))
    time.sleep(SWEPT)
    assert Counter(everywhere(away / "captures", "*.jpg")) == Counter(before | late)
    assert settled(device, after)
    # A pass of the rotation may meet the moment without a folder.
    assert errors(running, "capture1") <= {"ENOENT"}
    assert running.stop() == 0


def test_i4_somebody_removes_an_hour_again_and_again_while_it_is_filled(root: Path, start: Start) -> None:
    (root / "capture2").mkdir()
    running = start(mid_hour() + LIMIT)
    folder, other = root / "capture1" / "segments", root / "capture2" / "captures"
    stop, removed = threading.Event(), [0]

    def remove() -> None:
        while not stop.is_set():
            for hour in {path.parent for path in folder.glob("[0-9]*/*.ts")}:
                shutil.rmtree(hour, ignore_errors=True)
                removed[0] += not hour.exists()

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for number in range(400):
            put(folder, f"segment_{number}.ts")
            put(other, f"capture_{number}.jpg")
            time.sleep(0.002)  # a busy encoder's pace
    finally:
        stop.set()
        remover.join()
    assert removed[0] > 10
    eventually("the other device's", lambda: len(everywhere(other, "*.jpg")) == 400 and len(hot(other)) == 3)
    for number in range(400, 420):
        put(folder, f"segment_{number}.ts")
    last = {f"segment_{number}.ts" for number in range(400, 420)}
    eventually(
        "what came since",
        lambda: (
            len(hot(folder)) == 3
            and last <= set(everywhere(folder, "*.ts"))
            and max(Counter(everywhere(folder, "*.ts")).values()) == 1
            and true(folder)
        ),
    )
    assert running.stop() == 0


def test_i3_ffmpeg_deletes_what_the_reactor_wants_to_move(root: Path, start: Start, ffmpeg_exe: str) -> None:
    running = start(mid_hour() + LIMIT)
    folder = root / "capture1" / "segments"
    command = [ffmpeg_exe, "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=20"]
    command += ["-t", "5", "-c:v", "mpeg4", "-g", "2", "-f", "hls", "-hls_time", "0.1", "-hls_list_size", "2"]
    # ffmpeg deletes a segment when the third after it is there, which is when the reactor moves it.
    command += ["-hls_delete_threshold", "1", "-hls_flags", "delete_segments+temp_file"]
    command += ["-hls_segment_filename", str(folder / "segment_%09d.ts"), str(folder / "output.m3u8")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as encoder:
        try:
            running.process.send_signal(signal.SIGSTOP)  # what it hears of first is gone when it hears
            eventually("20 segments", lambda: max([0, *map(_number, folder.glob("*.ts"))]) >= 20)
            kept = len(list(folder.glob("*.ts")))
            running.process.send_signal(signal.SIGCONT)
            assert encoder.wait(30) == 0, encoder.stderr and encoder.stderr.read()
        finally:
            encoder.kill()
    assert kept < 20, "it was to delete"
    last = max(map(_number, folder.rglob("segment_*.ts")))
    assert last >= 40
    eventually("within the limit", lambda: len(list(folder.glob("*.ts"))) <= 3 and true(folder))
    assert max(Counter(everywhere(folder, "*.ts")).values()) == 1
    assert running.metric("hotcold_move_errors_total") == 0
    assert errors(running, "capture1") == set()
    # Nobody deletes any more: all that comes stays.
    for number in range(last + 1, last + 6):
        put(folder, f"segment_{number:09}.ts")
    new = {f"segment_{number:09}.ts" for number in range(last + 1, last + 6)}
    eventually("all there", lambda: new <= set(everywhere(folder, "*.ts")) and len(hot(folder)) <= 4)
    eventually("listed", lambda: true(folder))
    assert running.stop() == 0


def _number(path: Path) -> int:
    return int(path.stem.split("_")[1])


def test_a_second_reactor_on_a_root_is_refused_and_named_the_first(root: Path, start: Start) -> None:
    running = start(mid_hour() + LIMIT)
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(running.config), "run"]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == 1
    assert f"is run by another reactor, process {running.process.pid} " in second.stderr
    names = captures(root / "capture1", 0)
    eventually("the first goes on", lambda: settled(root / "capture1", names))
    assert running.stop() == 0


@pytest.fixture
def behind(root: Path, tmp_path: Path, lab_folder: Path) -> Iterator[Path]:
    """The folder behind a FUSE mount, which is the hot folder."""
    backing, front = tmp_path / "behind", root / "capture1" / "captures"
    backing.mkdir()
    front.mkdir()
    command = (sys.executable, lab_folder / "fuse-faults.py", backing, front, tmp_path / "faults")
    process = subprocess.Popen(command)
    try:
        eventually("the mount", lambda: os.path.ismount(front))
        yield backing
    finally:
        subprocess.run(["umount", "--lazy", front], check=False, capture_output=True)
        end(process)


@pytest.mark.needs("mounts", "fuse", "lab", "fusermount3")
def test_i3_what_is_written_behind_a_fuse_mount_raises_no_event_and_is_archived_by_the_sweep(
    root: Path, start: Start, behind: Path
) -> None:
    running = start(mid_hour() + LIMIT)
    device = root / "capture1"
    sweeps = {"device": "capture1", "kind": "captures", "reason": "sweep"}
    here = captures(device, 0)
    eventually("what is written here", lambda: settled(device, here))
    assert running.metric("hotcold_rescans_total", **sweeps) == 0
    for number in range(100, 105):
        put(behind, f"capture_{number}.jpg")
        here.add(f"capture_{number}.jpg")
    eventually("what is written there", lambda: settled(device, here), 10)
    assert running.metric("hotcold_rescans_total", **sweeps) > 0, "by the sweep"
    told = [said for said in running.said() if "raises no event" in str(said["event"])]
    assert [(said["kind"], str(said["file_system"]).partition(".")[0]) for said in told] == [("captures", "fuse")]
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
