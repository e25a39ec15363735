"""Read the facts of one folder: streamed, one slot at a time, and nothing is changed."""

import contextlib
import errno
import os
import stat

from hotcold_inotify import playlist
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import PLAYLIST, Folder, expected, rooms
from hotcold_inotify.disk.adoption import is_stale, is_unfinished, twin
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.hours import Generation
from hotcold_inotify.invariants import Expiry, HotFacts, Hour, Moment, RetiredFacts, SlotFacts
from hotcold_inotify.names import FileName
from hotcold_inotify.timeline import Segment

# A running reactor expires each minute and ends an hour's playlist within seconds. What is older than this it has
# missed.
_GRACE = 120.0
# An unfinished file in a slot is a copy at work, for so long.
_COPYING = 60.0
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NOT_A_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP})


class Looker:
    """Looks at one folder by the instant of its making; `live`: a reactor runs, and is given time."""

    def __init__(self, folder: Folder, clock: Clock, *, live: bool) -> None:
        """`folder` stays the caller's."""
        self._folder = folder
        self._kind: Kind = folder.kind
        self._calendar = folder.calendar
        self._now = clock.wall()
        self._live = live
        # What is unfinished, a reactor removes at the second pass that finds it.
        self._patient = self._now - (2 * _GRACE if live else 0)
        self._expiry = Expiry(self._calendar, self._kind.retention, self._now - _GRACE, whole=self._kind.playlist)
        self.moment = Moment(
            self._calendar.generation_at(self._now),
            self._calendar.generation_at(self._now - _GRACE if live else self._now),
        )
        self.files = 0

    def hot(self) -> HotFacts:
        """The hot folder."""
        facts = HotFacts(self._kind.hot_limit)
        slots: dict[int, int | None] = {}
        with contextlib.ExitStack() as opened, os.scandir(self._folder.hot_fd) as entries:
            for entry in entries:
                name = self._kind.pattern.match(entry.name)
                if name is None:
                    self._note(facts, entry.name)
                    continue
                found = _stat(self._folder.hot_fd, entry.name)
                if found is None:
                    continue
                if not stat.S_ISREG(found.st_mode):
                    facts.strangers.add(entry.name)
                    continue
                facts.count += 1
                generation = self._calendar.generation_at(found.st_mtime)
                facts.hours.add(generation)
                if generation.slot not in slots:
                    fd = slots[generation.slot] = self._open_slot(generation.slot)
                    if fd is not None:
                        opened.callback(os.close, fd)
                slot_fd = slots[generation.slot]
                if slot_fd is not None and twin(self._folder, name, found, slot_fd) is not None:
                    facts.twice.add(entry.name)
        self.files += facts.count
        return facts

    def _note(self, facts: HotFacts, text: str) -> None:
        """An entry of the hot folder that is no managed file."""
        if not expected(self._folder, text):
            facts.strangers.add(text)
        elif is_unfinished(self._folder, text, hot=True):
            found = _stat(self._folder.hot_fd, text)
            if found is not None and stat.S_ISREG(found.st_mode) and is_stale(found.st_mtime, self._patient):
                facts.unfinished.add(text)

    def slot(self, slot: int) -> SlotFacts:
        """One slot. OSError ENOENT: it is missing; ENOTDIR, ELOOP: something else has its name."""
        fd = os.open(str(slot), _OPEN_FOLDER, dir_fd=self._folder.cold_fd)
        try:
            return self.opened_slot(slot, fd)
        finally:
            os.close(fd)

    def opened_slot(self, slot: int, fd: int) -> SlotFacts:
        """A slot that is open."""
        facts = SlotFacts(slot)
        pattern, lists = self._kind.pattern, self._kind.playlist
        # The playlist first: what is listed is there, and what came since is found at the next look.
        if lists:
            facts.playlist, facts.broken = _read_playlist(fd)
        with os.scandir(fd) as entries:
            for entry in entries:
                name = pattern.match(entry.name)
                if name is None:
                    self._note_in_slot(facts, fd, entry.name)
                    continue
                found = _stat(fd, entry.name)
                if found is None:
                    continue
                if stat.S_ISREG(found.st_mode):
                    self._take(facts, name, found)
                else:
                    facts.strangers.add(entry.name)
        return facts

    def _take(self, facts: SlotFacts, name: FileName, found: os.stat_result) -> None:
        self.files += 1
        generation = self._calendar.generation_at(found.st_mtime)
        hour = facts.hours.get(generation)
        if hour is None:
            hour = facts.hours[generation] = Hour()
        hour.names.add(name.text)
        if self._expiry(generation, found.st_mtime):
            hour.due.add(name.text)
        if self._kind.playlist:
            hour.segments.append(Segment(name, found.st_mtime, found.st_size))

    def _note_in_slot(self, facts: SlotFacts, fd: int, text: str) -> None:
        """An entry of a slot that is no managed file."""
        if self._kind.playlist and text == PLAYLIST:
            return
        if not is_unfinished(self._folder, text) and text != f"{PLAYLIST}.tmp":
            facts.strangers.add(text)
            return
        found = _stat(fd, text)
        # By ctime: a copy has the mtime of its source.
        if (
            found is not None
            and not stat.S_ISDIR(found.st_mode)
            and not (self._live and self._now - found.st_ctime < _COPYING)
        ):
            facts.unfinished.add(text)

    def retired(self) -> RetiredFacts:
        """What waits in `.retired/`. OSError ENOTDIR, ELOOP: it is no folder."""
        facts = RetiredFacts()
        free: dict[Generation, bool] = {}
        for room in rooms(self._folder):
            try:
                fd = os.open(f"{RETIRED}/{room}", _OPEN_FOLDER, dir_fd=self._folder.cold_fd)
            except OSError as error:
                if error.errno not in NOT_A_FOLDER | {errno.ENOENT}:
                    raise
                continue
            try:
                self._look_into_room(facts, fd, room, free)
            finally:
                os.close(fd)
        return facts

    def _look_into_room(self, facts: RetiredFacts, fd: int, room: str, free: dict[Generation, bool]) -> None:
        kind, calendar = self._kind, self._calendar
        with os.scandir(fd) as entries:
            for entry in entries:
                found = _stat(fd, entry.name) if kind.pattern.match(entry.name) is not None else None
                if found is None or not stat.S_ISREG(found.st_mode):
                    continue
                self.files += 1
                if calendar.file_due(found.st_mtime, kind.retention, self._now - _GRACE):
                    facts.due.add(f"{room}/{entry.name}")
                    continue
                generation = calendar.generation_at(found.st_mtime)
                if generation not in free:
                    free[generation] = self._folder.slots.holds(generation.slot) in (None, generation)
                if free[generation] and not calendar.file_due(found.st_mtime, kind.retention, self._now):
                    facts.homeless.add(f"{room}/{entry.name}")

    def _open_slot(self, slot: int) -> int | None:
        try:
            return os.open(str(slot), _OPEN_FOLDER, dir_fd=self._folder.cold_fd)
        except OSError:
            return None  # the look at that slot tells


def _stat(fd: int, text: str) -> os.stat_result | None:
    try:
        return os.stat(text, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None  # it went since it was listed


def _read_playlist(slot_fd: int) -> tuple[playlist.Playlist | None, str | None]:
    """The playlist; or what is wrong with what has its name."""
    try:
        if not stat.S_ISREG(os.stat(PLAYLIST, dir_fd=slot_fd, follow_symlinks=False).st_mode):
            return None, f"{PLAYLIST} is no file"
        fd = os.open(PLAYLIST, _OPEN_FILE, dir_fd=slot_fd)
    except FileNotFoundError:
        return None, None
    with os.fdopen(fd, encoding="utf-8", errors="replace", newline="") as file:
        try:
            return playlist.parse(file.read()), None
        except playlist.PlaylistError as error:
            return None, f"{PLAYLIST}: {error}"
