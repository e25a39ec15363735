import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hotcold_inotify.hours import DAY, HOUR, Calendar, Generation, Span, zone

# Zones whose generations are contiguous, and one (Troll: two hours back in autumn) whose are not.
TIDY = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
TROLL = "Antarctica/Troll"
# Newfoundland changed at 00:01, Liberia was 44 min 30 s behind until 1972, Samoa skipped 2011-12-30.
ODD = ("America/St_Johns", "Africa/Monrovia", "Pacific/Apia")
CALENDARS = {name: Calendar(zone(name)) for name in (*TIDY, TROLL, *ODD)}

FIRST = 0
LAST = int(datetime(2099, 12, 31, tzinfo=UTC).timestamp())


def _transitions(name: str) -> list[int]:
    """The changes of offset from 1970 to 2099, as far as no two of them lie within 20 days."""
    here = ZoneInfo(name)

    def offset(second: int) -> timedelta:
        return datetime.fromtimestamp(second, here).utcoffset() or timedelta()

    found = []
    for start in range(FIRST, LAST, 20 * DAY):
        before, after = start, start + 20 * DAY
        if offset(before) != offset(after):
            while after - before > 1:
                middle = (before + after) // 2
                before, after = (middle, after) if offset(middle) == offset(before) else (before, middle)
            found.append(after)
    return found


TRANSITIONS = {name: _transitions(name) for name in CALENDARS}


def instants(name: str) -> st.SearchStrategy[float]:
    anywhen = st.floats(FIRST, LAST) | st.integers(FIRST, LAST).map(float)
    if not TRANSITIONS[name]:
        return anywhen
    near = st.tuples(st.sampled_from(TRANSITIONS[name]), st.integers(-3 * HOUR, 3 * HOUR) | st.floats(-10_800, 10_800))
    return anywhen | near.map(sum) | near.map(sum)


def scenes(*names: str) -> st.SearchStrategy[tuple[str, float]]:
    return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), instants(name)))


