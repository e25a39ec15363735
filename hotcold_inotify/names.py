"""File name <-> (kind's pattern, number). What does not parse does not exist for the reactor.

A managed name is the pattern's text with the `*` replaced by a decimal number, optionally followed by `_rN`: the
revision that a newcomer takes when its name is already taken in its slot. `segment_000000012_r1.ts` is revision 1 of
number 12, and so is `capture_000000012_r1_thumbnail.jpg` with the suffix behind it.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import attrs

# ffmpeg writes %09d and longer numbers as they come; more than 18 digits is nobody's frame counter.
_NUMBER = re.compile(r"([0-9]{1,18})(?:_r([1-9][0-9]{0,8}))?", re.ASCII)


@attrs.frozen(slots=True)
class FileName:
    """A name that parsed: the text as it stands on disk, the number in it, its revision (0: the original)."""

    text: str
    number: int
    revision: int


Numbered = tuple[int, int, str]
"""A name as `Pattern.match_all` gives it: number, revision, text."""


@attrs.frozen(slots=True)
class Pattern:
    """What surrounds the number in a kind's file names: `segment_*.ts` is prefix `segment_`, suffix `.ts`."""

    prefix: str
    suffix: str

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read a pattern; ValueError says in plain words what is wrong with it."""
        if text.count("*") != 1:
            raise ValueError("a pattern has exactly one '*', where the number stands")
        if "/" in text or "\0" in text:
            raise ValueError("a pattern is a file name, without '/'")
        if text.startswith("."):
            raise ValueError("a pattern does not start with '.': hidden names are the reactor's own")
        if text.endswith(".tmp"):
            raise ValueError("a pattern does not end with '.tmp': that is how an unfinished file is called")
        prefix, suffix = text.split("*")
        if not prefix and not suffix:
            raise ValueError("a pattern has text around its '*': bare numbers are the hour folders' names")
        if prefix[-1:].isdigit() or suffix[:1].isdigit():
            raise ValueError("no digit stands beside a pattern's '*': it would be read as part of the number")
        return cls(prefix, suffix)

    def __str__(self) -> str:
        return f"{self.prefix}*{self.suffix}"

    def match(self, name: str) -> FileName | None:
        """The parsed name, or None when it is not one of this pattern's."""
        if not name.startswith(self.prefix) or not name.endswith(self.suffix):
            return None
        found = _NUMBER.fullmatch(name, len(self.prefix), len(name) - len(self.suffix))
        if found is None:
            return None
        number, revision = found.groups()
        return FileName(name, int(number), int(revision or 0))

    def named(self, number: int, digits: int) -> str:
        """The name of a number, filled up with zeros to so many digits."""
        return f"{self.prefix}{number:0{digits}d}{self.suffix}"

    def digits(self, text: str) -> int:
        """How many digits a name that matches and has no revision has."""
        return len(text) - len(self.prefix) - len(self.suffix)

    def match_all(self, texts: Iterable[str]) -> list[Numbered]:
        """The names among these that are this pattern's, by number and revision; for folders of many thousands."""
        rule = f"(?<![^\0])({re.escape(self.prefix)}{_NUMBER.pattern}{re.escape(self.suffix)})(?![^\0])"
        # One pass over all of them: no name has a NUL in it.
        found = re.findall(rule, "\0".join(texts), re.ASCII)
        return sorted((int(number), int(revision or 0), text) for text, number, revision in found)

    def revised(self, name: FileName, revision: int) -> FileName:
        """The same number as `name`, its digits kept, as revision `revision` (1 or more)."""
        digits = name.text[len(self.prefix) : len(name.text) - len(self.suffix)].partition("_")[0]
        return FileName(f"{self.prefix}{digits}_r{revision}{self.suffix}", name.number, revision)


def choice(patterns: Sequence[Pattern]) -> Callable[[str], int | None]:
    """A function that says of a name which of these it matches, the first one's index, or None; for folders of many
    thousands: it costs a fraction of `match`.
    """
    ways = (f"({re.escape(pattern.prefix)}{_NUMBER.pattern}{re.escape(pattern.suffix)})" for pattern in patterns)
    fullmatch = re.compile("|".join(ways), re.ASCII).fullmatch
    groups = 1 + _NUMBER.groups

    def chosen(text: str) -> int | None:
        found = fullmatch(text)
        # The whole way is the group that closes last.
        return None if found is None or found.lastindex is None else found.lastindex // groups

    return chosen
