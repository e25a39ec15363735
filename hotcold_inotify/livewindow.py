"""What ffmpeg's live playlist said of each segment is remembered: it lists only the newest few, and only for a while.

The live playlist is rewritten about once a second, one entry further. It alone knows a segment's true duration and
start, and it gives a new run of the encoder away: such a run begins with a list of its own segments, or marks the first
one.
"""

from typing import Final

from hotcold_inotify.playlist import Entry, Heard, Playlist

__all__ = ["Heard", "LiveWindow"]

_Identity = tuple[str, float, float | None]


class LiveWindow:
    """The memory of successive reads of one live playlist, by file name.

    Names come again when an encoder starts over at number 0: the newest word counts. `memory` bounds the names kept;
    when it is full, the one heard of first goes. Its duration is then no longer known here: keep it larger than the hot
    limit.

    Two runs that write the same names and durations are told apart by EXT-X-PROGRAM-DATE-TIME, or by a list that went
    back. A reader that missed a whole window hears a restart where there was none: one needless discontinuity, not a
    missing one.
    """

    def __init__(self, memory: int = 4096) -> None:
        self._memory: Final = memory
        self._heard: dict[str, Heard] = {}
        self._nominal: int | None = None
        self._last: Playlist | None = None

    @property
    def nominal(self) -> int | None:
        """The target duration of the last list, in seconds; None before the first."""
        return self._nominal

    def get(self, uri: str) -> Heard | None:
        """What was said of the segment with this file name."""
        return self._heard.get(uri)

    def read(self, playlist: Playlist) -> None:
        """Take in the live playlist as it stands now. One without entries says nothing of segments."""
        self._nominal = playlist.target
        if not playlist.entries:
            return
        known = _carried_over(self._last, playlist)
        restart = self._last is not None and (self._last.ended or not known)
        for entry in playlist.entries:
            if _identity(entry) not in known:
                self._remember(entry, restart=restart or entry.discontinuity)
                restart = False
        self._last = playlist

    def _remember(self, entry: Entry, *, restart: bool) -> None:
        name = entry.uri.rpartition("/")[2]  # ffmpeg may put a base URL or a folder before the name
        self._heard.pop(name, None)
        self._heard[name] = Heard(entry.duration, entry.start, restart)
        if len(self._heard) > self._memory:
            del self._heard[next(iter(self._heard))]


def _identity(entry: Entry) -> _Identity:
    return entry.uri, entry.duration, entry.start


def _carried_over(before: Playlist | None, now: Playlist) -> frozenset[_Identity]:
    """The entries that both lists have: none when the list's end went back, which it never does within one run."""
    if before is None or now.media_sequence + len(now.entries) < before.media_sequence + len(before.entries):
        return frozenset()
    return frozenset(map(_identity, before.entries)).intersection(map(_identity, now.entries))
