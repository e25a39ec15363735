"""The real thing: ffmpeg by its launcher, the reactor and the server, each a process of its own, and a day behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs
import httpx

from hotcold_inotify.cli.launcher import analyzer
from tests.live.started import eventually, free_port
from tests.machine import CLONE
from tests.page.history import HOUR, MINUTE, Stretch, Writer

SCRIPT: Final = CLONE / "ffmpeg" / "capture.sh"
HOTCOLD: Final = (sys.executable, "-m", "hotcold_inotify")


@attrs.define
class Host:
    """A capture host in a folder: what runs on it is started and stopped by name."""

    folder: Path
    web: str = ""
    port: int = attrs.Factory(free_port)
    _running: dict[str, subprocess.Popen[bytes]] = attrs.Factory(dict)

    def __attrs_post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f'root = "{self.root}"\n[metrics]\nlisten = "127.0.0.1:0"\n'
            f'[web]\nlisten = "127.0.0.1:{self.port}"\n{self.web}\n',
            "utf-8",
        )

    @property
    def root(self) -> Path:
        return self.folder / "stream"

    @property
    def config(self) -> Path:
        return self.folder / "hotcold.toml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8")

    def reactor(self) -> None:
        self._start("reactor", [*HOTCOLD, "--config", str(self.config), "run", "--log-format", "json"])

    def serve(self) -> None:
        self._start("serve", [*HOTCOLD, "--config", str(self.config), "serve"])
        eventually("the server to answer", self._answers, 30)

    def capture(self, device: str, settings: Mapping[str, str]) -> None:
        """Record a device."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HOTCOLD_")}
        more = {"HOTCOLD_SOURCE": "test", "HOTCOLD_SIZE": "320x180", "HOTCOLD_ANALYZER": analyzer(), **settings}
        self._start(device, ["bash", str(SCRIPT), str(self.root / device)], ours | more)

    def encoder(self, device: str) -> int:
        """The process of a device's ffmpeg: its launcher's only child of that name."""
        launcher = self._running[device].pid
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text("ascii").split()
        return next(int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text("utf-8").startswith("ffmpeg"))

    def kill_encoder(self, device: str) -> None:
        """`kill -9` of a device's ffmpeg; returns when its launcher has noticed."""
        os.kill(self.encoder(device), signal.SIGKILL)
        ended = self._running.pop(device)
        assert ended.wait(20) != 0

    def stop(self, name: str) -> None:
        running = self._running.pop(name)
        assert running.poll() is None, f"{name} had ended by itself: {self.log(name)}"
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise

    def kill(self, name: str) -> None:
        running = self._running.pop(name)
        running.kill()
        running.wait()

    def close(self) -> None:
        for running in reversed(self._running.values()):
            if running.poll() is None:
                running.terminate()
        for running in self._running.values():
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        self._running.clear()

    def live_playlist(self, device: str) -> str:
        path = self.root / device / "segments" / "output.m3u8"
        return path.read_text("utf-8") if path.exists() else ""

    def _start(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("ab") as out:
            self._running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )

    def _answers(self) -> bool:
        assert self._running["serve"].poll() is None, self.log("serve")
        try:
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@attrs.frozen
class Past:
    """What capture1 has behind it, seconds since 1970.

    Video: a minute from which captures are no longer kept, two stretches with a gap between them, and the second one's
    encoder was restarted in its middle. Of all other minutes there are thumbnails, but for the gaps.
    """

    long_ago: Stretch
    before_gap: Stretch
    before_restart: Stretch
    after_restart: Stretch
    incidents: dict[float, tuple[str, ...]]
    gaps: tuple[tuple[float, float], ...]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        return (self.long_ago, self.before_gap, self.before_restart, self.after_restart)


def past_of(now: float) -> Past:
    """A day up to the minute before `now`."""
    minute = now // MINUTE * MINUTE

    def ago(minutes: float) -> float:
        return minute - minutes * MINUTE

    before_gap = Stretch(ago(14), 5 * MINUTE)
    before_restart = Stretch(ago(6), 3 * MINUTE)
    # Less than the two seconds that would be a gap, more than the second that would be an encoder's jitter.
    after_restart = Stretch(before_restart.end + 1.7, 2 * MINUTE)
    incidents: dict[float, tuple[str, ...]] = {
        ago(13): ("black",),
        ago(12): ("frozen",),
        ago(11): ("silent",),
        ago(10): ("black", "silent"),
    }
    for begins, length, what in (
        (1130, 4, ("black",)),
        (1012, 11, ("frozen",)),
        (640, 3, ("black", "silent")),
        (415, 26, ("silent",)),
        (222, 2, ("black",)),
        (131, 5, ("frozen", "silent")),
    ):
        incidents |= {ago(begins - number): what for number in range(length)}
    gaps = ((ago(905), ago(868)), (ago(300), ago(296)), (before_gap.end, before_restart.start))
    return Past(Stretch(ago(95), MINUTE), before_gap, before_restart, after_restart, incidents, gaps)


def write_past(past: Past, device: Path, workshop: Path, now: float) -> None:
    """The day in a device's hot folders; what is younger has a higher number."""
    writer = Writer(device, workshop)
    at = now // HOUR * HOUR - 23 * HOUR

    def analysis(minute: float) -> None:
        writer.analysis(minute + 50, past.incidents.get(minute, ()))

    for stretch in past.stretches:
        span = [at + MINUTE * number for number in range(round((stretch.start - at) // MINUTE))]
        minutes = [minute for minute in span if not any(start <= minute < end for start, end in past.gaps)]
        writer.thumbnails(minutes)
        for minute in minutes:
            analysis(minute)
        writer.video(stretch, captures=stretch is not past.long_ago)
        at = stretch.start // MINUTE * MINUTE
        while at < stretch.end - 55:
            analysis(at)
            at += MINUTE
