"""What an ffmpeg's way of writing does to a hot folder, and what to write in its command line instead."""

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.prognosis.commandline import Output
from hotcold_inotify.prognosis.troubles import Finding, Trouble

_MIXED: Final = "captures"
_SERIES: Final = frozenset({"hls", "image2", "segment"})
# These make hls_list_size 0, whatever is said of it: ffmpeg-formats(1).
_ENDLESS: Final = frozenset({"event", "vod"})


@attrs.frozen
class Writer:
    """One output of a running ffmpeg. where: as an operator finds it. folder: its place below its device, "" the
    device's own. counted: who started it has looked which numbers are free.
    """

    where: str
    folder: str
    output: Output
    counted: bool


def judge(writer: Writer, kinds: Sequence[Kind], root: str) -> Iterator[Finding]:
    """What is wrong with the output, or worth knowing; nothing of one that is no series of files."""
    output = writer.output
    if output.muxer not in _SERIES or not output.is_series:
        return
    knows = [kind for kind in kinds if kind.pattern.match(output.example)]
    here = next((kind for kind in kinds if kind.name == writer.folder), None)
    if knows and here not in knows and writer.folder in ("", _MIXED):
        remedy = f"hotcold migrate {root} --dry-run, then docs/migrate.md"
        yield Finding(Trouble.MIXED, writer.where, output.template, remedy)
    elif here is not None and here not in knows:
        remedy = f"names as {here.pattern} in ffmpeg's command, or its pattern in [kinds.{here.name}]"
        yield Finding(Trouble.STRANGE_NAMES, writer.where, output.template, remedy)
    elif here is not None:
        yield from _judge_list(writer, here)
        yield from _judge_files(writer)


def _judge_list(writer: Writer, kind: Kind) -> Iterator[Finding]:
    size = _listed(writer.output)
    if size is None or 0 < size < kind.hot_limit:
        return
    option = "-hls_list_size" if writer.output.muxer == "hls" else "-segment_list_size"
    remedy = f"{option} {max(1, kind.hot_limit * 6 // 10)}"
    if size:
        remedy += f" in ffmpeg's command, or hot_limit = {2 * size} in [kinds.{kind.name}]"
    said = f"it lists {size or 'all'} segments, and {kind.hot_limit} are hot"
    yield Finding(Trouble.LIST_TOO_LONG, writer.where, said, remedy)


def _listed(output: Output) -> int | None:
    """How many segments the live playlist lists, 0: all; None: there is no list."""
    match output.muxer:
        case "hls":
            endless = output.options.get("hls_playlist_type") in _ENDLESS
            return 0 if endless else output.number("hls_list_size", 5)
        case "segment" if "segment_list" in output.options:
            return output.number("segment_list_size", 0)
    return None


def _judge_files(writer: Writer) -> Iterator[Finding]:
    output, where = writer.output, writer.where
    flags = output.flags("hls_flags")
    kept = "+".join(sorted(flags - {"delete_segments"} | {"temp_file"}))
    if "delete_segments" in flags:
        yield Finding(Trouble.DELETES, where, "-hls_flags delete_segments", f"-hls_flags {kept}")
    if output.number("segment_wrap", 0):
        yield Finding(Trouble.DELETES, where, "-segment_wrap overwrites the oldest", "no -segment_wrap")
    if output.muxer == "hls" and "temp_file" not in flags:
        yield Finding(Trouble.NOT_ATOMIC, where, "-hls_flags without temp_file", f"-hls_flags {kept}")
    if output.muxer == "image2" and not output.is_on("atomic_writing"):
        yield Finding(Trouble.NOT_ATOMIC, where, "image2 without -atomic_writing", "-atomic_writing 1")
    if output.muxer == "segment":
        yield Finding(Trouble.NOT_ATOMIC, where, "the segment muxer cannot do it", "-f hls -hls_flags temp_file")
    if not writer.counted and not _goes_on(output):
        remedy = (
            "-hls_start_number_source epoch, or -hls_flags append_list"
            if output.muxer == "hls"
            else "-start_number N, N above every number on disk, as ffmpeg/capture.sh has it"
        )
        yield Finding(Trouble.NUMBERS, where, output.template, remedy)


def _goes_on(output: Output) -> bool:
    """Whether a start anew does not begin with the same numbers."""
    if output.is_on("strftime"):
        return True
    match output.muxer:
        case "hls":
            by_time = output.options.get("hls_start_number_source", "generic") not in {"generic", "0"}
            return by_time or "append_list" in output.flags("hls_flags") or output.number("start_number", 0) > 0
        case "image2":
            return output.is_on("frame_pts") or output.number("start_number", 1) > 1
    return output.number("segment_start_number", 0) > 0
