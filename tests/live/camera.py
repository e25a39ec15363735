"""One device whose encoder's files a test dates as it likes, and which it finds again wherever they are by now."""

import contextlib
import itertools
import os
from pathlib import Path

import attrs
import trio

from hotcold_inotify import playlist
from hotcold_inotify.config import DEFAULT_KINDS, Kind
from hotcold_inotify.timeline import Segment, differs
from tests.live.started import hot, put

# Of a clock that runs fast.
_PATIENCE = 1000
KINDS = tuple(attrs.evolve(kind, hot_limit=2) for kind in DEFAULT_KINDS)


@attrs.frozen
class Shot:
    """A file of its own bytes; `at`: when it was finished in truth, whatever its mtime says. Both Unix seconds."""

    content: bytes
    kind: Kind
    name: str
    mtime: float
    at: float


class Camera:
    """The files of one device."""

    def __init__(self, folder: Path, kinds: tuple[Kind, ...] = KINDS) -> None:
        """The folder need not be there."""
        self.folder = folder
        self.kinds = kinds
        self.shots: list[Shot] = []
        self._numbers = itertools.count(1)

    def stored(self, kind: Kind, slot: int, mtime: float) -> Shot:
        """A file that lies in its slot already."""
        shot = self._shot(kind, mtime, mtime)
        place = self.folder / kind.name / str(slot)
        place.mkdir(parents=True, exist_ok=True)
        put(place, shot.name, shot.content, mtime)
        return shot

    def finished(self, mtime: float, at: float) -> list[Shot]:
        """One file of each kind, hot; its folders must be there."""
        shots = [self._shot(kind, mtime, at) for kind in self.kinds]
        for shot in shots:
            put(self.folder / shot.kind.name, shot.name, shot.content, mtime)
        return shots

    def _shot(self, kind: Kind, mtime: float, at: float) -> Shot:
        number = next(self._numbers)
        name = f"{kind.pattern.prefix}{number:09}{kind.pattern.suffix}"
        shot = Shot(b"%d" % number, kind, name, mtime, at)
        self.shots.append(shot)
        return shot

    def is_settled(self) -> bool:
        """Whether the newest two of each kind are hot, and no other."""
        return all(
            hot(self.folder / kind.name)
            == sorted([shot.name for shot in self.shots if shot.kind == kind][-kind.hot_limit :])
            for kind in self.kinds
        )

    async def settled(self) -> None:
        """Until it is."""
        with trio.fail_after(_PATIENCE):
            while not self.is_settled():  # noqa: ASYNC110  a file tells no event
                await trio.sleep(0.1)

    async def listed(self) -> None:
        """Until each hour's playlist is true; the error says what is wrong."""
        with trio.move_on_after(_PATIENCE):
            while self.unlisted():  # noqa: ASYNC110  a file tells no event
                await trio.sleep(1)
        assert not self.unlisted()

    def places(self) -> dict[bytes, str]:
        """Of each file that is there, by its content: its folder below the kind's, "" for a hot one. One that moves at
        this moment may be missed.
        """
        found: dict[bytes, Path] = {}
        for kind in self.kinds:
            top = self.folder / kind.name
            # Not rglob: it stumbles over a folder that goes away meanwhile, and is slow.
            for folder, _, names in os.walk(top):
                for name in [name for name in names if kind.pattern.match(name)]:
                    path = Path(folder, name)
                    with contextlib.suppress(FileNotFoundError):
                        content = path.read_bytes()
                        before = found.get(content)
                        assert before is None or not before.exists(), f"{before} is {path} too"
                        found[content] = path
        return {content: str(path.parent.relative_to(self.folder)).partition("/")[2] for content, path in found.items()}

    def unlisted(self) -> list[str]:
        """What an hour's playlist says wrongly or not at all, in words; empty when each is true."""
        wrong = []
        for kind in [kind for kind in self.kinds if kind.playlist]:
            for slot in (self.folder / kind.name).glob("[0-9]*"):
                names = [(kind.pattern.match(path.name), path.stat()) for path in slot.iterdir()]
                segments = [Segment(name, found.st_mtime, found.st_size) for name, found in names if name is not None]
                text = slot / "archive.m3u8"
                if segments and not text.exists():
                    wrong.append(f"{slot}: none")
                elif text.exists() and (why := differs(segments, playlist.parse(text.read_text("utf-8")))):
                    wrong.append(f"{slot}: {dict(why)}")
        return wrong
