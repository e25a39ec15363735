"""The running ffmpegs that write into devices."""

import os
from collections.abc import Iterable, Iterator

from hotcold_inotify.disk import Home
from hotcold_inotify.doctor.host import Missed, read
from hotcold_inotify.doctor.processes import Process
from hotcold_inotify.prognosis import commandline
from hotcold_inotify.prognosis.encoder import Writer

# ffmpeg/capture.sh holds it, and names itself and its ffmpeg in it.
_LAUNCHER_LOCK = ".capture.lock"


def writers(known: Iterable[Process], devices: Iterable[Home], missed: Missed) -> Iterator[Writer]:
    """Each output below a device's folder."""
    homes = [(device, os.path.realpath(device.path)) for device in devices]
    for process in known:
        if not process.program.startswith("ffmpeg"):
            continue
        for output in commandline.outputs(process.words[1:]):
            if not os.path.isabs(output.folder) and process.cwd is None:
                missed.add(f"process {process.pid}, {process.program}: where it writes; run it as root")
                break
            folder = os.path.realpath(os.path.join(process.cwd or "/", output.folder))
            for device, path in homes:
                if folder == path or folder.startswith(f"{path}/"):
                    below = os.path.relpath(folder, path) if folder != path else ""
                    where = f"{os.path.join(device.name, below)}, {process.program} (process {process.pid})"
                    yield Writer(where, below, output, _is_launched(path, process, missed))


def _is_launched(device: str, process: Process, missed: Missed) -> bool:
    """By our launcher, which begins at the first number that is free."""
    pids = (read(f"{device}/{_LAUNCHER_LOCK}", missed) or "").split()
    return pids[1:2] == [str(process.pid)]
