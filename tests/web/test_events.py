import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from starlette.types import Message

from tests.live.started import eventually, put
from tests.web.stage import JPEG, Answer, Client, Served, answer, client, living, move

URL = "/api/host/events/capture1"
Serve = Callable[..., Served]


@pytest.fixture
def folder(root: Path) -> Path:
    for kind in ("captures", "thumbnails"):
        for hour in range(24):
            (root / "capture1" / kind / str(hour)).mkdir(parents=True)
    return root / "capture1" / "captures"


class Listener:
    """One client of the event stream of a server."""

    def __init__(self, served: Served, url: str = URL) -> None:
        self.sock = served.connect()
        self.sock.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._file = self.sock.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = dict(
            line.decode().strip().lower().split(": ", 1) for line in iter(self._file.readline, b"\r\n") if line
        )
        self._lines = self._chunks()

    def _chunks(self) -> Iterator[str]:
        while size := int(self._file.readline() or b"0", 16):
            yield from self._file.read(size).decode().splitlines()
            self._file.readline()

    def begun(self) -> "Listener":
        assert next(self._lines) == ": listening"
        return self

    def next(self) -> tuple[str, Any]:
        for line in self._lines:
            if line.startswith("event: "):
                return line.removeprefix("event: "), json.loads(next(self._lines).removeprefix("data: "))
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def listening(served: Served, url: str = URL) -> Listener:
        made.append(Listener(served, url))
        return made[-1]

    yield listening
    for each in made:
        each.close()


def test_what_happens_is_told_as_it_happens(folder: Path, serve: Serve, listen: Callable[..., Listener]) -> None:
    listener = listen(serve())
    assert listener.status == 200
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert listener.headers["x-content-type-options"] == "nosniff"
    listener.begun()
    put(folder, "capture_12.jpg", JPEG)
    name, said = listener.next()
    assert (name, said["url"]) == ("screenshot", "/host/stream/capture1/captures/capture_12.jpg")
    assert said.keys() == {"url", "time"}
    move(folder / "capture_12.jpg", folder / "5")
    url = "/host/stream/capture1/captures/5/capture_12.jpg"
    assert listener.next() == ("archived", {"kind": "captures", "name": "capture_12.jpg", "hour": 5, "url": url})
    put(folder, "notes.txt")
    put(folder / "5", "notes.txt")
    (folder / "5").rename(folder / "gone")
    (folder / "5").mkdir()
    assert listener.next() == ("retired", {"kind": "captures", "hour": 5})


def test_after_an_hour_was_taken_away_its_new_folder_is_watched(
    folder: Path, serve: Serve, listen: Callable[..., Listener]
) -> None:
    listener = listen(serve()).begun()
    numbers = itertools.count()
    stop = threading.Event()

    def archive() -> None:
        while not stop.wait(0.02):
            with contextlib.suppress(FileNotFoundError):
                put(folder / "7", f"capture_{next(numbers)}.jpg")

    archiver = threading.Thread(target=archive)
    archiver.start()
    try:
        for turn in range(3):
            (folder / "new").mkdir()
            while listener.next()[0] != "archived":
                pass
            (folder / "7").rename(folder / f"gone{turn}")
            (folder / "new").rename(folder / "7")
            while listener.next() != ("retired", {"kind": "captures", "hour": 7}):
                pass
            assert listener.next()[0] == "archived"
    finally:
        stop.set()
        archiver.join()


def test_listeners_hear_of_their_own_device_and_all_of_them(
    root: Path, folder: Path, serve: Serve, listen: Callable[..., Listener]
) -> None:
    (root / "capture2" / "captures").mkdir(parents=True)
    served = serve()
    one, other, elsewhere = listen(served), listen(served), listen(served, "/api/host/events/capture2")
    for each in (one, other, elsewhere):
        each.begun()
    put(folder, "capture_1.jpg")
    put(root / "capture2" / "captures", "capture_2.jpg")
    assert one.next()[1]["url"].endswith("capture_1.jpg")
    assert other.next()[1]["url"].endswith("capture_1.jpg")
    assert elsewhere.next()[1]["url"].endswith("capture_2.jpg")
    assert streams(served) == 3
    one.close()
    elsewhere.close()
    eventually("those who left to be forgotten", lambda: streams(served) == 1)
    put(folder, "capture_3.jpg")
    assert other.next()[1]["url"].endswith("capture_3.jpg")


