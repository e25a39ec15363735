"""What the host showed, to be looked at in the report: few, and small."""

from typing import Final

import attrs

from hotcold_inotify.hours import Generation

_LARGEST: Final = 400_000
_DEVICES: Final = 4


@attrs.frozen
class Picture:
    """A JPEG. `hour`: of which hour it is a thumbnail; None: it is the screenshot."""

    device: str
    hour: Generation | None
    jpeg: bytes


def is_whole(jpeg: bytes) -> bool:
    """Whether it begins and ends as a JPEG does (ITU-T T.81: SOI and EOI)."""
    return len(jpeg) > 4 and jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")


class Album:
    """Keeps those of the first few devices, and none that is too large for a page."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self._devices: set[str] = set()

    def add(self, device: str, hour: Generation | None, jpeg: bytes) -> None:
        """Keep it, if there is room."""
        if len(jpeg) <= _LARGEST and (device in self._devices or len(self._devices) < _DEVICES):
            self._devices.add(device)
            self.pictures.append(Picture(device, hour, jpeg))
