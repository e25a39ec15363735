"""The processor time and the memory of a process and of all that it has started."""

import os
import re
import time
from pathlib import Path
from typing import Final

import attrs

_TICK: Final = 10**9 // os.sysconf("SC_CLK_TCK")
_KIB: Final = 1 / 1024


def consumed(pid: int) -> int:
    """Nanoseconds of processor time of a process, its living descendants, and those that they have waited for.

    Exact for what lives, by each process's CPU clock (its id is made as clock_getcpuclockid(3) makes it); in ticks of
    the kernel, 10 ms, for what has ended.
    """
    total = 0
    for one in tree(pid):
        try:
            total += time.clock_gettime_ns((~one << 3) | 2)
            fields = Path(f"/proc/{one}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            total += (int(fields[13]) + int(fields[14])) * _TICK  # cutime, cstime
        except (ProcessLookupError, FileNotFoundError, OSError):
            continue  # it has ended, and its parent will count it
    return total


def tree(pid: int) -> list[int]:
    """A process and its living descendants."""
    found = [pid]
    for one in found:
        try:
            threads = os.listdir(f"/proc/{one}/task")
            for thread in threads:
                found += map(int, Path(f"/proc/{one}/task/{thread}/children").read_text("ascii").split())
        except (ProcessLookupError, FileNotFoundError):
            continue  # it has ended
    return found


@attrs.frozen
class Memory:
    """MiB, of a process and its descendants."""

    resident: float
    """VmRSS: its own pages and those of the files that it maps, shared ones in full."""
    peak: float
    """VmHWM."""
    proportional: float
    """Pss: shared pages by the part that is its own."""


def memory(pid: int) -> Memory:
    """At this moment."""
    pids = tree(pid)
    return Memory(
        sum(_kib(one, "status", "VmRSS") for one in pids) * _KIB,
        sum(_kib(one, "status", "VmHWM") for one in pids) * _KIB,
        sum(_kib(one, "smaps_rollup", "Pss") for one in pids) * _KIB,
    )


def _kib(pid: int, file: str, field: str) -> int:
    try:
        found = re.search(rf"^{field}:\s+([0-9]+) kB", Path(f"/proc/{pid}/{file}").read_text("ascii"), re.MULTILINE)
    except (ProcessLookupError, FileNotFoundError):
        return 0  # it has ended
    return int(found[1]) if found else 0
