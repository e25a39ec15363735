"""I9 under busy readers: every version of a growing playlist that anybody reads is complete, and a prefix of the next.

HOTCOLD_READS says how many reads; the full number, two million, takes a few minutes.
"""

import multiprocessing
import multiprocessing.synchronize
import os
import time
from pathlib import Path

import pytest

from hotcold_inotify import playlist
from hotcold_inotify.disk import HourPlaylist
from hotcold_inotify.hours import Generation
from hotcold_inotify.names import Pattern
from hotcold_inotify.timeline import Knowledge, Placed, Segment

READS = int(os.environ.get("HOTCOLD_READS", "60000"))
READERS = 2
# Some ten pages: long enough to cross many boundaries, short enough to be read often.
ENTRIES = 450
SEGMENT = Pattern.parse("segment_*.ts")
HEARD = Knowledge(lambda _name: playlist.Heard(1.0, None, restart=False))


def grow(folder: str, stop: multiprocessing.synchronize.Event) -> None:
    """Write one hour after the other, entry by entry, as fast as it goes; a new hour is a new playlist."""
    generation = Generation.parse("2026-06-15T12")
    start = 1_781_524_800.0
    hours = 0
    while not stop.is_set():
        fresh = Path(folder, "next")
        fresh.mkdir()
        (fresh / "segment_0.ts").write_bytes(b"x")
        os.utime(fresh / "segment_0.ts", (start, start))
        hour = HourPlaylist(os.open(fresh, os.O_RDONLY), generation, SEGMENT, durable=False)
        hour.recover(HEARD, over=False)
        (fresh / "archive.m3u8").rename(Path(folder, "archive.m3u8"))
        Path(fresh / "archive.m3u8").hardlink_to(Path(folder, "archive.m3u8"))
        for number in range(1, ENTRIES):
            # Names of every length, so that the padding is of every length too.
            name = SEGMENT.match(f"segment_{number:0{number % 9 + 1}d}.ts")
            assert name is not None
            assert isinstance(hour.append(Segment(name, start + number, 1), HEARD), Placed)
        hour.close()
        # Kept: a reader tells one hour from the next by its inode, which must not be used again.
        hours += 1
        fresh.rename(Path(folder, f"hour{hours}"))


def read(folder: str, reads: int, found: "multiprocessing.Queue[tuple[int, int, int, str]]") -> None:
    """Read the whole playlist again and again: (reads, versions, bytes, what was wrong)."""
    path = os.path.join(folder, "archive.m3u8")
    before, inode = b"", -1
    versions = total = 0
    wrong = ""
    for _ in range(reads):
        fd = os.open(path, os.O_RDONLY)
        try:
            number = os.fstat(fd).st_ino
            data = os.read(fd, 1 << 20)
        finally:
            os.close(fd)
        total += len(data)
        if number != inode:
            before, inode = b"", number
        if data != before:
            versions += 1
            if not data.startswith(before):
                wrong = f"{before[-80:]!r} is no prefix of {data[-120:]!r}"
                break
            try:
                # What was complete stays complete: only what is new can be torn.
                tail = data[len(before) :] if before else data
                playlist.parse((tail if not before else b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + tail).decode())
            except playlist.PlaylistError as error:
                wrong = f"torn: {error} in {data[-120:]!r}"
                break
            before = data
    found.put((reads, versions, total, wrong))


@pytest.mark.timeout(1200)
def test_i9_no_read_is_torn_and_each_is_a_prefix_of_the_next(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    writer = context.Process(target=grow, args=(str(tmp_path), stop))
    writer.start()
    found: multiprocessing.Queue[tuple[int, int, int, str]] = context.Queue()
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "archive.m3u8").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        readers = [context.Process(target=read, args=(str(tmp_path), READS // READERS, found)) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        results = [found.get(timeout=1100) for _ in readers]
        for reader in readers:
            reader.join()
    finally:
        stop.set()
        writer.join(30)
    reads, versions, total = (sum(column) for column in list(zip(*results, strict=True))[:3])
    print(f"{reads} reads of {versions} versions, {total / 1e9:.1f} GB")  # noqa: T201  a figure to report
    assert [wrong for *_, wrong in results] == [""] * READERS
    assert versions > 100, "the playlist must grow while it is read"
    assert writer.exitcode == 0
