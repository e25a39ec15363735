"""Ask over HTTP, as a client does, and keep how long each answer took."""

import http.client
import socket
import time
from collections.abc import Mapping
from typing import Final, Self

import attrs

from hotcold_inotify.checklist.steadiness import Asked
from hotcold_inotify.config import Listen, Web

TIMEOUT: Final = 10.0
# An address to listen at that is none to ask at.
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not to listen there, but to ask who does


class NoToken(Exception):
    """The API asks for a token that cannot be read; the text says why and what to do."""


@attrs.frozen
class Answer:
    """What came. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The status and the beginning of the body, for a message."""
        return f"{self.status}: {self.body[:200].decode('utf-8', 'replace').strip()}"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One connection, kept open; for one thread. What was asked is added to a log that clients may share."""

    def __init__(self, where: Listen | str, log: list[Asked], token: str | None = None) -> None:
        """`where`: an address, or the path of a Unix socket."""
        self._log = log
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._connection: http.client.HTTPConnection
        if isinstance(where, str):
            self.base = f"unix:{where}:"
            self._connection = _UnixConnection(where)
        else:
            host = _ANYWHERE.get(where.host, where.host)
            self.base = f"http://{Listen(host, where.port)}"
            self._connection = http.client.HTTPConnection(host, where.port, timeout=TIMEOUT)

    def get(self, path: str, *, logged: bool = True) -> Answer | None:
        """The answer, whatever its status; None: none came. `logged`: whether it counts as a request of the look."""
        began = time.perf_counter()
        status, trouble, answer = None, None, None
        try:
            answer = self._get(path)
            status = answer.status
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            trouble = str(error) or type(error).__name__
        if logged:
            self._log.append(Asked(f"{self.base}{path}", time.perf_counter() - began, status, trouble))
        return answer

    def timed(self, path: str) -> tuple[Answer | None, float]:
        """The answer, and the seconds until all of it was there."""
        answer = self.get(path)
        return answer, self._log[-1].seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _get(self, path: str) -> Answer:
        reused = self._connection.sock is not None
        try:
            return self._once(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            # A server closes a connection that was idle for a while; that is no fault of its.
            self._connection.close()
            if not reused:
                raise
            return self._once(path)

    def _once(self, path: str) -> Answer:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def read_token(web: Web) -> str | None:
    """What `web.token_file` holds; None: no token is asked for. NoToken."""
    if not web.token_file:
        return None
    try:
        with open(web.token_file, encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise NoToken(f"web.token_file {web.token_file} cannot be read: {reason}; run it as its owner") from error
