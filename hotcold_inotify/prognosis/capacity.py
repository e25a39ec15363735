"""How long a disk can hold what is recorded, at the rates that the hot folders show."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from hotcold_inotify.hours import DAY, HOUR
from hotcold_inotify.prognosis.troubles import Finding, Trouble

# A disk that takes no more than this many seconds of recording is called almost full, or one that has so small a part
# left.
_SOON: Final = 900.0
_LITTLE: Final = 0.01
# Fewer files, or a shorter time, say nothing of a rate.
_LEAST_FILES: Final = 3


@attrs.frozen
class Flow:
    """One kind of one device. held: files in its hour folders by now. sizes: bytes that its hot files take; mtimes:
    when they were finished (Unix seconds). whole: it goes by whole hours.
    """

    kind: str
    retention: float
    whole: bool
    held: int
    sizes: Sequence[int]
    mtimes: Sequence[float]

    @property
    def files(self) -> float:
        """A second; 0 where the hot set does not tell."""
        span = max(self.mtimes, default=0.0) - min(self.mtimes, default=0.0)
        return (len(self.mtimes) - 1) / span if len(self.mtimes) >= _LEAST_FILES and span > 0 else 0.0

    @property
    def size(self) -> float:
        """Bytes of a file, in the mean."""
        return sum(self.sizes) / len(self.sizes) if self.sizes else 0.0

    @property
    def kept(self) -> float:
        """Seconds for which a file stays, at most: whole hours go when their last file is due."""
        return min(self.retention + HOUR, DAY) if self.whole else self.retention


@attrs.frozen
class Disk:
    """Of hour folders: bytes and inodes, in all and to be had; `inodes` 0: it does not count them."""

    path: str
    free: int
    total: int
    free_inodes: int
    inodes: int


def lasts(room: float, flows: Iterable[tuple[float, float]]) -> float | None:
    """Seconds until `room` is full, of flows (rate a second, seconds kept); None: they fit for ever."""
    left, now, rates = room, 0.0, sorted((kept, rate) for rate, kept in flows if rate > 0)
    for place, (kept, _rate) in enumerate(rates):
        rate = sum(later for _kept, later in rates[place:])
        if rate * (kept - now) > left:
            return now + left / rate
        left -= rate * (kept - now)
        now = kept
    return None


def judge(disk: Disk, flows: Sequence[Flow], *, pressed: bool) -> Iterator[Finding]:
    """One finding a disk at most; `pressed`: the configuration lets the oldest hours make room."""
    held = sum(flow.held * flow.size for flow in flows)
    rate = sum(flow.files * flow.size for flow in flows)
    bytes_last = lasts(disk.free + held, [(flow.files * flow.size, flow.kept) for flow in flows])
    inodes_last = None
    if disk.inodes:
        room = disk.free_inodes + sum(flow.held for flow in flows)
        inodes_last = lasts(room, [(flow.files, flow.kept) for flow in flows])
    ends = [(end, what) for end, what in ((bytes_last, "bytes"), (inodes_last, "inodes")) if end is not None]
    if disk.free < disk.total * _LITTLE or (ends and not pressed and rate > 0 and disk.free / rate < _SOON):
        yield Finding(Trouble.FULL_NOW, disk.path, _now(disk, rate), _room_at_once(flows))
    elif disk.inodes and disk.free_inodes < disk.inodes * _LITTLE:
        said = f"{disk.free_inodes} of {disk.inodes} inodes are free"
        yield Finding(Trouble.FULL_NOW, disk.path, said, _room_at_once(flows))
    elif ends:
        end, what = min(ends)
        said = f"{end / HOUR:.1f} hours fit, by its {what}: {_rates(rate, flows)}"
        trouble = Trouble.GOES_EARLY if pressed else Trouble.WILL_NOT_FIT
        yield Finding(trouble, disk.path, said, "none is needed" if pressed else _remedy(end, flows))


def _now(disk: Disk, rate: float) -> str:
    said = f"{disk.free / 1e6:.1f} MB of {disk.total / 1e6:.1f} MB are free"
    return f"{said}, enough for {disk.free / rate / 60:.1f} minutes" if rate else said


def _rates(rate: float, flows: Sequence[Flow]) -> str:
    return f"{rate / 1e6:.3f} MB/s and {sum(flow.files for flow in flows):.1f} files/s are recorded"


def _remedy(end: float, flows: Sequence[Flow]) -> str:
    remedy = '[pressure] with min_free = "5%" and min_free_inodes = "5%"'
    # An hour less: kinds with playlists go by whole hours.
    fits = int(end // HOUR) - 1
    if fits >= 1:
        kinds = sorted({flow.kind for flow in flows if flow.retention > fits * HOUR})
        remedy += f', or retention = "{fits}h" for {", ".join(kinds)}'
    return remedy


def _room_at_once(flows: Sequence[Flow]) -> str:
    return "a lower retention, then hotcold rotate; du -x says what else is there" if flows else "du -x"
