"""What is seen now."""

import re

import pytest

from tests.page.conftest import EVENTS, Look, Stack


@pytest.mark.timeout(120)  # the first test of the page starts the host
def test_each_device_has_a_tile_with_its_state_its_counts_and_a_picture_that_goes_on(stack: Stack, look: Look) -> None:
    seen = look()
    seen.page.goto(stack.url)
    tiles = seen.by("tile")
    seen.until("four tiles", lambda: tiles.count() == 4)
    states = {f"capture{number}": "stale" if number == 4 else "live" for number in range(1, 5)}
    seen.until(
        "their states",
        lambda: {tile.get_attribute("data-device"): tile.get_attribute("data-state") for tile in tiles.all()} == states,
    )
    assert seen.by("summary").inner_text() == "3 live · 1 stale"
    first = tiles.nth(0)
    counts = first.get_by_test_id("hot-count")
    limits = {"segments": 10, "captures": 100, "thumbnails": 100, "metadata": 100}
    for count in counts.all():
        files, _, limit = count.inner_text().partition("/")
        assert int(limit) == limits[str(count.get_attribute("data-kind"))]
        assert 0 < int(files) <= int(limit)
    assert counts.count() == 4
    pictures: list[int] = []

    def three() -> bool:
        picture = first.get_by_test_id("picture")
        if picture.is_visible():
            shown = seen.strip_of(picture)
            if shown is not None and shown not in pictures:
                pictures.append(shown)
        return len(pictures) >= 3

    seen.until("three pictures, each later than the one before", three)
    assert pictures == sorted(pictures)
    now = seen.page.evaluate("() => Date.now()")
    assert abs(now - pictures[-1]) < 4000
    stopped = tiles.nth(3)
    seen.until("the last picture of what has stopped", lambda: stopped.get_by_test_id("picture").is_visible())
    assert re.fullmatch(r"\d+ min( \d+ s)? ago", stopped.get_by_test_id("age").inner_text())
    seen.shot("devices-light")


def test_a_picture_that_is_black_and_a_sound_that_is_gone_are_said_on_the_tile(stack: Stack, look: Look) -> None:
    seen = look(color_scheme="dark")
    seen.page.goto(stack.url)
    complaints = seen.page.locator('[data-device="capture2"] [data-incident]')
    both = {"black picture", "no sound"}
    seen.until(f"both events of {EVENTS}", lambda: set(complaints.all_inner_texts()) == both)
    seen.shot("devices-dark-black")
    seen.until("their end", lambda: complaints.count() == 0)


def test_live_video_advances_and_is_of_the_moment_that_its_clock_says(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    assert seen.by("player").get_attribute("data-mode") == "live"
    first = seen.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    later = seen.playing(lambda shown: shown.agrees and shown.position > first.position + 4, "it to advance")
    assert first.strip is not None
    assert first.clock is not None
    assert later.strip is not None
    assert later.clock is not None
    assert 3000 <= later.strip - first.strip <= 8000
    assert 3000 <= later.clock - first.clock <= 8000
    behind = seen.page.evaluate("() => Date.now()") - later.clock
    assert 0 < behind < 12_000, behind
    seen.shot("device-live-light")


@pytest.mark.timeout(90)
def test_live_plays_on_over_an_encoder_that_was_killed_and_started_again(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture3")
    before = seen.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    assert before.strip is not None
    stack.host.kill_encoder("capture3")
    killed = seen.page.evaluate("() => Date.now()")
    stack.host.capture("capture3", {"HOTCOLD_ANALYSIS": "no"})
    seen.until("the restart to show", lambda: "#EXT-X-DISCONTINUITY\n" in stack.host.live_playlist("capture3"))
    after = seen.playing(
        lambda shown: shown.agrees and shown.strip is not None and shown.strip > killed + 3000, "video after it", 40
    )
    assert not after.paused
    seen.until("no notice over it", lambda: seen.by("notice").count() == 0)
    # And it is in the recording: from some seconds before it, over it, and on.
    began = before.strip // 1000
    at = seen.page.evaluate("(ms) => new Date(ms).toISOString().slice(0, 19)", began * 1000)
    seen.page.goto("about:blank")
    seen.open_device(stack.url, "capture3", f"?at={at}+00:00")
    first = seen.playing(lambda shown: shown.agrees and not shown.paused, "the recording")
    assert first.strip is not None
    assert first.strip < killed
    seen.playing(
        lambda shown: shown.agrees and shown.strip is not None and shown.strip > killed + 2000,
        "it after the restart",
        40,
    )
    assert seen.by("player").get_attribute("data-mode") == "archive"


@pytest.mark.timeout(90)
def test_a_device_that_stops_says_since_when_and_goes_on_by_itself(stack: Stack, look: Look) -> None:
    seen, tiles = look(), look()
    seen.open_device(stack.url, "capture3")
    tiles.page.goto(stack.url)
    seen.playing(lambda shown: shown.agrees and not shown.paused, "live video")
    stale = seen.page.locator('[data-testid="notice"][data-sort="stale"]')
    tile = tiles.page.locator('[data-device="capture3"]')
    stack.host.stop("capture3")
    try:
        seen.until("it to say so", lambda: stale.count() == 1)
        assert re.search(r"capture3 is stale\s+No new file since \w+ \d+ \w+ \d\d:\d\d:\d\d", stale.inner_text())
        tiles.until("its tile to say so", lambda: tile.get_attribute("data-state") == "stale")
        seen.shot("device-stale")
        tiles.shot("devices-stale")
        stopped = seen.page.evaluate("() => Date.now()")
    finally:
        stack.host.capture("capture3", {"HOTCOLD_ANALYSIS": "no"})
    tiles.until("its tile to be live", lambda: tile.get_attribute("data-state") == "live")
    seen.playing(
        lambda shown: shown.agrees and shown.strip is not None and shown.strip > stopped, "live video again", 30
    )
    seen.until("the notice to go", lambda: stale.count() == 0)
