from collections.abc import Collection, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.livewindow import Heard, LiveWindow
from hotcold_inotify.playlist import Entry, Playlist

BEGIN = 1_795_425_577.955


def name(number: int) -> str:
    return f"segment_{number:09}.ts"


def live(
    numbers: Iterable[int], begin: float | None = BEGIN, *, ended: bool = False, restarts: Collection[int] = ()
) -> Playlist:
    """What ffmpeg's list says while it shows these numbers, its run having begun with number 0 at `begin`."""
    numbers = list(numbers)
    return Playlist(
        target=1,
        entries=tuple(
            Entry(name(number), 1.0, None if begin is None else begin + number, number in restarts)
            for number in numbers
        ),
        ended=ended,
        type=None,
        media_sequence=numbers[0] if numbers else 0,
    )


def restarts(window: LiveWindow, numbers: Iterable[int]) -> list[int]:
    return [number for number in numbers if (heard := window.get(name(number))) and heard.restart]


def test_nothing_is_known_before_the_first_list() -> None:
    window = LiveWindow()
    assert window.get(name(0)) is None
    assert window.nominal is None


@given(st.integers(1, 8), st.integers(0, 20), st.booleans(), st.data())
def test_a_sliding_list_is_one_run_however_often_it_is_read(
    size: int, length: int, dated: bool, data: st.DataObject
) -> None:
    window = LiveWindow()
    begin = BEGIN if dated else None
    newest = size - 1
    seen: set[int] = set()
    for _ in range(length):
        window.read(live(range(newest - size + 1, newest + 1), begin))
        seen.update(range(newest - size + 1, newest + 1))
        newest += data.draw(st.integers(0, size - 1))
    for number in seen:
        assert window.get(name(number)) == Heard(1.0, None if begin is None else begin + number, restart=False)


@pytest.mark.parametrize(
    ("before", "after", "begun"),
    [
        (live([2, 3, 4]), live([0], BEGIN + 60), 0),
        (live([0, 1, 2]), live([0], BEGIN + 60), 0),
        (live([0, 1, 2], None), live([0], None), 0),
        (live([0]), live([0], BEGIN + 60), 0),
        (live([0, 1, 2]), live([0, 1, 2, 3], BEGIN + 60), 0),
        (live([2, 3, 4]), live([900, 901], BEGIN), 900),
        (live([2, 3, 4], ended=True), live([5], BEGIN + 60), 5),
        (live([2, 3, 4], ended=True), live([3, 4, 5]), 5),
        (live([2, 3, 4]), live([3, 4, 5], restarts={5}), 5),
    ],
    ids=[
        "from 0 again",
        "from 0 again, the name is still in the list before",
        "the list went back, without dates",
        "the same names at another time",
        "read late, longer than the list before",
        "a number far ahead",
        "behind an end",
        "an ended list carried on",
        "ffmpeg says so (append_list)",
    ],
)
def test_a_new_run_is_heard_at_its_first_segment(before: Playlist, after: Playlist, begun: int) -> None:
    window = LiveWindow()
    window.read(before)
    assert restarts(window, range(1000)) == []
    window.read(after)
    assert restarts(window, range(1000)) == [begun]
    window.read(after)
    assert restarts(window, range(1000)) == [begun]


def test_the_first_list_of_all_begins_nothing() -> None:
    window = LiveWindow()
    window.read(live([5, 6]))
    assert restarts(window, [5, 6]) == []


def test_a_segment_keeps_its_restart_while_the_list_slides_on() -> None:
    window = LiveWindow()
    window.read(live([7, 8, 9]))
    for newest in range(12):
        window.read(live(range(max(0, newest - 2), newest + 1), BEGIN + 60))
    assert restarts(window, range(12)) == [0]


def test_the_newest_word_counts_when_a_number_comes_again() -> None:
    window = LiveWindow()
    window.read(live([0, 1]))
    window.read(live([0], BEGIN + 60))
    assert window.get(name(0)) == Heard(1.0, BEGIN + 60, restart=True)
    assert window.get(name(1)) == Heard(1.0, BEGIN + 1, restart=False)


def test_an_end_read_twice_begins_nothing() -> None:
    window = LiveWindow()
    window.read(live([0, 1]))
    window.read(live([0, 1], ended=True))
    window.read(live([0, 1], ended=True))
    assert restarts(window, [0, 1]) == []


def test_a_list_without_entries_changes_only_the_target() -> None:
    window = LiveWindow()
    window.read(live([0, 1, 2]))
    window.read(Playlist(4))
    assert window.nominal == 4
    window.read(live([1, 2, 3]))
    assert window.nominal == 1
    assert restarts(window, range(4)) == []


def test_a_folder_before_the_name_does_not_matter() -> None:
    window = LiveWindow()
    window.read(Playlist(1, (Entry(f"/stream/{name(0)}", 1.0),)))
    assert window.get(name(0)) == Heard(1.0, None, restart=False)


def test_the_memory_is_bounded_and_forgets_what_it_heard_first() -> None:
    window = LiveWindow(memory=3)
    for newest in range(1, 6):
        window.read(live([newest - 1, newest]))
    assert [number for number in range(6) if window.get(name(number))] == [3, 4, 5]
    window.read(live([3], BEGIN + 60))  # heard anew: no longer the oldest
    window.read(live([3, 10], BEGIN + 60))
    assert [number for number in range(11) if window.get(name(number))] == [3, 5, 10]
