"""The page's files: what the build made of `ui/`."""

import os
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse, Response

from hotcold_inotify.web.sending import media_type

_DIST: Final = Path(__file__).parent / "ui" / "dist"
_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><title>hotcold</title>
<h1>The page is not built</h1>
<p>This installation has the API alone. To have the page, install the package with pip.
"""


def index() -> Response:
    """The page itself; it names its files by their content, so it alone is asked for again."""
    path = _DIST / "index.html"
    if not path.is_file():
        return HTMLResponse(_NOT_BUILT, 404)
    return Response(path.read_bytes(), media_type="text/html", headers={"cache-control": "no-cache"})


def asset(name: str) -> Response | None:
    """One of its files; None: there is no such file."""
    if name not in _names():
        return None
    headers = {"cache-control": "max-age=31536000, immutable"}
    return Response((_DIST / "assets" / name).read_bytes(), media_type=media_type(name), headers=headers)


def _names() -> frozenset[str]:
    try:
        return frozenset(os.listdir(_DIST / "assets"))
    except FileNotFoundError:
        return frozenset()
