"""One ear for all devices: their queues are heard round about, in slices."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from hotcold_inotify.device import Hearing
from hotcold_inotify.watch import Finished, Watch

FLOOD = 2_000


class Ear:
    """A folder that is watched, and what was heard of it."""

    def __init__(self, folder: Path, order: list[str]) -> None:
        folder.mkdir()
        self.folder = folder
        self.watch = Watch()
        self.heard: list[str] = []
        self.told = trio.Event()
        self._order = order
        fd = os.open(folder, os.O_RDONLY)
        self.watch.add(fd)
        os.close(fd)

    def hear(self) -> int:
        names = [event.name for event in self.watch.read() if isinstance(event, Finished)]
        self.heard += names
        self._order += [self.folder.name] * len(names)
        self.told.set()
        return len(names)

    def finish(self, name: str) -> None:
        (self.folder / name).write_bytes(b"")


@pytest.fixture
def order() -> list[str]:
    return []


@pytest.fixture
def ears(tmp_path: Path, order: list[str]) -> Iterator[tuple[Ear, Ear]]:
    one, other = Ear(tmp_path / "one", order), Ear(tmp_path / "other", order)
    with ExitStack() as stack:
        stack.callback(one.watch.close)
        stack.callback(other.watch.close)
        yield one, other


async def test_i8_a_flood_on_one_delays_no_other(ears: tuple[Ear, Ear], order: list[str]) -> None:
    flooded, other = ears
    hearing, turns = Hearing(), 0
    for ear in ears:
        hearing.listen(ear.watch, ear.hear)
    for number in range(FLOOD):
        flooded.finish(str(number))
    other.finish("x")

    async def somebody_else() -> None:
        nonlocal turns
        while len(order) < FLOOD + 1:
            turns += 1
            await trio.lowlevel.checkpoint()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hearing.run)
            await somebody_else()
            nursery.cancel_scope.cancel()
    assert flooded.heard == [str(number) for number in range(FLOOD)]
    # A slice of the flood, and then it is the other's turn; and everybody else's.
    assert order.index("other") < FLOOD / 10
    assert turns > FLOOD / 100
    for ear in ears:
        hearing.leave(ear.watch)
    hearing.close()


async def test_who_has_left_is_not_told(ears: tuple[Ear, Ear]) -> None:
    leaving, staying = ears
    hearing = Hearing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hearing.run)
        for ear in ears:
            hearing.listen(ear.watch, ear.hear)
        leaving.finish("1")
        with trio.fail_after(20):
            await leaving.told.wait()
        hearing.leave(leaving.watch)
        leaving.finish("2")
        staying.finish("3")
        with trio.fail_after(20):
            await staying.told.wait()
        nursery.cancel_scope.cancel()
    assert (leaving.heard, staying.heard) == (["1"], ["3"])
    hearing.leave(staying.watch)
    hearing.close()
