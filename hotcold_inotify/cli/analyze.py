"""`hotcold analyze`: what a device's ffmpeg prints of its captures -> `metadata/capture_N.json`, one a capture.

ffmpeg/capture.sh starts it and starts it again. It reads the pipe as fast as it comes and ends when ffmpeg does; what
an analyser before it found is taken up from the newest file.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType

import attrs

from hotcold_inotify import analysis
from hotcold_inotify.analysis import Events, Levels, Lines, Picture
from hotcold_inotify.cli.settings import Bad
from hotcold_inotify.disk import SURVIVED, errno_name, rename_new
from hotcold_inotify.logs import Troubles, logger
from hotcold_inotify.names import Pattern

_PATTERN = Pattern.parse("capture_*.json")
# One name for all of them, so that however often an analyser is killed, one unfinished file is there at most.
_UNFINISHED = ".capture.json.tmp"
# ffmpeg prints about 1.2 kB a second. A pipe as deep as a user may make it holds a quarter of an hour of that.
_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
# Captures in a row of which ffmpeg makes several of one picture, where its source paused, and prints that picture once.
_REPEATED = 4


def run(device: str, *, first: int, levels: Levels) -> None:
    """Read standard input to its end. `first` is the number of the capture that ffmpeg counts as 0."""
    if os.isatty(0):
        raise Bad("analyze reads what ffmpeg prints from standard input: ffmpeg/capture.sh starts it")
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    with contextlib.suppress(OSError):  # not a pipe, or this user has too many as deep: as deep as it is will do
        fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    analyst = _Analyst(device, first, levels)
    analyst.take_up()
    try:
        while data := os.read(0, _READ_BYTES):
            analyst.read(data)
    finally:
        analyst.clean_up()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


class _Analyst:
    """One device's: what has been read so far, and the events as of it."""

    def __init__(self, device: str, first: int, levels: Levels) -> None:
        self._captures = os.path.join(device, "captures")
        self._metadata = os.path.join(device, "metadata")
        self._first = first
        self._levels = levels
        self._lines = Lines(levels)
        self._events = Events()
        self._last = -1
        self._log = logger(device=os.path.basename(os.path.abspath(device)))
        self._troubles = Troubles(self._log)
        self._warned = False

    def take_up(self) -> None:
        """Go on from what the newest file says. What ran when another ffmpeg ended is over."""
        try:
            with os.scandir(self._metadata) as entries:
                names = [name for entry in entries if (name := _PATTERN.match(entry.name)) is not None]
            if not names:
                return
            newest = max(names, key=lambda name: name.number)
            with open(os.path.join(self._metadata, newest.text), encoding="utf-8") as file:
                found = analysis.parse(file.read()).events
        except (OSError, ValueError) as error:  # another analyser's, or the folder is not there: then from nothing
            self._log.info("the events before are not known", reason=str(error))
            return
        if newest.number < self._first:
            self._events = found.over()
            return
        self._events = found
        self._last = newest.number - self._first
        self._lines.frozen = found.frozen is not None and found.frozen.running

    def read(self, data: bytes) -> None:
        """Write a file for each picture that these bytes complete."""
        for picture in self._lines.feed(data, time.monotonic()):
            for one in self._repeated(picture):
                self._write(one)
        if self._lines.garbage and not self._warned:
            self._warned = True
            self._log.warning("a line is none of ffmpeg's, and is passed over; such lines are not named again")

    def clean_up(self) -> None:
        """Leave no unfinished file."""
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self._metadata, _UNFINISHED))

    def _repeated(self, picture: Picture) -> Iterator[Picture]:
        before, self._last = self._last, picture.number
        if before < picture.number <= before + _REPEATED:
            for number in range(before + 1, picture.number):
                yield attrs.evolve(picture, number=number)
        yield picture

    def _write(self, picture: Picture) -> None:
        stem = f"capture_{self._first + picture.number:09}"
        at = self._captured(f"{stem}.jpg")
        self._events = self._events.then(picture, at, self._levels)
        text = analysis.dump(analysis.report(picture, f"{stem}.jpg", at, self._events))
        try:
            self._put(f"{stem}.json", text)
        except OSError as error:
            if error.errno not in SURVIVED:
                raise
            # The path in the line: which disk is full, and which folder is gone.
            self._troubles.begins("write", errno_name(error), f"{self._metadata}/{stem}.json is not written")
        else:
            self._troubles.ends("write", "metadata is written again", name=f"{stem}.json")

    def _captured(self, name: str) -> datetime:
        """When the capture was finished. Usually its line comes some milliseconds before it, and now is near enough;
        where the lines had to wait for us, the capture is there and knows.
        """
        try:
            at = os.stat(os.path.join(self._captures, name)).st_mtime
        except OSError:
            at = time.time()
        return datetime.fromtimestamp(at, UTC).astimezone()

    def _put(self, name: str, text: str) -> None:
        # By its path each time: the folder may have been replaced.
        folder = os.open(self._metadata, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(_UNFINISHED, flags, 0o666, dir_fd=folder), "wb") as file:
                file.write(text.encode())
            rename_new(folder, _UNFINISHED, folder, name)
        finally:
            os.close(folder)
