"""Which file system a folder is on, by what the kernel says of its mount."""

import os
import subprocess
from pathlib import Path

import pytest

from hotcold_inotify.disk.filesystem import file_system, type_of_mount, written_elsewhere

# After proc(5); a path with a space, and one with a dash.
MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
35 22 0:31 / /mnt/a\040-\040b rw,nosuid shared:2 master:7 - nfs4 server:/export rw,vers=4.2
36 22 0:32 /sub /mnt/ssh rw - fuse.sshfs me@host:/ rw,user_id=0
361 22 0:33 / /mnt/odd rw
"""


@pytest.mark.parametrize(
    ("mount", "expected"),
    [("22", "ext4"), ("35", "nfs4"), ("36", "fuse.sshfs"), ("361", None), ("3", None), ("", None), (None, None)],
)
def test_the_type_of_a_mount(mount: str | None, expected: str | None) -> None:
    assert type_of_mount(MOUNTS, mount) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ext4", False),
        ("tmpfs", False),
        ("fuseblk", False),
        (None, False),
        ("nfs", True),
        ("nfs4", True),
        ("cifs", True),
        ("fuse", True),
        ("fuse.glusterfs", True),
        ("9p", True),
    ],
)
def test_where_others_may_write(name: str | None, *, expected: bool) -> None:
    assert written_elsewhere(name) is expected


def opened(path: Path) -> str | None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return file_system(fd)
    finally:
        os.close(fd)


def test_the_kernel_tells_of_what_is_open(tmp_path: Path, in_memory: Path) -> None:
    names = {line.split()[-1] for line in Path("/proc/filesystems").read_text("ascii").splitlines()}
    assert opened(in_memory) == "tmpfs"
    assert opened(tmp_path) in names
    assert file_system(-1) is None


@pytest.mark.needs("mounts")
def test_it_is_the_mount_that_counts_that_the_folder_was_opened_by(tmp_path: Path) -> None:
    before = opened(tmp_path)
    under = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    subprocess.run(["mount", "-t", "ramfs", "none", tmp_path], check=True)
    try:
        assert (opened(tmp_path), file_system(under)) == ("ramfs", before)
    finally:
        os.close(under)
        subprocess.run(["umount", tmp_path], check=True)
