"""One device's nursery: its watch, its hot folders and their playlist tasks. Only its own troubles delay it (I8).

Watch first, then look: what is finished in between is seen twice, never missed. A look at the whole folder is the same
code at start, after a full event queue, and when a folder turns out to be another one than the one held open.
"""

import errno
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import attrs
import trio

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.device.hotfolder import HotFolder
from hotcold_inotify.device.recorder import Recorder
from hotcold_inotify.disk import SURVIVED, Home, Lent, errno_name
from hotcold_inotify.hours import Calendar
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.watch import Deleted, Ended, Event, Finished, Overflowed, Watch

SWEEP = 2.0
"""Seconds between two comparisons of what is known with what is there."""
# Threads a device may keep busy: the look at its folders, and its playlists. A hung disk holds so many, and no other
# device's.
_THREADS = 2

# A name that is nobody's has come: look sooner, but not for each of many.
_SOON = 0.25
# Looks at one folder take at most this part of the time: one with a million strangers in it waits for its next.
_SHARE = 0.1

T = TypeVar("T")


@attrs.define
class _Served:
    """A folder that is open and watched: its reaction, and the scope of its playlist task."""

    hot: HotFolder
    recorder: Recorder | None
    playing: trio.CancelScope
    look_at: float = 0.0
    """trio's time before which it need not be looked at again."""


