"""The power is cut: nothing that was on the disk is lost, and an hour's playlist lists what a reader can have.

With `durable = true` whatever a playlist lists has all its bytes after the cut, before anything is put right, and what
a reader saw listed stays listed. Without it, what was not synced may be gone, and playlists may be torn; the reactor's
start puts that right.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import do_without
from tests.disk.conftest import MEMORY
from tests.faults.cutting import CANNOT, SIZES
from tests.machine import CLONE, Lack

pytestmark = pytest.mark.needs("mounts", "loop", "mkfs.ext4", "mkfs.xfs", "unshare")

# Of each of the four. `HOTCOLD_CUTS=200 pytest tests/faults -k power` takes about ten minutes.
CUTS = int(os.environ.get("HOTCOLD_CUTS", "2"))
SEED = int(os.environ.get("HOTCOLD_SEED", "1"))
SECONDS = 60 + 10 * CUTS
# What one leaves mounted or running ends with it.
OF_ITS_OWN = ("unshare", "--mount", "--pid", "--mount-proc", "--kill-child")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Path]:
    """Where the images lie: in memory, if there is room, for an fsync is quick there."""
    with contextlib.suppress(OSError):
        there = os.statvfs(MEMORY)
        if os.access(MEMORY, os.W_OK | os.X_OK) and there.f_bavail * there.f_frsize > 2 * sum(SIZES.values()):
            with tempfile.TemporaryDirectory(dir=MEMORY) as path:
                yield Path(path)
                return
    yield tmp_path


def cut_side_by_side(ground: Path, *more: str) -> dict[str, dict[str, float]]:
    """Cut on each file system; what was seen there, by its name. None may find anything wrong."""
    run = (*OF_ITS_OWN, sys.executable, "-m", "tests.faults.cutting", "--cuts", str(CUTS), "--seed", str(SEED), *more)
    started = [
        subprocess.Popen(
            (*run, system),
            cwd=CLONE,
            env={**os.environ, "TMPDIR": str(ground)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for system in SIZES
    ]
    try:
        said = [process.communicate(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, (out, _) in zip(started, said, strict=True):
        if process.returncode == CANNOT:
            do_without(Lack(f"needs loop devices with ext4 and xfs: {out.strip()}", everywhere=True))
    assert [process.returncode for process in started] == [0] * len(started), "\n".join(map("".join, said))
    tallies = {system: json.loads(out) for system, (out, _) in zip(SIZES, said, strict=True)}
    for tally in tallies.values():
        assert tally["cuts"] == CUTS
        assert tally["dropped"] > 0, f"no cut took anything: {tallies}"
        assert tally["kept_looked_at"] > 0, f"nothing had to be there: {tallies}"
        assert tally["listed_at_rest"] > 0, f"no start had anything to list: {tallies}"
    print(json.dumps({**tallies, "command": " ".join(run)}))  # noqa: T201 - the figures, with -s
    return tallies


@pytest.mark.timeout(SECONDS + 10)
def test_i1_i4_durable_what_an_hour_lists_outlives_a_power_cut(ground: Path) -> None:
    for tally in cut_side_by_side(ground, "--durable").values():
        assert tally["listed"] > 0, "no playlist to look at after a cut"
        assert tally["listed_in_vain"] == 0


@pytest.mark.timeout(SECONDS + 10)
def test_i1_i2_i4_a_start_after_a_power_cut_puts_right_what_it_left(ground: Path) -> None:
    cut_side_by_side(ground)
