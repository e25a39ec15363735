"""The cron-like task of one device: at each turn of the hour, and each minute, what is past its retention goes.

Taking a slot's content away is a swap of microseconds, deleting is slow and goes slice by slice; both are done in a
thread, for a slow disk makes either take seconds. Every slice asks the clock anew, and whether it can be believed:
while it cannot, nothing is deleted (I6). A file that is past its retention by its mtime only, because that is of a
clock that was wrong, waits (ADR 0014).
"""

import contextlib
import errno
import math
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import attrs
import trio

from hotcold_inotify.background import Background
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
from hotcold_inotify.disk.adoption import Seen, remove_stale
from hotcold_inotify.disk.clearing import clear
from hotcold_inotify.disk.slots import first_mtime
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


Finished = Callable[[float], float]
"""When a file of some mtime was finished, by the present clock; both Unix seconds."""


def _as_dated(mtime: float) -> float:
    return mtime


def plan(folder: Folder, now: float, *, count: bool = False, finished: Finished = _as_dated) -> Plan:
    """Look at each slot; `count` what would go. May take long: call it in a thread."""
    kind, calendar = folder.kind, folder.calendar
    retire: list[SlotDue] = []
    trims: list[SlotDue] = []
    waiting = rooms(folder)
    homeless = _homeless(calendar, kind.retention, waiting, now)
    for slot in range(len(SLOT_NAMES)):
        held = folder.slots.holds(slot)
        if held is None:
            continue
        if calendar.slot_due(held, kind.retention, now) or (
            held > calendar.generation_at(now) and (slot in homeless or _known_wrong(folder, slot, finished))
        ):
            retire.append(_counted(folder, slot, held, None) if count else SlotDue(slot, held))
        elif not kind.playlist and _straddles(calendar, held, kind.retention, now):
            due = partial(calendar.file_due, retention=kind.retention, now=now)
            found = _counted(folder, slot, held, due) if count else SlotDue(slot, held)
            if found.files != 0:
                trims.append(found)
    return Plan(kind.name, tuple(retire), tuple(trims), tuple(waiting))


def _homeless(calendar: Calendar, retention: float, waiting: Iterable[str], now: float) -> set[int]:
    """The slots whose hour waits though it is neither past nor to come: a clock that went ahead has displaced it."""
    found: set[Generation] = set()
    for room in waiting:
        with contextlib.suppress(ValueError):  # a folder that somebody made
            found.add(Generation.parse(room.partition(".")[0]))
    live = calendar.generation_at(now)
    return {one.slot for one in found if one <= live and not calendar.slot_due(one, retention, now)}


def _known_wrong(folder: Folder, slot: int, finished: Finished) -> bool:
    """Whether a slot's files were finished at another time than they say."""
    fd = folder.slots.open(slot)
    try:
        mtime = first_mtime(fd, folder.kind.pattern)
    finally:
        os.close(fd)
    return mtime is not None and finished(mtime) != mtime


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
        finished: Finished = _as_dated,
        background: Background | None = None,
    ) -> None:
        """`believable` looks at the clocks and says whether deleting by them is safe at this moment; `returned` hears
        into which slots of a kind files came back that had not expired; `finished` knows of the clock's steps;
        `background` has the turns of all devices (None: this one has it to itself).
        """
        self._home = home
        self._kinds = kinds
        self._calendar = calendar
        self._clock = clock
        self._believable = believable
        self._instruments = instruments
        self._returned = returned
        self._finished = finished
        self._log = logger(device=home.name)
        self._background = background or Background()
        self._alone = trio.Lock()  # a pass would put back what goes early
        self._troubles = Troubles(self._log)
        self._left: dict[str, Seen] = {}

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
        return await self._with_folder(kind, self._pass)

    async def _pass(self, folder: Folder, lent: Lent) -> Expired:
        expired = await self._take_away(folder, lent)
        await self._remove_unfinished(folder, lent)
        return expired

    async def _remove_unfinished(self, folder: Folder, lent: Lent) -> None:
        """What an encoder that was killed has left in the hot folder goes at the second pass that finds it stale."""
        kind = folder.kind.name
        if not self._believable():
            return
        work = partial(remove_stale, folder, self._clock.wall(), self._left.setdefault(kind, {}))
        removed = await self._in_thread(partial(lent.use, work))
        if removed:
            self._log.info("unfinished files removed, their writer is gone", kind=kind, files=removed)

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
        moment = self._moment(kind)
        if generation >= self._calendar.generation_at(moment.now):
            return Expired()
        is_due = partial(_due_early, moment, generation)
        try:
            if not await self._retire(folder, generation.slot, generation, lent):
                return Expired()
            work = empty_rooms(folder, is_due, moment.waits)
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
        todo = await self._in_thread(
            partial(lent.use, partial(plan, folder, self._clock.wall(), finished=self._finished))
        )
        # The clocks are looked at in any case: a step there and back must not go unseen.
        if not self._believable() or not todo:
            return Expired()
        for due in todo.retire:
            if await self._retire(folder, due.slot, due.generation, lent):
                self._log.info("hour retired", kind=kind.name, slot=due.slot, hour=str(due.generation))
        moment = self._moment(kind)
        expired = Expired()
        for due in todo.trim:
            expired += await self._slices(trim(folder, due.slot, moment.due), kind, moment, lent)
        return expired + await self._slices(empty_rooms(folder, moment.due, moment.waits), kind, moment, lent)

    def _moment(self, kind: Kind) -> "_Moment":
        return _Moment(self._clock.wall(), self._calendar, kind.retention, self._finished)

    async def _retire(self, folder: Folder, slot: int, generation: Generation, lent: Lent) -> bool:
        return await self._in_thread(partial(lent.use, partial(folder.slots.retire, slot, generation)))

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
        # Abandoned on cancel. What the thread still does, it does by an instant that was believed.
        return await self._background.run(work)


@attrs.define
class _Moment:
    """The instant by which a slice judges: one at which the clock was believed. mtimes are Unix seconds."""

    now: float
    calendar: Calendar
    retention: float
    finished: Finished

    def past(self, mtime: float) -> bool:
        """Whether a file is past its time by its mtime alone."""
        return self.calendar.file_due(mtime, self.retention, self.now)

    def waits(self, mtime: float) -> bool:
        """Whether a file has no place in a slot: its time is over, or known to be another one than the future."""
        return self.past(mtime) or (mtime > self.now and self.finished(mtime) != mtime)

    def due(self, mtime: float) -> bool:
        """Whether a file has expired: by its mtime, and by the time at which it was finished as far as that is known.
        What is of the future by its mtime expires only where it is known to be older than that.
        """
        finished = self.finished(mtime)
        if finished == mtime:
            return self.past(mtime)
        return self.past(finished) and (mtime > self.now or self.past(mtime))


def _due_early(moment: _Moment, generation: Generation, mtime: float) -> bool:
    """Whether a file goes with the hour that goes early, or has to go anyway."""
    calendar = moment.calendar
    goes = generation < calendar.generation_at(moment.now) and mtime <= moment.now
    return (goes and calendar.generation_at(mtime) == generation) or moment.due(mtime)
