"""Every device, as it stands."""

from typing import Any

from hotcold_inotify.disk import LIVE_PLAYLIST, Home
from hotcold_inotify.web import incidents
from hotcold_inotify.web.answers import Incident, State
from hotcold_inotify.web.moments import Moments
from hotcold_inotify.web.tree import Tree, screenshot_url, url_of


def failed(home: Home) -> dict[str, Any]:
    """The answer `Device` for one that cannot be looked at."""
    return {
        "name": home.name,
        "state": State.FAILED,
        "newest": None,
        "age": None,
        "hot": {},
        "live": None,
        "screenshot": screenshot_url(home),
        "incidents": None,
    }


def device(tree: Tree, home: Home, moments: Moments) -> dict[str, Any]:
    """The answer `Device`, as plain values."""
    now = tree.now()
    hot: dict[str, Any] = {}
    newest: float | None = None
    live: str | None = None
    said: list[Incident] | None = None
    for kind in tree.config.kinds:
        files = tree.hot(home, kind)
        latest = files[-1].mtime if files else None
        hot[kind.name] = {
            "files": len(files),
            "limit": kind.hot_limit,
            "newest": None if latest is None else moments.text(latest),
        }
        if latest is not None:
            newest = latest if newest is None else max(newest, latest)
        if files and kind.name == "metadata":
            said = incidents.present(tree.read_anywhere(home, kind, files[-1].name.text))
        if kind.playlist and live is None:
            with tree.folder(home.path, kind, None) as fd:
                if tree.looked_at(fd, LIVE_PLAYLIST) is not None:
                    live = url_of(home, kind, None, LIVE_PLAYLIST)
    # A clock that was turned back leaves files of the future: they are as new as can be.
    age = None if newest is None else max(now - newest, 0.0)
    stale = age is not None and age > tree.config.web.stale_after
    return {
        "name": home.name,
        "state": State.EMPTY if age is None else State.STALE if stale else State.LIVE,
        "newest": None if newest is None else moments.text(newest),
        "age": None if age is None else round(age, 3),
        "hot": hot,
        "live": live,
        "screenshot": screenshot_url(home),
        "incidents": said,
    }
