import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.names import FileName
from hotcold_inotify.playlist import Entry, Heard, Playlist, fits, parse, render
from hotcold_inotify.timeline import (
    Difference,
    Knowledge,
    Placed,
    Refused,
    Segment,
    differs,
    heard_from,
    step,
    target,
    timeline,
)

NOON = 1_795_435_200.0
TARGET = 4


def segment(number: int, mtime: float, *, revision: int = 0, size: int = 80_000) -> Segment:
    revised = f"_r{revision}" if revision else ""
    return Segment(FileName(f"segment_{number:09}{revised}.ts", number, revision), mtime, size)


def unheard(_name: str) -> None:
    return None


def heard(said: dict[int, Heard]) -> Knowledge:
    return Knowledge({segment(number, 0).name.text: word for number, word in said.items()}.get)


def entries(*segments: Segment, knowledge: Knowledge | None = None) -> list[Entry]:
    return [placed.entry for placed in timeline(segments, knowledge or Knowledge(unheard))]


def flags(made: list[Entry]) -> list[bool]:
    return [entry.discontinuity for entry in made]


# --- durations ---


def test_what_the_live_playlist_said_counts_first() -> None:
    knowledge = heard({5: Heard(0.96, NOON - 1.2, restart=False)})
    assert entries(segment(5, NOON), knowledge=knowledge) == [Entry("segment_000000005.ts", 0.96, NOON - 1.2)]


def test_without_it_the_time_between_two_files_is_the_seconds_duration() -> None:
    made = entries(segment(5, NOON), segment(6, NOON + 1.04))
    assert [(entry.duration, entry.start) for entry in made] == [(1.0, NOON - 1), (1.04, NOON)]


@pytest.mark.parametrize(
    ("number", "later"),
    [(7, 1.0), (6, 0.01), (6, 2.1), (5, 1.0)],
    ids=["a number between is missing", "flushed together", "a pause between", "a number that came again"],
)
def test_where_the_mtimes_do_not_tell_the_file_is_measured(number: int, later: float) -> None:
    asked = []

    def measured(name: str) -> float:
        asked.append(name)
        return 0.72

    following = segment(number, NOON + later, revision=1)
    made = entries(segment(5, NOON), following, knowledge=Knowledge(unheard, measured))
    assert asked == ["segment_000000005.ts", following.name.text]
    assert made[1].duration == 0.72
    assert made[1].start == round(NOON + later - 0.72, 3)


def test_a_file_that_cannot_be_measured_is_taken_as_nominal() -> None:
    assert entries(segment(5, NOON), knowledge=Knowledge(unheard, nominal=6.0)) == [
        Entry("segment_000000005.ts", 6.0, NOON - 6)
    ]


# --- starts ---


@pytest.mark.parametrize(
    ("said", "start"),
    [
        (NOON - 1.3, NOON - 1.3),
        (NOON - 6.0, NOON - 6.0),
        (NOON + 4.0, NOON + 4.0),
        (NOON - 6.1, NOON - 1.0),
        (NOON + 4.1, NOON - 1.0),
        (None, NOON - 1.0),
    ],
)
def test_a_start_is_believed_while_it_is_near_the_mtime(said: float | None, start: float) -> None:
    made = entries(segment(5, NOON), knowledge=heard({5: Heard(1.0, said, restart=False)}))
    assert made[0].start == start


def test_an_encoder_that_drifts_from_the_wall_clock_makes_two_jumps_not_hundreds() -> None:
    # 50 ms of jitter on a drift of 10 ms a segment: the limit of 5 s is met at every segment from 495 to 505.
    jitter = random.Random(1)
    segments = [segment(n, NOON + 1.01 * n + jitter.uniform(0, 0.05)) for n in range(1100)]
    said = {n: Heard(1.0, NOON + n - 1, restart=False) for n in range(1100)}
    made = entries(*segments, knowledge=heard(said))
    assert sum(flags(made)) == 1
    jump = flags(made).index(True)
    assert made[jump - 1].start == NOON + jump - 2
    assert made[jump].start == round(segments[jump].mtime - 1, 3)
    assert 9.9 < segments[jump].mtime - (NOON + jump) < 10.1


# --- discontinuities ---


def test_a_run_from_start_to_end_has_none() -> None:
    said = {n: Heard(1.0, NOON + n, restart=False) for n in range(100)}
    assert not any(flags(entries(*(segment(n, NOON + n + 1.2) for n in range(100)), knowledge=heard(said))))


