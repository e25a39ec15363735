"""A reactor whose every step is its test's to take: by clocks that stand still, in one thread, in a forked process.

Between two commands it does nothing at all. So the same commands lead to the same file operations in the same order,
and a kill after the N-th of them is the same kill each time. A command lets it do all that is to be done at this
moment, then lets trio's time pass, from one deadline to the next.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Final

import attrs
import trio
import trio.testing
from prometheus_client import CollectorRegistry

from hotcold_inotify import logs, watch
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.reactor import Reactor
from hotcold_inotify.watch import Event, Overflowed
from tests.faults.calls import Doing, changes, stand_between
from tests.faults.killing import without_threads
from tests.machine import CLONE

# Nothing that a reactor is told here takes a tenth of it.
_PATIENCE: Final = 30.0


@attrs.frozen
class Step:
    """Do what there is to do by these clocks, then let `seconds` pass."""

    wall: float
    boottime: float
    seconds: float = 0.0
    kill_at: int = 0
    """SIGKILL right after so many changes to the disk; 0: not at all."""
    fault: tuple[str, int, int] = ("", 0, 0)
    """A call, the errno that it fails with, and how many times; it ends with the step."""
    lose: bool = False
    """The queue was full: its events are lost, and the kernel says so."""


@attrs.frozen
class Start:
    """Start a reactor."""

    config: Config
    first: Step
    seed: int
    """In which order trio runs the tasks that could all run."""


@attrs.frozen
class Did:
    """What a step came to; the counts are the process's, since its start."""

    pid: int
    rebuilds: int = 0
    overflows: int = 0
    fired: int = 0
    changes: int = 0


@attrs.frozen
class Ended:
    """The process ended with that wait status; `why`: what it died of."""

    status: int
    why: str = ""


class Stepped:
    """At most one reactor at a time, in a process that is forked from a warm one."""

    def __init__(self) -> None:
        """Start the warm process; `close` it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._warm = subprocess.Popen(
                [sys.executable, "-c", f"from tests.faults import stepped; stepped.fork_reactors({theirs.fileno()})"],
                cwd=CLONE,
                env=os.environ | {"PYTHONHASHSEED": "0", "PATH": "/nonexistent"},  # no ffprobe: these are no segments
                pass_fds=[theirs.fileno()],
            )
        self._channel = Connection(ours.detach())
        self._pid: int | None = None

    def close(self) -> None:
        """End both processes."""
        self.kill()
        self._channel.close()
        self._warm.wait(_PATIENCE)

    @property
    def runs(self) -> bool:
        """Whether a reactor is there."""
        return self._pid is not None

    def start(self, config: Config, first: Step, seed: int) -> Did | None:
        """Start a reactor; None: it was killed in its first step."""
        return self._told(Start(config, first, seed))

    def step(self, step: Step) -> Did | None:
        """Let it take a step; None: it was killed in it."""
        return self._told(step)

    def stop(self) -> None:
        """End it as SIGTERM does: by cancellation."""
        self._channel.send(None)
        ended = self._answer()
        assert ended == Ended(0), ended
        self._pid = None

    def kill(self) -> None:
        """End it by SIGKILL, if it is there."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)
            ended = self._answer()
            self._pid = None
            assert ended == Ended(signal.SIGKILL), ended

    def _told(self, command: Start | Step) -> Did | None:
        self._channel.send(command)
        answer = self._answer()
        if isinstance(answer, Did):
            self._pid = answer.pid
            return answer
        self._pid = None
        assert answer == Ended(signal.SIGKILL), f"the reactor ended with {answer.status}\n{answer.why}"
        return None

    def _answer(self) -> Did | Ended:
        assert self._channel.poll(_PATIENCE), f"no answer for {_PATIENCE} s"
        answer = self._channel.recv()
        assert isinstance(answer, Did | Ended)
        return answer


