"""A hot folder with a million files at start: how fast they leave, and what the other devices notice of it.

    .venv/bin/python -m benchmarks.backlog [--files 1000000] [--kind captures] [--others 3] [--rate 10]

It makes the files, moves them all by a bare loop of os.rename (the rate to compare with), gives them to a device, and
starts `hotcold run`, while each other device gets its files at a steady pace. A reactor without the backlog runs first,
for its memory and its devices' waits. A million files of a byte on tmpfs take some 5 GB.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from hotcold_inotify.config import Config, Kind
from tests.live.pace import KIND, Pace, Spread, filled, memory_peak
from tests.live.started import Running, end, free_port, mid_hour

_LIMIT = 100
# Seconds that the devices are looked at without a backlog, and when it has left: then its hour is looked at.
_LOOK = 5.0


@attrs.frozen
class Seen:
    """What one run of the reactor showed; the times are time.monotonic()'s."""

    launched: float
    served: float
    """The first file of another device had left."""
    began: float
    """The first files of the backlog had left."""
    drained: float
    left: int
    """Files of the backlog that left in between."""
    peak: float
    """MiB."""
    pace: Pace


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--kind", choices=[kind.name for kind in Config().kinds], default=KIND)
    arguments.add_argument("--others", type=int, default=3, help="how many other devices there are")
    arguments.add_argument("--rate", type=float, default=10, help="files a second of each of them")
    arguments.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where it is done")  # noqa: S108  a private folder below it
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="hotcold-backlog-", dir=given.folder) as place:
        ground = Path(place)
        kind = next(kind for kind in Config().kinds if kind.name == given.kind)
        bare = _made(ground, given.files, str(kind.pattern))
        alone = _run(ground / "alone", kind, None, given.others, given.rate)
        print(f"without a backlog: others served after {alone.served - alone.launched:.2f} s, {alone.peak:.1f} MiB")
        print(f"  {Spread.of(alone.pace.waits(alone.served))}")
        seen = _run(ground / "stream", kind, ground / "bare", given.others, given.rate)
    speed = seen.left / (seen.drained - seen.began)
    print(f"drained: {speed:,.0f} files/s; the bare loop is {bare / speed:.1f} times as fast")
    print(f"others served after {seen.served - seen.launched:.2f} s, {seen.drained - seen.served:.2f} s before its end")
    print(f"  from then to its end: {Spread.of(seen.pace.waits(seen.served, seen.drained))}")
    print(f"  in the {_LOOK:.0f} s after it: {Spread.of(seen.pace.waits(seen.drained))}")
    print(f"memory: {seen.peak:.1f} MiB at most, {seen.peak - alone.peak:.1f} MiB more than without")


def _made(ground: Path, count: int, pattern: str) -> float:
    """Make the files in `ground/made`, move them to `ground/bare`; files a second of a bare loop."""
    made, bare = ground / "made", ground / "bare"
    began = time.monotonic()
    filled(made, count, pattern)
    print(f"{count:,} files made in {time.monotonic() - began:.1f} s")
    bare.mkdir()
    names = os.listdir(made)
    began = time.monotonic()
    for name in names:
        os.rename(f"{made}/{name}", f"{bare}/{name}")
    rate = count / (time.monotonic() - began)
    print(f"bare loop of os.rename: {rate:,.0f} files/s")
    return rate


def _run(root: Path, kind: Kind, backlog: Path | None, others: int, rate: float) -> Seen:
    hot = [root / f"capture{number}" / KIND for number in range(2, 2 + others)]
    count = 0
    if backlog is not None:
        (root / "capture1").mkdir(parents=True)
        backlog.rename(root / "capture1" / kind.name)
        count = len(os.listdir(root / "capture1" / kind.name)) - kind.hot_limit
    with _reactor(root) as running, Pace(hot, limit=_LIMIT, rate=rate) as pace:
        launched = began = time.monotonic()
        left = first = 0
        while pace.first_left_at is None or left < count:
            time.sleep(0.1)
            if running.process.poll() is not None:
                sys.exit(running.log.read_text("utf-8"))
            with contextlib.suppress(OSError):  # it is starting
                left = int(running.metric("hotcold_archived_files_total", device="capture1", kind=kind.name))
            if not first:
                first, began = left, time.monotonic()
            _progress(left, count)
        drained = time.monotonic()
        time.sleep(_LOOK)
        peak = memory_peak(running.process.pid)
    return Seen(launched, pace.first_left_at, began, drained, left - first, peak, pace)


@contextlib.contextmanager
def _reactor(root: Path) -> Iterator[Running]:
    """A reactor on captures alone, in a process of its own."""
    port = free_port()
    config, log = root.with_suffix(".toml"), root.with_suffix(".log")
    config.write_text(
        f'root = "{root}"\n{mid_hour()}[metrics]\nlisten = "127.0.0.1:{port}"\n[kinds.{KIND}]\nhot_limit = {_LIMIT}\n',
        "utf-8",
    )
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(config), "run", "--log-format", "json"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield Running(process, log, config, port)
    finally:
        end(process)


def _progress(left: int, count: int) -> None:
    if count and sys.stderr.isatty():
        sys.stderr.write(f"\r{left:,} of {count:,} files have left" + ("\n" if left >= count else ""))
        sys.stderr.flush()


if __name__ == "__main__":
    main()
