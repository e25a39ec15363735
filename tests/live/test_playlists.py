"""Hour playlists through a running reactor: what the encoder said, in order, ended in time, true after a crash."""

import contextlib
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import attrs

from hotcold_inotify import playlist
from tests.live.started import Running, Start, eventually, put

HOUR = 3_600.0
# The hour must not turn under a test: this zone's hours turn in more than half an hour from now.
ZONE = ZoneInfo("UTC" if time.time() % HOUR < HOUR / 2 else "Asia/Kolkata")
LIMIT = f'timezone = "{ZONE}"\n[kinds.segments]\nhot_limit = 3\n'
WINDOW = 6


@attrs.define
class FakeEncoder:
    """Writes segments and the live playlist as ffmpeg does; `at` is the start of the next segment, Unix seconds."""

    folder: Path
    at: float
    number: int = 0
    _window: list[str] = attrs.Factory(list)

    def segment(self, duration: float = 1.0, content: bytes = b"x" * 200) -> str:
        """One more segment, finished when its seconds are over."""
        name = f"segment_{self.number:09d}.ts"
        put(self.folder, name, content, self.at + duration)
        stamp = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
        entry = f"#EXTINF:{duration:.6f},\n#EXT-X-PROGRAM-DATE-TIME:{stamp}\n{name}\n"
        self._window = [*self._window, entry][-WINDOW:]
        first = self.number - len(self._window) + 1
        head = f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        put(self.folder, "output.m3u8", (head + "".join(self._window)).encode())
        self.number += 1
        self.at += duration
        return name

    def restart(self, pause: float) -> None:
        """Stop and start again, with an empty live playlist; numbers go on."""
        self.at += pause
        self._window = []


