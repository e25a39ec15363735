"""What a migration has done so far, and what resisted it."""

import contextlib
from collections.abc import Iterator
from typing import Final

import attrs

from hotcold_inotify.disk import SURVIVED, errno_name

HOPELESS: Final = 1000
"""Refusals in a row after which it is no use: a full or a read-only disk."""
# Refusals that are told in full.
_TOLD: Final = 20


class Hopeless(Exception):
    """So many files in a row could not be moved that the others were not tried."""


@attrs.define
class Moved:
    """What was done; counts of files."""

    hot: int = 0
    slots: int = 0
    expired: int = 0
    bytes: int = 0
    collided: int = 0
    """Files whose name was taken in their slot."""
    playlists: int = 0
    """Hour playlists that were made or mended."""
    seconds: float = 0.0
    """What moving took, without the playlists."""
    processor: float = 0.0
    """The same by this process's time on a processor."""
    failed: int = 0
    troubles: list[str] = attrs.field(factory=list)
    """In plain words; not all of them where there are many."""

    _in_a_row: int = 0

    @property
    def left(self) -> int:
        """How many files have left their old places for an hour, or for good."""
        return self.slots + self.expired

    def went(self, size: int) -> None:
        """A file of so many bytes was moved."""
        self.bytes += size
        self._in_a_row = 0

    def entered(self, slots: int, size: int) -> None:
        """So many files entered their slots, with so many bytes together."""
        if slots:
            self.slots += slots
            self.went(size)

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """One file that resists holds up no other (I8). Hopeless: they all do."""
        try:
            yield
        except OSError as error:
            self.resisted(what, error)

    def resisted(self, what: str, error: OSError) -> None:
        """Count it, and go on."""
        if isinstance(error, FileNotFoundError):
            return  # somebody else was first
        if error.errno not in SURVIVED:
            raise error
        self.failed += 1
        self._in_a_row += 1
        if len(self.troubles) < _TOLD:
            self.troubles.append(f"{what}: {errno_name(error)}: {error.strerror}")
        if self._in_a_row >= HOPELESS:
            raise Hopeless from error
