"""Load each hour's playlist as a player does, hold it against the disk, and decode a segment of it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

import attrs

from hotcold_inotify import playlist
from hotcold_inotify.acceptance.asking import Client
from hotcold_inotify.checklist.playing import Hour, Sample
from hotcold_inotify.config import Kind
from hotcold_inotify.disk import PLAYLIST, SLOT_NAMES, Home

# An ffprobe takes a tenth of a second of a core.
_SAMPLES: Final = 24
_PROBE_SECONDS: Final = 10.0
# A repair may replace a playlist between two looks at it.
_TRIES: Final = 3


@attrs.frozen
class _Place:
    """The folder of one hour that has a playlist."""

    device: str
    kind: str
    slot: str
    path: str

    @property
    def url(self) -> str:
        return f"/host/stream/{quote(self.device, safe='')}/{self.kind}/{self.slot}"


def hours(client: Client, devices: Sequence[Home], kinds: Sequence[Kind]) -> list[Hour]:
    """Every hour that has a playlist. Some two dozen segments, spread over all of them, are decoded."""
    places = list(_places(devices, kinds))
    every = max(1, -(-len(places) // _SAMPLES))
    plays = max(1, _SAMPLES // max(len(places), 1))
    loaded = (_hour(client, place, 0 if number % every else plays) for number, place in enumerate(places))
    return [hour for hour in loaded if hour is not None]


def _places(devices: Sequence[Home], kinds: Sequence[Kind]) -> Iterator[_Place]:
    for device in devices:
        for kind in kinds:
            for slot in SLOT_NAMES if kind.playlist else ():
                path = os.path.join(device.cold_path, kind.name, slot)
                if os.path.exists(os.path.join(path, PLAYLIST)):
                    yield _Place(device.name, kind.name, slot, path)


def _hour(client: Client, place: _Place, plays: int) -> Hour | None:
    """`plays`: so many of its segments are decoded. None: the hour was taken away meanwhile."""
    path = f"{place.url}/{PLAYLIST}"
    url = f"{client.base}{path}"
    text, trouble = b"", None
    for _ in range(_TRIES):
        before = _read(f"{place.path}/{PLAYLIST}")
        answer = client.get(path)
        after = _read(f"{place.path}/{PLAYLIST}")
        if before is None or after is None:
            return None
        if answer is None or answer.status != 200:
            trouble = "not answered" if answer is None else answer.reason
            continue
        text = answer.body
        # It may have grown before, or after: each version begins with the one before.
        trouble = None
        if text.startswith(before) and after.startswith(text):
            break
        trouble = f"the API gives other bytes than {place.path}/{PLAYLIST} has"
    if trouble is not None:
        return Hour(place.device, url, 0, 0.0, trouble=trouble)
    try:
        parsed = playlist.parse(text.decode("utf-8", "replace"))
    except playlist.PlaylistError as error:
        return Hour(place.device, url, 0, 0.0, trouble=str(error))
    try:
        there = set(os.listdir(place.path))
    except FileNotFoundError:
        return None
    missing = tuple(entry.uri for entry in parsed.entries if entry.uri not in there)
    if missing and not (_read(f"{place.path}/{PLAYLIST}") or b"").startswith(text):
        return None  # the hour came round, and is another one's
    listed = [entry.uri for entry in parsed.entries if entry.uri in there]
    # The last one of as many equal parts, so the newest of all too.
    chosen = dict.fromkeys(listed[(part + 1) * len(listed) // plays - 1] for part in range(plays if listed else 0))
    samples = tuple(_sample(client, place, name) for name in chosen)
    seconds = sum(entry.duration for entry in parsed.entries)
    return Hour(place.device, url, len(parsed.entries), seconds, missing, samples)


def _sample(client: Client, place: _Place, name: str) -> Sample:
    path = f"{place.url}/{quote(name)}"
    url = f"{client.base}{path}"
    answer = client.get(path)
    if answer is None or answer.status != 200:
        return Sample(url, None, "not answered" if answer is None else answer.reason)
    if answer.body != _read(f"{place.path}/{name}"):
        return Sample(url, None, "the API gives other bytes than the file has")
    program = shutil.which("ffprobe")
    if program is None:
        return Sample(url, None)
    command = [program, "-v", "error", "-count_frames", "-select_streams", "v:0"]
    command += ["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "-i", "pipe:0"]
    try:
        done = subprocess.run(command, input=answer.body, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Sample(url, None, f"ffprobe did not end within {_PROBE_SECONDS:.0f} s")
    frames = re.match(rb"\d+", done.stdout)
    if frames is None or not int(frames[0]):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return Sample(url, None, f"ffprobe decodes no frame of it: {said[-1] if said else 'no video'}")
    return Sample(url, int(frames[0]))


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
