"""The errors of a file operation that are survived: the file stays where it is and is tried again. Any other is a bug,
and crashes.
"""

import contextlib
import errno
from collections.abc import Iterator

SURVIVED = frozenset(
    {
        errno.ENOSPC,  # disk full; also when a directory must grow to take a name
        errno.EDQUOT,
        errno.EIO,  # a bad block or a lost disk
        errno.EUCLEAN,  # ext4 and xfs: a damaged folder
        errno.EBADMSG,  # the same, found by a checksum
        errno.EROFS,  # ext4 turns read-only after an error
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,  # the tree is changed while we work on it
        errno.ENOTDIR,
        errno.ELOOP,  # a link where a folder should be: it is never followed
        errno.EISDIR,
        errno.ENOTEMPTY,
        errno.EEXIST,
        errno.ESTALE,  # network file systems
        errno.ENOTCONN,  # FUSE: its daemon died
        errno.EREMOTEIO,
        errno.ENOLCK,
        errno.ETIMEDOUT,
        errno.ENODEV,
        errno.ENXIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.EAGAIN,  # another process works on the slots
        errno.EBUSY,
        errno.EXDEV,
        errno.EMLINK,
        errno.ENAMETOOLONG,
        errno.EOPNOTSUPP,
    }
)


def errno_name(error: OSError) -> str:
    """`ENOSPC` for 28; the number itself where it has no name."""
    return errno.errorcode.get(error.errno or 0, str(error.errno))


@contextlib.contextmanager
def survived(*numbers: int) -> Iterator[None]:
    """Go on after an OSError with one of these errnos."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
