"""The processes of the host, as proc(5) shows them."""

import os
import re
from collections.abc import Collection, Iterable

import attrs

from hotcold_inotify.doctor.host import Host, Missed, entries, read


@attrs.frozen
class Process:
    """cwd None: it may not be seen. groups: the supplementary ones."""

    pid: int
    parent: int
    uid: int
    gid: int
    groups: frozenset[int]
    words: tuple[str, ...]
    cwd: str | None

    @property
    def program(self) -> str:
        """What was started, without its folder."""
        return os.path.basename(self.words[0])


def processes(host: Host, missed: Missed) -> dict[int, Process]:
    """All that have a command line, by number; kernel threads have none."""
    if "hidepid=" in (read(f"{host.proc}/self/mountinfo", missed) or "") and os.geteuid() != 0:
        missed.add(f"the processes of other users: {host.proc} is mounted with hidepid")
    found = (_process(path, missed) for path in entries(host.proc, missed) if os.path.basename(path).isdigit())
    known = {process.pid: process for process in found if process is not None}
    if closed := sum(process.cwd is None for process in known.values()):
        missed.add(f"the folders of {closed} processes that are not ours: run it as root")
    return known


def _process(path: str, missed: Missed) -> Process | None:
    words = (read(f"{path}/cmdline", missed) or "").removesuffix("\0").split("\0")
    status = dict(re.findall(r"^(\w+):[ \t]*(.*)$", read(f"{path}/status", missed) or "", re.MULTILINE))
    if not words[0] or not {"PPid", "Uid", "Gid"} <= status.keys():
        return None
    try:
        cwd = os.readlink(f"{path}/cwd")
    except PermissionError:
        cwd = None
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended
    return Process(
        int(os.path.basename(path)),
        int(status["PPid"]),
        int(status["Uid"].split()[1]),
        int(status["Gid"].split()[1]),
        frozenset(map(int, status.get("Groups", "").split())),
        tuple(words),
        cwd,
    )


def line_of(pid: int, known: dict[int, Process]) -> frozenset[int]:
    """A process and those that it comes from."""
    found = set()
    while pid in known and pid not in found:
        found.add(pid)
        pid = known[pid].parent
    return frozenset(found)


def inotify_use(host: Host, users: Iterable[Process], missed: Missed) -> tuple[int, int]:
    """The inotify instances and watches that these processes have."""
    instances = watches = unseen = 0
    for process in users:
        folder = f"{host.proc}/{process.pid}"
        try:
            numbers = os.listdir(f"{folder}/fd")
        except PermissionError:
            unseen += 1
            continue
        except (FileNotFoundError, ProcessLookupError):
            continue
        for number in _that_lead_to(folder, numbers, "anon_inode:inotify"):
            instances += 1
            watches += (read(f"{folder}/fdinfo/{number}", missed) or "").count("inotify wd:")
    if unseen:
        missed.add(f"inotify in {unseen} processes of the service's user: run it as root")
    return instances, watches


def _that_lead_to(folder: str, numbers: Collection[str], end: str) -> list[str]:
    return [number for number in numbers if _target(f"{folder}/fd/{number}").endswith(end)]


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""  # closed since


def held(host: Host, process: Process, name: str, missed: Missed) -> list[str]:
    """The folders of the files of that name that a process has open."""
    links = list(entries(f"{host.proc}/{process.pid}/fd", missed))
    return [os.path.dirname(target) for target in map(_target, links) if os.path.basename(target) == name]
