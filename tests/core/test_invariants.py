"""What is said of a folder's facts; the folders themselves are in tests/disk/test_check.py."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.hours import DAY, HOUR, Calendar, Generation, zone
from hotcold_inotify.invariants import (
    KEPT,
    Expiry,
    Finding,
    HotFacts,
    Hour,
    Moment,
    Names,
    RetiredFacts,
    SlotFacts,
    Violation,
    What,
    judge_hot,
    judge_retired,
    judge_slot,
    merged,
    resident,
    still,
)
from hotcold_inotify.names import Pattern
from hotcold_inotify.playlist import Entry, Playlist
from hotcold_inotify.timeline import Segment

UTC = Calendar(zone("UTC"))
NOW = 1_795_444_200.0  # 2026-11-23, 14:30
PATTERN = Pattern.parse("segment_*.ts")
H12, H13, H14, H15 = (Generation(date(2026, 11, 23), hour) for hour in (12, 13, 14, 15))
YESTERDAY_14 = Generation(date(2026, 11, 22), 14)
TOMORROW_14 = Generation(date(2026, 11, 24), 14)
MOMENT = Moment(H14, H14)


def hour(*numbers: int, size: int = 9) -> Hour:
    made = Hour()
    for number in numbers:
        name = PATTERN.match(f"segment_{number}.ts")
        assert name is not None
        made.names.add(name.text)
        made.segments.append(Segment(name, NOW + number, size))
    return made


def listing(*numbers: int, ended: bool = False, target: int = 2, duration: float = 1.0) -> Playlist:
    return Playlist(target, tuple(Entry(f"segment_{number}.ts", duration) for number in numbers), ended=ended)


def judged(facts: SlotFacts, *hot: Generation, moment: Moment = MOMENT, lists: bool = True) -> dict[What, list[str]]:
    return {one.what: one.names.kept for one in merged(judge_slot(facts, moment, hot, lists=lists))}


@pytest.mark.parametrize(
    ("generations", "stays"),
    [
        ([], None),
        ([H13], None),
        ([YESTERDAY_14], YESTERDAY_14),
        ([YESTERDAY_14, H14, H13], H14),
        ([H14, TOMORROW_14], H14),
        ([TOMORROW_14], TOMORROW_14),
        ([TOMORROW_14, Generation(date(2026, 11, 25), 14)], TOMORROW_14),
    ],
)
def test_i5_the_newest_hour_that_has_begun_stays_in_its_slot(
    generations: list[Generation], stays: Generation | None
) -> None:
    assert resident(14, generations, H14) == stays


def test_i3_so_many_files_more_than_the_limit_are_hot() -> None:
    (found,) = merged(judge_hot(HotFacts(3, 5)))
    assert (found.what, found.names.count, found.slot) == (What.OVER_LIMIT, 2, None)
    assert merged(judge_hot(HotFacts(3, 3))) == []
    facts = HotFacts(3, 0, Names.of("a"), Names.of("b"), Names.of("c"))
    assert {one.what for one in merged(judge_hot(facts))} == {What.UNMANAGED, What.UNFINISHED, What.IN_TWO_PLACES}


def test_what_waits_is_a_fault_only_at_rest() -> None:
    facts = RetiredFacts(homeless=Names.of("a"))
    assert [one.what for one in merged(judge_retired(facts, live=True))] == [What.WAITING]
    assert [one.what for one in merged(judge_retired(facts, live=False))] == [What.RETIRED]
    assert What.RETIRED.fails
    assert not What.WAITING.fails


def test_i5_each_hour_in_a_slot_is_judged() -> None:
    facts = SlotFacts(14, {H14: hour(1), H13: hour(2, 3), YESTERDAY_14: hour(4)}, Names.of("x"), Names.of("y"))
    facts.hours[H14].due.add("segment_1.ts")
    assert judged(facts, lists=False) == {
        What.EXPIRED: ["segment_1.ts"],
        What.WRONG_HOUR: ["segment_2.ts", "segment_3.ts"],
        What.MIXED_DAYS: ["segment_4.ts"],
        What.UNMANAGED: ["x"],
        What.UNFINISHED: ["y"],
    }


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (SlotFacts(14), {}),
        (SlotFacts(14, {H14: hour(1, 2)}, playlist=listing(1, 2)), {}),
        (SlotFacts(14, {H14: hour(1, 2)}), {What.NOT_LISTED: ["segment_1.ts", "segment_2.ts"]}),
        (SlotFacts(14, {H14: hour(1, size=0)}), {}),
        (SlotFacts(14, {H14: hour(1, 2)}, playlist=listing(1)), {What.NOT_LISTED: ["segment_2.ts"]}),
        (SlotFacts(14, {H14: hour(1)}, playlist=listing(1, 2)), {What.LISTED_MISSING: ["segment_2.ts"]}),
        (SlotFacts(14, {H14: hour(1, size=0)}, playlist=listing(1)), {What.LISTED_MISSING: ["segment_1.ts"]}),
        (SlotFacts(14, {H14: hour(1)}, playlist=listing(1, 1)), {What.DISORDER: ["segment_1.ts"]}),
        (SlotFacts(14, {H14: hour(1, 2)}, playlist=listing(2, 1)), {What.DISORDER: ["segment_1.ts"]}),
        (SlotFacts(14, {H14: hour(1)}, playlist=listing(1, duration=3)), {What.TARGET: ["segment_1.ts"]}),
        (SlotFacts(14, {H14: hour(1)}, broken="line 1"), {What.NO_PLAYLIST_FILE: ["line 1"]}),
        (SlotFacts(14, {H14: hour(1)}, playlist=listing(1, ended=True)), {What.ENDED_EARLY: []}),
        (SlotFacts(13, {H13: hour(1)}, playlist=listing(1)), {What.NOT_ENDED: []}),
        (SlotFacts(13, {H13: hour(1)}, playlist=listing(1, ended=True)), {}),
        (SlotFacts(13, playlist=listing(ended=True)), {}),
        (SlotFacts(15, {H15: hour(1)}, playlist=listing(1)), {}),
        # What is in the wrong slot is told of once, listed or not.
        (
            SlotFacts(13, {H13: hour(1), H12: hour(2)}, playlist=listing(1, ended=True)),
            {What.WRONG_HOUR: ["segment_2.ts"]},
        ),
        (SlotFacts(13, {H12: hour(2)}, playlist=listing(2)), {What.WRONG_HOUR: ["segment_2.ts"]}),
    ],
)
def test_i4_a_playlist_is_held_against_its_slot(facts: SlotFacts, found: dict[What, list[str]]) -> None:
    assert judged(facts) == found


def test_i9_an_hour_is_not_over_while_a_file_of_it_is_hot_or_it_was_live_a_moment_ago() -> None:
    open_hour = SlotFacts(13, {H13: hour(1)}, playlist=listing(1))
    ended = SlotFacts(13, {H13: hour(1)}, playlist=listing(1, ended=True))
    assert judged(open_hour, H13) == {}
    assert judged(ended, H13) == {What.ENDED_EARLY: []}
    a_moment_ago = Moment(H14, H13)
    assert judged(open_hour, moment=a_moment_ago) == judged(ended, moment=a_moment_ago) == {}


@given(
    st.floats(-3 * DAY, DAY),
    st.sampled_from([600.0, float(HOUR), 5.5 * HOUR, float(DAY)]),
)
def test_i6_expiry_says_what_the_calendar_says(age: float, retention: float) -> None:
    mtime = NOW + age
    generation = UTC.generation_at(mtime)
    by_file, by_hour = (Expiry(UTC, retention, NOW, whole=whole) for whole in (False, True))
    for _ in range(2):
        assert by_file(generation, mtime) == UTC.file_due(mtime, retention, NOW)
        assert by_hour(generation, mtime) == UTC.slot_due(generation, retention, NOW)


def test_names_are_counted_and_the_first_are_kept() -> None:
    names = Names.of(str(number) for number in range(KEPT + 5))
    assert (names.count, len(names.kept), names.kept[-1]) == (KEPT + 5, KEPT, str(KEPT - 1))
    (found,) = merged([Finding(What.EXPIRED, names, 1), Finding(What.EXPIRED, Names.of("x"), 1)])
    assert (found.names.count, len(found.names.kept)) == (KEPT + 6, KEPT)


def test_two_looks_agree_on_what_both_found() -> None:
    many = Names.of(str(number) for number in range(KEPT + 1))
    before = [
        Finding(What.NOT_LISTED, Names.of("ab"), 1),
        Finding(What.OVER_LIMIT, Names(2)),
        Finding(What.EXPIRED, many),
    ]
    assert still(before, [Finding(What.NOT_LISTED, Names.of("bc"), 1)]) == [Finding(What.NOT_LISTED, Names.of("b"), 1)]
    assert still(before, [Finding(What.NOT_LISTED, Names.of("c"), 1)]) == []
    assert still(before, [Finding(What.NOT_LISTED, Names.of("a"), 2)]) == []
    for unnamed in (Finding(What.OVER_LIMIT, Names(1)), Finding(What.EXPIRED, Names.of("x"))):
        assert still(before, [unnamed]) == [unnamed]
    assert still(before, []) == []


def test_a_violation_in_words() -> None:
    one = Violation(Finding(What.WRONG_HOUR, Names.of(["segment_1.ts"]), 5), "capture1", "segments")
    assert str(one) == "capture1/segments/5: files lie in the hour folder of another hour (1, segment_1.ts)"
    assert one.plain() == {
        "what": "wrong_hour",
        "device": "capture1",
        "kind": "segments",
        "slot": 5,
        "count": 1,
        "example": "segment_1.ts",
        "text": "files lie in the hour folder of another hour",
        "remedy": "hotcold check --repair",
    }
    assert one.fails
    two = Violation(Finding(What.OVER_LIMIT, Names(2)), "capture1", "segments")
    assert str(two) == "capture1/segments: more files are hot than the limit allows (2)"
    assert "start the reactor" in two.remedy
