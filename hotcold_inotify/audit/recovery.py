"""What a start does: a file that a crash left in two places is in one again, and each slot's playlist is made true (I1,
I4, I7). A repair does the same.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable
from functools import partial

import attrs
import trio

from hotcold_inotify.audit.looking import Looker
from hotcold_inotify.background import Background
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import (
    SLOT_NAMES,
    SURVIVED,
    Folder,
    Home,
    HourPlaylist,
    archive,
    errno_name,
    generation_of,
    list_hot,
    read_live,
    remove_unfinished,
)
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.livewindow import LiveWindow
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.probe import Probe
from hotcold_inotify.timeline import Knowledge

# Seconds until an hour that could not be looked through is tried again.
_AGAIN = 2.0
# Seconds after which a thread comes back, and others have their turn.
_JOB = 0.05


async def recover(
    home: Home,
    kinds: tuple[Kind, ...],
    calendar: Calendar,
    clock: Clock,
    instruments: Instruments,
    *,
    durable: bool,
    background: Background | None = None,
) -> None:
    """Make one device's folders right after a crash: what is hot and cold, then the slots, hour by hour, the live one
    first; beside the running reactor, in a thread. It ends when each was looked through: what resists is tried again.
    `durable`: as for `HourPlaylist`; `background` has the turns of all devices (None: this one has it to itself).
    """
    probe, background = Probe(), background or Background()
    log = logger(device=home.name)
    for kind in kinds:
        try:
            work_ = partial(_settle, home, kind, calendar, clock, durable=durable)
            settled = await background.run(work_)
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            log.warning("cannot look for files in two places", kind=kind.name, errno=errno_name(error))
        else:
            if settled:
                log.info(
                    "files were hot and in their hour too; they left the hot folder", kind=kind.name, files=settled
                )
    troubles = Troubles(log)
    live = calendar.generation_at(clock.wall()).slot
    left = {kind: [(live - ago) % len(SLOT_NAMES) for ago in range(len(SLOT_NAMES))] for kind in kinds}
    while left:
        for kind, slots in left.items():
            resisted: list[int] = []
            while slots:
                some = partial(_recover_some, home, kind, calendar, clock, slots, probe, durable=durable)
                for slot, outcome in await background.run(some):
                    slots.remove(slot)
                    if isinstance(outcome, OSError):
                        resisted.append(slot)
                        text = "cannot look through an hour; it is tried again"
                        troubles.begins(kind.name, errno_name(outcome), text, kind=kind.name, what="hours", slot=slot)
                    elif outcome is not None:
                        instruments.folder(home.name, kind.name).playlist_rebuild(outcome)
                        log.info("hour playlist rebuilt", kind=kind.name, slot=slot, reason=outcome)
            slots.extend(resisted)
            if not resisted:
                troubles.ends(kind.name, "each hour is looked through", kind=kind.name, what="hours")
        left = {kind: slots for kind, slots in left.items() if slots}
        if left:
            await trio.sleep(_AGAIN)


def _settle(home: Home, kind: Kind, calendar: Calendar, clock: Clock, *, durable: bool) -> int:
    with home.open(kind, calendar) as folder:
        return settle_twins(folder, clock, durable=durable)


def settle_twins(
    folder: Folder,
    clock: Clock,
    *,
    durable: bool,
    noted: Callable[[str], contextlib.AbstractContextManager[None]] = lambda _where: contextlib.nullcontext(),
) -> int:
    """What is hot and in its slot too, byte for byte, stays in the slot; how many files that were.

    A copy between file systems, or a link and unlink, that was cut short leaves such a pair. The newest of them would
    stay hot otherwise until others come. `noted` is entered around each file, and may survive its error.
    """
    # As a copy that was cut short: archiving compares it with its source, which then goes.
    copying = attrs.evolve(folder, copies=True)
    settled = 0
    for text in Looker(folder, clock, live=False).hot().twice.kept:
        name = folder.kind.pattern.match(text)
        if name is not None:
            with noted(f"{folder.hot_path}/{text}"):
                settled += archive(copying, name, clock.wall(), durable=durable) is not None
    return settled


def _recover_some(
    home: Home, kind: Kind, calendar: Calendar, clock: Clock, slots: Iterable[int], probe: Probe, *, durable: bool
) -> list[tuple[int, str | OSError | None]]:
    """The first of these slots, with what became of each: as many as are done in a moment, one at least."""
    began = time.monotonic()
    done: list[tuple[int, str | OSError | None]] = []
    for slot in slots:
        try:
            with home.open(kind, calendar) as folder:
                done.append((slot, recover_slot(folder, clock, slot, probe, durable=durable)))
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            done.append((slot, error))
        if time.monotonic() - began > _JOB:
            break
    return done


def recover_slot(folder: Folder, clock: Clock, slot: int, probe: Probe, *, durable: bool) -> str | None:
    """Make one slot's playlist true, and remove what a crash left unfinished; why it was replaced, or None. May take
    long: call it in a thread.
    """
    kind = folder.kind
    live = folder.calendar.generation_at(clock.wall())
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
        hour = HourPlaylist(slot_fd, generation or live, kind.pattern, durable=durable)
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
