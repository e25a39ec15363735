"""How long the API takes for each request on a full day, beside the same question put to one mixed folder.

    python -m benchmarks.operations.api [--folder DIR] [--rounds 60]

The times are the server's own: from the request's arrival in the application to the last byte of its answer, in this
process, without a network. The hot/cold tree has 24 full slots; the mixed folder has the same files in one. Making both
takes some minutes and 5 GB of small files; `--folder` keeps them for the next run within the hour.
"""

import argparse
import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import trio
from rich.console import Console
from rich.table import Table

from benchmarks.operations import onefolder
from benchmarks.operations.fullday import hot_and_cold, last_moment, mixed
from hotcold_inotify.config import Config
from hotcold_inotify.web import create_app


@attrs.frozen
class Question:
    """A request, its budget in milliseconds, and how one mixed folder answers it: by a scan, by a line of shell."""

    name: str
    path: str
    budget: float
    scan: Callable[[Path, float], object]
    script: str | None = None


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--folder", type=Path, help="where the files are made, and kept")
    arguments.add_argument("--rounds", type=int, default=60)
    arguments.add_argument("--no-mixed", action="store_true", help="leave the mixed folder out")
    given = arguments.parse_args()
    console = Console()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="hotcold-bench-"))
    try:
        config, now = _made(folder, console, with_mixed=not given.no_mixed)
        _measure(config, now, folder, given.rounds, console, with_mixed=not given.no_mixed)
    finally:
        if given.folder is None:
            shutil.rmtree(folder)


def _made(folder: Path, console: Console, *, with_mixed: bool) -> tuple[Config, float]:
    stamp = folder / "made"
    if stamp.exists():
        return Config(root=str(folder / "stream"), timezone="UTC"), float(stamp.read_text("ascii"))
    now = last_moment()
    with console.status("making 24 full hour folders"):
        config = hot_and_cold(folder / "stream", now)
    if with_mixed:
        with console.status("making the mixed folder"):
            count = mixed(folder / "mixed", now)
        console.print(f"{count:,} files in the mixed folder")
    stamp.write_text(str(now), "ascii")
    return config, now


def _measure(config: Config, now: float, folder: Path, rounds: int, console: Console, *, with_mixed: bool) -> None:
    table = Table(title="milliseconds a request")
    for heading in ("request", "median", "p99", "budget", "scan of one mixed folder", "ratio"):
        table.add_column(heading, justify="left" if heading == "request" else "right")
    for question in questions(now):
        times = sorted(answered(config, question, rounds, now))
        median, p99 = statistics.median(times), times[min(int(len(times) * 0.99), len(times) - 1)]
        scans = scanned(question, folder / "mixed", now, 2) if with_mixed else None
        table.add_row(
            question.name,
            f"{median:.1f}",
            f"{p99:.1f}",
            f"{question.budget:.0f}",
            "-" if scans is None else f"{min(scans):,.0f}",
            "-" if scans is None else f"{min(scans) / median:,.0f}",
        )
    console.print(table)


def questions(now: float) -> list[Question]:
    """What is asked, of the hour before the running one."""
    hour = time.gmtime(now - 3_600).tm_hour
    day = f"start={now - 86_000:.0f}&end={now:.0f}"
    return [
        Question("screenshot", "/api/host/screenshot/capture1", 5, onefolder.newest_capture, onefolder.NEWEST_CAPTURE),
        Question("count of files", "/api/host/devices", 5, onefolder.count, onefolder.COUNT),
        Question("24 h heatmap", "/api/host/heatmap/capture1", 50, onefolder.minutes_of_a_day),
        Question(
            "hour playlist", f"/host/stream/capture1/segments/{hour}/archive.m3u8", 20, onefolder.segments_of_an_hour
        ),
        Question("thumbnails of an hour", f"/api/host/thumbnails/capture1/{hour}", 50, onefolder.thumbnails_of_an_hour),
        Question("24 h range playlist", f"/api/host/playlist/capture1.m3u8?{day}", 300, onefolder.segments_of_a_day),
    ]


def answered(config: Config, question: Question, rounds: int, now: float) -> list[float]:
    """Milliseconds of each round of a request at that time, after a few that warm up."""
    return trio.run(_ask, config, question.path, rounds, now)


def scanned(question: Question, folder: Path, now: float, rounds: int) -> list[float]:
    """Milliseconds of each scan of the mixed folder, after one by which the kernel knows it."""
    times = []
    for number in range(rounds + 1):
        began = time.perf_counter()
        question.scan(folder, now)
        if number:
            times.append((time.perf_counter() - began) * 1000)
    return times


async def _ask(config: Config, path: str, rounds: int, now: float) -> list[float]:
    # The files are as old as the benchmark: the application's clock stands at the moment when they were made.
    app = create_app(config, now=lambda: now)
    gc.collect()
    gc.freeze()  # as `hotcold serve` does
    path, _, query = path.partition("?")
    times = []
    for number in range(rounds + 3):
        began = time.perf_counter()
        status, size = await _request(app, path, query)
        took = (time.perf_counter() - began) * 1000
        if status != 200 or not size:
            raise SystemExit(f"{path} was answered with {status} and {size} bytes")
        if number >= 3:
            times.append(took)
    return times


async def _request(app: Any, path: str, query: str) -> tuple[int, int]:
    status = size = 0

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, size
        status = message.get("status", status)
        size += len(message.get("body", b""))

    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await trio.sleep_forever()  # the client stays
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
    }
    await app(scope, receive, send)
    return status, size


if __name__ == "__main__":
    main()