class Reader:
    """Reads one hour's playlist again and again in a thread of its own, and keeps each version."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self.versions: list[bytes] = []

    def _read(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(FileNotFoundError):
                data = self._path.read_bytes()
                if data != (self.versions or [b""])[-1]:
                    self.versions.append(data)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()


def this_hour() -> float:
    return datetime.now(ZONE).replace(minute=0, second=0, microsecond=0).timestamp()


def slot(root: Path, at: float) -> Path:
    return root / "capture1" / "segments" / str(datetime.fromtimestamp(at, ZONE).hour)


def entries(folder: Path) -> tuple[playlist.Entry, ...]:
    with contextlib.suppress(FileNotFoundError):
        return playlist.parse((folder / "archive.m3u8").read_text("utf-8")).entries
    return ()


def lists(folder: Path, names: list[str]) -> bool:
    return [entry.uri for entry in entries(folder)] == names


def rebuilds(running: Running) -> Iterator[float]:
    return (running.metric("hotcold_playlist_rebuilds_total", reason=reason) for reason in ("differs", "torn"))


def test_i4_i9_durations_starts_and_a_restart_are_the_encoders(root: Path, start: Start) -> None:
    running = start(LIMIT)
    at = this_hour() - HOUR
    encoder = FakeEncoder(slot(root, at).parent, at)
    with Reader(slot(root, at) / "archive.m3u8") as reader:
        names: list[str] = []
        for number in range(40):
            if number == 20:
                encoder.restart(pause=7.5)
            names.append(encoder.segment(0.9 + number / 1000 if number < 20 else 1.1))
            # Not faster than the live playlist is read: who misses a whole window hears of a restart.
            eventually("all but the hot ones to be listed", partial(lists, slot(root, at), names[:-3]))
    found = entries(slot(root, at))
    assert [entry.duration for entry in found[:20]] == [round(0.9 + number / 1000, 6) for number in range(20)]
    assert found[0].start == at
    assert found[20].start == round(sum(0.9 + number / 1000 for number in range(20)) + 7.5 + at, 3)
    assert [entry.uri for entry in found if entry.discontinuity] == [names[20]]
    assert len(reader.versions) > 2
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(reader.versions))
    assert sum(rebuilds(running)) == 0
    assert running.metric("hotcold_playlist_entries_total", device="capture1", kind="segments") == len(names) - 3
    assert running.metric("hotcold_playlist_discontinuities_total", device="capture1", kind="segments") == 1


def test_i4_an_empty_segment_is_archived_and_never_listed(root: Path, start: Start) -> None:
    start(LIMIT)
    at = this_hour() - HOUR
    encoder = FakeEncoder(slot(root, at).parent, at)
    names = [encoder.segment(content=b"" if number == 4 else b"x") for number in range(12)]
    listed = [name for name in names[:-3] if name != names[4]]
    eventually("all but the empty one", lambda: lists(slot(root, at), listed))
    assert (slot(root, at) / names[4]).stat().st_size == 0


def test_an_hour_is_ended_when_it_is_past_and_none_of_it_is_hot(root: Path, start: Start) -> None:
    start(LIMIT)
    past, present = this_hour() - HOUR, this_hour()
    encoder = FakeEncoder(slot(root, past).parent, past + HOUR - 10)
    old = [encoder.segment() for _ in range(9)]
    eventually("six of the old hour", lambda: lists(slot(root, past), old[:6]))

    def ended() -> bool:
        return b"ENDLIST" in (slot(root, past) / "archive.m3u8").read_bytes()

    encoder.at = present
    encoder.segment()
    encoder.segment()
    eventually("eight of the old hour", lambda: lists(slot(root, past), old[:8]))
    sweeps_pass(root)
    assert not ended(), "one of its segments is hot"
    encoder.segment()
    eventually("the old hour to be ended", ended)
    assert lists(slot(root, past), old)
    encoder.segment()
    eventually("one of the new hour", lambda: len(entries(slot(root, present))) == 1)
    assert b"ENDLIST" not in (slot(root, present) / "archive.m3u8").read_bytes()


def sweeps_pass(root: Path) -> None:
    """Two sweeps go by: a file that raises no event is found by the second that sees it."""
    (root / "witness").write_bytes(b"x")
    witness = root / "capture1" / "metadata" / "capture_1.json"
    before = len(list(witness.parent.glob("*/*.json")))
    for number in range(101):
        witness.with_name(f"capture_{before + number}.json").hardlink_to(root / "witness")
    eventually("two sweeps", lambda: len(list(witness.parent.glob("*/*.json"))) > before)


def test_i9_a_late_segment_rebuilds_the_playlist_and_is_counted(root: Path, start: Start) -> None:
    running = start(LIMIT)
    at = this_hour() - HOUR
    encoder = FakeEncoder(slot(root, at).parent, at)
    names = [encoder.segment() for _ in range(10)]
    late = names.pop(5)
    eventually("seven", lambda: len(entries(slot(root, at))) == 7)
    # It comes again, older than what is listed by now.
    put(encoder.folder, "segment_000000500.ts", b"late", at + 5.5)
    names.insert(6, "segment_000000500.ts")
    names += [encoder.segment() for _ in range(3)]
    wanted = sorted([*names[:-3], late], key=lambda name: slot_mtime(root, at, name))
    eventually("the late one in its place", lambda: lists(slot(root, at), wanted))
    assert running.metric("hotcold_playlist_rebuilds_total", device="capture1", kind="segments", reason="differs") == 1


def slot_mtime(root: Path, at: float, name: str) -> float:
    paths = (slot(root, at) / name, slot(root, at).parent / name)
    return next(os.stat(path).st_mtime for path in paths if path.exists())


def test_i7_killed_at_any_moment_its_playlist_is_true_after_the_next_start(root: Path, start: Start) -> None:
    at = this_hour() - HOUR
    encoder = FakeEncoder(slot(root, at).parent, at)
    names: list[str] = []
    running = start(LIMIT)
    for _ in range(4):
        names += [encoder.segment() for _ in range(25)]
        running.process.kill()
        running.process.wait()
        names += [encoder.segment() for _ in range(5)]
        running = start(LIMIT)
        eventually("the playlist to be true", partial(lists, slot(root, at), names[:-3]))
    assert sorted(path.name for path in slot(root, at).glob("*.ts")) == names[:-3]
    found = entries(slot(root, at))
    assert [entry.start for entry in found] == [at + number for number in range(len(found))]
    assert {entry.duration for entry in found} == {1.0}


def test_i4_an_hour_that_was_removed_lists_a_second_file_of_a_listed_name(root: Path, start: Start) -> None:
    segments = root / "capture1" / "segments"
    running = start(LIMIT.replace("= 3", "= 1"))
    for name in ("segment_1.ts", "segment_2.ts"):
        put(segments, name)
    hour = segments / str(datetime.now(ZONE).hour)
    eventually("the first is listed", lambda: listed(hour) == ["segment_1.ts"])
    put(segments, "segment_1.ts")
    eventually("the second is listed", lambda: listed(hour) == ["segment_1.ts", "segment_2.ts"])
    shutil.rmtree(hour)
    put(segments, "segment_3.ts")
    eventually("the name is listed anew", lambda: listed(hour) == ["segment_1.ts"])
    assert running.stop() == 0


def listed(hour: Path) -> list[str]:
    """What an hour's playlist lists; nothing where there is none."""
    try:
        return [entry.uri for entry in playlist.parse((hour / "archive.m3u8").read_text("utf-8")).entries]
    except FileNotFoundError:
        return []
