"""Where a device's files may lie before a migration: the two mixed folders, and the hot folders of both layouts."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from hotcold_inotify import playlist
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import LIVE_PLAYLIST, SLOT_NAMES, Home
from hotcold_inotify.disk.mixed import JOURNAL, MIXED, old_place, open_old, read_list
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.migration.judging import most_specific_first, recognised
from hotcold_inotify.names import choice

SETTLED: Final = 10.0
"""Seconds without a change after which a file counts as finished, as of the moment when a run begins."""
# A live playlist that was not written for so long, seconds, or for so many of its segments, has lost its writer.
_SILENT: Final = 60.0
_SILENT_SEGMENTS: Final = 10
# A player of a live playlist is near its end. What a list that never forgets has before that is history.
_WINDOW: Final = 100
_OURS: Final = frozenset((*SLOT_NAMES, RETIRED, JOURNAL, LIVE_PLAYLIST, f"{LIVE_PLAYLIST}.tmp", MIXED))


@attrs.frozen
class Place:
    """A folder to take files from. `path` is below the device, "" the device's own."""

    path: str
    fd: int
    kinds: tuple[Kind, ...]
    """Whose files are looked for, the most specific pattern first."""

    def keeps(self, kind: Kind) -> bool:
        """Whether this is the kind's hot folder."""
        return self.path == kind.name

    @property
    def mixed(self) -> bool:
        """An old place: what is nobody's there is told."""
        return self.path in ("", MIXED)

    def files(self, stranger: Callable[[str], None] = lambda _text: None) -> Iterator[tuple[Kind, str, os.stat_result]]:
        """The regular files of its kinds, in no order; it may change meanwhile. `stranger` hears all other names."""
        fd, lstat, kinds = self.fd, os.lstat, self.kinds
        chosen = choice([kind.pattern for kind in kinds])
        with os.scandir(fd) as entries:
            for entry in entries:
                text = entry.name
                index = chosen(text)
                if index is None or not entry.is_file(follow_symlinks=False):
                    stranger(text)
                    continue
                try:
                    found = lstat(text, dir_fd=fd)
                except FileNotFoundError:
                    continue
                yield kinds[index], text, found

    def live_list(self) -> tuple[playlist.Playlist, float] | None:
        """The live playlist that lies here, and its mtime."""
        return read_list(self.fd)

    def listed(self, now: float) -> frozenset[str]:
        """The names of the segments that players of a writer at work may be about to ask for."""
        found = self.live_list()
        if found is None:
            return frozenset()
        live, written = found
        if live.ended or now - written > max(_SILENT, _SILENT_SEGMENTS * live.target):
            return frozenset()
        return frozenset(entry.uri.rpartition("/")[2] for entry in live.entries[-_WINDOW:])


def expected(kinds: tuple[Kind, ...], text: str) -> bool:
    """Whether what lies in an old place, and is no file of a kind there, belongs there all the same."""
    # An unfinished file goes on to be one of its kind's.
    unfinished = text.endswith(".tmp") and recognised(kinds, text.removesuffix(".tmp")) is not None
    return unfinished or text in _OURS or text in {kind.name for kind in kinds}


@contextlib.contextmanager
def places(home: Home, kinds: tuple[Kind, ...]) -> Iterator[tuple[Place, ...]]:
    """The places of a device that are there, the old ones first. OSError: one of them is no folder, or not ours."""
    asked: dict[str, list[Kind]] = {"": [], MIXED: []}
    for kind in kinds:
        asked[old_place(kind)].append(kind)
    for kind in kinds:
        if kind not in asked.setdefault(kind.name, []):
            asked[kind.name].append(kind)
    with contextlib.ExitStack() as opened:
        found: list[Place] = []
        for path, here in asked.items():
            fd = open_old(home.path, path)
            if fd is not None:
                opened.callback(os.close, fd)
                found.append(Place(path, fd, most_specific_first(here)))
        yield tuple(found)
