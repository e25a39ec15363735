"""What an encoder that was killed has left unfinished goes after an hour; nothing else of that ending does."""

import os
from pathlib import Path

import attrs
import pytest
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify.clock import Clock
from hotcold_inotify.disk import Folder, Home, adoption
from hotcold_inotify.disk.adoption import Seen, remove_stale
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.rotation import Rotation
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UTC, occupy, write

HOUR = 3600.0


@attrs.define
class Passes:
    """The rotation of one device, minute by minute from half past two on."""

    rotation: Rotation
    now: float = AT_14
    believed: bool = True

    def another(self) -> None:
        self.now += 60
        trio.run(self.rotation.one_pass)


@pytest.fixture
def passes(tmp_path: Path) -> Passes:
    home = Home("capture1", str(tmp_path), str(tmp_path))
    home.make(("segments", "captures"))
    clock = Clock(lambda: made.now, lambda: made.now)
    instruments = Instruments(CollectorRegistry())
    kinds = SEGMENTS, CAPTURES
    made = Passes(Rotation(home, kinds, UTC, clock, lambda: made.believed, instruments))
    return made


def test_what_nobody_has_changed_for_an_hour_goes_at_the_second_pass(passes: Passes, tmp_path: Path) -> None:
    segments, captures = tmp_path / "segments", tmp_path / "captures"
    gone = [segments / "segment_1.ts.tmp", segments / "output.m3u8.tmp", captures / "capture_1.jpg.tmp"]
    for path in gone:
        write(path, AT_14 - HOUR - 30)
    young = [write(segments / "segment_2.ts.tmp", AT_14), write(captures / "capture_2.jpg.tmp", AT_14 + HOUR)]
    others = ["notes.tmp", "segment_3.ts", "segment_x.ts.tmp", "capture_3.jpg.tmp", ".tmp", "output.m3u8"]
    stays = [write(segments / name, AT_14 - 50 * HOUR) for name in others]
    stays += [write(captures / name, AT_14 - 50 * HOUR) for name in ("output.m3u8.tmp", "segment_1.ts.tmp")]
    for number, what in enumerate(("folder", "FIFO", "link"), 4):
        stays.append(segments / f"segment_{number}.ts.tmp")
        occupy(stays[-1], what, segments / "output.m3u8")
        os.utime(stays[-1], (AT_14 - 9 * HOUR, AT_14 - 9 * HOUR), follow_symlinks=False)
    stays.append(write(segments / "14" / "segment_1.ts.tmp", AT_14 - 9 * HOUR))  # a slot's are recovery's
    passes.another()
    assert all(path.exists() for path in gone)
    passes.another()
    assert not [path.name for path in gone if path.exists()]
    assert all(os.path.lexists(path) for path in (*stays, *young))
    passes.now += HOUR
    passes.another()
    passes.another()
    assert [path.exists() for path in young] == [False, True]


def test_i6_the_brake_holds_it_too(passes: Passes, tmp_path: Path) -> None:
    path = write(tmp_path / "segments" / "segment_1.ts.tmp", AT_14 - 2 * HOUR)
    passes.another()
    passes.believed = False
    passes.another()
    passes.another()
    assert path.exists()
    passes.believed = True
    passes.another()
    assert not path.exists()


def test_what_was_touched_between_two_looks_stays(folder: Folder, hot: Path) -> None:
    seen: Seen = {}
    path = write(hot / "segment_1.ts.tmp", AT_14 - 2 * HOUR)
    assert remove_stale(folder, AT_14, seen) == 0
    assert set(seen) == {path.name}
    os.utime(path, (AT_14 - HOUR - 1, AT_14 - HOUR - 1))
    assert remove_stale(folder, AT_14, seen) == 0
    os.chmod(path, 0o600)  # a new ctime is enough
    assert remove_stale(folder, AT_14, seen) == 0
    other = write(hot / "another", AT_14 - HOUR - 1)
    other.rename(path)
    assert remove_stale(folder, AT_14, seen) == 0
    assert remove_stale(folder, AT_14, seen) == 1
    assert not path.exists()
    assert seen == {}


def test_of_many_so_many_are_remembered_and_all_go(folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "_REMEMBERED", 3)
    for number in range(8):
        write(hot / f"segment_{number}.ts.tmp", AT_14 - 2 * HOUR)
    seen: Seen = {}
    removed = []
    for _ in range(5):
        removed.append(remove_stale(folder, AT_14, seen))
        assert len(seen) <= 3
    assert removed == [0, 3, 3, 2, 0]
