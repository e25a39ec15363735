"""Who knows the token may look: as a bearer (RFC 6750), or with the cookie that the page's log-in gives."""

import contextlib
import hashlib
import hmac
import math
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

import anyio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hotcold_inotify.web.answering import NO_STORE, json_answer

COOKIE: Final = "hotcold_token"
# The page shows the log-in, so it comes without one; so does a service manager's question. None of it shows a file.
OPEN_PATHS: Final = ("/assets/", "/login", "/healthz")
_SHORTEST: Final = 16
_LARGEST_FORM: Final = 4_096
_PATIENCE: Final = 5.0
# Seconds that a wrong guess waits. Others are answered meanwhile.
_PENALTY: Final = 1.0


class BadToken(ValueError):
    """The token file cannot be used; the text says why and what to do."""


def read_token(path: str) -> str:
    """The token in a file: one line, spaces around it do not count. `BadToken`."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read(_LARGEST_FORM).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise BadToken(f"web.token_file {path} cannot be read: {reason}") from error
    if len(token) < _SHORTEST or not token.isprintable() or " " in token:
        raise BadToken(
            f"web.token_file {path} must hold one token of {_SHORTEST} characters or more; "
            f"make one: openssl rand -hex 32 > {path}"
        )
    return token


class Login:
    """Compares in constant time what a request shows with the token."""

    def __init__(self, token: str) -> None:
        """The cookie is derived from the token, so that a browser's store does not hold it."""
        self._token = token.encode()
        self._cookie = hmac.new(self._token, b"hotcold cookie", hashlib.sha256).hexdigest()

    def knows(self, asked: Headers) -> bool:
        """Whether a request bears the token, or its cookie."""
        scheme, _, token = asked.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_token(token.strip())
        try:
            cookie = SimpleCookie(asked.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self._cookie.encode())

    async def answer(self, request: Request) -> Response:
        """Take the form's `token` and give the cookie for it: 204, or 401."""
        token = ""
        body = bytearray()
        with contextlib.suppress(ClientDisconnect), anyio.move_on_after(_PATIENCE):
            async with contextlib.aclosing(request.stream()) as parts:
                async for part in parts:
                    body += part
                    if len(body) > _LARGEST_FORM:
                        return json_answer({"error": "that is no log-in form"}, 413)
            token = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0]
        if not self._is_token(token):
            await anyio.sleep(_PENALTY)
            return json_answer({"error": "this is not the token"}, 401)
        answer = Response(status_code=204, headers=NO_STORE)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            COOKIE, self._cookie, max_age=math.floor(30 * 86_400), secure=secure, httponly=True, samesite="strict"
        )
        return answer

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._token)
