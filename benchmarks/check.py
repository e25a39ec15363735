"""`hotcold check` on a day of four devices: how long it takes, how much memory, and that it finds what is wrong.

    .venv/bin/python -m benchmarks.check [--files 3000000] [--devices 4] [--folder /dev/shm]

It makes a sound tree with full hours, runs the command on it in a process of its own, breaks something in each
device, and runs it again, then with `--repair`, and once more. Only segments have a content, of one byte. Three million
files on tmpfs take 4 GB of memory, and more inodes than /dev/shm may have: mount one with `-o nr_inodes=4m`.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from hotcold_inotify import playlist
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk import PLAYLIST
from hotcold_inotify.hours import DAY, HOUR, Calendar, zone

RATES: Final = {"segments": 1, "captures": 2, "thumbnails": 5, "metadata": 2}
"""How the files of a device are shared out among its kinds."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a place, and a folder of its own in it
_DIGITS: Final = 9  # ffmpeg's %09d
# So that the oldest hour is not due while this runs.
_RETENTION: Final = "".join(f'[kinds.{kind}]\nretention = "24h"\n' for kind in RATES)


@attrs.frozen
class Ground:
    """The tree: it is `now`, of a zone whose hour does not turn for half an hour."""

    root: Path
    config: Path
    calendar: Calendar
    now: float

    def device(self, number: int) -> Path:
        """The folder of one of them."""
        return self.root / f"capture{number}"

    def slot(self, hours_ago: int) -> int:
        """The slot of an hour of the day that ends now."""
        return self.calendar.generation_at(self.now - hours_ago * HOUR).slot


Fault = tuple[str, str, str, int | None]
"""What, device, kind and slot."""


@attrs.frozen
class Ran:
    """One run of the command; `peak` in MiB."""

    seconds: float
    peak: float
    files: int
    wrong: list[Fault]


def main() -> None:
    """Measure and print; exit 1 when something was not found, or found that is not there."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--files", type=int, default=3_000_000)
    arguments.add_argument("--devices", type=int, default=4)
    arguments.add_argument("--folder", type=Path, default=_MEMORY, help="where it is done")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotcold-check-", dir=given.folder) as place:
        small = _ground(Path(place, "small"))
        _make(small, 1_000 * given.devices, given.devices)
        before = _check(small, "a small tree")
        _expect(before, [])
        ground = _ground(Path(place, "full"))
        began = time.monotonic()
        _make(ground, given.files, given.devices)
        print(f"made in {time.monotonic() - began:.0f} s", flush=True)
        ran = _check(ground, "sound")
        _expect(ran, [])
        print(f"  {ran.peak - before.peak:.1f} MiB more than on the small tree")
        planted = [break_(ground, number) for number, break_ in zip(range(given.devices), _BREAKS, strict=False)]
        _expect(_check(ground, "with faults"), planted)
        _expect(_check(ground, "repaired", "--repair"), [])
        _expect(_check(ground, "after it"), [])


def _ground(folder: Path) -> Ground:
    folder.mkdir()
    name = "UTC" if time.time() % HOUR < HOUR / 2 else "Asia/Kolkata"
    root, config = folder / "stream", folder / "hotcold.toml"
    root.mkdir()
    config.write_text(f'root = "{root}"\ntimezone = "{name}"\n{_RETENTION}', "utf-8")
    return Ground(root, config, Calendar(zone(name)), time.time())


def _make(ground: Ground, files: int, devices: int) -> None:
    total = sum(RATES.values()) * devices
    for number, kind in itertools.product(range(devices), Config().kinds):
        _fill(ground, ground.device(number) / kind.name, kind, files * RATES[kind.name] // total)


def _fill(ground: Ground, folder: Path, kind: Kind, count: int) -> None:
    """A day of one kind, evenly: its newest files hot, the others in their hours."""
    for slot in range(24):
        (folder / str(slot)).mkdir(parents=True)
    # From the turn of the hour that is 23 hours before the running one: 24 slots, one of them running.
    first = ground.now - ground.now % (HOUR / 2) - DAY + HOUR
    if ground.calendar.generation_at(first) == ground.calendar.generation_at(first - 1):
        first -= HOUR / 2
    step = (ground.now - 1 - first) / count
    listed: dict[int, list[playlist.Entry]] = {}
    open_slots = {ground.slot(0)}
    for number in range(count):
        at = first + number * step
        name = kind.pattern.named(number, _DIGITS)
        slot = int((at - first) // HOUR + ground.slot(23)) % 24
        if number >= count - kind.hot_limit:
            _write(f"{folder}/{name}", kind, at)
            open_slots.add(slot)
            continue
        _write(f"{folder}/{slot}/{name}", kind, at)
        if kind.playlist:
            listed.setdefault(slot, []).append(playlist.Entry(name, 1.0, at - 1.0))
    for slot, entries in listed.items():
        made = playlist.Playlist(2, tuple(entries), ended=slot not in open_slots)
        (folder / str(slot) / PLAYLIST).write_bytes(playlist.render(made))


def _write(path: str, kind: Kind, at: float) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    if kind.playlist:
        os.write(fd, b"\x47")
    os.close(fd)
    os.utime(path, (at, at))


def _wrong_hour(ground: Ground, number: int) -> Fault:
    folder, there, here = ground.device(number) / "thumbnails", ground.slot(3), ground.slot(7)
    path = next((folder / str(there)).iterdir())
    path.rename(folder / str(here) / f"capture_{DAY * 100}_thumbnail.jpg")
    return "wrong_hour", f"capture{number}", "thumbnails", here


def _twice(ground: Ground, number: int) -> Fault:
    folder = ground.device(number) / "metadata"
    path = next(folder.glob("*.json"))
    found = path.stat()
    twin = folder / str(ground.calendar.generation_at(found.st_mtime).slot) / path.name
    twin.write_bytes(path.read_bytes())
    os.utime(twin, ns=(found.st_mtime_ns, found.st_mtime_ns))
    return "in_two_places", f"capture{number}", "metadata", None


def _torn(ground: Ground, number: int) -> Fault:
    slot = ground.slot(5)
    path = ground.device(number) / "segments" / str(slot) / PLAYLIST
    path.write_bytes(path.read_bytes()[:-7])
    return "no_playlist_file", f"capture{number}", "segments", slot


def _listed_missing(ground: Ground, number: int) -> Fault:
    slot = ground.slot(9)
    next((ground.device(number) / "segments" / str(slot)).glob("*.ts")).unlink()
    return "listed_missing", f"capture{number}", "segments", slot


_BREAKS: tuple[Callable[[Ground, int], Fault], ...] = (_wrong_hour, _twice, _torn, _listed_missing)


def _check(ground: Ground, what: str, *options: str) -> Ran:
    """Run the command; its peak is the one that the kernel has kept of it."""
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(ground.config), "check", "--json", *options]
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=said)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0  # it has been waited for
        seconds = time.monotonic() - began
        said.seek(0)
        document = json.load(said)
    wrong = [(one["what"], one["device"], one["kind"], one["slot"]) for one in document["wrong"]]
    ran = Ran(seconds, used.ru_maxrss / 1024, document["files"], sorted(wrong, key=str))
    print(
        f"{what}: {ran.files:,} files, {seconds:.1f} s, {ran.files / seconds:,.0f} files/s, {ran.peak:.1f} MiB",
        flush=True,
    )
    return ran


def _expect(ran: Ran, planted: list[Fault]) -> None:
    if ran.wrong != sorted(planted, key=str):
        sys.exit(f"it found {ran.wrong}, there is {planted}")


if __name__ == "__main__":
    main()
