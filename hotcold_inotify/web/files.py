"""The files: by hour, or by their name alone wherever they are by now."""

import os
from functools import partial
from typing import Any

from starlette.responses import Response

from hotcold_inotify.disk import Home
from hotcold_inotify.web import answers
from hotcold_inotify.web.answering import (
    NO_STORE,
    Answering,
    DeviceName,
    Documented,
    FileName,
    HourNumber,
    KindName,
    described,
    json_answer,
)
from hotcold_inotify.web.sending import SentFile, media_type
from hotcold_inotify.web.tree import url_of


def add_files(answering: Answering) -> None:
    """Hot listings, managed files and playlists."""
    tree, moments, threads = answering.tree, answering.moments, answering.threads

    file_answers: Documented = {
        200: described("*/*", "The file."),
        206: described("*/*", "A part of it."),
        304: {"description": "The client has it already."},
        416: {"model": answers.Failure, "description": "The range is outside of the file, or none."},
    }

    @answering.get("/host/stream/{device}/{kind}/", response_model=answers.Hot)
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

        return json_answer(await answering.of(device, listed))

    @answering.get("/host/stream/{device}/{kind}/{name}", response_class=Response, responses=file_answers)
    async def hot_file(device: DeviceName, kind: KindName, name: FileName) -> Response:
        """A file by its name alone: hot, or in its hour folder once it moved. `output.m3u8` is the live playlist."""
        return await _file(device, kind, None, name)

    @answering.get("/host/stream/{device}/{kind}/{hour}/{name}", response_class=Response, responses=file_answers)
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
                return Response(file.read(), media_type=media_type(name), headers=NO_STORE)

        return await answering.of(device, opened)
