"""Which line of the checklist a broken promise belongs to: what `hotcold check` finds is told there."""

from typing import Final

import attrs

from hotcold_inotify.checklist.verdicts import Item, Point, failed
from hotcold_inotify.invariants import Violation, What

_ITEMS: Final = {
    Item.FOLDERS: (What.NO_FOLDER, What.NOT_A_FOLDER, What.UNREADABLE),
    Item.WRITES: (What.UNFINISHED,),
    Item.MOVES: (What.OVER_LIMIT,),
    Item.SLOTS: (What.WRONG_HOUR, What.MIXED_DAYS, What.IN_TWO_PLACES),
    Item.PLAYLISTS: (
        What.NO_PLAYLIST_FILE,
        What.LISTED_MISSING,
        What.NOT_LISTED,
        What.DISORDER,
        What.TARGET,
        What.NOT_ENDED,
        What.ENDED_EARLY,
    ),
    Item.EXPIRY: (What.EXPIRED, What.RETIRED),
}
ITEM_OF: Final = {what: item for item, whats in _ITEMS.items() for what in whats}

CHECK: Final = "hotcold check"


@attrs.frozen
class Checked:
    """What `hotcold check` found. `files`: those that it looked at."""

    wrong: tuple[Violation, ...]
    files: int

    def of(self, item: Item) -> tuple[Point, ...]:
        """What belongs to a line, each with its remedy."""
        return tuple(failed(f"{one}; remedy: {one.remedy}") for one in self.wrong if ITEM_OF[one.finding.what] is item)

    def places(self, item: Item) -> set[str]:
        """The folders, as device/kind, of which something belongs to a line."""
        return {f"{one.device}/{one.kind}" for one in self.wrong if ITEM_OF[one.finding.what] is item}
