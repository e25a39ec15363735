"""Makes an old-style device: segments and `output.m3u8` at its top, and pictures, thumbnails and JSON in `captures/`.

    .venv/bin/python -m benchmarks.migration.oldtree FOLDER [--files 1000000] [--hours 30] [--ffmpeg ffmpeg]

The rates are a recorder's: of ten files a second one is a segment, two are pictures, five thumbnails, two JSON.
"""

import argparse
import math
import os
import subprocess
import time
from pathlib import Path
from typing import Final

SHARES: Final = (
    ("segment_{:09d}.ts", 1),
    ("captures/capture_{:09d}.jpg", 2),
    ("captures/capture_{:09d}_thumbnail.jpg", 5),
    ("captures/capture_{:09d}.json", 2),
)
_PICTURE: Final = b"\xff\xd8" + b"\x00" * 96 + b"\xff\xd9"


def make(device: Path, files: int, hours: float, now: float, segment: bytes = b"\x47" * 188) -> dict[str, int]:
    """Make about so many files, the newest a minute old at `now` (Unix time); how many of each name.

    Each hour has as many; where that is less than an hour's worth, they lie close together as a recorder leaves them,
    so that the mtimes of segments tell their duration, one second.
    """
    (device / "captures").mkdir(parents=True)
    total = sum(share for _, share in SHARES)
    made = {}
    for text, share in SHARES:
        count = made[text] = files * share // total
        an_hour = math.ceil(count / hours)
        gap = min(1 / share, 3_600 / an_hour)
        content = segment if text.endswith(".ts") else _PICTURE
        for number in range(count):
            path = f"{device}/{text.format(number)}"
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(fd, content)
            os.close(fd)
            hour, place = divmod(count - 1 - number, an_hour)
            at = now - 60 - hour * 3_600 - place * gap
            os.utime(path, (at, at))
    return made


def real_segment(ffmpeg: str, seconds: float = 1.0) -> bytes:
    """A small MPEG-TS segment that plays, of so many seconds at ten pictures a second."""
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=64x48:rate=10:duration={seconds}"]
    command += ["-c:v", "mpeg2video", "-q:v", "31", "-g", "10", "-f", "mpegts", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def inventory(device: Path) -> dict[str, tuple[int, int]]:
    """Each recorded file's size (bytes) and mtime (ns) by its name; a name that is there twice ends the program."""
    found: dict[str, tuple[int, int]] = {}
    folders = [str(device)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith((".ts", ".jpg", ".json")):
                    there = entry.stat(follow_symlinks=False)
                    if entry.name in found:
                        raise SystemExit(f"{entry.name} is there twice")
                    found[entry.name] = there.st_size, there.st_mtime_ns
    return found


def main() -> None:
    """Make one and say what was made."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--hours", type=float, default=30.0)
    arguments.add_argument("--ffmpeg", help="a program that makes segments which play, one second each")
    given = arguments.parse_args()
    segment = [real_segment(given.ffmpeg)] if given.ffmpeg else []
    began = time.monotonic()
    for text, count in make(given.folder, given.files, given.hours, time.time(), *segment).items():
        print(f"{count:>9,}  {text}")
    print(f"in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
