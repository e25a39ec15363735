"""What a test may need of the machine, and what happens when the machine has not got it.

A test says it by its marker, `@pytest.mark.needs("strace", "root")`, and tests/conftest.py acts on it. Away from CI a
lack is a skip that names its reason. With CI=true it is a failure, for CI must run everything: there `make test` has
installed the programs, as root. Only what no package brings may be absent anywhere: the lab, and some devices.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

CLONE: Final = Path(__file__).resolve().parent.parent

# Program -> the Debian package that has it, which is in PACKAGES of the Makefile.
PROGRAMS: Final[Mapping[str, str]] = {
    "/usr/bin/python3": "python3",
    "Xvfb": "xvfb",
    "chromium": "chromium",
    "dpkg-deb": "dpkg",
    "faketime": "faketime",
    "ffmpeg": "ffmpeg",
    "ffprobe": "ffmpeg",
    "fusermount3": "fuse3",
    "git": "git",
    "inotifywait": "inotify-tools",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "nginx": "nginx",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "unshare": "util-linux",
}

_CAP_SYS_ADMIN: Final = 21  # capabilities(7), <linux/capability.h>


@attrs.frozen
class Lack:
    """Why a test cannot run here; `everywhere`: a skip under CI too."""

    reason: str
    everywhere: bool = False


def lack(need: str) -> Lack | None:
    """What is missing for `need`: a program of PROGRAMS, "root", "mounts", "loop" or "fuse" devices, or "lab".
    ValueError: no such need.
    """
    match need:
        case "root":
            return None if os.geteuid() == 0 else Lack("needs root")
        case "mounts":
            return (
                None if may_mount(Path("/proc/self/status").read_text("ascii")) else Lack("needs root that may mount")
            )
        case "loop" | "fuse":
            device = Path("/dev/loop-control" if need == "loop" else "/dev/fuse")
            return None if device.exists() else Lack(f"there is no {device}", everywhere=True)
        case "lab":
            folder = lab()
            return None if folder.is_dir() else Lack(f"needs the lab, and there is no {folder} (HOTCOLD_LAB)", True)
    if need not in PROGRAMS:
        raise ValueError(f"no such need: {need!r}")
    return None if shutil.which(need) else Lack(f"needs {need} (Debian package {PROGRAMS[need]})")


def may_mount(status: str) -> bool:
    """Whether a process may mount(2), by its /proc/PID/status, proc(5): root in a container often may not."""
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1)


def lab() -> Path:
    """The optional folder of tools for real faults, there or not: $HOTCOLD_LAB, else ../shared/lab beside the clone."""
    return Path(os.environ.get("HOTCOLD_LAB") or CLONE.parent / "shared" / "lab")


def makefile_list(name: str) -> set[str]:
    """The words that the Makefile gives to `name`."""
    lines = (CLONE / "Makefile").read_text("utf-8").splitlines()
    return next(set(line.partition(":=")[2].split()) for line in lines if line.startswith(f"{name} :="))
