"""Busy readers of a playlist that grows at full speed: what they get is whole, and begins with what they got before.

HOTCOLD_READS says how many reads there are on each of the two file systems. It is small unless told, for `make test`
must stay short; the promise was shown with 2,000,000.
"""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import attrs
import pytest

from hotcold_inotify.disk import PLAYLIST, HourPlaylist
from hotcold_inotify.playlist import PAGE, PlaylistError, head, parse
from hotcold_inotify.timeline import Placed, Segment
from tests.disk.stage import AT_14, SEGMENTS, UNHEARD, UTC, name, opened, segment

READS: Final = int(os.environ.get("HOTCOLD_READS", "50000"))
READERS: Final = 2
# So long the playlist becomes before it begins anew; the border of a page comes every 40 entries or so.
LENGTH: Final = 10 * PAGE


@attrs.frozen
class Seen:
    """What a reader saw. `versions`: reads that found another text than the read before."""

    reads: int = 0
    versions: int = 0
    bytes: int = 0
    torn: int = 0
    went_back: int = 0


def read_busily(path: str, reads: int, answer: Connection) -> None:
    """Open, read whole, close; each text is judged by itself and against the one before."""
    reads_done = versions = size = torn = went_back = 0
    before = b""
    held = os.open(path, os.O_RDONLY)  # as long as it is open, its inode is no other file's
    while reads_done < reads:
        fd = os.open(path, os.O_RDONLY)
        text = os.read(fd, 4 * LENGTH)
        if not os.path.samestat(os.fstat(fd), os.fstat(held)):  # begun anew, by rename
            fd, held, before = held, fd, b""
        os.close(fd)
        reads_done += 1
        size += len(text)
        if text != before:
            versions += 1
            torn += not is_whole(text, before)
            went_back += not text.startswith(before)
        before = text
    os.close(held)
    answer.send(Seen(reads_done, versions, size, torn, went_back))


def is_whole(text: bytes, before: bytes) -> bool:
    """Whether a text is a playlist from beginning to end, if it begins with `before`, which was one."""
    # Only what is new is parsed, behind a head of its own: a reader that takes its time sees fewer versions.
    added = head(2) + text.removeprefix(before) if before and text.startswith(before) else text
    try:
        parse(added.decode("ascii"))
    except PlaylistError:
        return False
    return True


def write_busily(hot: str, ended: Event, answer: Connection) -> None:
    """Entries at full speed. At the full length a recovery finds a file for the first one only, and begins anew."""
    appended = replaced = 0
    with opened(Path(hot)) as folder:
        hour = HourPlaylist(folder.slots.open(14), UTC.generation_at(AT_14), SEGMENTS.pattern, durable=False)
        path = Path(hot, "14", PLAYLIST)
        while not ended.is_set():
            assert hour.recover(UNHEARD, over=False) in {"new", "differs", None}
            replaced += 1
            number = 1
            while path.stat().st_size < LENGTH and not ended.is_set():
                number += 1
                added = Segment(name(f"segment_{number:09}.ts"), AT_14 + number, 9)
                assert isinstance(hour.append(added, UNHEARD), Placed)
                appended += 1
            hour.end()
        hour.close()
    answer.send((appended, replaced))


@pytest.mark.timeout(60 + READS / 5_000)
def test_i9_no_busy_read_is_torn(ground: Path) -> None:
    hot = ground / "segments"
    with opened(hot) as folder:
        segment(hot / "14", 1, AT_14 + 1)
        first = HourPlaylist(folder.slots.open(14), UTC.generation_at(AT_14), SEGMENTS.pattern, durable=False)
        first.recover(UNHEARD, over=False)
        first.close()
    spawn = multiprocessing.get_context("spawn")  # a fork would take the threads' locks along
    ended = spawn.Event()
    told, answer = spawn.Pipe(duplex=False)
    writer = spawn.Process(target=write_busily, args=(str(hot), ended, answer))
    writer.start()
    answer.close()
    readers = []
    for _ in range(READERS):
        seen, say = spawn.Pipe(duplex=False)
        reader = spawn.Process(target=read_busily, args=(str(hot / "14" / PLAYLIST), READS // READERS, say))
        reader.start()
        say.close()
        readers.append((reader, seen))
    began = time.monotonic()
    found = [seen.recv() for _, seen in readers]
    seconds = time.monotonic() - began
    ended.set()
    appended, replaced = told.recv()
    for process, end in ((writer, told), *readers):
        process.join(30)
        assert process.exitcode == 0
        process.close()
        end.close()
    total = Seen(*map(sum, zip(*map(attrs.astuple, found), strict=True)))
    print(  # noqa: T201 - the figures are what one gives HOTCOLD_READS and -s for
        f"\n{total}\n{appended} appended, {replaced} begun anew, in {seconds:.1f} s"
    )
    assert total.reads == READS // READERS * READERS
    assert (total.torn, total.went_back) == (0, 0)
    assert total.versions > 100
    assert replaced > 1


@pytest.mark.parametrize("cut", range(1, 90, 7))
def test_the_readers_would_notice_a_torn_entry(three_entries: bytes, cut: int) -> None:
    assert is_whole(three_entries, b"")
    assert not is_whole(three_entries[:-cut], b"")
    border = three_entries.rindex(b"#EXT-X-PROGRAM")
    assert is_whole(three_entries, three_entries[:border])
    assert not is_whole(three_entries[:-cut], three_entries[:border])


@pytest.fixture
def three_entries(tmp_path: Path) -> bytes:
    """A playlist of three entries."""
    with opened(tmp_path / "segments") as folder:
        for number in (1, 2, 3):
            segment(tmp_path / "segments" / "14", number, AT_14 + number)
        hour = HourPlaylist(folder.slots.open(14), UTC.generation_at(AT_14), SEGMENTS.pattern, durable=False)
        hour.recover(UNHEARD, over=False)
        hour.close()
    return (tmp_path / "segments" / "14" / PLAYLIST).read_bytes()
