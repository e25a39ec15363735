"""What `hotcold serve` does with addresses and with clients that do not behave."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from hotcold_inotify import endpoint
from hotcold_inotify.config import Listen
from hotcold_inotify.endpoint import Limits
from tests.live.started import eventually
from tests.web.stage import NOW, Served, everything, parsed, write

Serve = Callable[..., Served]
TOKEN = "-".join(["0123456789abcdef"] * 2)
GET = b"GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n"
CLOSE = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
LARGE = "/host/stream/capture1/segments/segment_1.ts"


@pytest.fixture
def large(root: Path) -> None:
    write(root / "capture1" / "segments" / "segment_1.ts", NOW, b"x" * 30_000_000)


def refused(root: Path, tmp_path: Path, web: str) -> str:
    """What is said by a server that does not start; exit code 1."""
    config = tmp_path / "refused.toml"
    config.write_text(f'root = "{root}"\n[web]\n{web}\n', "utf-8")
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(config), "serve"]
    found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert found.returncode == 1, found
    assert "Traceback" not in found.stderr
    return found.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "elsewhere.example:80"])
def test_an_address_that_strangers_reach_is_refused_with_what_to_do(root: Path, tmp_path: Path, listen: str) -> None:
    said = refused(root, tmp_path, f'listen = "{listen}"')
    assert "nothing asks who they are" in said
    assert "web.token_file" in said


def test_no_address_at_all_is_refused(root: Path, tmp_path: Path) -> None:
    assert "nothing to serve" in refused(root, tmp_path, 'listen = ""')


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("short", "16 characters or more")])
def test_a_token_file_that_is_none_is_refused(root: Path, tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content, "ascii")
    assert said in refused(root, tmp_path, f'token_file = "{tmp_path}/token"')


def test_an_address_that_is_taken_is_said(root: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(root, tmp_path, f'listen = "127.0.0.1:{taken.getsockname()[1]}"')
    assert "cannot listen on 127.0.0.1:" in said


def test_with_a_token_strangers_may_come(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "token").write_text(TOKEN, "ascii")
    served = serve(f'token_file = "{tmp_path}/token"', listen="0.0.0.0:0")
    line = next(line for line in served.log.read_text("utf-8").splitlines() if '"serving"' in line)
    served.port = int(line.partition("http://0.0.0.0:")[2].partition('"')[0])
    assert served.get("/metrics")[0] == 401
    assert served.get("/metrics", f"Authorization: Bearer {TOKEN}")[0] == 200
    assert served.get("/healthz")[0] == 200


def over(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        sock.sendall(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        return everything(sock)


def test_a_unix_socket_is_for_its_group_and_goes_with_the_server(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "socket"
    served = serve(f'socket = "{path}"', listen="")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert parsed(over(path, GET % b"/healthz"))[0] == 200
    assert served.stop() == 0
    assert not path.exists()


def test_a_dead_servers_socket_is_replaced_and_a_living_ones_is_not(root: Path, tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "socket"
    first = serve(f'socket = "{path}"')
    assert "cannot listen on the socket" in refused(root, tmp_path, f'listen = ""\nsocket = "{path}"')
    assert parsed(over(path, GET % b"/healthz"))[0] == 200
    first.process.kill()
    first.process.wait()
    assert path.exists()
    serve(f'socket = "{path}"')
    assert parsed(over(path, GET % b"/healthz"))[0] == 200


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_no_socket_is_not_replaced(root: Path, tmp_path: Path, what: str) -> None:
    path = tmp_path / "socket"
    path.mkdir() if what == "folder" else write(path)
    assert "cannot listen on the socket" in refused(root, tmp_path, f'listen = ""\nsocket = "{path}"')
    assert path.exists()


def test_a_socket_that_another_server_has_taken_over_stays(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "socket"
    served = serve(f'socket = "{path}"')
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert served.stop() == 0
        assert path.exists()


def test_an_ipv6_client_asks_in_brackets(serve: Serve) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
            port = free.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")
    serve(listen=f"[::1]:{port}")
    with socket.create_connection(("::1", port), 20) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: [::1]:%d\r\nconnection: close\r\n\r\n" % port)
        assert parsed(everything(sock))[0] == 200


# What is asked, and the status of the answer.
ODD = [
    (b"GET /healthz HTTP/1.1\r\nhost: elsewhere\r\nconnection: close\r\n\r\n", 421),
    (b"GET /healthz HTTP/1.0\r\n\r\n", 421),
    (b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n", 200),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: elsewhere\r\n\r\n", 400),
    (b"GET /healthz\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
    (CLOSE + b"x: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    (CLOSE.replace(b"healthz", b"x" * 20_000) + b"\r\n", 431),
    (CLOSE + b"x: y\r\n" * 5_000 + b"\r\n", 431),
    (CLOSE + b"x: " + b"x" * 200_000 + b"\r\n\r\n", 431),
    (b"POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", 405),
    (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"GET http://elsewhere/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", 404),
    (b"CONNECT elsewhere:80 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", 405),
]


def test_a_request_that_is_none_is_refused(serve: Serve) -> None:
    served = serve()
    for request, status in ODD:
        found, _, body = parsed(served.raw(request))
        # Where the end of a request is wrong, it may be answered before that is seen.
        assert found == status or (found == 200 and b"chunked" in request), request[:80]
        assert b"Traceback" not in body
    assert served.get("/healthz")[0] == 200
    assert "Traceback" not in served.log.read_text("utf-8")


async def answering(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """As much as the path says."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    assert scope["type"] == "http"
    if scope["path"] == "/fails":
        raise RuntimeError("on purpose")
    headers = [(b"content-length", scope["path"][1:].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
    rest = int(scope["path"][1:])
    while rest > 0:
        await send({"type": "http.response.body", "body": b"x" * min(rest, 65_536), "more_body": True})
        rest -= 65_536
    await send({"type": "http.response.body", "body": b"", "more_body": False})


Connect = Callable[[], Awaitable[trio.SocketStream]]


@contextlib.asynccontextmanager
async def fussy(limits: Limits) -> AsyncIterator[Connect]:
    """A server in this process, with limits that a test can wait for."""
    sock = endpoint.bind(Listen("127.0.0.1", 0))
    port = sock.getsockname()[1]

    async def run() -> None:
        await endpoint.serve(answering, sock, limits=limits)

    async with trio.open_nursery() as nursery, contextlib.AsyncExitStack() as opened:
        nursery.start_soon(run)

        async def connect() -> trio.SocketStream:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            return await opened.enter_async_context(stream)

        yield connect
        nursery.cancel_scope.cancel()


async def answered(stream: trio.SocketStream) -> None:
    """Ask for five bytes and get them; the connection stays."""
    await stream.send_all(GET % b"/5")
    found = b""
    with trio.fail_after(20):
        while not found.endswith(b"xxxxx"):
            found += await stream.receive_some()
    assert found.startswith(b"HTTP/1.1 200")


async def all_of(stream: trio.SocketStream) -> bytes:
    found = b""
    with trio.fail_after(20), contextlib.suppress(trio.BrokenResourceError):
        async for data in stream:
            found += data
    return found


@pytest.mark.parametrize("sent", [b"", b"GET /5 HTTP/1.1\r\nhost:", GET % b"/5"])
async def test_a_client_that_asks_nothing_whole_is_left(sent: bytes) -> None:
    async with fussy(Limits(idle=0.2)) as connect:
        stream = await connect()
        if sent:
            await stream.send_all(sent)
        assert (await all_of(stream)).endswith(b"xxxxx" if sent.endswith(b"\r\n\r\n") else b"")


async def test_a_client_that_trickles_its_head_is_left() -> None:
    async with fussy(Limits(idle=0.3)) as connect, trio.open_nursery() as nursery:
        stream = await connect()

        async def trickle() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                for _ in range(2_000):
                    await stream.send_all(b"x")
                    await trio.sleep(0.02)

        nursery.start_soon(trickle)
        assert await all_of(stream) == b""
        nursery.cancel_scope.cancel()


async def test_one_connection_too_many_is_told_and_the_others_live() -> None:
    async with fussy(Limits(connections=3)) as connect:
        streams = [await connect() for _ in range(3)]
        for stream in streams:
            await answered(stream)
        status, headers, body = parsed(await all_of(await connect()))
        assert (status, body) == (503, b'{"error":"too many connections"}')
        assert headers["connection"] == "close"
        assert headers["x-content-type-options"] == "nosniff"
        await answered(streams[0])
        await streams[1].aclose()
        await trio.sleep(0.1)
        await answered(await connect())


async def test_a_client_that_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotcold_inotify.endpoint._UNREAD", 500)
    async with fussy(Limits(connections=1)) as connect:
        stream = await connect()
        await stream.send_all(GET % b"/100000000")
        with trio.fail_after(30):
            while True:
                other = await connect()
                await other.send_all(GET % b"/5")
                if (await other.receive_some()).startswith(b"HTTP/1.1 200"):
                    break
                await other.aclose()
                await trio.sleep(0.1)
        assert stream.socket.fileno() > 0


@pytest.mark.parametrize("closes", [True, False])
async def test_a_client_that_sends_and_sends_holds_nothing(closes: bool) -> None:
    async with fussy(Limits(connections=1)) as connect:
        stream = await connect()
        head = b"GET /5 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50000000\r\n\r\n"
        with trio.move_on_after(5), contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(head)
            for _ in range(400):
                await stream.send_all(b"x" * 65_536)
        if closes:
            await stream.aclose()
        with trio.fail_after(20):
            while True:
                other = await connect()
                with contextlib.suppress(trio.BrokenResourceError):
                    await other.send_all(GET % b"/5")
                    if (await other.receive_some()).startswith(b"HTTP/1.1 200"):
                        break
                await trio.sleep(0.05)


async def test_one_that_fails_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async with fussy(Limits()) as connect:
        stream = await connect()
        await answered(stream)
        failing = await connect()
        await failing.send_all(GET % b"/fails")
        status, _, body = parsed(await all_of(failing))
        assert (status, body) == (500, b"")
        await answered(stream)
    assert "on purpose" in caplog.text


async def test_a_connection_that_breaks_the_server_library_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("a fault of the library")

    async with fussy(Limits()) as connect:
        with monkeypatch.context() as patched:
            patched.setattr("hypercorn.trio.tcp_server.ProtocolWrapper.initiate", broken)
            stream = await connect()
            assert await all_of(stream) == b""
        await answered(await connect())


def slow(served: Served, count: int, path: str) -> Iterator[socket.socket]:
    for _ in range(count):
        sock = served.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.sendall(GET % path.encode())
        yield sock


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_soon_with_clients_that_never_read_and_with_listeners(serve: Serve, number: int) -> None:
    served = serve()
    socks = [*slow(served, 10, LARGE), *slow(served, 5, "/api/host/events/capture1"), served.connect()]
    try:
        for sock in socks[:15]:
            assert sock.recv(15).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        os.kill(served.process.pid, number)
        assert served.process.wait(20) == 0
        assert time.monotonic() - began < 15
    finally:
        for sock in socks:
            sock.close()
    assert "Traceback" not in served.log.read_text("utf-8")


@pytest.mark.usefixtures("large")
def test_an_answer_under_way_is_finished(serve: Serve) -> None:
    served = serve()
    with served.connect() as sock:
        sock.sendall(GET % LARGE.encode())
        sock.recv(15)
        served.process.terminate()
        found = everything(sock)
    assert len(found) > 30_000_000
    assert served.process.wait(20) == 0


def test_clients_of_all_sorts_leave_nothing_open(serve: Serve, root: Path) -> None:
    for number in range(20):
        write(root / "capture1" / "segments" / f"segment_{number}.ts", NOW, b"x" * 3_000_000)
    served = serve()

    def descriptors() -> int:
        return len(os.listdir(f"/proc/{served.process.pid}/fd"))

    assert served.get("/healthz")[0] == 200
    eventually("the connection to close", lambda: descriptors() < 30)
    before = descriptors()
    for _ in range(3):
        socks = list(slow(served, 20, "/host/stream/capture1/segments/segment_7.ts"))
        for sock in socks:
            sock.recv(100)
            sock.close()
    for status in (200, 404, 304, 416):
        name = "segment_77.ts" if status == 404 else "segment_7.ts"
        header = {304: "If-None-Match: *", 416: "Range: bytes=99999999-"}.get(status, "X: y")
        for _ in range(10):
            assert served.get(f"/host/stream/capture1/segments/{name}", header)[0] == status
    eventually("nothing to be left open", lambda: descriptors() <= before)
