"""The inotify descriptor of one device, as typed events. A literal adapter: it decides nothing.

Asked for: CLOSE_WRITE and MOVED_TO (a file is finished), DELETE (somebody took one away), and the folder's own end.
MOVED_FROM is not asked for: it is what our own rename out of the folder raises, and would double the events. See
inotify(7).
"""

import contextlib
import errno
import os
import select
from collections.abc import Iterable, Iterator

import attrs
import inotify_simple
import trio
from inotify_simple import flags

_MASK = flags.CLOSE_WRITE | flags.MOVED_TO | flags.DELETE | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
_FINISHED = int(flags.CLOSE_WRITE | flags.MOVED_TO)
_ENDED = int(flags.DELETE_SELF | flags.MOVE_SELF | flags.UNMOUNT | flags.IGNORED)
_DELETE = int(flags.DELETE)
_OVERFLOW = int(flags.Q_OVERFLOW)
_ISDIR = int(flags.ISDIR)

# A read takes at most this much of the queue: some 40 events, each of which may move a file. So one device's flood is
# cut into slices of about a millisecond.
_READ_BYTES = 2_048


@attrs.frozen(slots=True)
class Finished:
    """A file called `name` was closed after writing, or renamed, into the folder watched as `key`."""

    key: int
    name: str


@attrs.frozen(slots=True)
class Deleted:
    """The name was unlinked from the folder watched as `key`."""

    key: int
    name: str


@attrs.frozen(slots=True)
class Ended:
    """The folder watched as `key` was deleted, moved or unmounted: its watch says nothing more that can be trusted."""

    key: int


@attrs.frozen(slots=True)
class Overflowed:
    """The kernel's queue was full and events are lost (IN_Q_OVERFLOW): look at the folders."""


Event = Finished | Deleted | Ended | Overflowed


def events(data: bytes) -> Iterator[Event]:
    """The events in bytes that were read from an inotify descriptor."""
    for wd, mask, _cookie, name in inotify_simple.parse_events(data):
        if mask & _FINISHED:
            if not mask & _ISDIR:
                yield Finished(wd, name)
        elif mask & _DELETE:
            if not mask & _ISDIR:
                yield Deleted(wd, name)
        elif mask & _OVERFLOW:
            yield Overflowed()
        elif mask & _ENDED:
            yield Ended(wd)


class Changes:
    """Tells that something about the names in some folders changed, not what: then look."""

    _MASK = flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO | flags.CLOSE_WRITE | flags.ONLYDIR

    def __init__(self, paths: Iterable[str]) -> None:
        """OSError as from inotify_init1(2) and inotify_add_watch(2); a folder that is not there is left out."""
        self._inotify = inotify_simple.INotify(nonblocking=True)
        for path in paths:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._inotify.add_watch(path, self._MASK)

    async def wait(self) -> None:
        """Return when anything has happened since the last return."""
        await trio.lowlevel.wait_readable(self._inotify.fileno())
        with contextlib.suppress(BlockingIOError):
            os.read(self._inotify.fileno(), _READ_BYTES)

    def close(self) -> None:
        """Close the instance."""
        self._inotify.close()


class Watch:
    """One inotify instance and the folders watched with it."""

    def __init__(self) -> None:
        """OSError EMFILE: the user has no instance left (fs.inotify.max_user_instances), or no descriptor."""
        self._inotify = inotify_simple.INotify(nonblocking=True)

    def add(self, folder_fd: int) -> int:
        """Watch the folder that is open as `folder_fd`; the key that its events carry.

        OSError ENOSPC: no watch left (fs.inotify.max_user_watches), which is not a full disk.
        """
        # Through the descriptor, so that what is watched is what is open, whatever the path says by now.
        return int(self._inotify.add_watch(f"/proc/self/fd/{folder_fd}", _MASK))

    def remove(self, key: int) -> None:
        """Stop watching; a watch that the kernel has dropped already is fine."""
        try:
            self._inotify.rm_watch(key)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise

    def fileno(self) -> int:
        """The descriptor of the instance."""
        return int(self._inotify.fileno())

    async def wait(self) -> None:
        """Return when there is something to read."""
        await trio.lowlevel.wait_readable(self._inotify.fileno())

    def read(self) -> Iterator[Event]:
        """What one read brings, oldest first; there may be more. Does not wait: without events there is nothing."""
        try:
            return events(os.read(self._inotify.fileno(), _READ_BYTES))
        except BlockingIOError:
            return iter(())

    def close(self) -> None:
        """Close the instance; the kernel drops its watches."""
        self._inotify.close()


class Queues:
    """The event queues of many instances, waited for together (epoll(7))."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def add(self, watch: Watch) -> None:
        """Wait for this one too."""
        self._epoll.register(watch.fileno(), select.EPOLLIN)

    def remove(self, watch: Watch) -> None:
        """Wait for it no more; before it is closed, for a child that is being started may hold it a moment longer."""
        self._epoll.unregister(watch.fileno())

    async def wait(self) -> None:
        """Return when one of them has events."""
        await trio.lowlevel.wait_readable(self._epoll.fileno())

    def ready(self, within: float) -> list[int]:
        """The descriptors of those that have events, waiting for the first one in the kernel, for so many seconds at
        most, rounded up to milliseconds.
        """
        return [fd for fd, _ in self._epoll.poll(within)]

    def close(self) -> None:
        """Close the epoll instance; those that it waited for stay open."""
        self._epoll.close()
