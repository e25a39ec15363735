"""Serve the application at the configuration's addresses, and at none that strangers reach without a token."""

import contextlib
import gc
import os
import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from hypercorn.typing import ASGIFramework

from hotcold_inotify import endpoint
from hotcold_inotify.config import Config, Web
from hotcold_inotify.web.app import create_app
from hotcold_inotify.web.login import BadToken


class CannotServe(Exception):
    """The addresses cannot be served; the text says why and what to do."""


class Serving:
    """The application and its open sockets."""

    def __init__(self, config: Config) -> None:
        """Bound at once: `CannotServe`."""
        refuse_strangers(config.web)
        with contextlib.ExitStack() as opened:
            try:
                self._app = create_app(config)
                self._socks = [opened.enter_context(sock) for sock in _bound(config.web)]
            except (endpoint.CannotListen, BadToken) as error:
                raise CannotServe(str(error)) from error
            self._opened = opened.pop_all()
        self._unix = config.web.socket
        self._inode = _inode(self._unix)

    @property
    def addresses(self) -> list[str]:
        """`http://host:port` of each, and the path of the Unix socket."""
        return [self._unix if sock.family == socket.AF_UNIX else endpoint.address(sock) for sock in self._socks]

    async def run(self, served: Callable[[list[str]], None] | None = None) -> None:
        """Serve until cancelled; `served` hears the addresses."""
        with self._opened:
            if served is not None:
                served(self.addresses)
            # A list of 18,000 files makes the collector look at everything: what is here by now stays, and need not be.
            gc.collect()
            gc.freeze()
            app: ASGIFramework = self._app  # type: ignore[assignment]  # Starlette's types of ASGI are looser
            try:
                await endpoint.serve(app, *self._socks)
            finally:
                # Somebody else may serve at that name by now: since ours was closed, it was free to be taken.
                if self._unix and _inode(self._unix) == self._inode:
                    os.unlink(self._unix)


def refuse_strangers(web: Web) -> None:
    """`CannotServe` when the address is open to others and nothing asks who they are."""
    if web.listen is not None and not _is_loopback(web.listen.host) and not web.token_file:
        raise CannotServe(
            f"web.listen {web.listen} can be reached by other machines, and nothing asks who they are: "
            "name a file with a token in web.token_file, or listen on loopback or web.socket behind a proxy that asks"
        )
    if web.listen is None and not web.socket:
        raise CannotServe("web.listen and web.socket are both empty: there is nothing to serve")


def _bound(web: Web) -> Iterable[socket.socket]:
    if web.listen is not None:
        yield endpoint.bind(web.listen)
    if web.socket:
        yield endpoint.bind_unix(web.socket)


def _inode(path: str) -> int | None:
    try:
        return os.stat(path, follow_symlinks=False).st_ino if path else None
    except FileNotFoundError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name: who knows where it leads
