"""analysis: ffmpeg's printed lines -> pictures -> events -> the file's text, and back."""

import contextlib
import json
import math
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify import analysis
from hotcold_inotify.analysis import Event, Events, Levels, Lines, Picture, Report

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
SOUND = -21.1


def picture(number: int, *, luma: float = 120.5, black: bool = False, freeze: str = "") -> bytes:
    """What ffmpeg prints of one; `freeze`: the words of freezedetect, in order."""
    keys = [
        *(["blackframe.pblack=99"] if black else []),
        *(f"freezedetect.freeze_{word}=5.5" for word in freeze.split()),
        f"signalstats.YAVG={luma}",
    ]
    header = f"frame:{number}   pts:{number}      pts_time:{number / 2:.6g}"
    return "".join(f"{header}\nlavfi.{key}\n" for key in keys).encode()


def sound(*levels: float) -> bytes:
    header = "frame:3    pts:NOPTS   pts_time:NOPTS\n"
    return "".join(f"{header}lavfi.astats.Overall.RMS_level={level:f}\n" for level in levels).encode()


def only(pictures: list[Picture]) -> Picture:
    (one,) = pictures
    return one


def test_a_picture_is_complete_with_its_brightness() -> None:
    lines = Lines(Levels())
    printed = picture(12)
    assert lines.feed(printed[:-1], 0) == []
    assert lines.feed(printed[-1:], 0) == [Picture(12, 120.5, False, False, None, None)]
    assert not lines.garbage


def test_black_is_said_anew_of_each_picture() -> None:
    lines = Lines(Levels())
    found = lines.feed(picture(0, black=True) + picture(1, black=True) + picture(2), 0)
    assert [each.black for each in found] == [True, True, False]


def test_frozen_is_said_when_it_begins_and_when_it_ends() -> None:
    lines = Lines(Levels())
    # ffmpeg prints a start and an end at once when the picture moved after as long as a freeze takes.
    printed = [
        picture(0),
        picture(1, freeze="start end"),
        picture(2, freeze="start"),
        picture(3),
        picture(4, freeze="end"),
    ]
    assert [each.frozen for each in lines.feed(b"".join(printed), 0)] == [False, False, True, True, False]


def test_a_black_picture_is_not_called_frozen_too() -> None:
    lines = Lines(Levels())
    found = lines.feed(picture(0, black=True, freeze="start") + picture(1), 0)
    assert [(each.black, each.frozen) for each in found] == [(True, False), (False, True)]


def test_the_volume_is_the_mean_power_since_the_picture_before() -> None:
    lines = Lines(Levels())
    first = only(lines.feed(sound(-20, -20, -math.inf, -math.inf) + picture(0), 0))
    assert first.volume == pytest.approx(-23.01, abs=0.01)
    assert only(lines.feed(picture(1), 0.1)).volume == first.volume
    assert only(lines.feed(sound(SOUND) + picture(2), 0.2)).volume == pytest.approx(SOUND)
    assert only(lines.feed(sound(-math.inf) + picture(3), 0.3)).volume == analysis.QUIETEST
    assert only(lines.feed(sound(-200) + picture(4), 0.3)).volume == analysis.QUIETEST


def test_silence_is_what_is_long_enough() -> None:
    lines = Lines(Levels(silence=-50, silence_seconds=0.3))
    assert only(lines.feed(sound(SOUND, -50, -90) + picture(0), 0)).silent is None
    assert only(lines.feed(sound(-90) + picture(1), 0)).silent == pytest.approx(0.3)
    assert only(lines.feed(sound(-math.inf) + picture(2), 0)).silent == pytest.approx(0.4)
    assert only(lines.feed(sound(-49.9) + picture(3), 0)).silent is None


def test_sound_that_no_longer_comes_is_no_silence() -> None:
    lines = Lines(Levels())
    assert only(lines.feed(sound(*[-90] * 9) + picture(0), 10)).silent is not None
    assert only(lines.feed(picture(1), 13)).volume == -90
    gone = only(lines.feed(picture(2), 13.1))
    assert (gone.volume, gone.silent) == (None, None)
    assert only(lines.feed(sound(-90) + picture(3), 14)).silent is None


