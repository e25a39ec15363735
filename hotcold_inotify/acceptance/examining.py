"""The whole look: the host is followed while it is asked, and then judged line by line."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from hotcold_inotify import hours
from hotcold_inotify.acceptance import holding, playing, viewing
from hotcold_inotify.acceptance.about import About, about
from hotcold_inotify.acceptance.asking import Client, read_token
from hotcold_inotify.acceptance.following import Following
from hotcold_inotify.acceptance.pictures import Album, Picture
from hotcold_inotify.acceptance.pulse import Pulse
from hotcold_inotify.acceptance.scraping import Scrape, scrape
from hotcold_inotify.checklist import Line, Verdict, folders, moving, screenshot, steadiness, worst, writing
from hotcold_inotify.checklist import day as day_
from hotcold_inotify.checklist import holding as holding_
from hotcold_inotify.checklist import playing as playing_
from hotcold_inotify.checklist.histogram import Histogram
from hotcold_inotify.checklist.hotcount import Watched
from hotcold_inotify.checklist.promises import Checked
from hotcold_inotify.checklist.steadiness import Asked
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config
from hotcold_inotify.disk import Home, holder
from hotcold_inotify.hours import Calendar

_LATENCY: Final = "hotcold_move_latency_seconds"
_REFUSED: Final = "hotcold_move_errors_total"
_SERVED: Final = "hotcold_http_request_duration_seconds"
# The kinds that the API shows as screenshot and as heatmap.
_SHOWN: Final = ("captures", "thumbnails")


@attrs.frozen
class Report:
    """What was seen of a host. `reactor`: the process that has the root. `seconds`: for how long it was followed."""

    about: About
    root: str
    devices: tuple[str, ...]
    api: str
    reactor: int | None
    seconds: float
    lines: tuple[Line, ...]
    watched: tuple[Watched, ...]
    pictures: tuple[Picture, ...]

    @property
    def verdict(self) -> Verdict:
        """Failed where one line is; else passed, and each line says for itself what was not shown yet."""
        return worst(line.verdict for line in self.lines)


def accept(
    config: Config, devices: Sequence[Home], seconds: float, check: Callable[[], Checked], clock: Clock | None = None
) -> Report:
    """Watch for `seconds`, then ask, and watch on meanwhile. `check` holds these devices against every promise.

    OSError: inotify has nothing left to follow folders with. NoToken: the API's cannot be read.
    """
    return _Look(config, devices, clock or Clock()).report(seconds, check)


@attrs.frozen
class _Shown:
    """What the API showed. `answers`: whether there was any answer; `served`: its own times for screenshots."""

    answers: bool
    shots: list[screenshot.Shots]
    served: Histogram
    days: list[day_.Day]
    played: list[playing_.Hour]


class _Look:
    """What several lines need, gathered once."""

    def __init__(self, config: Config, devices: Sequence[Home], clock: Clock) -> None:
        self._config, self._devices, self._clock = config, devices, clock
        self._zone = hours.zone(config.timezone)
        self._calendar = Calendar(self._zone)
        self._asked: list[Asked] = []
        self._token = read_token(config.web)
        self._album = Album()

    def report(self, seconds: float, check: Callable[[], Checked]) -> Report:
        """Follow, ask, wait, and judge."""
        machine = about(self._clock.wall())
        began = time.monotonic()
        with contextlib.ExitStack() as opened:
            api, reactors = opened.enter_context(self._of_api()), self._of_reactor()
            if reactors is not None:
                opened.enter_context(reactors)
            reactor = holder(self._config.root)
            layouts = list(holding.layouts(self._devices, self._config.kinds))
            following = opened.enter_context(Following(self._config, self._devices, self._calendar))
            pulse = opened.enter_context(Pulse([("reactor", self._of_reactor()), ("API", self._of_api())]))
            before = None if reactors is None else scrape(reactors)
            # Asked at the end: what came meanwhile is on its way through all of it, and is looked at too.
            time.sleep(seconds)
            found = self._found(before)
            shown = self._ask(api, found)
            watched, strays = following.end({key: bool(one.generations) for key, one in found.items()})
            healths = pulse.end()
            after = None if reactors is None else scrape(reactors)
            lasted = time.monotonic() - began
            base, metrics = api.base, None if reactors is None else f"{reactors.base}/metrics"
        # Once more: an hour may have got its first file, and something may have expired.
        held = [one.held for one in self._found(after).values()]
        checked = check()
        moves = moving.Moves(
            metrics,
            None if after is None else after.histogram(_LATENCY).since(_histogram(before, _LATENCY)),
            0.0 if after is None or before is None else after.total(_REFUSED) - before.total(_REFUSED),
        )
        lines = (
            folders.judge(layouts, checked),
            writing.judge(watched, strays, checked),
            moving.judge(watched, moves, reactor, checked),
            holding_.judge_hours(held, checked),
            screenshot.judge(shown.shots, shown.served),
            day_.judge(shown.days, self._calendar, self._zone),
            playing_.judge(shown.played, checked, answers=shown.answers),
            holding_.judge_expiry(held, checked, self._clock.wall(), self._zone),
            steadiness.judge(self._asked, healths, watched, self._config.web.stale_after),
        )
        names = tuple(device.name for device in self._devices)
        pictures = tuple(self._album.pictures)
        return Report(machine, self._config.root, names, base, reactor, lasted, lines, tuple(watched), pictures)

    def _of_api(self) -> Client:
        return Client(self._config.web.listen or self._config.web.socket, self._asked, self._token)

    def _of_reactor(self) -> Client | None:
        listen = self._config.metrics.listen
        return None if listen is None or not listen.port else Client(listen, self._asked)

    def _found(self, metrics: Scrape | None) -> dict[tuple[str, str], holding.Found]:
        return {
            (device.name, kind.name): one
            for device in self._devices
            for kind in self._config.kinds
            if (one := holding.found(device, kind, self._calendar, metrics)) is not None
        }

    def _ask(self, api: Client, found: dict[tuple[str, str], holding.Found]) -> _Shown:
        pictured, shown = ([one.name for one in self._devices if (one.name, kind) in found] for kind in _SHOWN)
        before = scrape(api)
        shots = [viewing.screenshots(api, name, self._album) for name in pictured]
        after = scrape(api)
        served = Histogram()
        if after is not None:
            route = viewing.SCREENSHOT_ROUTE
            served = after.histogram(_SERVED, route=route).since(_histogram(before, _SERVED, route=route))
        days = [viewing.day(api, name, found[name, _SHOWN[1]], self._calendar, self._album) for name in shown]
        played = playing.hours(api, self._devices, self._config.kinds) if after is not None else []
        return _Shown(after is not None, shots, served, days, played)


def _histogram(scraped: Scrape | None, name: str, **labels: str) -> Histogram:
    return Histogram() if scraped is None else scraped.histogram(name, **labels)
