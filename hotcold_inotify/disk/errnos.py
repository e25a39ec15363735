"""The errors of a file operation that are survived: the file stays where it is and is tried again. Any other is a bug,
and crashes.
"""

import errno

SURVIVED = frozenset(
    {
        errno.ENOSPC,  # disk full; also when a directory must grow to take a name
        errno.EDQUOT,
        errno.EIO,  # a bad block or a lost disk
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
