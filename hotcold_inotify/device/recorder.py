"""The playlist task of one hot folder: each archived segment is appended to its hour's playlist, in the order of
archiving.

It hears of segments over a bounded queue, so that a slow playlist never holds up the hot folder. What does not fit in,
or cannot be appended, makes its hour be recovered from the folder: whole, once the queue is empty.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import attrs
import trio
from structlog.typing import FilteringBoundLogger

from hotcold_inotify import playlist
from hotcold_inotify.clock import Clock
from hotcold_inotify.device.spell import Spell
from hotcold_inotify.disk import (
    LIVE_PLAYLIST,
    SURVIVED,
    Archived,
    Changed,
    Folder,
    HourPlaylist,
    Lent,
    errno_name,
    generation_of,
    read_live,
)
from hotcold_inotify.hours import Generation
from hotcold_inotify.livewindow import LiveWindow
from hotcold_inotify.logs import Troubles
from hotcold_inotify.metrics import FolderInstruments
from hotcold_inotify.probe import Probe
from hotcold_inotify.timeline import Knowledge, Placed, Refused, Segment

# Segments on their way to a playlist. A burst beyond this is not lost: its hour is recovered from the folder.
_QUEUE = 2048
# Seconds between two recoveries: less than between two sweeps, so that each sweep's look may bring one.
_PATIENCE = 1.5
# Recoveries take at most this part of the time: while a backlog leaves, an hour is behind again as soon as it was
# recovered, and one of hundreds of thousands of segments takes seconds of a core.
_SHARE = 0.2
# Seconds at the end for what is in the queue: the loop waits for it.
_LAST_MOMENT = 0.2

T = TypeVar("T")


@attrs.frozen
class _Heard:
    """The live playlist changed."""


@attrs.frozen
class _Look:
    """A while has passed: is an hour over?"""


class Recorder:
    """Feed it with `archived`, `file_changed` and `look`, none of which waits; `run` does the work."""

    def __init__(
        self,
        folder: Folder,
        lent: Lent,
        *,
        clock: Clock,
        instruments: FolderInstruments,
        limiter: trio.CapacityLimiter,
        spell: Spell,
        durable: bool,
        log: FilteringBoundLogger,
    ) -> None:
        """`folder` is nobody else's; `lent` closes it, and `run` closes `lent`. While `spell` says that the disk is
        slow, all is done in threads.
        """
        self._lent = lent
        self._folder = folder
        self._lent.closing.callback(self._drop_all)
        self._spell = spell
        self._clock = clock
        self._instruments = instruments
        self._limiter = limiter
        self._durable = durable
        self._log = log
        self._troubles = Troubles(log)
        self._hot: Callable[[], list[str] | None] = lambda: None
        self._came_back: set[int] = set()  # slots
        self._window = LiveWindow(max(4096, 2 * folder.kind.hot_limit))
        self._called: dict[str, str] = {}  # a revision's name -> the name that the live playlist knows
        self._hours: dict[Generation, HourPlaylist] = {}
        self._counted: dict[Generation, tuple[int, int]] = {}  # entries and discontinuities that the metrics know of
        self._behind: dict[Generation, None] = {}  # hours to recover, in this order
        self._probe = Probe()
        self._not_before = 0.0
        self._abandoned = False  # a thread may still be at work on an hour: it is not ours any more
        self._send, self._inbox = trio.open_memory_channel[Archived | _Heard | _Look](_QUEUE)

    def watch_hot(self, names: Callable[[], list[str] | None]) -> None:
        """`names` tells which files are hot, None if that is not known: the hour of none of them is over."""
        self._hot = names

    def archived(self, archived: Archived) -> None:
        """A segment is in its slot."""
        if archived.aside:
            return
        try:
            self._send.send_nowait(archived)
        except trio.WouldBlock:
            self._behind[archived.generation] = None

    def file_changed(self, text: str) -> None:
        """A file that is no segment was finished in the hot folder: perhaps the live playlist."""
        if text == LIVE_PLAYLIST:
            self._offer(_Heard())

    def look(self) -> None:
        """Time has passed."""
        self._offer(_Look())

    def returned(self, slots: Iterable[int]) -> None:
        """Segments that nobody archived just now are in these slots."""
        self._came_back.update(slots)

    async def run(self) -> None:
        """Work until cancelled; then list what is already in the queue, for its files are in their slots."""
        try:
            await self._hear()
            async for item in self._inbox:
                if isinstance(item, Archived):
                    await self._record(item)
                elif isinstance(item, _Heard):
                    await self._hear()
                else:
                    await self._note_returned()
                    await self._end_hours()
                if self._behind and not self._inbox.statistics().current_buffer_used:
                    await self._recover_waiting()
        finally:
            self._finish()

    async def _record(self, item: Archived) -> None:
        if item.was.text != item.name.text:
            self._called[item.name.text] = item.was.text
        try:
            hour = self._hours.get(item.generation)
            if hour is None:
                hour = await self._open(item.generation)
            if self._heard(item.name.text) is None:
                # With a small hot limit a segment may leave before the news of it is read.
                await self._hear()
            if hour is None or item.generation in self._behind:
                return
            if item.name.text in hour:
                # A recovery ran ahead of this word; or somebody removed the hour, and a second file has the name.
                await self._do(hour.verify, waits=False)
                return
            segment = Segment(item.name, item.mtime, item.size)
            # fsync waits for the disk, ffprobe for a process.
            waits = self._durable or self._heard(item.name.text) is None
            placed = await self._do(partial(hour.append, segment, self._knowledge(item.generation)), waits=waits)
            self._troubles.ends("playlists", "hour playlists are written again")
        except Changed:
            self._drop(item.generation)
            self._behind[item.generation] = None
        except OSError as error:
            self._failed(item.generation, error)
        else:
            if isinstance(placed, Placed):
                self._count(hour, *self._counted[item.generation])
            elif placed is not Refused.EMPTY:
                self._behind[item.generation] = None

    async def _open(self, generation: Generation) -> HourPlaylist | None:
        """The hour's playlist, brought in line with its folder; None: its slot holds another hour by now."""
        hour = await self._in_thread(partial(self._enter, generation))
        if hour is None:
            return None
        try:
            await self._recover(hour)
        except OSError:
            self._drop(generation)
            raise
        return hour

    def _enter(self, generation: Generation) -> HourPlaylist | None:
        """In a thread: what it opens is one of the hours from then on, and closed with them."""
        slot_fd = self._folder.slots.open(generation.slot)
        try:
            held = self._folder.slots.held(slot_fd)
        except OSError:
            os.close(slot_fd)
            raise
        if held not in (None, generation):
            os.close(slot_fd)
            return None
        hour = self._hours[generation] = HourPlaylist(
            slot_fd, generation, self._folder.kind.pattern, durable=self._durable
        )
        return hour

    async def _recover(self, hour: HourPlaylist) -> None:
        knowledge, hot = self._knowledge(hour.generation), self._hot()
        reason = await self._in_thread(lambda: hour.recover(knowledge, over=self._over(hour.generation, hot)))
        entries, discontinuities = self._counted.get(hour.generation, (hour.entries, hour.discontinuities))
        if reason == "new":
            entries = discontinuities = 0
        elif reason is not None:
            self._instruments.playlist_rebuild(reason)
            self._log.info("hour playlist rebuilt", hour=str(hour.generation), reason=reason, entries=hour.entries)
        self._count(hour, entries, discontinuities)

    async def _recover_waiting(self) -> None:
        """Recover the hours that wait, until there is something in the queue or one resists; not more often than every
        few seconds: after a clock that was set back each segment is late.
        """
        if trio.current_time() < self._not_before:
            return  # `look` comes again
        began = trio.current_time()
        for generation in list(self._behind):
            # Before, not after: what finds the queue full while its folder is listed puts it behind again.
            del self._behind[generation]
            self._drop(generation)  # its slot may be another folder by now
            try:
                await self._open(generation)
            except OSError as error:
                self._failed(generation, error)
                break
            self._troubles.ends("playlists", "hour playlists are written again")
            if self._inbox.statistics().current_buffer_used:
                break
        ended = trio.current_time()
        self._not_before = ended + max(_PATIENCE, (ended - began) / _SHARE)

    async def _end_hours(self) -> None:
        """End the playlists whose hour is past and to which no hot file belongs; they need no attention any more."""
        for generation, hour in list(self._hours.items()):
            if generation in self._behind:
                continue
            if not self._past(generation):
                continue
            try:
                # fdatasync waits for the disk.
                if not await self._do(partial(self._end, hour, self._hot()), waits=self._durable):
                    continue
            except Changed:
                self._behind[generation] = None
            except OSError as error:
                self._failed(generation, error)
            else:
                self._drop(generation)
                self._counted.pop(generation, None)
                for name in [name for name in self._called if name in hour]:
                    del self._called[name]

    def _end(self, hour: HourPlaylist, hot: list[str] | None) -> bool:
        """End one playlist if its hour is over; whether it is."""
        over = self._over(hour.generation, hot)
        if over:
            hour.end()
        return over

    async def _note_returned(self) -> None:
        """The hours to whose slots files came back are recovered."""
        slots, self._came_back = self._came_back, set()
        for slot in slots:
            try:
                generation = await self._do(partial(self._folder.slots.holds, slot))
            except OSError as error:
                if error.errno not in SURVIVED:
                    raise
                self._came_back.add(slot)
                continue
            if generation is not None:
                self._behind[generation] = None

    def _finish(self) -> None:
        """Append what is queued, without waiting for anything; whatever does not go smoothly is found at the next
        start.
        """
        until = time.monotonic() + _LAST_MOMENT
        try:
            while not (self._abandoned or self._spell.slow) and time.monotonic() < until:
                item = self._inbox.receive_nowait()
                if not isinstance(item, Archived):
                    continue
                hour = self._hours.get(item.generation)
                if hour is not None and item.generation not in self._behind and item.name.text not in hour:
                    hour.append(
                        Segment(item.name, item.mtime, item.size), self._knowledge(item.generation, measure=False)
                    )
        except (trio.WouldBlock, Changed):
            pass
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
        finally:
            self._lent.close()

    def _past(self, generation: Generation) -> bool:
        return generation < self._folder.calendar.generation_at(self._clock.wall())

    def _over(self, generation: Generation, hot: list[str] | None) -> bool:
        """Whether nothing can follow: the hour is past, and no hot file belongs to it."""
        return (
            self._past(generation)
            and hot is not None
            and all(generation_of(self._folder, text) != generation for text in hot)
        )

    async def _hear(self) -> None:
        """Read the live playlist; one that is not there, or cut short by a killed encoder, says nothing."""
        live = await self._do(partial(read_live, self._folder))
        if live is not None:
            self._window.read(live)

    def _heard(self, name: str) -> playlist.Heard | None:
        return self._window.get(self._called.get(name, name))

    def _knowledge(self, generation: Generation, *, measure: bool = True) -> Knowledge:
        nominal = float(self._window.nominal or 1)
        if not measure:
            return Knowledge(self._heard, nominal=nominal)
        slot = os.path.join(self._folder.cold_path, str(generation.slot))
        return Knowledge(self._heard, lambda name: self._probe.duration(os.path.join(slot, name)), nominal)

    def _count(self, hour: HourPlaylist, entries: int, discontinuities: int) -> None:
        """Count what the hour's playlist lists beyond what was counted of it before."""
        self._instruments.playlist_entries.inc(max(0, hour.entries - entries))
        self._instruments.playlist_discontinuities.inc(max(0, hour.discontinuities - discontinuities))
        self._counted[hour.generation] = hour.entries, hour.discontinuities

    def _failed(self, generation: Generation, error: OSError) -> None:
        if error.errno not in SURVIVED:
            raise error
        self._behind[generation] = None
        text = "cannot write an hour's playlist; it is tried again"
        self._troubles.begins("playlists", errno_name(error), text, hour=str(generation), error=str(error))

    def _drop(self, generation: Generation) -> None:
        hour = self._hours.pop(generation, None)
        if hour is not None:
            hour.close()

    def _drop_all(self) -> None:
        for generation in list(self._hours):
            self._drop(generation)

    def _offer(self, item: _Heard | _Look) -> None:
        # Both come again within seconds: a full queue may miss one. Hearing less of the live playlist costs a
        # duration's precision.
        with contextlib.suppress(trio.WouldBlock):
            self._send.send_nowait(item)

    async def _do(self, work: Callable[[], T], *, waits: bool = False) -> T:
        """At once while the disk is quick; in a thread else, or if it `waits` in any case."""
        if waits:
            return await self._in_thread(work)
        began = time.perf_counter()
        try:
            if self._spell.slow or self._folder.copies:
                return await self._in_thread(work)
            return work()
        finally:
            self._spell.took(time.perf_counter() - began)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(
                partial(self._lent.use, work), limiter=self._limiter, abandon_on_cancel=True
            )
        except trio.Cancelled:
            self._abandoned = True
            raise
