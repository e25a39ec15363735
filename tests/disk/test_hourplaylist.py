import errno
import fcntl
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from hotcold_inotify.disk import PLAYLIST, Changed, Folder, HourPlaylist
from hotcold_inotify.hours import HOUR
from hotcold_inotify.playlist import PAGE, Heard, Playlist, parse, render
from hotcold_inotify.timeline import Knowledge, Placed, Refused, Segment
from tests.disk.fake_calls import fake_count, standing_in
from tests.disk.stage import AT_14, SEGMENTS, UNHEARD, UTC, fill, name, occupy, opened, segment, unheard, write


@attrs.define
class Scene:
    """A slot, and its playlist as this process keeps it."""

    slot: Path
    hour: HourPlaylist
    made: int = 0

    @property
    def path(self) -> Path:
        return self.slot / PLAYLIST

    @property
    def whole(self) -> Playlist:
        return parse(self.path.read_text("ascii"))

    @property
    def listed(self) -> list[int]:
        return [name(entry.uri).number for entry in self.whole.entries]

    def segment(self, size: int = 9) -> Segment:
        """The next segment, a second after the last, archived."""
        self.made += 1
        return segment(self.slot, self.made, AT_14 + self.made, size)

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            assert isinstance(self.hour.append(self.segment(), UNHEARD), Placed)

    def begin(self, count: int = 1) -> None:
        """Archive the first segments, and make their playlist."""
        for _ in range(count):
            self.segment()
        assert self.hour.recover(UNHEARD, over=False) == "new"

    def another(self, *, durable: bool = False) -> HourPlaylist:
        """What another process has of the same playlist; the caller closes it."""
        fd = os.open(self.slot, os.O_RDONLY | os.O_DIRECTORY)
        return HourPlaylist(fd, self.hour.generation, SEGMENTS.pattern, durable=durable)


@pytest.fixture
def scene(folder: Folder) -> Iterator[Scene]:
    yield from made(folder)


def made(folder: Folder, *, durable: bool = False) -> Iterator[Scene]:
    hour = HourPlaylist(folder.slots.open(14), UTC.generation_at(AT_14), SEGMENTS.pattern, durable=durable)
    yield Scene(Path(folder.cold_path, "14"), hour)
    hour.close()


# --- I4 and I9: the usual day ---


def test_i4_an_hours_first_playlist_lists_what_is_there(scene: Scene) -> None:
    scene.segment()
    scene.segment(size=0)
    scene.segment()
    for text in ("segment_bad.ts", "capture_1.jpg", "segment_9.ts.tmp"):
        write(scene.slot / text)
    (scene.slot / "segment_7.ts").mkdir()
    assert scene.hour.recover(UNHEARD, over=False) == "new"
    assert scene.listed == [1, 3]
    assert (scene.whole.ended, scene.whole.type) == (False, "EVENT")
    assert (scene.hour.entries, scene.hour.discontinuities) == (2, 1)
    assert "segment_000000001.ts" in scene.hour
    assert "segment_000000002.ts" not in scene.hour


def test_i9_each_version_is_a_prefix_of_the_next_and_whole(scene: Scene) -> None:
    scene.begin()
    identity, before = scene.path.stat().st_ino, scene.path.read_bytes()
    for _ in range(150):
        scene.append()
        after = scene.path.read_bytes()
        assert after.startswith(before)
        assert len(after) > len(before)
        before = after
    assert scene.listed == list(range(1, 152))
    scene.hour.end()
    assert scene.path.read_bytes().startswith(before)
    assert scene.whole.ended
    assert scene.path.read_bytes() == render(scene.whole)
    assert scene.path.stat().st_ino == identity
    assert scene.hour.entries == 151


def test_i9_no_entry_lies_across_a_page(scene: Scene) -> None:
    scene.begin()
    scene.append(150)
    text = scene.path.read_bytes()
    assert len(text) > 3 * PAGE
    for border in range(PAGE, len(text), PAGE):
        whole = parse(text[:border].decode())
        assert whole.entries == scene.whole.entries[: len(whole.entries)]


