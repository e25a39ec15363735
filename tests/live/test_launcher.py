"""ffmpeg/capture.sh: what it writes, what it counts on from, how it ends, and what it refuses.

Where ffmpeg's work is looked at, a real one runs. Where the launcher's own is, `fake_ffmpeg` stands in: it lists a few
inputs and encoders, writes its arguments down, and records until somebody types `q`.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import attrs
import pytest

from tests.live.test_migrate import FIRST, old_writer
from tests.machine import CLONE

T = TypeVar("T")

FOLDER: Final = CLONE / "ffmpeg"
SCRIPT: Final = FOLDER / "capture.sh"
KINDS: Final = ("segments", "captures", "thumbnails", "metadata")
HOURS: Final = {str(hour) for hour in range(24)}

FAKE_FFMPEG: Final = r"""#!/usr/bin/env bash
case "$*" in
*-demuxers*) printf 'File formats:\n'; printf ' D%sx\n' ' d lavfi ' ' d video4linux2,v4l2 ' ' d x11grab ' '   rtsp ' ' d pulse ' ;;
*-filters*) printf ' ... %s V->V x\n' ${FAKE_FILTERS-blackframe freezedetect signalstats metadata astats ametadata} ;;
*-encoders*) printf 'Encoders:\n'; printf ' %s x\n' 'V....D libx264' 'V....D mpeg4' 'VFS... mjpeg' 'A....D aac' 'A....D mp2' ;;
*demuxer=rtsp*) printf '%s' "${FAKE_RTSP_HELP-}" ;;
*)
    printf '%s\n' "$@" >"$0.said.tmp" && mv "$0.said.tmp" "$0.said"
    [[ -z ${FAKE_ERRORS-} ]] || { printf '%s\n' "$FAKE_ERRORS" >&2; exit "${FAKE_CODE-1}"; }
    read -rn 1 _
    ;;
esac
"""


def wait_for(look: Callable[[], T], what: str, seconds: float = 30) -> T:
    """What `look` says as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return seen


def is_running(pid: int) -> bool:
    """Not gone, and not a zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without its own settings for the launcher, and with these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HOTCOLD_") and name != "DISPLAY"}
    # What analyses is looked at in test_analyze.py; whether this machine has it on PATH is no matter here.
    return ours | {"HOTCOLD_SOURCE": "test", "HOTCOLD_ANALYSIS": "no"} | dict(settings)


def refusal(device: str | Path, settings: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and the one line of a launcher that does not start."""
    done = subprocess.run(
        [SCRIPT, device], env=environment(settings), capture_output=True, check=False, text=True, timeout=30
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("capture.sh: ")
    assert not done.stdout
    return done.returncode, lines[0]


class Launched:
    """A running launcher."""

    def __init__(self, device: Path, log: Path, settings: Mapping[str, str]) -> None:
        self.device = device
        self.log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [SCRIPT, device],
                env=environment(settings),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # as systemd and a terminal do: a group that can be signalled as a whole
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def ffmpeg(self) -> int:
        """The process of its ffmpeg, once it has one."""
        wait_for(lambda: " to " in self.said or self.process.poll() is not None, "the launcher's first line")
        found = re.search(r"\(process \d+, ffmpeg (\d+)\)", self.said)
        assert found, self.said
        return int(found[1])

    def numbers(self) -> tuple[int, int, int]:
        """What segments, captures and thumbnails begin with."""
        self.ffmpeg()
        found = re.search(r"segments from (\d+), captures from (\d+), thumbnails from (\d+)", self.said)
        assert found, self.said
        return int(found[1]), int(found[2]), int(found[3])

    def await_file(self, name: str) -> Path:
        path = self.device / name
        wait_for(lambda: path.exists() or self.process.poll() is not None, name)
        assert path.exists(), self.said
        return path

    def end(self) -> int:
        return self.process.wait(timeout=30)

    def stop(self) -> int:
        self.process.terminate()
        return self.end()


Launch = Callable[..., Launched]


@contextlib.contextmanager
def launching(folder: Path) -> Iterator[Launch]:
    started: list[Launched] = []

    def launch(device: Path, **settings: str) -> Launched:
        started.append(Launched(device, folder / f"launcher{len(started)}.log", settings))
        return started[-1]

    yield launch
    for launched in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launched.pid, signal.SIGKILL)
        launched.end()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with launching(tmp_path) as start:
        yield start


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "capture1"
    path.mkdir()
    return path


@pytest.fixture
def fake_ffmpeg(tmp_path: Path) -> Path:
    path = tmp_path / "fake_ffmpeg"
    path.write_text(FAKE_FFMPEG, "utf-8")
    path.chmod(0o755)
    return path


def arguments(fake: Path, running: Launched) -> list[str]:
    """What a fake ffmpeg was called with."""
    said = Path(f"{fake}.said")
    wait_for(lambda: said.exists() or running.process.poll() is not None, "ffmpeg's start")
    assert said.exists(), running.said
    return said.read_text("utf-8").splitlines()


@attrs.frozen
class Picture:
    """A decoded picture, one byte of brightness a pixel."""

    width: int
    height: int
    pixels: bytes

    @classmethod
    def read(cls, ffmpeg_exe: str, path: Path) -> "Picture":
        command = [
            ffmpeg_exe,
            "-v",
            "error",
            "-f",
            "image2",
            "-pattern_type",
            "none",
            "-i",
            str(path),
            "-f",
            "image2pipe",
            "-pix_fmt",
            "gray",
            "-c:v",
            "pgm",
            "-",
        ]
        return cls.parse(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)

    @classmethod
    def parse(cls, pgm: bytes) -> "Picture":
        magic, size, depth, pixels = pgm.split(b"\n", 3)  # pgm(5)
        width, height = map(int, size.split())
        assert (magic, depth, len(pixels)) == (b"P5", b"255", width * height)
        return cls(width, height, pixels)

    def bright(self, x: float, y: float) -> bool:
        return self.pixels[int(y) * self.width + int(x)] > 127

    def second(self) -> int:
        """What the strip says, read as ffmpeg/README.md tells to."""
        boxes = (self.bright((box + 0.5) / 32 * self.width, self.height * 35 / 36) for box in range(32))
        return int("".join("01"[white] for white in boxes), 2)

    def clock(self) -> str:
        """HH:MM:SS, read from the strokes of its digits."""
        unit = self.height // 45
        left, top = (self.width - 37 * unit) // 2, self.height * 17 // 18 - 9 * unit
        digits = ""
        for place in (1, 6, 14, 19, 27, 32):
            lit = {
                stroke for stroke, (x, y) in STROKES.items() if self.bright(left + (place + x) * unit, top + y * unit)
            }
            digits += SHAPES["".join(sorted(lit))]
        return f"{digits[:2]}:{digits[2:4]}:{digits[4:]}"


