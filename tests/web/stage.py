"""What the tests of the API stand on: a root, an application that is asked in process, and a server in a process.

The instants are of 2026-11-23, UTC: NOW is 14:30 of that day.
"""

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message

from hotcold_inotify.config import parse
from hotcold_inotify.web import create_app

NOW = 1_795_444_200.0
JPEG = b"\xff\xd8 a picture \xff\xd9"
KINDS = {
    "segments": "segment_{:09}.ts",
    "captures": "capture_{:09}.jpg",
    "thumbnails": "capture_{:09}_thumbnail.jpg",
    "metadata": "capture_{:09}.json",
}


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)


@attrs.frozen
class Client:
    """Asks an application as a server would, without one."""

    app: ASGIApp

    async def ask(
        self,
        path: str,
        query: str = "",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        fails: bool = False,
        **more: Any,
    ) -> Answer:
        """`path` as it is decoded; the query as it travels. `fails`: the application raises, for the server to log."""
        asked = {"host": "localhost"} | dict(headers or {})
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.1"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogateescape"),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in asked.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
            **more,
        }
        said: list[Message] = []
        told = False

        async def receive() -> Message:
            nonlocal told
            if told:
                await trio.sleep_forever()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        with pytest.raises(Exception, match=r"\w") if fails else contextlib.nullcontext():
            await self.app(scope, receive, send)
        return answer(said)

    async def json(self, path: str, query: str = "") -> Any:
        found = await self.ask(path, query)
        assert found.status == 200, found
        return found.json()


def answer(said: list[Message]) -> Answer:
    assert [each["type"] for each in said].count("http.response.start") == 1
    start, *rest = said
    assert start["type"] == "http.response.start"
    names = [name.decode() for name, _ in start["headers"]]
    assert len(names) == len(set(names)), names
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    assert not rest or not rest[-1].get("more_body", False)
    return Answer(start["status"], headers, b"".join(each["body"] for each in rest))


@contextlib.asynccontextmanager
async def living(app: ASGIApp) -> AsyncIterator[Client]:
    """The application with its lifespan begun."""
    to_app, app_receives = trio.open_memory_channel[Message](1)
    app_sends, from_app = trio.open_memory_channel[Message](1)
    async with trio.open_nursery() as nursery, to_app, app_receives, app_sends, from_app:
        nursery.start_soon(app, {"type": "lifespan", "asgi": {}, "state": {}}, app_receives.receive, app_sends.send)
        await to_app.send({"type": "lifespan.startup"})
        assert (await from_app.receive())["type"] == "lifespan.startup.complete"
        yield Client(app)
        await to_app.send({"type": "lifespan.shutdown"})
        assert (await from_app.receive())["type"] == "lifespan.shutdown.complete"


def client(root: Path, text: str = "", *, now: float = NOW, registry: CollectorRegistry | None = None) -> Client:
    config = parse(f'root = "{root}"\n{text}\n', "the test")
    return Client(create_app(config, registry=registry, now=lambda: now))


def write(path: Path, mtime: float = NOW, content: bytes = JPEG) -> Path:
    """A finished file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not renamed into place: nobody watches.
    path.write_bytes(content)
    os.utime(path, (mtime, mtime))
    return path


def move(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return path.rename(folder / path.name)


@attrs.define
class Served:
    """`hotcold serve` in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int

    def connect(self, timeout: float = 20.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, request: bytes) -> bytes:
        """Everything that the server says to these bytes until it closes."""
        with self.connect() as sock:
            sock.sendall(request)
            return everything(sock)

    def get(self, path: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        lines = [f"{method} {path} HTTP/1.1", "Connection: close", *headers]
        if not any(header.lower().startswith("host:") for header in headers):
            lines.append("Host: localhost")
        return parsed(self.raw("\r\n".join([*lines, "", ""]).encode("latin-1")))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


def everything(sock: socket.socket) -> bytes:
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65_536):
            found += data
    return bytes(found)


def parsed(said: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return int(first.split()[1]), headers, body


def _unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        found, body = found + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return found
