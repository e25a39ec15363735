"""Two threads copy one file at the same time: one that a reload has left behind on a slow disk, and its successor's."""

import errno
import os
from pathlib import Path

import pytest

from hotcold_inotify.disk import archive
from tests.disk.stage import AT_14, files, name, opened, write


def test_i1_who_is_overtaken_leaves_the_others_half_alone(
    grounds: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hot, cold = (ground / "segments" for ground in grounds)
    fchmod = os.fchmod

    def overtaken(fd: int, mode: int) -> None:
        fchmod(fd, mode)
        # The other one removes it for a crash's leftover, and has written a byte of its own so far.
        (cold / "14" / "segment_000000001.ts.tmp").unlink()
        write(cold / "14" / "segment_000000001.ts.tmp", content=b"a")

    with opened(hot, cold) as folder:
        write(hot / "segment_000000001.ts")
        monkeypatch.setattr(os, "fchmod", overtaken)
        with pytest.raises(BlockingIOError) as refused:
            archive(folder, name("segment_000000001.ts"), AT_14)
        assert refused.value.errno == errno.EAGAIN
        assert files(hot) == {"segment_000000001.ts": b"a segment"}
        assert files(cold) == {"14/segment_000000001.ts.tmp": b"a"}
        monkeypatch.undo()
        archive(folder, name("segment_000000001.ts"), AT_14)
    assert files(hot) == {}
    assert files(cold) == {"14/segment_000000001.ts": b"a segment"}