# The strokes of a seven-segment digit by their usual letters, each with the middle of it; one unit is a stroke's width.
STROKES: Final = {
    "a": (2, 0.5),
    "b": (3.5, 2),
    "c": (3.5, 5),
    "d": (2, 6.5),
    "e": (0.5, 5),
    "f": (0.5, 2),
    "g": (2, 3.5),
}
SHAPES: Final = dict(
    zip(
        ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg"),
        "0123456789",
        strict=True,
    )
)


def clocks_go_forward(when: datetime) -> str:
    """A TZ value, tzset(3): UTC until `when`, an hour more from then on, for half a year."""
    # A J day never counts February 29, so that one is the day after J59, in hours.
    leap_day = (when.month, when.day) == (2, 29)
    day = 59 if leap_day else date(2001, when.month, when.day).timetuple().tm_yday
    return f"AAA0BBB-1,J{day}/{when.hour + 24 * leap_day}:{when:%M:%S},J{(day + 181) % 365 + 1}/0"


@attrs.frozen
class Recording:
    """Some seconds of the real thing, stopped by TERM."""

    device: Path
    began: float
    ended: float
    clocks_change: datetime
    code: int
    said: str
    listed: tuple[str, str]
    pid: int


@pytest.fixture(scope="module")
def recording(ffmpeg_exe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    folder = tmp_path_factory.mktemp("recording")
    device = folder / "capture 7%d"  # a name that must not reach ffmpeg's number patterns
    listed = folder / "active_captures"
    listed.write_text("# by hand\n/other/capture9,12,hd\n", "utf-8")
    listed.chmod(0o640)
    began = time.time()
    change = datetime.fromtimestamp(began, UTC).replace(microsecond=0) + timedelta(seconds=4)
    with launching(folder) as launch:
        running = launch(
            device,
            HOTCOLD_FFMPEG=ffmpeg_exe,
            HOTCOLD_ACTIVE_CAPTURES=str(listed),
            HOTCOLD_QUALITY="hd",
            TZ=clocks_go_forward(change),
        )
        running.await_file("captures/capture_000000000.jpg")
        while_running = listed.read_text("utf-8")
        wait_for(lambda: time.time() > change.timestamp() + 1 or running.process.poll(), "the change of the clocks")
        running.await_file("segments/segment_000000002.ts")
        code = running.stop()
        assert listed.stat().st_mode & 0o777 == 0o640
        yield Recording(
            device,
            began,
            time.time(),
            change,
            code,
            running.said,
            (while_running, listed.read_text("utf-8")),
            running.pid,
        )


def files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


def test_it_makes_four_times_twenty_five_folders(recording: Recording) -> None:
    assert {entry.name for entry in recording.device.iterdir() if entry.is_dir()} == set(KINDS)
    for kind in KINDS:
        assert {entry.name for entry in (recording.device / kind).iterdir() if entry.is_dir()} == HOURS


def test_each_output_is_numbered_without_a_gap_and_each_file_is_finished(recording: Recording) -> None:
    for kind, name in (
        ("segments", "segment_{:09}.ts"),
        ("captures", "capture_{:09}.jpg"),
        ("thumbnails", "capture_{:09}_thumbnail.jpg"),
    ):
        found = [name for name in files(recording.device / kind) if name != "output.m3u8"]
        assert len(found) > 2
        assert found == [name.format(number) for number in range(len(found))]
        assert all((recording.device / kind / name).stat().st_size for name in found)


def test_there_are_two_captures_and_five_thumbnails_to_a_second_of_segments(recording: Recording) -> None:
    text = (recording.device / "segments/output.m3u8").read_text("utf-8")
    segments = [name for name in files(recording.device / "segments") if name != "output.m3u8"]
    seconds = len(segments) - 1 + [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", text)][-1]
    assert abs(len(files(recording.device / "captures")) - 2 * seconds) <= 2
    assert abs(len(files(recording.device / "thumbnails")) - 5 * seconds) <= 2


def test_the_playlist_is_ended_and_lists_at_most_six_segments_of_one_second(recording: Recording) -> None:
    text = (recording.device / "segments/output.m3u8").read_text("utf-8")
    listed = re.findall(r"^segment_\d{9}\.ts$", text, re.MULTILINE)
    lengths = [float(length) for length in re.findall(r"#EXTINF:([\d.]+)", text)]
    segments = [name for name in files(recording.device / "segments") if name != "output.m3u8"]
    assert listed == segments[-6:]
    assert lengths[:-1] == [1] * (len(listed) - 1)
    assert "#EXT-X-TARGETDURATION:1\n" in text
    assert text.count("#EXT-X-PROGRAM-DATE-TIME:") == len(listed)
    assert "DISCONTINUITY" not in text
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_a_stop_on_request_ends_with_zero_and_without_an_error(recording: Recording) -> None:
    assert recording.code == 0
    assert "[error]" not in recording.said
    assert recording.said.count("capture.sh:") == 1


def test_the_device_is_in_the_list_while_it_is_recorded_and_other_lines_stay(recording: Recording) -> None:
    others = "# by hand\n/other/capture9,12,hd\n"
    assert recording.listed == (f"{others}{recording.device},{recording.pid},hd\n", others)


@pytest.mark.parametrize(("kind", "size"), [("captures", (640, 360)), ("thumbnails", (320, 180))])
def test_every_picture_tells_the_second_in_which_it_was_drawn(
    recording: Recording, ffmpeg_exe: str, kind: str, size: tuple[int, int]
) -> None:
    pictures = [Picture.read(ffmpeg_exe, recording.device / kind / name) for name in files(recording.device / kind)]
    seconds = [picture.second() for picture in pictures]
    assert {(picture.width, picture.height) for picture in pictures} == {size}
    assert seconds == sorted(seconds)
    assert int(recording.began) <= seconds[0] < seconds[-1] <= recording.ended


def test_the_clock_is_local_time_before_and_after_the_clocks_change(recording: Recording, ffmpeg_exe: str) -> None:
    change = recording.clocks_change.timestamp()
    sides = set()
    for name in files(recording.device / "captures"):
        picture = Picture.read(ffmpeg_exe, recording.device / "captures" / name)
        second = picture.second()
        summer = second >= change
        sides.add(summer)
        local = datetime.fromtimestamp(second, UTC) + timedelta(hours=summer)
        assert picture.clock() == f"{local:%H:%M:%S}"
    assert sides == {False, True}


def test_every_digit_and_every_bit_is_drawn_as_it_is_read(
    launch: Launch, device: Path, fake_ffmpeg: Path, ffmpeg_exe: str, tmp_path: Path
) -> None:
    said = arguments(fake_ffmpeg, launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), HOTCOLD_AUDIO="none", TZ="XXX-5:30"))
    graph = said[said.index("-i") + 1]
    first, step, frames = 100_000_000, 123_456_789, 34  # from 1973 to 2106, the last year that 32 bits can tell
    assert graph.count("realtime=limit=86400,settb=1,setpts=time(0),") == 1
    fixed = graph.replace("realtime=limit=86400,settb=1,setpts=time(0),", f"settb=1,setpts={first}+N*{step},")
    command = [ffmpeg_exe, "-v", "error", "-f", "lavfi", "-i", fixed, "-frames:v", str(frames), "-pix_fmt", "gray"]
    subprocess.run([*command, str(tmp_path / "%d.pgm")], check=True, timeout=30)
    seen = set()
    for frame in range(frames):
        picture = Picture.parse((tmp_path / f"{frame + 1}.pgm").read_bytes())
        second = first + frame * step
        clock = f"{datetime.fromtimestamp(second, UTC) + timedelta(hours=5, minutes=30):%H:%M:%S}"
        assert (picture.second(), picture.clock()) == (second, clock)
        seen |= set(enumerate(clock))
    assert {digit for _, digit in seen} == set("0123456789:")
    assert {digit for place, digit in seen if place == 7} == set("0123456789")


