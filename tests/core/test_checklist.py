"""What is said of a host that was observed; the observing itself is in tests/live/test_acceptance.py."""

from datetime import UTC, date
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.checklist import (
    Item,
    Line,
    Point,
    Verdict,
    day,
    folders,
    holding,
    moving,
    playing,
    screenshot,
    steadiness,
    wording,
    worst,
    writing,
)
from hotcold_inotify.checklist.day import Day, Minute
from hotcold_inotify.checklist.histogram import Histogram
from hotcold_inotify.checklist.holding import Held
from hotcold_inotify.checklist.hotcount import BIN, HotCount, Watched
from hotcold_inotify.checklist.moving import Moves
from hotcold_inotify.checklist.playing import Hour, Sample
from hotcold_inotify.checklist.promises import ITEM_OF, Checked
from hotcold_inotify.checklist.screenshot import Shots
from hotcold_inotify.checklist.steadiness import Asked, Health
from hotcold_inotify.checklist.verdicts import failed, not_shown, passed
from hotcold_inotify.checklist.writing import Stray
from hotcold_inotify.hours import DAY, HOUR, Calendar, Generation
from hotcold_inotify.invariants import Finding, Names, Violation, What

NOW = 1_795_444_200.0  # 2026-11-23T14:30 UTC
CALENDAR = Calendar(UTC)
FINE = Checked((), 1234)
WELL = Watched("capture1", "segments", 10, 20.0, 20, 20, 10, 10, 11, 0.0004, 1.1)
URL = "http://127.0.0.1:8080/x"


def verdicts(line: Line) -> list[Verdict | None]:
    return [point.verdict for point in line.points]


def told(line: Line) -> str:
    return "; ".join(point.text for point in line.points)


def broken(what: What, slot: int | None = 3) -> Checked:
    return Checked((Violation(Finding(what, Names.of(["x"]), slot), "capture1", "segments"),), 5)


# A line and its verdict.


def test_one_failure_fails_a_line_and_what_was_not_shown_keeps_it_from_passing() -> None:
    assert worst([]) is Verdict.NOT_SHOWN
    assert worst([Verdict.PASSED]) is Verdict.PASSED
    assert worst([Verdict.PASSED, Verdict.NOT_SHOWN]) is Verdict.NOT_SHOWN
    assert worst([Verdict.NOT_SHOWN, Verdict.FAILED, Verdict.PASSED]) is Verdict.FAILED


def test_a_line_says_what_decided() -> None:
    points = (passed("a"), failed("b"), Point("c"), *(failed(f"d{number}") for number in range(4)))
    line = Line(Item.MOVES, points, ("hotcold check",))
    assert line.why == "b; d0; d1; and 2 more"
    assert Line(Item.MOVES, (passed("a"), passed("b"))).why == "a; and 1 more"
    assert Line(Item.MOVES, (passed("a"), passed("b")), (), "all").why == "all"
    assert Line(Item.MOVES, (passed("a"), failed("b")), (), "all").why == "b"
    assert line.plain() == {
        "number": 3,
        "item": "moves",
        "text": "files move at once when a hot folder is over its limit",
        "verdict": "failed",
        "why": "b; d0; d1; and 2 more",
        "evidence": [
            {"text": point.text, "verdict": None if point.verdict is None else point.verdict.name.lower()}
            for point in points
        ],
        "asked": ["hotcold check"],
    }
    assert [item.number for item in Item] == list(range(1, 10))


def test_every_broken_promise_has_a_line_and_no_note_has() -> None:
    assert {what for what in What if what.fails} == set(ITEM_OF)


@pytest.mark.parametrize("what", list(ITEM_OF))
def test_a_broken_promise_fails_its_line_and_no_other(what: What) -> None:
    checked = broken(what)
    held = Held("capture1", "segments", DAY, (Generation(date(2026, 11, 22), 14),), NOW - DAY, recorded=True)
    lines = (
        folders.judge([], checked),
        writing.judge([WELL], [], checked),
        moving.judge([WELL], Moves(None, None), 1, checked),
        holding.judge_hours([held], checked),
        playing.judge([], checked, answers=True),
        holding.judge_expiry([held], checked, NOW, UTC),
    )
    assert [line.item for line in lines if line.verdict is Verdict.FAILED] == [ITEM_OF[what]]
    (line,) = (line for line in lines if line.verdict is Verdict.FAILED)
    assert line.why.startswith(f"capture1/segments/3: {what.value} (1, x); remedy: ")


