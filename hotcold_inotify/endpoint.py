"""Serve an ASGI application from the running trio loop, by hypercorn. No threads: a slow client costs a task."""

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, cast

import attrs
import hypercorn.config
import trio
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ConnectionState,
    HTTPScope,
    Scope,
)
from hypercorn.utils import wrap_app

from hotcold_inotify.config import Listen

_BACKLOG = 128
# Milliseconds for which a client may leave what it was sent unread (TCP_USER_TIMEOUT in tcp(7)): a vanished one holds
# its connection no longer.
_UNREAD = 30_000
# Seconds that an answer under way may take when the server ends.
_GRACE = 0.5


class CannotListen(Exception):
    """The address is taken, not ours, or not allowed; the text names it."""


def bind(listen: Listen) -> socket.socket:
    """A listening socket at the address; port 0 takes any free one. CannotListen says why not."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD)  # what it accepts inherits it
        sock.bind((listen.host, listen.port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotListen(f"cannot listen on {listen}: {error.strerror or error}") from error
    return sock


def bind_unix(path: str, mode: int = 0o660) -> socket.socket:
    """A listening Unix socket; one that a dead server left there is replaced. CannotListen says why not."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_dead(path):
            os.unlink(path)
        sock.bind(path)
        os.chmod(path, mode)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotListen(f"cannot listen on the socket {path}: {error.strerror or error}") from error
    return sock


