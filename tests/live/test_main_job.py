"""`hotcold run` as an operator meets it: a child process, real folders, real inotify."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hotcold_inotify import playlist
from tests.live.started import Start, eventually, everywhere, fill, hot, mid_hour, put

LIMITS = """
[kinds.segments]
hot_limit = 3
[kinds.captures]
hot_limit = 5
"""


def test_i1_i3_a_backlog_and_then_each_file_leaves_at_once(root: Path, start: Start) -> None:
    folder = root / "capture1" / "captures"
    folder.mkdir()
    now = time.time()
    for number in range(40):
        put(folder, f"capture_{number}.jpg", str(number).encode(), now - 60 + number)
    running = start(LIMITS)
    eventually("the backlog to leave", lambda: len(hot(folder)) == 5)
    assert hot(folder) == [f"capture_{number}.jpg" for number in range(35, 40)]
    for number in range(40, 90):
        put(folder, f"capture_{number}.jpg", str(number).encode())
    eventually("the rest to leave", lambda: hot(folder) == [f"capture_{number}.jpg" for number in range(85, 90)])
    found = {path.name: path.read_bytes() for path in folder.rglob("capture_*.jpg")}
    assert found == {f"capture_{number}.jpg": str(number).encode() for number in range(90)}
    assert running.metric("hotcold_hot_files", device="capture1", kind="captures") == 5
    assert running.metric("hotcold_hot_limit", device="capture1", kind="captures") == 5
    assert running.metric("hotcold_archived_files_total", device="capture1", kind="captures") == 85
    assert running.stop() == 0
    assert not [line for line in running.said() if "capture_" in str(line.get("file", ""))], (
        "nothing is logged per file"
    )


def test_i2_a_taken_name_gets_a_revision(root: Path, start: Start) -> None:
    folder = root / "capture1" / "segments"
    running = start(LIMITS)
    for data in (b"first", b"second", b"third"):
        for number in range(8):
            put(folder, f"segment_{number:09d}.ts", data + str(number).encode())
            eventually("three hot", lambda: len(hot(folder)) <= 3)
    contents = sorted(path.read_bytes() for path in folder.rglob("segment_*.ts"))
    assert contents == sorted(
        data + str(number).encode() for data in (b"first", b"second", b"third") for number in range(8)
    )
    assert running.metric("hotcold_name_collisions_total", device="capture1", kind="segments") >= 8
    assert list(folder.glob("*/segment_000000000_r2.ts"))


def test_i5_the_hour_is_the_files_own_and_a_slot_is_emptied_first(root: Path, start: Start) -> None:
    folder = root / "capture1" / "thumbnails"
    folder.mkdir()
    (slot := folder / time.strftime("%H", time.localtime()).lstrip("0").rjust(1, "0")).mkdir()
    yesterday = time.time() - 86_400
    put(slot, "capture_1_thumbnail.jpg", b"yesterday", yesterday)
    start("[kinds.thumbnails]\nhot_limit = 1\n")
    put(folder, "capture_2_thumbnail.jpg", b"today")
    put(folder, "capture_3_thumbnail.jpg", b"hot")
    eventually("today's file in its hour", (slot / "capture_2_thumbnail.jpg").exists)
    assert [path.name for path in slot.iterdir()] == ["capture_2_thumbnail.jpg"]
    eventually("yesterday's to be deleted", lambda: not everywhere(folder, "capture_1_*"))


def test_what_is_no_file_of_the_kind_stays_and_is_counted(root: Path, start: Start) -> None:
    folder = root / "capture1" / "segments"
    running = start("[kinds.segments]\nhot_limit = 1\n")
    (folder / "segment_bad.ts").write_bytes(b"x")
    (folder / "segment_1\n.ts").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(folder) + b"/segment_\xff.ts")).write_bytes(b"x")
    (folder / "segment_000000001.ts").symlink_to("/etc/passwd")
    os.mkfifo(folder / "segment_000000002.ts")
    (folder / "segment_000000003.ts").mkdir()
    for number in range(10, 14):
        put(folder, f"segment_{number:09d}.ts")
    before = {entry.name for entry in os.scandir(folder)}
    eventually("six to be counted", lambda: running.metric("hotcold_unmanaged_files", kind="segments") == 6)
    eventually("the newest alone to be hot", lambda: "segment_000000012.ts" not in os.listdir(folder))
    assert {name for name in before if "bad" in name or "\n" in name or "\udcff" in name or "00000000" in name} <= set(
        os.listdir(folder)
    ) | {f"segment_{number:09d}.ts" for number in range(10, 13)}
    assert (folder / "segment_000000001.ts").is_symlink()


def test_devices_come_and_go_without_disturbing_the_others(root: Path, start: Start) -> None:
    running = start(LIMITS)
    steady = root / "capture1" / "captures"

    def serves(name: str) -> bool:
        folder = root / name / "captures"
        if not (folder / "23").is_dir():
            return False
        number = time.monotonic_ns()
        for offset in range(6):
            put(folder, f"capture_{number + offset}.jpg")
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if len(hot(folder)) <= 5:
                return True
            time.sleep(0.01)
        return False

    (root / "capture2").mkdir()
    eventually("a new device", lambda: serves("capture2"))
    (root / "capture2").rename(root / "capture3")
    eventually("the renamed device", lambda: serves("capture3"))
    eventually("its old name to leave", lambda: 'device="capture2"' not in running.get("/metrics"))
    (root / "capture3").rename(root / "gone")
    shutil.rmtree(root / "gone")
    eventually("the deleted device to leave", lambda: running.metric("hotcold_devices") == 1)
    (root / "capture3").mkdir()
    eventually("it to come back", lambda: serves("capture3"))
    (root / "capture3" / "captures").rename(root / "gone")
    shutil.rmtree(root / "gone")
    eventually("a deleted hot folder to be made anew", lambda: serves("capture3"))
    (root / "capture3" / "captures").rename(root / "elsewhere")
    eventually("a hot folder that was moved away to be made anew", lambda: serves("capture3"))
    assert serves("capture1")
    assert running.metric("hotcold_rescans_total", device="capture1", kind="captures", reason="identity") == 0
    assert len(hot(steady)) == 5


def test_active_captures_is_followed_as_it_changes(tmp_path: Path, start: Start) -> None:
    one, other = tmp_path / "far" / "cam1", tmp_path / "far" / "cam2"
    one.mkdir(parents=True)
    other.mkdir()
    listed = tmp_path / "active_captures.conf"
    running = start(f'active_captures = "{listed}"\n')

    def devices(*names: str) -> bool:
        return all(f'device="{name}"' in running.get("/metrics") for name in names) and running.metric(
            "hotcold_devices"
        ) == 1 + len(names)

    listed.write_text(f"{one}\n", "utf-8")
    eventually("the first form", lambda: devices("cam1"))
    (tmp_path / "new").write_text(f"{one},123,hd\n{other},124,sd\n", "utf-8")
    (tmp_path / "new").rename(listed)
    eventually("the second form", lambda: devices("cam1", "cam2"))
    listed.write_text(f"{other},124,sd\n", "utf-8")
    eventually("the one that left", lambda: devices("cam2"))
    listed.unlink()
    eventually("no list", lambda: running.metric("hotcold_devices") == 1)


def test_a_second_reactor_says_who_holds_the_root(start: Start) -> None:
    first = start()
    second = start(wait=False)
    assert second.process.wait(20) == 1
    assert f"process {first.process.pid}" in second.log.read_text("utf-8")
    assert first.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_a_second_under_load(root: Path, start: Start, number: signal.Signals) -> None:
    running = start(LIMITS)
    folder = root / "capture1" / "captures"
    stop = threading.Event()

    def write() -> None:
        for count in range(10**9):
            if stop.is_set():
                return
            put(folder, f"capture_{count}.jpg")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually("some to leave", lambda: running.metric("hotcold_archived_files_total", kind="captures") > 500)
        began = time.monotonic()
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
        took = time.monotonic() - began
    finally:
        stop.set()
        writer.join()
    print(f"ended {took:.2f} s after {number.name}")  # noqa: T201  a figure to report
    assert took < 5, "ten times the promise: more than a busy machine explains"


def test_sighup_takes_a_good_configuration_and_refuses_a_bad_one(root: Path, start: Start) -> None:
    running = start(LIMITS)
    folder = root / "capture1" / "captures"
    fill(folder, "capture_*.jpg", 20)
    eventually("five hot", lambda: len(hot(folder)) == 5)
    good = running.config.read_text("utf-8")
    running.config.write_text(good.replace("hot_limit = 5", "hot_limit = 0"), "utf-8")
    running.process.send_signal(signal.SIGHUP)
    eventually("the refusal", lambda: "kinds.captures.hot_limit" in running.log.read_text("utf-8"))
    put(folder, "capture_20.jpg")
    eventually("five hot still", lambda: len(hot(folder)) == 5 and "capture_20.jpg" in hot(folder))
    running.config.write_text(good.replace("hot_limit = 5", "hot_limit = 2"), "utf-8")
    running.process.send_signal(signal.SIGHUP)
    eventually("two hot", lambda: len(hot(folder)) == 2)
    assert running.stop() == 0


def test_every_metric_of_the_contract_is_there(start: Start) -> None:
    running = start(LIMITS)
    text = running.get("/metrics")
    for name in [
        "hot_files",
        "hot_limit",
        "archived_files_total",
        "archived_bytes_total",
        "move_latency_seconds_bucket",
        "name_collisions_total",
        "expired_files_total",
        "expired_bytes_total",
        "last_file_timestamp_seconds",
        "rescans_total",
        "unmanaged_files",
        "playlist_entries_total",
        "playlist_discontinuities_total",
    ]:
        assert re.search(rf'^hotcold_{name}\{{[^}}]*device="capture1"[^}}]*kind="segments"', text, re.MULTILINE), name
    for name in ("devices", "disk_free_bytes", "build_info"):
        assert re.search(rf"^hotcold_{name}[ {{]", text, re.MULTILINE), name
    for name in ("move_errors", "inotify_overflows"):  # series come with the first of their kind
        assert f"# TYPE hotcold_{name}_total counter" in text, name


@pytest.mark.needs("root")
@pytest.mark.timeout(120)
def test_i3_a_burst_that_overflows_the_queue_loses_nothing(
    root: Path, start: Start, sysctl: Callable[[str, int], None]
) -> None:
    sysctl("fs.inotify.max_queued_events", 64)
    running = start(LIMITS)
    folder = root / "capture1" / "captures"
    # The reactor sleeps meanwhile: the queue overflows for certain, whatever the machine does.
    running.process.send_signal(signal.SIGSTOP)
    fill(folder, "capture_*.jpg", 20_000)
    running.process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    eventually("the burst to settle", lambda: len(hot(folder)) == 5, 30)
    took = time.monotonic() - began
    # The fault must have fired. A sweep may have settled it before the event was read.
    eventually("an overflow", lambda: running.metric("hotcold_inotify_overflows_total", device="capture1") > 0)
    overflows = running.metric("hotcold_inotify_overflows_total", device="capture1")
    print(f"settled {took:.2f} s after the reactor woke to 20,000 files, {overflows:.0f} overflows")  # noqa: T201  a figure
    assert len(everywhere(folder, "capture_*.jpg")) == 20_000
    assert took < 10, "ten times the promise: more than a busy machine explains"


def test_i4_i9_playlists_say_what_the_live_playlist_said(root: Path, start: Start) -> None:
    folder = root / "capture1" / "segments"
    running = start(mid_hour() + "[kinds.segments]\nhot_limit = 2\n")
    versions: list[bytes] = []
    window: list[str] = []
    began = time.time() - 30

    def listed() -> bytes:
        return b"".join(path.read_bytes() for path in folder.glob("*/archive.m3u8"))

    def was_listed(name: bytes, empty: bool) -> bool:
        return empty or name in listed()

    for number in range(12):
        restarted = number == 6
        if restarted:
            window = []
            time.sleep(0.5)  # no encoder starts sooner; the last playlist before it must have been read
        name = f"segment_{number:09d}.ts"
        at = began + number + (5 if number >= 6 else 0)
        put(folder, name, b"" if number == 3 else b"x" * 100, at + 1)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}+0000"
        window = [*window, f"#EXTINF:0.96{number:04d},\n#EXT-X-PROGRAM-DATE-TIME:{stamp}\n{name}\n"][-6:]
        head = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{number - len(window) + 1}\n"
        put(folder, "output.m3u8", (head + "".join(window)).encode())
        if number >= 2:
            gone = f"segment_{number - 2:09d}.ts".encode()
            eventually(f"{gone!r}", partial(was_listed, gone, number == 5))
            versions.append(listed())
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(versions))
    entries = playlist.parse(versions[-1].decode()).entries
    assert [entry.uri for entry in entries] == [f"segment_{number:09d}.ts" for number in range(10) if number != 3]
    assert [entry.duration for entry in entries] == [float(f"0.96{number:04d}") for number in range(10) if number != 3]
    assert [entry.uri for entry in entries if entry.discontinuity][-1] == "segment_000000006.ts"
    assert list(folder.glob("*/segment_000000003.ts")), "an empty segment is archived"
    # Killed, behind its back a segment goes and its entry with it, started again: the playlist is true.
    running.process.kill()
    running.process.wait()
    (lost,) = folder.glob("*/segment_000000004.ts")
    lost.unlink()
    start(mid_hour() + "[kinds.segments]\nhot_limit = 2\n")
    eventually(
        "the playlist to be repaired", lambda: b"segment_000000004" not in listed() and b"000000005.ts" in listed()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[kinds.captures]\nhotlimit = 3\n", "kinds.captures.hotlimit: unknown key; did you mean hot_limit?"),
        ("[kinds.captures]\nretention = '25h'\n", "kinds.captures.retention: expected a duration"),
        ("devices = 'capture*'\n", "devices: expected a list"),
        ("root = [\n", "not TOML"),
    ],
)
def test_a_bad_configuration_is_one_line_and_code_two(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(text, "utf-8")
    for command in (["--config", str(config), "run"], ["run", "--config", str(config)]):
        done = subprocess.run(
            [sys.executable, "-m", "hotcold_inotify", *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert str(config) in done.stderr
        assert said in done.stderr


def test_a_missing_root_is_said_and_code_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hotcold_inotify", "run", "--root", str(tmp_path / "no")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert str(tmp_path / "no") in done.stderr
    assert "--root" in done.stderr
