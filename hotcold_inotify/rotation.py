"""The cron-like task of one device: at each turn of the hour, and each minute, what is past its retention goes.

Taking a slot's content away is a swap of microseconds, done in the event loop; deleting is slow, and done in a thread,
slice by slice. Every slice asks the clock anew, and whether it can be believed: while it cannot, nothing is deleted
(I6).
"""

import errno
import math
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeVar

import attrs
import trio

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import (
    SLOT_NAMES,
    SURVIVED,
    Expired,
    Folder,
    Home,
    Lent,
    empty_rooms,
    errno_name,
    list_slot,
    rooms,
    trim,
)
from hotcold_inotify.disk.clearing import clear
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.metrics import Instruments

# Seconds between two looks at the clock. After a suspend the monotonic clock knows nothing of the hours that went by.
_LOOK = 5.0
_MINUTE = 60.0

# Not even an empty folder can be made.
_FULL = (errno.ENOSPC, errno.EDQUOT)

T = TypeVar("T")


@attrs.frozen
class SlotDue:
    """A slot to work on, with what lies in it; `files` and `bytes` are what will go, None where nobody counted."""

    slot: int
    generation: Generation
    files: int | None = None
    bytes: int | None = None


@attrs.frozen
class Plan:
    """What one pass over one folder has to do."""

    kind: str
    retire: tuple[SlotDue, ...]
    trim: tuple[SlotDue, ...]
    waiting: tuple[str, ...]
    """Rooms of `.retired/` to go through."""

    def __bool__(self) -> bool:
        return bool(self.retire or self.trim or self.waiting)


def plan(folder: Folder, now: float, *, count: bool = False) -> Plan:
    """Look at each slot; `count` what would go. May take long: call it in a thread."""
    kind, calendar = folder.kind, folder.calendar
    retire: list[SlotDue] = []
    trims: list[SlotDue] = []
    for slot in range(len(SLOT_NAMES)):
        held = folder.slots.holds(slot)
        if held is None:
            continue
        if calendar.slot_due(held, kind.retention, now):
            retire.append(_counted(folder, slot, held, None) if count else SlotDue(slot, held))
        elif not kind.playlist and _straddles(calendar, held, kind.retention, now):
            due = partial(calendar.file_due, retention=kind.retention, now=now)
            found = _counted(folder, slot, held, due) if count else SlotDue(slot, held)
            if found.files != 0:
                trims.append(found)
    return Plan(kind.name, tuple(retire), tuple(trims), tuple(rooms(folder)))


def _straddles(calendar: Calendar, generation: Generation, retention: float, now: float) -> bool:
    span = calendar.span(generation)
    return span is not None and span.start + retention < now


def _counted(folder: Folder, slot: int, generation: Generation, due: Callable[[float], bool] | None) -> SlotDue:
    files = size = 0
    fd = folder.slots.open(slot)
    try:
        for segment in list_slot(fd, folder.kind.pattern):
            if due is None or due(segment.mtime):
                files += 1
                size += segment.size
    finally:
        os.close(fd)
    return SlotDue(slot, generation, files, size)


