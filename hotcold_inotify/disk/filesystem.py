"""Which file system a folder is on, and whether others may write there past this kernel.

inotify(7) tells only of what is done through the mount of this machine. What another machine writes on a share, or a
program into the folder behind a FUSE mount, raises no event: then only the looks every few seconds find it.
"""

from typing import Final

# By their names in mountinfo: shares, cluster file systems, and what a host gives to its guest or container.
_SHARED: Final = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "gfs2",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    }
)


def file_system(fd: int) -> str | None:
    """The type of the file system that an open folder is on, `ext4` or `fuse.sshfs`; None: the kernel does not tell."""
    # By the mount that the descriptor came by: one disk may be mounted in several places, in several ways.
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
            mount = next((line.split()[1] for line in file if line.startswith("mnt_id:")), None)
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return type_of_mount(file.read(), mount)
    except OSError:
        return None  # no /proc here


def type_of_mount(mountinfo: str, mount: str | None) -> str | None:
    """The type of the mount of that number in the text of /proc/self/mountinfo, proc(5)."""
    for line in mountinfo.splitlines():
        if line.partition(" ")[0] == mount:
            # Optional fields end with a lone dash; the spaces in paths are written as \040.
            return line.partition(" - ")[2].partition(" ")[0] or None
    return None


def written_elsewhere(file_system: str | None) -> bool:
    """Whether others than this machine's programs may write there, or they past the mount. `fuseblk` is a disk."""
    return file_system is not None and (
        file_system in _SHARED or file_system == "fuse" or file_system.startswith("fuse.")
    )
