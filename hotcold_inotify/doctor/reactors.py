"""Who runs a reactor, here or elsewhere, and whether it answers."""

import http.client
import os
from collections.abc import Iterable, Iterator

from hotcold_inotify.config import Listen
from hotcold_inotify.disk.rootlock import LOCK_NAME
from hotcold_inotify.doctor.host import Host, Missed
from hotcold_inotify.doctor.processes import Process, held

_SECONDS = 3.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not to listen there, but to ask who does
_LONGEST = 200


def elsewhere(host: Host, known: Iterable[Process], root: str, missed: Missed) -> Iterator[tuple[int, str]]:
    """The reactors of other roots, by the locks that they hold."""
    for process in known:
        if "run" in process.words and any("hotcold" in os.path.basename(word) for word in process.words[:4]):
            for other in held(host, process, LOCK_NAME, missed):
                if other != os.path.realpath(root):
                    yield process.pid, other


def health(listen: Listen | None) -> str | None:
    """What /healthz says, "ok" when all is well; None: nothing answers."""
    if listen is None or not listen.port:
        return None
    connection = http.client.HTTPConnection(_ANYWHERE.get(listen.host, listen.host), listen.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read(_LONGEST).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return "ok" if answer.status == http.HTTPStatus.OK else f"{answer.status}: {text}"