def test_what_makes_no_entry_is_refused(scene: Scene) -> None:
    scene.begin(2)
    before = scene.path.read_bytes()
    assert scene.hour.append(scene.segment(size=0), UNHEARD) is Refused.EMPTY
    assert scene.hour.append(segment(scene.slot, 0, AT_14), UNHEARD) is Refused.LATE
    long = Knowledge({"segment_000000009.ts": Heard(60.0, None, restart=False)}.get)
    assert scene.hour.append(segment(scene.slot, 9, AT_14 + 60), long) is Refused.TOO_LONG
    assert scene.path.read_bytes() == before


def test_a_playlist_is_for_everybody_to_read(scene: Scene) -> None:
    mask = os.umask(0o022)
    try:
        scene.begin()
    finally:
        os.umask(mask)
    assert scene.path.stat().st_mode & 0o777 == 0o644


# --- ending ---


def test_the_end_is_said_once(scene: Scene) -> None:
    scene.hour.end()
    assert not scene.path.exists()
    scene.begin()
    scene.hour.end()
    scene.hour.end()
    assert scene.path.read_bytes().count(b"ENDLIST") == 1
    assert scene.hour.append(scene.segment(), UNHEARD) is Refused.LATE


def test_i4_recovery_ends_an_hour_that_is_over(scene: Scene) -> None:
    scene.begin(2)
    identity, before = scene.path.stat().st_ino, scene.path.read_bytes()
    scene.segment()
    other = scene.another()
    assert other.recover(UNHEARD, over=True) is None
    assert scene.path.read_bytes().startswith(before)
    assert (scene.listed, scene.whole.ended, scene.path.stat().st_ino) == ([1, 2, 3], True, identity)
    assert other.recover(UNHEARD, over=True) is None
    assert scene.path.read_bytes().count(b"ENDLIST") == 1
    other.close()


def test_i4_what_comes_after_the_end_replaces_the_playlist(scene: Scene) -> None:
    scene.begin(2)
    scene.hour.end()
    scene.segment()
    assert scene.hour.recover(UNHEARD, over=True) == "differs"
    assert (scene.listed, scene.whole.ended) == ([1, 2, 3], True)


def test_an_hour_that_is_live_again_is_not_ended(scene: Scene) -> None:
    scene.begin(2)
    scene.hour.end()
    assert scene.hour.recover(UNHEARD, over=False) == "differs"
    assert not scene.whole.ended
    scene.append()
    assert scene.listed == [1, 2, 3]


# --- I4: recovery ---


def test_i4_i9_recovery_only_appends_where_later_segments_are_missing(scene: Scene) -> None:
    scene.begin(3)
    identity, before = scene.path.stat().st_ino, scene.path.read_bytes()
    for _ in range(3):
        scene.segment()
    assert scene.hour.recover(UNHEARD, over=False) is None
    assert scene.listed == [1, 2, 3, 4, 5, 6]
    assert scene.path.read_bytes().startswith(before)
    assert scene.path.stat().st_ino == identity
    assert scene.hour.entries == 6
    assert scene.hour.recover(UNHEARD, over=False) is None
    scene.append()
    assert scene.listed == [1, 2, 3, 4, 5, 6, 7]


def corrupt(scene: Scene, what: str) -> list[int]:
    """Make the playlist wrong; the numbers that it must list after that."""
    text = scene.path.read_bytes()
    first, third = (scene.slot / f"segment_{number:09}.ts" for number in (1, 3))
    match what:
        case "a listed file is gone":
            first.unlink()
            return [2, 3]
        case "a listed file is empty":
            write(third, AT_14 + 3, b"")
            return [1, 2]
        case "a listed file is a folder":
            third.unlink()
            third.mkdir()
            return [1, 2]
        case "a late file came":
            write(scene.slot / "segment_000000000.ts", AT_14)
            return [0, 1, 2, 3]
        case "one is longer than the target":
            scene.path.write_bytes(text.replace(b"#EXTINF:1.0", b"#EXTINF:9.0"))
        case "one is listed twice":
            scene.path.write_bytes(text + text[text.rindex(b"#EXT-X-PROGRAM") :])
        case "out of order":
            scene.path.write_bytes(text.replace(b"segment_000000001", b"x").replace(b"3.ts", b"1.ts"))
            scene.path.write_bytes(scene.path.read_bytes().replace(b"\nx.ts", b"\nsegment_000000003.ts"))
    return [1, 2, 3]


