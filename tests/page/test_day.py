"""What is seen of the day, and played of it."""

import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from hotcold_inotify import playlist
from hotcold_inotify.playlist import Entry
from tests.page.conftest import Look, Stack
from tests.page.history import MINUTE
from tests.page.looking import NEAR_MS, Shown, Watched

SIZE = re.compile(r", 320 . 180$")


def local(at: float, form: str = "%H:%M:%S") -> str:
    return datetime.fromtimestamp(at).astimezone().strftime(form)


def at(moment: float) -> str:
    """The part of a device's address that says which moment is to be played."""
    return f"?at={datetime.fromtimestamp(moment).astimezone().isoformat(timespec='seconds')}"


def hour_entry(stack: Stack, url: str) -> Entry:
    """What the hour's playlist says of a segment that is on show."""
    found = re.fullmatch(r"/host/stream/capture1/segments/(\d+)/(segment_\d+\.ts)", url.removeprefix(stack.url))
    assert found, url
    path = stack.host.root / "capture1" / "segments" / found[1] / "archive.m3u8"
    entries = playlist.parse(path.read_text("utf-8")).entries
    return next(entry for entry in entries if entry.uri == found[2])


def on(shown: Shown, start: float, end: float) -> bool:
    """Whether a picture from [start, end) is on show, and the clock says so."""
    return shown.agrees and shown.strip is not None and start - 1 < shown.strip / 1000 < end


def play_from(seen: Watched, minute: float, ahead: int) -> None:
    """Play a minute from some tens of seconds after its start."""
    seen.minute(minute).click()
    seen.playing(lambda shown: on(shown, minute, minute + 10), "the minute")
    for tens in range(1, ahead + 1):
        seen.by("forward").click()
        seen.playing(lambda shown, to=minute + 10 * tens: on(shown, to, to + 10), "10 s more")  # type: ignore[misc]


def test_a_minute_that_is_looked_at_shows_its_own_picture_and_one_that_is_clicked_plays(
    stack: Stack, look: Look
) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    minute = stack.past.before_gap.start + 2 * MINUTE
    cell = seen.minute(minute)
    cell.hover()
    seen.until("its picture", lambda: seen.by("preview-picture").is_visible())
    assert seen.by("preview-time").inner_text().endswith(local(minute, "%H:%M"))
    assert seen.strip_of(seen.by("preview-picture")) == minute * 1000
    seen.shot("day-preview-light")
    cell.click()
    shown = seen.playing(lambda shown: shown.agrees and not shown.paused, "the minute")
    assert seen.by("player").get_attribute("data-mode") == "archive"
    assert cell.get_attribute("aria-selected") == "true"
    assert shown.clock is not None
    assert shown.strip is not None
    assert shown.segment is not None
    assert minute <= shown.clock / 1000 < minute + 5
    # The segment on show is the one that the hour's playlist has at that moment; a second each, numbered from 0.
    entry = hour_entry(stack, shown.segment)
    assert entry.start is not None
    assert abs(shown.clock / 1000 - entry.start - entry.duration / 2) <= entry.duration / 2 + 0.3
    first = stack.past.long_ago.seconds
    assert entry.uri == f"segment_{first + round(entry.start - stack.past.before_gap.start):09d}.ts"
    later = seen.playing(lambda later: later.agrees and later.position > shown.position + 3, "it to play on")
    assert later.strip is not None
    assert abs((later.strip - shown.strip) / 1000 - (later.position - shown.position)) <= 1.2
    seen.by("go-live").click()
    seen.playing(lambda live: live.agrees and (live.clock or 0) > (minute + 5 * MINUTE) * 1000, "live again")
    assert seen.by("player").get_attribute("data-mode") == "live"


