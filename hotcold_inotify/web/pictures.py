"""The newest picture that is complete."""

import os

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import Home
from hotcold_inotify.web.tree import Found, Tree

_START = b"\xff\xd8"
_END = b"\xff\xd9"
# Pictures that may be passed over: one is being written, some more may have been cut off by a full disk.
_TRIES = 10


@attrs.frozen
class Picture:
    """An open picture; whoever takes it closes `file.fd`."""

    name: str
    file: Found


def newest_picture(tree: Tree, home: Home, kind: Kind) -> Picture | None:
    """The newest hot file that begins and ends as a JPEG does (ITU-T T.81: SOI and EOI); None: none does."""
    for one in reversed(tree.hot(home, kind)[-_TRIES:]):
        # `file` finds it in its slot if it moved since.
        found = tree.file_if_there(home, kind, None, one.name.text)
        if found is None:
            continue
        try:
            complete = _complete(found)
        except OSError:
            os.close(found.fd)
            raise
        if complete:
            return Picture(one.name.text, found)
        os.close(found.fd)
    return None


def _complete(found: Found) -> bool:
    size = found.stat.st_size
    return size >= 4 and os.pread(found.fd, 2, 0) == _START and os.pread(found.fd, 2, size - 2) == _END
