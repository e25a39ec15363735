from functools import partial

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.playlist import (
    ENDLIST,
    PAGE,
    Entry,
    Playlist,
    PlaylistError,
    end,
    fits,
    head,
    line,
    parse,
    render,
)

# As ffmpeg 5.1 wrote it: -f hls -hls_time 1 -hls_list_size 3 -hls_flags temp_file+program_date_time+append_list
FFMPEG = """\
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:2
#EXTINF:1.000000,
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:19:37.955+0000
segment_000000002.ts
#EXTINF:0.960000,
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:19:38.955+0000
segment_000000003.ts
#EXT-X-DISCONTINUITY
#EXTINF:1.040000,
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T10:19:40.248+0100
segment_000000004.ts
#EXT-X-ENDLIST
"""
NINE_AM = 1_795_425_577.955  # 2026-11-23T09:19:37.955Z

# Every instant that the years 1 to 9999 have, in milliseconds.
instants = st.integers(-62_135_596_800_000, 253_402_300_799_999).map(lambda at: at / 1000)
uris = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
entries = st.builds(Entry, uris, st.floats(0, 999_999_999), st.none() | instants, st.booleans())
playlists = st.builds(
    Playlist,
    target=st.integers(0, 2**64 - 1),
    entries=st.lists(entries, max_size=60).map(tuple),
    ended=st.booleans(),
    type=st.sampled_from(["EVENT", "VOD", None]),
    media_sequence=st.integers(0, 2**64 - 1),
)

SHORT = Entry("segment_000000012.ts", 1.0, NINE_AM)


def at_the_end_of_a_page(left: int) -> bytes:
    """Our own head with `left` bytes to go to the end of its page."""
    return head(2) + b"#".ljust(PAGE - len(head(2)) - left - 1, b" ") + b"\n"


def test_ffmpegs_live_playlist_is_read() -> None:
    assert parse(FFMPEG) == Playlist(
        target=1,
        entries=(
            Entry("segment_000000002.ts", 1.0, NINE_AM),
            Entry("segment_000000003.ts", 0.96, NINE_AM + 1),
            Entry("segment_000000004.ts", 1.04, NINE_AM + 2.293, discontinuity=True),
        ),
        ended=True,
        type=None,
        media_sequence=2,
    )


def test_an_hours_playlist_reads_like_this() -> None:
    playlist = Playlist(2, (SHORT, Entry("segment_000000013_r1.ts", 0.96, NINE_AM + 4, discontinuity=True)))
    assert render(playlist).decode() == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:3\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:19:37.955Z\n"
        "#EXTINF:1.000000,\n"
        "segment_000000012.ts\n"
        "#EXT-X-DISCONTINUITY\n"
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:19:41.955Z\n"
        "#EXTINF:0.960000,\n"
        "segment_000000013_r1.ts\n"
    )


def test_tags_and_comments_that_change_nothing_are_skipped() -> None:
    text = (
        "#EXTM3U\r\n#EXT-X-INDEPENDENT-SEGMENTS\r\n#EXT-X-TARGETDURATION:10\r\n\r\n#EXT-X-NEW:A=1\r\n# a comment\r\n"
        "#EXTINF:9,a title, with commas\r\n#EXT-X-ALSO-NEW\r\nfolder/a%20name.ts\r\n"
    )
    assert parse(text) == Playlist(10, (Entry("folder/a name.ts", 9.0),), type=None)


