"""What the service manager is told, sd_notify(3), by a live reactor and API: here the test is the manager."""

import contextlib
import itertools
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from hotcold_inotify.readiness import Manager
from tests.live.started import Start, eventually, fill, free_port, hot
from tests.live.test_hang import hung

pytestmark = pytest.mark.live

LIMIT = "[kinds.captures]\nhot_limit = 3\n"


@attrs.define
class Heard:
    """One message: its lines, when it came (time.monotonic), and what was to be looked at in that moment."""

    lines: list[str]
    at: float
    seen: object

    def __contains__(self, line: str) -> bool:
        return line in self.lines

    def value(self, key: str) -> str | None:
        return next((line.partition("=")[2] for line in self.lines if line.startswith(f"{key}=")), None)


class Listener:
    """Hears what is told, in a thread; `look` is called in the moment of each message."""

    def __init__(self, sock: socket.socket, look: Callable[[], object]) -> None:
        self._sock = sock
        self._look = look
        self._queue: queue.Queue[Heard] = queue.Queue()
        self.all: list[Heard] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._sock.recv(65_536):
                self._queue.put(Heard(data.decode().split("\n"), time.monotonic(), self._look()))

    def wait(self, what: str, wanted: Callable[[Heard], bool], seconds: float = 20.0) -> Heard:
        """The next message that is wanted."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                heard = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"waited {seconds} s to hear: {what}; heard {self.all[-5:]}") from None
            self.all.append(heard)
            if wanted(heard):
                return heard

    def line(self, line: str, seconds: float = 20.0) -> Heard:
        return self.wait(line, lambda heard: line in heard, seconds)

    def status(self, pattern: str, seconds: float = 20.0) -> Heard:
        return self.wait(pattern, lambda heard: bool(re.search(pattern, heard.value("STATUS") or "")), seconds)

    def during(self, seconds: float) -> list[Heard]:
        """What is heard in so many seconds from now."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        time.sleep(seconds)  # that is what is asked for
        heard = []
        with contextlib.suppress(queue.Empty):
            while True:
                heard.append(self._queue.get_nowait())
        self.all += heard
        return heard


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@hotcold-test-{os.getpid()}"


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Listener]]:
    opened = []

    def begin(
        look: Callable[[], object] = lambda: None, *, address: str | None = None, watchdog: float | None = None
    ) -> Listener:
        address = address or str(tmp_path / "notify")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        opened.append(sock)
        sock.bind("\0" + address[1:] if address.startswith("@") else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        if watchdog is not None:
            monkeypatch.setenv("WATCHDOG_USEC", str(int(watchdog * 1e6)))
        return Listener(sock, look)

    yield begin
    for sock in opened:
        sock.shutdown(socket.SHUT_RDWR)  # wakes the thread
        sock.close()


def test_ready_comes_when_every_device_is_within_its_limits(
    root: Path, start: Start, listen: Callable[..., Listener], address: str
) -> None:
    for device in ("capture1", "capture2"):
        captures = root / device / "captures"
        captures.mkdir(parents=True)
        fill(captures, "capture_*.jpg", 3000)
    heard = listen(
        lambda: [len(hot(root / device / "captures")) for device in ("capture1", "capture2")], address=address
    )
    running = start(LIMIT, wait=False)
    ready = heard.line("READY=1")
    assert ready.seen == [3, 3]
    assert ready.value("STATUS") == "2 devices, 8 folders within their limits"
    before = [one for one in heard.all if one is not ready]
    assert any(one.seen != [3, 3] for one in before), "nothing was heard while there was still much to do"
    assert {one.value("STATUS") for one in before} <= {
        None,
        *(f"starting: {served} of {count}" for served in "012" for count in ("0 devices served", "2 devices served")),
    }
    assert all(one.value("EXTEND_TIMEOUT_USEC") for one in before)
    running.process.terminate()
    heard.line("STOPPING=1")
    assert running.process.wait(10) == 0
    assert sum("READY=1" in one for one in heard.all) == 1


def test_a_reload_is_told_whatever_becomes_of_it(root: Path, start: Start, listen: Callable[..., Listener]) -> None:
    heard = listen()
    running = start(LIMIT)
    heard.line("READY=1")
    text = running.config.read_text("utf-8")
    for changed in (text, text + "nonsense", text.replace("hot_limit = 3", "hot_limit = 2")):
        running.config.write_text(changed, "utf-8")
        earliest = time.monotonic_ns() // 1000
        running.process.send_signal(signal.SIGHUP)
        reloading = heard.line("RELOADING=1")
        assert earliest <= int(reloading.value("MONOTONIC_USEC") or 0) <= time.monotonic_ns() // 1000
        heard.line("READY=1")
    fill(root / "capture1" / "captures", "capture_*.jpg", 9)
    eventually("two hot", lambda: len(hot(root / "capture1" / "captures")) == 2)


@pytest.mark.needs("strace")
@pytest.mark.timeout(120)
def test_the_watchdog_is_fed_until_a_device_hangs_and_again_when_it_is_back(
    root: Path, start: Start, listen: Callable[..., Listener]
) -> None:
    (root / "capture2").mkdir()
    heard = listen(watchdog=4.0)
    running = start(LIMIT)
    heard.line("READY=1")
    fed = [one.at for one in heard.during(5.0) if "WATCHDOG=1" in one]
    assert len(fed) >= 3
    assert max(later - earlier for earlier, later in itertools.pairwise(fed)) < 2.5
    with hung(running, root / "capture2"):
        heard.status(r"^2 devices, .*; no progress for 15 s: capture2$", 40)
        quiet = heard.during(5.0)
        assert not [one for one in quiet if "WATCHDOG=1" in one]
        # A new configuration is no way round it: it is not ready before that device is.
        changed = running.config.read_text("utf-8").replace("hot_limit = 3", "hot_limit = 2")
        running.config.write_text(changed, "utf-8")
        running.process.send_signal(signal.SIGHUP)
        heard.line("RELOADING=1")
        waiting = heard.during(7.0)
        assert not [one for one in waiting if "READY=1" in one]
        assert [one for one in waiting if one.value("EXTEND_TIMEOUT_USEC")]
        heard.status("^starting: 1 of 2 devices served")
    heard.line("READY=1")
    heard.line("WATCHDOG=1")


@pytest.mark.needs("strace")
def test_a_disk_that_hangs_at_the_start_holds_up_ready_and_no_other_device(
    tmp_path: Path, root: Path, listen: Callable[..., Listener]
) -> None:
    (root / "capture2" / "captures").mkdir(parents=True)
    config = tmp_path / "hotcold.toml"
    config.write_text(f'root = "{root}"\n{LIMIT}[metrics]\nlisten = ""\n', "utf-8")
    heard = listen(watchdog=4.0)
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(root / "capture2" / "captures")]
    command += ["-e", "trace=getdents64", "-e", "inject=getdents64:delay_enter=3600s", sys.executable]
    command += ["-m", "hotcold_inotify", "--config", str(config), "run"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as strace:
        try:
            heard.status("^starting: 1 of 2 devices served$")
            captures = root / "capture1" / "captures"
            fill(captures, "capture_*.jpg", 9)
            eventually("three hot", lambda: len(hot(captures)) == 3)
            # Longer than a device may go without progress: it is known, and more time is asked for all the same.
            heard.status("^starting: 1 of 2 devices served; no progress for 15 s: capture2$", 30)
            heard.wait("more time", lambda one: one.value("EXTEND_TIMEOUT_USEC") is not None)
            assert not [one for one in heard.all if "READY=1" in one]
        finally:
            os.killpg(strace.pid, signal.SIGKILL)


def test_a_folder_over_its_limit_is_in_the_status(root: Path, start: Start, listen: Callable[..., Listener]) -> None:
    heard = listen(watchdog=2.0)
    # What is no folder is in the way of every slot: what would leave has to stay.
    captures = root / "capture1" / "captures"
    captures.mkdir()
    for slot in range(24):
        (captures / str(slot)).write_text("in the way", "utf-8")
    start(LIMIT)
    heard.line("READY=1")
    fill(captures, "capture_*.jpg", 5)
    heard.status("^1 device, 3 of 4 folders within their limits$")
    for slot in range(24):
        (captures / str(slot)).unlink()
        (captures / str(slot)).mkdir()
    heard.status("^1 device, 4 folders within their limits$")


def test_a_manager_that_is_gone_stops_nothing_and_is_said(
    root: Path, start: Start, listen: Callable[..., Listener], tmp_path: Path
) -> None:
    heard = listen(watchdog=1.0)
    running = start(LIMIT)
    heard.line("READY=1")
    (tmp_path / "notify").unlink()
    trouble = "the service manager cannot be told"
    eventually("to be said", lambda: trouble in [record["event"] for record in running.said()])
    fill(root / "capture1" / "captures", "capture_*.jpg", 9)
    eventually("three hot", lambda: len(hot(root / "capture1" / "captures")) == 3)
    assert running.stop() == 0
    assert [record["event"] for record in running.said()].count(trouble) == 1


def test_the_api_is_ready_when_it_answers(tmp_path: Path, root: Path, listen: Callable[..., Listener]) -> None:
    port = free_port()
    config = tmp_path / "hotcold.toml"
    config.write_text(f'root = "{root}"\n[web]\nlisten = "127.0.0.1:{port}"\n', "utf-8")
    heard = listen(watchdog=2.0)
    serve = [sys.executable, "-m", "hotcold_inotify", "--config", str(config), "serve"]
    with subprocess.Popen(serve, stderr=subprocess.DEVNULL) as process:
        try:
            ready = heard.line("READY=1")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/host/devices", timeout=10) as answer:
                assert answer.status == 200
            assert ready.value("STATUS") == f"serving at http://127.0.0.1:{port}"
            heard.line("WATCHDOG=1")
            heard.line("WATCHDOG=1", 2.0)
            process.terminate()
            heard.line("STOPPING=1")
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_the_environment_names_the_manager_and_children_do_not_inherit_it() -> None:
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "PATH": "/bin"}
    assert Manager.from_environment(environ) == Manager("@x", 30.0)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("environ", "manager"),
    [
        ({}, Manager()),
        ({"WATCHDOG_USEC": "30000000"}, Manager()),
        ({"NOTIFY_SOCKET": "/run/x"}, Manager("/run/x")),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1500000"}, Manager("/run/x", 1.5)),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "0"}, Manager("/run/x")),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "soon"}, Manager("/run/x")),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, Manager("/run/x")),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, Manager()),
    ],
)
def test_a_watchdog_is_heeded_if_it_is_ours(environ: dict[str, str], manager: Manager) -> None:
    assert Manager.from_environment(environ) == manager


async def test_a_message_is_one_line_a_thing_and_any_name_can_be_in_it(
    listen: Callable[..., Listener], tmp_path: Path
) -> None:
    heard = listen()
    assert await Manager(str(tmp_path / "notify")).tell("STATUS=no progress: a\nREADY=1 \udcff", "WATCHDOG=1")
    assert heard.line("WATCHDOG=1").lines == ["STATUS=no progress: a READY=1 \\udcff", "WATCHDOG=1"]


async def test_without_a_manager_nothing_is_told_and_one_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    assert await Manager().tell("READY=1")
    assert not await Manager(str(tmp_path / "nobody")).tell("READY=1")
    deaf = str(tmp_path / "deaf")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(deaf)
        told = [await Manager(deaf).tell("x" * 60_000) for _ in range(2)]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    other.sendto(b"x", deaf)
        began = time.monotonic()
        assert not await Manager(deaf).tell("READY=1")
    assert told[0]
    assert time.monotonic() - began < 5
