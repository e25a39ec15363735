"""The folders of one device: who may use them, what is in them, and on which mounts they lie."""

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Final

import attrs

from hotcold_inotify.config import Kind
from hotcold_inotify.disk import SLOT_NAMES, Folder, Home, list_hot
from hotcold_inotify.disk.filesystem import written_elsewhere
from hotcold_inotify.doctor.host import Missed
from hotcold_inotify.doctor.whom import group_name, user_name
from hotcold_inotify.hours import Calendar
from hotcold_inotify.prognosis.access import Entry, User, refuses
from hotcold_inotify.prognosis.capacity import Flow
from hotcold_inotify.prognosis.mounts import Mount, Pair, mount_of
from hotcold_inotify.prognosis.timekeeping import Newest

# A backlog of any size must not keep the doctor: so many hot files are looked at.
_MOST: Final = 20_000
# FS_IOC_GETFLAGS of <linux/fs.h>, and FS_IMMUTABLE_FL, FS_APPEND_FL there: ioctl_iflags(2). The flags are an int.
_GETFLAGS: Final = 0x8008_6601
_UNCHANGEABLE: Final = 0x10 | 0x20
_ACL: Final = "system.posix_acl_access"


@attrs.frozen
class Content:
    """What one kind's folders hold. foreign: of the hot files, an owner's uid -> the name of one."""

    flow: Flow
    newest: Newest | None
    foreign: tuple[tuple[int, str], ...]


def content(device: Home, kind: Kind, calendar: Calendar, missed: Missed) -> Content | None:
    """None: there is no such folder, or it is missed."""
    try:
        with device.open(kind, calendar) as folder:
            return _content(folder, missed)
    except OSError as error:
        missed.failed(error.filename or f"{device.path}/{kind.name}", error)
        return None


def _content(folder: Folder, missed: Missed) -> Content:
    sizes: list[int] = []
    mtimes: list[float] = []
    owners: dict[int, str] = {}
    newest: Newest | None = None
    for name in list_hot(folder, _MOST).names:
        try:
            found = os.stat(name, dir_fd=folder.hot_fd, follow_symlinks=False)
        except FileNotFoundError:
            continue  # archived since
        sizes.append(found.st_blocks * 512 or found.st_size)
        mtimes.append(found.st_mtime)
        owners.setdefault(found.st_uid, name)
        if newest is None or found.st_mtime > newest.mtime:
            newest = Newest(os.path.join(folder.hot_path, name), found.st_mtime)
    held = sum(_count(folder, slot, missed) for slot in SLOT_NAMES)
    kind = folder.kind
    flow = Flow(kind.name, kind.retention, kind.playlist, held, sizes, mtimes)
    return Content(flow, newest, tuple(owners.items()))


def _count(folder: Folder, slot: str, missed: Missed) -> int:
    try:
        opened = os.open(slot, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.cold_fd)
    except OSError as error:
        missed.failed(os.path.join(folder.cold_path, slot), error)
        return 0
    try:
        with os.scandir(opened) as found:
            return sum(1 for _ in found)
    finally:
        os.close(opened)


def pairs(device: Home, kinds: Iterable[Kind], mounts: Sequence[Mount]) -> Iterator[Pair]:
    """Each hot folder with its hours' folder, and with each hour folder that lies on a mount of its own."""
    for kind in kinds:
        hot, cold = (os.path.realpath(os.path.join(path, kind.name)) for path in (device.path, device.cold_path))
        # The folder's own file system, as the reactor opens it; a path that is not there yet has its parent's.
        hot_mount, cold_mount = mount_of(mounts, hot), mount_of(mounts, cold)
        if hot_mount is None or cold_mount is None:
            continue
        shared = written_elsewhere(hot_mount.file_system)
        yield Pair(hot, cold, hot_mount, cold_mount, shared)
        for slot in SLOT_NAMES:
            path = os.path.join(cold, slot)
            own = mount_of(mounts, path)
            if own is not None and own.number != cold_mount.number:
                yield Pair(hot, path, hot_mount, own, shared)


def on_the_way(device: Home, user: User, missed: Missed) -> Iterator[Entry]:
    """The folders above the device's two."""
    above = {str(path): None for path in (*PurePath(device.path).parents, *PurePath(device.cold_path).parents)}
    for path in above:
        entry = _entry(path, user, missed, own=False)
        if entry is not None:
            yield entry


def inside(
    device: Home, kinds: Iterable[Kind], user: User, contents: dict[str, Content], missed: Missed
) -> Iterator[Entry]:
    """The device's own folder and all of its kinds."""
    paths: dict[str, tuple[tuple[int, str], ...]] = {device.path: (), device.cold_path: ()}
    for kind in kinds:
        hot, cold = os.path.join(device.path, kind.name), os.path.join(device.cold_path, kind.name)
        paths[cold] = ()
        paths[hot] = contents[kind.name].foreign if kind.name in contents else ()
        paths |= {os.path.join(cold, slot): () for slot in SLOT_NAMES}
    for path, foreign in paths.items():
        entry = _entry(path, user, missed, own=True)
        if entry is not None:
            yield attrs.evolve(entry, foreign=foreign)


def _entry(path: str, user: User, missed: Missed, *, own: bool) -> Entry | None:
    try:
        found = os.stat(path)
    except OSError as error:
        missed.failed(path, error)
        return None
    if not stat.S_ISDIR(found.st_mode):
        return None
    owner = f"{user_name(found.st_uid)}:{group_name(found.st_gid)}"
    entry = Entry(path, found.st_mode, found.st_uid, found.st_gid, owner, own)
    return attrs.evolve(
        entry,
        immutable=own and _is_unchangeable(path, missed),
        open_anyway=refuses(user, entry) and _is_open_anyway(path, user, missed, own=own),
    )


def _is_open_anyway(path: str, user: User, missed: Missed, *, own: bool) -> bool:
    """Whether an access control list lets in whom the mode does not, acl(5); the kernel tells it to the user alone."""
    if user.uid == os.geteuid():
        return os.access(path, os.R_OK | os.W_OK | os.X_OK if own else os.X_OK, effective_ids=True)
    try:
        os.getxattr(path, _ACL)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT, errno.EACCES):
            raise
        return False
    missed.add(f"{path}: it has an access control list; run it as {user.name}")
    return True


def _is_unchangeable(path: str, missed: Missed) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        missed.failed(path, error)
        return False
    try:
        flags = fcntl.ioctl(fd, _GETFLAGS, bytes(8))
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
        return False  # a file system without attributes
    finally:
        os.close(fd)
    return bool(int.from_bytes(flags[:4], sys.byteorder) & _UNCHANGEABLE)
