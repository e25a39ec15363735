"""Carry a plan out: a file, a rename. Whatever interrupts it, each file is whole in one of its two places, and the next
run goes on: it plans anew from what is there.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, Archived, Folder, Home, generation_of, list_hot
from hotcold_inotify.disk.expiry import expire_named
from hotcold_inotify.disk.mixed import Entrance, move_named, note, remove_twin
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.migration import outcome
from hotcold_inotify.migration.hourlists import Durations, make_true
from hotcold_inotify.migration.judging import Judge
from hotcold_inotify.migration.outcome import Hopeless, Moved
from hotcold_inotify.migration.places import SETTLED, Place, places
from hotcold_inotify.migration.planning import Aged, DevicePlan, KindPlan, Step, aged
from hotcold_inotify.names import FileName

# Seconds between two looks at the clock, at the slots, and at the bar, and files that are moved at most: a look costs
# as much as some 40 files.
_LOOK: Final = 0.03
_BATCH: Final = 8192
# Another process is at work on the slots: for so long it may be, seconds and tries, each some 10 ms longer.
_BUSY: Final = 0.02
_TRIES: Final = 50


@attrs.define
class _Lane:
    """One kind on its way."""

    kind: Kind
    folder: Folder
    judge: Judge
    plan: KindPlan
    heated: list[Aged] = attrs.field(factory=list)


@attrs.frozen
class _Work:
    home: Home
    clock: Clock
    began: float
    expire: bool
    believable: Callable[[], bool]
    reactor: Callable[[], bool]
    durable: bool
    step: Step
    moved: Moved


def migrate(
    home: Home,
    kinds: tuple[Kind, ...],
    calendar: Calendar,
    clock: Clock,
    plan: DevicePlan,
    *,
    expire: bool = False,
    believable: Callable[[], bool] = lambda: False,
    reactor: Callable[[], bool] = lambda: False,
    durable: bool = False,
    step: Step = lambda _files: None,
    step_playlists: Step = lambda _hours: None,
) -> Moved:
    """Do what `plan` says of a device, as far as it still holds.

    `expire`: delete what has expired, while `believable` says so at each look; else it stays. `reactor`: whether one
    runs, whose hot folders are its own business. `step` hears of files, `step_playlists` of slots. What resists is in
    the result. OSError: one of the folders cannot be made or opened.
    """
    moved = Moved()
    work = _Work(home, clock, plan.began, expire, believable, reactor, durable, step, moved)
    with contextlib.ExitStack() as opened:
        lanes = {}
        for kind in kinds:
            folder = opened.enter_context(_opened(home, kind, calendar))
            lanes[kind.name] = _Lane(kind, folder, Judge(kind, calendar), plan.kinds[kind.name])
        found = opened.enter_context(places(home, kinds))
        began, worked = time.monotonic(), time.process_time()
        try:
            for place in found:
                _empty(place, lanes, work)
            _heat(found, lanes, work)
        except Hopeless:
            moved.troubles.append(f"{outcome.HOPELESS} in a row: the others were not tried")
        moved.seconds, moved.processor = time.monotonic() - began, time.process_time() - worked
        durations = Durations.of(found)
        for lane in lanes.values():
            if lane.kind.playlist:
                now = clock.wall()
                live = calendar.generation_at(now)
                waiting = lane.plan.hours | _hot_hours(lane.folder)
                for slot in range(len(SLOT_NAMES)):
                    with moved.trying(f"{lane.folder.cold_path}/{slot}"):
                        moved.playlists += make_true(lane.folder, slot, live, waiting, durations, durable=durable)
                    step_playlists(1)
    return moved


def _opened(home: Home, kind: Kind, calendar: Calendar) -> Folder:
    """A kind's folder with its slots, made where they are missing. A mixed folder's names are not listed."""
    try:
        folder = home.open(kind, calendar)
    except FileNotFoundError:
        folder = home.open(kind, calendar, make=True)
    try:
        for slot in range(len(SLOT_NAMES)):
            os.close(folder.slots.open(slot))
    except OSError:
        folder.close()
        raise
    return folder


def _hot_hours(folder: Folder) -> set[Generation]:
    """The hours to which hot files belong: their playlists are not ended yet."""
    names = list_hot(folder, 4 * folder.kind.hot_limit + 1000).names
    return {generation for text in names if (generation := generation_of(folder, text)) is not None}


def _empty(place: Place, lanes: dict[str, _Lane], work: _Work) -> None:
    """Move all files that leave this place for their slots, and remember those that are to be hot."""
    listed = place.listed(work.began)
    reactor = work.reactor()
    ways = {}
    for kind in place.kinds:
        if not (reactor and place.keeps(kind)):
            lane = lanes[kind.name]
            newest = frozenset(text for path, text in lane.plan.newest if path == place.path)
            calm_until = min(lane.plan.hot_since, work.began - SETTLED)
            entrance = Entrance.of(lane.folder, place.fd)
            ways[kind.name] = _Way(lane, lane.judge, entrance, newest, calm_until, keeps=place.keeps(kind))
    moved, settled = work.moved, work.began - SETTLED
    slots = size = look_at = 0
    told, batch, looked = moved.left, 64, time.monotonic()
    now = 0.0
    try:
        # A million times: what is common stands here, and what is rare in functions.
        for number, (kind, text, found) in enumerate(place.files()):
            if number == look_at:
                at = time.monotonic()
                batch = min(2 * batch, _BATCH, 1 + int(batch * _LOOK / max(at - looked, _LOOK / _BATCH)))
                look_at, looked = number + batch, at
                moved.entered(slots, size)
                slots = size = 0
                work.step(moved.left - told)
                told = moved.left
                now = work.clock.wall()
                for one in ways.values():
                    one.judge.at(now)
                    one.entrance.look()
                    one.stays_until = -math.inf if work.expire else min(one.judge.oldest, one.calm_until)
            way = ways.get(kind.name)
            if way is None:
                continue
            mtime = found.st_mtime
            if mtime < way.stays_until:
                continue
            if mtime >= way.calm_until:
                if text in way.newest:
                    if not way.keeps:
                        way.lane.heated.append(aged(kind, text, found, place))
                    continue
                if mtime >= way.lane.plan.hot_since if way.keeps else mtime > settled:
                    continue
            if listed and text in listed and not way.keeps:
                continue
            try:
                if found.st_nlink > 1 and not way.keeps and _is_hot_already(place, way.lane, text, found):
                    continue
                generation = way.judge.generation(mtime)
                if generation is None:
                    _expire(place, way.lane, text, work)
                elif way.entrance.move(text, generation, now) or _otherwise(way, text, found, generation, now, work):
                    slots += 1
                    size += found.st_size
            except OSError as error:
                moved.entered(slots, size)
                slots = size = 0
                moved.resisted(os.path.join(place.path, text), error)
    finally:
        moved.entered(slots, size)
        work.step(moved.left - told)
        for one in ways.values():
            one.entrance.close()


@attrs.define
class _Way:
    """One kind's from one place into its slots."""

    lane: _Lane
    judge: Judge
    entrance: Entrance
    newest: frozenset[str] = frozenset()
    """The names of those that are not to go."""
    calm_until: float = 0.0
    """Unix time: none of those is older, and nothing that is may still be being written."""
    stays_until: float = -math.inf
    """Unix time: what is older has expired and is none of those, and stays."""
    keeps: bool = attrs.field(default=False, kw_only=True)
    """It is their hot folder that they leave."""


