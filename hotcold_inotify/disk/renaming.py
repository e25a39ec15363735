"""rename(2) overwrites silently; these two never do. See rename(2): RENAME_NOREPLACE, RENAME_EXCHANGE."""

import ctypes
import errno
import os

_NOREPLACE = 1
_EXCHANGE = 2

# Without argtypes: int and bytes go as they are, and a call is a tenth quicker.
_libc = ctypes.CDLL(None, use_errno=True)


def _renameat2(source_fd: int, source: str, target_fd: int, target: str, flags: int) -> None:
    name = os.fsencode(source)
    if _libc.renameat2(source_fd, name, target_fd, name if target == source else os.fsencode(target), flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), source, None, target)


def rename_new(source_fd: int, source: str, target_fd: int, target: str) -> None:
    """Move `source` (in the folder open as `source_fd`) to `target`, which must not exist: else FileExistsError.

    Where the file system knows no flags (EINVAL: FUSE, some network file systems), a hard link and an unlink do the
    same for files. A crash between them leaves both names on one inode; `archiving` recognises that.
    """
    try:
        _renameat2(source_fd, source, target_fd, target, _NOREPLACE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
        os.unlink(source, dir_fd=source_fd)


def exchange(one_fd: int, one: str, other_fd: int, other: str) -> None:
    """Swap two names, each in the folder open beside it, in one step; OSError EINVAL where the file system cannot."""
    _renameat2(one_fd, one, other_fd, other, _EXCHANGE)
