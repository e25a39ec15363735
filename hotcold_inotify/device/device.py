"""One device: its event loop, and a task for each of its hot folders. Only its own troubles delay it (I8), and none of
its folders waits for another.

Watch first, then look: what is finished in between is seen twice, never missed. A look at the whole folder is the same
code at start, after a full event queue, and when a folder turns out to be another one than the one held open.
"""

import errno
import math
import os
import zlib
from collections.abc import Iterable
from functools import partial

import attrs
import trio

from hotcold_inotify.background import Background
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind
from hotcold_inotify.device.backlog import Backlog
from hotcold_inotify.device.hearing import Hearing
from hotcold_inotify.device.hotfolder import HotFolder
from hotcold_inotify.device.leaving import Leaving
from hotcold_inotify.device.recorder import Recorder
from hotcold_inotify.device.spell import Spell
from hotcold_inotify.device.threads import Threads
from hotcold_inotify.disk import SURVIVED, Folder, Home, Lent, errno_name
from hotcold_inotify.disk.filesystem import file_system, written_elsewhere
from hotcold_inotify.hours import Calendar
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.watch import Deleted, Ended, Event, Finished, Overflowed, Watch

SWEEP = 2.0
"""Seconds between two comparisons of what is known with what is there."""
# A name that is nobody's has come: look sooner, but not for each of many.
_SOON = 0.25
# Looks at all folders together take at most this part of a processor: one with a million strangers in it waits for its
# next, and so does each of several thousand.
_SHARE = 0.1


@attrs.define
class _Served:
    """A folder that is open and watched."""

    hot: HotFolder
    recorder: Recorder | None
    lent: Lent
    recorder_lent: Lent
    next_at: float
    """trio's time of the next round."""
    look_at: float = 0.0
    """trio's time before which it need not be looked at again."""
    hurry: trio.Event = attrs.field(factory=trio.Event)
    """`next_at` has come nearer."""

    def sooner(self, at: float) -> None:
        if at < self.next_at:
            self.next_at = at
            self.hurry.set()


