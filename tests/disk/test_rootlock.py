import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hotcold_inotify.disk import RootHeld, RootLock, holder, rootlock
from tests.disk.stage import fill
from tests.machine import CLONE

HOLD = """
import sys, hotcold_inotify.disk as disk
lock = disk.RootLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootlock, "_PAUSE", 0)


def test_the_second_is_told_who_has_the_root(ground: Path) -> None:
    lock = RootLock(str(ground))
    assert holder(str(ground)) == os.getpid()
    with pytest.raises(RootHeld, match=f"process {os.getpid()} .*{ground}/.hotcold.lock"):
        RootLock(str(ground))
    lock.close()
    assert holder(str(ground)) is None
    again = RootLock(str(ground))
    assert holder(str(ground)) == os.getpid()
    again.close()


def test_i7_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        assert holder(str(tmp_path)) == other.pid
        with pytest.raises(RootHeld, match=f"process {other.pid} "):
            RootLock(str(tmp_path))
        other.kill()
        other.wait()
        assert holder(str(tmp_path)) is None
        RootLock(str(tmp_path)).close()


def test_a_look_by_others_does_not_keep_a_reactor_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RootLock(str(tmp_path)).close()
    looking = os.open(tmp_path / rootlock.LOCK_NAME, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)

    def fake_sleep(_seconds: float) -> None:
        fcntl.flock(looking, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", fake_sleep)
    RootLock(str(tmp_path)).close()
    os.close(looking)


def test_nobody_holds_a_root_that_is_not_there(tmp_path: Path) -> None:
    assert holder(str(tmp_path)) is None
    assert holder(str(tmp_path / "missing")) is None
    (tmp_path / "file").touch()
    assert holder(str(tmp_path / "file")) is None
    with pytest.raises(FileNotFoundError):
        RootLock(str(tmp_path / "missing"))


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    (tmp_path / rootlock.LOCK_NAME).symlink_to(elsewhere)
    with pytest.raises(OSError, match="Too many levels"):
        RootLock(str(tmp_path))
    with pytest.raises(OSError, match="Too many levels"):
        holder(str(tmp_path))
    assert elsewhere.read_bytes() == b"precious"


@pytest.mark.parametrize("left", [b"", b"1234567\n", b"not a number\n"])
def test_what_an_earlier_holder_wrote_is_not_taken_for_this_ones(tmp_path: Path, left: bytes) -> None:
    (tmp_path / rootlock.LOCK_NAME).write_bytes(left)
    assert holder(str(tmp_path)) is None
    lock = RootLock(str(tmp_path))
    assert holder(str(tmp_path)) == os.getpid()
    lock.close()


@pytest.mark.needs("mounts")
@pytest.mark.parametrize("before", [False, True], ids=["first start", "a later start"])
def test_a_full_disk_keeps_no_reactor_from_starting(small_disk: Path, *, before: bool) -> None:
    if before:
        RootLock(str(small_disk)).close()
    fill(small_disk)
    lock = RootLock(str(small_disk))
    assert holder(str(small_disk)) == (os.getpid() if before else 0)
    with pytest.raises(RootHeld, match=f"process {os.getpid() if before else 'unknown'} "):
        RootLock(str(small_disk))
    lock.close()
