"""The analysis: what the launcher's ffmpeg finds in its captures, what becomes of it when the analyser is killed, hangs
or cannot write, and `hotcold analyze` alone.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from hotcold_inotify import analysis
from hotcold_inotify.cli import launcher
from tests.live.test_launcher import (
    SCRIPT,
    Launch,
    Launched,
    Picture,
    arguments,
    environment,
    files,
    is_running,
    launching,
    made_video,
    played_once,
    wait_for,
)
from tests.live.test_launcher import device as device  # noqa: PLC0414  a fixture, to be found here
from tests.live.test_launcher import fake_ffmpeg as fake_ffmpeg  # noqa: PLC0414  a fixture
from tests.live.test_launcher import launch as launch  # noqa: PLC0414  a fixture
from tests.machine import CLONE

HOTCOLD: Final = (sys.executable, "-m", "hotcold_inotify")
# The clone's own, whatever is on PATH. A space in its path would need a backslash.
ANALYSED: Final = {"HOTCOLD_ANALYSIS": "yes", "HOTCOLD_ANALYZER": " ".join(HOTCOLD)}
FIRST: Final = 42
FPS: Final = 2


def numbers(folder: Path) -> list[int]:
    return [int(name.split("_")[1].split(".")[0]) for name in files(folder) if not name.startswith(".")]


def reports(device: Path) -> list[analysis.Report]:
    """What the hot metadata says, in order of its numbers."""
    return [analysis.parse((device / "metadata" / name).read_text("utf-8")) for name in files(device / "metadata")]


def analyzer_of(launched: Launched) -> int:
    """The launcher's analyser, once it reads."""

    def look() -> int | None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
                if b"analyze" in words and os.fsencode(launched.device) in words and os.getsid(int(path.parts[2])):
                    return int(path.parts[2])
            except (FileNotFoundError, ProcessLookupError):
                continue
        return None

    found = wait_for(look, "the analyser")
    assert found is not None
    return found


@attrs.frozen
class Recording:
    """Twelve seconds of the real thing in which the picture is black, then frozen, and the sound silent."""

    device: Path
    said: str
    code: int
    analyzer: int

    @property
    def captures(self) -> list[Path]:
        return [self.device / "captures" / name for name in files(self.device / "captures")]


