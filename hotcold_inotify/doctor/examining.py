"""The whole look, from the configuration to the findings."""

import os
import re
from collections.abc import Iterator, Sequence

import attrs

from hotcold_inotify import hours
from hotcold_inotify.config import Config
from hotcold_inotify.disk import Home, find_devices, holder
from hotcold_inotify.disk.rootlock import LOCK_NAME
from hotcold_inotify.disk.space import spaces
from hotcold_inotify.doctor import folders, jobs, reactors
from hotcold_inotify.doctor.encoders import writers
from hotcold_inotify.doctor.folders import Content
from hotcold_inotify.doctor.host import Host, Missed, read
from hotcold_inotify.doctor.processes import Process, inotify_use, processes
from hotcold_inotify.doctor.unit import writable
from hotcold_inotify.doctor.whom import service_user
from hotcold_inotify.hours import Calendar
from hotcold_inotify.prognosis import Finding, access, capacity, encoder, limits, mounts, service, timekeeping
from hotcold_inotify.prognosis.access import User
from hotcold_inotify.prognosis.limits import Limits
from hotcold_inotify.prognosis.rivals import Paths


@attrs.frozen
class Report:
    """What was found, and what could not be looked at. reactor: the process that has the root, None: none has."""

    user: str
    reactor: int | None
    devices: tuple[str, ...]
    findings: tuple[Finding, ...]
    missed: tuple[str, ...]
    warnings: tuple[str, ...]
    """About the list of devices."""

    @property
    def fails(self) -> bool:
        """Whether something has to be done."""
        return any(one.trouble.severity.fails for one in self.findings)


def examine(config: Config, host: Host | None = None, user: str | None = None) -> Report:
    """Look at everything once. OSError: the root cannot be listed. NoSuchUser: `user` is none."""
    return _Look(config, host or Host(), user).report()