def test_events_blacken_freeze_and_silence(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, HOTCOLD_TEST_EVENTS="black:1-2 frozen:3-4 silent:1-3")
    running.await_file("segments/segment_000000004.ts")
    assert running.stop() == 0

    def thumbnail(number: int) -> Picture:
        return Picture.read(ffmpeg_exe, device / f"thumbnails/capture_{number:09}_thumbnail.jpg")

    def loudness(segment: int) -> int:
        command = [ffmpeg_exe, "-v", "error", "-i", str(device / f"segments/segment_{segment:09}.ts")]
        sound = subprocess.run([*command, "-vn", "-f", "u8", "-"], check=True, capture_output=True, timeout=30).stdout
        return max(abs(sample - 128) for sample in sound)

    # Five a second, so numbers 6 to 8 are of the second second, well inside it.
    assert all(max(thumbnail(number).pixels) < 8 for number in (6, 7, 8))
    assert thumbnail(11).second() - thumbnail(3).second() in {1, 2}
    assert thumbnail(16).pixels == thumbnail(17).pixels == thumbnail(18).pixels
    assert thumbnail(11).pixels != thumbnail(12).pixels
    assert (loudness(0) > 8, loudness(2) > 8, loudness(4) > 8) == (True, False, True)


@pytest.mark.parametrize(
    ("whom", "what"), [("launcher", signal.SIGINT), ("group", signal.SIGTERM), ("group", signal.SIGINT)]
)
def test_a_signal_to_one_or_to_the_group_leaves_nothing_empty_or_unfinished(
    launch: Launch, device: Path, ffmpeg_exe: str, whom: str, what: signal.Signals
) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe)
    running.await_file("segments/segment_000000000.ts")
    (os.killpg if whom == "group" else os.kill)(running.pid, what)
    assert running.end() == 0
    for kind in KINDS:
        assert not [name for name in files(device / kind) if name.endswith(".tmp")]
        assert all((device / kind / name).stat().st_size for name in files(device / kind))
    assert (device / "segments/output.m3u8").read_text("utf-8").endswith("#EXT-X-ENDLIST\n")


@pytest.mark.needs("setpriv")
def test_after_kill_9_ffmpeg_is_gone_and_the_next_one_counts_on(
    launch: Launch, device: Path, ffmpeg_exe: str, tmp_path: Path
) -> None:
    listed = tmp_path / "active_captures"
    settings = {"HOTCOLD_FFMPEG": ffmpeg_exe, "HOTCOLD_ACTIVE_CAPTURES": str(listed)}
    killed = launch(device, **settings)
    killed.await_file("segments/segment_000000000.ts")
    ffmpeg = killed.ffmpeg()
    killed.process.kill()
    killed.end()
    wait_for(lambda: not is_running(ffmpeg), "the end of an ffmpeg without a launcher")
    left = {path: path.stat().st_mtime_ns for kind in KINDS for path in (device / kind).glob("*_*[!p]")}
    for unfinished in ("segments/segment_000000099.ts.tmp", "captures/capture_000000199.jpg.tmp"):
        (device / unfinished).touch()

    again = launch(device, **settings)
    assert again.numbers()[:2] == (100, 200)
    again.await_file("segments/segment_000000100.ts")
    assert listed.read_text("utf-8") == f"{device},{again.pid},sd\n"
    assert again.stop() == 0
    assert not listed.read_text("utf-8")
    assert not [*device.glob("*/*.tmp")]
    assert {path: path.stat().st_mtime_ns for path in left} == left
    text = (device / "segments/output.m3u8").read_text("utf-8")
    assert text.index("#EXT-X-DISCONTINUITY\n") < text.index("segment_000000100.ts")
    assert "#EXT-X-MEDIA-SEQUENCE:100\n" in text


def test_an_ffmpeg_that_is_killed_ends_the_launcher_with_its_code(
    launch: Launch, device: Path, fake_ffmpeg: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "active_captures"
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), HOTCOLD_ACTIVE_CAPTURES=str(listed))
    arguments(fake_ffmpeg, running)
    os.kill(running.ffmpeg(), signal.SIGKILL)
    assert running.end() == 128 + signal.SIGKILL
    assert running.said.splitlines()[-1] == ("capture.sh: ffmpeg ended by itself with exit code 137: it gave no reason")
    assert not listed.read_text("utf-8")


def test_the_code_and_the_error_of_an_ffmpeg_that_fails_are_passed_on(
    launch: Launch, device: Path, fake_ffmpeg: Path
) -> None:
    errors = "[tcp @ 0x1] [error] Connection refused\n[warning] not this\n[fatal] Error opening input files"
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), FAKE_ERRORS=errors, FAKE_CODE="145")
    assert running.end() == 145
    assert running.said.splitlines()[1:] == [
        *errors.splitlines(),
        "capture.sh: ffmpeg ended by itself with exit code 145: [tcp @ 0x1] [error] Connection refused",
    ]


def test_a_live_source_that_ends_is_a_failure(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), FAKE_ERRORS="bye", FAKE_CODE="0")
    assert running.end() == 1
    assert running.said.endswith("capture.sh: the source ended, and ffmpeg with it\n")


def test_an_ffmpeg_that_does_not_hear_is_terminated(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    deaf = FAKE_FFMPEG.replace("read -rn 1 _", "exec sleep 60")
    fake_ffmpeg.write_text(deaf, "utf-8")
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg))
    arguments(fake_ffmpeg, running)
    assert running.stop() == 0
    assert not is_running(running.ffmpeg())


def test_a_second_launcher_is_refused_and_named_the_first(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    first = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg))
    arguments(fake_ffmpeg, first)
    code, line = refusal(device, {"HOTCOLD_FFMPEG": str(fake_ffmpeg)})
    assert code == 1
    assert f"is captured already, by process {first.pid} (its ffmpeg: {first.ffmpeg()})" in line
    assert first.process.poll() is None
    assert first.stop() == 0