@pytest.mark.parametrize("restart", [False, True])
def test_the_first_of_a_slot_is_one_only_when_it_begins_a_run(restart: bool) -> None:
    assert flags(entries(segment(5, NOON), knowledge=heard({5: Heard(1.0, NOON, restart)}))) == [restart]


def test_a_restart_that_was_heard_of_is_one() -> None:
    knowledge = heard({5: Heard(1.0, NOON, restart=False), 6: Heard(1.0, NOON + 1, restart=True)})
    assert flags(entries(segment(5, NOON + 1), segment(6, NOON + 2), knowledge=knowledge)) == [False, True]


@pytest.mark.parametrize(
    "following",
    [segment(7, NOON + 1), segment(0, NOON + 1), segment(5, NOON + 1, revision=1)],
    ids=["a number is missing", "from 0 again", "the same number again"],
)
def test_a_number_that_is_not_the_next_one_is_one(following: Segment) -> None:
    assert flags(entries(segment(5, NOON), following)) == [False, True]


def test_revisions_of_following_numbers_follow() -> None:
    made = entries(segment(5, NOON, revision=1), segment(6, NOON + 1, revision=1), segment(7, NOON + 2))
    assert flags(made) == [False, False, False]


def test_an_empty_file_makes_no_entry_and_what_comes_behind_it_is_one() -> None:
    made = entries(segment(5, NOON), segment(6, NOON + 1, size=0), segment(7, NOON + 2), segment(8, NOON + 3))
    assert [entry.uri[-4] for entry in made] == ["5", "7", "8"]
    assert flags(made) == [False, True, False]


@pytest.mark.parametrize(("pause", "broken"), [(0.9, False), (1.1, True), (-0.9, False), (-1.1, True)])
def test_a_start_off_the_last_end_is_one_beyond_a_second(pause: float, broken: bool) -> None:
    knowledge = heard({5: Heard(1.0, NOON, restart=False), 6: Heard(1.0, NOON + 1 + pause, restart=False)})
    assert flags(entries(segment(5, NOON + 1), segment(6, NOON + 2), knowledge=knowledge)) == [False, broken]


def test_longer_segments_leave_more_room() -> None:
    knowledge = attrs.evolve(
        heard({5: Heard(4.0, NOON, restart=False), 6: Heard(4.0, NOON + 7.5, restart=False)}), nominal=4.0
    )
    assert flags(entries(segment(5, NOON + 4), segment(6, NOON + 8), knowledge=knowledge)) == [False, False]


@given(st.lists(st.floats(0, 0.45), min_size=2, max_size=60), st.booleans())
def test_late_mtimes_alone_make_none(lateness: list[float], measurable: bool) -> None:
    knowledge = Knowledge(unheard, (lambda _: 1.0) if measurable else unheard)
    assert not any(
        flags(entries(*(segment(n, NOON + n + late) for n, late in enumerate(lateness)), knowledge=knowledge))
    )


@given(st.sets(st.integers(1, 30)), st.floats(0, 4))
def test_segments_that_nobody_heard_of_among_others_make_none(missing: set[int], latency: float) -> None:
    # The encoder's buffers make each mtime late by `latency`; the starts that it says know nothing of that.
    said = {n: Heard(1.0, NOON + n, restart=False) for n in range(31) if n not in missing}
    made = entries(*(segment(n, NOON + n + 1 + latency) for n in range(31)), knowledge=heard(said))
    assert not any(flags(made))
    assert [entry.start for entry in made] == [NOON + n for n in range(31)]


# --- a step ---


def test_a_step_is_refused_when_it_makes_no_entry_or_the_playlist_cannot_take_it() -> None:
    knowledge = heard({6: Heard(4.5, NOON, restart=False), 7: Heard(4.4, NOON, restart=False)})
    last = step(None, segment(5, NOON), knowledge, TARGET)
    assert isinstance(last, Placed)
    assert step(last, segment(6, NOON + 1, size=0), knowledge, TARGET) is Refused.EMPTY
    assert step(None, segment(6, NOON + 1), knowledge, TARGET) is Refused.TOO_LONG
    assert isinstance(step(None, segment(7, NOON + 1), knowledge, TARGET), Placed)
    for late in [segment(9, NOON - 0.001), segment(4, NOON), segment(5, NOON)]:
        assert step(last, late, knowledge, TARGET) is Refused.LATE
    assert isinstance(step(last, segment(5, NOON, revision=1), knowledge, TARGET), Placed)