def test_a_brightness_without_a_number_is_nobodys() -> None:
    lines = Lines(Levels())
    assert lines.feed(b"lavfi.signalstats.YAVG=12\n" + picture(1).replace(b"pts:1", b"pts:-1"), 0) == []
    # The lines of two threads may be mixed.
    header, _, rest = picture(7).partition(b"\n")
    assert only(lines.feed(header + b"\n" + sound(SOUND) + rest, 0)).number == 7
    assert not lines.garbage


def test_other_keys_are_passed_over_and_other_lines_are_counted() -> None:
    lines = Lines(Levels())
    assert lines.feed(b"lavfi.scd.mafd=1.2\n", 0) == []
    assert not lines.garbage
    wrong = [
        b"",
        b"?",
        b"frame:1 pts:x pts_time:1",
        b"lavfi.signalstats.YAVG=nan",
        b"lavfi.signalstats.YAVG=",
        b"\xff\0",
    ]
    assert lines.feed(b"".join(line + b"\n" for line in wrong), 0) == []
    assert lines.garbage == len(wrong)
    assert only(lines.feed(picture(1), 0)).number == 1


def test_a_line_without_an_end_is_not_kept() -> None:
    lines = Lines(Levels())
    for _ in range(100):
        lines.feed(b"lavfi." * 100, 0)
    assert len(lines._rest) <= 1000
    assert lines.feed(b"signalstats.YAVG=1\n" + picture(3), 0) == [Picture(3, 120.5, False, False, None, None)]
    assert lines.garbage == 1


PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"\n", b"frame:1 pts:", b" pts_time:1\n", b"lavfi.signalstats.YAVG=", b"-inf\n", b"9e999\n"]),
    st.builds(picture, st.integers(0, 9), black=st.booleans(), freeze=st.sampled_from(["", "start", "end"])),
    st.builds(sound, st.one_of(st.floats(-200, 0), st.just(-math.inf))),
)


@given(st.lists(PIECES))
def test_any_bytes_give_values_that_can_be_written(pieces: list[bytes]) -> None:
    lines, events = Lines(Levels()), Events()
    for clock, piece in enumerate(pieces):
        for one in lines.feed(piece, clock):
            assert one.number >= 0
            assert 0 <= one.luma <= 255
            assert one.volume is None or analysis.QUIETEST <= one.volume <= 0
            events = events.then(one, NOON, Levels())
            text = analysis.dump(analysis.report(one, "capture_1.jpg", NOON, events))
            assert analysis.parse(text).events == events


@given(st.lists(PIECES), st.integers(0))
def test_it_does_not_matter_in_which_pieces_bytes_are_read(pieces: list[bytes], at: int) -> None:
    whole = b"".join(pieces)
    cut = at % (len(whole) + 1)
    one, two = Lines(Levels()), Lines(Levels())
    assert one.feed(whole, 0) == two.feed(whole[:cut], 0) + two.feed(whole[cut:], 0)
    assert one.garbage == two.garbage


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_an_event_begins_goes_on_ends_and_is_remembered() -> None:
    begun = analysis.follow(None, after(10), 0.5)
    assert begun == Event(after(9.5), 0.5, True)
    longer = analysis.follow(begun, after(10.5), 0.5)
    assert longer == Event(after(9.5), 1.0, True)
    ended = analysis.follow(longer, after(11), None)
    assert ended == Event(after(9.5), 1.5, False)
    assert analysis.follow(ended, after(99), None) == ended
    assert analysis.follow(ended, after(99), 0.0) == Event(after(99), 0.0, True)
    assert analysis.follow(None, after(99), None) is None


def test_a_clock_that_is_set_back_makes_no_negative_length() -> None:
    assert analysis.follow(Event(NOON, 3.0, True), after(-5), 0.0) == Event(NOON, 0.0, True)