# The hot count.


def test_a_hot_folder_is_followed() -> None:
    count = HotCount(["a", "b"], 2, 100.0)
    count.come("c", 101.0)
    count.come("c", 101.0)  # told twice: watched, then listed
    count.go("a", 101.25)
    count.go("unknown", 101.5)
    count.strange("capture_1.json")
    count.strange("capture_1.json")
    seen = count.ended("capture1", "captures", 104.0, known=False)
    assert [(round(at, 6), most) for at, most in seen.series] == [(0.0, 2), (1.0, 3), (1.2, 3), (1.3, 2), (4.0, 2)]
    assert attrs.evolve(seen, series=()) == Watched(
        "capture1",
        "captures",
        2,
        seconds=4.0,
        came=2,
        left=1,
        first=2,
        last=2,
        most=3,
        above=0.25,
        silent=3.0,
        strange=("capture_1.json",),
    )


def test_the_picture_has_each_peak_and_what_came_of_it() -> None:
    count = HotCount(["a"], 1, 0.0)
    count.come("b", 0.51)
    count.go("a", 0.52)
    count.come("c", 1.01)
    count.go("b", 1.11)
    series = count.ended("d", "k", 3.0, known=True).series
    peaks = [(0.0, 1), (0.5, 2), (0.6, 1), (1.0, 2), (1.1, 2), (1.2, 1), (3.0, 1)]
    assert [(round(at, 6), most) for at, most in series] == peaks


def test_a_folder_that_stays_above_its_limit_is_above_it_to_the_end() -> None:
    assert HotCount(["a", "b"], 1, 0.0).ended("d", "k", 7.0, known=True).above == 7.0
    count = HotCount([], 1, 0.0)
    assert count.ended("d", "k", 1.0, known=False).known is False
    count.come("a", 1.0)
    count.come("b", 2.0)
    count.come("c", 3.0)
    assert count.ended("d", "k", 9.0, known=False).above == 7.0


def test_what_was_lost_is_looked_up() -> None:
    count = HotCount(["a", "b"], 2, 0.0)
    count.anew(["b", "c", "d"], 2.0)
    count.anew(["d"], 3.0)
    seen = count.ended("d", "k", 4.0, known=True)
    assert (seen.came, seen.left, seen.last, seen.most, seen.above, seen.silent) == (2, 3, 1, 3, 1.0, 2.0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.floats(0, 1)), max_size=60))
def test_the_count_is_that_of_a_plain_set(steps: list[tuple[bool, int, float]]) -> None:
    names, at, most = {"0"}, 0.0, 1
    count = HotCount(names, 3, at)
    for comes, number, pause in steps:
        at += pause
        if comes:
            names.add(str(number))
            count.come(str(number), at)
        else:
            names.discard(str(number))
            count.go(str(number), at)
        most = max(most, len(names))
    seen = count.ended("d", "k", at, known=True)
    assert (seen.last, seen.most) == (len(names), most)
    assert seen.first + seen.came - seen.left >= seen.last
    assert 0 <= seen.above <= seen.seconds
    assert (seen.above > 0) <= (most > 3)
    assert max(value for _, value in seen.series) == most
    assert all(round(start / BIN) * BIN == pytest.approx(start) for start, _ in seen.series)


# A histogram.

LATENCY = Histogram({0.001: 90, 0.005: 98, 0.1: 99, inf: 100})


def test_a_quantile_is_the_bound_that_is_not_exceeded() -> None:
    assert LATENCY.count == 100
    assert [LATENCY.quantile(share) for share in (0.5, 0.9, 0.91, 0.99, 1.0)] == [0.001, 0.001, 0.005, 0.1, inf]
    assert (LATENCY.within(0.005), LATENCY.within(0.004), LATENCY.within(0.0001)) == (0.98, 0.9, 0.0)
    assert (Histogram().count, Histogram().quantile(0.5), Histogram().within(1)) == (0, inf, 0.0)


def test_what_came_between_two_looks() -> None:
    earlier = Histogram({0.001: 40, 0.005: 50, inf: 50})
    assert LATENCY.since(earlier) == Histogram({0.001: 50, 0.005: 48, 0.1: 99, inf: 50})
    assert earlier.since(LATENCY) == earlier  # the process began anew meanwhile


