import re

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotcold_inotify.names import FileName, Pattern, choice

SEGMENTS = Pattern.parse("segment_*.ts")
CAPTURES = Pattern.parse("capture_*.jpg")
THUMBNAILS = Pattern.parse("capture_*_thumbnail.jpg")
PATTERNS = (SEGMENTS, CAPTURES, THUMBNAILS, Pattern.parse("*x"), Pattern.parse("a*"), Pattern.parse("a*a"))

patterns = st.sampled_from(PATTERNS)
numbers = st.integers(0, 10**18 - 1)


def test_the_number_and_the_original_revision() -> None:
    assert SEGMENTS.match("segment_000000012.ts") == FileName("segment_000000012.ts", 12, 0)


def test_a_revision_stands_before_the_suffix_wherever_that_begins() -> None:
    assert SEGMENTS.match("segment_000000012_r1.ts") == FileName("segment_000000012_r1.ts", 12, 1)
    assert THUMBNAILS.match("capture_7_r23_thumbnail.jpg") == FileName("capture_7_r23_thumbnail.jpg", 7, 23)


def test_a_capture_is_no_thumbnail_and_a_thumbnail_no_capture() -> None:
    assert CAPTURES.match("capture_1_thumbnail.jpg") is None
    assert THUMBNAILS.match("capture_1.jpg") is None
    assert CAPTURES.match("capture_1_r1.jpg") is not None
    assert THUMBNAILS.match("capture_1_r1_thumbnail.jpg") is not None


@pytest.mark.parametrize(("name", "number"), [("segment_010.ts", 10), ("segment_0.ts", 0), ("segment_09.ts", 9)])
def test_leading_zeros_do_not_make_a_number_octal(name: str, number: int) -> None:
    assert SEGMENTS.match(name) == FileName(name, number, 0)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "segment_.ts",
        "segment_bad.ts",
        "segment_12",
        "segment_12.ts.tmp",
        "segment_12.ts\n",
        "segment_12\n.ts",
        "segment_\n12.ts",
        "segment_+1.ts",
        "segment_-1.ts",
        "segment_ 1.ts",
        "segment_1_000.ts",
        "segment_0x1.ts",
        "segment_1e3.ts",
        "segment_1.5.ts",
        "segment_\u0661\u0662.ts",  # ARABIC-INDIC DIGIT ONE, TWO
        "segment_\uff11.ts",  # FULLWIDTH DIGIT ONE
        "segment_\u00b2.ts",  # SUPERSCRIPT TWO
        "segment_1\udcff.ts",
        "\udcffsegment_1.ts",
        "Segment_1.ts",
        "segment_1.TS",
        "segment_12_r.ts",
        "segment_12_r0.ts",
        "segment_12_r01.ts",
        "segment_12_R1.ts",
        "segment_12_r1_r2.ts",
        "segment_12_r1234567890.ts",
        f"segment_{'1' * 19}.ts",
        f"segment_{'0' * 250}1.ts",
        "segment_1.ts/segment_1.ts",
    ],
    ids=ascii,
)
def test_what_does_not_parse_does_not_exist(name: str) -> None:
    assert SEGMENTS.match(name) is None


def test_eighteen_digits_are_a_number() -> None:
    assert SEGMENTS.match(f"segment_{'9' * 18}.ts") == FileName(f"segment_{'9' * 18}.ts", 10**18 - 1, 0)


def test_prefix_and_suffix_do_not_share_a_letter() -> None:
    pattern = Pattern.parse("a*a")
    assert pattern.match("a") is None
    assert pattern.match("aa") is None
    assert pattern.match("a1a") == FileName("a1a", 1, 0)


@given(st.text())
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_any_text_is_either_nobodys_or_made_of_its_parts(pattern: Pattern, text: str) -> None:
    name = pattern.match(text)
    if name is not None:
        assert name.text == text
        assert re.fullmatch(r"[0-9]+(_r[0-9]+)?", text.removeprefix(pattern.prefix).removesuffix(pattern.suffix))


@given(patterns, numbers, st.integers(0, 17))
def test_what_a_writer_formats_is_read_back(pattern: Pattern, number: int, width: int) -> None:
    text = f"{pattern.prefix}{number:0{width}}{pattern.suffix}"
    assert pattern.match(text) == FileName(text, number, 0)