@pytest.mark.parametrize(
    ("said", "start"),
    [
        ("2026-11-23T09:19:37.955Z", NINE_AM),
        ("2026-11-23T09:19:37.955999Z", NINE_AM),
        ("2026-11-23T10:19:37.955+0100", NINE_AM),
        ("2026-11-23T03:49:37.955-05:30", NINE_AM),
        ("2026-11-23T09:19:37Z", NINE_AM - 0.955),
        ("2026-11-23T09:19:37.955", None),
    ],
)
def test_a_date_counts_with_its_zone_and_not_without(said: str, start: float | None) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PROGRAM-DATE-TIME:{said}\n#EXTINF:1,\na.ts\n"
    assert parse(text).entries[0].start == start


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        ("", 1, "does not begin with #EXTM3U"),
        ("\n", 1, "does not begin with #EXTM3U"),
        ("\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:1\n", 1, "does not begin with #EXTM3U"),
        ("#EXTM3U\n", 1, "no #EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", 3, "without #EXTINF"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1.5\n", 2, "not a whole number: '1.5'"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION\n", 2, "not a whole number: ''"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:\u0661\n", 2, "not a whole number"),
        (f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{10**20}\n", 2, "not a whole number"),
        ("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:LIVE\n", 2, "neither EVENT nor VOD: 'LIVE'"),
        ("#EXTM3U\n\n#EXTINF:-1,\n", 3, "not a duration in seconds: '-1'"),
        ("#EXTM3U\n#EXTINF:nan,\n", 2, "not a duration"),
        ("#EXTM3U\n#EXTINF:1e9,\n", 2, "not a duration"),
        ("#EXTM3U\n#EXTINF:1_0,\n", 2, "not a duration"),
        ("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:soon\n", 2, "not a date and time: 'soon'"),
        ("#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:0001-01-01T00:00:00+14:00\n", 2, "not a date and time"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n", 3, "cut off"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-DISCONTINUITY\n", 3, "cut off"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PROGRAM-DATE-TIME:2026-11-23T09:19:37Z\n", 3, "cut off"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsegment_0000", 4, "cut off"),
    ],
)
def test_what_is_not_a_whole_playlist_is_refused_with_its_line(text: str, number: int, reason: str) -> None:
    with pytest.raises(PlaylistError) as refused:
        parse(text)
    assert refused.value.line == number
    assert reason in refused.value.reason
    assert str(refused.value) == f"line {number}: {refused.value.reason}"


@given(st.data())
def test_a_text_cut_anywhere_else_than_behind_an_entry_is_refused(data: st.DataObject) -> None:
    text = render(Playlist(2, (SHORT, attrs.evolve(SHORT, discontinuity=True)))).decode()
    cut = data.draw(st.integers(0, len(text)))
    whole = {len(head(2)) - len("#EXT-X-PLAYLIST-TYPE:EVENT\n"), len(head(2))}
    whole |= {len(head(2)) - len("#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n")}
    whole |= {len(head(2) + line(SHORT, len(head(2)))), len(text)}
    if cut in whole:
        assert len(parse(text[:cut]).entries) == text[:cut].count("segment")
    else:
        with pytest.raises(PlaylistError):
            parse(text[:cut])


LINES = [
    *FFMPEG.splitlines(),
    "#EXTINF:",
    "#EXT-X-PROGRAM-DATE-TIME:",
    "#EXT-X-PLAYLIST-TYPE:EVENT",
    "\x0b",
    "%FF",
    "#",
    "",
]


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=30), max_size=20).map("\n".join))
def test_any_text_is_read_or_refused_and_what_is_read_can_be_written(body: str) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{body}\n"
    try:
        playlist = parse(text)
    except PlaylistError:
        return
    assert parse(render(playlist).decode()) == playlist


@given(st.text())
def test_a_text_that_is_no_playlist_raises_nothing_but_its_error(text: str) -> None:
    with pytest.raises(PlaylistError):
        parse(text)


@given(playlists)
def test_what_is_written_reads_back_the_same(playlist: Playlist) -> None:
    assert parse(render(playlist).decode("ascii")) == playlist


def test_a_name_that_utf_8_cannot_decode_keeps_its_bytes() -> None:
    name = b"segment_\xff.ts".decode(errors="surrogateescape")
    text = render(Playlist(2, (Entry(name, 1.0),))).decode("ascii")
    assert "segment_%FF.ts\n" in text
    assert parse(text).entries[0].uri == name


