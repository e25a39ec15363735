"""What the encoders write: which file comes next, how large, in which folder. Values only.

Each of four devices finishes one segment, two captures, five thumbnails and two metadata files a second on the design's
host: a cycle of 40 files. Higher rates are the same cycle, faster.
"""

import itertools
from collections.abc import Iterator
from typing import Final

import attrs

DEVICES: Final = 4


@attrs.frozen
class Kind:
    """One kind of file: `share` files of it in a device's ten, each of `size` bytes; `limit` of them stay hot."""

    name: str
    prefix: str
    suffix: str
    share: int
    limit: int
    size: int
    live: bool = False
    """Whether a live playlist lists them."""

    @property
    def pattern(self) -> str:
        """As fnmatch(3) takes it."""
        return f"{self.prefix}*{self.suffix}"

    def named(self, number: int) -> str:
        """As ffmpeg names it."""
        return f"{self.prefix}{number:09d}{self.suffix}"

    def number(self, text: str) -> int | None:
        """The number in a name; None: it is of another kind."""
        digits = text.removeprefix(self.prefix).removesuffix(self.suffix)
        return int(digits) if len(digits) == 9 and digits.isdecimal() and self.named(int(digits)) == text else None


KINDS: Final = (
    Kind("segments", "segment_", ".ts", share=1, limit=10, size=40_000, live=True),
    Kind("captures", "capture_", ".jpg", share=2, limit=100, size=60_000),
    Kind("thumbnails", "capture_", "_thumbnail.jpg", share=5, limit=100, size=15_000),
    Kind("metadata", "capture_", ".json", share=2, limit=100, size=1_000),
)
SHARES: Final = sum(kind.share for kind in KINDS)
CYCLE: Final = DEVICES * SHARES
"""Files: what the design's host finishes in a second."""


@attrs.frozen
class Hot:
    """One hot folder, by its place below the root."""

    device: int
    kind: Kind

    @property
    def path(self) -> str:
        """Relative to the root."""
        return f"capture{self.device + 1}/{self.kind.name}"

    def rate(self, total: float) -> float:
        """Its files a second, of so many in all."""
        return total * self.kind.share / CYCLE


HOTS: Final = tuple(Hot(device, kind) for device in range(DEVICES) for kind in KINDS)


def _cycle() -> tuple[int, ...]:
    """Places in HOTS, each kind spread evenly over the cycle, the devices a little apart."""
    due = [
        ((turn + (hot.device + 0.5) / DEVICES) / hot.kind.share, place)
        for place, hot in enumerate(HOTS)
        for turn in range(hot.kind.share)
    ]
    return tuple(place for _, place in sorted(due))


ORDER: Final = _cycle()


def files() -> Iterator[tuple[int, int]]:
    """Place in HOTS and number of one file after the other, without end; those that were there before come first."""
    numbers = [hot.kind.limit for hot in HOTS]
    for place in itertools.cycle(ORDER):
        yield place, numbers[place]
        numbers[place] += 1


@attrs.frozen
class Load:
    """How the writer goes: `rate` files a second in all, 0 for as fast as it can."""

    rate: float
    seconds: float
    """That count."""
    warm: float = 0.0
    """Seconds before them."""
    most: int = 1_000_000
    """Files in all, at most: they are kept until the end."""
    nap: bool = False
    """Whether the writer leaves its core to another one between two files."""

    @property
    def label(self) -> str:
        """In a table."""
        return f"{self.rate:,.0f} files/s" if self.rate else "flat out"
