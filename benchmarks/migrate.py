"""How fast a mixed tree of a million files is migrated and put back, beside a bare loop of os.rename over the same.

    .venv/bin/python -m benchmarks.migrate [--files 1000000] [--hours 30] [--folder /dev/shm]

The bare loop moves the tree from where it was made to where it is migrated. Beside the wall clock's, the ratios of the
processor's time are printed, which other work on the machine disturbs less. A million small files on tmpfs take 5 GB.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

from benchmarks.oldtree import inventory, make
from tests.live.pace import memory_peak


@attrs.frozen
class Took:
    """Seconds by the wall clock and of the processor, and the most memory, MiB."""

    wall: float
    processor: float
    peak: float


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--hours", type=float, default=30.0)
    arguments.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where it is done")  # noqa: S108 - a folder is made in it
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotcold-migrate-", dir=given.folder) as place:
        made, root = Path(place, "made"), Path(place, "stream")
        began = time.monotonic()
        count = sum(make(made / "capture1", given.files, given.hours, time.time()).values())
        print(f"{count:,} files made in {time.monotonic() - began:.1f} s")
        bare = _bare(made / "capture1", root / "capture1")
        print(f"bare loop of os.rename: {count / bare.wall:,.0f} files/s, {_each(bare, count)}")
        before = inventory(root / "capture1")
        _migrated(root, bare, count)
        there = inventory(root / "capture1")
        print(f"inventory by name, size and mtime: {'equal' if there == before else 'NOT EQUAL'}")
        _undone(root)
        there = inventory(root / "capture1")
        print(f"inventory by name, size and mtime: {'equal' if there == before else 'NOT EQUAL'}")


def _migrated(root: Path, bare: Took, count: int) -> None:
    _, looked = _hotcold(root, "--dry-run")
    print(f"plan alone: {_words(looked)}")
    said, took = _hotcold(root)
    done = said["done"]
    moved = done["hot"] + done["slots"]
    print(f"migrated, plan and playlists with it: {_words(took)}")
    print(f"  {moved:,} files moved, {said['expired']:,} that have expired looked at, {done['failed']} failed")
    rate = moved / done["moving_seconds"]
    each = done["moving_processor"] / moved
    print(f"  moving alone: {rate:,.0f} files/s, {rate * bare.wall / count:.2f} of the bare loop's speed")
    print(
        f"  by processor time: {each * 1e6:.1f} us a file, {bare.processor / count / each:.2f} of the bare loop's speed"
    )


def _undone(root: Path) -> None:
    said, took = _hotcold(root, "--undo")
    print(f"put back: {_words(took)}, {said['files']:,} files, {said['files'] / took.wall:,.0f} files/s")


def _bare(source: Path, target: Path) -> Took:
    began, before = time.monotonic(), time.process_time()
    for folder in ("", "captures"):
        here, there = source / folder, target / folder
        there.mkdir(parents=True)
        for name in [entry.name for entry in os.scandir(here) if entry.is_file()]:
            os.rename(f"{here}/{name}", f"{there}/{name}")
    return Took(time.monotonic() - began, time.process_time() - before, 0.0)


def _hotcold(root: Path, *words: str) -> tuple[dict[str, Any], Took]:
    command = [sys.executable, "-m", "hotcold_inotify", "migrate", str(root), "--json", *words]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    peak = 0.0
    # Not ru_maxrss: that begins with what this process had when it forked.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        with contextlib.suppress(StopIteration):  # it has ended, and has no memory any more
            peak = max(peak, memory_peak(process.pid))
        time.sleep(0.05)
    wall = time.monotonic() - began
    said = process.stdout.read() if process.stdout is not None else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"hotcold migrate ended with {process.returncode}")
    return json.loads(said)["devices"]["capture1"], Took(wall, used.ru_utime + used.ru_stime, peak)


def _words(took: Took) -> str:
    return f"{took.wall:.1f} s, {took.processor:.1f} s of processor, {took.peak:.1f} MiB at most"


def _each(took: Took, count: int) -> str:
    return f"{took.processor / count * 1e6:.1f} us"


if __name__ == "__main__":
    main()
