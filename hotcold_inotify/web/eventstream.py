"""Events as server-sent events (the HTML standard, section 9.2)."""

from collections.abc import AsyncIterator
from typing import Final

import trio
from prometheus_client import Gauge
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hotcold_inotify.disk import Home
from hotcold_inotify.web.events import Events, Happening, Unavailable

# A comment now and then keeps proxies from taking a quiet stream for a dead one. Seconds.
_PAUSE: Final = 15.0
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


class EventStream(Response):
    """One listener's answer, until it goes away. 204, where there are no events, tells a browser not to ask again."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, home: Home, listeners: Gauge) -> None:
        """`listeners` counts those who listen now."""
        super().__init__()
        self._events = events
        self._home = home
        self._listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["method"] == "HEAD":
            await Response(headers=_HEADERS, media_type=self.media_type)(scope, receive, send)
            return
        try:
            async with self._events.listen(self._home) as happenings:
                with self._listeners.track_inprogress():
                    lines = _lines(happenings)
                    await StreamingResponse(lines, headers=_HEADERS, media_type=self.media_type)(scope, receive, send)
        except Unavailable:
            await Response(status_code=204, headers=_HEADERS)(scope, receive, send)


async def _lines(happenings: "trio.MemoryReceiveChannel[Happening]") -> AsyncIterator[bytes]:
    yield b": listening\n\n"
    while True:
        happening: Happening | None = None
        with trio.move_on_after(_PAUSE):
            happening = await happenings.receive()
        if happening is None:
            yield b":\n\n"
        else:
            yield b"event: %s\ndata: %s\n\n" % (happening.name.encode(), to_json(happening.data))
