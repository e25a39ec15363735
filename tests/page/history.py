"""A day that is over, as a device would have left it: real video, pictures and analyses with times of their own.

The video shows its own time: a strip at the lower edge, as the launcher's test picture has it (ffmpeg/README.md), so
that what is on a screen can be compared with what the page says it is. The files are put into the hot folders before a
reactor is started; it is the reactor that makes the hours of them.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs

MINUTE: Final = 60
HOUR: Final = 3600
_RATE: Final = 5
_CAPTURE_EVERY: Final = 2
_SIZE: Final = (320, 180)
_THUMBS_A_MINUTE: Final = 10
_FLAGS: Final = {"black": ("blackscreen", True), "frozen": ("freeze", True), "silent": ("audio", False)}


@attrs.frozen
class Stretch:
    """What is recorded without a break: seconds since 1970, and how many of them."""

    start: float
    seconds: int

    @property
    def end(self) -> float:
        return self.start + self.seconds


@attrs.define
class Writer:
    """Puts files of the past into a device's hot folders; each kind's numbers grow with time."""

    device: Path
    workshop: Path
    _numbers: dict[str, int] = attrs.Factory(dict)

    def put(self, source: Path, kind: str, name: str, mtime: float) -> None:
        """Take over a finished file; `*` in its name becomes the kind's next number."""
        number = self._numbers.get(kind, 0)
        self._numbers[kind] = number + 1
        folder = self.device / kind
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(source, (mtime, mtime))
        source.rename(folder / name.replace("*", f"{number:09d}"))

    def video(self, stretch: Stretch, *, captures: bool = True) -> None:
        """Segments of a second each, a capture every two and a thumbnail every second."""
        made = self.workshop / f"{stretch.start:.0f}"
        for kind in ("segments", "captures", "thumbnails"):
            (made / kind).mkdir(parents=True)
        width, height = _SIZE
        picture = f"testsrc2=size={width}x{height}:rate={_RATE}"
        graph = (
            f"{picture},{strip(stretch.start, width, height)},split=3[v][c][t];"
            f"[c]framestep={_RATE * _CAPTURE_EVERY}[captures];[t]framestep={_RATE},scale=160:-2[thumbnails]"
        )
        ffmpeg(
            *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-filter_complex", graph),
            *("-map", "[v]", "-map", "0:a", "-t", str(stretch.seconds), "-c:v", "libx264", "-preset", "ultrafast"),
            *("-pix_fmt", "yuv420p", "-g", str(_RATE), "-sc_threshold", "0", "-b:v", "250k", "-c:a", "aac"),
            *("-b:a", "32k", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod"),
            *("-hls_segment_filename", str(made / "segments" / "%06d.ts"), str(made / "all.m3u8")),
            *("-map", "[captures]", "-t", str(stretch.seconds), "-q:v", "4", str(made / "captures" / "%06d.jpg")),
            *("-map", "[thumbnails]", "-t", str(stretch.seconds), "-q:v", "5", str(made / "thumbnails" / "%06d.jpg")),
        )
        segments = sorted((made / "segments").iterdir())[: stretch.seconds]
        for number, path in enumerate(segments):
            self.put(path, "segments", "segment_*.ts", stretch.start + number + 1)
        for number, path in enumerate(sorted((made / "captures").iterdir()) if captures else ()):
            self.put(path, "captures", "capture_*.jpg", stretch.start + number * _CAPTURE_EVERY)
        for number, path in enumerate(sorted((made / "thumbnails").iterdir())):
            self.put(path, "thumbnails", "capture_*_thumbnail.jpg", stretch.start + number)
        shutil.rmtree(made)

    def thumbnails(self, minutes: Sequence[float]) -> None:
        """Ten thumbnails for each of these minutes, of a device whose video nobody needs any more."""
        if not minutes:
            return
        made = self.workshop / "thumbnails"
        made.mkdir()
        first = minutes[0]
        count = round((minutes[-1] - first) / MINUTE) + 1
        graph = f"testsrc2=size=160x90:rate=1/{MINUTE},{strip(first, 160, 90)}"
        ffmpeg("-f", "lavfi", "-i", graph, "-frames:v", str(count), "-q:v", "5", str(made / "%06d.jpg"))
        for minute in minutes:
            picture = (made / f"{round((minute - first) / MINUTE) + 1:06d}.jpg").read_bytes()
            for number in range(_THUMBS_A_MINUTE):
                unfinished = self.workshop / "one.jpg"
                unfinished.write_bytes(picture)
                at = minute + number * MINUTE / _THUMBS_A_MINUTE
                self.put(unfinished, "thumbnails", "capture_*_thumbnail.jpg", at)
        shutil.rmtree(made)

    def analysis(self, at: float, incidents: Collection[str] = ()) -> None:
        """What an analyser says, as docs/metadata.schema.json has it."""
        number = self._numbers.get("metadata", 0)
        said: dict[str, object] = {
            "version": 1,
            "timestamp": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
            "filename": f"capture_{number:09d}.jpg",
            "blackscreen": False,
            "freeze": False,
            "luma": 2.0 if "black" in incidents else 96.5,
            "audio": True,
            "mean_volume_db": -21.1,
            "events": {"black": None, "frozen": None, "silent": None},
        }
        said |= dict(_FLAGS[incident] for incident in incidents)
        unfinished = self.workshop / "one.json"
        unfinished.write_text(json.dumps(said), "utf-8")
        self.put(unfinished, "metadata", "capture_*.json", at)


def strip(start: float, width: int, height: int) -> str:
    """The filters that draw the time of each frame, in whole seconds since 1970: 32 boxes, white for 1."""
    box, top = width // 32, height * 17 // 18
    boxes = [f"drawbox=x=0:y={top}:w={width}:h={height - top}:color=black:t=fill"]
    boxes += [
        f"drawbox=x={box * place}:y={top}:w={box}:h={height - top}:color=white:t=fill:"
        f"enable='mod(floor(({start:.3f}+t)/pow(2,{31 - place})),2)'"
        for place in range(32)
    ]
    return ",".join(boxes)


def ffmpeg(*arguments: str) -> None:
    done = subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
