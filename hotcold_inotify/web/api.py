"""The API: what is recorded now, what a day was like, and where to find it."""

from functools import partial
from typing import Annotated, Any, Final

import anyio
from fastapi import Query, Request
from prometheus_client import Gauge
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hotcold_inotify import hours
from hotcold_inotify.disk import Home
from hotcold_inotify.web import answers, overview
from hotcold_inotify.web.answering import (
    NO_STORE,
    Answering,
    DeviceName,
    HourNumber,
    KindName,
    described,
    json_answer,
)
from hotcold_inotify.web.events import Events
from hotcold_inotify.web.eventstream import EventStream
from hotcold_inotify.web.heatmap import heatmap
from hotcold_inotify.web.hourlist import hour_of
from hotcold_inotify.web.moments import parse_moment
from hotcold_inotify.web.pictures import newest_picture
from hotcold_inotify.web.sending import PLAYLIST_TYPE, SentFile
from hotcold_inotify.web.threads import DiskHangs
from hotcold_inotify.web.tree import NotThere, url_of
from hotcold_inotify.web.vod import vod

# Seconds that one device may take in the list of all.
_GLANCE: Final = 2.0


def add_now(answering: Answering) -> None:
    """What is recorded now: the devices, and the newest picture of one."""
    tree, moments, threads = answering.tree, answering.moments, answering.threads
    config = tree.config

    @answering.get("/api/host/devices", response_model=answers.Devices)
    async def devices() -> Response:
        """Every device: whether it is live, its hot folders, its newest file."""
        homes = await threads.run(None, tree.devices)
        found: dict[str, dict[str, Any]] = {}

        async def look(home: Home) -> None:
            try:
                with anyio.fail_after(_GLANCE):
                    found[home.name] = await answering.of(home.name, lambda home: overview.device(tree, home, moments))
            except NotThere:
                pass  # it went away meanwhile
            except (DiskHangs, TimeoutError, OSError):
                found[home.name] = overview.failed(home)  # the others are shown all the same

        async with anyio.create_task_group() as looks:
            for home in homes:
                looks.start_soon(look, home)
        return json_answer(
            {
                "now": moments.text(tree.now()),
                "timezone": config.timezone,
                "stale_after": config.web.stale_after,
                "devices": [found[home.name] for home in homes if home.name in found],
            }
        )

    @answering.get(
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
                return json_answer({"error": f"{device} has no picture", "age": None}, 503)
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
                return json_answer(
                    {"error": f"{device} has stopped: its newest picture is {age:.1f} s old", "age": age}, 503
                )
            if not as_json:
                return sent
            where = f"{device}/{kind.name}/{picture.name}"
            found = {"device": device, "path": where, "url": url, "time": moments.text(at), "age": age}
            return json_answer(found, headers={"vary": "Accept"})

        return await answering.of(device, newest)


def add_day(answering: Answering) -> None:
    """What a day was like: the heatmap, an hour's files, the recording from one time to another."""
    tree, moments = answering.tree, answering.moments

    @answering.get("/api/host/heatmap/{device}", response_model=answers.Heatmap)
    async def heatmap_of(device: DeviceName) -> Response:
        """The last 24 hours of a device, minute by minute."""
        return json_answer(await answering.of(device, lambda home: heatmap(tree, home, moments)))

    @answering.get(
        "/api/host/playlist/{device}.m3u8",
        response_class=Response,
        responses={
            200: described(
                PLAYLIST_TYPE, "A VOD playlist (RFC 8216); a gap is an EXT-X-DATERANGE of CLASS hotcold.gap."
            )
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
        kind = next((kind for kind in tree.config.kinds if kind.playlist), None)
        if kind is None:
            raise NotThere("no kind has playlists")
        text = await answering.of(device, lambda home: vod(tree, home, kind, first, last))
        return Response(text, media_type=PLAYLIST_TYPE, headers=NO_STORE)

    @answering.get("/api/host/{kind}/{device}/{hour}", response_model=answers.Hour)
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

        return await answering.of(device, lambda home: json_answer(listed(home)))


def add_events(answering: Answering, events: Events, listeners: Gauge) -> None:
    """What happens, as it happens. `listeners` counts those who listen now."""

    @answering.get(
        "/api/host/events/{device}",
        response_class=Response,
        responses={
            200: described("text/event-stream", "Events `screenshot`, `archived`, `retired`.", {"type": "string"}),
            204: {"description": "No events are to be had here; ask now and then instead."},
        },
    )
    async def events_of(device: DeviceName) -> Response:
        """Server-sent events of a device: a new picture, an archived file, an hour taken away."""
        return EventStream(events, await answering.of(device, lambda home: home), listeners)


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
