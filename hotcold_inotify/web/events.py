"""What happens on a device, told as it happens: from inotify watches of this process's own on what it shows.

One inotify instance serves every listener; a device is watched while somebody listens to it.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

import attrs
import trio

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, Home
from hotcold_inotify.watch import Ended, Finished, Watch
from hotcold_inotify.web.moments import Moments
from hotcold_inotify.web.threads import DiskHangs, Threads
from hotcold_inotify.web.tree import Tree, url_of

MOST_LISTENERS = 100
"""Event streams at once; more are asked to ask."""
# Events that a slow listener may lie behind before it loses some: each tells of something that can be asked for.
_BEHIND = 64
# Before each try to watch a folder that was replaced, seconds.
_PAUSES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


class Unavailable(Exception):
    """No events are to be had: no inotify instance or watch is left, or there are too many listeners."""


@attrs.frozen
class Happening:
    """One event: its name, and the data of its JSON."""

    name: str
    data: dict[str, Any]


@attrs.frozen
class _Place:
    """What a watch is on: a hot folder (slot None) or a slot."""

    home: Home
    kind: Kind
    slot: int | None


@attrs.define
class _Watched:
    """A device that somebody listens to."""

    home: Home
    listeners: set["trio.MemorySendChannel[Happening]"] = attrs.field(factory=set)
    keys: set[int] = attrs.field(factory=set)
    beginning: trio.Lock = attrs.field(factory=trio.Lock)
    begun: bool = False


class Events:
    """All listeners of a server. `run` it beside the server, in trio."""

    def __init__(self, tree: Tree, moments: Moments, threads: Threads) -> None:
        """Nothing is watched until somebody listens. Folders are opened in `threads`."""
        self._tree = tree
        self._threads = threads
        self._moments = moments
        self._devices: dict[str, _Watched] = {}
        self._places: dict[int, _Place] = {}
        self._watch: Watch | None = None
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve listeners until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            if self._watch is not None:
                self._watch.close()
                self._watch = None

    @contextlib.asynccontextmanager
    async def listen(self, home: Home) -> AsyncIterator["trio.MemoryReceiveChannel[Happening]"]:
        """The device's events from now on. `Unavailable`."""
        if self._nursery is None or sum(len(each.listeners) for each in self._devices.values()) >= MOST_LISTENERS:
            raise Unavailable
        send, receive = trio.open_memory_channel[Happening](_BEHIND)
        watched = self._devices.get(home.name)
        if watched is None:
            watched = self._devices[home.name] = _Watched(home)
        watched.listeners.add(send)
        try:
            try:
                await self._begin(watched)
            except OSError as error:  # EMFILE, ENOSPC: the machine's inotify limits, which the reactor needs more
                raise Unavailable from error
            yield receive
        finally:
            watched.listeners.discard(send)
            if not watched.listeners:
                self._end(watched)

    async def _begin(self, watched: _Watched) -> None:
        async with watched.beginning:
            if watched.begun or self._nursery is None:
                return
            if self._watch is None:
                self._watch = Watch()
                self._nursery.start_soon(self._read, self._watch)
            pictures = self._tree.kinds.get("captures")
            places = [] if pictures is None else [_Place(watched.home, pictures, None)]
            for kind in self._tree.config.kinds:
                places += [_Place(watched.home, kind, slot) for slot in range(len(SLOT_NAMES))]
            await self._add(watched, places)
            watched.begun = True

    async def _add(self, watched: _Watched, places: Sequence[_Place]) -> bool:
        """Whether any of the places is there, and watched from now on."""
        watch = self._watch
        if watch is None:
            return False
        added = await self._threads.run(watched.home.name, partial(self._added, watch, places))
        watched.keys |= added.keys()
        self._places |= added
        return bool(added)

    def _added(self, watch: Watch, places: Sequence[_Place]) -> dict[int, _Place]:
        """Watch those of the places that are there."""
        added: dict[int, _Place] = {}
        try:
            for place in places:
                path = place.home.path if place.slot is None else place.home.cold_path
                with self._tree.folder(path, place.kind, place.slot) as fd:
                    if fd is not None:
                        added[watch.add(fd)] = place
        except OSError:
            for key in added:
                watch.remove(key)
            raise
        return added

    def _end(self, watched: _Watched) -> None:
        self._devices.pop(watched.home.name, None)
        self._forget(watched)

    def _forget(self, watched: _Watched) -> None:
        for key in watched.keys:
            self._places.pop(key, None)
            if self._watch is not None:
                self._watch.remove(key)
        watched.keys.clear()

    async def _read(self, watch: Watch) -> None:
        while True:
            await watch.wait()
            for event in watch.read():
                if isinstance(event, Finished | Ended):
                    place = self._places.get(event.key)
                    watched = None if place is None else self._devices.get(place.home.name)
                    if place is not None and watched is not None:
                        for happening in self._happenings(watched, place, event):
                            self._tell(watched, happening)

    def _happenings(self, watched: _Watched, place: _Place, event: Finished | Ended) -> Iterator[Happening]:
        if isinstance(event, Ended):
            self._renew(watched, place, event.key)
            if place.slot is not None:
                yield Happening("retired", {"kind": place.kind.name, "hour": place.slot})
            return
        name = event.name
        if place.kind.pattern.match(name) is None:
            return
        url = url_of(place.home, place.kind, None, name)
        if place.slot is None:
            yield Happening("screenshot", {"url": url, "time": self._moments.text(self._tree.now())})
        else:
            slot_url = url_of(place.home, place.kind, place.slot, name)
            yield Happening("archived", {"kind": place.kind.name, "name": name, "hour": place.slot, "url": slot_url})

    def _renew(self, watched: _Watched, place: _Place, key: int) -> None:
        """A folder has gone, and another one has its name: watch that."""
        self._places.pop(key, None)
        watched.keys.discard(key)
        if self._watch is not None and self._nursery is not None:
            self._watch.remove(key)
            self._nursery.start_soon(self._add_again, watched, place)

    async def _add_again(self, watched: _Watched, place: _Place) -> None:
        # The other folder may take its name a moment later. Where it never does, its events are missing, nothing else.
        for pause in _PAUSES:
            await trio.sleep(pause)
            if self._devices.get(watched.home.name) is not watched:
                return  # nobody listens any more
            with contextlib.suppress(OSError, DiskHangs):
                if await self._add(watched, [place]):
                    break
        if self._devices.get(watched.home.name) is not watched:
            self._forget(watched)

    def _tell(self, watched: _Watched, happening: Happening) -> None:
        for listener in watched.listeners:
            with contextlib.suppress(trio.WouldBlock, trio.BrokenResourceError):
                listener.send_nowait(happening)
