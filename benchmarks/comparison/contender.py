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
from benchmarks.comparison.workload import HOTS

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
    """What it says when it serves; `times` times. Of one that says nothing, "": then it has so many inotify watches."""
    times: int = 1
    needs: str = ""
    """The program without which it cannot run."""
    root: bool = False
    """Whether it runs as root only."""
    period: float = 0.0
    """Seconds between two looks of one that polls: it is not waited for at the end."""

    @property
    def missing(self) -> str:
        """Why it cannot run here, in words; "" when it can."""
        if self.needs and not shutil.which(self.needs):
            return f"{self.needs} is not installed"
        return "it runs as root only" if self.root and os.geteuid() else ""


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

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        if self.contender.ready:
            said = re.findall(self.contender.ready, self.log.read_text("utf-8", "replace"))
        else:
            said = [
                line for info in _descriptors(self.pid) for line in info.splitlines() if line.startswith("inotify ")
            ]
        return len(said) >= self.contender.times

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
        while not started.ready:
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


def _descriptors(pid: int) -> Iterator[str]:
    """What the kernel says of each open descriptor of a process, proc_pid_fdinfo(5)."""
    folder = f"/proc/{pid}/fdinfo"
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # it was closed
            yield Path(folder, fd).read_text("ascii")


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


def _incron(arena: Arena) -> list[str]:
    # All that the daemon reads and writes is in a folder of its own; the machine's tables and lock are not touched.
    folder = arena.root.with_suffix(".incron")
    tables, nobodys = folder / "tables", folder / "users"
    for one in (tables, nobodys):
        one.mkdir(parents=True)
    settings = {"system_table_dir": tables, "user_table_dir": nobodys, "lockfile_dir": folder, "lockfile_name": "lock"}
    settings |= {"allowed_users": folder / "allowed", "denied_users": folder / "denied"}
    (folder / "conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()), "utf-8")
    script = _SCRIPTS / "archive.sh"
    with (tables / "archive").open("w", encoding="utf-8") as table:
        for path, pattern, limit in zip(*(arena.folders[place::3] for place in range(3)), strict=True):
            mask = "IN_CLOSE_WRITE,IN_MOVED_TO,recursive=false"
            table.write(f"{path} {mask} {script} {path} '{pattern}' {limit}\n")
    return ["incrond", "-n", "-f", str(folder / "conf")]


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
# Two watches more than hot folders: of its tables.
INCRON: Final = Contender("incron", _incron, ready="", times=len(HOTS) + 2, needs="incrond", root=True)
ALL: Final = {
    one.name: one
    for one in (REACTOR, FLOOR, WATCHDOG, INOTIFYWAIT, INCRON, polling(0.1), polling(1), polling(5), polling(60))
}