@pytest.mark.timeout(90)
def test_a_gap_is_seen_in_the_day_and_playing_passes_it_and_says_so(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    start, end = stack.past.before_gap.end, stack.past.before_restart.start
    asked = seen.page.request.get(f"{stack.url}/api/host/playlist/capture1.m3u8?start={start - 60}&end={end + 60}")
    marked = [float(length) for length in re.findall(r'CLASS="hotcold.gap".*DURATION=([0-9.]+)', asked.text())]
    assert marked == [pytest.approx(end - start, abs=0.2)]
    gap = [seen.minute(start + MINUTE * number) for number in range(3)]
    assert [cell.get_attribute("data-state") for cell in gap] == ["gap"] * 3
    assert all("nothing recorded" in (cell.get_attribute("aria-label") or "") for cell in gap)
    assert seen.minute(start - MINUTE).get_attribute("data-state") == "files"
    assert seen.minute(end).get_attribute("data-state") == "files"
    play_from(seen, start - MINUTE, 5)
    strips: list[float] = []

    def passed(shown: Shown) -> bool:
        if shown.strip is not None and not shown.held:
            strips.append(shown.strip / 1000)
        return on(shown, end, end + 30)

    seen.playing(passed, "what comes after the gap", 30)
    # A second's video is 1.02 s long, by its sound: it may begin in the second before.
    words = [
        f"Gap of 3 min skipped: nothing was recorded from {local(start)} to {local(goes_on)}."
        for goes_on in (end - 1, end)
    ]
    seen.until("it to be said", lambda: seen.by("message").inner_text() in words)
    seen.shot("day-gap-passed-light")
    assert min(strips) < start
    assert not [strip for strip in strips if start <= strip < end]
    # Asked for itself, the gap is said, and where the recording goes on.
    gap[1].click()
    notice = seen.page.locator('[data-testid="notice"][data-sort="no-video"]')
    notice.wait_for()
    assert f"The recording goes on at {local(end, '%H:%M')}." in notice.inner_text()
    seen.shot("day-no-video-light")
    seen.by("play-next").click()
    seen.playing(lambda shown: on(shown, end, end + 10), "where it goes on")


@pytest.mark.timeout(90)
def test_a_recording_plays_on_over_a_restart_of_its_encoder(stack: Stack, look: Look) -> None:
    seen = look(color_scheme="dark")
    before, after = stack.past.before_restart, stack.past.after_restart
    seen.open_device(stack.url, "capture1", at(before.end - 4))
    strips: list[float] = []

    def passed(shown: Shown) -> bool:
        if shown.agrees and shown.strip is not None:
            strips.append(shown.strip / 1000)
        return on(shown, after.start + 3, after.end)

    seen.playing(lambda shown: on(shown, before.end - 5, before.end), "what comes before the restart")

    shown = seen.playing(passed, "what comes after the restart", 30)
    assert strips == sorted(strips)
    assert strips[0] < before.end
    assert max(late - early for early, late in pairwise(strips)) <= 4
    assert shown.segment is not None
    number = int(shown.segment[-12:-3]) - round((shown.clock or 0) / 1000 - after.start - 0.5)
    first = hour_entry(stack, shown.segment.replace(shown.segment[-12:-3], f"{number:09d}"))
    assert first.start == pytest.approx(after.start, abs=0.1)
    assert first.discontinuity
    assert not shown.message  # a restart is no gap
    seen.shot("day-archive-dark")


def test_incidents_are_told_by_colour_by_shape_and_in_words(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    start = stack.past.before_gap.start
    wanted = {
        start: None,
        start + MINUTE: "black",
        start + 2 * MINUTE: "frozen",
        start + 3 * MINUTE: "silent",
        start + 4 * MINUTE: "black silent",
        stack.past.before_gap.end: None,
    }
    cells = {minute: seen.minute(minute) for minute in wanted}
    assert {minute: cell.get_attribute("data-incidents") for minute, cell in cells.items()} == wanted
    looks = {
        cell.evaluate(
            """(cell) => {
                const { backgroundColor, backgroundImage, boxShadow, outlineStyle } = getComputedStyle(cell);
                return [backgroundColor, backgroundImage, boxShadow, outlineStyle].join("|");
            }"""
        )
        for cell in cells.values()
    }
    assert len(looks) == len(wanted)
    said = cells[start + 4 * MINUTE].get_attribute("aria-label") or ""
    assert said.endswith("black picture, no sound")
    assert seen.by("heatmap").locator('[data-incidents~="frozen"]').count() >= 12


def test_the_picture_of_a_moment_is_its_full_size_capture_while_that_is_kept(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    minute = stack.past.before_gap.start
    seen.minute(minute).click()
    seen.playing(lambda shown: on(shown, minute + 1, minute + 20), "the minute")
    seen.by("play").click()
    shown = seen.playing(lambda shown: shown.paused, "it to stand still")
    seen.by("picture-of-moment").click()
    seen.until("it", lambda: bool(SIZE.search(seen.by("still-said").inner_text())))
    assert seen.by("still-said").inner_text().startswith("Full-size capture, ")
    strip = seen.strip_of(seen.by("still").locator("img"))
    assert strip is not None
    assert shown.clock is not None
    assert abs(strip + 500 - shown.clock) <= 2000
    seen.shot("still-light")
    with seen.page.expect_download() as download:
        seen.by("save-picture").click()
    data = Path(download.value.path()).read_bytes()
    assert data[:2] == b"\xff\xd8"
    assert data[-2:] == b"\xff\xd9"
    seen.page.keyboard.press("Escape")
    seen.until("it to be closed", lambda: seen.by("still").count() == 0)


def test_the_picture_of_a_moment_long_ago_is_the_video_s_own(stack: Stack, look: Look) -> None:
    seen = look()
    minute = stack.past.long_ago.start
    seen.open_device(stack.url, "capture1", at(minute))
    seen.playing(lambda shown: on(shown, minute, minute + 20), "the minute in the address")
    seen.by("play").click()
    shown = seen.playing(lambda shown: shown.paused, "it to stand still")
    seen.by("picture-of-moment").click()
    words = "From the video: full-size captures of this moment are no longer kept"
    seen.until("it", lambda: SIZE.sub("", seen.by("still-said").inner_text()) == words)
    assert seen.strip_of(seen.by("still").locator("img")) == shown.strip
    seen.by("close-still").click()


def test_a_segment_that_is_saved_is_the_file_itself(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture1")
    minute = stack.past.before_gap.start
    seen.minute(minute).click()
    seen.playing(lambda shown: on(shown, minute, minute + 20), "the minute")
    seen.by("play").click()
    shown = seen.playing(lambda shown: shown.paused, "it to stand still")
    assert shown.segment is not None
    with seen.page.expect_download() as download:
        seen.by("save-segment").click()
    moment = hour_entry(stack, shown.segment).start
    assert moment is not None
    assert download.value.suggested_filename == f"capture1_{local(moment, '%Y-%m-%dT%H-%M-%S')}.ts"
    there = next((stack.host.root / "capture1" / "segments").rglob(shown.segment.rpartition("/")[2]))
    saved = Path(download.value.path()).read_bytes()
    assert saved == there.read_bytes()
    assert saved[0] == 0x47
    assert len(saved) > 5_000


@pytest.mark.timeout(90)
def test_a_recording_runs_on_to_what_was_recorded_a_moment_ago(stack: Stack, look: Look) -> None:
    seen = look()
    last = stack.past.after_restart
    seen.open_device(stack.url, "capture1", at(last.end - 4))
    seen.playing(lambda shown: on(shown, last.end - 5, last.end), "the last seconds of the past")
    shown = seen.playing(lambda shown: on(shown, last.end + 10, last.end + 10_000), "what the encoder makes today", 40)
    seen.until("the gap to be said", lambda: seen.by("message").inner_text().startswith("Gap of "))
    assert abs((shown.clock or 0) - (shown.strip or 0) - 500) <= NEAR_MS


def test_the_end_of_a_recording_is_said_and_its_last_picture_stands(stack: Stack, look: Look) -> None:
    seen = look()
    seen.open_device(stack.url, "capture4", at(stack.stopped.end - 4))
    notice = seen.page.locator('[data-testid="notice"][data-sort="ended"]')
    notice.wait_for()
    assert "The recording ends here" in notice.inner_text()
    shown = seen.shown()
    assert shown is not None
    assert shown.strip == (stack.stopped.end - 1) * 1000
    seen.shot("day-ended-light")
    notice.get_by_role("button", name="Go live").click()
    seen.page.locator('[data-testid="notice"][data-sort="stale"]').wait_for()
