"""`hotcold migrate` on a host that records: an old-style ffmpeg goes on, runs are killed, a reactor works beside it.

`HOTCOLD_MIGRATE=1000000 pytest tests/live/test_migrate.py -k tree` has a million files (some minutes, 6 GB of memory).
"""

import contextlib
import fcntl
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import inotify_simple
import pytest
from inotify_simple import flags

from hotcold_inotify import playlist
from tests.conftest import do_without
from tests.disk.conftest import MEMORY
from tests.live.started import Start, end, eventually, mid_hour, put
from tests.live.test_commands import hotcold
from tests.machine import CLONE, Lack

FILES = int(os.environ.get("HOTCOLD_MIGRATE", "2000"))
LONG = FILES > 100_000
KILLS = 20 if LONG else 3
SEED = 11
FIRST = 900_000_000
"""The number with which the writer that goes on begins."""


@pytest.fixture
def ground() -> Iterator[Path]:
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        do_without(Lack(f"needs {MEMORY}"))
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)


def old_tree(device: Path, ffmpeg: str) -> None:
    script = CLONE / "benchmarks" / "migration" / "oldtree.py"
    command = [sys.executable, script, device, "--files", str(FILES), "--ffmpeg", ffmpeg]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)


def inventory(device: Path) -> dict[str, tuple[int, int]]:
    """Size (bytes) and mtime (ns) of each recorded file by its name; each name is there once."""
    found: dict[str, tuple[int, int]] = {}
    for top, _, names in os.walk(device):
        for name in names:
            if name.endswith((".ts", ".jpg", ".json")):
                there = os.stat(f"{top}/{name}")
                assert name not in found
                found[name] = there.st_size, there.st_mtime_ns
    return found


def paths(device: Path) -> set[str]:
    return {os.path.relpath(f"{top}/{name}", device) for top, _, names in os.walk(device) for name in names}


def old_command(ffmpeg: str, device: Path) -> list[str]:
    """An ffmpeg as old hosts run it: everything in two folders, no name that is renamed when a file is finished."""
    command = [ffmpeg, "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10"]
    command += ["-c:v", "mpeg2video", "-g", "10", "-f", "hls", "-hls_time", "1", "-hls_list_size", "6"]
    command += ["-start_number", str(FIRST), "-hls_segment_filename", f"{device}/segment_%09d.ts"]
    command += [f"{device}/output.m3u8"]
    for rate, suffix in (("2", ""), ("5", "_thumbnail")):
        command += ["-r", rate, "-f", "image2", "-start_number", str(FIRST)]
        command += [f"{device}/captures/capture_%09d{suffix}.jpg"]
    return command


@contextmanager
def old_writer(ffmpeg: str, device: Path) -> Iterator[subprocess.Popen[bytes]]:
    """That ffmpeg at work; on the way out it is killed."""
    process = subprocess.Popen(old_command(ffmpeg, device))
    try:
        eventually("the old writer's list", (device / "output.m3u8").exists)
        yield process
        assert process.poll() is None
    finally:
        end(process)


@contextmanager
def player(device: Path) -> Iterator[list[str]]:
    """Asks for each segment that the old live playlist lists, again and again; what was not there."""
    missing: list[str] = []
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(0.02):
            try:
                listed = playlist.parse((device / "output.m3u8").read_text("utf-8")).entries
            except playlist.PlaylistError:
                continue  # it is being written
            missing.extend(entry.uri for entry in listed if not (device / entry.uri).exists())

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield missing
    finally:
        stop.set()
        thread.join()


def hour_lists(device: Path) -> Iterator[tuple[Path, playlist.Playlist]]:
    for path in sorted((device / "segments").glob("*/archive.m3u8")):
        yield path, playlist.parse(path.read_text("utf-8"))


def lists_are_true(device: Path) -> int:
    """How many hours are listed, each with its segments and no others."""
    found = list(hour_lists(device))
    for path, made in found:
        assert sorted(entry.uri for entry in made.entries) == sorted(
            name for name in os.listdir(path.parent) if name.endswith(".ts")
        )
    assert {path.parent for path, _ in found} == {path.parent for path in (device / "segments").glob("*/*.ts")}
    return len(found)


