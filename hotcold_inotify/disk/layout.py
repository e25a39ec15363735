"""The folders of a device: one a kind, each with its hour folders 0..23; and which folders are devices."""

import contextlib
import os
import stat
from collections.abc import Iterable
from fnmatch import fnmatchcase

import attrs

from hotcold_inotify.config import Config, Kind
from hotcold_inotify.disk.folder import Folder
from hotcold_inotify.disk.slots import SLOT_NAMES
from hotcold_inotify.hours import Calendar


@attrs.frozen
class Home:
    """Where one device lives. `cold_path` is `path` unless the configuration puts the hour folders elsewhere."""

    name: str
    path: str
    cold_path: str

    def open(self, kind: Kind, calendar: Calendar, *, make: bool = False) -> Folder:
        """One kind's folder, to be closed by the caller; OSError as from `Folder.opened`."""
        hot_path, cold_path = os.path.join(self.path, kind.name), os.path.join(self.cold_path, kind.name)
        if make:
            make_folder(hot_path, cold_path)
        return Folder.opened(hot_path, cold_path, kind, calendar)

    def make(self, kinds: Iterable[str]) -> None:
        """Make the device's folder, its kinds' folders and their slots; what exists stays as it is."""
        os.makedirs(self.path, exist_ok=True)
        for kind in kinds:
            make_folder(os.path.join(self.path, kind), os.path.join(self.cold_path, kind))


def home(config: Config, path: str) -> Home:
    """The device at an absolute path; its name is the folder's."""
    name = os.path.basename(path)
    return Home(name, path, os.path.join(config.cold_root, name) if config.cold_root else path)


def make_folder(hot_path: str, cold_path: str) -> None:
    """Make one kind's hot folder and its 24 slots; what exists stays as it is.

    The device's folder itself must exist (FileNotFoundError): a device that went away is not conjured up again.
    OSError ELOOP or ENOTDIR: something that is no folder has its name.
    """
    _ensure(hot_path)
    if cold_path != hot_path:
        os.makedirs(cold_path, exist_ok=True)
    # Held open, as `Folder.opened` does: a link in the folder's place would have the slots made where it leads.
    cold_fd = os.open(cold_path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for slot in SLOT_NAMES:
            _ensure(slot, dir_fd=cold_fd)
    finally:
        os.close(cold_fd)


def find_devices(config: Config) -> tuple[dict[str, Home], tuple[str, ...]]:
    """The devices that are there now, by name, and what is wrong with the list, in plain words.

    `devices` are names or globs under the root, or absolute paths; the lines of the `active_captures` file come on top.
    Only folders count; a path that is not there (yet) is none. OSError: the root cannot be listed.
    """
    found: dict[str, Home] = {}
    wrong: list[str] = []
    served: dict[tuple[int, int], str] = {}
    for path in _paths(config):
        there = _folder(path)
        if there is None:
            continue
        device = home(config, path)
        if not device.name:
            wrong.append(f"{path} cannot be a device: it has no name")
        elif device.name in found:
            other = found[device.name].path
            wrong.append(f"two devices are called {device.name}: {other} is served, {path} is not; rename one")
        elif there in served:
            wrong.append(f"{path} is the same folder as {served[there]}, and is not served a second time")
        else:
            found[device.name] = device
            served[there] = path
    return found, tuple(wrong)


def find_device(config: Config, name: str) -> Home | None:
    """The device of that name, without a look at any other; None: it is not there. OSError as from `find_devices`."""
    named = (path for path in _paths(config) if os.path.basename(path) == name)
    return next((home(config, path) for path in named if name and _folder(path) is not None), None)


def _paths(config: Config) -> list[str]:
    """Where a device may be, in the order in which the first of a name counts."""
    paths = [name for name in config.devices if os.path.isabs(name)]
    patterns = [name for name in config.devices if not os.path.isabs(name)]
    with os.scandir(config.root) as entries:
        under_root = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    paths += [
        os.path.join(config.root, name)
        for name in under_root
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
    paths += active_captures(config)
    return list(dict.fromkeys(os.path.normpath(path) for path in paths))


def active_captures(config: Config) -> list[str]:
    """The device paths in the `active_captures` file: a path a line, or `path,pid,quality`; `#` begins a comment."""
    if not config.active_captures:
        return []
    try:
        with open(config.active_captures, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return []  # written by others, who may replace it at any moment
    paths = (line.partition("#")[0].partition(",")[0].strip() for line in lines)
    return [os.path.join(config.root, path) for path in paths if path]


def _folder(path: str) -> tuple[int, int] | None:
    """Which folder a path leads to, by device and inode; None: to none."""
    try:
        there = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in a line of `active_captures`
        return None
    return (there.st_dev, there.st_ino) if stat.S_ISDIR(there.st_mode) else None


def _ensure(path: str, *, dir_fd: int | None = None) -> None:
    with contextlib.suppress(FileExistsError):  # a file or a link? Opening it says so
        os.mkdir(path, dir_fd=dir_fd)
