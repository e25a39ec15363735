"""Carry a plan out: a file, a rename. Whatever interrupts it, each file is whole in one of its two places, and the next
run goes on: it plans anew from what is there.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import attrs

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Archived, Folder, Home, errno_name, generation_of, list_hot
from hotcold_inotify.disk.expiry import expire_named
from hotcold_inotify.disk.mixed import Entrance, move_named, note, remove_twin
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.migration.hourlists import Durations, make_true
from hotcold_inotify.migration.judging import Judge
from hotcold_inotify.migration.places import SETTLED, Place, places
from hotcold_inotify.migration.planning import Aged, DevicePlan, KindPlan, Step, aged
from hotcold_inotify.names import FileName

# Files between two looks at the clock, at the slots, and at the bar: some 30 ms.
_BATCH: Final = 1024
# Refusals that are told in full, and refusals in a row after which it is no use: a full or a read-only disk.
_TOLD: Final = 20
_HOPELESS: Final = 1000
# Another process is at work on the slots: for so long it may be, seconds and tries, each some 10 ms longer.
_BUSY: Final = 0.02
_TRIES: Final = 50


class Hopeless(Exception):
    """So many files in a row could not be moved that the others were not tried."""


@attrs.define
class Moved:
    """What was done; counts of files."""

    hot: int = 0
    slots: int = 0
    expired: int = 0
    bytes: int = 0
    collided: int = 0
    """Files whose name was taken in their slot."""
    playlists: int = 0
    """Hour playlists that were made or mended."""
    seconds: float = 0.0
    """What moving took, without the playlists."""
    processor: float = 0.0
    """The same by this process's time on a processor."""
    failed: int = 0
    troubles: list[str] = attrs.field(factory=list)
    """In plain words; not all of them where there are many."""

    _in_a_row: int = 0

    def went(self, size: int) -> None:
        """A file of so many bytes was moved."""
        self.bytes += size
        self._in_a_row = 0

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """One file that resists holds up no other (I8). Hopeless: they all do."""
        try:
            yield
        except OSError as error:
            self.resisted(what, error)

    def resisted(self, what: str, error: OSError) -> None:
        """Count it, and go on."""
        if isinstance(error, FileNotFoundError):
            return  # somebody else was first
        if error.errno not in SURVIVED:
            raise error
        self.failed += 1
        self._in_a_row += 1
        if len(self.troubles) < _TOLD:
            self.troubles.append(f"{what}: {errno_name(error)}: {error.strerror}")
        if self._in_a_row >= _HOPELESS:
            raise Hopeless from error


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
            folder = opened.enter_context(home.open(kind, calendar, make=True))
            lanes[kind.name] = _Lane(kind, folder, Judge(kind, calendar), plan.kinds[kind.name])
        found = opened.enter_context(places(home, kinds))
        began, worked = time.monotonic(), time.process_time()
        try:
            for place in found:
                _empty(place, lanes, work)
            _heat(found, lanes, work)
        except Hopeless:
            moved.troubles.append(f"{_HOPELESS} in a row: the others were not tried")
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
            ways[kind.name] = _Way(lane, Entrance.of(lane.folder, place.fd), newest, place.keeps(kind))
    moved, settled = work.moved, work.began - SETTLED
    now, done = 0.0, 0
    try:
        # A million times: what is common stands here, and what is rare in functions.
        for number, (kind, text, found) in enumerate(place.files()):
            if number % _BATCH == 0:
                now = work.clock.wall()
                work.step(done)
                done = 0
                for one in ways.values():
                    one.lane.judge.at(now)
                    one.entrance.look()
            way = ways.get(kind.name)
            if way is None:
                continue
            mtime = found.st_mtime
            if text in way.newest:
                if not way.keeps:
                    way.lane.heated.append(aged(kind, text, found, place))
                continue
            if way.keeps:
                if mtime >= way.lane.plan.hot_since:
                    continue
            elif mtime > settled or text in listed:
                continue
            try:
                if found.st_nlink > 1 and not way.keeps and _is_hot_already(place, way.lane, text, found):
                    continue
                generation = way.lane.judge.generation(mtime)
                if generation is None:
                    done += _expire(place, way.lane, text, work)
                elif way.entrance.move(text, generation, now) or _otherwise(way, text, found, generation, now, work):
                    moved.slots += 1
                    moved.went(found.st_size)
                    done += 1
            except OSError as error:
                moved.resisted(os.path.join(place.path, text), error)
    finally:
        work.step(done)
        for one in ways.values():
            one.entrance.close()


@attrs.frozen
class _Way:
    """One kind's from one place into its slots."""

    lane: _Lane
    entrance: Entrance
    newest: frozenset[str]
    """The names of those that are not to go."""
    keeps: bool
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


def _expire(place: Place, lane: _Lane, text: str, work: _Work) -> int:
    if not work.expire or not work.believable():
        return 0
    lane.judge.at(work.clock.wall())
    expired = expire_named(place.fd, [text], lane.judge.due)
    work.moved.expired += expired.files
    return expired.files


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
                    way = _Way(lane, Entrance.of(lane.folder, fd), frozenset(), keeps=False)
                    try:
                        if _otherwise(way, text, found_now, generation, work.clock.wall(), work):
                            work.moved.slots += 1
                            work.moved.went(found_now.st_size)
                            work.step(1)
                    finally:
                        way.entrance.close()