@pytest.mark.parametrize("name", ["#EXT-X-ENDLIST", "https:a.ts", "a?b#c.ts", " ", "two\nlines.ts", "50%.ts", "ü.ts"])
def test_no_name_can_pass_for_a_tag_a_line_or_an_address(name: str) -> None:
    playlist = Playlist(2, (Entry(name, 1.0),))
    uri = render(playlist).decode("ascii").splitlines()[-1]
    assert not set(uri) & set("#:? \nü")
    assert parse(render(playlist).decode()) == playlist


@given(playlists)
def test_i9_each_version_of_a_growing_playlist_is_the_next_ones_prefix(playlist: Playlist) -> None:
    text = head(playlist.target, playlist.type, playlist.media_sequence)
    grown = attrs.evolve(playlist, entries=(), ended=False)
    assert parse(text.decode()) == grown
    for entry in playlist.entries:
        text += line(entry, len(text))
        grown = attrs.evolve(grown, entries=(*grown.entries, entry))
        assert text == render(grown)
    if playlist.ended:
        text += end(len(text))
    assert text == render(playlist)


@given(playlists)
def test_i9_a_playlist_cut_at_any_page_is_a_whole_one(playlist: Playlist) -> None:
    text = render(playlist)
    for cut in range(PAGE, len(text), PAGE):
        part = parse(text[:cut].decode())
        assert part == attrs.evolve(playlist, entries=playlist.entries[: len(part.entries)], ended=False)


@pytest.mark.parametrize("entry", [SHORT, attrs.evolve(SHORT, discontinuity=True), None])
def test_i9_nothing_lies_across_a_page_at_any_offset(entry: Entry | None) -> None:
    appended = end if entry is None else partial(line, entry)
    body = appended(0)
    assert not body.startswith(b"#-")
    for offset in range(PAGE, 2 * PAGE):
        text = appended(offset)
        filler = text.removesuffix(body)
        begin, last = offset + len(filler), offset + len(text) - 1
        assert text.endswith(body)
        assert begin // PAGE == last // PAGE
        if PAGE - offset % PAGE >= len(body):
            assert filler == b""
        else:
            assert begin % PAGE == 0
            assert filler == b"\n" or (
                filler[:1] == b"#" and filler[:4] != b"#EXT" and filler.find(b"\n") == len(filler) - 1
            )


@pytest.mark.parametrize("left", [1, 2, 3, 100, len(line(SHORT, 0)) - 1, len(line(SHORT, 0))])
def test_i9_a_filled_page_still_reads(left: int) -> None:
    before = at_the_end_of_a_page(left)
    assert len(before) == PAGE - left
    after = before + line(SHORT, len(before))
    assert parse(after.decode()) == Playlist(2, (SHORT,))
    assert parse(after[:PAGE].decode()).entries in {(), (SHORT,)}


def test_the_longest_name_of_a_file_fits_into_a_page_and_a_longer_uri_is_refused() -> None:
    longest = Entry("\u20ac" * 85, 999_999_999.0, NINE_AM, discontinuity=True)  # 255 bytes, each of them escaped
    assert len(line(longest, 0)) < PAGE
    with pytest.raises(ValueError, match="does not fit into a page of 4096"):
        line(Entry("a" * PAGE, 1.0), 0)


def test_the_end_is_said_once() -> None:
    text = render(Playlist(2, (SHORT,), ended=True))
    assert text.endswith(ENDLIST)
    assert text.count(ENDLIST) == 1
    assert parse(text.decode()).ended


@pytest.mark.parametrize(
    ("duration", "target", "fitting"),
    [(2.0, 2, True), (2.499999, 2, True), (2.5, 2, False), (1.5, 2, True), (3.0, 2, False)],
)
def test_a_duration_fits_when_it_rounds_to_the_target_at_most(duration: float, target: int, fitting: bool) -> None:
    assert fits(duration, target) is fitting


def test_numbers_are_kept_at_the_resolution_of_the_text() -> None:
    assert Entry("a.ts", 1.00000049, 12.3456) == Entry("a.ts", 1.0, 12.346)