def test_what_an_ffmpeg_left_running_ended_with_it() -> None:
    running, ended = Event(NOON, 3.0, True), Event(NOON, 1.0, False)
    assert Events(running, ended, None).over() == Events(attrs.evolve(running, running=False), ended, None)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=30))
def test_the_flags_and_the_running_events_say_the_same(steps: list[tuple[bool, bool, bool]]) -> None:
    events = Events()
    for at, (black, frozen, silent) in enumerate(steps):
        one = Picture(at, 1.0, black, frozen, -90.0, 0.5 if silent else None)
        events = events.then(one, after(at / 2), Levels())
        found = analysis.report(one, "capture_1.jpg", after(at / 2), events)
        running = [event is not None and event.running for event in (events.black, events.frozen, events.silent)]
        assert running == [found.black, found.frozen, found.sound is False]


def test_the_report_is_rounded_and_tells_no_sound_from_silence() -> None:
    loud = analysis.report(Picture(0, 1.26, False, True, -21.07, None), "capture_1.jpg", NOON, Events())
    assert (loud.luma, loud.frozen, loud.sound, loud.volume) == (1.3, True, True, -21.1)
    none = analysis.report(Picture(0, 1, True, False, None, None), "capture_1.jpg", NOON, Events())
    assert (none.black, none.sound, none.volume) == (True, None, None)
    assert analysis.report(Picture(0, 1, True, False, -90, 0.5), "capture_1.jpg", NOON, Events()).sound is False


def test_the_text() -> None:
    events = Events(silent=Event(NOON, 1.5, True))
    found = Report(
        NOON.astimezone(timezone(timedelta(hours=2))), "capture_000000012.jpg", True, False, 0.5, False, -61.0, events
    )
    assert json.loads(analysis.dump(found)) == {
        "version": 1,
        "timestamp": "2026-03-29T14:00:00.000+02:00",
        "filename": "capture_000000012.jpg",
        "blackscreen": True,
        "freeze": False,
        "luma": 0.5,
        "audio": False,
        "mean_volume_db": -61.0,
        "events": {
            "black": None,
            "frozen": None,
            "silent": {"start": "2026-03-29T12:00:00.000+00:00", "length": 1.5, "running": True},
        },
    }


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.builds(
    lambda moment, milliseconds: moment.replace(microsecond=milliseconds * 1000),
    st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=ZONES),  # noqa: DTZ001  the zones come from beside
    st.integers(0, 999),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
EVENTS = st.none() | st.builds(Event, MOMENTS, NUMBERS, st.booleans())
REPORTS = st.builds(
    Report,
    MOMENTS,
    st.text(),
    st.booleans(),
    st.booleans(),
    NUMBERS,
    st.none() | st.booleans(),
    st.none() | NUMBERS,
    st.builds(Events, EVENTS, EVENTS, EVENTS),
)


@given(REPORTS)
def test_what_is_written_is_read(report: Report) -> None:
    assert analysis.parse(analysis.dump(report)) == report


GOOD = analysis.dump(Report(NOON, "capture_1.jpg", True, False, 0.5, None, None, Events(Event(NOON, 1, True))))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("timestamp", "2026-03-29T14:00:00"),
        ("timestamp", "yesterday"),
        ("timestamp", 5),
        ("filename", None),
        ("blackscreen", 1),
        ("freeze", None),
        ("luma", True),
        ("luma", "12"),
        ("luma", math.nan),
        ("luma", 10**400),
        ("audio", "no"),
        ("mean_volume_db", "-20"),
        ("events", None),
        ("events", {"black": {"start": "2026-03-29T14:00:00Z", "length": 1}, "frozen": None, "silent": None}),
    ],
)
def test_another_document_is_refused(key: str, value: object) -> None:
    document = json.loads(GOOD)
    with pytest.raises(ValueError, match=r".+"):
        analysis.parse(json.dumps({**document, key: value}))
    del document[key]
    with pytest.raises(ValueError, match=key):
        analysis.parse(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '"x"'])
def test_no_document_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        analysis.parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        analysis.parse(text)