class _Look:
    """What several checks need, gathered once."""

    def __init__(self, config: Config, host: Host, user: str | None) -> None:
        self._config, self._host, self._missed = config, host, Missed()
        found, self._warnings = find_devices(config)
        self._devices: Sequence[Home] = tuple(found.values())
        self._processes = processes(host, self._missed)
        self._pid = holder(config.root)
        self._reactor: Process | None = self._processes.get(self._pid or 0)
        self._user: User = service_user(host, user, self._reactor, self._missed)
        calendar = Calendar(hours.zone(config.timezone))
        self._contents: dict[str, dict[str, Content]] = {
            device.name: {
                kind.name: content
                for kind in config.kinds
                if (content := folders.content(device, kind, calendar, self._missed)) is not None
            }
            for device in self._devices
        }

    def report(self) -> Report:
        """Every check, in the order in which an operator would mend."""
        findings = (
            *self._reactors(),
            *self._clock(),
            *self._access(),
            *self._mounts(),
            *self._room(),
            *self._limits(),
            *self._encoders(),
            *self._rivals(),
        )
        names = tuple(device.name for device in self._devices)
        return Report(self._user.name, self._pid, names, findings, self._missed.texts(), self._warnings)

    def _reactors(self) -> Iterator[Finding]:
        lock = os.path.join(self._config.root, LOCK_NAME)
        if self._pid is None and os.path.exists(lock) and not os.access(lock, os.R_OK):
            self._missed.add(f"{lock}: who has it, if anybody; run it as root")
            return
        listen = self._config.metrics.listen
        newest = self._newest()
        yield from service.judge(
            service.Service(
                self._config.root,
                self._pid,
                tuple(reactors.elsewhere(self._host, self._processes.values(), self._config.root, self._missed))
                if self._pid is None
                else (),
                None if newest is None else self._host.clock.wall() - newest.mtime,
                None if listen is None or not listen.port else str(listen),
                None if self._pid is None else reactors.health(listen),
            )
        )

    def _newest(self) -> timekeeping.Newest | None:
        newest = [one.newest for kinds in self._contents.values() for one in kinds.values() if one.newest is not None]
        return max(newest, key=lambda one: one.mtime, default=None)

    def _clock(self) -> Iterator[Finding]:
        synchronised = self._host.synchronised()
        if synchronised is None:
            self._missed.add("whether the clock is kept right: adjtimex(2) does not say")
        yield from timekeeping.judge(self._host.clock.wall(), self._newest(), synchronised=synchronised)

    def _access(self) -> Iterator[Finding]:
        said: set[Finding] = set()
        for device in self._devices:
            above = list(folders.on_the_way(device, self._user, self._missed))
            contents = self._contents[device.name]
            own = list(folders.inside(device, self._config.kinds, self._user, contents, self._missed))
            # A folder above several devices is told of once.
            for finding in access.judge(self._user, device.path, (*above, *own)):
                if finding not in said:
                    said.add(finding)
                    yield finding

    def _mounts(self) -> Iterator[Finding]:
        # The service may see other mounts than we do: a unit's ReadWritePaths= are its own.
        who = "self" if self._reactor is None else str(self._reactor.pid)
        text = read(f"{self._host.proc}/{who}/mountinfo", self._missed)
        known = mounts.parse(text or read(f"{self._host.proc}/self/mountinfo", self._missed) or "")
        if self._reactor is None:
            known = mounts.bound(known, writable(self._host, self._missed))
        found = [pair for device in self._devices for pair in folders.pairs(device, self._config.kinds, known)]
        yield from mounts.judge(found)

    def _room(self) -> Iterator[Finding]:
        disks: dict[int, capacity.Disk] = {}
        flows: dict[int, list[capacity.Flow]] = {}
        for device in self._devices:
            for kind, (number, space) in spaces(device, (kind.name for kind in self._config.kinds)).items():
                path = os.path.join(device.cold_path, kind)
                disks.setdefault(number, capacity.Disk(path, space.free, space.total, space.free_inodes, space.inodes))
                if kind in self._contents[device.name]:
                    flows.setdefault(number, []).append(self._contents[device.name][kind].flow)
        for number, disk in disks.items():
            yield from capacity.judge(disk, flows.get(number, []), pressed=bool(self._config.pressure.floor))

    def _limits(self) -> Iterator[Finding]:
        own = [one for one in self._processes.values() if one.uid == self._user.uid and one.pid != self._pid]
        instances, watches = inotify_use(self._host, own, self._missed)
        facts = Limits(
            self._user.name,
            self._sysctl("max_user_instances"),
            self._sysctl("max_user_watches"),
            self._sysctl("max_queued_events"),
            instances,
            watches,
            self._descriptors(),
        )
        yield from limits.judge(facts, len(self._devices), len(self._config.kinds))

    def _sysctl(self, name: str) -> int | None:
        path = f"{self._host.proc}/sys/fs/inotify/{name}"
        text = read(path, self._missed)
        if text is None:
            self._missed.add(f"{path}: not there")
        return None if text is None else int(text)

    def _descriptors(self) -> int | None:
        """The reactor raises its own soft limit to the hard one."""
        who = "self" if self._reactor is None else str(self._reactor.pid)
        text = read(f"{self._host.proc}/{who}/limits", self._missed) or ""
        found = re.search(r"^Max open files\s+\S+\s+(\d+)", text, re.MULTILINE)
        return int(found[1]) if found else None

    def _encoders(self) -> Iterator[Finding]:
        for writer in writers(self._processes.values(), self._devices, self._missed):
            yield from encoder.judge(writer, self._config.kinds, self._config.root)

    def _rivals(self) -> Iterator[Finding]:
        where = [self._config.root, *(path for device in self._devices for path in (device.path, device.cold_path))]
        paths = Paths([*where, *([self._config.cold_root] if self._config.cold_root else [])])
        yield from jobs.jobs(self._host, paths, self._missed)
        yield from jobs.rival_processes(self._host, self._processes, self._pid, paths, self._missed)
