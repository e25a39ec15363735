"""Where a disk is fuller than the configuration allows, hours go before their time: whole, the oldest first.

One look over all devices at once, for they share disks. Each full disk has a task of its own, and each device's folders
are looked at in a thread of their own: a disk that hangs holds up no other (I8). What goes, how it goes and that a
clock must be believed for it (I6) is `rotation`'s matter; here it is decided when, and which.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import attrs
import trio

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind, Pressure
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Expired, Home, errno_name
from hotcold_inotify.disk.space import spaces
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.pressure import Hour, Space, next_hour

T = TypeVar("T")
Expire = Callable[[str, Generation], Awaitable[Expired]]

# Seconds between two looks at the disks.
_LOOK = 2.0
# How long a look at one device's disk, and at what its folders hold, may take; then it is left out this time.
_PATIENCE = 2.0
_PATIENCE_LISTING = 30.0
# Some file systems (btrfs, 30 s) give room back late: what was deleted is credited for so long.
_LATE = 35.0
# After the turn, files of the hour before are hot for a while yet. It counts as live for so long.
_GRACE = 120.0

_WORDS = {
    "room": "the disk has room again: no hour goes early any more",
    "early": "the disk is fuller than it may be: the oldest hours go early",
    "nothing left": "the disk is fuller than it may be, and there is no hour left that may go early",
    "clock": "the disk is fuller than it may be, but the clock is not believed: no hour goes early",
}


@attrs.define(eq=False)
class _Member:
    """A device that is served. `limiter`: a hung disk holds one thread, however often it is asked."""

    home: Home
    expire: Expire
    limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    disks: dict[str, tuple[int, Space]] = attrs.field(factory=dict)
    """As of the last look that ended in time, by kind."""
    fresh: bool = False
    """That look was the last one: nothing is deleted by an older one."""
    working: set[trio.CancelScope] = attrs.field(factory=set)


class Relief:
    """Run with `run`; devices come and go by `serving`."""

    def __init__(
        self,
        policy: Pressure,
        kinds: tuple[Kind, ...],
        calendar: Calendar,
        clock: Clock,
        believable: Callable[[], bool],
        instruments: Instruments,
    ) -> None:
        """`believable` looks at the clocks and says whether deleting by them is safe at this moment."""
        self._policy = policy
        self._floor = policy.floor
        self._kinds = {kind.name: kind for kind in kinds}
        self._calendar = calendar
        self._clock = clock
        self._believable = believable
        self._instruments = instruments
        self._members: dict[str, _Member] = {}
        self._pressed: set[int] = set()  # disks, by st_dev, as all below
        self._busy: set[int] = set()
        self._credited_until: dict[int, float] = {}
        self._said: dict[int, str] = {}
        self._log = logger()
        self._troubles = Troubles(self._log)

    @contextlib.contextmanager
    def serving(self, home: Home, expire: Expire) -> Iterator[None]:
        """Within it the device counts. `expire` takes the hour of a kind away and deletes it."""
        member = self._members[home.name] = _Member(home, expire)
        try:
            yield
        finally:
            del self._members[home.name]
            for scope in member.working:
                scope.cancel()

    async def run(self) -> None:
        """Look at the disks every few seconds, until cancelled; at once done where nothing has to stay free."""
        if not self._floor:
            return
        async with trio.open_nursery() as nursery:
            while True:
                await self._look(nursery)
                await trio.sleep(_LOOK)

    async def _look(self, nursery: trio.Nursery) -> None:
        await self._measure(self._members.values())
        disks: dict[int, Space] = {}
        for member in self._members.values():
            if member.fresh:
                disks |= dict(member.disks.values())
        for disk, space in disks.items():
            if self._floor.short(space, pressed=disk in self._pressed):
                self._pressed.add(disk)
                if disk not in self._busy and trio.current_time() >= self._credited_until.get(disk, 0):
                    self._busy.add(disk)
                    nursery.start_soon(self._relieve, disk, space)
            elif disk in self._pressed and disk not in self._busy:
                self._pressed.discard(disk)
                self._say(disk, "room", space)
        for name, member in self._members.items():
            self._instruments.pressed(name, pressed=any(disk in self._pressed for disk, _ in member.disks.values()))

    async def _relieve(self, disk: int, before: Space) -> None:
        """Take hour after hour from a disk, until there is room."""
        try:
            held: list[Hour] | None = None
            freed = Expired()
            space = measured = before
            while self._floor.short(space, pressed=True):
                if not self._believable():
                    self._say(disk, "clock", space)
                    return
                if held is None:
                    held = await self._held(disk)
                live = self._calendar.generation_at(self._clock.wall() - _GRACE)
                hour = next_hour(held, self._policy.order, live)
                if hour is None:
                    self._say(disk, "nothing left", space)
                    return
                self._say(disk, "early", space)
                held.remove(hour)
                freed += await self._expire(hour)
                measured = await self._space(disk) or measured
                space = before.credited(freed.bytes, freed.files, measured)
            if self._floor.short(measured, pressed=True):
                self._credited_until[disk] = trio.current_time() + _LATE
        finally:
            self._busy.discard(disk)

    async def _expire(self, hour: Hour) -> Expired:
        member = self._members.get(hour.device)
        if member is None:
            return Expired()  # it has left meanwhile
        done = Expired()
        where = f"{hour.device}/{hour.kind}"
        with trio.CancelScope() as scope:
            member.working.add(scope)
            try:
                done = await member.expire(hour.kind, hour.generation)
            except OSError as error:
                if error.errno not in SURVIVED:
                    raise
                self._troubles.begins(where, errno_name(error), f"cannot take an hour away early: {error}", what=where)
            else:
                self._troubles.ends(where, "hours can be taken away early again", what=where)
        member.working.discard(scope)
        if done.files:
            keys = {"device": hour.device, "kind": hour.kind, "hour": str(hour.generation)}
            self._log.warning("hour expired early", files=done.files, bytes=done.bytes, **keys)
        return done

    def _say(self, disk: int, state: str, space: Space) -> None:
        """Once for each change of state."""
        if self._said.get(disk) == state:
            return
        self._said[disk] = state
        bytes_, inodes = self._floor.wanted(space)
        devices = [name for name, member in self._members.items() if disk in dict(member.disks.values())]
        (self._log.info if state == "room" else self._log.warning)(
            _WORDS[state],
            devices=devices,
            free=space.free,
            min_free=bytes_,
            free_inodes=space.free_inodes,
            min_free_inodes=inodes,
        )

    async def _space(self, disk: int) -> Space | None:
        """The room on a disk at this moment; None: nobody can say."""
        asked = [member for member in self._members.values() if disk in dict(member.disks.values())]
        await self._measure(asked)
        return next((dict(member.disks.values()).get(disk) for member in asked if member.fresh), None)

    async def _measure(self, members: Iterable[_Member]) -> None:
        async def measure(member: _Member) -> None:
            with trio.move_on_after(_PATIENCE) as patience:
                member.disks = await self._in_thread(member, partial(spaces, member.home, tuple(self._kinds)))
            member.fresh = not patience.cancelled_caught

        async with trio.open_nursery() as nursery:
            for member in list(members):
                nursery.start_soon(measure, member)

    async def _held(self, disk: int) -> list[Hour]:
        """Every hour that the folders on a disk hold, of kinds that may go early."""
        held: list[Hour] = []

        async def look(member: _Member, kinds: list[Kind]) -> None:
            with trio.move_on_after(_PATIENCE_LISTING):
                held.extend(await self._in_thread(member, partial(_hours, member.home, kinds, self._calendar)))

        async with trio.open_nursery() as nursery:
            for member in self._members.values():
                here = [name for name in self._policy.order if member.disks.get(name, (None,))[0] == disk]
                nursery.start_soon(look, member, [self._kinds[name] for name in here])
        return held

    async def _in_thread(self, member: _Member, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=member.limiter, abandon_on_cancel=True)


def _hours(home: Home, kinds: Iterable[Kind], calendar: Calendar) -> list[Hour]:
    found: list[Hour] = []
    for kind in kinds:
        try:
            with home.open(kind, calendar) as folder:
                held = [folder.slots.holds(slot) for slot in range(len(SLOT_NAMES))]
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
        else:
            found += [Hour(home.name, kind.name, generation) for generation in held if generation is not None]
    return found