@given(patterns, numbers, st.integers(0, 17), st.integers(0, 10**9 - 1), st.integers(1, 10**9 - 1))
@example(SEGMENTS, 7, 9, 0, 1)
def test_i2_a_revision_keeps_the_number_and_its_digits(
    pattern: Pattern, number: int, width: int, before: int, after: int
) -> None:
    digits = f"{number:0{width}}"
    text = f"{pattern.prefix}{digits}{f'_r{before}' if before else ''}{pattern.suffix}"
    name = pattern.match(text)
    assert name is not None
    revised = pattern.revised(name, after)
    assert revised.text == f"{pattern.prefix}{digits}_r{after}{pattern.suffix}"
    assert pattern.match(revised.text) == revised == FileName(revised.text, number, after)
    assert pattern.prefix != "segment_" or revised.text.rpartition(".")[0].split("_")[1] == digits


@given(patterns)
def test_a_pattern_reads_back_from_its_text(pattern: Pattern) -> None:
    assert Pattern.parse(str(pattern)) == pattern


@given(st.text(st.sampled_from("a*/.\0019_r\u0661 t"), max_size=6) | st.text(max_size=6).map("*{}".format))
def test_a_text_is_a_pattern_or_refused_with_a_reason(text: str) -> None:
    refusal = None
    try:
        pattern = Pattern.parse(text)
    except ValueError as error:
        refusal = str(error)
    else:
        assert str(pattern) == text
        assert pattern.match(text.replace("*", "12")) == FileName(text.replace("*", "12"), 12, 0)
    assert refusal is None or re.match(r"a pattern |no digit ", refusal)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("segment.ts", "exactly one"),
        ("*_*.ts", "exactly one"),
        ("a/*.ts", "without '/'"),
        ("a\0*.ts", "without '/'"),
        (".segment_*", "start with '.'"),
        ("segment_*.tmp", "end with '.tmp'"),
        ("*", "text around"),
        ("camera1*.ts", "no digit"),
        ("segment_*0.ts", "no digit"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Pattern.parse(text)


def test_names_are_values() -> None:
    name = FileName("segment_1.ts", 1, 0)
    assert {name, FileName("segment_1.ts", 1, 0)} == {name}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        name.number = 2  # type: ignore[misc]  # that it cannot be is what is shown


@given(
    patterns, st.lists(st.text(st.characters(exclude_characters="/\0"), max_size=40) | numbers, max_size=12), st.data()
)
def test_many_names_at_once_are_read_as_each_alone(
    pattern: Pattern, given_names: list[str | int], data: st.DataObject
) -> None:
    texts = [name if isinstance(name, str) else f"{pattern.prefix}{name:05d}{pattern.suffix}" for name in given_names]
    texts += [
        pattern.revised(found, data.draw(st.integers(1, 99))).text
        for text in texts
        if (found := pattern.match(text)) is not None
    ]
    alone = [(found.number, found.revision, text) for text in texts if (found := pattern.match(text)) is not None]
    assert pattern.match_all(texts) == sorted(alone)


@pytest.mark.parametrize("text", ["segment_1.ts\n", "\nsegment_1.ts", "segment_1.ts\nsegment_2.ts", "xsegment_1.ts"])
def test_no_part_of_a_name_is_taken_for_a_name(text: str) -> None:
    assert SEGMENTS.match_all([text, "segment_9.ts"]) == [(9, 0, "segment_9.ts")]


@given(patterns, numbers, st.integers(1, 20))
def test_a_number_has_one_name_and_its_digits_are_counted(pattern: Pattern, number: int, digits: int) -> None:
    text = pattern.named(number, digits)
    assert pattern.digits(text) == max(digits, len(str(number)))
    if pattern.digits(text) <= 18:
        assert pattern.match(text) == FileName(text, number, 0)


@given(
    st.lists(patterns, min_size=1, max_size=4),
    st.lists(st.text(st.characters(exclude_characters="/\0"), max_size=40) | st.tuples(patterns, numbers), max_size=12),
    st.integers(1, 99),
)
def test_the_choice_among_patterns_is_the_first_that_matches(
    given_patterns: list[Pattern], given_names: list[str | tuple[Pattern, int]], revision: int
) -> None:
    texts = [name if isinstance(name, str) else name[0].named(name[1], 5) for name in given_names]
    texts += [
        pattern.revised(found, revision).text
        for text in texts
        for pattern in PATTERNS
        if (found := pattern.match(text)) is not None
    ]
    chosen = choice(given_patterns)
    for text in texts:
        matching = [index for index, pattern in enumerate(given_patterns) if pattern.match(text) is not None]
        assert chosen(text) == (matching[0] if matching else None)
    assert chosen("segment_1.ts\n") is None
