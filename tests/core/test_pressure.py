from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotcold_inotify.hours import Generation
from hotcold_inotify.pressure import Amount, Floor, Hour, Space, next_hour

TODAY = date(2026, 6, 15)
ORDER = ("captures", "thumbnails", "segments")


def space(free: int = 1_000, free_inodes: int = 1_000, total: int = 1_000, inodes: int = 1_000) -> Space:
    return Space(free, total, free_inodes, inodes)


@pytest.mark.parametrize(
    ("text", "total", "asked"),
    [
        ("5%", 1_000, 50),
        ("50%", 1_001, 500),
        ("5GB", 100 * 10**9, 5 * 10**9),
        ("500MB", 100 * 10**9, 500 * 10**6),
        ("1TB", 10**13, 10**12),
        ("100000", 10**7, 100_000),
        ("5GB", 10**9, 5 * 10**8),  # more than there is: half of it
        ("5%", 0, 0),
    ],
)
def test_an_amount_of_what_there_is(text: str, total: int, asked: int) -> None:
    assert Amount.parse(text).of(total) == asked
    assert str(Amount.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0", "0GB", "51%", "-5GB", "5 GB", "5gb", "1.5GB", "5GiB", "GB", "٣GB", "5GB\n"])
def test_no_other_text_is_an_amount(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount such as"):
        Amount.parse(text)


@given(st.integers(1, 50), st.integers(0, 10**15))
def test_never_more_than_half_is_asked_for(number: int, total: int) -> None:
    for unit in ("%", "MB", "GB", "TB", ""):
        assert Amount(number, unit).of(total) <= total // 2


def test_without_a_floor_nothing_is_short() -> None:
    assert not Floor()
    assert not Floor().short(space(0, 0), pressed=True)
    assert Floor().wanted(space()) == (0, 0)
    assert Floor(bytes=Amount(1))
    assert Floor(inodes=Amount(1))


@pytest.mark.parametrize(
    ("free", "pressed", "short"),
    [(100, False, False), (99, False, True), (100, True, True), (109, True, True), (110, True, False), (0, True, True)],
)
def test_a_tenth_more_is_made_free_than_must_be(free: int, pressed: bool, short: bool) -> None:
    assert Floor(bytes=Amount(10, "%")).short(space(free=free), pressed=pressed) is short
    assert Floor(inodes=Amount(100)).short(space(free_inodes=free), pressed=pressed) is short
    both = Floor(Amount(10, "%"), Amount(100))
    assert both.short(space(free=free), pressed=pressed) is short
    assert both.short(space(free_inodes=free), pressed=pressed) is short


def test_a_file_system_that_does_not_count_inodes_is_not_short_of_them() -> None:
    floor = Floor(Amount(5, "%"), Amount(5, "%"))
    assert not floor.short(space(free_inodes=0, inodes=0), pressed=True)
    assert floor.wanted(space(inodes=0)) == (50, 0)


def test_what_was_deleted_counts_as_free_where_a_look_does_not_show_it_yet() -> None:
    before = space(10, 10)
    assert before.credited(500, 5, space(10, 10)) == space(510, 15)
    assert before.credited(500, 5, space(800, 900)) == space(800, 900)


def hour(ago: int, kind: str = "captures", device: str = "capture1") -> Hour:
    days, of_day = divmod(12 - ago, 24)
    return Hour(device, kind, Generation(TODAY + timedelta(days=days), of_day))


LIVE = hour(0).generation


def test_the_oldest_hour_of_the_first_kind_goes_first() -> None:
    held = [hour(ago, kind, device) for ago in (0, 1, 23) for kind in ORDER for device in ("capture2", "capture1")]
    gone = []
    while (found := next_hour(held, ORDER, LIVE)) is not None:
        gone.append(found)
        held.remove(found)
    assert gone == [hour(ago, kind, f"capture{n}") for kind in ORDER for ago in (23, 1) for n in (1, 2)]
    assert {each.generation for each in held} == {LIVE}


def test_a_kind_that_is_not_named_never_goes() -> None:
    assert next_hour([hour(5, "metadata")], ORDER, LIVE) is None
    assert next_hour([hour(5)], (), LIVE) is None


HOURS = st.builds(hour, st.integers(-30, 30), st.sampled_from([*ORDER, "metadata"]), st.sampled_from(["a", "b"]))


@given(st.lists(HOURS, max_size=20))
@example([])
def test_i6_never_the_live_hour_and_none_before_an_older_one(held: list[Hour]) -> None:
    found = next_hour(held, ORDER, LIVE)
    may_go = [each for each in held if each.kind in ORDER and each.generation < LIVE]
    assert (found is None) == (not may_go)
    if found is not None:
        assert found in may_go
        assert not [each for each in may_go if each.kind == found.kind and each.generation < found.generation]
        assert not [each for each in may_go if ORDER.index(each.kind) < ORDER.index(found.kind)]
