"""ffmpeg's command line -> the files that it writes, and how: ffmpeg(1), ffmpeg-formats(1).

Options stand before the file that they are about; `-i` makes of it an input. What is neither an option nor the value of
one is an output.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

import attrs

# Options without a value; `-noX` switches X off. All others take one word. Some releases want one for these too.
_SWITCHES: Final = frozenset(
    re.findall(
        r"\w+",
        """y n hide_banner stdin stats re vn an sn dn shortest copyts start_at_zero ignore_unknown copy_unknown
        recast_media benchmark benchmark_all autorotate autoscale accurate_seek find_stream_info bitexact copyinkf
        deinterlace intra auto_conversion_filters fix_sub_duration force_fps xerror report dump hex psnr vstats qphist
        debug_ts display_hflip display_vflip print_graphs""",
    )
)
_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".avif"})
_SEGMENTERS: Final = frozenset({"segment", "stream_segment", "ssegment"})
# What strftime(3) and image2 put in: %d and %09d are numbers, %s, %Y and the like digits, and %% a percent sign.
_CONVERSION: Final = re.compile(r"%(?:0?(\d*)d|([A-Za-z])|(%))")
_TRUTHS: Final = frozenset({"0", "1", "true", "false"})
_DIGITS: Final = {"Y": 4, "s": 10, "j": 3, "y": 2, "m": 2, "H": 2, "M": 2, "S": 2}


@attrs.frozen
class Output:
    """One output: its muxer, the template of the files that it writes, and its options as they stand."""

    muxer: str
    template: str
    options: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Where the files go, as it stands: perhaps relative to the process's folder."""
        return str(PurePosixPath(self.template).parent)

    @property
    def example(self) -> str:
        """A name as it would be written."""
        return _CONVERSION.sub(_filled, PurePosixPath(self.template).name)

    @property
    def is_series(self) -> bool:
        """Whether it writes one file after another, each under a name of its own."""
        return self.example != PurePosixPath(self.template).name

    def flags(self, name: str) -> frozenset[str]:
        """The flags of an option such as `hls_flags`: `a+b-c` is a and b."""
        found = re.findall(r"([+-]?)(\w+)", self.options.get(name, ""))
        return frozenset(word for sign, word in found if sign != "-")

    def number(self, name: str, default: int) -> int:
        """An option that is a whole number; the default where it is none."""
        text = self.options.get(name, "")
        return int(text) if text.isdecimal() else default

    def is_on(self, name: str) -> bool:
        """Whether a boolean option is set."""
        return self.options.get(name, "0").lower() in {"1", "true", "y", "yes", "enable", "on"}


def outputs(words: Sequence[str]) -> Iterator[Output]:
    """The files that a command line writes, `words` behind the program's name. What goes to no file is left out."""
    options: dict[str, str] = {}
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if not word.startswith("-") or word == "-":
            if _is_file(word):
                yield _output(word.removeprefix("file:"), options)
            options = {}
            continue
        name = word.lstrip("-").partition(":")[0]
        if name.removeprefix("no") in _SWITCHES and name not in _SWITCHES:
            continue
        if name in _SWITCHES and not (rest and rest[0] in _TRUTHS):
            continue
        value = rest.popleft() if rest else ""
        options = {} if name == "i" else {**options, name: value}


def _filled(found: re.Match[str]) -> str:
    width, letter, _percent = found.groups()
    if letter is not None:
        return {"F": "2026-01-01", "T": "00:00:00"}.get(letter) or "0" * _DIGITS.get(letter, 1)
    return "%" if width is None else "0" * int(width or 1)


def _is_file(word: str) -> bool:
    return word != "-" and urlsplit(word).scheme in ("", "file")


def _output(target: str, options: Mapping[str, str]) -> Output:
    path = PurePosixPath(target)
    suffix = path.suffix.lower()
    muxer = options.get("f") or ("hls" if suffix == ".m3u8" else "image2" if suffix in _PICTURES else suffix[1:])
    template = target
    if muxer == "hls":
        template = options.get("hls_segment_filename", f"{path.with_suffix('')}%d.ts").removeprefix("file:")
    return Output("segment" if muxer in _SEGMENTERS else muxer, template, options)