@pytest.fixture(scope="module")
def recording(ffmpeg_exe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    folder = tmp_path_factory.mktemp("analysed")
    device = folder / "capture1"
    old = device / f"metadata/7/capture_{FIRST - 1:09}.json"
    old.parent.mkdir(parents=True)
    old.touch()
    with launching(folder) as launch:
        running = launch(
            device,
            HOTCOLD_FFMPEG=ffmpeg_exe,
            HOTCOLD_TEST_EVENTS="black:2-4 frozen:5-7 silent:8-10",
            **ANALYSED,
        )
        pid = analyzer_of(running)
        running.await_file(f"captures/capture_{FIRST + 24:09}.jpg")
        code = running.stop()
        yield Recording(device, running.said, code, pid)


def test_each_capture_has_its_metadata_with_its_number(recording: Recording) -> None:
    found = numbers(recording.device / "captures")
    assert found == list(range(FIRST, FIRST + len(found)))
    assert files(recording.device / "metadata") == [f"capture_{number:09}.json" for number in found]
    assert [report.filename for report in reports(recording.device)] == [path.name for path in recording.captures]


def test_the_launcher_ends_well_and_the_analyser_with_it(recording: Recording) -> None:
    assert recording.code == 0
    assert not is_running(recording.analyzer)
    assert recording.said.count("\n") == 1, recording.said


def test_every_file_follows_the_published_schema(recording: Recording) -> None:
    schema = json.loads((CLONE / "docs/metadata.schema.json").read_text("utf-8"))
    for path in sorted((recording.device / "metadata").glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        assert list(violations(document, schema, schema)) == []
        assert list(document) == schema["required"]
        broken = [*violations({**document, "luma": 256}, schema, schema), *violations({}, schema, schema)]
        assert len(broken) == 1 + len(schema["required"])


def violations(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What is wrong by those keywords of JSON Schema 2020-12 that the schema uses."""
    known = {"$schema", "$defs", "title", "description", "format"}
    types: Mapping[str, Any] = {
        "object": dict,
        "string": str,
        "boolean": bool,
        "number": (int, float),
        "null": type(None),
    }
    for keyword, rule in schema.items():
        match keyword:
            case "$ref":
                yield from violations(value, root["$defs"][rule.removeprefix("#/$defs/")], root, path)
            case "type":
                allowed = [rule] if isinstance(rule, str) else rule
                fits = any(isinstance(value, types[name]) for name in allowed)
                if not fits or (isinstance(value, bool) and "boolean" not in allowed):
                    yield f"{path} is no {rule}"
            case "required" if isinstance(value, dict):
                yield from (f"{path}.{name} is missing" for name in rule if name not in value)
            case "properties" if isinstance(value, dict):
                for name in value:
                    yield from violations(value[name], rule[name], root, f"{path}.{name}")
            case "const":
                if value != rule:
                    yield f"{path} is not {rule}"
            case "minimum" if value is not None:
                if value < rule:
                    yield f"{path} is below {rule}"
            case "maximum" if value is not None:
                if value > rule:
                    yield f"{path} is above {rule}"
            case "pattern":
                if not re.search(rule, value):
                    yield f"{path} does not match {rule}"
            case "required" | "properties" | "minimum" | "maximum":
                pass
            case _:
                assert keyword in known, keyword


def test_what_is_said_of_a_capture_is_what_is_in_that_capture(recording: Recording, ffmpeg_exe: str) -> None:
    pictures = [path.read_bytes() for path in recording.captures]
    for at, report in enumerate(reports(recording.device)):
        seen = Picture.read(ffmpeg_exe, recording.captures[at])
        mean = sum(seen.pixels) / len(seen.pixels)
        assert report.luma == pytest.approx(mean, abs=3), report.filename
        assert report.black == (mean < 1), report.filename
        # The encoder makes the same bytes of the same picture.
        assert report.frozen == (at > 0 and pictures[at] == pictures[at - 1] and not report.black), report.filename
        assert report.timestamp.timestamp() == pytest.approx(recording.captures[at].stat().st_mtime, abs=1)
    assert any(report.frozen for report in reports(recording.device))


@pytest.mark.parametrize(("what", "begin", "end"), [("black", 2, 4), ("frozen", 5, 7), ("silent", 8, 10)])
def test_black_frozen_and_silent_are_flagged_within_a_second(
    recording: Recording, what: str, begin: int, end: int
) -> None:
    found = reports(recording.device)
    flags = [report.sound is False if what == "silent" else getattr(report, what) for report in found]
    # A capture's time in the video is its place: the machine's load is not in it.
    times = [at / FPS for at, flag in enumerate(flags) if flag]
    assert begin <= times[0] <= begin + 1, times
    assert end - 1 <= times[-1] <= end + 1, times
    assert times == [times[0] + at / FPS for at in range(len(times))]
    running = [(event := getattr(report.events, what)) is not None and event.running for report in found]
    assert running == flags
    last, over = getattr(found[-1].events, what), found[flags.index(True) + len(times)]
    assert last == getattr(over.events, what)
    assert last.length == pytest.approx((over.timestamp - last.start).total_seconds(), abs=0.003)
    assert last.length == pytest.approx(end - begin, abs=1.5)


def test_the_sound_has_its_level(recording: Recording) -> None:
    found = reports(recording.device)
    # ffmpeg's sine is at -21 dB. The very first pictures may be looked at before the sound.
    assert [report.volume for report in found[4:14]] == [pytest.approx(-21.1, abs=0.2)] * 10
    assert min(report.volume or 0.0 for report in found) == analysis.QUIETEST


def test_without_sound_nothing_is_said_of_it(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, HOTCOLD_AUDIO="none", **ANALYSED)
    running.await_file("metadata/capture_000000004.json")
    assert running.stop() == 0
    assert {(report.sound, report.volume) for report in reports(device)} == {(None, None)}


@pytest.mark.parametrize("streams", [["-map", "0"], ["-map", "0:v"]])
def test_a_file_with_and_without_sound(
    launch: Launch, device: Path, ffmpeg_exe: str, tmp_path: Path, streams: list[str]
) -> None:
    whole, video = made_video(ffmpeg_exe, tmp_path / "whole.mp4"), tmp_path / "video.mp4"
    subprocess.run([ffmpeg_exe, "-v", "error", "-i", whole, *streams, "-c", "copy", video], check=True, timeout=30)
    running = played_once(launch, device, ffmpeg_exe, video, **ANALYSED)
    assert running.end() == 0, running.said
    assert numbers(device / "metadata") == numbers(device / "captures") == [0, 1, 2, 3]
    assert (reports(device)[-1].sound is None) == ("0:v" in streams)


def test_an_analyser_that_is_killed_is_started_again_and_the_recording_does_not_notice(
    launch: Launch, device: Path, ffmpeg_exe: str
) -> None:
    running = launch(
        device, HOTCOLD_FFMPEG=ffmpeg_exe, HOTCOLD_TEST_EVENTS="frozen:1-60", HOTCOLD_SILENCE_DB="-20", **ANALYSED
    )
    running.await_file("metadata/capture_000000006.json")
    first = analyzer_of(running)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: "the analyser ended with code 137" in running.said, "the launcher's notice")
    wait_for(lambda: analyzer_of(running) != first, "another analyser")
    last = len(files(device / "captures")) + 6
    running.await_file(f"metadata/capture_{last:09}.json")
    assert running.stop() == 0
    assert_whole(device)
    found = reports(device)
    # It takes up what the one before it knew, and ffmpeg says only once: frozen since the first second.
    assert {report.frozen for report in found[6:]} == {True}
    assert len({report.events.frozen.start for report in found[6:] if report.events.frozen}) == 1
    assert found[-1].sound is False, "the setting reaches the second one too"


def assert_whole(device: Path) -> None:
    """Nothing is missing: no capture, none of their metadata, no segment."""
    captures = numbers(device / "captures")
    assert captures == list(range(len(captures)))
    assert numbers(device / "metadata") == captures
    assert files(device / "metadata") == [f"capture_{number:09}.json" for number in captures]
    segments = [name for name in files(device / "segments") if name != "output.m3u8"]
    assert segments == [f"segment_{number:09}.ts" for number in range(len(segments))]
    # Two captures to a second of segments: neither waited for the other.
    assert abs(len(captures) - 2 * len(segments)) <= 4


def stopped(launch: Launch, device: Path, ffmpeg_exe: str) -> tuple[Launched, int]:
    """A recording whose analyser stands still, and the analyser's process."""
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, **ANALYSED)
    running.await_file("metadata/capture_000000002.json")
    pid = analyzer_of(running)
    os.kill(pid, signal.SIGSTOP)
    return running, pid


def test_an_analyser_that_stands_still_for_ten_seconds_loses_nothing(
    launch: Launch, device: Path, ffmpeg_exe: str
) -> None:
    running, pid = stopped(launch, device, ffmpeg_exe)
    before = len(files(device / "metadata"))
    began = len(files(device / "captures"))
    time.sleep(10)  # what the pipe must hold meanwhile
    assert len(files(device / "metadata")) <= before + 1, "it did not stand still"
    assert len(files(device / "captures")) >= began + 15, "the recording stood still with it"
    assert len(files(device / "segments")) >= 8
    os.kill(pid, signal.SIGCONT)
    running.await_file(f"metadata/capture_{began + 22:09}.json")
    assert analyzer_of(running) == pid
    assert running.stop() == 0
    assert_whole(device)
    # What is read late has its capture's own time.
    for name, report in zip(files(device / "captures"), reports(device), strict=True):
        if began < int(name.split("_")[1].split(".")[0]) < began + 15:
            assert report.timestamp.timestamp() == pytest.approx(
                (device / "captures" / name).stat().st_mtime, abs=0.002
            )


@pytest.mark.timeout(90)
def test_an_analyser_that_hangs_for_good_is_killed_and_another_does_its_work(
    launch: Launch, device: Path, ffmpeg_exe: str
) -> None:
    running, pid = stopped(launch, device, ffmpeg_exe)
    wait_for(
        lambda: f"the analyser (process {pid}) has hung for 20 s and is killed" in running.said, "the end of it", 50
    )
    last = len(files(device / "captures")) + 4
    running.await_file(f"metadata/capture_{last:09}.json")
    assert running.stop() == 0
    assert_whole(device)


def test_one_that_hangs_at_the_end_does_not_hold_up_the_end(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, **ANALYSED)
    running.await_file("metadata/capture_000000001.json")
    pid = analyzer_of(running)
    os.kill(pid, signal.SIGSTOP)
    assert running.stop() == 0
    wait_for(lambda: not is_running(pid), "the end of the one that hung", 10)


@pytest.mark.needs("setpriv")
def test_after_kill_9_of_the_launcher_nothing_runs(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, **ANALYSED)
    running.await_file("metadata/capture_000000001.json")
    pids = [running.ffmpeg(), analyzer_of(running)]
    running.process.kill()
    running.end()
    wait_for(lambda: not any(is_running(pid) for pid in pids), "the end of all of it", 10)
    assert numbers(device / "metadata")[:2] == [0, 1]


def test_even_without_a_reader_the_recording_goes_on(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, **ANALYSED)
    running.await_file("metadata/capture_000000001.json")
    analyzer = analyzer_of(running)
    keeper = int(Path(f"/proc/{analyzer}/stat").read_text("utf-8").rpartition(")")[2].split()[1])
    assert keeper not in {running.pid, running.ffmpeg()}
    os.kill(keeper, signal.SIGKILL)
    os.kill(analyzer, signal.SIGKILL)
    wait_for(lambda: not is_running(analyzer), "its end")
    last = len(files(device / "captures")) + 6
    running.await_file(f"captures/capture_{last:09}.jpg")
    assert running.stop() == 0
    captures = numbers(device / "captures")
    assert captures == list(range(len(captures)))
    assert len(files(device / "metadata")) < len(captures) - 4, "somebody still read"


def test_one_that_cannot_run_leaves_the_recording_alone(launch: Launch, device: Path, ffmpeg_exe: str) -> None:
    running = launch(device, HOTCOLD_FFMPEG=ffmpeg_exe, HOTCOLD_ANALYSIS="yes", HOTCOLD_ANALYZER="false")
    running.await_file("captures/capture_000000008.jpg")
    assert running.stop() == 0
    assert len(files(device / "captures")) >= 8
    said = [line for line in running.said.splitlines() if "analyser" in line]
    waits = [int(re.sub(r".* in (\d+) s", r"\1", line)) for line in said]
    assert waits == [0, 1, 2, 4][: len(waits)]
    assert len(waits) >= 3


def test_where_no_analyser_is_it_is_said_once(launch: Launch, device: Path, fake_ffmpeg: Path) -> None:
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), HOTCOLD_ANALYSIS="auto", HOTCOLD_ANALYZER="/no/hotcold")
    assert "metadata=print" not in "".join(arguments(fake_ffmpeg, running))
    assert running.stop() == 0
    why = "HOTCOLD_ANALYZER=/no/hotcold: no such program: install hotcold_inotify, or name its path"
    line = f"capture.sh: nothing is analysed: {why} (HOTCOLD_ANALYSIS=no wants no such line)"
    assert running.said.splitlines()[1:] == [line]


