"""`hotcold demo` from an installed wheel, outside the clone: what `make run` does."""

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.machine import CLONE

LIMITS = {"segments": 10, "captures": 100, "thumbnails": 100, "metadata": 100}


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The wheel's files in a folder of their own."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=CLONE,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    folder = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def session_members(leader: int) -> list[str]:
    """Processes below `leader` by their parents, whatever sessions they made: their names."""
    parents: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text("utf-8").partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(stat.parent.name)
        names[pid] = name
        parents.setdefault(int(rest.split()[1]), []).append(pid)
    found, work = [], [leader]
    while work:
        children = parents.get(work.pop(), [])
        found += [f"{names[pid]} {pid}" for pid in children]
        work += children
    return found


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("ffmpeg_exe")
def test_the_demo_runs_outside_the_clone_and_leaves_nothing_behind(installed: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hotcold_inotify", "demo", "--plain"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    try:
        root = elsewhere / "hotcold-demo"
        deadline = time.monotonic() + 90
        for line in process.stdout:
            said.append(line)
            found = re.match(r"hot: .*archived: ([0-9]+)", line)
            if found is not None and int(found[1]) > 0:
                break
            assert time.monotonic() < deadline, said
        below = session_members(process.pid)
        assert sum(name.startswith("ffmpeg") for name in below) == 2, below
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 0, (said, rest)
    left = [name for name in below if Path(f"/proc/{name.rpartition(' ')[2]}").exists()]
    assert not left, "the demo left processes"
    for device in ("capture1", "capture2"):
        for kind, limit in LIMITS.items():
            hot = [path for path in (root / device / kind).iterdir() if path.is_file() and path.suffix != ".m3u8"]
            assert len(hot) <= limit
            assert not [path for path in hot if path.suffix == ".tmp"]
        assert list((root / device / "segments").glob("*/segment_*.ts")), "nothing was archived"
