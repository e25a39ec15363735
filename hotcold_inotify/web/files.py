"""The files: by hour, by their name alone wherever they are by now, and by the paths of before hot and cold."""

import os
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from hotcold_inotify.disk import LIVE_PLAYLIST, Home
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
from hotcold_inotify.web.oldpaths import TOP, OldPaths, Whereabouts
from hotcold_inotify.web.sending import PLAYLIST_TYPE, SentFile
from hotcold_inotify.web.tree import NotThere, url_of

_LASTS_NOT: Final = {"cache-control": "no-cache"}


def _playlist(text: bytes) -> Response:
    return Response(text, media_type=PLAYLIST_TYPE, headers=NO_STORE)


def add_files(answering: Answering) -> None:
    """Hot listings, managed files and playlists."""
    tree, moments, threads = answering.tree, answering.moments, answering.threads
    old = OldPaths(tree) if tree.config.compat_links else None

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
            if name.endswith(".m3u8"):
                # It may grow while it is sent: what is read now is a whole playlist.
                with os.fdopen(tree.file(home, wanted, hour, name).fd, "rb") as file:
                    return _playlist(file.read())
            if old is not None and hour is None:
                return sent(device, name, old.anywhere(home, wanted, name))
            return sent(device, name, Whereabouts(tree.file(home, wanted, hour, name), lasts=True))

        return await answering.of(device, opened)

    def sent(device: str, name: str, file: Whereabouts | None) -> Response:
        if file is None:
            raise NotThere("no such file")
        return SentFile(name, file.found, partial(threads.read, device), None if file.lasts else _LASTS_NOT)

    if old is None:
        return

    @answering.get("/host/stream/{device}/{name}", response_class=Response, responses=file_answers)
    async def old_file(device: DeviceName, name: FileName) -> Response:
        """A segment by its path of before hot and cold, wherever it is. `output.m3u8` is the live playlist of whoever
        writes.
        """

        def opened(home: Home) -> Response:
            if name != LIVE_PLAYLIST:
                return sent(device, name, old.file(home, TOP, name))
            text = old.live(home)
            if text is None:
                raise NotThere("no such file")
            return _playlist(text)

        return await answering.of(device, opened)
