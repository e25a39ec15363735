"""What the tests of the disk stand on: one kind's real folder, files of a chosen age, and a look at all that is there.

The instants are of 2026-11-23, UTC: AT_14 is 14:30 of that day.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import Folder
from hotcold_inotify.disk.layout import make_folder
from hotcold_inotify.hours import DAY, HOUR, Calendar, zone
from hotcold_inotify.names import FileName, Pattern
from hotcold_inotify.timeline import Knowledge, Segment

UTC = Calendar(zone("UTC"))
AT_14 = 1_795_444_200.0
YESTERDAY_14 = AT_14 - DAY
TOMORROW_14 = AT_14 + DAY
ROOM = "2026-11-22T14"
"""The generation of YESTERDAY_14."""

SEGMENTS = Kind("segments", Pattern.parse("segment_*.ts"), hot_limit=3, playlist=True)
CAPTURES = Kind("captures", Pattern.parse("capture_*.jpg"), hot_limit=3, retention=float(HOUR))


# What open(2) says of a link, or of a file, where a folder should be.
NOT_FOLLOWED = "Not a directory|Too many levels"


def unheard(_name: str) -> None:
    """No playlist has told of any segment."""


UNHEARD = Knowledge(unheard)


def name(text: str) -> FileName:
    found = SEGMENTS.pattern.match(text)
    assert found is not None
    return found


def write(path: Path, mtime: float = AT_14, content: bytes = b"a segment") -> Path:
    """A finished file; its folder must be there."""
    path.write_bytes(content)
    os.utime(path, (mtime, mtime))
    return path


def segment(slot: Path, number: int, mtime: float, size: int = 9) -> Segment:
    """A segment's file that comes into a slot at once, and the value that a listing makes of it."""
    path = write(slot / "arriving", mtime, b"." * size).rename(slot / f"segment_{number:09}.ts")
    return Segment(name(path.name), mtime, size)


def opened(hot: Path, cold: Path | None = None, kind: Kind = SEGMENTS, calendar: Calendar = UTC) -> Folder:
    """The kind's folder, made if it is missing; the caller closes it."""
    hot_path, cold_path = str(hot), str(cold or hot)
    hot.mkdir(parents=True, exist_ok=True)
    make_folder(hot_path, cold_path)
    return Folder.opened(hot_path, cold_path, kind, calendar)


def fill(disk: Path) -> Path:
    """A file that takes all the room that is left on a disk."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"." * 4096):
            pass
    return ballast


def occupy(path: Path, what: str, elsewhere: Path) -> None:
    """Something takes a name: a file, a folder, a FIFO, or a link or hard link to `elsewhere`."""
    match what:
        case "file":
            write(path)
        case "folder":
            path.mkdir()
        case "FIFO":
            os.mkfifo(path)
        case "link":
            path.symlink_to(elsewhere)
        case "hard link":
            path.hardlink_to(elsewhere)
        case _:
            raise ValueError(what)


def files(*tops: Path) -> dict[str, bytes]:
    """Path below its top -> content, of every file; a link is `->` and where it points, anything else its type."""
    return {str(path.relative_to(top)): _content(path) for top in tops for path in _below(top)}


def _below(top: Path) -> Iterator[Path]:
    for path in sorted(top.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        else:
            yield path


def _content(path: Path) -> bytes:
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return path.read_bytes()
    return b"->" + os.fsencode(path.readlink()) if stat.S_ISLNK(mode) else stat.filemode(mode)[:1].encode()


def descriptors() -> dict[str, str]:
    """This process's open descriptors that lead to files and folders, by number."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # the listing's own
        if target.startswith("/") and not target.startswith(("/dev/null", "/proc")):
            found[fd] = target
    return found


@attrs.define
class Due:
    """Which mtimes have expired, for `trim` and `empty_rooms`: those before `before`."""

    before: float

    def __call__(self, mtime: float) -> bool:
        return mtime < self.before
