"""How much waits to leave a hot folder: exactly while it is little, reckoned when it is much."""

import os
from pathlib import Path

import pytest

from hotcold_inotify.disk import Folder, waiting
from hotcold_inotify.disk.waiting import Waiting


def fill(hot: Path, files: int, size: int) -> None:
    for number in range(files):
        path = hot / f"segment_{number}.ts"
        path.write_bytes(b"x" * size)
        os.utime(path, (number, number))


def test_it_is_what_is_beyond_the_newest(folder: Folder, hot: Path) -> None:
    fill(hot, folder.kind.hot_limit, 10)
    (hot / "output.m3u8").write_bytes(b"x" * 1_000)
    assert waiting.waiting(folder) == Waiting(0, 0)
    fill(hot, folder.kind.hot_limit + 5, 10)
    assert waiting.waiting(folder) == Waiting(5, 50)


def test_of_many_only_some_are_looked_at(folder: Folder, hot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(hot, 1_000, 10)
    looked_at: list[str] = []
    stat = os.stat

    def noted(path: str, **how: object) -> os.stat_result:
        looked_at.append(path)
        return stat(path, **how)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(waiting, "_LOOKED_AT", 100)
    monkeypatch.setattr(os, "stat", noted)
    found = waiting.waiting(folder)
    assert 0 < len(looked_at) <= 100
    # Of the 100 the newest ten would stay: a tenth too few is near enough for an alarm.
    assert 850 <= found.files <= 1_000
    assert found.bytes == pytest.approx(10 * found.files, rel=0.01)
