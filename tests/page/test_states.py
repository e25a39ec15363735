"""What is said when there is nothing to show: loading, empty, failed, locked, gone, and back."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Route

from tests.page.conftest import Look, Stack
from tests.page.history import MINUTE
from tests.page.looking import Watched
from tests.page.stack import HOTCOLD, Host

# What a browser prints when nobody answers; the tests below see to it that nobody does.
NO_ANSWER: Final = (
    r"ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|FAILED|SOCKET_NOT_CONNECTED)"
)
TOKEN: Final = "correct-horse-battery-staple"  # noqa: S105


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """A host on which nothing records."""
    hosts: list[Host] = []

    def make(web: str = "") -> Host:
        hosts.append(Host(tmp_path, web))
        hosts[-1].serve()
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


def notice(seen: Watched, sort: str) -> str:
    """The text of a notice, as soon as it is there."""
    found = seen.page.locator(f'[data-testid="notice"][data-sort="{sort}"]')
    found.wait_for(timeout=20_000)
    seen.shot(f"notice-{sort}")
    return found.inner_text()


def test_a_host_without_devices_says_how_to_make_one_and_shows_it_when_it_comes(
    bare: Callable[..., Host], look: Look
) -> None:
    host, seen = bare(), look()
    seen.page.goto(host.url)
    assert "No devices yet" in notice(seen, "no-devices")
    subprocess.run(
        [*HOTCOLD, "--config", str(host.config), "init", str(host.root / "capture1")], check=True, capture_output=True
    )
    tile = seen.by("tile")
    seen.until("its tile", lambda: tile.count() == 1 and tile.get_attribute("data-state") == "empty")
    assert "Waiting for the first file" in tile.inner_text()
    assert seen.by("notice").count() == 0 or not seen.by("notice").is_visible()
    seen.shot("devices-empty")
    tile.get_by_role("link").click()
    assert "Waiting for the first file of capture1" in notice(seen, "empty")
    seen.until("the day", lambda: seen.by("day-summary").inner_text() == "nothing recorded")
    seen.page.goto(f"{host.url}/#/device/capture9")
    assert "There is no device capture9" in notice(seen, "missing")


def test_a_page_that_waits_for_its_first_answer_says_so(stack: Stack, look: Look) -> None:
    seen = look()
    held: list[Route] = []
    holding = True

    def hold(route: Route) -> None:
        if holding:
            held.append(route)
        else:
            route.continue_()

    seen.page.route("**/api/host/devices", hold)
    seen.page.goto(stack.url)
    seen.by("loading").wait_for()
    assert "Asking the host" in seen.by("loading").inner_text()
    seen.until("its question", lambda: bool(held))
    seen.shot("loading-light")
    holding = False
    for route in held:
        route.continue_()
    seen.until("the tiles", lambda: seen.by("tile").count() == 4)


def test_a_page_whose_first_question_nobody_answers_says_so_and_starts_when_somebody_does(
    stack: Stack, look: Look
) -> None:
    seen = look()
    seen.forgive(NO_ANSWER)
    seen.page.route("**/api/host/devices", lambda route: route.abort())
    seen.page.goto(stack.url)
    assert re.search(r"The server does not answer\s+Is hotcold serve running", notice(seen, "unreachable"))
    seen.page.unroute("**/api/host/devices")
    seen.page.get_by_role("button", name="Try now").click()
    seen.until("the tiles", lambda: seen.by("tile").count() == 4)


@pytest.mark.timeout(120)
def test_a_server_that_is_killed_is_missed_and_live_goes_on_when_it_is_back(stack: Stack, look: Look) -> None:
    tiles, seen = look(), look(color_scheme="dark")
    for watched in (tiles, seen):
        watched.forgive(NO_ANSWER)
    tiles.page.goto(stack.url)
    tiles.until("the tiles", lambda: tiles.by("tile").count() == 4)
    seen.open_device(stack.url, "capture1")
    seen.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    stack.host.kill("serve")
    try:
        for watched in (tiles, seen):
            watched.until("it to say so", watched.by("banner").is_visible)
            assert "The server does not answer. What you see is what it said last." in watched.by("banner").inner_text()
        assert tiles.by("tile").count() == 4
        said = notice(seen, "unreachable")
        assert "The video does not come" in said
        assert seen.page.locator(".held").is_visible()  # behind the words stands the last picture
        tiles.shot("devices-server-gone")
        assert tiles.troubles  # the fault did happen
    finally:
        stack.host.serve()
    back = seen.page.evaluate("() => Date.now()")
    for watched in (tiles, seen):
        watched.until("it to be back", lambda watched=watched: not watched.by("banner").is_visible(), 30)  # type: ignore[misc]
    seen.playing(lambda shown: shown.agrees and (shown.strip or 0) > back, "live video again", 40)
    seen.until("no notice over it", lambda: seen.by("notice").count() == 0)


def test_a_recording_that_cannot_be_had_says_so_and_is_tried_again(stack: Stack, look: Look) -> None:
    seen = look()
    seen.forgive(r"^(500 |console error: Failed to load resource: .* 500 )")
    seen.open_device(stack.url, "capture1")
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=500, body='{"error": "the server failed"}', content_type="application/json")

    seen.page.route("**/api/host/playlist/**", refuse)
    minute = stack.past.before_gap.start
    seen.minute(minute).click()
    assert "The video does not come" in notice(seen, "failed")
    assert refused
    seen.page.unroute("**/api/host/playlist/**")
    seen.page.get_by_role("button", name="Try again").click()
    seen.playing(lambda shown: shown.agrees and (shown.clock or 0) < (minute + MINUTE) * 1000, "the minute")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_does_not_know_the_token_sees_only_the_log_in(
    bare: Callable[..., Host], look: Look, tmp_path: Path, scheme: str
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN, "ascii")
    host = bare(f'token_file = "{token}"')
    seen = look(color_scheme=scheme)
    seen.forgive(r"^(401 |console error: Failed to load resource: .* 401 )")
    seen.page.goto(host.url)
    seen.by("login").wait_for()
    assert seen.page.evaluate("() => document.activeElement.id") == "token"
    seen.page.keyboard.type("wrong-horse-battery-staple")
    seen.page.keyboard.press("Enter")
    seen.until("it to say no", lambda: seen.by("login-said").inner_text() == "That is not the token.")
    assert seen.by("login").count() == 1
    seen.shot(f"login-wrong-{scheme}")
    seen.by("token").fill(TOKEN)
    seen.page.get_by_role("button", name="Log in").click()
    assert "No devices yet" in notice(seen, "no-devices")
    assert any(trouble.startswith("401 ") for trouble in seen.troubles)
    seen.page.reload()  # the cookie stays
    assert "No devices yet" in notice(seen, "no-devices")
    assert TOKEN not in str(seen.page.context.cookies())
    assert not seen.page.evaluate("() => localStorage.length + sessionStorage.length")