class Device:
    """Serve one device's folder until cancelled."""

    def __init__(self, home: Home, config: Config, calendar: Calendar, clock: Clock, instruments: Instruments) -> None:
        """Nothing is opened before `run`."""
        self.name = home.name
        self.progress_at = trio.current_time()
        """trio's time at which the device's loop last did something."""
        self._home = home
        self._config = config
        self._calendar = calendar
        self._clock = clock
        self._instruments = instruments
        self._log = logger(device=home.name)
        self._troubles = Troubles(self._log)
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._watch: Watch | None = None
        self._served: dict[str, _Served] = {}
        self._by_key: dict[int, _Served] = {}
        self._sweep_at = 0.0
        self._free: int | None = None

    @property
    def within(self) -> int:
        """How many of its hot folders are served and hold no more than they may."""
        return sum(served.hot.within for served in self._served.values())

    def returned(self, kind: str, slots: Iterable[int]) -> None:
        """Files have come back into slots from the waiting room: their playlists do not list them yet."""
        served = self._served.get(kind)
        if served is not None and served.recorder is not None:
            served.recorder.returned(slots)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Started when every folder that can be opened is watched and within its limit."""
        try:
            async with trio.open_nursery() as nursery:
                await self._sweep(nursery)
                self._progress()
                task_status.started()
                await self._loop(nursery)
        finally:
            for kind in list(self._served):
                self._close(kind)
            if self._watch is not None:
                self._watch.close()

    async def _loop(self, nursery: trio.Nursery) -> None:
        while True:
            events: Iterable[Event] = ()
            with trio.move_on_at(self._sweep_at):
                events = await self._events()
            await self._react(events)
            if trio.current_time() >= self._sweep_at:
                await self._sweep(nursery)
            self._progress()

    def _progress(self) -> None:
        self.progress_at = trio.current_time()

    async def _events(self) -> Iterable[Event]:
        if self._watch is None:
            await trio.sleep_forever()  # the sweep alone serves, until an instance is to be had
            raise AssertionError("unreachable: sleep_forever only ends by cancellation")
        return await self._watch.read()

    async def _react(self, events: Iterable[Event]) -> None:
        read_at = trio.current_time()
        now = self._clock.wall()
        for event in events:
            if isinstance(event, Overflowed):
                self._instruments.overflow(self.name)
                for served in list(self._served.values()):
                    await self._survive(served.hot.kind, partial(served.hot.reconcile, "overflow"))
                continue
            served_ = self._by_key.get(event.key)
            if served_ is None:
                continue  # of a folder that was closed since
            if isinstance(event, Finished):
                if served_.hot.finished(event.name, now):
                    await served_.hot.settle(read_at)
                else:
                    self._sweep_at = min(self._sweep_at, read_at + _SOON)
            elif isinstance(event, Deleted):
                served_.hot.deleted(event.name)
            elif isinstance(event, Ended):
                self._sweep_at = served_.look_at = read_at

    async def _sweep(self, nursery: trio.Nursery) -> None:
        """Compare every folder with what is there; open what is not open, open anew what is another folder by now."""
        self._sweep_at = trio.current_time() + SWEEP
        self._open_watch()
        for kind in self._config.kinds:
            await self._survive(kind, partial(self._sweep_kind, kind, nursery))
        if self._free is not None:
            self._instruments.disk_free(self.name, self._free)

    async def _sweep_kind(self, kind: Kind, nursery: trio.Nursery) -> None:
        served = self._served.get(kind.name)
        if served is None:
            await self._open(kind, nursery, "start")
            return
        if not self._watched(served):
            self._add_watch(served)
        if trio.current_time() >= served.look_at and not await self._look(served):
            self._log.warning("the folder is another one by now", kind=kind.name)
            self._close(kind.name)
            await self._open(kind, nursery, "identity")
            return
        if served.hot.folder.slots.moved_away():
            served.hot.folder.slots.forget()
        if served.recorder is not None:
            served.recorder.look()

    async def _look(self, served: _Served) -> bool:
        """Compare a folder with what is there; False: it is another one by now."""
        began = trio.current_time()
        found = await self._in_thread(served.hot.look)
        ended = trio.current_time()
        served.look_at = ended + (ended - began) / _SHARE
        if found.listing is None:
            return False
        self._free = found.free_bytes
        await served.hot.compare(found.listing)
        return True

    async def _open(self, kind: Kind, nursery: trio.Nursery, reason: str) -> None:
        lent = Lent()
        try:
            served = await self._serve(kind, lent)
        except BaseException:  # a cancellation too: what was opened is closed
            lent.close()
            raise
        self._served[kind.name] = served
        if served.recorder is not None:
            served.recorder.watch_hot(served.hot.holds)
            nursery.start_soon(_within, served.playing, served.recorder.run)
        self._add_watch(served)
        await served.hot.reconcile(reason)
        await self._look(served)

    async def _serve(self, kind: Kind, lent: Lent) -> _Served:
        opening = partial(self._home.open, kind, self._calendar, make=True)
        folder = await self._in_thread(partial(lent.use, lambda: lent.closing.enter_context(opening())))
        instruments = self._instruments.folder(self.name, kind.name)
        log = self._log.bind(kind=kind.name)
        recorder = None
        if kind.playlist:
            recorder = Recorder(
                folder,
                clock=self._clock,
                instruments=instruments,
                limiter=self._limiter,
                durable=self._config.durable,
                log=log,
            )
        hot = HotFolder(
            folder,
            lent,
            clock=self._clock,
            instruments=instruments,
            recorder=recorder,
            progress=self._progress,
            limiter=self._limiter,
            durable=self._config.durable,
            log=log,
        )
        return _Served(hot, recorder, trio.CancelScope())

    def _close(self, kind: str) -> None:
        served = self._served.pop(kind)
        served.playing.cancel()
        for key in [key for key, found in self._by_key.items() if found is served]:
            del self._by_key[key]
            if self._watch is not None:
                self._watch.remove(key)
        served.hot.close()

    def _watched(self, served: _Served) -> bool:
        return any(found is served for found in self._by_key.values())

    def _open_watch(self) -> None:
        if self._watch is not None:
            return
        try:
            self._watch = Watch()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            self._unwell(
                "inotify",
                error,
                "no inotify instance to be had, the device is only looked at every few seconds; "
                "raise fs.inotify.max_user_instances, or the limit of open files",
            )
        else:
            self._well("inotify")

    def _add_watch(self, served: _Served) -> None:
        if self._watch is None:
            return
        try:
            self._by_key[self._watch.add(served.hot.folder.hot_fd)] = served
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EACCES):
                raise
            self._unwell(
                f"watch {served.hot.kind.name}",
                error,
                "cannot watch a hot folder, it is only looked at every few seconds; "
                "ENOSPC: raise fs.inotify.max_user_watches",
            )
        else:
            self._well(f"watch {served.hot.kind.name}")

    async def _survive(self, kind: Kind, work: Callable[[], Awaitable[None]]) -> None:
        """Do something with one folder; the named errors are said once, and it is tried again at the next sweep."""
        try:
            await work()
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            self._unwell(kind.name, error, f"cannot serve the folder: {error}")
        else:
            self._well(kind.name)

    def _well(self, what: str) -> None:
        self._troubles.ends(what, "well again", what=what)

    def _unwell(self, what: str, error: OSError, text: str) -> None:
        self._troubles.begins(what, errno_name(error), text, what=what)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)


async def _within(scope: trio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await work()
