"""The lines of the checklist, and the verdict that follows from a line's points."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

import attrs

# Of many failures, so many are said in one line; of what went well, the first.
_SAID: Final = 3


class Item(Enum):
    """What is held against the host, in order; the member's name is what JSON calls it."""

    FOLDERS = "every folder was made at start"
    WRITES = "ffmpeg writes into the right places"
    MOVES = "files move at once when a hot folder is over its limit"
    SLOTS = "each hour folder holds the files of its own hour"
    SCREENSHOT = "a screenshot takes less than 5 ms"
    DAY = "the heatmap shows 24 hours of thumbnails"
    PLAYLISTS = "the playlists of the hours load and play"
    EXPIRY = "what is past its retention is gone"
    STEADY = "nothing timed out, and recording went on all the while"

    @property
    def number(self) -> int:
        """Its place in the checklist, from 1."""
        return list(Item).index(self) + 1


class Verdict(Enum):
    """The value is what the owner of the host reads."""

    FAILED = "failed"
    NOT_SHOWN = "not shown yet"
    PASSED = "passed"


@attrs.frozen
class Point:
    """One thing that was seen. `verdict` None: it is told, and decides nothing."""

    text: str
    verdict: Verdict | None = None


def passed(text: str) -> Point:
    """It is as it should be."""
    return Point(text, Verdict.PASSED)


def failed(text: str) -> Point:
    """It is not."""
    return Point(text, Verdict.FAILED)


def not_shown(text: str) -> Point:
    """It could not be seen yet; the text says what to wait for."""
    return Point(text, Verdict.NOT_SHOWN)


@attrs.frozen
class Line:
    """One line of the checklist. `asked`: the commands, URLs and folders that were. `sum`: what its points come to when
    it is passed.
    """

    item: Item
    points: tuple[Point, ...]
    asked: tuple[str, ...] = ()
    sum: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of its points; without any that decides, nothing was shown."""
        return worst(point.verdict for point in self.points if point.verdict is not None)

    @property
    def why(self) -> str:
        """What decided: in short where there is much of it."""
        if self.verdict is Verdict.PASSED and self.sum:
            return self.sum
        texts = [point.text for point in self.points if point.verdict is self.verdict]
        said = _SAID if self.verdict is Verdict.FAILED else 1
        more = len(texts) - said
        if not texts:
            return "there was nothing to be seen"
        return "; ".join(texts[:said]) + (f"; and {more} more" if more > 0 else "")

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return {
            "number": self.item.number,
            "item": self.item.name.lower(),
            "text": self.item.value,
            "verdict": self.verdict.name.lower(),
            "why": self.why,
            "evidence": [
                {"text": point.text, "verdict": None if point.verdict is None else point.verdict.name.lower()}
                for point in self.points
            ],
            "asked": list(self.asked),
        }


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """One failure fails all; of nothing, nothing was shown."""
    found = set(verdicts)
    return next((verdict for verdict in Verdict if verdict in found), Verdict.NOT_SHOWN)
