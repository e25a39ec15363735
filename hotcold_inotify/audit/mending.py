"""Put right what a check found: nothing that has not expired is deleted, and a second time there is nothing to do.

It may run beside a reactor: whatever is moved between slots is moved under their lock, a playlist is replaced under
its slot's, and what the reactor does meanwhile makes a step here find nothing, not go wrong.
"""

import contextlib
import os
from collections.abc import Callable, Iterator

from hotcold_inotify.audit.looking import NOT_A_FOLDER, Looker
from hotcold_inotify.audit.recovery import recover_slot, settle_twins
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Folder, Home, Scan, archive
from hotcold_inotify.disk.adoption import Seen, evict, remove_stale, set_aside
from hotcold_inotify.disk.slots import RETIRED
from hotcold_inotify.hours import Calendar
from hotcold_inotify.invariants import resident
from hotcold_inotify.probe import Probe

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Troubles:
    """What resists keeps nothing else from being mended."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextlib.contextmanager
    def noted(self, where: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            self.told.append(f"{where}: {error}")


def repair(
    home: Home,
    kinds: tuple[Kind, ...],
    calendar: Calendar,
    clock: Clock,
    rotate: Callable[[], object],
    *,
    durable: bool,
) -> list[str]:
    """Mend these folders of a device; what resisted, in plain words.

    `rotate` makes one pass of the rotation over the same folders: it takes away what has expired, and puts back what
    was put into the waiting room here.
    """
    troubles = _Troubles()
    left: dict[str, Seen] = {}
    for kind in kinds:
        with troubles.noted(f"{home.name}/{kind.name}"), home.open(kind, calendar, make=True) as folder:
            _lay_out(folder, troubles)
            for slot in range(len(SLOT_NAMES)):
                with troubles.noted(f"{home.name}/{kind.name}/{slot}"):
                    _empty_of_others(folder, slot, clock)
            settle_twins(folder, clock, durable=durable, noted=troubles.noted)
            _settle_hot(folder, clock, troubles, durable=durable)
            remove_stale(folder, clock.wall(), left.setdefault(kind.name, {}))
    rotate()
    probe = Probe()
    for kind in kinds:
        # A file that is back in its slot may be hot as well.
        with troubles.noted(f"{home.name}/{kind.name}"), home.open(kind, calendar) as folder:
            settle_twins(folder, clock, durable=durable, noted=troubles.noted)
            while remove_stale(folder, clock.wall(), left.setdefault(kind.name, {})):
                pass
        for slot in range(len(SLOT_NAMES)):
            with troubles.noted(f"{home.name}/{kind.name}/{slot}"), home.open(kind, calendar) as folder:
                recover_slot(folder, clock, slot, probe, durable=durable)
    return troubles.told


def _lay_out(folder: Folder, troubles: _Troubles) -> None:
    """What is in the place of a slot is renamed, so that the slot can be made."""
    for text in (*SLOT_NAMES, RETIRED):
        with troubles.noted(f"{folder.cold_path}/{text}"):
            try:
                os.close(os.open(text, _OPEN_FOLDER, dir_fd=folder.cold_fd))
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in NOT_A_FOLDER:
                    raise
                set_aside(folder, text)
            if text != RETIRED:
                os.close(folder.slots.open(int(text)))


def _empty_of_others(folder: Folder, slot: int, clock: Clock) -> None:
    """Files of another hour than the slot's leave it."""
    looker = Looker(folder, clock, live=False)
    fd = folder.slots.open(slot)
    try:
        hours = looker.opened_slot(slot, fd).hours
        stays = resident(slot, hours, looker.moment.live)
        if any(generation != stays for generation in hours):
            evict(folder, slot, fd, stays)
    finally:
        os.close(fd)


def _settle_hot(folder: Folder, clock: Clock, troubles: _Troubles, *, durable: bool) -> None:
    """What is over the limit moves into its slot."""
    scan = Scan(folder)
    try:
        more = True
        while more:
            displaced, more = scan.step()
            for name in displaced:
                with troubles.noted(f"{folder.hot_path}/{name.text}"):
                    archive(folder, name, clock.wall(), durable=durable)
    finally:
        scan.close()
