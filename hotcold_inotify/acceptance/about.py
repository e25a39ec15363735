"""What was accepted, and with what: the host, and the versions of all that had a part in it."""

import os
import platform
import shutil
import subprocess
from typing import Final

import attrs

from hotcold_inotify import __version__

_SECONDS: Final = 5.0


@attrs.frozen
class About:
    """At the beginning of the look. `at`: Unix seconds."""

    at: float
    host: str
    kernel: str
    cores: int
    hotcold: str
    python: str
    ffmpeg: str


def about(at: float) -> About:
    """This machine's own."""
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    ffmpeg = _ffmpeg() or "not on PATH"
    return About(at, platform.node(), kernel, os.cpu_count() or 1, __version__, platform.python_version(), ffmpeg)


def _ffmpeg() -> str | None:
    """The version of the one on PATH; the encoders may have been started with another one."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    try:
        said = subprocess.run([program, "-version"], capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = said.stdout.decode("utf-8", "replace").split()
    return words[2] if words[:2] == ["ffmpeg", "version"] and len(words) > 2 else None