def test_without_setpriv_an_orphaned_ffmpeg_keeps_the_next_launcher_away(
    launch: Launch, device: Path, fake_ffmpeg: Path, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    names = "bash basename chmod dirname find flock mkdir mv readlink rm sleep sort tail"
    for tool in names.split():
        found = shutil.which(tool)
        assert found, tool
        (tools / tool).symlink_to(found)
    settings = {"HOTCOLD_FFMPEG": str(fake_ffmpeg), "PATH": str(tools)}
    killed = launch(device, **settings)
    arguments(fake_ffmpeg, killed)
    orphan = killed.ffmpeg()
    # Stopped, it does not notice that nobody types any more.
    os.kill(orphan, signal.SIGSTOP)
    killed.process.kill()
    killed.end()
    code, line = refusal(device, settings)
    assert code == 1
    assert f"(its ffmpeg: {orphan})" in line
    os.kill(orphan, signal.SIGKILL)
    wait_for(lambda: not is_running(orphan), "the orphan's end")
    assert launch(device, **settings).numbers() == (0, 0, 0)


def test_the_list_is_changed_only_in_turn(launch: Launch, device: Path, fake_ffmpeg: Path, tmp_path: Path) -> None:
    listed = tmp_path / "active_captures"
    other = tmp_path / "capture2"
    listed.write_text(f"{device},99999999,hd\n{device}\n{device}0,3,sd\nno line's end", "utf-8")
    settings = {"HOTCOLD_FFMPEG": str(fake_ffmpeg), "HOTCOLD_ACTIVE_CAPTURES": str(listed)}
    before = listed.read_text("utf-8")
    with Path(f"{listed}.lock").open("wb") as lock, listed.open(encoding="utf-8") as reader:
        fcntl.flock(lock, fcntl.LOCK_EX)
        both = [launch(path, **settings) for path in (device, other)]
        # Both have come as far as the list when they have made their folders and looked for numbers: they wait for us.
        wait_for(lambda: all(waits_for_flock(running.pid) for running in both), "two launchers in the queue")
        assert listed.read_text("utf-8") == before
        fcntl.flock(lock, fcntl.LOCK_UN)
        for running in both:
            running.ffmpeg()
        assert reader.read() == before  # replaced, not written over: nobody reads half a list
    lines = listed.read_text("utf-8").splitlines()
    assert lines[:2] == [f"{device}0,3,sd", "no line's end"]
    assert set(lines[2:]) == {f"{running.device},{running.pid},sd" for running in both}
    assert [running.stop() for running in both] == [0, 0]
    assert listed.read_text("utf-8") == f"{device}0,3,sd\nno line's end\n"


def waits_for_flock(session: int) -> bool:
    """Whether a process of this session waits for a lock, proc_locks(5): `1: -> FLOCK ADVISORY WRITE pid ...`."""
    waiting = [line.split()[5] for line in Path("/proc/locks").read_text("ascii").splitlines() if "-> FLOCK" in line]
    for pid in waiting:
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(pid)) == session:
                return True
    return False


@pytest.mark.parametrize(
    ("hot", "cold", "numbers"),
    [
        pytest.param([], [], (0, 0, 0), id="nothing"),
        pytest.param(
            ["segments/segment_000000012.ts", "captures/capture_000000030.jpg", "thumbnails/capture_000000077_thumbnail.jpg"],
            [],
            (13, 31, 78),
            id="hot",
        ),
        pytest.param(["segments/segment_000000089.ts", "captures/capture_000000008.jpg"], [], (90, 9, 0), id="no octal"),
        pytest.param(["segments/segment_000000001.ts", "segments/23/segment_000000500.ts"], [], (501, 0, 0), id="an hour"),
        pytest.param(
            ["segments/3/segment_000000040_r1.ts", "thumbnails/0/capture_000000050_r12_thumbnail.jpg"],
            [],
            (41, 0, 51),
            id="a revision",
        ),
        pytest.param(["segments/segment_000000007.ts.tmp", "segments/segment_000000006.ts"], [], (8, 0, 0), id="unfinished"),
        pytest.param(["captures/.retired/2026-03-29T14/capture_000000020.jpg"], [], (0, 21, 0), id="retired"),
        pytest.param(
            ["captures/capture_000000020.jpg", "metadata/3/capture_000000019_r1.json"], [], (0, 21, 0), id="metadata below"
        ),
        pytest.param(["segments/segment_999999999.ts", "segments/4/segment_1000000000.ts"], [], (1000000001, 0, 0), id="ten digits"),
        pytest.param(["segments/segment_12.ts", "segments/segment_000000009.ts"], [], (13, 0, 0), id="two digits"),
        pytest.param(
            ["segments/output.m3u8", "segments/segment_last.ts", "segments/5/archive.m3u8", "metadata/capture_000000900.json"],
            [],
            (0, 901, 0),
            id="other names, and the captures' metadata",
        ),
        pytest.param(
            ["segments/segment_000000003.ts", "captures/0/capture_000000006.jpg"],
            ["segments/9/segment_000000004.ts", "captures/1/capture_000000005.jpg"],
            (5, 7, 0),
            id="two disks",
        ),
    ],
)  # fmt: skip
def test_numbers_go_on_from_the_highest_on_disk(
    launch: Launch,
    device: Path,
    fake_ffmpeg: Path,
    tmp_path: Path,
    hot: Sequence[str],
    cold: Sequence[str],
    numbers: tuple[int, int, int],
) -> None:
    elsewhere = tmp_path / "cold" / "capture1"
    for root, names in ((device, hot), (elsewhere, cold)):
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    settings = {"HOTCOLD_COLD_DIR": str(elsewhere)} if cold else {}
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), **settings)
    assert running.numbers() == numbers
    said = arguments(fake_ffmpeg, running)
    assert tuple(int(said[at + 1]) for at, word in enumerate(said) if word == "-start_number") == numbers
    assert not [*device.glob("*/*.tmp")]
    assert all((device / name).exists() for name in hot if not name.endswith(".tmp"))


def test_numbers_behind_a_symbolic_link_count(launch: Launch, device: Path, fake_ffmpeg: Path, tmp_path: Path) -> None:
    (tmp_path / "big" / "14").mkdir(parents=True)
    (tmp_path / "big" / "14" / "segment_000000321.ts").touch()
    (device / "segments").mkdir()
    (device / "segments" / "14").symlink_to(tmp_path / "big" / "14")
    assert launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg)).numbers() == (322, 0, 0)


def test_a_number_that_ffmpeg_cannot_count_on_from_is_named(device: Path, fake_ffmpeg: Path) -> None:
    (device / "captures").mkdir()
    (device / "captures/capture_99999999999999999999.jpg").touch()
    code, line = refusal(device, {"HOTCOLD_FFMPEG": str(fake_ffmpeg)})
    assert code == 1
    assert "captures holds capture_99999999999999999999.jpg, too high a number" in line