def _is_dead(path: str) -> bool:
    """Whether a socket is there that nobody listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode)
        except OSError:
            return False
    return False


@attrs.frozen
class Limits:
    """What one server spends on its clients. `connections`: at once; one more is told 503. `idle`: seconds without a
    whole request. `head`: bytes of a request's line and headers.
    """

    connections: int = 256
    idle: float = 15.0
    head: int = 16_384


_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 2\r\nx-content-type-options: nosniff\r\n"
    b'content-type: application/json\r\ncontent-length: 32\r\n\r\n{"error":"too many connections"}'
)
# Bytes of a request's body that wait for the application; what comes after them is dropped.
_BODY = 65_536


async def serve(app: ASGIFramework, *socks: socket.socket, limits: Limits = Limits()) -> None:
    """Serve until cancelled; takes the sockets over."""
    with contextlib.ExitStack() as closing:
        for sock in socks:
            closing.enter_context(sock).setblocking(False)
        await _Serving(app, limits).run(socks)


class _Serving:
    """Hypercorn's connections behind a listener of our own: its own one knows no limit, and shields what it sends from
    cancellation, so that only closing a connection ends one whose client does not read.
    """

    def __init__(self, app: ASGIFramework, limits: Limits) -> None:
        self._config = hypercorn.config.Config()
        errors = logging.getLogger("hypercorn.error")
        errors.setLevel(logging.WARNING)  # its info level repeats what we say ourselves
        self._config.errorlog = errors
        self._config.include_server_header = False
        self._config.keep_alive_timeout = limits.idle
        self._config.h11_max_incomplete_size = limits.head
        # A client may speak HTTP/2 if it begins so. It is to have no more of us than by HTTP/1.1.
        self._config.h2_max_header_list_size = limits.head
        self._config.h2_max_concurrent_streams = 1
        self._app = wrap_app(_guarded(app, limits), self._config.wsgi_max_body_size, "asgi")
        self._limits = limits
        self._context = WorkerContext(None)
        self._open: dict[trio.SocketStream, trio.CancelScope] = {}
        self._closed = trio.lowlevel.ParkingLot()

    async def run(self, socks: Sequence[socket.socket]) -> None:
        lifespan = Lifespan(self._app, self._config, {})
        async with trio.open_nursery() as living:
            await living.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            async with trio.open_nursery() as handling:
                try:
                    listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in socks]
                    await trio.serve_listeners(self._handle, listeners, handler_nursery=handling)
                finally:
                    with trio.CancelScope(shield=True):
                        await self._end()

    async def _handle(self, stream: trio.SocketStream) -> None:
        if len(self._open) >= self._limits.connections:
            with contextlib.suppress(trio.BrokenResourceError), trio.move_on_after(1):
                await stream.send_all(_BUSY)
                await stream.send_eof()
            await trio.aclose_forcefully(stream)
            return
        # Shielded: when the server ends, `_end` lets an answer finish before it closes the connection under it.
        with trio.CancelScope(shield=True) as scope:
            self._open[stream] = scope
            try:
                # Its annotation says SSL alone; it takes both.
                await _Connection(self._app, self._config, self._context, ConnectionState({}), cast("Any", stream))
            except Exception:  # noqa: BLE001 (whatever a client made of its connection, it is the only one to lose it)
                await self._config.log.exception("a connection failed")
                await trio.aclose_forcefully(stream)
            finally:
                del self._open[stream]
                self._closed.unpark_all()

    async def _end(self) -> None:
        await self._context.terminated.set()
        with trio.move_on_after(_GRACE):
            while self._open:
                await self._closed.park()
        for stream, scope in self._open.items():
            stream.socket.close()
            scope.cancel()


class _Connection(TCPServer):
    """One that ends when its client has gone, and not only when its idle time is over too."""

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()


def _guarded(app: ASGIFramework, limits: Limits) -> ASGIFramework:
    """The application, and what hypercorn leaves undone: it measures no head that came in one piece; and it lets only a
    few pieces of a body wait for the application: while that does not take them the connection hears nothing more, not
    even that the client has gone.
    """

    async def served(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
        elif _head(scope) > limits.head:
            await _answer(send, 431, "the head of this request is too long")
        elif not _has_body(scope):
            await app(scope, receive, send)
        else:
            async with trio.open_nursery() as nursery:
                put, get = trio.open_memory_channel[ASGIReceiveEvent](inf)
                nursery.start_soon(_read_on, receive, put)
                await app(scope, get.receive, send)
                nursery.cancel_scope.cancel()

    return served


async def _read_on(receive: ASGIReceiveCallable, put: "trio.MemorySendChannel[ASGIReceiveEvent]") -> None:
    room = _BODY
    while True:
        message = await receive()
        if message["type"] == "http.request":
            room -= len(message["body"])
            if room < 0:
                message = {**message, "body": b""}
        put.send_nowait(message)
        if message["type"] == "http.disconnect":
            break


def _head(scope: HTTPScope) -> int:
    target = len(scope["raw_path"]) + len(scope["query_string"])
    return target + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


def _has_body(scope: HTTPScope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _value in scope["headers"])


class Server:
    """One application at one address, or at none, which may change while it serves."""

    def __init__(self, app: ASGIFramework, listen: Listen | None, served: Callable[[str], None]) -> None:
        """Bound at once: CannotListen. `served` hears the address whenever serving begins."""
        self._app = app
        self._listen = listen
        self._served = served
        self._sock = _bound(listen)
        self._serving = trio.CancelScope()
        self._nursery: trio.Nursery | None = None

    @property
    def address(self) -> str | None:
        """`http://host:port`; None while there is none."""
        return None if self._sock is None else address(self._sock)

    def start(self, nursery: trio.Nursery) -> None:
        """Serve, here and wherever it is moved to, in tasks of the nursery."""
        self._nursery = nursery
        self._begin()

    def move(self, listen: Listen | None) -> None:
        """Serve elsewhere. CannotListen: there it cannot be, and the old address is served."""
        if listen == self._listen:
            return
        old, before = self._sock, self._listen
        if old is not None and before is not None and listen is not None and before.port == listen.port != 0:
            # The port is our own, at another host: only one of the two can have it.
            self._end(old)
            self._sock = None
            try:
                self._sock = bind(listen)
            except CannotListen:
                self._sock = bind(before)
                self._begin()
                raise
        else:
            self._sock = _bound(listen)
            if old is not None:
                self._end(old)
        self._listen = listen
        self._begin()

    def close(self) -> None:
        """Give the address up; the tasks end with their nursery."""
        if self._sock is not None:
            self._sock.close()

    def _begin(self) -> None:
        if self._sock is not None and self._nursery is not None:
            self._serving = trio.CancelScope()
            self._nursery.start_soon(self._run, self._serving, self._sock.dup())
            self._served(address(self._sock))

    def _end(self, sock: socket.socket) -> None:
        self._serving.cancel()
        sock.shutdown(socket.SHUT_RDWR)  # its duplicate, in the task that is ending, holds the port no longer either
        sock.close()

    async def _run(self, scope: trio.CancelScope, sock: socket.socket) -> None:
        with scope:
            await serve(self._app, sock)


def _bound(listen: Listen | None) -> socket.socket | None:
    return None if listen is None else bind(listen)


def routes(apps: Mapping[str, ASGIFramework]) -> ASGIFramework:
    """An application that hands each path to its own, and answers 404 for the others."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await apps.get(scope["path"], _not_found)(scope, receive, send)

    return app


def health(problem: Callable[[], str | None]) -> ASGIFramework:
    """200 `ok` while `problem()` is None, else 503 with its text."""

    async def app(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        found = problem()
        await _answer(send, 503 if found else 200, found or "ok")

    return app


async def _not_found(_scope: HTTPScope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await _answer(send, 404, "not here: /metrics and /healthz are")


async def _answer(send: ASGISendCallable, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _lifespan(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return


def address(sock: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
