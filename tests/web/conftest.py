"""Fixtures of the API's tests: a root with one device, and servers on it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.conftest import start
from tests.live.started import end, eventually, free_port
from tests.web.stage import Served

__all__ = ["start"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "stream" / "capture1").mkdir(parents=True)
    return tmp_path / "stream"


@pytest.fixture
def serve(tmp_path: Path, root: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def run(web: str = "", text: str = "", *, command: tuple[str, ...] = (), listen: str | None = None) -> Served:
        port = free_port()
        number = len(started)
        config = tmp_path / f"serve{number}.toml"
        where = f"127.0.0.1:{port}" if listen is None else listen
        config.write_text(f'root = "{root}"\n{text}\n[web]\nlisten = "{where}"\n{web}\n', "utf-8")
        log = tmp_path / f"serve{number}.log"
        line = [*command, sys.executable, "-m", "hotcold_inotify", "--config", str(config), "serve"]
        with log.open("wb") as out:
            process = subprocess.Popen([*line, "--log-format", "json"], stdout=out, stderr=out)
        served = Served(process, log, port)
        started.append(served)
        eventually("the server to serve", lambda: process.poll() is not None or '"serving"' in log.read_text("utf-8"))
        assert process.poll() is None, log.read_text("utf-8")
        return served

    yield run
    for served in started:
        end(served.process)
