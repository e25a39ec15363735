"""Serve an ASGI application from the running trio loop, by hypercorn. No threads: a slow client costs a task."""

import logging
import socket
from collections.abc import Callable, Mapping

import hypercorn.config
import hypercorn.trio
import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from hotcold_inotify.config import Listen

_BACKLOG = 128
# Milliseconds for which a client may leave what it was sent unread (TCP_USER_TIMEOUT in tcp(7)). Hypercorn shields its
# sending from cancellation: one client that never reads would hold up the end of the process for ever.
_UNREAD = 3_000


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


class _Config(hypercorn.config.Config):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def create_sockets(self) -> hypercorn.config.Sockets:
        """The one that we have, which stays ours to close if hypercorn is cancelled before it asks."""
        return hypercorn.config.Sockets([], [self._sock], [])


async def serve(app: ASGIFramework, sock: socket.socket) -> None:
    """Serve until cancelled; takes the socket over."""
    sock.setblocking(False)
    config = _Config(sock)
    errors = logging.getLogger("hypercorn.error")
    errors.setLevel(logging.WARNING)  # its info level repeats what we say ourselves
    config.errorlog = errors
    config.include_server_header = False
    config.graceful_timeout = 0.5
    with sock:
        await hypercorn.trio.serve(app, config, mode="asgi")


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