OLD: Final = ("output.m3u8", "segment_000000040.ts", "captures/capture_000000200_thumbnail.jpg")
"""Each is what only a writer of the old layout makes."""
APART: Final = 10_000_000


@pytest.mark.parametrize("sign", [*OLD, "captures/capture_000000040.jpg"])
@pytest.mark.parametrize("age", [5, 90])
def test_beside_a_writer_of_the_old_layout_captures_begin_far_above_its_own(
    launch: Launch, device: Path, fake_ffmpeg: Path, sign: str, age: int
) -> None:
    (device / "captures").mkdir()
    for name in ("captures/capture_000000100.jpg", "captures/capture_000000101.jpg.tmp", sign):
        (device / name).touch()
    at = time.time() - age
    os.utime(device / sign, (at, at))
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg))
    highest = 200 if "thumbnail" in sign else 101
    at_work = age < 60 and sign in OLD
    assert running.numbers() == (0, highest + 1 + APART * at_work, 0)
    assert (f"another ffmpeg writes into {device} ({sign})" in running.said) is at_work
    # It is still being written there.
    assert (device / "captures/capture_000000101.jpg.tmp").exists() is at_work


def test_a_restart_beside_a_writer_of_the_old_layout_counts_on(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    (device / "captures").mkdir()
    for name in ("output.m3u8", "captures/capture_000000102.jpg", f"captures/capture_{APART + 130:09}.jpg"):
        (device / name).touch()
    assert launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg)).numbers()[1] == APART + 131


def test_numbers_that_end_before_the_other_writers_are_out_of_the_way_are_refused(
    device: Path, fake_ffmpeg: Path
) -> None:
    (device / "captures").mkdir()
    for name in ("output.m3u8", "captures/capture_1995000000.jpg"):
        (device / name).touch()
    code, line = refusal(device, {"HOTCOLD_FFMPEG": str(fake_ffmpeg)})
    assert code == 1
    assert "(output.m3u8), and above its captures no numbers are left: stop it first" in line


def test_two_ffmpegs_in_one_folder_of_captures_overwrite_nothing(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    captures = device / "captures"
    captures.mkdir()
    with old_writer(ffmpeg_exe, device):
        wait_for(lambda: len(files(captures)) > 8, "the old writer's captures")
        running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, HOTCOLD_AUDIO="none")
        first = running.numbers()[1]
        running.await_file(f"captures/capture_{first + 4:09}.jpg")
        assert running.stop() == 0
    numbers = sorted(int(name[8:-4]) for name in files(captures) if "_thumbnail" not in name and name.endswith(".jpg"))
    theirs = [number for number in numbers if number < first]
    assert theirs == list(range(FIRST, FIRST + len(theirs)))
    assert len(theirs) > 4
    assert first > FIRST + APART
    assert numbers[len(theirs) :] == list(range(first, first + len(numbers) - len(theirs)))


def test_with_a_cold_directory_the_hour_folders_are_there_and_only_there(
    launch: Launch, device: Path, fake_ffmpeg: Path, tmp_path: Path
) -> None:
    (tmp_path / "cold").mkdir()
    cold = tmp_path / "cold" / "capture1"
    launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), HOTCOLD_COLD_DIR=str(cold)).ffmpeg()
    for kind in KINDS:
        assert not [*(device / kind).iterdir()]
        assert {entry.name for entry in (cold / kind).iterdir()} == HOURS


