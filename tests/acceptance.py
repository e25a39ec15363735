"""`make acceptance`: a capture host with a day behind it is started, recorded on, and held against the checklist.

    python -m tests.acceptance FOLDER

leaves report.html and report.txt in FOLDER, and the exit code of the command. ffmpeg records two devices; the day
before is generated, and some of it is past its retention, so that the reactor has something to expire.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from hotcold_inotify.config import DEFAULT_KINDS
from hotcold_inotify.hours import Calendar, zone
from tests.live.started import eventually, free_port, hot, put
from tests.page.stack import HOTCOLD, Host, past_of, write_past

DEVICES = ("capture1", "capture2")
_HOURS_AGO = {"captures": 2}
_SECONDS = 20


def expired(device: Path, now: float) -> None:
    """Files that a reactor which stood still has left in their hours."""
    calendar = Calendar(zone("local"))
    for kind in DEFAULT_KINDS:
        at = now - _HOURS_AGO.get(kind.name, 25) * 3600
        place = device / kind.name / str(calendar.generation_at(at).slot)
        place.mkdir(parents=True)
        for number in range(10):
            put(place, kind.pattern.named(number, 9), b"expired", at)


def is_full(folder: Path, limit: int) -> bool:
    return len([name for name in hot(folder) if not name.endswith((".tmp", ".m3u8"))]) == limit


def accepted(folder: Path, reports: Path) -> int:
    """The command's exit code."""
    host = Host(folder)
    told = host.config.read_text("utf-8").replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")
    host.config.write_text(told, "utf-8")
    now = time.time()
    try:
        for device in DEVICES:
            expired(host.root / device, now)
            workshop = folder / f"workshop-{device}"
            workshop.mkdir()
            write_past(past_of(now), host.root / device, workshop, now)
        host.reactor()
        for device in DEVICES:
            host.capture(device, {"HOTCOLD_SIZE": "640x360"})
        host.serve()
        for device in DEVICES:
            for kind in DEFAULT_KINDS:
                place = host.root / device / kind.name
                eventually(f"{place} to be full", partial(is_full, place, kind.hot_limit), 90)
        command = [*HOTCOLD, "--config", str(host.config), "doctor", "--acceptance", "--seconds", str(_SECONDS)]
        done = subprocess.run(
            [*command, "--html", str(reports / "report.html")], stdout=subprocess.PIPE, check=False, text=True
        )
    finally:
        host.close()
    (reports / "report.txt").write_text(done.stdout, "utf-8")
    sys.stdout.write(done.stdout)
    return done.returncode


def main() -> int:
    reports = Path(sys.argv[1])
    reports.mkdir(parents=True, exist_ok=True)
    # The report names the root: who reads it is to know that the day before is not a recorded one.
    with tempfile.TemporaryDirectory(prefix="hotcold-with-a-generated-past-") as folder:
        return accepted(Path(folder), reports)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
