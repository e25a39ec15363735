"""How many requests there were, and how long the server took for each: Prometheus instruments, and the layer that feeds
them.
"""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotcold_inotify.metrics import add_build_info, without_creation_times

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 10)
_OTHER: Final = "other"


class Requests:
    """The instruments of one server, on a registry that is handed in; `route` is the path's pattern, never the path."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """ValueError: the registry has them already."""
        without_creation_times()
        self.duration = Histogram(
            "hotcold_http_request_duration_seconds",
            "From the request's head to the first byte of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.requests = Counter(
            "hotcold_http_requests", "Answers by status code.", ("route", "status"), registry=registry
        )
        self.sent = Counter("hotcold_http_sent_bytes", "Bytes of the answers' bodies.", ("route",), registry=registry)
        self.streams = Gauge("hotcold_http_event_streams", "Clients that listen to events now.", registry=registry)
        add_build_info(registry)


class Measured:
    """An ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, *, requests: Requests) -> None:
        """`requests`: where it is counted."""
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        sent = 0

        async def counted(message: Message) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                route = _route(scope)
                self._requests.duration.labels(route).observe(time.perf_counter() - began)
                self._requests.requests.labels(route, str(message["status"])).inc()
            elif scope["method"] != "HEAD":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            self._requests.sent.labels(_route(scope)).inc(sent)


def _route(scope: Scope) -> str:
    """The pattern that the path matched: few values, whatever is asked for."""
    return getattr(scope.get("route"), "path", None) or _OTHER
