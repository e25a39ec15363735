"""The hot set: the names in one hot folder, oldest first, never more than its limit once `overflow` was drained.

A name counts once. A name that is finished again (its writer opened it a second time) becomes the newest.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice

from hotcold_inotify.names import FileName


class HotSet:
    """The bounded deque of one hot folder, with look-up by name."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many files stay hot, 1 or more."""
        self.limit = limit
        self._names: OrderedDict[str, FileName] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[FileName]:
        """Oldest first."""
        return iter(self._names.values())

    def __contains__(self, text: str) -> bool:
        return text in self._names

    def get(self, text: str) -> FileName | None:
        """The parsed name, if it is in the set."""
        return self._names.get(text)

    def add(self, name: FileName) -> None:
        """`name` was finished just now: it is the newest."""
        self._names[name.text] = name
        self._names.move_to_end(name.text)

    def discard(self, text: str) -> None:
        """`text` left the folder without us; unknown names are fine."""
        self._names.pop(text, None)

    def overflow(self) -> FileName | None:
        """Take out the oldest name if there are more than the limit: it must leave the folder. None: nothing must."""
        if len(self._names) <= self.limit:
            return None
        return self._names.popitem(last=False)[1]

    def newest(self) -> Iterator[FileName]:
        """Those that stay when the others have left, newest first."""
        return islice(reversed(self._names.values()), self.limit)

    def replace(self, oldest_first: Iterable[FileName]) -> None:
        """Make the set what a look at the whole folder found."""
        self._names = OrderedDict((name.text, name) for name in oldest_first)
