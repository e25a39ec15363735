"""A reactor, an API and what stands around them, each in a process of its own on loopback; and one who writes files."""

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import attrs

from tests.live.started import Running, answers, eventually, free_port, put
from tests.web.stage import Served

KINDS: Final = {
    "segments": "segment_{:09}.ts",
    "captures": "capture_{:09}.jpg",
    "thumbnails": "capture_{:09}_thumbnail.jpg",
    "metadata": "capture_{:09}.json",
}
LISTED: Final = 6
"""Segments in the live playlist, as the launcher has it."""


@contextlib.contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the end of the block; what it says goes to `log`."""
    with log.open("wb") as out:
        started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _hotcold(config: Path, command: str) -> list[str]:
    return [sys.executable, "-m", "hotcold_inotify", "--config", str(config), command, "--log-format", "json"]


@contextlib.contextmanager
def reactor(folder: Path, root: Path, text: str = "") -> Iterator[Running]:
    """`hotcold run` that serves capture1."""
    port = free_port()
    config, log = folder / "run.toml", folder / "run.log"
    config.write_text(f'root = "{root}"\n{text}\n[metrics]\nlisten = "127.0.0.1:{port}"\n', "utf-8")
    with process(_hotcold(config, "run"), log) as started:
        running = Running(started, log, config, port)
        eventually("the reactor to serve", partial(answers, running))
        yield running


@contextlib.contextmanager
def api(folder: Path, root: Path, web: str = "", text: str = "") -> Iterator[Served]:
    """`hotcold serve`; `web`: further lines of the table of that name."""
    port = free_port()
    config, log = folder / "serve.toml", folder / "serve.log"
    config.write_text(f'root = "{root}"\n{text}\n[web]\nlisten = "127.0.0.1:{port}"\n{web}\n', "utf-8")
    with process(_hotcold(config, "serve"), log) as started:
        eventually("the API to serve", lambda: started.poll() is not None or '"serving"' in log.read_text("utf-8"))
        assert started.poll() is None, log.read_text("utf-8")
        yield Served(started, log, port)


def content(name: str) -> bytes:
    """What the file of that name holds: its name, so that a reader knows that it has the right one."""
    return f"{name}\n".encode() * 40


class Feeder:
    """Finishes files on a device as ffmpeg does, in a thread, from now until the end of the block."""

    def __init__(self, device: Path, kinds: Sequence[str], rate: float, first: int = 1000) -> None:
        """`rate`: files a second of each kind."""
        self._device = device
        self._kinds = kinds
        self._pause = 1 / rate
        self._next = first
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.newest: dict[str, deque[str]] = {kind: deque(maxlen=200) for kind in kinds}
        """Names of finished files, the newest last."""
        for kind in kinds:
            (device / kind).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def written(self) -> int:
        """Files of each kind so far."""
        return self._next

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ends.wait(max(due - time.monotonic(), 0)):
            due = max(due + self._pause, time.monotonic() - 1)
            for kind in self._kinds:
                name = KINDS[kind].format(self._next)
                put(self._device / kind, name, content(name))
                self.newest[kind].append(name)
                if kind == "segments":
                    self._list(self._device / kind)
            self._next += 1

    def _list(self, folder: Path) -> None:
        names = list(self.newest["segments"])[-LISTED:]
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1"]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{self._next - len(names) + 1}")
        put(folder, "output.m3u8", "\n".join(lines + [f"#EXTINF:1.000,\n{name}" for name in names] + [""]).encode())


@attrs.frozen
class Prometheus:
    """A real one."""

    port: int

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer of its API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """What it finds now."""
        return list(self.ask("query", query=text)["result"])

    def alerts(self, name: str) -> dict[str, str]:
        """The states of an alert, by device."""
        found = (alert for alert in self.ask("alerts")["alerts"] if alert["labels"]["alertname"] == name)
        return {alert["labels"].get("device", ""): alert["state"] for alert in found}


@contextlib.contextmanager
def prometheus(folder: Path, config: Path) -> Iterator[Prometheus]:
    """A Prometheus with this configuration."""
    port = free_port()
    log = folder / "prometheus.log"
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with process(command, log) as started:

        def is_ready() -> bool:
            assert started.poll() is None, log.read_text("utf-8")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).close()
                return True
            return False

        eventually("Prometheus to be ready", is_ready, 30)
        yield Prometheus(port)