@pytest.fixture
def machine_zone() -> Iterator[None]:
    """The machine's own zone is Zurich's for as long as the test runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Zurich")
        time.tzset()
        yield
    time.tzset()


ZURICH = CALENDARS["Europe/Zurich"]


def zurich(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Zurich"), fold=fold).timestamp()


def test_the_tables_hold_real_clock_changes() -> None:
    assert zurich("2026-03-29T03:00") in TRANSITIONS["Europe/Zurich"]
    assert zurich("2026-10-25T02:00", fold=1) in TRANSITIONS["Europe/Zurich"]
    assert len(TRANSITIONS[TROLL]) > 150
    assert any(second % 900 for second in TRANSITIONS["America/St_Johns"])


@given(st.dates(), st.integers(0, 23))
def test_a_generation_reads_what_it_writes(day: date, hour: int) -> None:
    generation = Generation(day, hour)
    assert Generation.parse(str(generation)) == generation
    assert generation.slot == hour
    assert str(generation) == f"{day.isoformat()}T{hour:02}"


@pytest.mark.parametrize("text", ["", "2026-03-29", "2026-03-29T24", "2026-02-30T01", "2026-3-29T01", "2026-03-29T1"])
def test_no_other_text_is_a_generation(text: str) -> None:
    with pytest.raises(ValueError, match=r"generation|day"):
        Generation.parse(text)


def test_generations_sort_by_date_then_hour() -> None:
    texts = ["2026-12-31T23", "2026-01-02T00", "2026-01-01T23"]
    assert sorted(map(Generation.parse, texts)) == [Generation.parse(text) for text in reversed(texts)]


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Base", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 5_000])
def test_an_unknown_zone_is_named_in_plain_words(name: str) -> None:
    with pytest.raises(ValueError, match="IANA") as caught:
        zone(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["local", "UTC", "Europe/Zurich"])
def test_a_calendar_knows_its_zones_name(name: str) -> None:
    assert Calendar(zone(name)).zone_name == name


def test_i5_the_hour_that_spring_skips() -> None:
    skipped = Generation.parse("2026-03-29T02")
    assert ZURICH.span(skipped) is None
    assert ZURICH.next_turn(zurich("2026-03-29T01:30")) == zurich("2026-03-29T03:00")
    before = Generation.parse("2026-03-28T02")
    assert ZURICH.comes_round(before) == zurich("2026-03-30T02:00")
    assert not ZURICH.slot_due(before, 24 * HOUR, zurich("2026-03-29T03:00") - 1)
    # 24 h after its end on the 28th at 03:00 is 04:00 summer time: due by age, a day before the hour comes round
    assert not ZURICH.slot_due(before, 24 * HOUR, zurich("2026-03-29T04:00") - 1)
    assert ZURICH.slot_due(before, 24 * HOUR, zurich("2026-03-29T04:00"))
    assert not ZURICH.slot_due(before, 72 * HOUR, zurich("2026-03-30T02:00") - 1)
    assert ZURICH.slot_due(before, 72 * HOUR, zurich("2026-03-30T02:00"))
    assert not ZURICH.slot_due(skipped, HOUR, zurich("2026-03-30T01:59"))
    assert ZURICH.slot_due(skipped, HOUR, zurich("2026-03-30T02:00"))


def test_i5_the_hour_that_autumn_repeats_is_one_generation() -> None:
    twice = Generation.parse("2026-10-25T02")
    start, end = zurich("2026-10-25T02:00"), zurich("2026-10-25T03:00")
    assert end - start == 2 * HOUR
    assert ZURICH.span(twice) == Span(start, end)
    assert ZURICH.next_turn(start) == end
    for offset in (0, HOUR - 1, HOUR, 2 * HOUR - 1):
        assert ZURICH.generation_at(start + offset) == twice
        assert not ZURICH.slot_due(twice, 1, start + offset)
        assert not ZURICH.file_due(start, 1, start + offset)
    assert ZURICH.comes_round(Generation.parse("2026-10-24T02")) == start
    assert ZURICH.comes_round(twice) == zurich("2026-10-26T02:00")
    # a file of the first pass is younger than 24 h when its hour comes round 25 h later: by then it is older
    assert ZURICH.file_due(start, 24 * HOUR, start + 24 * HOUR + 1)
    assert not ZURICH.file_due(end - 1, 24 * HOUR, zurich("2026-10-26T02:00") - 1)
    assert ZURICH.file_due(end - 1, 24 * HOUR, zurich("2026-10-26T02:00"))


def test_retention_of_a_day_keeps_the_live_hour_and_the_23_before_it() -> None:
    now = zurich("2026-11-23T14:30")
    passed = [ZURICH.generation_at(now - hours * HOUR) for hours in range(48)]
    assert [held for held in passed if not ZURICH.slot_due(held, 24 * HOUR, now)] == passed[:24]


def test_a_short_retention_goes_by_the_slots_youngest_file_or_by_each_files_own_age() -> None:
    now = zurich("2026-11-23T14:30")
    assert not ZURICH.slot_due(Generation.parse("2026-11-23T13"), HOUR, now)
    assert ZURICH.slot_due(Generation.parse("2026-11-23T13"), HOUR, zurich("2026-11-23T15:00"))
    assert ZURICH.file_due(now - HOUR - 1, HOUR, now)
    assert not ZURICH.file_due(now - HOUR, HOUR, now)
    assert not ZURICH.file_due(zurich("2026-11-23T14:00"), 60, now), "never one of the live generation"


@pytest.mark.usefixtures("machine_zone")
@given(instants("Europe/Zurich"))
def test_the_machines_own_zone_goes_by_the_same_rules(now: float) -> None:
    local = Calendar(None)
    assert local.generation_at(now) == (live := ZURICH.generation_at(now))
    assert local.span(live) == ZURICH.span(live)
    assert local.next_turn(now) == ZURICH.next_turn(now)
    assert local.comes_round(live) == ZURICH.comes_round(live)


def test_troll_goes_back_two_hours_so_an_hour_is_live_twice() -> None:
    troll = CALENDARS[TROLL]
    back = int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp())
    one, two = Generation.parse("2026-10-25T01"), Generation.parse("2026-10-25T02")
    assert [troll.generation_at(back + hours * HOUR) for hours in range(-2, 2)] == [one, two, one, two]
    assert troll.span(one) == Span(back - 2 * HOUR, back + HOUR)
    assert troll.next_turn(back - 1) == back
    assert not troll.slot_due(two, 1, back), "it comes again"
    assert not troll.slot_due(one, 1, back - 1), "so does this one"


def test_newfoundland_changed_at_one_minute_past_midnight() -> None:
    calendar = CALENDARS["America/St_Johns"]
    spring = int(datetime(2006, 4, 2, 3, 31, tzinfo=UTC).timestamp())
    assert calendar.span(Generation.parse("2006-04-02T00")) == Span(spring - 60, spring)
    assert calendar.generation_at(spring) == Generation.parse("2006-04-02T01")


def test_samoa_skipped_a_day() -> None:
    calendar = CALENDARS["Pacific/Apia"]
    assert calendar.span(Generation.parse("2011-12-30T14")) is None
    before = calendar.span(Generation.parse("2011-12-29T14"))
    assert before is not None
    assert calendar.comes_round(Generation.parse("2011-12-29T14")) == before.start + DAY


@given(scenes(*CALENDARS))
def test_a_generation_is_the_local_date_and_hour(scene: tuple[str, float]) -> None:
    name, now = scene
    assert str(CALENDARS[name].generation_at(now)) == datetime.fromtimestamp(now // 1, ZoneInfo(name)).isoformat()[:13]


@given(scenes(*TIDY), st.floats(0, 60 * HOUR))
def test_i5_generations_never_go_back(scene: tuple[str, float], later: float) -> None:
    name, now = scene
    calendar = CALENDARS[name]
    assert calendar.generation_at(now) <= calendar.generation_at(now + later)


@given(scenes(*TIDY))
def test_a_span_holds_exactly_its_generations_instants(scene: tuple[str, float]) -> None:
    name, now = scene
    calendar = CALENDARS[name]
    live = calendar.generation_at(now)
    span = calendar.span(live)
    assert span is not None
    assert span.start <= now < span.end
    inside = [span.start, (span.start + span.end) / 2, span.end - 1, span.end - 0.000001]
    outside = [span.start - 0.000001, span.start - 1, span.end, span.end + 1, span.start - DAY, span.end + DAY]
    assert {calendar.generation_at(instant) for instant in inside} == {live}
    assert live not in {calendar.generation_at(instant) for instant in outside}


@given(scenes(TROLL, *ODD))
def test_an_untidy_span_holds_at_least_its_generations_instants(scene: tuple[str, float]) -> None:
    name, now = scene
    calendar = CALENDARS[name]
    live = calendar.generation_at(now)
    span = calendar.span(live)
    assert span is not None
    assert span.start <= now < span.end
    assert calendar.generation_at(span.start) == live
    assert calendar.generation_at(span.end - 1) == live
    outside = [span.start - 1, span.end, span.start - DAY, span.end + DAY]
    assert live not in {calendar.generation_at(instant) for instant in outside}


@given(scenes(*CALENDARS))
@example(("Europe/Zurich", -1.5))
@example(("America/St_Johns", -30_000.0))
def test_the_next_turn_is_the_first_change(scene: tuple[str, float]) -> None:
    name, now = scene
    calendar = CALENDARS[name]
    turn = calendar.next_turn(now)
    live = calendar.generation_at(now)
    assert turn > now
    assert calendar.generation_at(turn) != live
    assert calendar.generation_at(turn - 1) == live or turn - 1 < now
    minutes = range(int((turn - now) // 60) + 1)
    assert {calendar.generation_at(min(now + minute * 60, turn - 0.001)) for minute in minutes} == {live}


@given(scenes(*CALENDARS))
def test_the_hour_comes_round_at_its_next_start(scene: tuple[str, float]) -> None:
    name, now = scene
    calendar = CALENDARS[name]
    live = calendar.generation_at(now)
    again = calendar.comes_round(live)
    following = calendar.generation_at(again)
    assert following.slot == live.slot
    assert following > live
    between = {calendar.generation_at(quarter) for quarter in range(int(now), int(again), 900)}
    assert {held for held in between if held.slot == live.slot} <= {live}


RETENTIONS = st.sampled_from([1.0, 60.0, 900.0, 3_600.0, 7_200.0, 43_200.0, 86_400.0])
DOWNTIMES = st.floats(0, 60 * HOUR) | st.integers(0, 60).map(lambda hours: float(hours * HOUR))


@given(scenes(*CALENDARS), RETENTIONS, st.floats(0, 60 * HOUR))
def test_i6_the_live_generation_and_the_future_are_never_due(
    scene: tuple[str, float], retention: float, ahead: float
) -> None:
    name, now = scene
    calendar = CALENDARS[name]
    live = calendar.generation_at(now)
    span = calendar.span(live)
    assert span is not None
    assert not calendar.slot_due(live, retention, now)
    assert not calendar.file_due(now, retention, now)
    if calendar.generation_at(span.start) == live:
        assert not calendar.file_due(span.start, retention, now)
    assert not calendar.file_due(now + ahead, retention, now)
    future = calendar.generation_at(now + ahead)
    assert future < live or not calendar.slot_due(future, retention, now)


@given(scenes(*CALENDARS), DOWNTIMES, RETENTIONS)
def test_i5_of_two_generations_of_a_slot_the_older_is_due(
    scene: tuple[str, float], downtime: float, retention: float
) -> None:
    name, before = scene
    calendar = CALENDARS[name]
    held = calendar.generation_at(before)
    restarted = before + downtime
    # the first instant from the restart on at which the slot is wanted again
    while (live := calendar.generation_at(restarted)).slot != held.slot or live == held:
        restarted = calendar.next_turn(restarted)
    assert live > held
    assert calendar.slot_due(held, retention, restarted)
    assert calendar.file_due(before, retention, restarted)


@given(scenes(*CALENDARS), DOWNTIMES, RETENTIONS)
def test_i6_the_young_stay_unless_their_hour_came_round(scene: tuple[str, float], age: float, retention: float) -> None:
    name, mtime = scene
    calendar = CALENDARS[name]
    now = mtime + age
    held = calendar.generation_at(mtime)
    assume(calendar.comes_round(held) > now)
    if now - mtime < retention:
        assert not calendar.file_due(mtime, retention, now)
        assert not calendar.slot_due(held, retention, now)


@given(scenes(*CALENDARS), DOWNTIMES, RETENTIONS)
def test_what_is_older_than_the_retention_is_due(scene: tuple[str, float], age: float, retention: float) -> None:
    name, mtime = scene
    calendar = CALENDARS[name]
    now = mtime + age
    held, live = calendar.generation_at(mtime), calendar.generation_at(now)
    span = calendar.span(held)
    assert span is not None
    if mtime + retention < now and held != live:
        assert calendar.file_due(mtime, retention, now)
    if span.end + retention <= now and held < live:
        assert calendar.slot_due(held, retention, now)


@given(st.sampled_from([*CALENDARS]), st.lists(st.floats(FIRST, LAST), max_size=8))
def test_what_a_calendar_remembers_changes_no_answer(name: str, asked: list[float]) -> None:
    here: tzinfo | None = zone(name)
    one = Calendar(here)
    near = [instant + step for instant in asked for step in (0, HOUR, -1, 2 * HOUR, 0)]
    assert [one.generation_at(instant) for instant in near] == [Calendar(here).generation_at(i) for i in near]


@pytest.mark.parametrize("mtime", [-1e18, -9.3e9, -1.0, -0.25, 0.0, 2.0**31, 1e12, 1e18])
def test_i8_no_mtime_that_a_file_can_have_breaks_the_calendar(mtime: float) -> None:
    now = zurich("2026-11-23T14:30")
    for calendar in CALENDARS.values():
        held = calendar.generation_at(mtime)
        assert calendar.file_due(mtime, 24 * HOUR, now) is (mtime < now)
        assert calendar.slot_due(held, 24 * HOUR, now) is (mtime < now)


def test_the_last_instant_of_an_hour_is_not_rounded_into_the_next() -> None:
    turn = zurich("2026-11-23T14:00")
    almost = turn - 2.0**-22
    assert almost < turn
    assert ZURICH.generation_at(almost).hour == 13
