"""Real folders: `ground` is one on a disk and one in memory, `grounds` two that no rename connects."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotcold_inotify.disk import Folder
from tests.conftest import do_without
from tests.disk.stage import descriptors, opened
from tests.machine import Lack

MEMORY = "/dev/shm"


@pytest.fixture(autouse=True)
def no_descriptor_stays_open() -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


@pytest.fixture
def in_memory() -> Iterator[Path]:
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        do_without(Lack(f"needs {MEMORY}"))
    with tempfile.TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 pages; the test needs `mounts`."""
    path = tmp_path / "small disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture(params=["disk", "memory"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "disk":
        return tmp_path
    in_memory: Path = request.getfixturevalue("in_memory")
    return in_memory


@pytest.fixture
def grounds(tmp_path: Path, in_memory: Path) -> tuple[Path, Path]:
    """(hot in memory, cold on the disk)"""
    if tmp_path.stat().st_dev == in_memory.stat().st_dev:
        do_without(Lack(f"needs {MEMORY} to be another file system than {tmp_path}"))
    return in_memory, tmp_path


@pytest.fixture
def hot(ground: Path) -> Path:
    """The path of one kind's folder, with its slots; `folder` has it open."""
    return ground / "capture1" / "segments"


@pytest.fixture
def folder(hot: Path) -> Iterator[Folder]:
    with opened(hot) as folder:
        yield folder