def fork_reactors(fd: int) -> None:
    """The warm process: one forked reactor after another, until nobody asks for one."""
    channel = Connection(fd)
    logs.configure("json", "critical")
    os.umask(0o022)
    while True:
        try:
            start = channel.recv()
        except EOFError:
            return
        report, its_report = os.pipe()
        pid = os.fork()
        if not pid:
            _be_a_reactor(channel, start, its_report)
        os.close(its_report)
        with os.fdopen(report, encoding="utf-8") as why:
            said = why.read()
        channel.send(Ended(os.waitpid(pid, 0)[1], said))


def _be_a_reactor(channel: Connection, start: Start, report: int) -> None:
    real_write = os.write
    try:
        # Trio runs what could run at once in an order that it draws.
        vars(trio._core._run).update(_ALLOW_DETERMINISTIC_SCHEDULING=True, _r=random.Random(start.seed))
        clock = trio.testing.MockClock()
        trio.run(_Stage(channel, start, clock).run, clock=clock)
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        real_write(report, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)


class _Stage:
    """What stands around a reactor in its own process."""

    def __init__(self, channel: Connection, start: Start, clock: trio.testing.MockClock) -> None:
        self._channel = channel
        self._start = start
        self._trio = clock
        self._step = start.first
        self._changes = 0
        self._kill_after = 0
        self._faults_left = 0
        self._fired = 0
        self._registry = CollectorRegistry()
        self._counts = self._registry.restricted_registry(
            ["hotcold_playlist_rebuilds_total", "hotcold_inotify_overflows_total"]
        )

    async def run(self) -> None:
        real_events = watch.events
        watch.events = lambda data: self._events(real_events, data)
        stand_between(self._between)
        with without_threads():
            await self._serve()

    async def _serve(self) -> None:
        reactor = Reactor(
            self._start.config,
            registry=self._registry,
            clock=Clock(lambda: self._step.wall, lambda: self._step.boottime),
            heed_signals=False,
        )
        async with trio.open_nursery() as nursery:
            self._arm()
            nursery.start_soon(reactor.run)
            while True:
                await self._take_step()
                self._channel.send(self._did())
                command = self._channel.recv()  # and all else stands still
                if command is None:
                    break
                self._step = command
                self._arm()
            nursery.cancel_scope.cancel()

    def _arm(self) -> None:
        self._kill_after = self._changes + self._step.kill_at if self._step.kill_at else 0
        self._faults_left = self._step.fault[2]

    async def _take_step(self) -> None:
        end = trio.current_time() + self._step.seconds
        await trio.testing.wait_all_tasks_blocked()
        while (left := end - trio.current_time()) > 0:
            next_one = trio.lowlevel.current_statistics().seconds_to_next_deadline
            self._trio.jump(min(left, max(next_one, 0.0)))
            await trio.testing.wait_all_tasks_blocked()

    def _between(self, name: str, doing: Doing, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Any:
        if not changes(name, args):
            return doing()
        call, number, _times = self._step.fault
        if name == call and self._faults_left:
            self._faults_left -= 1
            self._fired += 1
            raise OSError(number, os.strerror(number), "a fault")
        done = doing()  # one that fails has changed nothing
        self._changes += 1
        if self._changes == self._kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(_PATIENCE)
        return done

    def _events(self, real: Callable[[bytes], Iterator[Event]], data: bytes) -> Iterator[Event]:
        if not self._step.lose:
            yield from real(data)
            return
        self._step = attrs.evolve(self._step, lose=False)
        yield Overflowed()

    def _did(self) -> Did:
        counts = {family.name: 0.0 for family in self._registry.collect()}
        for family in self._counts.collect():
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    counts[family.name] += sample.value
        return Did(
            os.getpid(),
            int(counts.get("hotcold_playlist_rebuilds", 0)),
            int(counts.get("hotcold_inotify_overflows", 0)),
            self._fired,
            self._changes,
        )
