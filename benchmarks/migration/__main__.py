"""A mixed tree of a million files is migrated and put back while ffmpeg records into it, beside bare renames.

    .venv/bin/python -m benchmarks.migration [--files 1000000] [--hours 30] [--folder /dev/shm]
    .venv/bin/python -m benchmarks.migration --kills 20

The bare loop moves the tree from where it was made to where it is migrated. Beside the wall clock's, the ratios of the
processor's time are printed, which other work on the machine disturbs less. With `--kills` the migration is killed so
often on its way (SIGKILL), and in the end goes through; so is the way back.

After each of it all files are looked for, by name, size and mtime: the tree's, and what ffmpeg has finished meanwhile.
The hour playlists list what is there, and a sample is played. The first thing that is not so ends it with exit code 1.
A million files on tmpfs take 5 GB and as many inodes: of more than its default limit, on most machines.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import attrs
import inotify_simple
from inotify_simple import flags

from benchmarks.migration.oldrecording import SEGMENTS, Witness, is_recorded, recording
from benchmarks.migration.oldtree import inventory, make, real_segment
from benchmarks.migration.played import hours, play, play_these
from tests.live.pace import memory_peak

# Of the kills, one in so many is in the look before, and one in so many while hour playlists are made.
_ASIDE: Final = 7
# Runs that were too quick to be killed, in all.
_MISSES: Final = 20
_FASTEST: Final = 0.3
"""Seconds until the command looks at a file."""


@attrs.frozen
class Took:
    """Seconds by the wall clock and of the processor, and the most memory, MiB."""

    wall: float
    processor: float
    peak: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s, {self.processor:.1f} s of processor, {self.peak:.1f} MiB at most"


def main() -> None:
    """Do it all, and print what it took."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--hours", type=float, default=30.0)
    arguments.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where it is done")  # noqa: S108 - a folder is made in it
    arguments.add_argument("--kills", type=int, default=0, help="kill the migration so often, and measure nothing")
    arguments.add_argument("--seed", type=int, default=11, help="of the moments of the kills")
    arguments.add_argument("--ffmpeg", default="/usr/bin/ffmpeg", help="with ffprobe beside it")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotcold-migrate-", dir=given.folder) as place:
        made, root = Path(place, "made"), Path(place, "stream")
        device = root / "capture1"
        (device / "captures").mkdir(parents=True)
        with recording(given.ffmpeg, device) as witness:
            began = time.monotonic()
            segment = real_segment(given.ffmpeg)
            count = sum(make(made / "capture1", given.files, given.hours, time.time(), segment).values())
            print(f"{count:,} files made in {time.monotonic() - began:.1f} s; ffmpeg records meanwhile, and to the end")
            known = inventory(made / "capture1")
            bare = _bare(made / "capture1", device)
            each = bare.processor / count * 1e6
            print(f"bare loop of os.rename: {count / bare.wall:,.0f} files/s, {each:.1f} us a file")
            tree = Tree(device, known, given.ffmpeg, witness, Path(place))
            if given.kills:
                tree.killed(given.kills, random.Random(given.seed))  # noqa: S311 - moments
            else:
                tree.migrated(bare, count)
            _, took = _hotcold(root)
            tree.holds(f"once more, for what was too young: {took}")
            tree.plays()
            said, took = _hotcold(root, "--undo")
            tree.holds(f"put back: {took}, {said['files']:,} files, {said['files'] / took.wall:,.0f} files/s")
            tree.is_back()
        tree.holds("ffmpeg has ended", over=True)


