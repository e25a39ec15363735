"""`hotcold check` as an operator has it: exit codes, JSON, a terminal, and beside a reactor that works."""

import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.live.started import Start, eventually, everywhere, fill, mid_hour, put
from tests.live.test_commands import hotcold

LIMITS = "[kinds.segments]\nhot_limit = 3\n[kinds.captures]\nhot_limit = 5\n"


@contextmanager
def feeding(device: Path, *, every: float) -> Iterator[dict[str, str]]:
    """A writer of segments and captures, with ffmpeg's live playlist; what it finished, name -> content hash."""
    written: dict[str, str] = {}
    stop = threading.Event()

    def write() -> None:
        for number in count():
            if stop.is_set():
                return
            for folder, name in (("segments", f"segment_{number}.ts"), ("captures", f"capture_{number}.jpg")):
                content = f"{name} {time.time_ns()}".encode()
                put(device / folder, name, content)
                written[name] = hashlib.sha256(content).hexdigest()
            time.sleep(every)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield written
    finally:
        stop.set()
        writer.join()


def hashes(device: Path) -> dict[str, list[str]]:
    """Of each finished file, by name, every content that is there."""
    found: dict[str, list[str]] = {}
    for top, _, names in os.walk(device):
        for name in names:
            if name.endswith((".ts", ".jpg")):
                found.setdefault(name, []).append(hashlib.sha256(Path(top, name).read_bytes()).hexdigest())
    return found


def test_check_says_what_is_wrong_and_repair_mends_it(tmp_path: Path) -> None:
    said = hotcold("check", "--root", tmp_path)
    assert "no device" in said.stderr
    assert "--repair" in hotcold("check", "--help").stdout
    hotcold("init", "capture1", "--root", tmp_path)
    fine = hotcold("check", "--root", tmp_path)
    assert "fine: 0 files" in fine.stdout
    assert fine.stderr == ""
    captures = tmp_path / "capture1" / "captures"
    now = time.time()
    wrong = (time.localtime(now).tm_hour + 5) % 24
    put(captures / str(wrong), "capture_1.jpg", b"here", now - 1)
    (tmp_path / "capture1" / "thumbnails" / "7").rmdir()
    bad = hotcold("check", "--root", tmp_path, code=1)
    assert f"capture1/captures/{wrong}: files lie in the hour folder of another hour (1, capture_1.jpg)" in bad.stdout
    assert "remedy: hotcold check --repair" in bad.stdout
    document = json.loads(hotcold("check", "--json", "--root", tmp_path, code=1).stdout)
    assert (document["fine"], document["files"], document["reactor"]) == (False, 1, None)
    assert {one["what"] for one in document["wrong"]} == {"wrong_hour", "no_folder"}
    mended = json.loads(hotcold("check", "--repair", "--json", "--root", tmp_path).stdout)
    assert (mended["fine"], mended["wrong"], len(mended["repaired"])) == (True, [], 2)
    assert [path.read_bytes() for path in captures.rglob("*.jpg")] == [b"here"]
    assert json.loads(hotcold("check", "--repair", "--json", "--root", tmp_path).stdout)["repaired"] == []
    assert "fine: 1 files" in hotcold("check", "--root", tmp_path).stdout


def test_a_root_that_is_not_there_and_an_option_that_is_none(tmp_path: Path) -> None:
    assert "cannot list the root" in hotcold("check", "--root", tmp_path / "gone", code=1).stderr
    assert "no such option" in hotcold("check", "--mend", code=2).stderr.lower()
    (tmp_path / "bad.toml").write_text("root = 7\n", "utf-8")
    hotcold("check", "--config", tmp_path / "bad.toml", code=2)