@pytest.mark.parametrize(
    "what",
    [
        "a listed file is gone",
        "a listed file is empty",
        "a listed file is a folder",
        "a late file came",
        "one is longer than the target",
        "one is listed twice",
        "out of order",
    ],
)
def test_i4_i9_a_wrong_playlist_is_replaced_whole(scene: Scene, what: str) -> None:
    scene.begin(3)
    wanted = corrupt(scene, what)
    reader = scene.path.open("rb")
    before = scene.path.read_bytes()
    assert scene.hour.recover(UNHEARD, over=False) == "differs"
    assert reader.read() == before  # who has the old version open reads it to its end
    reader.close()
    assert scene.listed == wanted
    assert scene.path.read_bytes() == render(scene.whole)
    assert sorted(os.listdir(scene.slot)) == sorted({PLAYLIST, *(path.name for path in scene.slot.glob("segment_*"))})
    assert scene.hour.recover(UNHEARD, over=False) is None


@pytest.mark.parametrize("left", [0, 1, 99, 101, -1, -40])
def test_i7_a_torn_playlist_is_made_anew(scene: Scene, left: int) -> None:
    scene.begin(3)
    scene.path.write_bytes(scene.path.read_bytes()[:left])
    assert scene.hour.recover(UNHEARD, over=False) == "torn"
    assert scene.listed == [1, 2, 3]


def test_i7_a_playlist_with_zeros_in_it_is_made_anew(scene: Scene) -> None:
    """A power cut may keep a file's length without all of its bytes."""
    scene.begin()
    while scene.path.stat().st_size < 2 * PAGE + 400:
        scene.append()
    listed, text = scene.listed, scene.path.read_bytes()
    borders = [found.end() for found in re.finditer(rb"\.ts\n", text)]
    for begin, end in ((borders[5], PAGE), (PAGE, 2 * PAGE), (PAGE, len(text)), (borders[-2], len(text))):
        scene.path.write_bytes(text[:begin] + bytes(end - begin) + text[end:])
        assert scene.hour.recover(UNHEARD, over=False) == "torn"
        assert scene.listed == listed


def test_i7_a_playlist_that_is_cut_between_two_entries_goes_on(scene: Scene) -> None:
    scene.begin(3)
    text, entry = scene.path.read_bytes(), b"segment_000000001.ts\n"
    for border in (text.index(entry) + len(entry), text.index(b"#EXT-X-PROGRAM")):
        scene.path.write_bytes(text[:border])
        assert scene.hour.recover(UNHEARD, over=False) is None
        assert scene.path.read_bytes() == text


@pytest.mark.parametrize("content", [b"\0" * 4096, b"\xff\xfe", b"<html>\n", b"#EXTM3U\n#EXTINF:1,\nx.ts\n"])
def test_i7_what_is_no_playlist_is_made_one(scene: Scene, content: bytes) -> None:
    scene.segment()
    scene.path.write_bytes(content)
    assert scene.hour.recover(UNHEARD, over=False) == "torn"
    assert scene.listed == [1]


@pytest.mark.parametrize("what", ["link", "FIFO"])
def test_what_has_the_playlists_name_is_replaced_and_not_followed(scene: Scene, tmp_path: Path, what: str) -> None:
    elsewhere = write(tmp_path / "elsewhere")
    scene.segment()
    occupy(scene.path, what, elsewhere)
    assert scene.hour.recover(UNHEARD, over=False) == "torn"
    assert scene.listed == [1]
    assert not scene.path.is_symlink()
    assert elsewhere.read_bytes() == b"a segment"