class Rotation:
    """The passes over one device's folders."""

    def __init__(
        self,
        home: Home,
        kinds: tuple[Kind, ...],
        calendar: Calendar,
        clock: Clock,
        believable: Callable[[], bool],
        instruments: Instruments,
        returned: Callable[[str, tuple[int, ...]], None] = lambda _kind, _slots: None,
    ) -> None:
        """`believable` looks at the clocks and says whether deleting by them is safe at this moment; `returned` hears
        into which slots of a kind files came back that had not expired.
        """
        self._home = home
        self._kinds = kinds
        self._calendar = calendar
        self._clock = clock
        self._believable = believable
        self._instruments = instruments
        self._returned = returned
        self._log = logger(device=home.name)
        self._limiter = trio.CapacityLimiter(1)
        self._alone = trio.Lock()  # a pass would put back what goes early
        self._troubles = Troubles(self._log)

    async def run(self) -> None:
        """A pass at once, at each turn of the hour and in each minute, until cancelled."""
        done: tuple[Generation, float] | None = None
        while True:
            now = self._clock.wall()
            moment = self._calendar.generation_at(now), now // _MINUTE
            if moment != done:
                done = moment
                await self.one_pass()
            now = self._clock.wall()
            wait = min(self._calendar.next_turn(now) - now, _MINUTE - math.fmod(now, _MINUTE), _LOOK)
            await trio.sleep(max(wait, 0.01))

    async def one_pass(self) -> dict[str, Expired]:
        """Do what is due now in every folder: what went, by kind.

        A folder that cannot be worked on is not in it; that is logged once, and it is tried at the next pass.
        """
        done: dict[str, Expired] = {}
        for kind in self._kinds:
            try:
                done[kind.name] = await self._rotate(kind)
                self._troubles.ends(kind.name, "expiry goes on", kind=kind.name)
            except OSError as error:
                if error.errno not in SURVIVED:
                    raise
                text = f"cannot take away what has expired: {error}"
                self._troubles.begins(kind.name, errno_name(error), text, kind=kind.name)
        return done

    async def expire_early(self, kind_name: str, generation: Generation) -> Expired:
        """Take one hour of a kind away before its time, for want of room, and delete it: what went.

        Nothing, when its slot holds another hour by now, when it is the live one, or while the clock is not believed.
        OSError: what it could not be taken away for.
        """
        kind = next(kind for kind in self._kinds if kind.name == kind_name)
        return await self._with_folder(kind, partial(self._take_early, generation))

    async def _rotate(self, kind: Kind) -> Expired:
        return await self._with_folder(kind, self._take_away)

    async def _with_folder(self, kind: Kind, work: Callable[[Folder, Lent], Awaitable[Expired]]) -> Expired:
        async with self._alone:
            lent = Lent()
            opening = partial(self._home.open, kind, self._calendar)
            try:
                folder = await self._in_thread(partial(lent.use, lambda: lent.closing.enter_context(opening())))
                return await work(folder, lent)
            finally:
                lent.close()

    async def _take_early(self, generation: Generation, folder: Folder, lent: Lent) -> Expired:
        kind = folder.kind
        if not self._believable():
            return Expired()
        moment = _Moment(self._clock.wall())
        if generation >= self._calendar.generation_at(moment.now):
            return Expired()
        is_due = partial(_due_early, self._calendar, kind.retention, moment, generation)
        try:
            if not folder.slots.retire(generation.slot, generation):
                return Expired()
            work = empty_rooms(folder, is_due)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            work = clear(folder, generation.slot, generation, is_due)
        expired = await self._slices(work, kind, moment, lent)
        instruments = self._instruments.folder(self._home.name, kind.name)
        instruments.pressure_expired_files.inc(expired.files)
        instruments.pressure_expired_bytes.inc(expired.bytes)
        return expired

    async def _take_away(self, folder: Folder, lent: Lent) -> Expired:
        kind = folder.kind
        todo = await self._in_thread(partial(lent.use, partial(plan, folder, self._clock.wall())))
        # The clocks are looked at in any case: a step there and back must not go unseen.
        if not self._believable() or not todo:
            return Expired()
        for due in todo.retire:
            if folder.slots.retire(due.slot, due.generation):
                self._log.info("hour retired", kind=kind.name, slot=due.slot, hour=str(due.generation))
        moment = _Moment(self._clock.wall())
        is_due = partial(_due, self._calendar, kind.retention, moment)
        expired = Expired()
        for due in todo.trim:
            expired += await self._slices(trim(folder, due.slot, is_due), kind, moment, lent)
        return expired + await self._slices(empty_rooms(folder, is_due), kind, moment, lent)

    async def _slices(self, work: Iterator[Expired], kind: Kind, moment: "_Moment", lent: Lent) -> Expired:
        total = Expired()
        instruments = self._instruments.folder(self._home.name, kind.name)
        while self._believable():
            moment.now = self._clock.wall()
            done = await self._in_thread(partial(lent.use, partial(next, work, None)))
            if done is None:
                break
            instruments.expired_files.inc(done.files)
            instruments.expired_bytes.inc(done.bytes)
            if done.put_back:
                self._returned(kind.name, done.put_back)
            total += done
        return total

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # Abandoned on cancel, for a disk may hang. What the thread still does, it does by an instant that was believed.
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)


@attrs.define
class _Moment:
    """The instant by which a slice judges: one at which the clock was believed."""

    now: float


def _due(calendar: Calendar, retention: float, moment: _Moment, mtime: float) -> bool:
    return calendar.file_due(mtime, retention, moment.now)


def _due_early(calendar: Calendar, retention: float, moment: _Moment, generation: Generation, mtime: float) -> bool:
    """Whether a file goes with the hour that goes early, or has to go anyway."""
    live = calendar.generation_at(moment.now)
    goes = generation < live and mtime <= moment.now and calendar.generation_at(mtime) == generation
    return goes or calendar.file_due(mtime, retention, moment.now)
