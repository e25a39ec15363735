"""Who is compared, and how each is started: a process of its own, pinned to a core that the writer does not have."""

import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from benchmarks.comparison.arena import Arena

_SCRIPTS: Final = Path(__file__).parent / "contenders"
_CLONE: Final = Path(__file__).parents[2]
# Seconds that a contender has got to be ready, or to end.
_PATIENCE: Final = 20.0


class Failed(Exception):
    """A contender is not ready, or has ended before it should; the text has what it said."""


@attrs.frozen
class Contender:
    """One of those that are compared."""

    name: str
    command: Callable[[Arena], list[str]]
    ready: str = "ready"
    """What it says when it serves; `times` times."""
    times: int = 1
    needs: str = ""
    """The program without which it cannot run."""
    period: float = 0.0
    """Seconds between two looks of one that polls: it is not waited for at the end."""

    @property
    def missing(self) -> str:
        """Why it cannot run here, in words; "" when it can."""
        return f"{self.name}: left out, {self.needs} is missing" if self.needs and not shutil.which(self.needs) else ""


@attrs.frozen
class Running:
    """A contender at work."""

    contender: Contender
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Of the process that was started; others may descend from it."""
        return self.process.pid

    def check(self) -> None:
        """Failed when it has ended."""
        if self.process.poll() is not None:
            raise Failed(f"{self.contender.name} has ended:\n{self.log.read_text('utf-8', 'replace')[-2000:]}")


def cores() -> tuple[int, int]:
    """The writer's and the contenders'."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise SystemExit("the comparison needs two processor cores: one for the writer, one for what is measured")
    return available[0], available[-1]


@contextlib.contextmanager
def on(core: int) -> Iterator[None]:
    """What this thread starts meanwhile runs on one core, and so does the thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(contender: Contender, arena: Arena, core: int) -> Iterator[Running]:
    """Started and ready; ended with all that it has started."""
    log = arena.root.with_suffix(".log")
    environment = {**os.environ, "TZ": arena.zone}
    with log.open("wb") as out, on(core):
        process = subprocess.Popen(
            contender.command(arena), stdout=out, stderr=out, env=environment, cwd=_CLONE, start_new_session=True
        )
    started = Running(contender, process, log)
    try:
        deadline = time.monotonic() + _PATIENCE
        while len(re.findall(contender.ready, log.read_text("utf-8", "replace"))) < contender.times:
            started.check()
            if time.monotonic() > deadline:
                raise Failed(f"{contender.name} is not ready after {_PATIENCE:.0f} s")
            time.sleep(0.02)
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def overflows(arena: Arena) -> int:
    """How often the reactor's event queue was full, by its own metric."""
    address = re.search(r'listen = "(.*)"', _config(arena).read_text("utf-8"))
    if address is None:
        raise AssertionError("its configuration has an address")
    with urllib.request.urlopen(f"http://{address[1]}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return int(sum(map(float, re.findall(r"^hotcold_inotify_overflows_total\{.*\} (\S+)", text, re.MULTILINE))))


def _config(arena: Arena) -> Path:
    return arena.root.with_suffix(".toml")


def _reactor(arena: Arena) -> list[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = f'root = "{arena.root}"\ntimezone = "{arena.zone}"\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
    _config(arena).write_text(text, "utf-8")
    return [sys.executable, "-m", "hotcold_inotify", "--config", str(_config(arena)), "run", "--log-format", "json"]


def _polling(period: float, arena: Arena) -> list[str]:
    return [sys.executable, str(_SCRIPTS / "polling.py"), str(period), *arena.folders]


def _watchdog(arena: Arena) -> list[str]:
    return [sys.executable, str(_SCRIPTS / "observing.py"), *arena.folders]


def _pipeline(arena: Arena) -> list[str]:
    return [str(_SCRIPTS / "pipeline.sh"), *arena.folders]


def _floor(arena: Arena) -> list[str]:
    program = arena.root.with_suffix(".floor")
    subprocess.run(["cc", "-O2", "-o", str(program), str(_SCRIPTS / "floor.c")], check=True)
    return [str(program), "0", *arena.folders]


def polling(period: float) -> Contender:
    """The polling archiver that wakes every so many seconds."""
    return Contender(f"polling {period:g} s", functools.partial(_polling, period), period=period)


REACTOR: Final = Contender("reactor", _reactor, ready='"device served"', times=4)
FLOOR: Final = Contender("floor", _floor, needs="cc")
WATCHDOG: Final = Contender("watchdog", _watchdog)
INOTIFYWAIT: Final = Contender("inotifywait", _pipeline, ready="Watches established", needs="inotifywait")
ALL: Final = {
    one.name: one for one in (REACTOR, FLOOR, WATCHDOG, INOTIFYWAIT, polling(0.1), polling(1), polling(5), polling(60))
}
