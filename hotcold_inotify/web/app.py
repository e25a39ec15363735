"""The ASGI application: which path is answered by what. It reads the folders when it is asked, and keeps nothing."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable

import sniffio
import trio
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hotcold_inotify import __version__, hours
from hotcold_inotify.config import Config
from hotcold_inotify.web import page
from hotcold_inotify.web.answering import NO_STORE, Answering, FileName, described, json_answer
from hotcold_inotify.web.api import add_day, add_events, add_now
from hotcold_inotify.web.events import Events
from hotcold_inotify.web.files import add_files
from hotcold_inotify.web.guard import Guard
from hotcold_inotify.web.login import Login, read_token
from hotcold_inotify.web.measure import Measured, Requests
from hotcold_inotify.web.moments import Moments
from hotcold_inotify.web.threads import DiskHangs, Threads
from hotcold_inotify.web.tree import NotThere, Tree


def create_app(
    config: Config, *, registry: CollectorRegistry | None = None, now: Callable[[], float] = time.time
) -> FastAPI:
    """The API and the page of a configuration, for any ASGI server. BadToken: `web.token_file` cannot be used.

    `registry` takes the server's own instruments; without one they have one of their own. `now`: Unix time.
    """
    tree, moments, threads = Tree(config, now), Moments(hours.zone(config.timezone)), Threads()
    registry = registry or CollectorRegistry()
    requests = Requests(registry)
    login = Login(read_token(config.web.token_file)) if config.web.token_file else None
    events = Events(tree, moments, threads)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if sniffio.current_async_library() != "trio":  # somebody's own server: it has all but the events
            yield
            return
        async with trio.open_nursery() as nursery:
            await nursery.start(events.run)
            yield
            nursery.cancel_scope.cancel()

    app = FastAPI(
        title="hotcold",
        version=__version__,
        description="See now, see the day, play the hour.",
        docs_url=None,  # both load their scripts from elsewhere
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    hosts = [*config.web.hosts, *([config.web.listen.host] if config.web.listen is not None else [])]
    app.add_middleware(Guard, hosts=hosts, origins=config.web.origins, login=login)
    app.add_middleware(Measured, requests=requests)

    answering = Answering(app, tree, moments, threads)
    add_now(answering)
    add_day(answering)
    add_events(answering, events, requests.streams)
    add_files(answering)
    _add_own(answering, registry)
    _add_page(answering, login)
    _add_failures(app)
    return app


def _add_own(answering: Answering, registry: CollectorRegistry) -> None:
    """What the server says of itself."""

    @answering.get(
        "/healthz", response_class=Response, responses={200: described("text/plain", "It answers.", {"type": "string"})}
    )
    async def healthz() -> Response:
        """Whether the server answers."""
        return Response("ok\n", media_type="text/plain", headers=NO_STORE)

    @answering.get(
        "/metrics", response_class=Response, responses={200: described("text/plain", "Prometheus.", {"type": "string"})}
    )
    async def metrics(request: Request) -> Response:
        """The server's own instruments, for Prometheus."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers=NO_STORE | {"content-type": content_type})

    @answering.get(
        "/openapi.json",
        response_class=Response,
        responses={200: described("application/json", "This.", {"type": "object"})},
    )
    async def openapi() -> Response:
        """The description of this API."""
        return json_answer(answering.app.openapi())


def _add_page(answering: Answering, login: Login | None) -> None:
    """The page, its files and its log-in."""
    threads = answering.threads

    @answering.get("/", include_in_schema=False)
    async def index() -> Response:
        return await threads.run(None, page.index)

    @answering.get("/assets/{name}", include_in_schema=False)
    async def asset(name: FileName) -> Response:
        found = await threads.run(None, lambda: page.asset(name))
        if found is None:
            raise NotThere("no such file")
        return found

    if login is not None:

        async def answer(request: Request) -> Response:
            return await login.answer(request)

        answering.app.add_api_route("/login", answer, methods=["POST"], include_in_schema=False)


def _add_failures(app: FastAPI) -> None:
    """How what goes wrong is said: `{"error": ...}`, and never a path or a traceback."""

    @app.exception_handler(NotThere)
    async def not_there(_request: Request, error: NotThere) -> Response:
        return json_answer({"error": str(error)}, 404)

    @app.exception_handler(DiskHangs)
    async def hangs(_request: Request, error: DiskHangs) -> Response:
        return json_answer({"error": str(error)}, 504)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return json_answer({"error": str(error.detail).lower()}, error.status_code, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def senseless(_request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg'].lower()}" for one in error.errors())
        return json_answer({"error": said}, 422)