# Words.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00025, "0.25 ms"),
        (0.0314, "31.4 ms"),
        (4.2, "4.2 s"),
        (720, "12 min"),
        (84_000, "23.3 h"),
        (inf, "longer than can be told"),
    ],
)
def test_a_duration_in_words(seconds: float, text: str) -> None:
    assert wording.lasting(seconds) == text


def test_other_words() -> None:
    assert [wording.kept(seconds) for seconds in (HOUR, DAY, 90 * 60, 60)] == ["1 h", "24 h", "90 min", "60.0 s"]
    assert wording.when(NOW, UTC) == "2026-11-23 14:30:00"
    assert wording.clock(NOW, UTC) == "2026-11-23 14:30"
    assert [wording.counted(number, "file") for number in (0, 1, 2500)] == ["0 files", "1 file", "2,500 files"]
    assert wording.counted(2, "file that is", "files that are") == "2 files that are"
    assert wording.some(("a", "b", "c", "d", "e")) == "a, b, c and 2 more"
    assert wording.some(("a",)) == "a"


# 1. Folders.


def test_folders() -> None:
    whole = folders.Layout("capture1", ("segments", "captures"), 50, ())
    torn = folders.Layout("capture2", ("segments",), 23, ("segments/3", "segments/4"))
    line = folders.judge([whole, torn], FINE)
    assert verdicts(line) == [Verdict.PASSED, Verdict.FAILED]
    assert line.why == "capture2: 2 folders missing: segments/3, segments/4"
    well = folders.judge([whole], FINE)
    assert (well.verdict, well.why) == (Verdict.PASSED, "50 folders of 1 device")


# 2. Writing.


def test_new_files_appear_hot() -> None:
    line = writing.judge([WELL], [Stray("capture1", ())], FINE)
    assert line.verdict is Verdict.PASSED
    assert line.why == "20 new files in 1 hot folder in 20.0 s, none in an old place"


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({"came": 0, "kind": "captures"}, Verdict.FAILED, "there have been some"),
        ({"came": 0, "kind": "metadata", "known": False}, Verdict.NOT_SHOWN, "it has never had a file"),
        ({"came": 0, "device": "capture2"}, Verdict.FAILED, "nothing records capture2"),
        ({"strange": ("capture_1.json",)}, Verdict.FAILED, "capture_1.json came, which segments does not have"),
    ],
)
def test_a_kind_that_does_not_come_or_comes_elsewhere(change: dict[str, Any], verdict: Verdict, said: str) -> None:
    line = writing.judge([WELL, attrs.evolve(WELL, **change)], [], FINE)
    assert line.verdict is verdict
    assert said in line.why


def test_files_in_the_old_place() -> None:
    line = writing.judge([WELL], [Stray("capture1", ("segment_1.ts", "output.m3u8"))], FINE)
    assert line.why == "capture1: segment_1.ts, output.m3u8 came into its own folder, which is the old place"


# 3. Moving.


def test_files_that_move_at_once() -> None:
    line = moving.judge([WELL, attrs.evolve(WELL, above=0.0)], Moves(URL, LATENCY), 7, FINE)
    assert verdicts(line) == [Verdict.PASSED] * 3
    assert line.why == (
        "40 files left; no hot folder was above its limit for more than 0.4 ms; "
        "the reactor's own time: 99 of 100 within 100 ms"
    )
    assert "11 were hot at most of 10, above it for 0.4 ms at most" in line.points[0].text
    assert "never above it" in line.points[1].text
    assert "for 100 moves: half took at most 1 ms, 99 of 100 at most 100 ms" in line.points[2].text
    assert line.asked[-1] == URL


