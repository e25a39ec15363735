"""A reactor in a process of its own, and what a test asks of it."""

import fnmatch
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import attrs


def eventually(what: str, holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def end(process: subprocess.Popen[bytes]) -> None:
    """Nothing is left of it, whether it had ended or not."""
    if process.poll() is None:
        process.kill()
    process.wait()


def put(folder: Path, name: str, data: bytes = b"x", mtime: float | None = None) -> None:
    """Finish a file as ffmpeg does: under another name first."""
    unfinished = folder / f"{name}.tmp"
    unfinished.write_bytes(data)
    if mtime is not None:
        os.utime(unfinished, (mtime, mtime))
    unfinished.rename(folder / name)


def mid_hour() -> str:
    """A line of configuration for what must not meet a turn of the hour: a zone whose hour is not about to turn."""
    return f'timezone = "{"UTC" if 300 < time.time() % 3600 < 3300 else "Asia/Kolkata"}"\n'


def fill(folder: Path, pattern: str, count: int) -> None:
    """Finish files with the numbers 0, 1, 2 ..."""
    for number in range(count):
        put(folder, pattern.replace("*", str(number)))


def hot(folder: Path) -> list[str]:
    return sorted(
        entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False) and "." in entry.name
    )


def everywhere(folder: Path, pattern: str) -> list[str]:
    # Not rglob: it stumbles over a folder that goes away meanwhile.
    return sorted(name for _, _, names in os.walk(folder) for name in fnmatch.filter(names, pattern))


@attrs.define
class Running:
    """A reactor in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    config: Path
    port: int

    def said(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        for line in self.get("/metrics").splitlines():
            found = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
            if (
                found
                and found[1] == name
                and all(f'{key}="{value}"' in (found[2] or "") for key, value in labels.items())
            ):
                return float(found[3])
        return 0.0

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


Start = Callable[..., Running]


def answers(running: Running) -> bool:
    assert running.process.poll() is None, running.log.read_text("utf-8")
    return any(record["event"] == "device served" and record["device"] == "capture1" for record in running.said())
