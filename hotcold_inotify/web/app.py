"""The ASGI application: which path is answered by what. It reads the folders when it is asked, and keeps nothing."""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final

import anyio
import sniffio
import trio
from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hotcold_inotify import __version__, hours
from hotcold_inotify.config import Config
from hotcold_inotify.disk import Home
from hotcold_inotify.web import answers, overview, page
from hotcold_inotify.web.events import Events
from hotcold_inotify.web.eventstream import EventStream
from hotcold_inotify.web.guard import Guard
from hotcold_inotify.web.heatmap import heatmap
from hotcold_inotify.web.hourlist import hour_of
from hotcold_inotify.web.login import Login, read_token
from hotcold_inotify.web.measure import Measured, Requests
from hotcold_inotify.web.moments import Moments, parse_moment
from hotcold_inotify.web.pictures import newest_picture
from hotcold_inotify.web.sending import PLAYLIST_TYPE, SentFile, media_type
from hotcold_inotify.web.threads import DiskHangs, Threads
from hotcold_inotify.web.tree import NotThere, Tree, url_of
from hotcold_inotify.web.vod import vod

# Seconds that one device may take in the list of all.
_GLANCE: Final = 2.0
_NO_STORE: Final = {"cache-control": "no-store"}

DeviceName = Annotated[str, Path(max_length=255, description="A device's name, as `/api/host/devices` lists it.")]
KindName = Annotated[str, Path(max_length=255, description="A kind: segments, captures, thumbnails, metadata.")]
HourNumber = Annotated[int, Path(ge=0, le=23, description="The hour of the day, in the configuration's zone.")]
FileName = Annotated[str, Path(max_length=255)]

_Documented = dict[int | str, dict[str, Any]]
_WRONG: Final[_Documented] = {
    401: {"model": answers.Failure, "description": "A token is needed."},
    404: {"model": answers.Failure, "description": "There is no such thing."},
    421: {"model": answers.Failure, "description": "The Host header does not name this server."},
    422: {"model": answers.Failure, "description": "The request makes no sense."},
    504: {"model": answers.Failure, "description": "The disk does not answer."},
}


def _is(media: str, description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "content": {media: {"schema": schema or {"type": "string", "format": "binary"}}},
    }