def test_its_words_may_have_spaces(launch: Launch, device: Path, fake_ffmpeg: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = tmp_path / "an analyser"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{said}.tmp"\nmv "{said}.tmp" "{said}"\nexec cat\n', "utf-8")
    program.chmod(0o755)
    words = {"HOTCOLD_ANALYSIS": "yes", "HOTCOLD_ANALYZER": str(program).replace(" ", r"\ ") + " one"}
    (device / "captures").mkdir()
    (device / "captures/capture_000000007.jpg").touch()
    settings = {"HOTCOLD_SILENCE_DB": "-50", "HOTCOLD_SILENCE_SECONDS": "3", "HOTCOLD_FREEZE_SECONDS": "10"}
    running = launch(device, HOTCOLD_FFMPEG=str(fake_ffmpeg), **words, **settings)
    wait_for(said.exists, "the analyser's words")
    assert running.stop() == 0
    expected = "one analyze --first 8 --silence -50 --silence-seconds 3 --freeze-seconds 10 --"
    assert said.read_text("utf-8").splitlines() == [*expected.split(), str(device)]


# `hotcold analyze` alone.


def printed(*captures: int, luma: float = 100.0, freeze: str = "") -> bytes:
    text = ""
    for number in captures:
        header = f"frame:{number} pts:{number} pts_time:{number / 2}\n"
        text += f"{header}lavfi.freezedetect.freeze_{freeze}=1\n" if freeze else ""
        text += f"{header}lavfi.signalstats.YAVG={luma}\n"
    return text.encode()


class Analyzer:
    """A running `hotcold analyze`."""

    def __init__(self, device: Path, *options: str) -> None:
        self.log = device.parent / "analyzer.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*HOTCOLD, "analyze", "--log-format", "json", *options, str(device)],
                stdin=subprocess.PIPE,
                stderr=log,
                env=environment({}),
            )

    def say(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)