def test_check_repairs_what_it_can_and_names_the_rest(tmp_path: Path) -> None:
    hotcold("init", "capture1", "--root", tmp_path)
    segments = tmp_path / "capture1" / "segments"
    segments.rename(tmp_path / "elsewhere")
    segments.symlink_to(tmp_path / "elsewhere")
    fill(tmp_path / "capture1" / "captures", "capture_*.jpg", 120)
    left = hotcold("check", "--repair", "--root", tmp_path, code=1)
    assert "mended  capture1/captures: more files are hot than the limit allows (20)" in left.stdout
    assert "wrong   capture1/segments: something else has the name of a folder" in left.stdout
    assert "1 things are wrong" in left.stderr
    assert len(everywhere(tmp_path, "capture_*.jpg")) == 120


@pytest.mark.needs("faketime")
def test_i6_a_repair_does_nothing_in_a_year_that_cannot_be(tmp_path: Path) -> None:
    hotcold("init", "capture1", "--root", tmp_path)
    (tmp_path / "capture1" / "thumbnails" / "7").rmdir()
    command = ["faketime", "1999-01-01", sys.executable, "-m", "hotcold_inotify", "check", "--repair"]
    done = subprocess.run([*command, "--root", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "set the clock first" in done.stderr
    assert not (tmp_path / "capture1" / "thumbnails" / "7").exists()


def test_there_is_a_bar_on_a_terminal(tmp_path: Path) -> None:
    hotcold("init", "capture1", "--root", tmp_path)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hotcold_inotify", "check", "--root", str(tmp_path)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=env, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "104/104" in shown
    assert done.stdout.startswith(b"fine: 0 files")


def test_beside_a_busy_reactor_nothing_is_found_and_nothing_disturbed(root: Path, start: Start) -> None:
    running = start(mid_hour() + LIMITS)
    device = root / "capture1"
    checks = 0
    with feeding(device, every=0.01) as written:
        until = time.monotonic() + 8
        while time.monotonic() < until or checks < 3:
            found = json.loads(hotcold("check", "--json", "--config", running.config).stdout)
            assert found["reactor"] == running.process.pid
            assert found["wrong"] == found["notes"] == []
            checks += 1
    total = len(written)
    eventually("all but the hot ones archived", lambda: len(list(device.glob("*/*/*.ts"))) == total // 2 - 3)
    assert hashes(device) == {name: [content] for name, content in written.items()}
    assert running.metric("hotcold_move_errors_total") == 0
    # On a busy machine the reactor may say that the disk is slow.
    assert not [record for record in running.said() if record["level"] == "error"]
    assert running.stop() == 0
    hotcold("check", "--config", running.config)


def test_i1_a_repair_beside_a_busy_reactor_mends_what_is_wrong_and_loses_nothing(root: Path, start: Start) -> None:
    running = start(mid_hour() + LIMITS)
    device = root / "capture1"
    planted: dict[str, str] = {}
    with feeding(device, every=0.02) as written:
        eventually("an hour with a playlist", lambda: bool(list(device.glob("segments/*/archive.m3u8"))))
        live = next(path.parent for path in (device / "segments").glob("*/archive.m3u8"))
        other = live.parent / str((int(live.name) + 6) % 24)
        for number in range(1_000_000, 1_000_030):
            name = f"segment_{number}.ts"
            content = f"planted {number}".encode()
            put(other, name, content, time.time() - 1)
            planted[name] = hashlib.sha256(content).hexdigest()
        mended = json.loads(hotcold("check", "--repair", "--json", "--config", running.config).stdout)
        assert {one["what"] for one in mended["repaired"]} == {"wrong_hour"}
        assert mended["fine"]
    total = len(written)
    eventually("all but the hot ones archived", lambda: len(list(device.glob("*/*/*.ts"))) == total // 2 + 27)
    assert hashes(device) == {name: [content] for name, content in {**written, **planted}.items()}
    assert {path.parent for path in (device / "segments").glob("*/segment_1*") if path.name in planted} == {live}
    text = (live / "archive.m3u8").read_text("ascii")
    assert all(name in text for name in planted)
    assert running.stop() == 0
    hotcold("check", "--config", running.config)
