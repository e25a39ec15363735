"""A device's folders as they must be: the promises as arithmetic on names and times, without a disk.

What happens to the real folders is told to `Expected` in the same order; then both are compared, file by file.
"""

from collections.abc import Iterable
from typing import Final, Literal

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.names import FileName

# As brake.py says it: so long a clock must run steadily to be believed again.
_HOLD: Final = 600.0

Place = Literal["hot", "waiting"] | int
"""The hot folder, the waiting room, or a slot's number."""


@attrs.define
class File:
    """A file by its content."""

    kind: Kind
    name: FileName
    mtime: float
    made: float | None
    """When it was finished, by the boot clock; None: its mtime is of no clock that was shown then."""
    place: Place = "hot"

    @property
    def age(self) -> tuple[float, int, int, str]:
        """Sorts by age, as a look at a folder does."""
        return self.mtime, self.name.number, self.name.revision, self.name.text


@attrs.define
class Expected:
    """Every file that is there, by content; the two clocks, in seconds."""

    calendar: Calendar
    kinds: tuple[Kind, ...]
    wall: float
    boottime: float = 1000.0
    files: dict[bytes, File] = attrs.field(factory=dict)
    hot: dict[str, list[bytes]] = attrs.field(factory=dict)
    """By kind, oldest first: in the order in which they were finished, as far as the reactor saw it."""
    _aside: dict[str, tuple[Generation, Generation]] = attrs.field(factory=dict)
    """By kind: what was sent to the waiting room last, and the hour in which that was decided; until then it holds."""
    _doubted: float | None = None
    jumped: bool = False
    """The clock was set since the reactor started."""

    # --- what happens to files ---

    def finished(self, content: bytes, file: File) -> None:
        """A reactor sees a file come; the oldest leave."""
        self.lie(content, file)
        self._settle(file.kind)

    def lie(self, content: bytes, file: File) -> None:
        """A file is there, and no reactor has seen it yet."""
        self.files[content] = file
        self.hot.setdefault(file.kind.name, []).append(content)

    def gone(self, content: bytes) -> None:
        """Somebody took a file away."""
        file = self.files.pop(content)
        if file.place == "hot":
            self.hot[file.kind.name].remove(content)

    def looked_through(self, kind: Kind) -> None:
        """The reactor derives the hot set from the folder."""
        self.hot.setdefault(kind.name, []).sort(key=lambda content: self.files[content].age)
        self._settle(kind)

    def opened(self, kind: Kind) -> None:
        """The kind's folder is opened anew."""
        self._aside.pop(kind.name, None)
        self.looked_through(kind)

    def started(self, *, anew: bool = True) -> None:
        """A device is served from here on; `anew`: by a new process, which has seen no clock yet."""
        if anew:
            self._doubted = None
            self.jumped = False
        for kind in self.kinds:
            self.opened(kind)
        self.expire()

    # --- what happens to clocks ---

    def clock_runs(self, seconds: float) -> None:
        """Time passes, and the reactor looks at what is due."""
        self.wall += seconds
        self.boottime += seconds
        self.expire()

    def clock_is_set(self, seconds: float) -> None:
        """Somebody sets the wall clock by that much, under the reactor's eyes."""
        self.wall += seconds
        self._doubted = self.boottime
        self.jumped = True
        self.expire()

    @property
    def believed(self) -> bool:
        """Whether anything may be deleted."""
        return self._doubted is None or self.boottime - self._doubted >= _HOLD

    def expire(self) -> None:
        """What a pass does, if the clock is believed; what it does after a jump only `may_expire` says."""
        if not self.believed or not self.exact:
            return
        for kind in self.kinds:
            for slot in range(24):
                held = self.held(kind, slot)
                if held is not None and self.calendar.slot_due(held, kind.retention, self.wall):
                    self._take_away(kind, slot)
                elif not kind.playlist:
                    self._delete_due(self.within(kind, slot))
            waiting = self.within(kind, "waiting")
            self._delete_due(waiting)
            left = [content for content in waiting if content in self.files]
            for content in sorted(left, key=lambda content: self.generation(self.files[content])):
                file = self.files[content]
                slot = self.generation(file).slot
                if self.held(kind, slot) in (None, self.generation(file)):
                    file.place = slot
            aside = self._aside.get(kind.name)
            if aside and aside[0] not in {self.generation(self.files[one]) for one in self.within(kind, "waiting")}:
                del self._aside[kind.name]  # its room is gone

    # --- questions ---

    def generation(self, file: File) -> Generation:
        return self.calendar.generation_at(file.mtime)

    def due(self, file: File) -> bool:
        """Whether the file is past its retention, by the clock."""
        return self.calendar.file_due(file.mtime, file.kind.retention, self.wall)

    def may_expire(self, file: File) -> bool:
        """Whether the file may be gone: also by its true age, as far as the reactor can know it."""
        if not self.jumped:
            return self.believed and self.due(file)
        finished = None if file.made is None else self.wall - (self.boottime - file.made)
        old = finished is None or self.calendar.file_due(finished, file.kind.retention, self.wall)
        return self.believed and old and (file.mtime > self.wall or self.due(file))

    @property
    def exact(self) -> bool:
        """Whether each file's place follows from the promises alone; after a jump what waits, and for how long, is the
        rotation's to choose (ADR 0014).
        """
        return not self.jumped and all(file.mtime <= self.wall for file in self.files.values())

    def within(self, kind: Kind, place: Place) -> list[bytes]:
        """What lies there."""
        return [content for content, file in self.files.items() if file.kind is kind and file.place == place]

    def held(self, kind: Kind, slot: int) -> Generation | None:
        """The hour that a slot holds."""
        return next((self.generation(self.files[content]) for content in self.within(kind, slot)), None)

    # --- the rules ---

    def _settle(self, kind: Kind) -> None:
        hot = self.hot[kind.name]
        while len(hot) > kind.hot_limit:
            self._leave(self.files[hot.pop(0)])

    def _leave(self, file: File) -> None:
        generation, live = self.generation(file), self.calendar.generation_at(self.wall)
        held = self.held(file.kind, generation.slot)
        if self._aside.get(file.kind.name) == (generation, live):
            file.place = "waiting"
            return
        self._aside.pop(file.kind.name, None)
        if held not in (None, generation):
            if generation > live or generation < held <= live:
                self._aside[file.kind.name] = generation, live
                file.place = "waiting"
                return
            self._take_away(file.kind, generation.slot)
        file.place = generation.slot

    def _take_away(self, kind: Kind, slot: int) -> None:
        for content in self.within(kind, slot):
            self.files[content].place = "waiting"

    def _delete_due(self, contents: Iterable[bytes]) -> None:
        for content in [content for content in contents if self.due(self.files[content])]:
            del self.files[content]