@pytest.fixture
def analysed(device: Path) -> Path:
    (device / "metadata").mkdir()
    (device / "captures").mkdir()
    return device


def has(path: Path) -> None:
    wait_for(path.exists, str(path))


def test_garbage_is_warned_of_once_and_the_end_of_the_pipe_is_its_end(analysed: Path) -> None:
    running = Analyzer(analysed, "--first", "7")
    running.say(b"garbage\n\xff\0\n" + printed(0))
    has(analysed / "metadata/capture_000000007.json")
    running.say(b"more of it\n" + printed(1) + b"half a li")
    assert running.end() == 0
    assert files(analysed / "metadata") == [f"capture_{number:09}.json" for number in (7, 8)]
    assert [event["level"] for event in running.events()] == ["warning"]


def test_a_folder_that_is_gone_is_one_line_and_what_comes_later_is_written(analysed: Path) -> None:
    running = Analyzer(analysed)
    running.say(printed(0))
    has(analysed / "metadata/capture_000000000.json")
    (analysed / "metadata").rename(analysed / "elsewhere")
    running.say(printed(1, 2, 3))
    wait_for(running.events, "the line")
    (analysed / "metadata").mkdir()
    running.say(printed(4))
    has(analysed / "metadata/capture_000000004.json")
    assert running.end() == 0
    told = [(event["level"], event.get("errno")) for event in running.events()]
    assert told == [("error", "ENOENT"), ("info", None)]
    assert f"{analysed}/metadata/capture_00000000" in running.events()[0]["event"]


