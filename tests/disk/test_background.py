"""Turns among all devices: one at a time, and nobody waits long for one that hangs (I8)."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from hotcold_inotify.background import Background

LONG = 20.0


async def test_one_at_a_time() -> None:
    background, at_work, most = Background(), 0, 0

    def work() -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        time.sleep(0.005)
        at_work -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(background.run, work)
    assert most == 1


@contextlib.asynccontextmanager
async def hanging(background: Background) -> AsyncIterator[None]:
    """Something hangs in the thread for as long as the block runs."""
    hangs, free = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert free.wait(LONG)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(background.run, hang)
        await trio.to_thread.run_sync(hangs.wait)
        try:
            yield
        finally:
            free.set()


async def test_i8_one_that_hangs_keeps_nobody_from_his_turn() -> None:
    background = Background()
    async with hanging(background):
        with trio.fail_after(LONG / 2):
            for number in range(5):
                assert await background.run(lambda number=number: number) == number  # type: ignore[misc]
    # It has come back long after its turn, which takes nobody else's away.
    with trio.fail_after(LONG / 2):
        assert await background.run(lambda: "again") == "again"


async def test_who_is_cancelled_while_he_waits_takes_no_turn() -> None:
    background = Background()
    async with hanging(background):
        with trio.move_on_after(0.01) as scope:
            await background.run(lambda: pytest.fail("it had no turn"))
        assert scope.cancelled_caught
    with trio.fail_after(LONG / 2):
        assert await background.run(lambda: 1) == 1


async def test_what_was_done_before_one_hangs_is_told() -> None:
    background, told = Background(), trio.Event()

    async def first() -> None:
        await background.run(lambda: time.sleep(0.05))  # so that the next two gather behind it
        told.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        async with hanging(background):
            with trio.fail_after(LONG / 2):
                await told.wait()


async def test_what_is_raised_is_raised_here() -> None:
    def fail() -> None:
        raise OSError(5, "no disk")

    with pytest.raises(OSError, match="no disk"):
        await Background().run(fail)