class Device:
    """Serve one device's folder until cancelled."""

    def __init__(
        self,
        home: Home,
        config: Config,
        calendar: Calendar,
        clock: Clock,
        instruments: Instruments,
        hearing: Hearing | None = None,
        background: Background | None = None,
    ) -> None:
        """Nothing is opened before `run`. `hearing` is what tells all devices of their events, and runs beside them;
        `background` has the turns of all of them. None: this device has one to itself.
        """
        self.name = home.name
        self._home = home
        self._config = config
        self._calendar = calendar
        self._clock = clock
        self._instruments = instruments
        self._own_hearing = hearing is None
        self._hearing = hearing or Hearing()
        self._phase = zlib.crc32(os.fsencode(home.name)) / 2**32 * SWEEP
        self._log = logger(device=home.name)
        self._troubles = Troubles(self._log)
        self._background = background or Background()
        self._threads = Threads(len(config.kinds), self._background)
        self._watch: Watch | None = None
        self._served: dict[str, _Served] = {}
        self._shares: dict[str, str | None] = {}
        self._by_key: dict[int, _Served] = {}

    @property
    def within(self) -> int:
        """How many of its hot folders are served and hold no more than they may."""
        return sum(served.hot.within for served in self._served.values())

    @property
    def progress_at(self) -> float:
        """Since when, in trio's time, the device or one of its folders has been at the same thing."""
        oldest = self._threads.oldest
        return trio.current_time() if oldest is None else oldest

    def returned(self, kind: str, slots: Iterable[int]) -> None:
        """Files have come back into slots from the waiting room: their playlists do not list them yet."""
        served = self._served.get(kind)
        if served is not None and served.recorder is not None:
            served.recorder.returned(slots)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Started when every folder that can be opened is watched, and what can leave it at once has left: it is within
        its limit, or the rest leaves by a thread, or is refused. A slow disk with a large backlog delays no start.
        """
        try:
            async with trio.open_nursery() as nursery:
                if self._own_hearing:
                    nursery.start_soon(self._hearing.run)
                async with trio.open_nursery() as first:
                    for kind in self._config.kinds:
                        settled = trio.Event()
                        nursery.start_soon(self._keep, kind, settled)
                        first.start_soon(settled.wait)
                task_status.started()
        finally:
            if self._watch is not None:
                self._hearing.leave(self._watch)
                self._watch.close()
            if self._own_hearing:
                self._hearing.close()

    # --- events

    def _hear(self) -> int:
        """React to a slice of what is in the queue; to how many events."""
        if self._watch is None:
            raise AssertionError("unreachable: what is listened to is open")
        read_at, now, heard = trio.current_time(), self._clock.wall(), 0
        for event in self._watch.read():
            self._react(event, read_at, now)
            heard += 1
        return heard

    def _react(self, event: Event, read_at: float, now: float) -> None:
        if isinstance(event, Overflowed):
            self._instruments.overflow(self.name)
            for served in self._served.values():
                served.hot.wants_scan("overflow")
            return
        found = self._by_key.get(event.key)
        if found is None:
            return  # of a folder that was closed since
        if isinstance(event, Finished):
            if not found.hot.finished(event.name, now, read_at):
                found.sooner(read_at + _SOON)
        elif isinstance(event, Deleted):
            found.hot.deleted(event.name)
        elif isinstance(event, Ended):
            found.look_at = read_at
            found.sooner(read_at)

    # --- folders

    async def _keep(self, kind: Kind, settled: trio.Event) -> None:
        """Serve one hot folder: open it, and again when it is another one by now."""
        reason = "start"
        while True:
            try:
                served = await self._open(kind)
            except OSError as error:
                self._unwell(kind.name, error, f"cannot serve the folder: {error}")
                settled.set()
                await trio.sleep(SWEEP)
                continue
            await self._serve(served, reason, settled)
            self._log.warning("the folder is another one by now", kind=kind.name)
            reason = "identity"

    async def _serve(self, served: _Served, reason: str, settled: trio.Event) -> None:
        """Until it is another folder."""
        name = served.hot.kind.name
        self._served[name] = served
        self._background.folders += 1
        try:
            async with trio.open_nursery() as nursery:
                self._add_watch(served)
                if served.recorder is not None:
                    nursery.start_soon(served.recorder.run)
                served.hot.wants_scan(reason)
                nursery.start_soon(served.hot.run)
                same = await self._round(served)
                nursery.start_soon(_pass_on, served.hot.settled, settled)
                while same:
                    same = await self._round(served)
                nursery.cancel_scope.cancel()
        finally:
            self._background.folders -= 1
            del self._served[name]
            for key in [key for key, found in self._by_key.items() if found is served]:
                del self._by_key[key]
                if self._watch is not None:
                    self._watch.remove(key)
            served.lent.close()
            served.recorder_lent.close()

    async def _round(self, served: _Served) -> bool:
        """Wait until it is time, and look at the folder; False: it is another one by now."""
        while trio.current_time() < served.next_at:
            served.hurry = trio.Event()
            with trio.move_on_at(served.next_at):
                await served.hurry.wait()
        served.next_at = math.inf
        kind = served.hot.kind
        self._open_watch()
        if not any(found is served for found in self._by_key.values()):
            self._add_watch(served)
        if trio.current_time() >= served.look_at:
            try:
                if not await served.hot.look():
                    return False
            except OSError as error:
                self._unwell(kind.name, error, f"cannot serve the folder: {error}")
            else:
                self._well(kind.name)
            served.look_at = trio.current_time() + served.hot.look_cost * self._background.folders / _SHARE
            if served.hot.free_bytes is not None:
                self._instruments.disk_free(self.name, served.hot.free_bytes)
        if served.recorder is not None:
            served.recorder.look()
        served.next_at = min(served.next_at, self._next_sweep())
        return True

    def _next_sweep(self) -> float:
        """When, in trio's time. Each device has a phase of its own: a thousand looks at once would hold up events."""
        now = trio.current_time()
        return now + SWEEP - (now - self._phase) % SWEEP

    async def _open(self, kind: Kind) -> _Served:
        self._open_watch()
        lent, recorder_lent = Lent(), Lent()
        try:
            folder, clone = await self._threads.run_in_turn(
                partial(lent.use, partial(self._opened, kind, lent, recorder_lent))
            )
        except BaseException:  # a cancellation too: what was opened is closed
            lent.close()
            recorder_lent.close()
            raise
        instruments = self._instruments.folder(self.name, kind.name)
        log = self._log.bind(kind=kind.name)
        spell = Spell(log)
        leaving = Leaving(
            folder, lent, clock=self._clock, durable=self._config.durable, threads=self._threads, spell=spell
        )
        recorder = None
        if clone is not None:
            recorder = Recorder(
                clone,
                recorder_lent,
                clock=self._clock,
                instruments=instruments,
                limiter=self._threads.limiter,
                spell=spell,
                durable=self._config.durable,
                log=log,
            )
        hot = HotFolder(
            folder,
            leaving,
            clock=self._clock,
            instruments=instruments,
            recorder=recorder,
            backlog=Backlog(self._config.cold_backlog, instruments, log),
            log=log,
        )
        if recorder is not None:
            recorder.watch_hot(hot.names)
        return _Served(hot, recorder, lent, recorder_lent, next_at=trio.current_time())

    def _opened(self, kind: Kind, lent: Lent, recorder_lent: Lent) -> tuple[Folder, Folder | None]:
        """In a thread: the folder, and for one with playlists another one of its own for their task."""
        folder = lent.closing.enter_context(self._home.open(kind, self._calendar, make=True))
        self._tell_of_share(folder)
        if not kind.playlist:
            return folder, None
        return folder, recorder_lent.use(lambda: recorder_lent.closing.enter_context(folder.clone()))

    def _tell_of_share(self, folder: Folder) -> None:
        """Say, once, where inotify cannot tell of everything."""
        kind, found = folder.kind.name, file_system(folder.hot_fd)
        if written_elsewhere(found) and self._shares.get(kind) != found:
            self._log.info(
                "what others write into this file system past this machine's mount raises no event here; "
                f"the look every {SWEEP:.0f} s archives it",
                kind=kind,
                file_system=found,
            )
        self._shares[kind] = found

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
            self._hearing.listen(self._watch, self._hear)
            self._well("inotify")

    def _add_watch(self, served: _Served) -> None:
        if self._watch is None:
            return
        try:
            self._by_key[self._watch.add(served.hot.folder.hot_fd)] = served
        except OSError as error:
            self._unwell(
                f"watch {served.hot.kind.name}",
                error,
                "cannot watch a hot folder, it is only looked at every few seconds; "
                "ENOSPC: raise fs.inotify.max_user_watches",
            )
        else:
            self._well(f"watch {served.hot.kind.name}")

    def _well(self, what: str) -> None:
        self._troubles.ends(what, "well again", what=what)

    def _unwell(self, what: str, error: OSError, text: str) -> None:
        """Said once; it is tried again at the next look. An error that is not survived is a bug, and raised."""
        if error.errno not in SURVIVED:
            raise error
        self._troubles.begins(what, errno_name(error), text, what=what)


async def _pass_on(first: trio.Event, then: trio.Event) -> None:
    await first.wait()
    then.set()