@pytest.mark.needs("mounts")
def test_a_full_disk_is_one_line_and_what_comes_later_is_written(analysed: Path) -> None:
    folder = analysed / "metadata"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    try:
        running = Analyzer(analysed)
        running.say(printed(0))
        has(folder / "capture_000000000.json")
        with pytest.raises(OSError, match="No space"):
            (folder / "fill").write_bytes(bytes(1 << 17))
        running.say(printed(1, 2, 3))
        wait_for(running.events, "the line")
        (folder / "fill").unlink()
        running.say(printed(4))
        has(folder / "capture_000000004.json")
        assert running.end() == 0
        assert [event.get("errno") for event in running.events()] == ["ENOSPC", None]
        assert files(folder) == [f"capture_{number:09}.json" for number in (0, 4)]
    finally:
        subprocess.run(["umount", folder], check=True)


def test_what_another_analyser_has_written_stays(analysed: Path) -> None:
    theirs = analysed / "metadata/capture_000000005.json"
    theirs.write_text("theirs", "utf-8")
    running = Analyzer(analysed, "--first", "5")
    running.say(printed(0, 1))
    has(analysed / "metadata/capture_000000006.json")
    assert running.end() == 0
    assert theirs.read_text("utf-8") == "theirs"
    assert not (analysed / "metadata/.capture.json.tmp").exists()


