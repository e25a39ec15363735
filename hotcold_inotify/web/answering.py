"""How the routes answer: blocking work in the device's threads, JSON as it stands, GET and HEAD alike."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import attrs
from fastapi import FastAPI, Path
from pydantic_core import to_json
from starlette.responses import Response

from hotcold_inotify.disk import Home
from hotcold_inotify.web import answers
from hotcold_inotify.web.moments import Moments
from hotcold_inotify.web.threads import Threads
from hotcold_inotify.web.tree import Tree

T = TypeVar("T")

NO_STORE: Final = {"cache-control": "no-store"}

DeviceName = Annotated[str, Path(max_length=255, description="A device's name, as `/api/host/devices` lists it.")]
KindName = Annotated[str, Path(max_length=255, description="A kind: segments, captures, thumbnails, metadata.")]
HourNumber = Annotated[int, Path(ge=0, le=23, description="The hour of the day, in the configuration's zone.")]
FileName = Annotated[str, Path(max_length=255)]

Documented = dict[int | str, dict[str, Any]]
_WRONG: Final[Documented] = {
    401: {"model": answers.Failure, "description": "A token is needed."},
    404: {"model": answers.Failure, "description": "There is no such thing."},
    421: {"model": answers.Failure, "description": "The Host header does not name this server."},
    422: {"model": answers.Failure, "description": "The request makes no sense."},
    504: {"model": answers.Failure, "description": "The disk does not answer."},
}


@attrs.frozen
class Answering:
    """What the routes of one application share."""

    app: FastAPI
    tree: Tree
    moments: Moments
    threads: Threads

    def get(self, path: str, **documented: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """GET and HEAD; only the one is documented, the other is known from it."""

        def decorate(answering: Callable[..., Any]) -> Callable[..., Any]:
            responses = {**_WRONG, **documented.pop("responses", {})}
            self.app.add_api_route(path, answering, methods=["GET"], responses=responses, **documented)
            self.app.add_api_route(path, answering, methods=["HEAD"], include_in_schema=False)
            return answering

        return decorate

    async def of(self, device: str, work: Callable[[Home], T]) -> T:
        """What `work` finds on a device, in a thread. NotThere: no device is called that; DiskHangs."""

        def found() -> T:
            home = self.tree.device(device)
            self.threads.known(device)
            return work(home)

        return await self.threads.run(device, found)


def json_answer(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that no cache keeps, unless `headers` say so."""
    # Rendered as it stands: the models describe it, and to build 18,000 of them would take longer than all the rest.
    return Response(to_json(value), status, NO_STORE | dict(headers or {}), "application/json")


def described(media: str, description: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An answer that is not JSON, for the description of the API; without a schema it is bytes."""
    return {
        "description": description,
        "content": {media: {"schema": schema or {"type": "string", "format": "binary"}}},
    }
