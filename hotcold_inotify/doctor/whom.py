"""Whom the service runs as: its process, else its unit, else whoever asks."""

import grp
import os
import pwd

from hotcold_inotify.doctor.host import Host, Missed
from hotcold_inotify.doctor.processes import Process
from hotcold_inotify.doctor.unit import unit_user
from hotcold_inotify.prognosis.access import User


class NoSuchUser(Exception):
    """The name is no user of this host; the text says which."""


def service_user(host: Host, asked: str | None, reactor: Process | None, missed: Missed) -> User:
    """The user of that name, or the one that the reactor runs as or will. NoSuchUser: the name is none."""
    if asked is not None:
        return _named(asked)
    if reactor is not None:
        return User(user_name(reactor.uid), reactor.uid, reactor.gid, reactor.groups)
    unit = unit_user(host, missed)
    return _named(unit) if unit is not None else _named(user_name(os.geteuid()))


def _named(name: str) -> User:
    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        if name.isdecimal() and int(name) == os.geteuid():  # a container's user without a name
            return User(name, os.geteuid(), os.getegid(), frozenset(os.getgroups()))
        raise NoSuchUser(f"{name}: no such user; name the one that the service runs as: --user NAME") from None
    groups = frozenset(os.getgrouplist(found.pw_name, found.pw_gid))
    return User(found.pw_name, found.pw_uid, found.pw_gid, groups)


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group, or its number."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
