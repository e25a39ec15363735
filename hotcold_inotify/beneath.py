"""Open files beneath a folder, and never outside it, whatever links were planted there: openat2(2).

RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS make the kernel refuse a path that would leave the folder or cross a link. Where
there is no openat2 (Linux before 5.6, or a filter that hides it) each step is opened by itself without following links,
which comes to the same.
"""

import ctypes
import errno
import os

_OPENAT2 = 437  # the same number on every architecture
_NO_SYMLINKS = 0x04
_BENEATH = 0x08
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(folder_fd: int, path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor for `path`, relative to the open folder.

    O_NONBLOCK is added, so that a FIFO holds nobody up. OSError: ENOENT, ELOOP (a link on the way), EXDEV (out of the
    folder), EACCES, EINVAL (a NUL).
    """
    if "\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)  # C would take what stands before it
    flags |= _ALWAYS
    how = _How(flags, 0, _BENEATH | _NO_SYMLINKS)
    fd = _libc.syscall(_OPENAT2, folder_fd, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    if fd >= 0:
        return int(fd)
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EPERM):
        return step_by_step(folder_fd, path, flags)
    raise OSError(number, os.strerror(number), path)


def step_by_step(folder_fd: int, path: str, flags: int) -> int:
    """The same without openat2."""
    flags |= _ALWAYS
    *folders, last = path.split("/")
    if "\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    if any(step in ("", ".", "..") for step in (*folders, last)):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    here = os.dup(folder_fd)
    try:
        for step in folders:
            there = os.open(step, _STEP, dir_fd=here)
            os.close(here)
            here = there
        return os.open(last, flags, dir_fd=here)
    finally:
        os.close(here)
