"""How much room must stay free, and which hour goes next while there is less.

Room is bytes and inodes: a file system that has run out of either takes no file. Nothing here looks at a disk.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, Self

import attrs

from hotcold_inotify.hours import Generation

UNITS: Final = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_MOST_PERCENT: Final = 50
# Once there is too little, a tenth more than the floor is made free: else each new file would begin it anew.
_TENTH: Final = 10


@attrs.frozen
class Amount:
    """So much, or a part of all there is. str() is the file's own form: `5GB`, `5%`, `100000`."""

    number: int
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.number}{self.unit}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what str() writes: a whole number above 0, and `%` (at most 50), `MB`, `GB`, `TB` or nothing. ValueError
        on any other text.
        """
        found = re.fullmatch(r"([0-9]{1,12})(%|[MGT]B|)", text)
        if found is None or int(found[1]) == 0 or (found[2] == "%" and int(found[1]) > _MOST_PERCENT):
            raise ValueError(f"{text!r} is not an amount such as '5GB', '500MB' or '5%'")
        return cls(int(found[1]), found[2])

    def of(self, total: int) -> int:
        """How much that is where there is `total` in all: never more than half of it, lest all recordings go."""
        asked = total * self.number // 100 if self.unit == "%" else self.number * UNITS.get(self.unit, 1)
        return min(asked, total // 2)


@attrs.frozen
class Space:
    """What a file system has in all, and what an ordinary user may still take of it; `inodes` 0: it does not count
    them.
    """

    free: int
    total: int
    free_inodes: int
    inodes: int

    def credited(self, freed: int, files: int, now: "Space") -> "Space":
        """The better of what a look says `now` and of what must have become free since this one: some file systems give
        room back late.
        """
        return attrs.evolve(
            now, free=max(now.free, self.free + freed), free_inodes=max(now.free_inodes, self.free_inodes + files)
        )


@attrs.frozen
class Floor:
    """What must stay free; with neither, nothing must."""

    bytes: Amount | None = None
    inodes: Amount | None = None

    def __bool__(self) -> bool:
        return self.bytes is not None or self.inodes is not None

    def wanted(self, space: Space) -> tuple[int, int]:
        """The bytes and the inodes that must be free there."""
        return self.bytes.of(space.total) if self.bytes else 0, self.inodes.of(space.inodes) if self.inodes else 0

    def short(self, space: Space, *, pressed: bool) -> bool:
        """Whether there is too little room; `pressed`: there was before, and a tenth more is wanted until it is well
        again.
        """
        return any(
            free < wanted + (-(-wanted // _TENTH) if pressed else 0)
            for free, wanted in zip((space.free, space.free_inodes), self.wanted(space), strict=True)
        )


@attrs.frozen
class Hour:
    """One slot's content: what goes early goes by these."""

    device: str
    kind: str
    generation: Generation


def next_hour(held: Iterable[Hour], order: Sequence[str], live: Generation) -> Hour | None:
    """What goes first: of the first kind in `order` that has any, the oldest hour. None: there is nothing to take.

    Never the live hour nor one of the future, and never a kind that `order` does not name.
    """
    rank = {kind: number for number, kind in enumerate(order)}
    may_go = [hour for hour in held if hour.kind in rank and hour.generation < live]
    return min(may_go, key=lambda hour: (rank[hour.kind], hour.generation, hour.device), default=None)
