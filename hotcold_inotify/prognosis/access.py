"""What a user may do with the folders, by mode, owner and groups: path_resolution(7)."""

import stat
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from hotcold_inotify.prognosis.troubles import Finding, Trouble

READ: Final = 4
WRITE: Final = 2
SEARCH: Final = 1
_USE: Final = READ | WRITE | SEARCH


@attrs.frozen
class User:
    """Whom the service runs as; `groups`: all of them."""

    name: str
    uid: int
    gid: int
    groups: frozenset[int]

    def may(self, wanted: int, mode: int, uid: int, gid: int) -> bool:
        """Whether the permission bits `wanted` are given by a file's mode, owner and group; root may all."""
        if self.uid == 0:
            return True
        shift = 6 if uid == self.uid else 3 if gid == self.gid or gid in self.groups else 0
        return mode >> shift & wanted == wanted


@attrs.frozen
class Entry:
    """A folder as stat(2) has it, with its owner's and group's names.

    own: one that files are moved in or out of; else one on the way to such a one. open_anyway: something else than the
    mode lets the user in (an ACL), or it cannot be told. immutable: by its attributes, chattr(1).
    foreign: of the files in it, an owner's uid -> one of the names.
    """

    path: str
    mode: int
    uid: int
    gid: int
    owner: str
    own: bool = True
    open_anyway: bool = False
    immutable: bool = False
    foreign: tuple[tuple[int, str], ...] = ()

    @property
    def said(self) -> str:
        """As ls(1) shows it."""
        return f"{stat.filemode(self.mode)} {self.owner}"


def refuses(user: User, entry: Entry) -> bool:
    """Whether its mode keeps the user from what the service does there."""
    return not user.may(_USE if entry.own else SEARCH, entry.mode, entry.uid, entry.gid)


def judge(user: User, device: str, entries: Iterable[Entry]) -> Iterator[Finding]:
    """What the user cannot do in the folders of a device, `device` its path: one finding for each trouble."""
    looked = list(entries)
    refused = [entry for entry in looked if refuses(user, entry) and not entry.open_anyway]
    on_the_way = [entry for entry in refused if not entry.own]
    if on_the_way:
        first = on_the_way[0]
        yield _of(Trouble.NOT_OURS, user, on_the_way, f"setfacl -m u:{user.name}:x {first.path}")
    if inside := [entry for entry in refused if entry.own]:
        yield _of(Trouble.NOT_OURS, user, inside, f"chown -R {user.name}: {_top(inside, device)}")
    if locked := [entry for entry in looked if entry.immutable]:
        yield _of(Trouble.IMMUTABLE, user, locked, f"chattr -i -a {locked[0].path}")
    for entry in looked:
        names = [name for uid, name in entry.foreign if user.uid not in (0, uid, entry.uid)]
        if entry.mode & stat.S_ISVTX and names:
            detail = f"{entry.said}, and {user.name} is not the owner of {names[0]}"
            yield Finding(Trouble.STICKY, entry.path, detail, f"chmod -t {entry.path}")


def _of(trouble: Trouble, user: User, entries: list[Entry], remedy: str) -> Finding:
    first, more = entries[0], len(entries) - 1
    detail = f"{first.said}; the service runs as {user.name}" + (f"; and {more} more" if more else "")
    return Finding(trouble, first.path, detail, remedy)


def _top(entries: list[Entry], device: str) -> str:
    """What to change: one folder, or the device that all lie in."""
    inside = all(f"{entry.path}/".startswith(f"{device}/") for entry in entries)
    return device if len(entries) > 1 and inside else " ".join(entry.path for entry in entries)