def test_every_reader_gets_a_whole_file(analysed: Path) -> None:
    running = Analyzer(analysed)
    for number in range(300):
        running.say(printed(number))
        while not (path := analysed / f"metadata/capture_{number:09}.json").exists():
            pass
        analysis.parse(path.read_text("utf-8"))
    assert running.end() == 0


def test_a_picture_that_ffmpeg_repeats_has_a_file_each_time(analysed: Path) -> None:
    running = Analyzer(analysed)
    running.say(printed(1, 4, 40))
    assert running.end() == 0
    assert numbers(analysed / "metadata") == [0, 1, 2, 3, 4, 40]


def test_it_takes_up_what_ran_and_ends_what_another_ffmpeg_left(analysed: Path) -> None:
    one = Analyzer(analysed)
    one.say(printed(0, 1) + printed(2, freeze="start"))
    assert one.end() == 0
    two = Analyzer(analysed)
    two.say(printed(3))
    assert two.end() == 0
    three = Analyzer(analysed, "--first", "10")
    three.say(printed(0))
    assert three.end() == 0
    events = [report.events.frozen for report in reports(analysed)]
    assert [event and event.running for event in events] == [None, None, True, True, False]
    assert len({event.start for event in events if event}) == 1
    assert len({event.length for event in events[3:] if event}) == 1
    assert [report.frozen for report in reports(analysed)] == [False, False, True, True, False]


@pytest.mark.parametrize("text", ["", '{"version": 9}', "\udcff"])
def test_a_newest_file_that_says_nothing_is_no_obstacle(analysed: Path, text: str) -> None:
    (analysed / "metadata/capture_000000003.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    running = Analyzer(analysed, "--first", "4")
    running.say(printed(0))
    assert running.end() == 0
    assert analysis.parse((analysed / "metadata/capture_000000004.json").read_text("utf-8")).events == analysis.Events()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_without_a_word(analysed: Path, number: signal.Signals) -> None:
    running = Analyzer(analysed)
    running.say(printed(0))
    has(analysed / "metadata/capture_000000000.json")
    running.process.send_signal(number)
    assert running.process.wait(30) == 0
    assert running.end() == 0
    assert not running.events()
    assert files(analysed / "metadata") == ["capture_000000000.json"]


def test_the_time_is_local_with_its_offset(analysed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-5:30")
    (analysed / "captures/capture_000000000.jpg").touch()
    os.utime(analysed / "captures/capture_000000000.jpg", (1_700_000_000, 1_700_000_000.25))
    running = Analyzer(analysed)
    running.say(printed(0))
    assert running.end() == 0
    text = (analysed / "metadata/capture_000000000.json").read_text("utf-8")
    assert json.loads(text)["timestamp"] == "2023-11-15T03:43:20.250+05:30"
    assert analysis.parse(text).timestamp == datetime.fromisoformat("2023-11-14T22:13:20.250Z")


def test_the_demo_names_its_own_program_with_backslashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/a b/py\\thon")
    words = subprocess.run(
        ["bash", "-c", 'read -a words <<<"$1"; printf "%s\\n" "${words[@]}"', "-", launcher.analyzer()],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert words[0] == "/a b/py\\thon"
    assert words[-2:] == ["-m", "hotcold_inotify"]
    assert SCRIPT.exists()
