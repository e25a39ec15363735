"""How many files a hot folder held, from the names that came and went: the set is followed, so that nothing that is
told twice counts twice.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

BIN: Final = 0.1
"""Seconds for which the picture has one value, the highest."""


@attrs.frozen
class Watched:
    """A hot folder as it was followed for `seconds`. `strange`: names of files that its kind does not know."""

    device: str
    kind: str
    limit: int
    seconds: float
    came: int
    left: int
    first: int
    last: int
    most: int
    above: float
    """The longest time in a row above the limit, seconds."""
    silent: float
    """The longest time in a row without a new file, seconds."""
    strange: tuple[str, ...] = ()
    known: bool = True
    """Whether it has ever had a file, as far as the folders tell."""
    series: tuple[tuple[float, int], ...] = ()
    """Seconds since the beginning -> the most files in the `BIN` from then on; none where nothing changed."""

    @property
    def place(self) -> str:
        """The folder as an operator writes it."""
        return f"{self.device}/{self.kind}"


class HotCount:
    """Follows one hot folder; instants are seconds of one clock that only goes forward."""

    def __init__(self, names: Iterable[str], limit: int, at: float) -> None:
        """`names`: what is there at the beginning."""
        self._names = set(names)
        self._limit = limit
        self._began = self._newest = at
        self._above_since = at if len(self._names) > limit else None
        self._above = self._silent = 0.0
        self._came = self._left = 0
        self._first = self._most = self._before = len(self._names)
        self._bins = {0: (len(self._names), len(self._names))}  # the most of each, and the last
        self._strange: dict[str, None] = {}

    def come(self, name: str, at: float) -> None:
        """A file was finished."""
        self._silent = max(self._silent, at - self._newest)
        self._newest = at
        self._came += 1
        self._names.add(name)
        self._note(at)

    def go(self, name: str, at: float) -> None:
        """A file went away."""
        if name in self._names:
            self._names.remove(name)
            self._left += 1
            self._note(at)

    def strange(self, name: str) -> None:
        """A file was finished whose name this kind does not know."""
        self._strange[name] = None

    def anew(self, names: Iterable[str], at: float) -> None:
        """What is there now, after events were lost."""
        found = set(names)
        self._came += len(found - self._names)
        self._left += len(self._names - found)
        if found - self._names:
            self._newest = at
        self._names = found
        self._note(at)

    def ended(self, device: str, kind: str, at: float, *, known: bool) -> Watched:
        """What was seen until now."""
        self._note(at)
        return Watched(
            device,
            kind,
            self._limit,
            at - self._began,
            self._came,
            self._left,
            self._first,
            len(self._names),
            self._most,
            max(self._above, 0.0 if self._above_since is None else at - self._above_since),
            max(self._silent, at - self._newest),
            tuple(self._strange),
            known or bool(self._names) or self._came > 0,
            tuple(self._series()),
        )

    def _note(self, at: float) -> None:
        count = len(self._names)
        self._most = max(self._most, count)
        if count > self._limit:
            self._above_since = at if self._above_since is None else self._above_since
        elif self._above_since is not None:
            self._above = max(self._above, at - self._above_since)
            self._above_since = None
        number = int((at - self._began) / BIN)
        self._bins[number] = (max(self._bins.get(number, (self._before,))[0], count), count)
        self._before = count

    def _series(self) -> Iterator[tuple[float, int]]:
        for number, (most, last) in sorted(self._bins.items()):
            yield number * BIN, most
            if last != most and number + 1 not in self._bins:
                yield (number + 1) * BIN, last
