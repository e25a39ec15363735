"""The folders that a contender looks after: made, filled to their limits, and counted when all is over."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import attrs

from benchmarks.comparison.workload import HOTS, Hot
from benchmarks.comparison.writer import LivePlaylist, write


def zone() -> str:
    """A time zone whose hour does not turn for some minutes: which slot a file goes to is then no question."""
    return "UTC" if 300 < time.time() % 3600 < 3300 else "Asia/Kolkata"


@attrs.frozen
class Place:
    """Where a file is, by its number; `changed` is its ctime, Unix ns: of a file in a slot, when it was moved."""

    slot: int | None
    """None: it is hot."""
    changed: int


@attrs.frozen
class Found:
    """What is in one hot folder and its slots."""

    places: Mapping[int, Place]
    twice: int
    """Numbers that are there more than once."""


@attrs.frozen
class Arena:
    """A root of its own, in a zone of its own."""

    root: Path
    zone: str

    def make(self, rate: float) -> None:
        """Folders, slots, and as many files as may stay, as old as if `rate` files a second had been written."""
        now = time.time()
        for hot in HOTS:
            folder = self.root / hot.path
            for slot in range(24):
                (folder / str(slot)).mkdir(parents=True)
            content = os.urandom(hot.kind.size)
            gap = 1 / hot.rate(rate)
            # It lists them all: a reactor that was there when they came would know how long each is.
            live = (
                LivePlaylist(str(folder), now - (hot.kind.limit + 1) * gap, hot.kind.limit) if hot.kind.live else None
            )
            for number in range(hot.kind.limit):
                path = f"{folder}/{hot.kind.named(number)}"
                write(path, content)
                at = now - (hot.kind.limit - number) * gap
                os.utime(path, (at, at))
                if live is not None:
                    live.add(hot.kind.named(number), at)

    @property
    def folders(self) -> list[str]:
        """The arguments that every script takes: folder, pattern, limit, and again."""
        return [text for hot in HOTS for text in (f"{self.root}/{hot.path}", hot.kind.pattern, str(hot.kind.limit))]

    def settled(self) -> bool:
        """Whether no folder holds more than it may."""
        return all(self._count(hot) <= hot.kind.limit for hot in HOTS)

    def _count(self, hot: Hot) -> int:
        return sum(hot.kind.number(name) is not None for name in os.listdir(self.root / hot.path))

    def found(self) -> tuple[Found, ...]:
        """What is there, in the order of HOTS. Nobody may move anything meanwhile."""
        return tuple(self._found(hot) for hot in HOTS)

    def _found(self, hot: Hot) -> Found:
        places: dict[int, Place] = {}
        twice = 0
        for slot in (None, *range(24)):
            folder = f"{self.root}/{hot.path}" + ("" if slot is None else f"/{slot}")
            with os.scandir(folder) as entries:
                for entry in entries:
                    number = hot.kind.number(entry.name)
                    if number is not None:
                        twice += number in places
                        places[number] = Place(slot, entry.stat(follow_symlinks=False).st_ctime_ns)
        return Found(places, twice)