def test_a_folder_with_the_playlists_name_is_said_and_leaves_nothing(scene: Scene) -> None:
    scene.segment()
    scene.path.mkdir()
    for _ in range(3):
        with pytest.raises(IsADirectoryError):
            scene.hour.recover(UNHEARD, over=False)
    assert sorted(os.listdir(scene.slot)) == [PLAYLIST, "segment_000000001.ts"]


@pytest.mark.parametrize("what", ["file", "hard link", "FIFO"])
def test_i7_an_unfinished_replacement_is_made_anew_and_never_written_into(scene: Scene, what: str) -> None:
    left, other = scene.slot / f"{PLAYLIST}.tmp", write(scene.slot / "other", content=b"another's")
    occupy(left, what, other)
    scene.begin()
    assert scene.listed == [1]
    assert not left.exists()
    assert other.read_bytes() == b"another's"


def test_an_hour_without_segments_has_no_playlist(scene: Scene) -> None:
    assert scene.hour.recover(UNHEARD, over=False) is None
    assert not scene.path.exists()
    scene.segment(size=0)
    assert scene.hour.recover(UNHEARD, over=False) is None
    scene.path.write_bytes(b"torn")
    assert scene.hour.recover(UNHEARD, over=True) == "torn"
    assert not scene.path.exists()
    with pytest.raises(Changed):
        scene.hour.append(scene.segment(), UNHEARD)
    assert scene.hour.recover(UNHEARD, over=False) == "new"
    for path in scene.slot.glob("*.ts"):
        path.unlink()
    assert scene.hour.recover(UNHEARD, over=False) == "differs"
    assert not scene.path.exists()
    assert scene.hour.entries == 0


def test_what_the_old_playlist_knew_is_kept(scene: Scene) -> None:
    scene.segment()
    first = Knowledge({"segment_000000001.ts": Heard(0.5, AT_14 + 0.5, restart=False)}.get)
    assert scene.hour.recover(first, over=False) == "new"
    write(scene.slot / "segment_000000000.ts", AT_14)
    later = Knowledge(
        {
            "segment_000000001.ts": Heard(0.9, None, restart=True),  # another file of that name, by now
            "segment_000000000.ts": Heard(0.7, AT_14 - 0.7, restart=False),
        }.get
    )
    assert scene.hour.recover(later, over=False) == "differs"
    assert [entry.duration for entry in scene.whole.entries] == [0.7, 0.5]


def test_a_rebuilt_playlist_keeps_a_larger_target(scene: Scene) -> None:
    scene.segment()
    scene.hour.recover(Knowledge(unheard, nominal=6.0), over=False)
    assert scene.whole.target == 12
    write(scene.slot / "segment_000000000.ts", AT_14)
    scene.hour.recover(UNHEARD, over=False)
    assert scene.whole.target == 12


# --- others at the same playlist ---


@pytest.mark.parametrize("what", ["removed", "replaced", "replaced by one of its size", "shortened", "lengthened"])
def test_a_playlist_that_others_change_is_not_written_to(scene: Scene, what: str) -> None:
    scene.begin(2)
    text = scene.path.read_bytes()
    match what:
        case "removed":
            scene.path.unlink()
        case "replaced":
            write(scene.slot / "new", content=b"#EXTM3U\n").rename(scene.path)
        case "replaced by one of its size":
            write(scene.slot / "new", content=text).rename(scene.path)
        case "shortened":
            os.truncate(scene.path, len(text) - 10)
        case "lengthened":
            scene.path.write_bytes(text + b"\n")
    before = scene.path.read_bytes() if scene.path.exists() else None
    late = scene.segment()
    with pytest.raises(Changed):
        scene.hour.append(late, UNHEARD)
    with pytest.raises(Changed):
        scene.hour.end()
    assert (scene.path.read_bytes() if scene.path.exists() else None) == before
    scene.hour.recover(UNHEARD, over=False)
    assert scene.listed == [1, 2, 3]
    scene.append()
    assert scene.listed == [1, 2, 3, 4]


