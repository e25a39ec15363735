"""The paths of the layout before hot and cold, answered wherever their files lie by now (`compat_links`).

In that layout segments and the live playlist are at the top of the device, and everything else is in `captures/`. A
file leaves there for its hot folder or its hour, and goes from hot to its hour; so that is the order in which it is
looked for, and one that moves meanwhile is never missed. See docs/adr/0016-old-paths.md.
"""

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import LIVE_PLAYLIST, Home
from hotcold_inotify.disk.mixed import MIXED, old_place
from hotcold_inotify.names import FileName
from hotcold_inotify.playlist import ENDLIST
from hotcold_inotify.web.tree import Found, Tree

TOP: Final = ""
"""The device's own folder, as `old_place` calls it."""
# RFC 8216, section 6.2: a live playlist changes within so many target durations.
_LATEST: Final = 1.5
# An old writer may write its playlist in place. What is no whole one, and not older than this, is read so many times;
# both times in seconds.
_BEING_WRITTEN: Final = 1.0
_READS: Final = 5
_PAUSE: Final = 0.01
_TARGET: Final = re.compile(rb"^#EXT-X-TARGETDURATION:([0-9]{1,9})", re.MULTILINE)


@attrs.frozen
class LiveList:
    """A live playlist as it was read, and its mtime (Unix seconds). `folder`: where it lies, below the device."""

    folder: str
    text: bytes
    mtime: float

    @property
    def whole(self) -> bool:
        """Whether it is one: a killed ffmpeg leaves an empty file, and one at work may be in the middle of it."""
        return self.text.startswith(b"#EXTM3U") and self.text.endswith(b"\n")

    @property
    def target(self) -> int:
        """Seconds that no segment is longer than; 0: it does not say."""
        found = _TARGET.search(self.text)
        return int(found[1]) if found else 0


def in_force_first(old: LiveList | None, new: LiveList | None, patience: float) -> list[LiveList]:
    """The old writer's list while it writes, then the new writer's; the other one behind it.

    The old one has stopped when its list is ended or none, or is older than the new one by more than `patience`
    (seconds) and more than a live playlist may be.
    """
    if old is None or new is None:
        return [one for one in (old, new) if one is not None]
    stopped = not old.whole or old.text.endswith(ENDLIST)
    stale = new.mtime - old.mtime > max(patience, _LATEST * old.target)
    return [new, old] if new.whole and (stopped or stale) else [old, new]


@attrs.frozen
class Whereabouts:
    """A file to be sent. `lasts`: its URL will mean these bytes and no others."""

    found: Found
    lasts: bool


class OldPaths:
    """Looks through both layouts of a tree. Its methods may block: call them in a thread."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._patience = tree.config.web.stale_after

    def live(self, home: Home) -> bytes | None:
        """The live playlist of whoever writes: its relative URIs are old paths. None: there is none."""
        lists = self._lists(home)
        return lists[0].text if lists else None

    def file(self, home: Home, folder: str, name: str) -> Whereabouts | None:
        """What an old path, `folder` (`TOP` or `MIXED`) and a name, stands for; None: nothing, or no managed file.

        Of several of that name or its revisions, for numbers may begin anew in either layout, it is the newest; but
        while the old writer's live playlist is in force, a segment beside it.
        """
        kinds = [(kind, parsed) for kind in self._of(folder) if (parsed := kind.pattern.match(name)) is not None]
        if not kinds:
            return None
        found = self._in(home, TOP)(name) if folder == TOP and self._old_one_writes(home) else None
        found = found or self._newest(home, folder, kinds)
        return None if found is None else Whereabouts(found, lasts=False)

    def anywhere(self, home: Home, kind: Kind, name: str) -> Whereabouts | None:
        """What a path of the new layout without an hour stands for; where nothing does, the file that is still in its
        old place. None: it is nowhere.
        """
        if kind.name == MIXED:
            return self.file(home, MIXED, name)
        if kind.pattern.match(name) is None:
            return None
        for _ in range(2):  # it may have left its old place before the second look, or the others, by an --undo
            found = self._tree.file_if_there(home, kind, None, name)
            if found is not None:
                return Whereabouts(found, lasts=True)
            found = self._in(home, old_place(kind))(name)
            if found is not None:
                return Whereabouts(found, lasts=False)  # it may still be being written
        return None

    def _of(self, folder: str) -> list[Kind]:
        return [kind for kind in self._tree.config.kinds if old_place(kind) == folder]

    def _in(self, home: Home, folder: str) -> Callable[[str], Found | None]:
        return lambda name: self._tree.beneath(home.path, os.path.join(folder, name))

    def _lists(self, home: Home) -> list[LiveList]:
        new = (self._list(home, kind.name) for kind in self._of(TOP))
        return in_force_first(self._list(home, TOP), next((one for one in new if one), None), self._patience)

    def _old_one_writes(self, home: Home) -> bool:
        lists = self._lists(home)
        return bool(lists) and lists[0].folder == TOP

    def _list(self, home: Home, folder: str) -> LiveList | None:
        for reads in itertools.count(1):
            found = self._in(home, folder)(LIVE_PLAYLIST)
            if found is None:
                return None
            with os.fdopen(found.fd, "rb") as file:
                read = LiveList(folder, file.read(), found.stat.st_mtime)
            if read.whole or reads == _READS or self._tree.now() - read.mtime > _BEING_WRITTEN:
                return read
            time.sleep(_PAUSE)
        raise AssertionError

    def _newest(self, home: Home, folder: str, kinds: list[tuple[Kind, FileName]]) -> Found | None:
        found: list[Found] = []
        newest = None
        try:
            for one in self._all(home, folder, kinds):
                found.append(one)  # noqa: PERF402 (what is open must be known when a look fails)
            newest = max(found, key=lambda one: one.stat.st_mtime_ns, default=None)
        finally:
            for one in found:
                if one is not newest:
                    os.close(one.fd)
        return newest

    def _all(self, home: Home, folder: str, kinds: list[tuple[Kind, FileName]]) -> Iterator[Found]:
        """Open what has the name. What is hot is newer than what is in an hour: that is looked for only without it."""
        found = hot = False
        old, tree = self._in(home, folder), self._tree
        for kind, name in kinds:
            for one in _revisions(kind, name, old):
                found, hot = True, hot or kind.name == folder
                yield one
        for kind, name in kinds:
            for one in _revisions(kind, name, self._in(home, kind.name)) if kind.name != folder else ():
                found = hot = True
                yield one
        if hot:
            return
        for (kind, name), slot in itertools.product(kinds, tree.likely()):
            for one in _revisions(kind, name, partial(tree.opened, home.cold_path, kind, slot)):
                found = True
                yield one
        if not found:  # by an --undo it may have come home meanwhile
            for kind, name in kinds:
                yield from _revisions(kind, name, old)


def _revisions(kind: Kind, name: FileName, opened: Callable[[str], Found | None]) -> Iterator[Found]:
    """The file of that name in one folder, and those of its revisions, which are taken one after the other."""
    found = opened(name.text)
    if found is not None:
        yield found
    if name.revision:
        return
    for revision in itertools.count(1):  # the first one even alone: the name itself may have expired before it
        found = opened(kind.pattern.revised(name, revision).text)
        if found is None:
            return
        yield found
