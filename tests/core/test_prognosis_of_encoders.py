"""ffmpeg's command lines: which files they write, and what is said of it."""

import shlex

import pytest

from hotcold_inotify.config import DEFAULT_KINDS
from hotcold_inotify.prognosis import Finding, Trouble, encoder
from hotcold_inotify.prognosis.commandline import Output, outputs
from hotcold_inotify.prognosis.encoder import Writer

GOOD_HLS = (
    "-f hls -hls_list_size 6 -hls_flags temp_file -start_number 7 -hls_segment_filename segments/segment_%09d.ts"
    " segments/output.m3u8"
)


def parsed(line: str) -> list[Output]:
    return list(outputs(shlex.split(line)))


def said(line: str, folder: str = "segments", *, counted: bool = False) -> list[Trouble]:
    return [one.trouble for one in found(line, folder, counted=counted)]


def found(line: str, folder: str, *, counted: bool) -> list[Finding]:
    (output,) = parsed(line)
    return list(encoder.judge(Writer("capture1", folder, output, counted), DEFAULT_KINDS, "/r"))


def test_a_command_line_of_several_outputs() -> None:
    line = (
        "-hide_banner -nostats -loglevel level+warning -y -f lavfi -i testsrc2=r=25 -re -autorotate 0 -i in.mp4"
        " -map 0:v:0 -an -vf fps=2 -c:v libx264 " + GOOD_HLS + " -map 0:v -q:v 4 -f image2 -atomic_writing 1"
        " -start_number 3 file:captures/capture_%09d.jpg -f null - -shortest -f flv rtmp://there/x"
    )
    hls, pictures = parsed(line)
    assert (hls.muxer, hls.folder, hls.example) == ("hls", "segments", "segment_000000000.ts")
    assert "vf" in hls.options
    assert "autorotate" not in hls.options
    assert (pictures.muxer, pictures.folder, pictures.example) == ("image2", "captures", "capture_000000000.jpg")
    assert dict(pictures.options) == {"map": "0:v", "q": "4", "f": "image2", "atomic_writing": "1", "start_number": "3"}


@pytest.mark.parametrize(
    ("line", "muxer", "folder", "example"),
    [
        ("-i x a/live.m3u8", "hls", "a", "live0.ts"),
        ("-i x /d/pic-%d.PNG", "image2", "/d", "pic-0.PNG"),
        ("-i x -f ssegment /d/%03d.ts", "segment", "/d", "000.ts"),
        ("-i x out.mkv", "mkv", ".", "out.mkv"),
        ("-i x -strftime 1 %Y%m_100%%_%F%T%q.jpg", "image2", ".", "000000_100%_2026-01-0100:00:000.jpg"),
    ],
)
def test_what_is_not_said_follows_from_the_name(line: str, muxer: str, folder: str, example: str) -> None:
    (output,) = parsed(line)
    assert (output.muxer, output.folder, output.example) == (muxer, folder, example)
    assert output.is_series is (muxer != "mkv")


def test_an_option_at_the_end_has_no_value() -> None:
    assert parsed("-i x -c:v") == []


def test_flags_and_numbers() -> None:
    (output,) = parsed("-i x -hls_flags +temp_file-delete_segments+append_list -hls_list_size six a.m3u8")
    assert output.flags("hls_flags") == {"temp_file", "append_list"}
    assert output.number("hls_list_size", 5) == 5


def test_what_is_well_written_is_not_told() -> None:
    assert said(GOOD_HLS) == []
    assert said("-f image2 -atomic_writing true -start_number 2 captures/capture_%09d.jpg", "captures") == []
    assert said("-f image2 -atomic_writing 1 captures/capture_%09d.jpg", "captures", counted=True) == []
    assert said("segments/all.mkv") == []
    assert said("-f image2 -update 1 captures/latest.jpg", "captures") == []
    assert said("-f hls elsewhere/x.m3u8", "elsewhere") == []


HLS = "-f hls -hls_list_size {} -hls_flags {} -start_number 7 {} -hls_segment_filename segments/segment_%d.ts s/o.m3u8"


@pytest.mark.parametrize(
    ("size", "flags", "more", "expected", "remedy"),
    [
        (9, "temp_file", "", [], ""),
        (10, "temp_file", "", [Trouble.LIST_TOO_LONG], "-hls_list_size 6 in ffmpeg's command, or hot_limit = 20"),
        (0, "temp_file", "", [Trouble.LIST_TOO_LONG], "-hls_list_size 6"),
        (6, "temp_file", "-hls_playlist_type event", [Trouble.LIST_TOO_LONG], "-hls_list_size 6"),
        (6, "delete_segments+temp_file", "", [Trouble.DELETES], "-hls_flags temp_file"),
        (6, "append_list", "", [Trouble.NOT_ATOMIC], "-hls_flags append_list+temp_file"),
        (6, "temp_file", "-start_number 0", [Trouble.NUMBERS], "-hls_start_number_source epoch"),
        (6, "temp_file+append_list", "-start_number 0", [], ""),
        (6, "temp_file", "-start_number 0 -hls_start_number_source epoch", [], ""),
        (6, "temp_file", "-start_number 0 -strftime 1", [], ""),
    ],
)
def test_hls(size: int, flags: str, more: str, expected: list[Trouble], remedy: str) -> None:
    line = HLS.format(size, flags, more)
    assert said(line) == expected
    assert all(one.remedy.startswith(remedy) for one in found(line, "segments", counted=False))


def test_pictures() -> None:
    plain = "captures/capture_%09d.jpg"
    assert said(plain, "captures") == [Trouble.NOT_ATOMIC, Trouble.NUMBERS]
    assert said(f"-atomic_writing 1 -start_number 1 {plain}", "captures") == [Trouble.NUMBERS]
    assert said(f"-atomic_writing 1 -frame_pts 1 {plain}", "captures") == []


def test_the_segment_muxer() -> None:
    plain = "-f segment {} segments/segment_%09d.ts"
    assert said(plain.format("-segment_start_number 5")) == [Trouble.NOT_ATOMIC]
    assert said(plain.format("")) == [Trouble.NOT_ATOMIC, Trouble.NUMBERS]
    assert said(plain.format("-segment_list o.m3u8 -segment_start_number 5")) == [
        Trouble.LIST_TOO_LONG,
        Trouble.NOT_ATOMIC,
    ]
    assert said(plain.format("-segment_list o.m3u8 -segment_list_size 5"), counted=True) == [Trouble.NOT_ATOMIC]
    assert said(plain.format("-segment_wrap 20"), counted=True) == [Trouble.DELETES, Trouble.NOT_ATOMIC]


@pytest.mark.parametrize(
    ("line", "folder", "expected"),
    [
        ("-f hls -hls_segment_filename segment_%09d.ts output.m3u8", "", [Trouble.MIXED]),
        ("captures/capture_%09d_thumbnail.jpg", "captures", [Trouble.MIXED]),
        ("captures/picture_%09d.jpg", "captures", [Trouble.STRANGE_NAMES]),
        ("captures/segment_%09d.ts", "thumbnails", []),
        ("-f hls -hls_segment_filename segments/seg%d.ts s.m3u8", "segments", [Trouble.STRANGE_NAMES]),
        ("-f hls -hls_segment_filename seg%d.ts s.m3u8", "", []),
    ],
)
def test_the_wrong_place(line: str, folder: str, expected: list[Trouble]) -> None:
    assert said(line, folder) == [*expected]
    for one in found(line, folder, counted=False):
        assert ("hotcold migrate /r --dry-run" in one.remedy) is (one.trouble is Trouble.MIXED)