@pytest.mark.parametrize(
    ("watched", "moves", "reactor", "verdict", "said"),
    [
        ({"above": 0.6, "most": 14}, Moves(None, None), 7, Verdict.FAILED, "14 were hot of 10, above the limit"),
        ({}, Moves(URL, None), 7, Verdict.FAILED, f"{URL} did not answer"),
        ({}, Moves(URL, None), None, Verdict.FAILED, "no reactor runs on this root: hotcold run"),
        ({}, Moves(URL, Histogram({0.1: 98, inf: 100})), 7, Verdict.FAILED, "longer than can be told"),
        ({}, Moves(URL, LATENCY, 3), 7, Verdict.FAILED, "the reactor counted 3 refused moves"),
        ({"left": 0, "last": 8, "came": 4}, Moves(None, None), 7, Verdict.NOT_SHOWN, "look again in 10.0 s"),
        ({"left": 0, "last": 8, "came": 4}, Moves(None, None), None, Verdict.FAILED, "no reactor runs"),
        ({"left": 0, "came": 0}, Moves(URL, Histogram()), 7, Verdict.NOT_SHOWN, "so nothing had to leave"),
        ({"left": 0, "came": 0, "known": False}, Moves(URL, Histogram()), 7, Verdict.NOT_SHOWN, "nothing to be seen"),
    ],
)  # fmt: skip
def test_files_that_do_not(
    watched: dict[str, Any], moves: Moves, reactor: int | None, verdict: Verdict, said: str
) -> None:
    line = moving.judge([attrs.evolve(WELL, **watched)], moves, reactor, FINE)
    assert line.verdict is verdict
    assert said in line.why


# 4 and 8. What the hours hold.

HELD = Held(
    "capture1",
    "captures",
    HOUR,
    (Generation(date(2026, 11, 23), 13), Generation(date(2026, 11, 23), 14)),
    NOW - 600,
    True,
)


def test_hours_that_hold_their_own() -> None:
    empty = attrs.evolve(HELD, hours=(), oldest=None)
    well = holding.judge_hours([HELD], FINE)
    assert well.verdict is Verdict.PASSED
    assert well.why == "1,234 files looked at, in 2 hour folders and hot: each in its place"
    assert holding.judge_hours([HELD, empty], FINE).why == "capture1/captures: nothing has left the hot folder yet"
    line = holding.judge_hours([HELD, attrs.evolve(empty, recorded=False)], FINE)
    assert [point.text for point in line.points] == [
        "capture1/captures: 2 hours, 2026-11-23T13 to 2026-11-23T14, each with files of its own alone",
        "capture1/captures: empty",
        "1,234 files looked at, each by its mtime",
    ]


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({}, Verdict.NOT_SHOWN, "10 min old, and is kept for 1 h, so none is due: look again after 2026-11-23 15:20"),
        ({"oldest": NOW - HOUR + 100}, Verdict.PASSED, "58 min old"),
        ({"expired": 0.0}, Verdict.NOT_SHOWN, "none is due"),
        ({"expired": 12.0}, Verdict.PASSED, "12 files expired since the reactor began"),
        ({"expired": 1.0, "hours": (), "oldest": None, "recorded": False}, Verdict.PASSED, "are empty; 1 file"),
        ({"hours": (), "oldest": None}, Verdict.NOT_SHOWN, "its hour folders are empty"),
        ({"hours": (), "oldest": None, "recorded": False}, Verdict.NOT_SHOWN, ""),
        ({"retention": 3 * DAY, "oldest": NOW - DAY}, Verdict.PASSED, "kept for 24 h"),
    ],
)  # fmt: skip
def test_what_is_past_its_retention(change: dict[str, Any], verdict: Verdict, said: str) -> None:
    line = holding.judge_expiry([attrs.evolve(HELD, **change)], FINE, NOW, UTC)
    assert line.verdict is verdict
    assert said in told(line)


def test_what_waits_in_retired_is_told() -> None:
    line = holding.judge_expiry([attrs.evolve(HELD, waiting=2)], FINE, NOW, UTC)
    assert "2 folders in .retired, until each file is due" in line.points[-1].text


# 5. The screenshot.

SHOTS = Shots("capture1", URL, tuple(number / 1000 for number in range(1, 101)), 20_000)


def test_the_servers_own_time_decides() -> None:
    fast = screenshot.judge([SHOTS], Histogram({0.0025: 60, 0.005: 99, inf: 100}))
    assert fast.verdict is Verdict.PASSED
    assert "half took at most 2.5 ms, 99 of 100 at most 5 ms; 99.0% were within 5 ms" in fast.why
    assert "the last of 20,000 bytes; over loopback, with the client: median 50.5 ms, p99 99 ms" in fast.points[1].text
    slow = screenshot.judge([SHOTS], Histogram({0.005: 49, 0.01: 100, inf: 100}))
    assert slow.verdict is Verdict.FAILED


