"""Start `ffmpeg/capture.sh`: where it is, and with which ffmpeg."""

import importlib.resources
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Final

import imageio_ffmpeg
import trio
from structlog.typing import FilteringBoundLogger

from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.logs import logger

# What happens now and then to the demo's devices, so that there is something to find.
INCIDENTS: Final = {"capture2": "black:20-26/300 frozen:120-130/300 silent:220-230/300"}


def script() -> Path:
    """The launcher: inside the package when installed from a wheel, beside it in a clone."""
    inside = importlib.resources.files("hotcold_inotify") / "ffmpeg" / "capture.sh"
    with importlib.resources.as_file(inside) as path:
        if path.is_file():
            return path
    return Path(__file__).parents[2] / "ffmpeg" / "capture.sh"


def ffmpeg() -> str:
    """The ffmpeg on PATH, else the one that comes with imageio-ffmpeg."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def analyzer() -> str:
    """This same program, as the launcher wants it: words, with a backslash before what would end one."""
    words = [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "hotcold_inotify"]
    return " ".join(re.sub(r"([\s\\])", r"\\\1", word) for word in words)


async def capture(device_path: str, settings: dict[str, str]) -> None:
    """Run the launcher on one device until cancelled; cancelling lets ffmpeg finish its files. `Failed` when it ends by
    itself.

    `settings` are its environment variables; what it says on standard error is logged.
    """
    log = logger(device=os.path.basename(device_path))
    said: list[str] = []
    # A session of its own: Ctrl-C is for us, and we stop ffmpeg before the reactor.
    run = partial(
        trio.run_process,
        ["bash", str(script()), device_path],
        env={"HOTCOLD_ANALYZER": analyzer(), **os.environ, **settings},
        stdin=b"",
        stdout=-1,
        stderr=-1,
        check=False,
        start_new_session=True,
    )
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        for stream in (process.stdout, process.stderr):
            nursery.start_soon(_pass_on, stream, said, log)
    if process.returncode:
        last = said[-1] if said else "it said nothing"
        raise Failed(f"{device_path}: the capture ended with code {process.returncode}: {last}")


async def _pass_on(stream: trio.abc.ReceiveStream | None, said: list[str], log: FilteringBoundLogger) -> None:
    if stream is None:
        return
    text = b""
    async for data in stream:
        *lines, text = (text + data).split(b"\n")
        for line in lines:
            said[:] = [line.decode("utf-8", "replace")]
            log.info(said[-1])
