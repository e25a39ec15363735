"""What is in one hot folder, as far as it is known by name: the hot set, what is on its way out, what was refused.

While the folder is looked at, whatever comes or goes is noted, for the look may have been there before or after. The
names that are remembered are bounded; a scan has to find the rest.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from hotcold_inotify.disk import Listing
from hotcold_inotify.hotset import HotSet
from hotcold_inotify.names import FileName

MOST: Final = 16_384
"""Names that may wait in memory: as many as the kernel's queue holds."""


class Contents:
    """The files of one hot folder."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many files stay hot."""
        self.limit = limit
        self.hot = HotSet(limit)
        self.stuck: dict[str, FileName] = {}
        """What could not be moved, and is tried again."""
        self.blind = False
        """More has come than is remembered: names are missed until a scan begins."""
        self.scanning = False
        self._put_off: list[FileName] = []
        self._unseen: set[str] = set()
        self._going: deque[FileName] = deque()
        self._since: dict[str, FileName | None] | None = None  # what came, or went (None), since a look began
        self._looks = 0
        self._scans = 0
        self._before: Iterable[FileName] = ()
        self._crowd = 0  # how many there are, while not each of them is known by name
        self._suspects: frozenset[str] = frozenset()

    # --- what happens

    def came(self, name: FileName, *, seen: bool = True) -> None:
        """A file was finished: it is the newest. Not `seen`: an event says so, and it may have left since."""
        if self.blind:
            return
        if len(self.hot) >= self.limit + MOST:
            self.blind = True
            return
        self.hot.add(name)
        if not seen:
            self._unseen.add(name.text)
        self._remember(name.text, name)

    def went(self, text: str) -> None:
        """Somebody took a name away."""
        self.hot.discard(text)
        self.stuck.pop(text, None)
        self._unseen.discard(text)
        self._remember(text, None)

    def left(self, text: str) -> None:
        """We have moved it, or it was not there, or it is no file."""
        self.stuck.pop(text, None)
        if self.scanning and self._since is not None:
            # Its event may have come meanwhile. Its name would keep another file's place.
            self._since.pop(text, None)
            self._crowd -= 1

    def _remember(self, text: str, name: FileName | None) -> None:
        if self._since is None:
            return
        self._since.pop(text, None)  # the order is that of the events
        self._since[text] = name
        if len(self._since) > 2 * MOST:
            self.blind = True

    # --- what must leave

    def put_off(self, name: FileName) -> None:
        """It is out of the hot set, could not leave at once, and is the first of those that must."""
        self._put_off.append(name)

    def displaced(self, at_most: int) -> list[FileName]:
        """Take the oldest of the hot set that must leave out of it."""
        names, self._put_off = self._put_off, []
        while len(names) < at_most and (name := self.hot.overflow()) is not None:
            names.append(name)
            self._unseen.discard(name.text)
        return names

    def unseen(self) -> list[FileName]:
        """Of those that would stay, whose file nobody has seen: a scan runs ahead of the events in the queue."""
        return [name for name in self.hot.newest() if name.text in self._unseen] if self._unseen else []

    def looked_for(self, name: FileName, *, there: bool) -> None:
        """It was seen now, or is no file that could stay."""
        self._unseen.discard(name.text)
        if not there:
            self.hot.discard(name.text)

    def leaving(self, names: Iterable[FileName], at_most: int) -> Iterator[list[FileName]]:
        """These leave, oldest first: by turns so many, at most. After each turn say `gone` of those that are through;
        the others are in the next one.
        """
        self._going = deque(names)
        try:
            while self._going:
                yield [self._going[place] for place in range(min(at_most, len(self._going)))]
        finally:
            self._going.clear()

    def gone(self) -> None:
        """The first of those that leave is through."""
        self._going.popleft()

    # --- what is known

    @property
    def sure(self) -> bool:
        """Whether each file is known by name."""
        return not (self.scanning or self.blind)

    @property
    def known(self) -> int:
        """How many are known by name."""
        going = sum(1 for name in self._going if name.text not in self.stuck) if self.stuck else len(self._going)
        return len(self._put_off) + len(self.hot) + len(self.stuck) + going

    @property
    def count(self) -> int:
        """How many there are, as far as that is known."""
        return max(self.known, self._crowd)

    @property
    def within(self) -> bool:
        """Whether there are known to be no more than may stay."""
        return self.sure and self.count <= self.limit

    def names(self) -> list[str]:
        """All that are known."""
        return [name.text for name in (*self._going, *self._put_off, *self.hot, *self.stuck.values())]

    # --- looks and scans

    def begin_scan(self) -> None:
        """The folder is looked through: what is known by name counts for nothing from now on."""
        self._crowd = self.count
        self._before, self.hot = self.hot, HotSet(self.limit)
        self.stuck.clear()
        self.blind = False
        self.scanning = True
        self._scans += 1
        self._since = {}

    def end_scan(self, newest: Iterable[FileName] | None) -> None:
        """It found these to keep, oldest first; None: it failed, and what was known before is the best guess."""
        since, self._since = self._since or {}, None
        self.scanning = False
        self._crowd = 0
        self.hot.replace(self._before if newest is None else newest)
        self._before = ()
        for text, name in since.items():
            if name is None:
                self.hot.discard(text)
            else:
                self.hot.add(name)

    def begin_look(self) -> int:
        """The folder is listed: a key for `end_look`."""
        if self.scanning:
            return -1  # what it finds is old by the time that the scan has ended
        self._since = {}
        return self._scans

    def end_look(self, key: int, listing: Listing | None, waiting: int) -> list[FileName] | None:
        """It found `listing`, and `waiting` files beyond the limit; None: it failed. Returns what raised no event,
        which is to be added; None: that takes a scan. What went without an event is taken out.
        """
        since: dict[str, FileName | None] = {}
        if not self.scanning:
            since, self._since = self._since or {}, None
        if listing is None:
            return []
        if not self.sure or key != self._scans:
            self._crowd = max(self._crowd, waiting + self.limit if waiting and not self.sure else 0)
            return []
        known = {*self.names()}
        unknown = frozenset(text for text in listing.names if text not in known)
        # A file that is being written, or whose event is on its way, is unknown for a moment. Twice unknown is missed.
        missed = unknown & self._suspects
        self._suspects = unknown
        if not listing.complete or len(missed) > self.limit:
            return None
        for text in [text for text in known if text not in listing.names and text not in since]:
            self.hot.discard(text)
            self.stuck.pop(text, None)
        return [listing.names[text] for text in sorted(missed, key=lambda text: listing.names[text].number)]