def test_without_it_the_clients() -> None:
    assert screenshot.judge([SHOTS], Histogram()).verdict is Verdict.FAILED
    line = screenshot.judge([attrs.evolve(SHOTS, seconds=(0.004,))], Histogram())
    assert line.why == "the client's time, as the server tells none: median 4 ms, p99 4 ms"
    assert line.verdict is Verdict.PASSED


def test_a_screenshot_that_is_refused() -> None:
    refused = Shots("capture2", URL, (), refused="503: capture2 has stopped")
    line = screenshot.judge([SHOTS, refused], Histogram({0.001: 100, inf: 100}))
    assert line.why == "capture2: 503: capture2 has stopped"
    assert screenshot.judge([refused], Histogram()).verdict is Verdict.FAILED
    assert screenshot.judge([], Histogram()).verdict is Verdict.NOT_SHOWN


# 6. The day.

END = NOW - NOW % HOUR + HOUR
START = END - DAY


def a_day(hours: list[int], since: float | None, held: list[int] | None = None, **more: Any) -> Day:
    """A heatmap with two minutes in each of these hours, counted from its start; `held`: those on the disk."""
    minutes = tuple(Minute(START + hour * HOUR + 60 * number, 300, "/x") for hour in hours for number in (0, 7))
    there = hours if held is None else held
    generations = tuple(CALENDAR.generation_at(START + hour * HOUR) for hour in there)
    return Day("capture1", URL, START, END, minutes, generations, since, len(hours), **more)


def judged(found: Day) -> Line:
    return day.judge([found], CALENDAR, UTC)


def test_a_whole_day() -> None:
    line = judged(a_day(list(range(24)), START + 30))
    assert verdicts(line) == [Verdict.PASSED]
    assert told(line) == "capture1: 24 hours of 24, 48 minutes with thumbnails, 24 thumbnails asked for and complete"
    assert line.why == (
        "every hour that is on the disk, 48 minutes with thumbnails; 24 thumbnails asked for, one an hour, and complete"
    )


def test_hours_in_which_nothing_was_recorded_are_named() -> None:
    line = judged(a_day([0, 1, 2, *range(5, 24)], START + 30))
    assert line.verdict is Verdict.PASSED
    assert line.points[-1].text == (
        "capture1: empty: 2026-11-22T18, 2026-11-22T19: nothing of these hours is on the disk"
    )


def test_a_young_host_shows_what_it_has() -> None:
    line = judged(a_day([22, 23], END - 100 * 60))
    assert line.verdict is Verdict.NOT_SHOWN
    assert (
        "all that there is since the first recording, 2026-11-23 13:20; look again after 2026-11-24 12:20" in line.why
    )
    assert line.points[-1].text == (
        "capture1: empty: 2026-11-22T15 to 2026-11-23T12, before the first recording, 2026-11-23 13:20"
    )
    assert "empty: 2026-11-22T15, before" in judged(a_day(list(range(1, 24)), START + HOUR)).points[-1].text
    assert judged(a_day([], None)).why == "capture1: nothing was recorded yet"
    assert day.judge([], CALENDAR, UTC).verdict is Verdict.NOT_SHOWN


def test_an_hour_of_the_disk_that_the_heatmap_has_not() -> None:
    line = judged(a_day(list(range(23)), START + 30, held=list(range(24))))
    assert line.why == "capture1: thumbnails of 2026-11-23T14 are on the disk, and not in the heatmap"
    outside = a_day(list(range(24)), START + 30)
    nowhere = Generation(date(2026, 11, 21), 3)
    assert judged(attrs.evolve(outside, held=(nowhere, *outside.held))).verdict is Verdict.PASSED


def test_an_hour_that_a_zone_skips_is_not_missed() -> None:
    calendar = Calendar(zurich())
    skipped = Generation(date(2026, 3, 29), 2)
    assert calendar.span(skipped) is None
    found = attrs.evolve(a_day(list(range(24)), START + 30), held=(skipped,))
    assert day.judge([found], calendar, UTC).verdict is Verdict.PASSED


def zurich() -> ZoneInfo:
    return ZoneInfo("Europe/Zurich")


def test_thumbnails_that_do_not_come_and_a_heatmap_that_is_refused() -> None:
    line = judged(a_day(list(range(24)), START + 30, broken=("/a", "/b")))
    assert line.why == "capture1: of 24 thumbnails these did not come: /a, /b"
    assert judged(a_day([], None, refused="404: no such device")).why == "capture1: 404: no such device"


# 7. Playlists.