def streams(served: Served) -> float:
    lines = served.get("/metrics")[2].decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("hotcold_http_event_streams ")))


@pytest.mark.usefixtures("folder")
def test_nobody_is_watched_when_nobody_listens(serve: Serve, listen: Callable[..., Listener]) -> None:
    served = serve()
    listener = listen(served).begun()

    def watches() -> int:
        found = 0
        for fd in Path(f"/proc/{served.process.pid}/fdinfo").iterdir():
            try:
                found += fd.read_text("ascii").count("inotify wd:")
            except FileNotFoundError:
                continue
        return found

    assert watches() == 1 + 2 * 24
    listener.close()
    eventually("the watches to go", lambda: watches() == 0)


@pytest.mark.usefixtures("folder")
def test_with_no_inotify_instance_left_there_are_no_events(serve: Serve, sysctl: Callable[[str, int], None]) -> None:
    served = serve()
    sysctl("fs.inotify.max_user_instances", 0)
    status, headers, body = served.get(URL)
    assert (status, body) == (204, b"")
    assert headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("folder")
def test_with_no_watch_left_there_are_no_events_and_later_there_are(
    serve: Serve, sysctl: Callable[[str, int], None], listen: Callable[..., Listener]
) -> None:
    served = serve()
    sysctl("fs.inotify.max_user_watches", 20)
    assert served.get(URL)[0] == 204
    sysctl("fs.inotify.max_user_watches", 100_000)
    listen(served).begun()


@pytest.mark.usefixtures("folder")
async def test_only_so_many_may_listen(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotcold_inotify.web.events.MOST_LISTENERS", 2)
    async with living(client(root).app) as asked, trio.open_nursery() as nursery:
        for _ in range(2):
            await nursery.start(stay, asked)
        assert (await asked.ask(URL)).status == 204
        nursery.cancel_scope.cancel()
    async with living(client(root).app) as asked:
        assert (await asked.ask(URL, method="HEAD")).status == 200


async def stay(asked: Client, task_status: trio.TaskStatus[None]) -> None:
    """Listen until cancelled; begun with the first piece of the answer."""

    async def send(message: Message) -> None:
        if message.get("body"):
            task_status.started()

    scope = {"type": "http", "method": "GET", "path": URL, "query_string": b"", "headers": [(b"host", b"localhost")]}
    await asked.app(scope | {"asgi": {"spec_version": "2.1"}}, trio.sleep_forever, send)


async def test_without_the_lifespan_there_are_no_events(root: Path) -> None:
    assert (await client(root).ask(URL)).status == 204


async def test_an_unknown_device_has_no_events(root: Path) -> None:
    assert (await client(root).ask("/api/host/events/capture2")).status == 404


def test_under_asyncio_there_is_all_but_the_events(root: Path) -> None:
    put_there = root / "capture1" / "captures"
    put_there.mkdir()
    put(put_there, "capture_1.jpg", JPEG)

    async def ask(path: str) -> Answer:
        said: list[Message] = []

        async def receive() -> Message:
            await anyio.sleep_forever()
            raise AssertionError

        async def send(message: Message) -> None:
            said.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        await app(scope, receive, send)
        return answer(said)

    async def all_of_it() -> None:
        assert (await ask(URL)).status == 204
        assert (await ask("/api/host/devices")).status == 200
        assert (await ask("/host/stream/capture1/captures/capture_1.jpg")).body == JPEG
        assert (await ask("/api/host/captures/capture1/3")).status == 200
        assert (await ask("/metrics")).status == 200

    app = client(root).app
    anyio.run(all_of_it, backend="asyncio")


@pytest.mark.usefixtures("folder")
def test_head_of_the_events_ends(serve: Serve) -> None:
    served = serve()
    status, headers, body = served.get(URL, method="HEAD")
    assert (status, body) == (200, b"")
    assert headers["content-type"].startswith("text/event-stream")
    assert streams(served) == 0
