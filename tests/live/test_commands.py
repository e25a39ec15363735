"""The other commands: init, status, rotate, config, and what all of them share."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.live.started import Start, eventually, fill, put


def hotcold(*words: str | Path, code: int = 0, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hotcold_inotify", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_init_makes_every_folder_and_changes_nothing_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "capture1" / "segments" / "7").mkdir(parents=True)
    (tmp_path / "capture1" / "segments" / "7" / "segment_1.ts").write_bytes(b"x")
    hotcold("init", "capture1", tmp_path / "far" / "cam", "--root", tmp_path)
    for device in (tmp_path / "capture1", tmp_path / "far" / "cam"):
        for kind in ("segments", "captures", "thumbnails", "metadata"):
            assert {entry.name for entry in (device / kind).iterdir()} == {str(hour) for hour in range(24)}
    assert (tmp_path / "capture1" / "segments" / "7" / "segment_1.ts").read_bytes() == b"x"
    assert "capture1" in hotcold("--root", tmp_path, "init").stdout
    assert "../up" in hotcold("init", "../up", "--root", tmp_path, code=2).stderr


def test_status_says_what_the_folders_say(root: Path, start: Start) -> None:
    running = start("[kinds.captures]\nhot_limit = 2\n")
    folder = root / "capture1" / "captures"
    fill(folder, "capture_*.jpg", 5)
    eventually("three archived", lambda: len(list(folder.glob("*/*.jpg"))) == 3)
    found = json.loads(hotcold("status", "--json", "--config", running.config).stdout)
    assert found["reactor"] == running.process.pid
    status = found["devices"]["capture1"]["captures"]
    assert (status["hot"], status["limit"]) == (2, 2)
    assert status["live_slot"] == time.localtime().tm_hour
    assert list(status["slots"]) == [str(status["live_slot"])]
    assert "capture1" in hotcold("status", "--config", running.config).stdout
    running.stop()
    put(folder, "capture_9.jpg")
    over = hotcold("status", "--json", "--config", running.config, code=1)
    assert json.loads(over.stdout)["reactor"] is None
    assert "3 hot files, the limit is 2" in over.stderr


def test_status_beside_a_busy_reactor_finds_nothing_wrong(root: Path, start: Start) -> None:
    running = start("[kinds.captures]\nhot_limit = 2\n")
    folder = root / "capture1" / "captures"
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            put(folder, f"capture_{number}.jpg")
            # Some 500 files a second. Flat out, a machine of two cores may be behind at each of the command's looks.
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            found = json.loads(hotcold("status", "--json", "--config", running.config).stdout)
            assert found["devices"]["capture1"]["captures"]["error"] is None
    finally:
        stop.set()
        writer.join()


def test_any_name_can_be_shown(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/capture\xff")
    (tmp_path / "capture[bold]2").mkdir()
    for command in ("init", "status", "rotate"):
        said = hotcold(command, "--root", tmp_path).stdout
        assert r"capture\udcff" in said
        assert "capture[bold]2" in said
    assert "capture\udcff" in json.loads(hotcold("status", "--json", "--root", tmp_path).stdout)["devices"]


def test_rotate_takes_what_has_expired_and_a_dry_run_nothing(tmp_path: Path) -> None:
    hotcold("init", "capture1", "--root", tmp_path)
    now = time.time()
    old, young = now - 30 * 3_600, now - 600
    thumbnails, captures = tmp_path / "capture1" / "thumbnails", tmp_path / "capture1" / "captures"
    put(thumbnails / str(time.localtime(old).tm_hour), "capture_1_thumbnail.jpg", b"12345", old)
    put(captures / str(time.localtime(now - 4_000).tm_hour), "capture_1.jpg", b"123", now - 4_000)
    put(captures / str(time.localtime(young).tm_hour), "capture_2.jpg", b"123", young)
    said = hotcold("rotate", "--dry-run", "--root", tmp_path).stdout
    assert "retire" in said
    assert "capture1/thumbnails" in said
    plans = json.loads(hotcold("rotate", "--dry-run", "--json", "--root", tmp_path).stdout)
    assert plans["capture1"]["thumbnails"]["retire"][0]["files"] == 1
    assert len(list(tmp_path.rglob("*.jpg"))) == 3
    done = json.loads(hotcold("rotate", "--json", "--root", tmp_path).stdout)
    assert done["capture1"]["thumbnails"] == {"files": 1, "bytes": 5, "put_back": []}
    assert [path.name for path in tmp_path.rglob("*.jpg")] == ["capture_2.jpg"]
    assert not list(tmp_path.rglob(".retired"))
    assert "nothing has expired" in hotcold("rotate", "--dry-run", "--root", tmp_path).stdout


@pytest.mark.needs("faketime")
def test_i6_rotate_deletes_nothing_in_a_year_that_cannot_be(tmp_path: Path) -> None:
    hotcold("init", "capture1", "--root", tmp_path)
    put(tmp_path / "capture1" / "captures" / "3", "capture_1.jpg", b"x", time.time() - 30 * 3_600)
    command = [
        "faketime",
        "2099-01-01 12:00:00",
        sys.executable,
        "-m",
        "hotcold_inotify",
        "rotate",
        "--root",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "2099" in done.stderr
    assert list(tmp_path.rglob("capture_1.jpg"))


def test_config_prints_what_counts_and_reads_it_again(tmp_path: Path) -> None:
    first = tmp_path / "first.toml"
    first.write_text('root = "/srv/video"\n[kinds.captures]\nhot_limit = 50\n', "utf-8")
    printed = hotcold("config", "--config", first).stdout
    second = tmp_path / "second.toml"
    second.write_text(printed, "utf-8")
    assert hotcold("config", env={"HOTCOLD_CONFIG": str(second)}).stdout == printed
    found = json.loads(hotcold("--config", first, "config", "--json", "--root", tmp_path).stdout)
    assert found["root"] == str(tmp_path)
    assert found["kinds"]["captures"] == {
        "pattern": "capture_*.jpg",
        "hot_limit": 50,
        "retention": "1h",
        "playlist": False,
    }
    assert "no such file" in hotcold("config", "--config", tmp_path / "none.toml", code=2).stderr
    assert "HOTCOLD_CONFIG" in hotcold("config", code=2, env={"HOTCOLD_CONFIG": "/no/such.toml"}).stderr


@pytest.mark.parametrize("command", ["run", "demo", "init", "status", "rotate", "config"])
def test_each_command_has_help(command: str) -> None:
    assert "--config" in hotcold(command, "--help").stdout
    assert "no such option" in hotcold(command, "--nonsense", code=2).stderr.lower()