GOOD = Hour("capture1", URL, 3600, 3600.0, samples=(Sample(URL, 25), Sample(URL, 24)))


def test_playlists_that_play() -> None:
    line = playing.judge([GOOD, attrs.evolve(GOOD, samples=())], FINE, answers=True)
    assert line.verdict is Verdict.PASSED
    assert line.why == "2 playlists of an hour: 7,200 segments, 2.0 h; 2 segments of them decoded, 49 frames"
    assert told(line) == (
        "capture1: 2 playlists of an hour answered 200 and the same bytes as on the disk: 7,200 segments, 2.0 h; "
        "2 segments of them fetched and decoded, 49 frames"
    )


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({"missing": ("segment_1.ts",)}, Verdict.FAILED, f"{URL}: lists 1 file that is not there: segment_1.ts"),
        ({"trouble": "404: no such file"}, Verdict.FAILED, f"{URL}: 404: no such file"),
        ({"samples": (Sample(URL, 25), Sample(URL, None, "no frame"))}, Verdict.FAILED, f"{URL}: no frame"),
        ({"samples": (Sample(URL, None),)}, Verdict.NOT_SHOWN, "there is no ffprobe"),
        ({"samples": ()}, Verdict.PASSED, "3,600 segments, 60 min; 0 segments"),
    ],
)
def test_playlists_that_do_not(change: dict[str, Any], verdict: Verdict, said: str) -> None:
    line = playing.judge([attrs.evolve(GOOD, **change)], FINE, answers=True)
    assert line.verdict is verdict
    assert said in line.why


def test_no_playlist_and_no_api() -> None:
    assert playing.judge([], FINE, answers=True).verdict is Verdict.NOT_SHOWN
    assert playing.judge([], FINE, answers=False).why == "the API does not answer: hotcold serve"


# 9. Steadiness.

OK = [Health("reactor", URL, 20, ()), Health("API", URL, 20, ())]
LOST = [Asked(URL, 1.0, None, "x"), Asked(URL, 10.0, None, "timed out")]
ASKED = [Asked(URL, 0.002, 200), Asked("http://slow", 0.2, 503)]


def test_all_was_steady() -> None:
    line = steadiness.judge(ASKED, OK, [WELL, attrs.evolve(WELL, kind="metadata", silent=19.0)], 3.0)
    assert verdicts(line) == [Verdict.PASSED] * 4
    assert line.why == (
        "2 requests answered, the slowest in 200 ms; every /healthz said ok each second; "
        "no device was without a new file for more than 1.1 s"
    )
    assert line.points[2].text == "2 requests were answered; the slowest, http://slow, in 200 ms"
    assert line.points[3].text == "capture1: the longest time without a new file was 1.1 s (in segments)"
    assert steadiness.judge(ASKED[:1], OK, [], 3.0).points[2].text.startswith("one request was answered")


@pytest.mark.parametrize(
    ("asked", "healths", "silent", "verdict", "said"),
    [
        ([*ASKED, *LOST], OK, 1.0, Verdict.FAILED, "not answered 2 times, after 10.0 s: timed out"),
        (ASKED, [Health("reactor", URL, 5, ("503: disk", "503: disk"))], 1.0, Verdict.FAILED, "2 not ok: 503: disk"),
        (ASKED, [Health("reactor", None, 5, ())], 1.0, Verdict.NOT_SHOWN, "its address is not configured"),
        (ASKED, [Health("API", URL, 0, ())], 1.0, Verdict.FAILED, "could not be asked once"),
        (ASKED, OK, 3.5, Verdict.FAILED, "its ffmpeg stood still"),
        ([], OK, 1.0, Verdict.PASSED, ""),
    ],
)  # fmt: skip
def test_what_was_not(asked: list[Asked], healths: list[Health], silent: float, verdict: Verdict, said: str) -> None:
    line = steadiness.judge(asked, healths, [attrs.evolve(WELL, silent=silent)], 3.0)
    assert line.verdict is verdict
    assert said in line.why


def test_points_that_decide_nothing_leave_a_line_not_shown() -> None:
    assert Line(Item.DAY, (Point("told"),)).verdict is Verdict.NOT_SHOWN
    assert Line(Item.DAY, (Point("told"),)).why == "there was nothing to be seen"
    assert Line(Item.DAY, (Point("told"), not_shown("wait"))).why == "wait"