def said(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)["devices"]["capture1"]
    return found


@pytest.mark.needs("ffprobe")
@pytest.mark.timeout(60 + FILES // 500)
def test_a_tree_of_thirty_hours_while_its_ffmpeg_goes_on(ground: Path, ffmpeg_exe: str) -> None:
    device = ground / "capture1"
    old_tree(device, ffmpeg_exe)
    before = inventory(device)
    with old_writer(ffmpeg_exe, device) as writer, player(device) as missing:
        would = said(hotcold("migrate", ground, "--dry-run", "--json"))
        assert {path.name for path in device.iterdir() if path.is_dir()} == {"captures"}
        began = time.monotonic()
        found = said(hotcold("migrate", ground, "--json"))
        took = time.monotonic() - began
        assert writer.poll() is None
        # However quick that was, some were written in the meantime; they are too young to move.
        eventually("its third segment", (device / f"segment_{FIRST + 2:09}.ts").exists)
    done = found["done"]
    print(f"{FILES} files: {took:.1f} s, {done}")  # noqa: T201 - the figures, with -s
    assert missing == []
    assert (done["failed"], done["collided"]) == (0, 0)
    assert would["moves"] <= done["hot"] + done["slots"] <= found["moves"]
    after = inventory(device)
    assert {name: after[name] for name in before} == before
    # All that ffmpeg has written meanwhile is there too, number by number.
    for prefix, suffix in (("segment_", ".ts"), ("capture_", ".jpg"), ("capture_", "_thumbnail.jpg")):
        numbers = [
            int(number)
            for name in after.keys() - before.keys()
            if name.startswith(prefix) and name.endswith(suffix)
            if (number := name.removeprefix(prefix).removesuffix(suffix)).isdigit()
        ]
        assert sorted(numbers) == list(range(FIRST, FIRST + len(numbers)))
        assert len(numbers) > 2
    assert lists_are_true(device) == len({*(time.localtime(at / 1e9).tm_hour for at in hours_of(device))}) > 20
    # Of one that is not ended ffprobe would wait for more.
    over = [(path, made) for path, made in hour_lists(device) if made.ended]
    assert len(over) > 20
    for path, made in over[:: 11 if LONG else 8]:
        assert {entry.duration for entry in made.entries} == {1.0}
        assert packets(path) == 10 * len(made.entries)


def hours_of(device: Path) -> list[int]:
    """The mtimes (ns) of the archived segments."""
    return [path.stat().st_mtime_ns for path in (device / "segments").glob("*/*.ts")]


def packets(path: Path) -> int:
    """How many pictures a player gets from a playlist."""
    command = ["ffprobe", "-v", "quiet", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
    return int(subprocess.run([*command, path], check=True, capture_output=True).stdout.split()[0].strip(b","))


@pytest.mark.timeout(60 + FILES // 300)
def test_i7_a_tree_whose_migration_is_killed_again_and_again(
    ground: Path, ffmpeg_exe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = ground / "capture1"
    old_tree(device, ffmpeg_exe)
    monkeypatch.setenv("PATH", "/nonexistent")  # no ffprobe: another test looks at durations
    before, old = inventory(device), paths(device)
    draw = random.Random(SEED)
    kills = halfway = 0
    while kills < KILLS:
        if killed_on_the_way(ground, device / "captures", draw.uniform(0, FILES / 500_000)):
            kills += 1
            left = len(list(device.glob("*.ts"))) + len(os.listdir(device / "captures"))
            halfway += 24 + 1 < left < len(old)
        else:
            hotcold("migrate", ground, "--undo")  # it was too quick: again from the beginning
        if kills % 5 == 0 or not LONG:
            assert inventory(device) == before, f"seed {SEED}, kill {kills}"
    assert halfway == KILLS
    done = said(hotcold("migrate", ground, "--json"))["done"]
    assert done["failed"] == 0
    assert inventory(device) == before
    assert said(hotcold("migrate", ground, "--json"))["moves"] == 0
    assert lists_are_true(device) > 20
    back = [
        killed_on_the_way(ground, device / "captures", draw.uniform(0, FILES / 500_000), "--undo") for _ in range(2)
    ]
    assert any(back)
    hotcold("migrate", ground, "--undo")
    assert inventory(device) == before
    assert paths(device) == old


def killed_on_the_way(ground: Path, folder: Path, after: float, *words: str) -> bool:
    """Run `hotcold migrate` and kill it so many seconds after the first file left the folder or came back; whether that
    was before it ended.
    """
    with inotify_simple.INotify() as notify:
        notify.add_watch(folder, flags.MOVED_FROM | flags.MOVED_TO)
        command = [sys.executable, "-m", "hotcold_inotify", "migrate", str(ground), *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not notify.read(timeout=20) and process.poll() is None:
                pass
            time.sleep(after)  # where it is killed is drawn
        finally:
            end(process)
    return process.returncode == -signal.SIGKILL


def test_beside_a_reactor_and_a_new_writer_nothing_is_lost_and_hot_stays_within_its_limits(
    root: Path, start: Start
) -> None:
    device = root / "capture1"
    (device / "captures").mkdir()
    now = time.time()
    known: dict[bytes, str] = {}
    for number in range(300):
        # The numbers that the new writer takes too, in the same hour.
        for folder, name in ((device, f"segment_{number}.ts"), (device / "captures", f"capture_{number}.json")):
            content = f"old {name}".encode()
            put(folder, name, content, now - 40 - (299 - number) / 2)
            known[content] = name
    running = start(mid_hour() + "[kinds.segments]\nhot_limit = 5\n[kinds.metadata]\nhot_limit = 5\n")
    stop = threading.Event()

    def write() -> None:
        for number in count():
            if stop.is_set():
                return
            for kind, name in (("segments", f"segment_{number}.ts"), ("metadata", f"capture_{number}.json")):
                content = f"new {name}".encode()
                put(device / kind, name, content)
                known[content] = name
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        eventually("the new writer's files archived", lambda: len(list(device.glob("segments/*/*.ts"))) > 20)
        done = said(hotcold("migrate", "--json", "--config", running.config))["done"]
    finally:
        stop.set()
        writer.join()
    assert (done["failed"], done["hot"]) == (0, 0)
    assert done["slots"] == 600
    assert done["collided"] > 10
    eventually(
        "hot within its limits",
        lambda: len(list(device.glob("segments/*.ts"))) == 5 == len(list(device.glob("metadata/*.json"))),
    )
    there = [path.read_bytes() for pattern in ("*.ts", "*.json") for path in device.rglob(pattern)]
    assert sorted(there) == sorted(known)
    assert not [record for record in running.said() if record["level"] == "error"]
    eventually("true playlists", lambda: not wrong(running.config))
    refused = hotcold("migrate", "--undo", "--config", running.config, code=1)
    assert f"process {running.process.pid}" in refused.stderr
    assert "stop it first" in refused.stderr
    assert running.stop() == 0
    hotcold("migrate", "--undo", "--config", running.config)
    # Of the new writer's, what is but seconds old stays.
    back = {path.read_bytes(): path.name for path in (*device.glob("*.ts"), *device.glob("captures/*.json"))}
    assert {content: name for content, name in back.items() if content.startswith(b"old")} == {
        content: name for content, name in known.items() if content.startswith(b"old")
    }


def wrong(config: Path) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-m", "hotcold_inotify", "check", "--json", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    found: list[Any] = json.loads(done.stdout)["wrong"]
    return found


@pytest.fixture
def small(tmp_path: Path) -> Path:
    device = tmp_path / "stream" / "capture1"
    (device / "captures").mkdir(parents=True)
    now = time.time()
    for number in range(50):
        put(device, f"segment_{number}.ts", b"12345", now - 1000 + number)
        put(device / "captures", f"capture_{number}_thumbnail.jpg", b"12345", now - 30 * 3_600 + number)
    put(device, "notes.txt")
    return tmp_path / "stream"


def test_the_command_says_what_it_will_do_and_has_done(small: Path) -> None:
    assert "--config" in hotcold("migrate", "--help").stdout
    plan = hotcold("migrate", "--dry-run", small).stdout
    assert re.search(r"^capture1 +segments +captures +thumbnails +metadata$", plan, re.MULTILINE)
    assert re.search(r"^  to all hours +40 +- +- +-$", plan, re.MULTILINE)
    assert re.search(r"^  to hot +10 +- +50 +-$", plan, re.MULTILINE)
    assert "capture1: unknown, and stays: 1 (notes.txt)" in plan
    assert "capture1: 100 files to move, 500 B, about" in plan
    # The last word is an estimate.
    assert hotcold("migrate", "--dry-run", "--root", small).stdout.split(", about")[0] == plan.split(", about")[0]
    found = said(hotcold("migrate", "--dry-run", "--json", small))
    assert (found["moves"], found["unknown"], found["examples"]) == (150 - 100 + 50, 1, ["notes.txt"])
    done = hotcold("migrate", small, "--device", "capture1").stdout
    assert "capture1: 60 files to hot and 40 to their hours, 500 B, in" in done
    assert len(list(small.glob("capture1/thumbnails/*.jpg"))) == 50
    assert "no such device" in hotcold("migrate", small, "--device", "capture7", code=1).stderr
    assert "cannot list the root" in hotcold("migrate", small / "gone", code=1).stderr
    assert "no device" in hotcold("migrate", small / "capture1" / "captures", code=1).stderr
    assert "--expire" in hotcold("migrate", small, "--undo", "--expire", code=2).stderr
    assert "no such option" in hotcold("migrate", small, "--nonsense", code=2).stderr.lower()
    would = said(hotcold("migrate", small, "--undo", "--dry-run", "--json"))
    assert said(hotcold("migrate", small, "--undo", "--json")) == would
    assert would["files"] == 100
    assert not (small / "capture1" / "segments").exists()


def test_i6_what_has_expired_goes_only_when_it_is_asked_for(small: Path) -> None:
    config = small.parent / "hotcold.toml"
    config.write_text(f'root = "{small}"\n[kinds.thumbnails]\nhot_limit = 5\n', "utf-8")
    assert re.search(r"expired: stays +- +- +45 +-", hotcold("migrate", "--config", config).stdout)
    assert len(list(small.rglob("*_thumbnail.jpg"))) == 50
    assert said(hotcold("migrate", "--config", config, "--expire", "--json"))["done"]["expired"] == 45
    assert len(list(small.rglob("*_thumbnail.jpg"))) == 5


@pytest.mark.needs("faketime")
def test_i6_nothing_moves_or_goes_in_a_year_that_cannot_be(small: Path) -> None:
    command = ["faketime", "1999-01-01", sys.executable, "-m", "hotcold_inotify", "migrate", "--expire", str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "set the clock first" in done.stderr
    assert not (small / "capture1" / "segments").exists()


def test_there_is_a_bar_on_a_terminal_and_one_migration_at_a_time(small: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hotcold_inotify", "migrate", str(small)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    held = os.open(small / "capture1", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another migration is at work on" in hotcold("migrate", small, code=1).stderr
    finally:
        os.close(held)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=env)
    os.close(theirs)
    read = bytearray()
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
        while piece := os.read(ours, 4096):
            read += piece
    os.close(ours)
    assert process.wait() == 0
    shown = read.decode()
    assert "capture1: looking" in shown
    assert re.search(r"capture1: moving +.*100 of 100", shown)
    assert re.search(r"capture1: hour playlists +.*24 of 24", shown)
    assert re.search(r"\d/s", shown)


def test_who_interrupts_it_hears_how_to_go_on(ground: Path, ffmpeg_exe: str) -> None:
    device = ground / "capture1"
    old_tree(device, ffmpeg_exe)
    before = inventory(device)
    with inotify_simple.INotify() as notify:
        notify.add_watch(device / "captures", flags.MOVED_FROM)
        command = [sys.executable, "-m", "hotcold_inotify", "migrate", str(ground)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert notify.read(timeout=20_000)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert "run it again, and it goes on" in told
    assert "Traceback" not in told
    assert inventory(device) == before
    shutil.rmtree(device)
