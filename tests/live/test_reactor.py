"""What a running reactor survives: signals at any moment, changed addresses and roots, slow clients, odd names."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio
import trio.testing
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.device import Device
from hotcold_inotify.disk import Home
from hotcold_inotify.hours import Calendar
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.reactor import Reactor, _Running
from tests.live.started import Running, Start, eventually, everywhere, fill, hot, put

LIMIT = "[kinds.captures]\nhot_limit = 3\n"


def told(running: Running, event: str, times: int = 1) -> Callable[[], bool]:
    return lambda: [record["event"] for record in running.said()].count(event) >= times


def hang_up(running: Running, change: Callable[[str], str]) -> None:
    """Change the configuration and say so."""
    running.config.write_text(change(running.config.read_text("utf-8")), "utf-8")
    running.process.send_signal(signal.SIGHUP)


def told_address(running: Running) -> str:
    return [str(record["address"]) for record in running.said() if record["event"] == "metrics served"][-1]


def is_hot(folder: Path, names: list[str]) -> bool:
    return hot(folder) == names


def descriptors(running: Running) -> list[str]:
    """What its open descriptors lead to; threads' own, which come and go, are of no kind that is counted."""
    found = []
    for link in Path(f"/proc/{running.process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            found.append(os.readlink(link))
    return sorted(re.sub(r"\d+\]?$", "", target) for target in found)


def test_files_that_are_finished_while_it_starts_are_not_lost(root: Path, start: Start) -> None:
    folder = root / "capture1" / "captures"
    folder.mkdir()
    running = start(LIMIT, wait=False)
    number = 0
    while number < 1_000 or not told(running, "device served")():
        put(folder, f"capture_{number}.jpg", str(number).encode())
        number += 1
    newest = [f"capture_{each}.jpg" for each in range(number - 3, number)]
    eventually("the newest three to be hot", lambda: hot(folder) == sorted(newest))
    contents = sorted(int(path.read_bytes()) for path in folder.rglob("*.jpg"))
    assert contents == list(range(number))


def test_i3_after_a_flood_the_limits_worth_of_the_newest_is_hot(
    root: Path, start: Start, sysctl: Callable[[str, int], None]
) -> None:
    # What the full queue still tells is of files that the look at the folder has archived: they take no place.
    sysctl("fs.inotify.max_queued_events", 512)
    running = start("[kinds.captures]\nhot_limit = 100\n")
    folder = root / "capture1" / "captures"
    for burst in range(3):
        running.process.send_signal(signal.SIGSTOP)
        for number in range(1_000):
            put(folder, f"capture_{burst * 1_000 + number}.jpg")
        running.process.send_signal(signal.SIGCONT)
        newest = sorted(f"capture_{burst * 1_000 + number}.jpg" for number in range(900, 1_000))
        eventually("the flood to settle", partial(is_hot, folder, newest))
    assert running.metric("hotcold_inotify_overflows_total", device="capture1") >= 3
    assert len(everywhere(folder, "*.jpg")) == 3_000
    assert running.metric("hotcold_hot_files", device="capture1", kind="captures") == 100


def test_hang_ups_in_a_row_end_nothing(root: Path, start: Start) -> None:
    running = start(LIMIT)
    folder = root / "capture1" / "captures"
    for limit in (4, 5, 6, 7, 8, 9):
        hang_up(running, partial(re.sub, "hot_limit = [0-9]+", f"hot_limit = {limit}"))
        for _ in range(20):
            running.process.send_signal(signal.SIGHUP)
    fill(folder, "capture_*.jpg", 30)
    eventually("the last limit to act", lambda: len(hot(folder)) == 9)
    assert running.stop() == 0


def lasting_descriptors(running: Running) -> list[str]:
    """Those that stay: the looks at the folders, at start and every few seconds, hold others for moments."""
    fewest = descriptors(running)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        fewest = min(fewest, descriptors(running), key=len)
    return fewest


def test_descriptors_do_not_grow_with_reloads_and_devices(root: Path, start: Start) -> None:
    running = start(LIMIT)
    folder = root / "capture1" / "captures"
    fill(folder, "capture_*.jpg", 10)
    eventually("three hot", lambda: len(hot(folder)) == 3)
    before = lasting_descriptors(running)
    for turn in range(8):
        hang_up(running, partial(re.sub, "hot_limit = [0-9]+", f"hot_limit = {turn + 10}"))
        eventually("the reload", told(running, "configuration read again", turn + 1))
        for number in range(20):
            put(folder, f"capture_{turn}00{number}.jpg")
        (root / "capture2").mkdir()
        eventually("the device to come", (root / "capture2" / "metadata" / "23").is_dir)
        (root / "capture2").rename(root / "gone")
        eventually("the device to go", told(running, "device left", turn + 1))
        subprocess.run(["rm", "-rf", str(root / "gone")], check=True)
    eventually("as many descriptors as at first", lambda: descriptors(running) == before)


def test_metrics_move_to_another_address_and_port_0_is_told(start: Start) -> None:
    running = start()
    first = running.port
    hang_up(running, lambda text: text.replace(f"127.0.0.1:{first}", "127.0.0.1:0"))
    eventually("the new address", told(running, "metrics served", 2))
    found = re.fullmatch(r"http://127\.0\.0\.1:([0-9]+)/metrics", told_address(running))
    assert found is not None
    running.port = int(found[1])
    assert running.port != first
    assert running.get("/healthz") == "ok\n"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", first)) != 0
    # The same port on every address: the old socket is in the way of the new one, and is our own.
    hang_up(running, lambda text: text.replace("127.0.0.1:0", f"127.0.0.1:{first}"))
    eventually("the first address", told(running, "metrics served", 3))
    hang_up(running, lambda text: text.replace(f"127.0.0.1:{first}", f"0.0.0.0:{first}"))
    eventually("every address", told(running, "metrics served", 4))
    running.port = first
    assert running.get("/healthz") == "ok\n"


def test_an_address_that_is_taken_is_refused_and_the_old_one_stays(start: Start) -> None:
    running = start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        hang_up(running, lambda text: text.replace(f":{running.port}", f":{port}"))
        eventually("the refusal", told(running, "the new configuration is refused, the old one stays"))
    assert running.get("/healthz") == "ok\n"
    running.process.send_signal(signal.SIGHUP)  # free by now
    eventually("the new address", told(running, "configuration read again"))
    running.port = port
    assert running.get("/healthz") == "ok\n"


def test_a_changed_root_is_moved_to_and_the_old_one_is_free(root: Path, tmp_path: Path, start: Start) -> None:
    other = tmp_path / "other"
    (other / "capture7").mkdir(parents=True)
    running = start(LIMIT)
    hang_up(running, lambda text: text.replace(str(root), str(tmp_path / "nowhere")))
    eventually("the refusal", told(running, "the new configuration is refused, the old one stays"))
    hang_up(running, lambda text: text.replace(str(tmp_path / "nowhere"), str(other)))
    eventually("the other root's device", (other / "capture7" / "metadata" / "23").is_dir)
    eventually("the old root's device to leave", lambda: 'device="capture1"' not in running.get("/metrics"))
    second = start(LIMIT)
    assert second.process.poll() is None
    assert running.process.poll() is None


def test_a_client_that_does_not_read_holds_up_no_end(start: Start) -> None:
    running = start()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", running.port))
        slow.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(3_000):
                slow.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

        def is_stuck() -> bool:
            """Whether the reactor neither gets rid of its answers nor reads more requests (the queues of proc(5))."""
            rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
            ours = [row[4] for row in rows if row[1].endswith(f":{running.port:04X}") and row[3] == "01"]
            return any(int(length, 16) > 10_000 for queues in ours for length in [min(queues.split(":"))])

        eventually("the client to be stuck", is_stuck)
        assert running.get("/healthz") == "ok\n"
        began = time.monotonic()
        running.process.terminate()
        assert running.process.wait(20) == 0
        print(f"ended {time.monotonic() - began:.2f} s after SIGTERM")  # noqa: T201  a figure to report


def has_series(running: Running, label: str) -> bool:
    return label in running.get("/metrics")


def test_i8_a_name_that_is_no_text_takes_no_metrics_away(root: Path, start: Start) -> None:
    os.mkdir(os.fsencode(root) + b"/capture\xff")
    os.mkdir(os.fsencode(root) + b"/capture\n2")
    running = start(LIMIT)
    eventually("three devices", lambda: running.metric("hotcold_devices") == 3)
    # A device counts when it is found, and has its series a moment later, when its folders are open.
    for label in (r'device="capture\\udcff"', r'device="capture\n2"', 'device="capture1"'):
        eventually(label, partial(has_series, running, label))
    assert running.stop() == 0


async def test_a_device_whose_disk_hangs_is_a_problem_and_is_named(
    autojump_clock: trio.testing.MockClock,  # noqa: ARG001  makes the waiting short
) -> None:
    config = Config()
    reactor = Reactor(config, registry=CollectorRegistry())
    for name in ("capture1", "capture2"):
        home = Home(name, f"/none/{name}", f"/none/{name}")
        device = Device(home, config, Calendar(hours.zone("UTC")), Clock(), Instruments(CollectorRegistry()))
        reactor._running[name] = _Running(home, device, trio.CancelScope(), trio.Event())
    assert reactor.problem() is None
    reactor._running["capture1"].device._threads._began[object()] = trio.current_time()
    await trio.sleep(14)
    assert reactor.problem() is None
    reactor._running["capture2"].device._threads._began[object()] = trio.current_time()
    await trio.sleep(2)
    assert reactor.problem() == "no progress for 15 s: capture1"


def test_when_the_newest_file_came_and_that_no_event_was_lost_is_known_from_the_start(root: Path, start: Start) -> None:
    folder = root / "capture1" / "captures"
    folder.mkdir()
    came = time.time() - 100
    put(folder, "capture_000000007.jpg", mtime=came - 1)
    put(folder, "capture_000000003.jpg", mtime=came)
    running = start()
    last = "hotcold_last_file_timestamp_seconds"
    eventually("the look at start", lambda: running.metric(last, kind="captures") > 0)
    assert abs(running.metric(last, kind="captures") - came) < 0.01
    assert 'hotcold_inotify_overflows_total{device="capture1"} 0.0' in running.get("/metrics")
    put(folder, "capture_000000008.jpg")
    eventually("the event", lambda: running.metric(last, kind="captures") > came + 50)
