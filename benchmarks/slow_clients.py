"""The screenshot's median alone, and beside 200 clients that read a byte now and then.

    .venv/bin/python -m benchmarks.slow_clients [--clients 200] [--requests 1000]

It makes a device with a picture, a large segment and an hour's playlist in a temporary folder, and starts `hotcold
serve` on it. Half of the slow clients load the segment, half the playlist.
"""

import argparse
import contextlib
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PICTURE = b"\xff\xd8" + os.urandom(200_000) + b"\xff\xd9"
PLACE = b"/host/stream/capture1/segments/"


def main() -> None:
    """Measure both and say how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--requests", type=int, default=1_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as port:
        measure(port, 50)
        alone = measure(port, asked.requests)
        stop = threading.Event()
        begun = threading.Event()
        slow = threading.Thread(target=dawdle, args=(port, asked.clients, begun, stop))
        slow.start()
        begun.wait()
        beside = measure(port, asked.requests)
        stop.set()
        slow.join()
    for name, times in (("alone", alone), (f"beside {asked.clients} slow clients", beside)):
        said(f"{name}: median {median(times):.3f} ms, p99 {1000 * sorted(times)[len(times) * 99 // 100]:.3f} ms")
    said(f"ratio of the medians: {median(beside) / median(alone):.2f}")


def said(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def median(times: list[float]) -> float:
    """In milliseconds."""
    return 1000 * statistics.median(times)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    """`hotcold serve` on a made-up device; its port."""
    device = folder / "capture1"
    (device / "captures").mkdir(parents=True)
    (device / "segments" / "3").mkdir(parents=True)
    picture = device / "captures" / "capture_1.jpg"
    picture.write_bytes(PICTURE)
    later = time.time() + 3_600  # as new as can be, for as long as this takes
    os.utime(picture, (later, later))
    (device / "segments" / "segment_1.ts").write_bytes(os.urandom(20_000_000))
    (device / "segments" / "3" / "archive.m3u8").write_bytes(b"#EXTM3U\n" + b"# an entry of an hour\n" * 30_000)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "hotcold.toml"
    config.write_text(f'root = "{folder}"\n[web]\nlisten = "127.0.0.1:{port}"\n', "utf-8")
    process = subprocess.Popen([sys.executable, "-m", "hotcold_inotify", "--config", str(config), "serve"])
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)  # it is starting
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(port: int, count: int) -> list[float]:
    """Seconds of each of so many screenshots, over one connection."""
    times = []
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        for _ in range(count):
            began = time.perf_counter()
            sock.sendall(b"GET /api/host/screenshot/capture1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            found = bytearray()
            while not found.endswith(PICTURE[-16:]):
                data = sock.recv(1 << 20)
                if not data:
                    sys.exit(f"no picture: {bytes(found[:200])!r}")
                found += data
            times.append(time.perf_counter() - began)
    return times


def dawdle(port: int, count: int, begun: threading.Event, stop: threading.Event) -> None:
    """So many clients that read a byte each, ten times a second."""
    with contextlib.ExitStack() as opened, selectors.DefaultSelector() as ready:
        for number in range(count):
            sock = opened.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(("127.0.0.1", port))
            path = PLACE + (b"segment_1.ts" if number % 2 else b"3/archive.m3u8")
            sock.sendall(b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n" % path)
            ready.register(sock, selectors.EVENT_READ, sock)
        answering = 0
        while not stop.wait(0.1):
            answering = sum(bool(key.data.recv(1)) for key, _ in ready.select(0))
            begun.set()
        said(f"clients that were still being answered at the end: {answering}")


if __name__ == "__main__":
    main()