def test_only_its_own_unfinished_files_go(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    gone = ["segments/segment_000000007.ts.tmp", "segments/output.m3u8.tmp", "thumbnails/capture_3_thumbnail.jpg.tmp"]
    stay = ["metadata/capture_000000001.json.tmp", "segments/5/archive.m3u8.tmp", "captures/mine.tmp"]
    for name in (*gone, *stay):
        (device / name).parent.mkdir(parents=True, exist_ok=True)
        (device / name).touch()
    launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg)).ffmpeg()
    assert sorted(str(path.relative_to(device)) for path in device.rglob("*.tmp")) == sorted(stay)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"HOTCOLD_SOURCE": ""}, "HOTCOLD_SOURCE is not set: name one of v4l2,"),
        ({"HOTCOLD_SOURCE": "camera"}, "HOTCOLD_SOURCE=camera is not a source: name one of v4l2,"),
        ({"HOTCOLD_SOURCE": "v4l2", "HOTCOLD_INPUT": "/dev/no"}, "HOTCOLD_INPUT=/dev/no is no video device: plug it in"),
        ({"HOTCOLD_SOURCE": "v4l2", "HOTCOLD_AUDIO": "own"}, "HOTCOLD_AUDIO=own: v4l2 carries no sound: name none,"),
        ({"HOTCOLD_SOURCE": "x11grab"}, "HOTCOLD_INPUT and DISPLAY are not set: name an X display"),
        ({"HOTCOLD_SOURCE": "x11grab", "DISPLAY": "wayland"}, "HOTCOLD_INPUT=wayland is no X display: name one"),
        ({"HOTCOLD_SOURCE": "rtsp", "HOTCOLD_INPUT": "http://a/"}, "HOTCOLD_INPUT=http://a/ is no RTSP address: name one"),
        ({"HOTCOLD_SOURCE": "file"}, "HOTCOLD_INPUT is not set: name a video file"),
        ({"HOTCOLD_SOURCE": "file", "HOTCOLD_INPUT": "/no"}, "HOTCOLD_INPUT=/no is no file that can be read: name"),
        ({"HOTCOLD_AUDIO": "alsa:hw:0"}, "HOTCOLD_AUDIO=alsa:hw:0: this ffmpeg ("),
        ({"HOTCOLD_AUDIO": "loud"}, "HOTCOLD_AUDIO=loud is not a sound: none, own, alsa:DEVICE or pulse:DEVICE"),
        ({"HOTCOLD_FFMPEG": "/no/ffmpeg"}, "HOTCOLD_FFMPEG=/no/ffmpeg: no such program: install ffmpeg"),
        ({"HOTCOLD_FFMPEG": "true"}, "does not run as ffmpeg: try"),
        ({"HOTCOLD_VIDEO_CODEC": "libx999"}, "has no encoder libx999 for pictures: see `ffmpeg -encoders`"),
        ({"HOTCOLD_VIDEO_CODEC": "aac"}, "has no encoder aac for pictures: see `ffmpeg -encoders`"),
        ({"HOTCOLD_AUDIO_CODEC": "mpeg4"}, "has no encoder mpeg4 for sound: see `ffmpeg -encoders`"),
        ({"HOTCOLD_VIDEO_CODEC": "copy"}, "HOTCOLD_VIDEO_CODEC=copy: what this source gives is not encoded: name"),
        ({"HOTCOLD_AUDIO_CODEC": "copy"}, "HOTCOLD_AUDIO_CODEC=copy: what this source gives is not encoded: name"),
        ({"HOTCOLD_SIZE": "640"}, "HOTCOLD_SIZE=640 is not WIDTHxHEIGHT"),
        ({"HOTCOLD_SIZE": "100x80"}, "HOTCOLD_SIZE=100x80 is too small for the test picture: 160x90 or more"),
        ({"HOTCOLD_FPS": "0"}, "HOTCOLD_FPS=0 is not a rate"),
        ({"HOTCOLD_CAPTURE_FPS": "1/0"}, "HOTCOLD_CAPTURE_FPS=1/0 is not a rate"),
        ({"HOTCOLD_BITRATE": "fast"}, "HOTCOLD_BITRATE=fast is not a bit rate"),
        ({"HOTCOLD_THUMBNAIL_WIDTH": "0320"}, "HOTCOLD_THUMBNAIL_WIDTH=0320 is not a width in pixels"),
        ({"HOTCOLD_TEST_EVENTS": "black:9-3"}, "HOTCOLD_TEST_EVENTS: 9-3 does not end after its start"),
        ({"HOTCOLD_TEST_EVENTS": "black:3-9/6"}, "HOTCOLD_TEST_EVENTS: 3-9/6 begins again before its end"),
        ({"HOTCOLD_ANALYSIS": "on"}, "HOTCOLD_ANALYSIS=on is not yes, no or auto"),
        ({"HOTCOLD_ANALYSIS": "yes", "HOTCOLD_ANALYZER": "/no/hotcold"}, "HOTCOLD_ANALYZER=/no/hotcold: no such program: install"),
        ({"HOTCOLD_ANALYSIS": "yes", "HOTCOLD_ANALYZER": "true", "FAKE_FILTERS": "astats"}, "has no filter blackframe: name"),
        ({"HOTCOLD_BLACK_LUMA": "256"}, "HOTCOLD_BLACK_LUMA=256 is not a brightness from 0 to 255"),
        ({"HOTCOLD_FREEZE_NOISE": "60"}, "HOTCOLD_FREEZE_NOISE=60 is not a level in dB"),
        ({"HOTCOLD_SILENCE_SECONDS": "0"}, "HOTCOLD_SILENCE_SECONDS=0 is not a time in seconds"),
        ({"HOTCOLD_TEST_EVENTS": "blue:1-2"}, "HOTCOLD_TEST_EVENTS=blue:1-2 is not a list such as"),
        ({"HOTCOLD_COLD_DIR": "/no/cold"}, "HOTCOLD_COLD_DIR=/no/cold: the folder /no does not exist: make or mount it"),
        ({"HOTCOLD_COLD_DIR": "cold"}, "HOTCOLD_COLD_DIR=cold is not an absolute path"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_one_line_and_code_two(
    device: Path, fake_ffmpeg: Path, settings: Mapping[str, str], line: str
) -> None:
    code, said = refusal(device, {"HOTCOLD_FFMPEG": str(fake_ffmpeg), **settings})
    assert code == 2
    assert line in said
    assert not files(device) or files(device) == [".capture.lock"]


def test_a_wrong_device_folder_is_one_line(tmp_path: Path, fake_ffmpeg: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "captures").touch()
    (tmp_path / "a,b").mkdir()
    settings = {"HOTCOLD_FFMPEG": str(fake_ffmpeg)}
    listed = {**settings, "HOTCOLD_ACTIVE_CAPTURES": str(tmp_path / "list")}
    nowhere = {**settings, "HOTCOLD_ACTIVE_CAPTURES": str(tmp_path / "file" / "list")}
    parent = "does not exist: make or mount it first"
    assert refusal("", settings) == (
        2,
        "capture.sh: usage: capture.sh DEVICE_DIR (settings: the HOTCOLD_* table in README.md)",
    )
    for path, environ, expected, line in (
        (tmp_path / "no" / "capture1", settings, 2, f"the folder {tmp_path}/no {parent}"),
        (tmp_path / "file", settings, 1, "File exists"),
        (tmp_path / "half", settings, 1, "cannot make the folders: "),
        (tmp_path / "a,b", listed, 2, "cannot hold a comma"),
        (tmp_path / "capture1", nowhere, 1, f"cannot write HOTCOLD_ACTIVE_CAPTURES={tmp_path}/file/list"),
    ):
        code, said = refusal(path, environ)
        assert code == expected
        assert line in said


def test_a_name_that_begins_like_an_option_is_a_name(
    launch: Launch, tmp_path: Path, fake_ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    running = launch(Path("-capture 1"), HOTCOLD_FFMPEG="./fake_ffmpeg")
    arguments(fake_ffmpeg, running)
    assert running.stop() == 0
    assert (tmp_path / "-capture 1" / "segments" / "0").is_dir()


# The filters that analyse what is recorded.
PIPE: Final = r"file=pipe\\:9:direct=1"
HEARD: Final = (
    "aresample=async=1:osr=48000,asplit[heard][sound];[sound]asetnsamples=n=4800:p=0,asetpts=NAN,"
    "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=RMS_level,"
    f"ametadata=print:key=lavfi.astats.Overall.RMS_level:{PIPE},anullsink;[heard]anull"
)
SEEN: Final = (
    "fps=2,split[seen][picture];[picture]scale=160:-2:out_range=pc:flags=fast_bilinear,format=yuv420p,"
    "blackframe=amount=98:threshold=32,freezedetect=n=-60dB:d=0.5,signalstats,"
    f"metadata=print:key=lavfi.blackframe.pblack:{PIPE},"
    f"metadata=print:key=lavfi.freezedetect.freeze_start:{PIPE},"
    f"metadata=print:key=lavfi.freezedetect.freeze_end:{PIPE},"
    f"metadata=print:key=lavfi.signalstats.YAVG:{PIPE},nullsink;[seen]scale=out_range=pc,format=yuv420p"
)

# Every setting, with what it makes of ffmpeg's arguments: words that follow each other.
ACTS: Final[Sequence[tuple[dict[str, str], Sequence[str]]]] = (
    ({"SOURCE": "x11grab", "INPUT": ":0"}, ["-f", "x11grab", "-framerate", "25", "-i", ":0"]),
    ({"SOURCE": "x11grab", "DISPLAY": ":7"}, ["-i", ":7"]),
    ({"SOURCE": "x11grab", "INPUT": ":0", "INPUT_OPTIONS": "-draw_mouse 0"}, ["-draw_mouse", "0", "-i", ":0"]),
    ({"SOURCE": "x11grab", "INPUT": ":0", "SIZE": "800x600", "FPS": "10"}, ["10", "-video_size", "800x600", "-i", ":0"]),
    ({"SOURCE": "x11grab", "INPUT": ":0"}, ["-an", "-f", "hls"]),
    ({"SOURCE": "x11grab", "INPUT": ":0", "AUDIO": "pulse:a b"}, ["-f", "pulse", "-i", "a b"]),
    ({"SOURCE": "x11grab", "INPUT": ":0", "AUDIO": "pulse:a b"}, ["-map", "1:a:0"]),
    ({"AUDIO": "none"}, ["-an"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b"}, ["-rtsp_transport", "tcp", "-timeout", "10000000", "-i", "rtsp://a/b"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b", "FAKE_RTSP_HELP": "  -stimeout  <int64>"}, ["-stimeout", "10000000"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b", "RTSP_TRANSPORT": "udp", "RTSP_TIMEOUT": "3"}, ["udp", "-timeout", "3000000"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b", "SIZE": "800x600"}, ["-vf", "fps=2,scale=800:600,scale=out_range=pc,format=yuv420p"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b", "FPS": "15"}, ["-r", "15", "-c:v", "libx264"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b", "VIDEO_CODEC": "copy"}, ["-map", "0:v:0", "-c:v", "copy", "-map", "0:a:0?"]),
    ({"SOURCE": "rtsp", "INPUT": "rtsp://a/b", "AUDIO_CODEC": "copy"}, ["-map", "0:a:0?", "-c:a", "copy", "-f", "hls"]),
    ({"SOURCE": "file", "INPUT": str(SCRIPT)}, ["-re", "-stream_loop", "-1", "-i", f"file:{SCRIPT}"]),
    ({"SOURCE": "file", "INPUT": str(SCRIPT), "LOOP": "no"}, ["-stream_loop", "0"]),
    ({"SEGMENT_SECONDS": "4"}, ["-force_key_frames", "expr:gte(t,n_forced*4)"]),
    ({"SEGMENT_SECONDS": "4", "LIST_SIZE": "3"}, ["-hls_time", "4", "-hls_list_size", "3"]),
    ({"SEGMENT_SIZE": "320x240"}, ["-vf", "scale=320:240,scale=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p", "-r", "25"]),
    ({}, ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "800k"]),
    ({}, ["-hls_flags", "temp_file+program_date_time", "-start_number", "0"]),
    ({"PRESET": "veryfast"}, ["-preset", "veryfast"]),
    ({"VIDEO_CODEC": "mpeg4"}, ["-c:v", "mpeg4", "-b:v"]),
    ({"BITRATE": "2M"}, ["-b:v", "2M", "-maxrate", "2M", "-bufsize", "2M"]),
    ({"VIDEO_OPTIONS": "-profile:v main"}, ["-profile:v", "main", "-map"]),
    ({"AUDIO_CODEC": "mp2", "AUDIO_BITRATE": "96k", "AUDIO_RATE": "44100"}, ["-c:a", "mp2", "-b:a", "96k", "-ar", "44100"]),
    ({"CAPTURE_FPS": "0.5"}, ["-vf", "fps=0.5,scale=out_range=pc,format=yuv420p"]),
    ({"THUMBNAIL_FPS": "1", "THUMBNAIL_WIDTH": "160"}, ["-vf", "fps=1,scale=160:-2:out_range=pc,format=yuv420p"]),
    ({}, ["-f", "image2", "-atomic_writing", "1", "-start_number", "0", "captures/capture_%09d.jpg"]),
    ({}, ["-f", "image2", "-atomic_writing", "1", "-start_number", "0", "thumbnails/capture_%09d_thumbnail.jpg"]),
    ({"ANALYSIS": "yes", "ANALYZER": "true"}, ["-af", HEARD]),
    ({"ANALYSIS": "yes", "ANALYZER": "true"}, ["-vf", SEEN]),
    ({"ANALYSIS": "yes", "ANALYZER": "true", "AUDIO_RATE": "8000"}, ["-af", HEARD.replace("48000", "8000").replace("4800", "800")]),
    ({"ANALYSIS": "yes", "ANALYZER": "true", "AUDIO": "none"}, ["-an"]),
    ({"ANALYSIS": "yes", "ANALYZER": "true", "SOURCE": "file", "INPUT": str(SCRIPT), "AUDIO_CODEC": "copy"}, ["copy", "-f", "hls"]),
    ({"ANALYSIS": "yes", "ANALYZER": "true", "BLACK_LUMA": "20"}, ["-vf", SEEN.replace("=32", "=20")]),
    ({"ANALYSIS": "yes", "ANALYZER": "true", "FREEZE_NOISE": "-50", "FREEZE_SECONDS": "10"}, ["-vf", SEEN.replace("-60dB:d=0.5", "-50dB:d=10")]),
    ({"ANALYSIS": "auto", "ANALYZER": "true"}, ["-vf", SEEN]),
    ({"ANALYSIS": "auto", "ANALYZER": "/no/hotcold"}, ["-vf", "fps=2,scale=out_range=pc,format=yuv420p"]),
    ({"JPEG_QUALITY": "9"}, ["-c:v", "mjpeg", "-q:v", "9", "-color_range", "pc"]),
)  # fmt: skip


@pytest.mark.parametrize(("settings", "words"), ACTS)
def test_a_setting_reaches_ffmpeg(
    launch: Launch, device: Path, fake_ffmpeg: Path, settings: Mapping[str, str], words: Sequence[str]
) -> None:
    plain = {"DISPLAY", "FAKE_RTSP_HELP"}
    named = {name if name in plain else f"HOTCOLD_{name}": value for name, value in settings.items()}
    said = arguments(fake_ffmpeg, launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), **named))
    assert any(said[at : at + len(words)] == list(words) for at in range(len(said))), said


def test_the_label_and_the_events_are_in_the_test_picture(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    def graph(**settings: str) -> str:
        Path(f"{fake_ffmpeg}.said").unlink(missing_ok=True)
        running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), **settings)
        said = arguments(fake_ffmpeg, running)
        assert running.stop() == 0
        # The clock's beginning is this start's own.
        return re.sub(r"[0-9]{9,}(\.[0-9]+)?", "START", said[said.index("-i") + 1])

    one = graph()
    assert graph(HOTCOLD_TEST_LABEL="capture1") == one
    assert graph(HOTCOLD_TEST_LABEL="front 12") != one
    assert graph(HOTCOLD_TEST_LABEL="front").count("drawbox") < one.count("drawbox")
    events = graph(HOTCOLD_FPS="30000/1001", HOTCOLD_TEST_EVENTS="black:1-2 frozen:10-20 silent:08-09 black:3-09/60")
    assert "drawbox=t=fill:color=black:enable='gte(t,1)*lt(t,2)'" in events
    assert "drawbox=t=fill:color=black:enable='gte(t,3)*lt(mod(t-3,60),6)'" in events
    assert "setpts='if(gte(N,299)*lt(N,599),PREV_OUTPTS,time(0))'" in events
    assert "drawbox=t=fill:color=navy:enable='gte(n,299)*lt(n,599)'" in events
    assert "volume=0:enable='gte(t,08)*lt(t,09)'" in events
    assert "navy:enable='gte(n,125)*lt(mod(n-125,750),125)+gte(n,1)*lt(n,12)'" in graph(
        HOTCOLD_FPS="12.5", HOTCOLD_TEST_EVENTS="frozen:10-20/60 frozen:0-1"
    )


