"""What stands before every answer: who may ask what, in whose name, and what a browser is told about the answer.

An ASGI layer of its own, so that it also holds for what no route answers.
"""

import http
import ipaddress
from collections.abc import Collection
from typing import Final

from pydantic_core import to_json
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotcold_inotify.web.login import OPEN_PATHS, Login

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_METHODS: Final = ("GET", "HEAD")
_SECURITY: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
}


class Guard:
    """Refuse what is not asked rightly, in JSON; give every answer its security headers."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], origins: Collection[str], login: Login | None) -> None:
        """`hosts`: names that a request may call this server, besides loopback's and the address it came in at."""
        self._app = app
        self._hosts = frozenset(map(_plain, hosts)) | _LOOPBACK
        self._origins = frozenset(origins)
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        answer = _Answer(send, self._shared_with(asked), by_origin=bool(self._origins))
        refused = self._refused(scope, asked)
        if refused is not None:
            await answer.fail(*refused)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            if not answer.begun:
                await answer.fail(500, "the server failed; its log says why", {})
            raise  # the server logs it

    def _refused(self, scope: Scope, asked: Headers) -> tuple[int, str, dict[str, str]] | None:
        """Status, reason and headers of a refusal."""
        if not self._is_ours(asked.get("host", ""), scope.get("server")):
            return 421, "this server has no such name; name it in web.hosts", {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # somebody's own server may have us below a path
        logging_in = path == "/login" and self._login is not None
        allowed = ("POST",) if logging_in else _METHODS
        if scope["method"] not in allowed:
            return 405, f"only {' and '.join(allowed)} here", {"allow": ", ".join(allowed)}
        is_open = path == "/" or path.startswith(OPEN_PATHS)
        if self._login is not None and not is_open and not self._login.knows(asked):
            return 401, "a token is needed", {"www-authenticate": 'Bearer realm="hotcold"'}
        return None

    def _is_ours(self, host: str, server: tuple[str, int | None] | None) -> bool:
        """Whether a Host header names us; that of a page whose name was made to lead here (DNS rebinding) does not."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        return _plain(name) in self._hosts or (server is not None and _plain(name) == _plain(server[0]))

    def _shared_with(self, asked: Headers) -> dict[str, str]:
        """What lets a page of a named origin read the answer; nothing for any other."""
        origin = asked.get("origin", "")
        if origin not in self._origins:
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "Content-Location, ETag, X-Capture-Age",
            "cross-origin-resource-policy": "cross-origin",
        }


class _Answer:
    """One answer on its way out."""

    def __init__(self, send: Send, headers: dict[str, str], *, by_origin: bool) -> None:
        self._send = send
        self._headers = _SECURITY | headers
        self._by_origin = by_origin
        self._replaced = False
        self.begun = False

    async def send(self, message: Message) -> None:
        """Pass a message on, with our headers; a failure in plain text, as libraries give it, becomes JSON."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            if message["status"] >= 400 and headers.get("content-type", "text/plain").startswith("text/plain"):
                self._replaced = True
                kept = {key: headers[key] for key in ("allow", "content-range") if key in headers}
                await self.fail(message["status"], http.HTTPStatus(message["status"]).phrase.lower(), kept)
                return
            self._add_to(headers)
            message = {**message, "headers": headers.raw}
        if not self._replaced:
            self.begun = True
            await self._send(message)

    async def fail(self, status: int, reason: str, headers: dict[str, str]) -> None:
        """Answer with an error."""
        body = to_json({"error": reason})
        all_headers = MutableHeaders(
            headers={
                "content-type": "application/json",
                "content-length": str(len(body)),
                "cache-control": "no-store",
                **headers,
            }
        )
        self._add_to(all_headers)
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": all_headers.raw})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _add_to(self, headers: MutableHeaders) -> None:
        headers.update(self._headers)
        if self._by_origin:
            headers.add_vary_header("Origin")


def _plain(host: str) -> str:
    """A name or an address in the one form in which it is compared."""
    name = host.lower().strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    # An IPv4 client of a socket that takes both.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