def create_app(
    config: Config, *, registry: CollectorRegistry | None = None, now: Callable[[], float] = time.time
) -> FastAPI:
    """The API and the page of a configuration, for any ASGI server. BadToken: `web.token_file` cannot be used.

    `registry` takes the server's own instruments; without one they have one of their own. `now`: Unix time.
    """
    tree = Tree(config, now)
    moments = Moments(hours.zone(config.timezone))
    threads = Threads()
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

    def get(path: str, **documented: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """GET and HEAD; only the one is documented, the other is known from it."""

        def decorate(answering: Callable[..., Any]) -> Callable[..., Any]:
            responses = {**_WRONG, **documented.pop("responses", {})}
            app.add_api_route(path, answering, methods=["GET"], responses=responses, **documented)
            app.add_api_route(path, answering, methods=["HEAD"], include_in_schema=False)
            return answering

        return decorate

    async def of(device: str, work: Callable[[Home], Any]) -> Any:
        """What `work` finds on a device, in a thread."""

        def found() -> Any:
            home = tree.device(device)
            threads.known(device)
            return work(home)

        return await threads.run(device, found)

    @get("/api/host/devices", response_model=answers.Devices)
    async def devices() -> Response:
        """Every device: whether it is live, its hot folders, its newest file."""
        homes = await threads.run(None, tree.devices)
        found: dict[str, dict[str, Any]] = {}

        async def look(home: Home) -> None:
            try:
                with anyio.fail_after(_GLANCE):
                    found[home.name] = await of(home.name, lambda home: overview.device(tree, home, moments))
            except NotThere:
                pass  # it went away meanwhile
            except (DiskHangs, TimeoutError, OSError):
                found[home.name] = overview.failed(home)  # the others are shown all the same

        async with anyio.create_task_group() as looks:
            for home in homes:
                looks.start_soon(look, home)
        return _json(
            {
                "now": moments.text(tree.now()),
                "timezone": config.timezone,
                "stale_after": config.web.stale_after,
                "devices": [found[home.name] for home in homes if home.name in found],
            }
        )

    @get(
        "/api/host/screenshot/{device}",
        response_model=answers.Screenshot,
        responses={
            200: {
                "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
                "description": "The newest complete picture, or, where JSON is accepted, where it is.",
                "headers": {
                    "X-Capture-Age": {"description": "Seconds since it was finished.", "schema": {"type": "number"}},
                    "Content-Location": {"description": "Where it stays.", "schema": {"type": "string"}},
                },
            },
            304: {"description": "The client has it already."},
            503: {"model": answers.Stale, "description": "The newest one is too old."},
        },
    )
    async def screenshot(request: Request, device: DeviceName) -> Response:
        """The newest complete picture of a device."""
        kind = tree.kind("captures")
        as_json = _prefers_json(request.headers.get("accept", ""))

        def newest(home: Home) -> Response:
            picture = newest_picture(tree, home, kind)
            if picture is None:
                return _json({"error": f"{device} has no picture", "age": None}, 503)
            url = url_of(home, kind, None, picture.name)
            at = picture.file.stat.st_mtime
            age = round(max(tree.now() - at, 0.0), 3)
            headers = {
                "content-location": url,
                "x-capture-age": f"{age:.3f}",
                "cache-control": "no-cache",
                "vary": "Accept",
            }
            # Takes the descriptor over, whatever is answered.
            sent = SentFile(picture.name, picture.file, partial(threads.read, device), headers)
            if age > config.web.stale_after:
                return _json({"error": f"{device} has stopped: its newest picture is {age:.1f} s old", "age": age}, 503)
            if not as_json:
                return sent
            where = f"{device}/{kind.name}/{picture.name}"
            found = {"device": device, "path": where, "url": url, "time": moments.text(at), "age": age}
            return _json(found, headers={"vary": "Accept"})

        return await of(device, newest)  # type: ignore[no-any-return]

    @get("/api/host/heatmap/{device}", response_model=answers.Heatmap)
    async def heatmap_of(device: DeviceName) -> Response:
        """The last 24 hours of a device, minute by minute."""
        return _json(await of(device, lambda home: heatmap(tree, home, moments)))

    @get(
        "/api/host/playlist/{device}.m3u8",
        response_class=Response,
        responses={
            200: _is(PLAYLIST_TYPE, "A VOD playlist (RFC 8216); a gap is an EXT-X-DATERANGE of CLASS hotcold.gap.")
        },
    )
    async def playlist(
        device: DeviceName,
        start: Annotated[str | None, Query(description="RFC 3339, or seconds since 1970; else an hour ago.")] = None,
        end: Annotated[str | None, Query(description="The same; else now.")] = None,
    ) -> Response:
        """What was recorded from `start` to `end`, as one playlist."""
        present = tree.now()
        first = _moment("start", start, present - hours.HOUR)
        last = _moment("end", end, present)
        if first >= last:
            raise HTTPException(422, "start: is not before end")
        kind = next((kind for kind in config.kinds if kind.playlist), None)
        if kind is None:
            raise NotThere("no kind has playlists")
        text = await of(device, lambda home: vod(tree, home, kind, first, last))
        return Response(text, media_type=PLAYLIST_TYPE, headers=_NO_STORE)

    @get(
        "/api/host/events/{device}",
        response_class=Response,
        responses={
            200: _is("text/event-stream", "Events `screenshot`, `archived`, `retired`.", {"type": "string"}),
            204: {"description": "No events are to be had here; ask now and then instead."},
        },
    )
    async def events_of(device: DeviceName) -> Response:
        """Server-sent events of a device: a new picture, an archived file, an hour taken away."""
        return EventStream(events, await of(device, lambda home: home), requests.streams)

    @get("/api/host/{kind}/{device}/{hour}", response_model=answers.Hour)
    async def hour_list(kind: KindName, device: DeviceName, hour: HourNumber) -> Response:
        """The files of an hour, by time, the hot ones included."""
        wanted = tree.kind(kind)

        def listed(home: Home) -> dict[str, Any]:
            found = hour_of(tree, home, wanted, hour)
            span = tree.calendar.span(found.generation)
            start, end = (span.start, span.end) if span else (tree.now(), tree.now())
            hot, cold = url_of(home, wanted), url_of(home, wanted, hour)
            times = moments.texts([at for at, _name in found.cold] + [at for at, _name in found.hot])
            urls = [cold + name for _at, name in found.cold] + [hot + name for _at, name in found.hot]
            return {
                "device": device,
                "kind": kind,
                "hour": hour,
                "count": len(urls),
                "start": moments.text(start),
                "end": moments.text(end),
                "files": [{"url": url, "time": at} for url, at in zip(urls, times, strict=True)],
            }

        return await of(device, lambda home: _json(listed(home)))  # type: ignore[no-any-return]

    file_answers: _Documented = {
        200: _is("*/*", "The file."),
        206: _is("*/*", "A part of it."),
        304: {"description": "The client has it already."},
        416: {"model": answers.Failure, "description": "The range is outside of the file, or none."},
    }

    @get("/host/stream/{device}/{kind}/", response_model=answers.Hot)
    async def hot_list(device: DeviceName, kind: KindName) -> Response:
        """The hot files of a kind, by time."""
        wanted = tree.kind(kind)

        def listed(home: Home) -> dict[str, Any]:
            files = tree.hot(home, wanted)
            return {
                "device": device,
                "kind": kind,
                "limit": wanted.hot_limit,
                "files": [
                    {"url": url_of(home, wanted, None, one.name.text), "time": moments.text(one.mtime)} for one in files
                ],
            }

        return _json(await of(device, listed))

    @get("/host/stream/{device}/{kind}/{name}", response_class=Response, responses=file_answers)
    async def hot_file(device: DeviceName, kind: KindName, name: FileName) -> Response:
        """A file by its name alone: hot, or in its hour folder once it moved. `output.m3u8` is the live playlist."""
        return await _file(device, kind, None, name)

    @get("/host/stream/{device}/{kind}/{hour}/{name}", response_class=Response, responses=file_answers)
    async def hour_file(device: DeviceName, kind: KindName, hour: HourNumber, name: FileName) -> Response:
        """A file of an hour folder. `archive.m3u8` is the hour's playlist."""
        return await _file(device, kind, hour, name)

    async def _file(device: str, kind: str, hour: int | None, name: str) -> Response:
        wanted = tree.kind(kind)

        def opened(home: Home) -> Response:
            found = tree.file(home, wanted, hour, name)
            if not name.endswith(".m3u8"):
                return SentFile(name, found, partial(threads.read, device))
            # It may grow while it is sent: what is read now is a whole playlist.
            with os.fdopen(found.fd, "rb") as file:
                return Response(file.read(), media_type=media_type(name), headers=_NO_STORE)

        return await of(device, opened)  # type: ignore[no-any-return]

    @get("/healthz", response_class=Response, responses={200: _is("text/plain", "It answers.", {"type": "string"})})
    async def healthz() -> Response:
        """Whether the server answers."""
        return Response("ok\n", media_type="text/plain", headers=_NO_STORE)

    @get("/metrics", response_class=Response, responses={200: _is("text/plain", "Prometheus.", {"type": "string"})})
    async def metrics(request: Request) -> Response:
        """The server's own instruments, for Prometheus."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers=_NO_STORE | {"content-type": content_type})

    @get(
        "/openapi.json", response_class=Response, responses={200: _is("application/json", "This.", {"type": "object"})}
    )
    async def openapi() -> Response:
        """The description of this API."""
        return _json(app.openapi())

    @get("/", include_in_schema=False)
    async def index() -> Response:
        return await threads.run(None, page.index)

    @get("/assets/{name}", include_in_schema=False)
    async def asset(name: FileName) -> Response:
        found = await threads.run(None, lambda: page.asset(name))
        if found is None:
            raise NotThere("no such file")
        return found

    if login is not None:
        app.add_api_route("/login", _login(login), methods=["POST"], include_in_schema=False)
    _add_failures(app)
    return app


def _login(login: Login) -> Callable[..., Any]:
    async def answer(request: Request) -> Response:
        return await login.answer(request)

    return answer


def _add_failures(app: FastAPI) -> None:
    """How what goes wrong is said: `{"error": ...}`, and never a path or a traceback."""

    @app.exception_handler(NotThere)
    async def not_there(_request: Request, error: NotThere) -> Response:
        return _json({"error": str(error)}, 404)

    @app.exception_handler(DiskHangs)
    async def hangs(_request: Request, error: DiskHangs) -> Response:
        return _json({"error": str(error)}, 504)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return _json({"error": str(error.detail).lower()}, error.status_code, headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def senseless(_request: Request, error: RequestValidationError) -> Response:
        said = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg'].lower()}" for one in error.errors())
        return _json({"error": said}, 422)


def _json(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    # Rendered as it stands: the models describe it, and to build 18,000 of them would take longer than all the rest.
    return Response(to_json(value), status, _NO_STORE | dict(headers or {}), "application/json")


def _moment(name: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        return parse_moment(text)
    except ValueError as error:
        raise HTTPException(422, f"{name}: {error}") from error


def _prefers_json(accept: str) -> bool:
    """Whether a client asks for JSON and not for a picture."""
    return "application/json" in accept and "image/" not in accept
