"""Fixtures of the live tests: a root with one device, and reactors on it."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.live.started import Running, Start, answers, end, eventually, free_port


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "stream" / "capture1").mkdir(parents=True)
    return tmp_path / "stream"


@pytest.fixture
def start(tmp_path: Path, root: Path) -> Iterator[Start]:
    started: list[Running] = []

    def run(text: str = "", *, wait: bool = True) -> Running:
        port = free_port()
        number = len(started)
        config = tmp_path / f"hotcold{number}.toml"
        config.write_text(f'root = "{root}"\n{text}\n[metrics]\nlisten = "127.0.0.1:{port}"\n', "utf-8")
        log = tmp_path / f"reactor{number}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "hotcold_inotify", "--config", str(config), "run", "--log-format", "json"],
                stdout=out,
                stderr=out,
            )
        running = Running(process, log, config, port)
        started.append(running)
        if wait:
            eventually("the reactor to serve", partial(answers, running))
        return running

    yield run
    for running in started:
        end(running.process)