@attrs.frozen
class Tree:
    """A device with the files that it had, and an ffmpeg at work."""

    device: Path
    made: dict[str, tuple[int, int]]
    """Size (bytes) and mtime (ns) by name."""
    ffmpeg: str
    witness: Witness
    place: Path
    """For what is written beside it."""

    def migrated(self, bare: Took, count: int) -> None:
        """Plan, and move."""
        root = self.device.parent
        plan, looked = _hotcold(root, "--dry-run")
        self.holds(f"plan alone: {looked}; it expects {plan['seconds']:,.0f} s for {plan['moves']:,} files")
        said, took = _hotcold(root)
        done = said["done"]
        moved = done["hot"] + done["slots"]
        self.holds(f"migrated, plan and playlists with it: {took}")
        print(
            f"  {moved:,} files moved, {said['expired']:,} that have expired looked at, {done['failed']} failed, "
            f"{done['playlists']} hour playlists"
        )
        rate = moved / done["moving_seconds"]
        each = done["moving_processor"] / moved
        print(f"  moving alone: {rate:,.0f} files/s, {rate * bare.wall / count:.2f} of the bare loop's speed")
        print(f"  by processor time: {each * 1e6:.1f} us, {bare.processor / count / each:.2f} of the bare loop's speed")

    def killed(self, kills: int, draw: random.Random) -> None:
        """Migrate it, killed again and again; then put it back, killed too, and migrate it whole."""
        root = self.device.parent
        plan, looked = _hotcold(root, "--dry-run")
        aside = kills // _ASIDE
        ways = ["look"] * aside + ["moves"] * (kills - 2 * aside)
        draw.shuffle(ways)
        a_move = plan["seconds"] / max(1, kills - 2 * aside)
        for number, way in enumerate([*ways, *(["playlists"] * aside)], 1):
            self._killed_once(root, way, draw, {"look": looked.wall, "moves": a_move, "playlists": 1.0}[way])
            if number % 5 == 0 or number == kills:
                self.holds(f"killed {number} times")
        for number in range(1, aside + 1):
            self._killed_once(root, "moves", draw, plan["seconds"] / (aside + 1), "--undo")
            self.holds(f"put back, killed {number} times")
        said, took = _hotcold(root, "--undo")
        self.holds(f"put back, to the end: {took}, {said['files']:,} files")
        said, took = _hotcold(root)
        self.holds(f"and migrated: {took}, {said['done']['failed']} failed")

    def _killed_once(self, root: Path, way: str, draw: random.Random, spread: float, *words: str) -> None:
        """Kill a run on its way, at a moment that is drawn from so many seconds. One that has ended is no kill: what it
        did is undone, and it begins anew.
        """
        for _ in range(_MISSES):
            before = self._counted()
            after = draw.uniform(0, spread)
            code = _kill(root, self.device, way, after, *words)
            now = self._counted()
            if code == -signal.SIGKILL:
                print(
                    f"  killed by signal {-code}, {after:.2f} s into the {way}{' back' if words else ''}: "
                    f"{abs(before['old'] - now['old']):,} files had moved, {now['old']:,} are in the old places, "
                    f"{now['lists']} hour playlists"
                )
                return
            print(f"  ended with {code} before it was killed, {after:.2f} s into the {way}: from the beginning")
            _hotcold(root, *(() if words else ("--undo",)))
            spread /= 2
        raise SystemExit("it is always too quick to be killed")

    def _counted(self) -> Counter[str]:
        old = sum(name.endswith(".ts") for name in os.listdir(self.device)) + len(os.listdir(self.device / "captures"))
        return Counter(old=old, lists=len(list((self.device / "segments").glob("*/archive.m3u8"))))

    def holds(self, what: str, *, over: bool = False) -> None:
        """Everything is there, each once: what was made, and what ffmpeg has finished; but for what it is at, nothing
        else, and when it is `over` not even that.
        """
        finished = self.witness.finished()
        expected = self.made | finished
        there = inventory(self.device)
        wrong = [name for name, known in expected.items() if there.get(name) != known]
        strange = [name for name in there.keys() - expected.keys() if over or not is_recorded(name)]
        if wrong or strange:
            raise SystemExit(f"{what}: NOT EQUAL: {wrong[:5]} {strange[:5]} ({len(wrong)}, {len(strange)})")
        print(
            f"{what}\n  inventory by name, size, mtime: equal, {len(there):,} files, {len(finished)} of them ffmpeg's"
        )

    def is_back(self) -> None:
        """Nothing of the new layout is left, and every file is where it was."""
        left = [entry.name for entry in os.scandir(self.device) if entry.is_dir() and entry.name != "captures"]
        away = sum(
            not os.path.exists(self.device / ("" if name.endswith(".ts") else "captures") / name) for name in self.made
        )
        if left or away:
            raise SystemExit(f"put back: {left} are left, {away} files are not where they were")
        print("  no folder of the new layout is left, and every file is where it was")

    def plays(self) -> None:
        """The hour playlists list what is there; two hours and what ffmpeg has recorded are decoded."""
        found = hours(self.device / "segments")
        over = found.ended
        print(f"{len(found.lists)} hour playlists, {len(over)} ended, {found.entries:,} segments: all that are there")
        for path in (over[0], over[len(over) // 2]) if over else ():
            print(f"  hour {path.parent.name} plays: {play(self.ffmpeg, path):,} pictures, as many as it lists")
        recorded = found.named(SEGMENTS)
        if recorded:
            worst = max(abs(entry.duration - 1.0) for _, entry in recorded)
            pictures = play_these(self.ffmpeg, recorded, self.place / "recorded.m3u8")
            print(
                f"  ffmpeg's own {len(recorded)} in their hour play: {pictures:,} pictures; "
                f"their durations are off by {worst * 1000:.0f} ms at most"
            )


def _kill(root: Path, device: Path, way: str, after: float, *words: str) -> int:
    """Run it, and kill it so many seconds into that part of its way; its exit code."""
    with inotify_simple.INotify() as notify:
        if way == "moves":
            notify.add_watch(device / "captures", flags.MOVED_FROM | flags.MOVED_TO)
        elif way == "playlists":
            for slot in (device / "segments").glob("[0-9]*"):
                notify.add_watch(slot, flags.CREATE | flags.MOVED_TO)
        command = [sys.executable, "-m", "hotcold_inotify", "migrate", str(root), "--json", *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while way != "look" and process.poll() is None:
                heard = notify.read(timeout=20)
                if any(way == "moves" or not event.name.endswith(".ts") for event in heard):
                    break
            time.sleep(after if way != "look" else _FASTEST + after)  # the moment is drawn
        finally:
            process.kill()
        return process.wait()


def _bare(source: Path, target: Path) -> Took:
    began, before = time.monotonic(), time.process_time()
    for folder in ("", "captures"):
        here, there = source / folder, target / folder
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


if __name__ == "__main__":
    main()