def test_two_who_append_the_same_segment_list_it_once(scene: Scene) -> None:
    scene.begin(2)
    other = scene.another()
    assert other.recover(UNHEARD, over=False) is None
    late = scene.segment()
    assert isinstance(scene.hour.append(late, UNHEARD), Placed)
    with pytest.raises(Changed):
        other.append(late, UNHEARD)
    assert other.recover(UNHEARD, over=False) is None
    assert scene.listed == [1, 2, 3]
    other.close()


def test_while_another_recovers_nothing_is_appended(scene: Scene) -> None:
    scene.begin(2)
    before = scene.path.read_bytes()
    at_it = os.open(scene.slot, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(at_it, fcntl.LOCK_EX)
    late = scene.segment()
    with pytest.raises(Changed):
        scene.hour.append(late, UNHEARD)
    with pytest.raises(Changed):
        scene.hour.end()
    assert scene.path.read_bytes() == before
    recovery = threading.Thread(target=scene.hour.recover, args=(UNHEARD,), kwargs={"over": False})
    recovery.start()
    assert scene.path.read_bytes() == before
    fcntl.flock(at_it, fcntl.LOCK_UN)
    recovery.join(30)
    os.close(at_it)
    assert scene.listed == [1, 2, 3]


def test_i9_an_appender_and_one_who_recovers_make_one_whole_playlist(scene: Scene) -> None:
    """As a reactor and its look through all hours at start do."""
    scene.begin()
    ended = threading.Event()
    faults: list[str] = []

    def look() -> None:
        other = scene.another()
        while not ended.is_set():
            reason = other.recover(UNHEARD, over=False)
            if reason is not None:
                faults.append(reason)
        other.close()

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(80):
        late = scene.segment()
        try:
            scene.hour.append(late, UNHEARD)
        except Changed:
            scene.hour.recover(UNHEARD, over=False)
        parse(scene.path.read_text("ascii"))
    ended.set()
    looking.join(30)
    assert faults == []
    assert scene.listed == list(range(1, 82))


def test_recovery_survives_one_who_does_not_know_of_the_lock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.begin(2)
    scene.segment()
    real = HourPlaylist._remember

    def remember(self: HourPlaylist, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)
        monkeypatch.setattr(HourPlaylist, "_remember", real)
        scene.path.unlink()

    monkeypatch.setattr(HourPlaylist, "_remember", remember)
    assert scene.hour.recover(UNHEARD, over=False) == "differs"
    assert scene.listed == [1, 2, 3]


# --- what disks refuse ---


def test_i9_an_append_that_fails_leaves_the_version_before(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.begin(2)
    before = scene.path.read_bytes()
    real = os.write

    def fake_write(fd: int, data: bytes) -> int:
        real(fd, data[:7])  # some of it got there all the same
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    late = scene.segment()
    with monkeypatch.context() as refusing:
        refusing.setattr(os, "write", fake_write)
        with pytest.raises(OSError, match="Input/output"):
            scene.hour.append(late, UNHEARD)
        with pytest.raises(OSError, match="Input/output"):
            scene.hour.end()
    assert scene.path.read_bytes() == before
    assert (scene.hour.entries, scene.hour.ended) == (2, False)
    assert isinstance(scene.hour.append(late, UNHEARD), Placed)
    assert scene.listed == [1, 2, 3]


@pytest.mark.needs("mounts")
def test_i9_a_full_disk_leaves_the_version_before(small_disk: Path) -> None:
    with opened(small_disk / "segments") as folder:
        for scene in made(folder):
            scene.begin()
            ballast = fill(small_disk)
            # There is room to the end of the playlist's page; segments without blocks of their own are linked.
            full, before, late = 0, b"", Segment(name("segment_0.ts"), AT_14, 0)
            while not full:
                before = scene.path.read_bytes()
                scene.made += 1
                path = scene.slot / f"segment_{scene.made:09}.ts"
                os.link(scene.slot / "segment_000000001.ts", path)
                late = Segment(name(path.name), AT_14 + scene.made, 9)
                try:
                    scene.hour.append(late, UNHEARD)
                except OSError as error:
                    full = error.errno or 0
            assert full == errno.ENOSPC
            assert len(before) > PAGE - 200
            assert scene.path.read_bytes() == before
            with pytest.raises(OSError, match="No space"):
                scene.hour.append(late, UNHEARD)
            assert scene.path.read_bytes() == before
            ballast.unlink()
            assert isinstance(scene.hour.append(late, UNHEARD), Placed)
            assert scene.path.read_bytes().startswith(before)
            assert len(scene.whole.entries) == scene.made


@pytest.mark.needs("mounts")
def test_i9_a_full_disk_keeps_the_playlist_that_was_to_be_replaced(small_disk: Path) -> None:
    with opened(small_disk / "segments") as folder:
        for scene in made(folder):
            scene.begin(2)
            write(scene.slot / "segment_000000000.ts", AT_14)
            before = scene.path.read_bytes()
            ballast = fill(small_disk)
            for _ in range(2):
                with pytest.raises(OSError, match="No space"):
                    scene.hour.recover(UNHEARD, over=False)
            assert scene.path.read_bytes() == before
            assert not (scene.slot / f"{PLAYLIST}.tmp").exists()
            ballast.unlink()
            assert scene.hour.recover(UNHEARD, over=False) == "differs"
            assert scene.listed == [0, 1, 2]


def test_a_replacement_whose_temporary_file_is_removed_is_tried_again(scene: Scene) -> None:
    scene.segment()
    real = os.rename

    def fake_rename(source: str, target: str, **kwargs: int) -> None:
        (scene.slot / source).unlink()
        real(source, target, **kwargs)

    with standing_in(os, "rename", fake_rename), pytest.raises(FileNotFoundError):
        scene.hour.recover(UNHEARD, over=False)
    assert scene.hour.recover(UNHEARD, over=False) == "new"


def test_durable_a_segment_is_on_the_disk_before_it_is_listed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(os, "fsync", fake_count(os.fsync, done))
    monkeypatch.setattr(os, "fdatasync", fake_count(os.fdatasync, done))
    monkeypatch.setattr(os, "write", fake_count(os.write, done))
    for scene in made(folder, durable=True):
        scene.begin(2)
        slot = "14"
        kind = scene.slot.parent.name  # where the slot's own name stands
        assert sorted(done[1:3]) == ["segment_000000001.ts", "segment_000000002.ts"]
        assert [done[0], *done[3:]] == [kind, slot, f"{PLAYLIST}.tmp", slot]
        done.clear()
        scene.append()
        assert done == ["segment_000000003.ts", slot, PLAYLIST, PLAYLIST]  # the last two: written, synced
        done.clear()
        late = scene.segment()
        write(scene.slot / late.name.text, AT_14)
        assert scene.hour.recover(UNHEARD, over=False) == "differs"
        assert done == [kind, late.name.text, slot, f"{PLAYLIST}.tmp", slot]
        done.clear()
        scene.hour.end()
        assert done == [PLAYLIST, PLAYLIST]
    done.clear()
    for scene in made(folder):
        scene.made = 4
        assert scene.hour.recover(UNHEARD, over=False) == "differs"
        scene.append()
    assert done == [PLAYLIST]


def test_an_hour_is_cut_at_its_own_files(scene: Scene) -> None:
    """The generation is only a word here: what lies in the slot is listed, whatever its mtime."""
    write(scene.slot / "segment_000000005.ts", AT_14 - HOUR)
    scene.begin()
    assert scene.listed == [5, 1]
