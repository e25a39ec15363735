"""One capture host with a day behind it and three devices that record, and a browser, for all tests of the page."""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.live.started import eventually
from tests.page.history import MINUTE, Stretch, Writer
from tests.page.looking import Watched, pictures_folder
from tests.page.stack import Host, Past, past_of, write_past

BROWSER = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# A black picture with no sound for 5 of 15 seconds.
EVENTS = "black:6-11/15 silent:6-11/15"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.needs("chromium", "ffmpeg", "ffprobe"))


@attrs.frozen
class Stack:
    """`capture1` records and has a day behind it, `capture2` turns black now and then, `capture3` is stopped and
    started by tests, `capture4` has stopped some minutes ago.
    """

    host: Host
    past: Past
    stopped: Stretch

    @property
    def url(self) -> str:
        return self.host.url


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    host = Host(tmp_path_factory.mktemp("host"))
    workshop = host.folder / "workshop"
    workshop.mkdir()
    now = time.time()
    past = past_of(now)
    write_past(past, host.root / "capture1", workshop, now)
    stopped = Stretch(now // MINUTE * MINUTE - 8 * MINUTE, 2 * MINUTE)
    Writer(host.root / "capture4", workshop).video(stopped)
    try:
        host.reactor()
        segments = host.root / "capture1" / "segments"
        eventually("the past to be archived", lambda: len(list(segments.glob("segment_*.ts"))) == 10, 30)
        wanted = sum(stretch.seconds for stretch in past.stretches) - 10
        eventually("the hours' playlists to list it", lambda: _listed(segments) == wanted, 30)
        host.capture("capture1", {"HOTCOLD_SIZE": "640x360"})
        host.capture("capture2", {"HOTCOLD_TEST_EVENTS": EVENTS})
        host.capture("capture3", {"HOTCOLD_ANALYSIS": "no"})
        for device in ("capture1", "capture2", "capture3"):
            eventually(f"{device} to be live", partial(_is_live, host, device), 30)
        host.serve()
        yield Stack(host, past, stopped)
    finally:
        host.close()


def _listed(segments: Path) -> int:
    return sum(path.read_text("utf-8").count("#EXTINF") for path in segments.glob("*/archive.m3u8"))


def _is_live(host: Host, device: str) -> bool:
    return host.live_playlist(device).count("#EXTINF") >= 3


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        yield started
        started.close()


Look = Callable[..., Watched]


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Iterator[Look]:
    """Open watched pages; at the end nobody has complained about anything that the test did not make."""
    opened: list[Watched] = []

    def open_page(**options: Any) -> Watched:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        options.setdefault("color_scheme", "light")
        context = browser.new_context(**options)
        watched = Watched(context.new_page(), pictures_folder(tmp_path / "pictures"))
        opened.append(watched)
        return watched

    yield open_page
    troubles = []
    for watched in opened:
        watched.page.wait_for_timeout(100)  # what was said a moment ago is on its way
        troubles += watched.unforgiven
        watched.page.context.close()
    assert not troubles
