"""What a start does: each slot's playlist is made true (I4, I7). A repair does the same."""

import fcntl
import os
from functools import partial

import trio

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import (
    SLOT_NAMES,
    SURVIVED,
    Folder,
    Home,
    HourPlaylist,
    errno_name,
    generation_of,
    list_hot,
    read_live,
    remove_unfinished,
)
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.livewindow import LiveWindow
from hotcold_inotify.logs import logger
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.probe import Probe
from hotcold_inotify.timeline import Knowledge


async def recover(
    home: Home, kinds: tuple[Kind, ...], calendar: Calendar, clock: Clock, instruments: Instruments
) -> None:
    """Make one device's slots right after a crash, hour by hour, the live one first; beside the running reactor, in a
    thread.
    """
    limiter, probe = trio.CapacityLimiter(1), Probe()
    log = logger(device=home.name)
    for kind in kinds:
        live = calendar.generation_at(clock.wall()).slot
        for ago in range(len(SLOT_NAMES)):
            slot = (live - ago) % len(SLOT_NAMES)
            work = partial(recover_slot, home, kind, calendar, clock, slot, probe)
            try:
                reason = await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
            except OSError as error:
                if error.errno not in SURVIVED:
                    raise
                log.warning("cannot look through an hour", kind=kind.name, slot=slot, errno=errno_name(error))
                continue
            if reason is not None:
                instruments.folder(home.name, kind.name).playlist_rebuild(reason)
                log.info("hour playlist rebuilt", kind=kind.name, slot=slot, reason=reason)


def recover_slot(home: Home, kind: Kind, calendar: Calendar, clock: Clock, slot: int, probe: Probe) -> str | None:
    """Make one slot's playlist true, and remove what a crash left unfinished; why it was replaced, or None. May take
    long: call it in a thread.
    """
    with home.open(kind, calendar) as folder:
        live = calendar.generation_at(clock.wall())
        generation = folder.slots.holds(slot)
        slot_fd = folder.slots.open(slot)
        try:
            # Whoever replaces a playlist locks its slot: what he has not finished is no leftover.
            fcntl.flock(slot_fd, fcntl.LOCK_EX)
            remove_unfinished(slot_fd, kind.pattern)
            if not kind.playlist:
                return None
            over = generation is not None and generation < live and generation not in _hot_hours(folder)
            # Where no segment is, no hour matters: a playlist that is there lists what is not.
            hour = HourPlaylist(slot_fd, generation or live, kind.pattern, durable=False)
            return hour.recover(_knowledge(folder, slot, probe), over=over)
        finally:
            os.close(slot_fd)


def _hot_hours(folder: Folder) -> set[Generation | None]:
    """The hours to which hot files belong: their playlists are not ended yet."""
    return {generation_of(folder, text) for text in list_hot(folder, 4 * folder.kind.hot_limit + 1000).names}


def _knowledge(folder: Folder, slot: int, probe: Probe) -> Knowledge:
    window = LiveWindow()
    live = read_live(folder)
    if live is not None:
        window.read(live)
    path = os.path.join(folder.cold_path, str(slot))
    return Knowledge(window.get, lambda name: probe.duration(os.path.join(path, name)), float(window.nominal or 1))
