"""Whether the hour playlists of a device are true, and play: what they list, and how many pictures ffmpeg finds."""

import os
import subprocess
from pathlib import Path
from typing import Final

import attrs

from hotcold_inotify import playlist

PICTURES: Final = 10
"""A second, of all segments that are made here; each is of one second."""


@attrs.frozen
class Hours:
    """The hour playlists of a device."""

    lists: dict[Path, playlist.Playlist]

    @property
    def entries(self) -> int:
        """How many segments they list."""
        return sum(len(hour.entries) for hour in self.lists.values())

    @property
    def ended(self) -> list[Path]:
        """Those of hours that are over."""
        return [path for path, hour in self.lists.items() if hour.ended]

    def named(self, beginning: str) -> list[tuple[Path, playlist.Entry]]:
        """The entries whose names begin so, each with its file."""
        return [
            (path.parent / entry.uri, entry)
            for path, hour in self.lists.items()
            for entry in hour.entries
            if entry.uri.startswith(beginning)
        ]


def hours(segments: Path) -> Hours:
    """Read them all. SystemExit: one does not list what is there, or an hour with segments has none."""
    found = {path: playlist.parse(path.read_text("utf-8")) for path in sorted(segments.glob("*/archive.m3u8"))}
    for path, hour in found.items():
        there = sorted(name for name in os.listdir(path.parent) if name.endswith(".ts"))
        if sorted(entry.uri for entry in hour.entries) != there:
            raise SystemExit(f"{path} does not list what is there")
    filled = {path.parent for path in segments.glob("*/*.ts")}
    if without := filled - {path.parent for path in found}:
        raise SystemExit(f"{without} have no playlist")
    return Hours(found)


def play(ffmpeg: str, path: Path) -> int:
    """Decode a playlist that has its end; how many pictures there are. SystemExit: not all of them."""
    expected = PICTURES * len(playlist.parse(path.read_text("utf-8")).entries)
    prober = os.path.join(os.path.dirname(ffmpeg), "ffprobe")
    command = [prober, "-v", "error", "-allowed_extensions", "ALL", "-count_frames", "-select_streams", "v:0"]
    command += ["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", str(path)]
    counted = int(_quiet(command).split()[0].strip(b","))
    # passthrough: a picture is a picture, and none is doubled or dropped for its time.
    command = [ffmpeg, "-v", "error", "-nostats", "-progress", "-", "-allowed_extensions", "ALL", "-i", str(path)]
    played = _quiet([*command, "-vsync", "passthrough", "-f", "null", "-"])
    decoded = int(played.rpartition(b"frame=")[2].split()[0])
    if not counted == decoded == expected:
        raise SystemExit(f"{path}: {expected} pictures are listed, ffprobe counts {counted}, ffmpeg decodes {decoded}")
    return decoded


def play_these(ffmpeg: str, files: list[tuple[Path, playlist.Entry]], path: Path) -> int:
    """The same for some entries of an hour that is not over, by a playlist of their own at `path`."""
    entries = tuple(attrs.evolve(entry, uri=str(file)) for file, entry in files)
    path.write_bytes(playlist.render(playlist.Playlist(2, entries, ended=True)))
    return play(ffmpeg, path)


def _quiet(command: list[str]) -> bytes:
    """Its standard output. SystemExit: it failed, or had something to complain of."""
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode or done.stderr:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}: {done.stderr.decode(errors='replace')[:2000]}")
    return done.stdout
