"""What the figures were measured on: the processor, the kernel, the file systems, the versions."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

import attrs

_LIBRARIES: Final = ("trio", "inotify_simple", "prometheus_client", "watchdog")
_PROGRAMS: Final = {
    "inotifywait": ("inotifywait", "--help"),
    "incrond": ("incrond", "--version"),
    "cc": ("cc", "--version"),
    "strace": ("strace", "--version"),
    "ffmpeg": ("ffmpeg", "-version"),
}


@attrs.frozen
class Machine:
    """In words, as they are printed."""

    facts: dict[str, str]


def described(memory: Path, disk: Path) -> Machine:
    """This machine; the two folders say which file systems are meant."""
    facts = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file systems": f"{_file_system(memory)} and {_file_system(disk)}",
        "Python": platform.python_version(),
    }
    facts |= {name: version(name) for name in _LIBRARIES}
    facts |= {name: said for name, command in _PROGRAMS.items() if (said := _says(command))}
    return Machine(facts)


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the mount that a folder lies on, from proc_pid_mountinfo(5)."""
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == number:
            return source.split()[0]
    return "unknown"


def _says(command: tuple[str, ...]) -> str:
    """The first version number in what a program says of itself; "" when it is not there."""
    if not shutil.which(command[0]):
        return ""
    said = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=10)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "unknown"