segments = st.builds(
    lambda number, ticks, revision, size: segment(number, NOON + ticks / 250, revision=revision, size=size),
    st.integers(0, 9),
    st.integers(0, 2500),
    st.integers(0, 2),
    st.sampled_from([0, 1, 80_000]),
)
listings = st.lists(segments, max_size=20, unique_by=lambda one: one.name.text)
words = st.builds(
    Heard,
    st.floats(0, 3.9),
    st.none() | st.floats(NOON - 20, NOON + 30),
    st.booleans(),
)
knowledges = st.builds(
    lambda said, measured, nominal: Knowledge(said.get, measured.get, nominal),
    st.dictionaries(segments.map(lambda one: one.name.text), words),
    st.dictionaries(segments.map(lambda one: one.name.text), st.floats(0.01, 3.9)),
    st.sampled_from([0.5, 1.0, 2.0]),
)


@given(listings, knowledges)
def test_i4_step_by_step_and_all_at_once_come_to_the_same(listing: list[Segment], knowledge: Knowledge) -> None:
    last: Placed | None = None
    made: list[Placed] = []
    for one in sorted(listing, key=lambda one: one.order):
        result = step(last, one, knowledge, TARGET)
        if isinstance(result, Placed):
            made.append(last := result)
        else:
            assert result is Refused.EMPTY
    assert timeline(listing, knowledge) == tuple(made)
    assert {placed.entry.uri for placed in made} == {one.name.text for one in listing if one.size}


@given(listings, knowledges)
def test_i7_a_rebuild_from_the_playlist_it_wrote_changes_nothing(listing: list[Segment], knowledge: Knowledge) -> None:
    made = timeline(listing, knowledge)
    written = parse(render(Playlist(TARGET, tuple(placed.entry for placed in made))).decode())
    assert timeline(listing, Knowledge(heard_from(written).get, nominal=knowledge.nominal)) == made
    assert differs(listing, written) == {}


@given(st.lists(st.floats(0, 30), max_size=5), st.sampled_from([1.0, 6.0]))
def test_the_target_leaves_room_for_twice_what_was_seen(durations: list[float], nominal: float) -> None:
    chosen = target(durations, nominal)
    assert chosen >= 2
    assert chosen % 2 == 0
    assert all(fits(2 * duration, chosen) for duration in [*durations, nominal])


def test_the_target_of_one_second_segments_is_two_and_of_slightly_longer_ones_four() -> None:
    assert target([], 0.5) == 2
    assert target([1.0, 0.96], 1.0) == 2
    assert target([1.04], 1.0) == 4
    assert target([0.5], 6.0) == 12
    assert target([0.0], 0.0) == 2


# --- what is wrong with a playlist ---


def playlist(*numbers: int, target: int = 2) -> Playlist:
    return Playlist(target, tuple(Entry(segment(number, 0).name.text, 1.0) for number in numbers))


LISTING = [segment(3, NOON + 3), segment(1, NOON + 1), segment(2, NOON + 2), segment(4, NOON + 4, size=0)]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (playlist(1, 2, 3), {}),
        (playlist(2), {Difference.NOT_LISTED: (1, 3)}),
        (playlist(1, 2, 3, 9), {Difference.NO_FILE: (9,)}),
        (playlist(1, 2, 3, 4), {Difference.EMPTY_FILE: (4,)}),
        (playlist(1, 2, 3, 2), {Difference.LISTED_TWICE: (2,)}),
        (playlist(2, 3, 1), {Difference.OUT_OF_ORDER: (1,)}),
        (playlist(1, 2, 3, target=0), {Difference.TOO_LONG: (1, 2, 3)}),
        (playlist(9, 3, 1), {Difference.NOT_LISTED: (2,), Difference.NO_FILE: (9,), Difference.OUT_OF_ORDER: (1,)}),
        (playlist(), {Difference.NOT_LISTED: (1, 2, 3)}),
    ],
)
def test_i4_a_playlist_is_held_against_its_folder(
    listed: Playlist, expected: dict[Difference, tuple[int, ...]]
) -> None:
    assert differs(LISTING, listed) == {
        difference: tuple(segment(number, 0).name.text for number in numbers)
        for difference, numbers in expected.items()
    }