def _is_hot_already(place: Place, lane: _Lane, text: str, found: os.stat_result) -> bool:
    return remove_twin(place.fd, text, found, lane.folder.hot_fd, text)


def _otherwise(way: "_Way", text: str, found: os.stat_result, generation: Generation, now: float, work: _Work) -> bool:
    """Move a file for which one rename was not enough; False: it is gone. OSError as from `archive`."""
    name = way.lane.kind.pattern.match(text)
    return name is not None and _patiently(partial(_archive, way.entrance, name, found, generation, now, work))


def _archive(
    entrance: Entrance, name: FileName, found: os.stat_result, generation: Generation, now: float, work: _Work
) -> bool:
    if entrance.is_taken(name, generation, now):
        # By another writer's file, perhaps: the way back must know which of the two is which.
        note(work.home.path, entrance.folder.kind, name, found)
    archived = entrance.archive(name, generation, now, durable=work.durable)
    if not isinstance(archived, Archived):
        return False
    work.moved.collided += archived.collided
    return True


def _patiently(work: Callable[[], bool]) -> bool:
    """Until no other process is at work on the slots, for a second."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            return work()
        time.sleep(_BUSY)
    return work()


def _expire(place: Place, lane: _Lane, text: str, work: _Work) -> None:
    if work.expire and work.believable():
        lane.judge.at(work.clock.wall())
        work.moved.expired += expire_named(place.fd, [text], lane.judge.due).files


def _heat(found: tuple[Place, ...], lanes: dict[str, _Lane], work: _Work) -> None:
    """The newest become hot, the oldest of them first: a reactor takes what comes for the newest."""
    fds = {place.path: place.fd for place in found}
    for lane in lanes.values():
        for _mtime, _number, _revision, text, path in sorted(lane.heated):
            fd = fds[path]
            with work.moved.trying(os.path.join(path, text)):
                found_now = os.stat(text, dir_fd=fd, follow_symlinks=False)
                if move_named(fd, text, lane.folder.hot_fd, text):
                    work.moved.hot += 1
                    work.moved.went(found_now.st_size)
                    work.step(1)
                    continue
                generation = lane.judge.generation(found_now.st_mtime)
                if generation is not None:
                    way = _Way(lane, lane.judge, Entrance.of(lane.folder, fd))
                    try:
                        if _otherwise(way, text, found_now, generation, work.clock.wall(), work):
                            work.moved.slots += 1
                            work.moved.went(found_now.st_size)
                            work.step(1)
                    finally:
                        way.entrance.close()
