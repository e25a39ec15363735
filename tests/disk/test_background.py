"""Turns among all devices: one at a time, and nobody waits long for one that hangs (I8)."""

import threading
import time

import pytest
import trio

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


async def test_i8_one_that_hangs_keeps_nobody_from_his_turn() -> None:
    background, hangs, free = Background(), threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert free.wait(LONG)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(background.run, hang)
        await trio.to_thread.run_sync(hangs.wait)
        with trio.fail_after(LONG / 2):
            for number in range(5):
                assert await background.run(lambda number=number: number) == number  # type: ignore[misc]
        assert not free.is_set()
        free.set()
    # It has come back long after its turn, which takes nobody else's away.
    with trio.fail_after(LONG / 2):
        assert await background.run(lambda: "again") == "again"


async def test_who_is_cancelled_while_he_waits_takes_no_turn() -> None:
    background, hangs, free = Background(), threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        assert free.wait(LONG)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(background.run, hang)
        await trio.to_thread.run_sync(hangs.wait)
        with trio.move_on_after(0.01) as scope:
            await background.run(lambda: pytest.fail("it had no turn"))
        assert scope.cancelled_caught
        free.set()
    with trio.fail_after(LONG / 2):
        assert await background.run(lambda: 1) == 1
