"""I7: a reactor that is killed at any of its changes to the disk, and started again, has lost and doubled nothing; nor
has a repair that is killed, and run again.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.conftest import do_without
from tests.disk.conftest import MEMORY
from tests.faults.scenes import SCENES
from tests.machine import CLONE, Lack

# The scenes in two halves that take about as long.
HALVES = (
    ("copy", "playlists", "collision", "repair", "repair-copy"),
    ("move", "retire", "trim", "start", "copy-retire", "plain-rename", "turn", "early", "early-roomless"),
)
# `HOTCOLD_KILLS=10000 pytest tests/faults -k drawn` takes some ten minutes.
KILLS = int(os.environ.get("HOTCOLD_KILLS", "500"))


@pytest.fixture(autouse=True)
def memory() -> None:
    if not os.access(MEMORY, os.W_OK | os.X_OK) or os.stat(MEMORY).st_dev == os.stat(CLONE).st_dev:
        do_without(Lack(f"needs {MEMORY}, another file system than the disk"))


def finished(runs: Iterable[tuple[str, ...]], seconds: float) -> list[str]:
    """What some runs of the killer, side by side, have to say; each must find nothing wrong."""
    command = (sys.executable, "-m", "tests.faults.killing")
    started = [
        subprocess.Popen((*command, *run), cwd=CLONE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for run in runs
    ]
    try:
        said = [process.communicate(timeout=seconds)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert [process.returncode for process in started] == [0] * len(started), "\n".join(said)
    return said


@pytest.mark.timeout(400)
def test_i7_killed_at_every_change_in_turn() -> None:
    said = "".join(finished(HALVES, 390))
    print(said)  # noqa: T201 - the figures, with -s
    points = {line.partition(":")[0]: int(line.split()[1]) for line in said.splitlines()}
    assert set(points) == set(SCENES) == {name for half in HALVES for name in half}
    assert min(points.values()) > 10


@pytest.mark.timeout(120 + KILLS)
def test_i7_killed_at_drawn_changes_under_load() -> None:
    half = KILLS // 2
    runs = [("--drawn", str(half), "--seed", "1"), ("--drawn", str(KILLS - half), "--seed", "2")]
    said = "".join(finished(runs, 110 + KILLS))
    print(said)  # noqa: T201 - the figures, with -s
    for what in ("repairs", "over the turn of an hour", "between two disks"):
        assert sum(map(int, re.findall(rf"(\d+) {what}", said))), f"none was of {what}: {said}"
