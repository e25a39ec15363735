"""Send an open file, with ranges and conditional requests (RFC 9110, sections 13 and 14)."""

import mimetypes
import os
import re
import secrets
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import partial
from typing import Final

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hotcold_inotify.web.answering import json_answer
from hotcold_inotify.web.tree import Found

# What the machine's tables do not know, or take for something else (.ts: a translation).
_TYPES: Final = {".ts": "video/mp2t", ".m4s": "video/iso.segment", ".m3u8": "application/vnd.apple.mpegurl"}
PLAYLIST_TYPE: Final = _TYPES[".m3u8"]
# A managed file never changes, and is gone within a day.
_LASTING: Final = "max-age=86400, immutable"
_CHUNK: Final = 65_536
_RANGE: Final = re.compile(r"([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
# Who asks for more pieces gets the whole.
_MOST_PIECES: Final = 32
# A file may bear any mtime; a date has four digits for its year.
_LAST_SECOND: Final = 253_402_300_799

Read = Callable[[Callable[[], bytes]], Awaitable[bytes]]
"""Runs a blocking read where it holds nobody else up."""
_Piece = tuple[int, int]


class SentFile(Response):
    """A managed file; takes its descriptor over."""

    def __init__(self, name: str, file: Found, read: Read, headers: dict[str, str] | None = None) -> None:
        """`headers` come on top; they may replace `cache-control`."""
        # However this ends, answered or not, the descriptor is closed.
        self._close = weakref.finalize(self, os.close, file.fd)
        self._fd = file.fd
        self._read = read
        self._size = file.stat.st_size
        changed = min(max(file.stat.st_mtime, 0), _LAST_SECOND)
        found = {
            "cache-control": _LASTING,
            "accept-ranges": "bytes",
            "content-length": str(self._size),
            "last-modified": formatdate(changed, usegmt=True),
            "etag": f'"{file.stat.st_mtime_ns:x}-{self._size:x}"',
        }
        super().__init__(headers=found | (headers or {}), media_type=media_type(name))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with 304 where the client has it already."""
        try:
            asked = Headers(scope=scope)
            if self._known(asked):
                kept = {
                    key: value for key, value in self.headers.items() if key not in ("content-length", "content-type")
                }
                await Response(status_code=304, headers=kept)(scope, receive, send)
            elif scope["method"] == "HEAD":  # which knows no ranges
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                pieces = self._asked_for(asked)
                if pieces is None:
                    await self._send(200, [(0, self._size)], receive, send)
                elif pieces:
                    await self._send_pieces(pieces, receive, send)
                else:
                    outside = {"content-range": f"bytes */{self._size}"}
                    error = {"error": "the range is outside of the file, or none"}
                    await json_answer(error, 416, outside)(scope, receive, send)
        finally:
            self._close()

    def _known(self, asked: Headers) -> bool:
        """Whether the client's copy is this one; If-None-Match counts before If-Modified-Since."""
        tags = asked.get("if-none-match")
        if tags is not None:
            return tags.strip() == "*" or self.headers["etag"] in [
                tag.strip().removeprefix("W/") for tag in tags.split(",")
            ]
        since = _date(asked.get("if-modified-since", ""))
        changed = _date(self.headers["last-modified"])
        return since is not None and changed is not None and changed <= since

    def _asked_for(self, asked: Headers) -> list[_Piece] | None:
        """The pieces of a Range header; None: the whole file; empty: no piece of it."""
        wanted = asked.get("range")
        condition = asked.get("if-range")
        if wanted is None or condition not in (None, self.headers["etag"], self.headers["last-modified"]):
            return None
        return pieces(wanted, self._size)

    async def _send_pieces(self, found: list[_Piece], receive: Receive, send: Send) -> None:
        if len(found) == 1:
            ((start, end),) = found
            self.headers["content-range"] = f"bytes {start}-{end - 1}/{self._size}"
            self.headers["content-length"] = str(end - start)
            await self._send(206, found, receive, send)
            return
        boundary = secrets.token_hex(16)
        parts: list[_Piece | bytes] = []
        for start, end in found:
            head = f"--{boundary}\r\ncontent-type: {self.media_type}\r\n"
            head += f"content-range: bytes {start}-{end - 1}/{self._size}\r\n\r\n"
            parts += [head.encode(), (start, end), b"\r\n"]
        parts.append(f"--{boundary}--\r\n".encode())
        length = sum(len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts)
        self.headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
        self.headers["content-length"] = str(length)
        await self._send(206, parts, receive, send)

    async def _send(self, status: int, parts: Iterable[_Piece | bytes], receive: Receive, send: Send) -> None:
        chunks = _chunks(parts)
        # The first one before the head: a disk that fails is then told as such.
        body = await self._content(next(chunks, b""))
        await send({"type": "http.response.start", "status": status, "headers": self.raw_headers})
        left = False
        async with anyio.create_task_group() as group:

            async def stop_when_left() -> None:
                nonlocal left
                while (await receive())["type"] != "http.disconnect":
                    pass
                left = True
                group.cancel_scope.cancel()

            group.start_soon(stop_when_left)
            for chunk in chunks:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                body = await self._content(chunk)
            group.cancel_scope.cancel()
        if not left:
            # By itself: with the end of the answer servers say `disconnect` too, and are not to be stopped at that.
            await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _content(self, chunk: _Piece | bytes) -> bytes:
        """Never more than was promised, though the file may grow."""
        if isinstance(chunk, bytes):
            return chunk
        return await self._read(partial(os.pread, self._fd, chunk[1] - chunk[0], chunk[0]))


def pieces(asked: str, size: int) -> list[_Piece] | None:
    """What a Range header asks for of a file, each as [start, end), in order, apart from each other.

    None: the header does not count, being in another unit or asking for too many pieces; empty: nothing of it is there.
    """
    unit, _, wanted = asked.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    found: list[_Piece] = []
    for one in wanted.split(","):
        text = one.strip()
        if not text:
            continue
        ends = _RANGE.fullmatch(text)
        if ends is None or text == "-":
            return []
        first, last = ends.groups()
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last) + 1, size) if first and last else size
        if first and last and int(last) < start:
            return []
        if start < end:
            found.append((start, end))
    apart: list[_Piece] = []
    for start, end in sorted(found):
        if apart and start <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart if len(apart) <= _MOST_PIECES else None


def media_type(name: str) -> str:
    """The media type by a file's name."""
    return _TYPES.get(os.path.splitext(name)[1]) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _chunks(parts: Iterable[_Piece | bytes]) -> Iterator[_Piece | bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            start, end = part
            for at in range(start, end, _CHUNK):
                yield at, min(at + _CHUNK, end)


def _date(text: str) -> datetime | None:
    """A date of a header; None: it is none."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC)