def settings_in_the_code() -> dict[str, str]:
    """Every setting and the words of its default."""
    text = (FOLDER / "lib/settings.sh").read_text("utf-8")
    return dict(re.findall(r"^    setting (HOTCOLD_[A-Z_]+) ('[^']*'|\"[^\n]*?\"|\S+) ", text, re.MULTILINE))


def test_the_table_in_the_readme_has_every_setting_and_its_default() -> None:
    rows = re.findall(r"^\| `(HOTCOLD_[A-Z_]+)` \| (.*?) *\| ", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    code = settings_in_the_code()
    assert [name for name, _ in rows] == list(code)
    for name, default in rows:
        if re.fullmatch(r"`[^`]+`", default):
            assert code[name] == default.strip("`"), name
        elif not default:
            assert code[name] == "''", name
        else:
            assert code[name].startswith('"'), f"{name} has one default for all: say which"


def test_every_setting_of_the_script_is_read_in_one_place_and_tried_here() -> None:
    scripts = "".join(path.read_text("utf-8") for path in (SCRIPT, *(FOLDER / "lib").glob("*.sh")))
    code = settings_in_the_code()
    assert set(re.findall(r"HOTCOLD_[A-Z_]+", scripts)) == set(code)
    tried = {f"HOTCOLD_{name}" for settings, _ in ACTS for name in settings}
    elsewhere = {
        "HOTCOLD_ACTIVE_CAPTURES",
        "HOTCOLD_COLD_DIR",
        "HOTCOLD_FFMPEG",
        "HOTCOLD_QUALITY",
        "HOTCOLD_SILENCE_DB",  # these two reach the analyser: test_analyze.py
        "HOTCOLD_SILENCE_SECONDS",
        "HOTCOLD_TEST_EVENTS",
        "HOTCOLD_TEST_LABEL",
    }
    assert set(code) <= tried | elsewhere


def made_video(ffmpeg_exe: str, path: Path) -> Path:
    """Two seconds at ten pictures a second, 162x90, with a key frame every second and sound."""
    picture = ["-f", "lavfi", "-i", "testsrc2=size=162x90:rate=10:duration=2"]
    sound = ["-f", "lavfi", "-i", "sine=duration=2"]
    coding = ["-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run([ffmpeg_exe, "-v", "error", *picture, *sound, *coding, path], check=True, timeout=30)
    return path


def played_once(launch: Launch, device: Path, ffmpeg_exe: str, video: Path, **settings: str) -> Launched:
    """The launcher on a file, which it plays to its end."""
    return launch(
        device,
        HOTCOLD_SOURCE="file",
        HOTCOLD_INPUT=str(video),
        HOTCOLD_LOOP="no",
        HOTCOLD_FFMPEG=ffmpeg_exe,
        **settings,
    )


@pytest.mark.parametrize("codecs", [{}, {"HOTCOLD_VIDEO_CODEC": "copy", "HOTCOLD_AUDIO_CODEC": "copy"}])
def test_a_file_is_played_to_its_end_in_numbers_that_go_on(
    launch: Launch, device: Path, ffmpeg_exe: str, tmp_path: Path, codecs: Mapping[str, str]
) -> None:
    old = device / "thumbnails/11/capture_000000089_thumbnail.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    video = made_video(ffmpeg_exe, tmp_path / "a film: 1.mp4")
    running = played_once(launch, device, ffmpeg_exe, video, **codecs)
    assert running.end() == 0, running.said
    assert files(device / "segments") == ["output.m3u8", "segment_000000000.ts", "segment_000000001.ts"]
    assert files(device / "captures") == [f"capture_{number:09}.jpg" for number in range(4)]
    assert files(device / "thumbnails") == [f"capture_{number:09}_thumbnail.jpg" for number in range(90, 100)]
    assert old.read_bytes() == b"old"


def test_a_camera_is_recorded_until_it_goes(launch: Launch, device: Path, ffmpeg_exe: str, tmp_path: Path) -> None:
    video = made_video(ffmpeg_exe, tmp_path / "camera.mp4")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"rtsp://127.0.0.1:{free.getsockname()[1]}/live"
    running = launch(
        device,
        HOTCOLD_SOURCE="rtsp",
        HOTCOLD_INPUT=address,
        HOTCOLD_INPUT_OPTIONS="-rtsp_flags listen -listen_timeout 30",  # here the camera calls us
        HOTCOLD_FFMPEG=ffmpeg_exe,
    )
    running.ffmpeg()
    send: list[str] = [
        ffmpeg_exe,
        "-v",
        "error",
        "-re",
        "-i",
        str(video),
        "-c",
        "copy",
        "-f",
        "rtsp",
        "-rtsp_transport",
        "tcp",
        address,
    ]
    # Refused until ffmpeg listens.
    wait_for(lambda: subprocess.run(send, check=False, capture_output=True, timeout=30).returncode == 0, "a way in")
    assert running.end() == 1
    assert "capture.sh: the source ended, and ffmpeg with it" in running.said
    assert "segment_000000001.ts" in files(device / "segments")
    assert len(files(device / "captures")) >= 3


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HOTCOLD_SOURCE": "rtsp", "HOTCOLD_INPUT": "rtsp://127.0.0.1:1/live"}, "Connection refused"),
        ({"HOTCOLD_SOURCE": "file", "HOTCOLD_INPUT": str(SCRIPT)}, "Invalid data found when processing input"),
        ({"HOTCOLD_SOURCE": "x11grab", "HOTCOLD_INPUT": ":6.7"}, "Cannot open display :6.7"),
    ],
)
def test_what_a_real_ffmpeg_says_of_a_source_that_is_not_there_is_in_the_last_line(
    launch: Launch, device: Path, ffmpeg_exe: str, settings: Mapping[str, str], reason: str
) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, **settings)
    code = running.end()
    assert code != 0
    last = running.said.splitlines()[-1]
    assert last.startswith(f"capture.sh: ffmpeg ended by itself with exit code {code}: ")
    assert reason in last


@pytest.mark.needs("Xvfb")
def test_a_screen_is_recorded(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    ours, theirs = os.pipe()
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "320x240x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL) as display:
        os.close(theirs)
        with open(ours, encoding="ascii") as line:
            number = line.readline().strip()
        running = launch(device, HOTCOLD_SOURCE="x11grab", HOTCOLD_INPUT=f":{number}", HOTCOLD_FFMPEG=ffmpeg_exe)
        picture = Picture.read(ffmpeg_exe, running.await_file("captures/capture_000000001.jpg"))
        assert (picture.width, picture.height) == (320, 240)
        assert running.stop() == 0
        display.terminate()


@pytest.mark.needs("shellcheck")
def test_shellcheck_finds_nothing() -> None:
    scripts = [SCRIPT, *sorted((FOLDER / "lib").glob("*.sh"))]
    done = subprocess.run(["shellcheck", *scripts], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
