"""Trees to kill a reactor on, and the inventory that is taken of them afterwards.

Each file has bytes of its own, so it is known wherever it is and whatever it is called. It is 2026-11-23, 14:30 UTC.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from hotcold_inotify.config import Config, Kind, Metrics
from hotcold_inotify.disk import PLAYLIST
from hotcold_inotify.hours import HOUR
from hotcold_inotify.playlist import Playlist, PlaylistError, parse
from tests.disk.stage import AT_14, CAPTURES, SEGMENTS, UTC, YESTERDAY_14

KINDS: Final = (SEGMENTS, CAPTURES)
_SIZE: Final = 150
_MINUTE: Final = 60.0


@attrs.frozen
class Known:
    """A file that a writer has closed."""

    kind: Kind
    mtime: float
    cold: bool
    """It lay in its hour, or in the waiting room, before the reactor started."""


@attrs.define
class Tree:
    """One device below `root`, its hours below `cold_root` if that is set."""

    root: Path
    cold_root: Path | None = None
    durable: bool = False
    known: dict[bytes, Known] = attrs.field(factory=dict)
    spoiled: set[Path] = attrs.field(factory=set)
    """Playlists that were no playlists before."""
    written: int = 0
    device: str = "capture1"
    now: float = AT_14

    @property
    def config(self) -> Config:
        return Config(
            root=str(self.root),
            cold_root=str(self.cold_root or ""),
            durable=self.durable,
            timezone="UTC",
            kinds=KINDS,
            metrics=Metrics(listen=None),
        )

    def hot(self, kind: Kind) -> Path:
        return self.root / self.device / kind.name

    def cold(self, kind: Kind) -> Path:
        return (self.cold_root or self.root) / self.device / kind.name

    def clear(self) -> None:
        """Begin again, with an empty device."""
        for top in (self.root, self.cold_root):
            if top is not None:
                shutil.rmtree(top, ignore_errors=True)
                (top / self.device).mkdir(parents=True)
        self.known.clear()
        self.spoiled.clear()
        self.written = 0

    def lay_out(self) -> None:
        for kind in KINDS:
            self.hot(kind).mkdir(exist_ok=True)
            for slot in range(24):
                (self.cold(kind) / str(slot)).mkdir(parents=True, exist_ok=True)

    def due(self, known: Known) -> bool:
        """Whether expiry may take the file."""
        return UTC.file_due(known.mtime, known.kind.retention, self.now)

    def content(self, what: str) -> bytes:
        self.written += 1
        return f"{what} {self.written} ".encode().ljust(_SIZE, b".")

    def put(self, kind: Kind, number: int, mtime: float, place: str = "", *, content: bytes | None = None) -> bytes:
        """Close a file in the hot folder, or in a folder of the hours."""
        name = f"{kind.pattern.prefix}{number:09}{kind.pattern.suffix}"
        folder = self.cold(kind) / place if place else self.hot(kind)
        folder.mkdir(parents=True, exist_ok=True)
        content = self.content(kind.name) if content is None else content
        unfinished = folder / f"{name}.tmp"
        unfinished.write_bytes(content)
        os.utime(unfinished, (mtime, mtime))
        unfinished.rename(folder / name)
        self.known[content] = Known(kind, mtime, bool(place))
        return content


@attrs.frozen
class Write:
    """What the writer does while the reactor runs."""

    kind: Kind
    number: int
    mtime: float


@attrs.frozen
class Scene:
    """How the tree is before the reactor starts, and what is written while it runs."""

    prepare: Callable[[Tree], None]
    live: tuple[Write, ...] = ()
    two_disks: bool = False
    durable: bool = False
    plain_rename: bool = False
    """A file system whose rename knows no flags."""
    needs: tuple[str, ...] = ()
    """Calls that it must come by, or it does not show what it is for."""


def run_of(kind: Kind, count: int, first: int = 0, mtime: float = AT_14) -> tuple[Write, ...]:
    return tuple(Write(kind, first + number, mtime + number) for number in range(count))


def empty(_tree: Tree) -> None:
    """Nothing but the device's folder."""


def laid_out(tree: Tree) -> None:
    tree.lay_out()


def backlog(tree: Tree) -> None:
    """What came while the reactor was away, over two hours."""
    tree.lay_out()
    for number in range(6):
        tree.put(SEGMENTS, number, AT_14 - HOUR + number)
        tree.put(CAPTURES, number, AT_14 - 30 + number)
    tree.put(SEGMENTS, 6, AT_14 - 60, content=b"")
    for number in range(7, 11):
        tree.put(SEGMENTS, number, AT_14 - 50 + number)


def names_taken(tree: Tree) -> None:
    """The encoder has begun to count from 0 again, and one file has two names."""
    tree.lay_out()
    for number in range(4):
        tree.put(SEGMENTS, number, AT_14 - 600 + number, "14")
    for number in range(7):
        tree.put(SEGMENTS, number, AT_14 - 60 + number)
    name = "segment_000000000.ts"
    (tree.hot(SEGMENTS) / name).unlink()
    tree.known = {content: known for content, known in tree.known.items() if known.mtime != AT_14 - 60}
    os.link(tree.cold(SEGMENTS) / "14" / name, tree.hot(SEGMENTS) / name)


def yesterday(tree: Tree) -> None:
    """The slot still holds yesterday's hour: part of it has expired, part has not."""
    tree.lay_out()
    for number in range(4):
        mtime = YESTERDAY_14 + (number - 1.5) * 4 * _MINUTE
        tree.put(SEGMENTS, number, mtime, "14")
        tree.put(CAPTURES, number, mtime, "14")
    tree.put(CAPTURES, 100, YESTERDAY_14 - 3 * HOUR)  # older than what its slot holds
    tree.put(CAPTURES, 12, AT_14 - 11 * HOUR, "3")


def expiring(tree: Tree) -> None:
    """An hour to retire, one to trim, and a waiting room with what stays, what goes and what goes back."""
    tree.lay_out()
    for number in range(5):
        tree.put(CAPTURES, number, AT_14 - 3 * HOUR + number, "11")
        tree.put(CAPTURES, 10 + number, AT_14 - HOUR + (number - 2) * _MINUTE - 1, "13")
        tree.put(CAPTURES, 20 + number, AT_14 - HOUR + (number - 2) * _MINUTE - 2, ".retired/2026-11-23T13")
        tree.put(SEGMENTS, number, AT_14 - 30 * HOUR + number, "8")
        tree.put(SEGMENTS, 10 + number, AT_14 - HOUR + number, ".retired/2026-11-23T13.0")
        tree.put(SEGMENTS, 20 + number, YESTERDAY_14 - HOUR + number, ".retired/2026-11-22T13.0")
    (tree.cold(SEGMENTS) / ".retired" / "2026-11-22T13.0" / PLAYLIST).write_text("#EXTM3U\n", "ascii")
    stranger = tree.cold(CAPTURES) / "11" / "notes" / "deep"
    stranger.mkdir(parents=True)
    (stranger / "note").write_text("x", "ascii")
    os.utime(stranger / "note", (AT_14 - 3 * HOUR, AT_14 - 3 * HOUR))


def playlists(tree: Tree) -> None:
    """Playlists that are torn, wrong, and about to fill a page; the leftovers of a crash."""
    tree.lay_out()
    for number in range(60):
        tree.put(SEGMENTS, number, AT_14 - 600 + number, "14")
    for slot, hours in ((13, 1), (12, 2), (10, 4)):
        for number in range(4):
            tree.put(SEGMENTS, 100 * hours + number, AT_14 - hours * HOUR + number, str(slot))
    torn, wrong, left = (tree.cold(SEGMENTS) / slot / PLAYLIST for slot in ("13", "12", "10"))
    torn.write_text("#EXTM3U\n#EXT-X-VER", "ascii")
    wrong.write_text("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsegment_9.ts\n", "ascii")
    left.with_name(f"{PLAYLIST}.tmp").write_text("#EXTM3U\n", "ascii")
    left.with_name("segment_000000777.ts.tmp").write_text("half", "ascii")
    tree.spoiled.add(torn)


def copied_before(tree: Tree) -> None:
    """A copy between disks was cut short before its source went; another file has a name that is wanted."""
    tree.lay_out()
    for number in range(4):
        tree.put(SEGMENTS, number, AT_14 - HOUR + number)
    source = tree.hot(SEGMENTS) / "segment_000000000.ts"
    shutil.copy2(source, tree.cold(SEGMENTS) / "13" / source.name)
    tree.put(SEGMENTS, 1, AT_14 - HOUR - 60, "13")
    (tree.cold(SEGMENTS) / "13" / "segment_000000002.ts.tmp").write_text("half", "ascii")


SCENES: Final = {
    "start": Scene(empty, run_of(SEGMENTS, 5), needs=("mkdir", "pwrite")),
    "move": Scene(backlog, run_of(SEGMENTS, 4, 20) + run_of(CAPTURES, 4, 20), needs=("rename", "write")),
    "collision": Scene(names_taken, run_of(SEGMENTS, 3), needs=("rename", "unlink")),
    "retire": Scene(yesterday, run_of(SEGMENTS, 5, 20) + run_of(CAPTURES, 5, 20), needs=("mkdir", "rmdir", "unlink")),
    "trim": Scene(expiring, needs=("unlink", "rmdir")),
    "playlists": Scene(playlists, run_of(SEGMENTS, 6, 900), durable=True, needs=("fsync", "write", "rename")),
    "copy": Scene(
        copied_before,
        run_of(SEGMENTS, 2, 20),
        two_disks=True,
        durable=True,
        needs=("sendfile", "fsync", "utime", "rename", "unlink"),
    ),
    "copy-retire": Scene(yesterday, run_of(CAPTURES, 4, 20), two_disks=True, needs=("sendfile", "unlink", "rmdir")),
    "plain-rename": Scene(yesterday, run_of(SEGMENTS, 5), plain_rename=True, needs=("link", "rename", "mkdir")),
}


def managed(tree: Tree) -> Iterator[tuple[Path, Kind]]:
    """Every file of a kind's pattern, wherever it is."""
    for kind in KINDS:
        tops = {tree.hot(kind), tree.cold(kind)}
        found = {
            Path(folder, name)
            for top in tops
            for folder, _, names in os.walk(top)
            for name in names
            if kind.pattern.match(name) is not None
        }
        for path in sorted(found):
            yield path, kind


def playlists_of(tree: Tree) -> Iterator[tuple[Path, Playlist | None]]:
    """Each hour's playlist that is there; None: a text that is no playlist."""
    for slot in range(24):
        path = tree.cold(SEGMENTS) / str(slot) / PLAYLIST
        if path.exists():
            try:
                yield path, parse(path.read_text("ascii"))
            except PlaylistError:
                yield path, None


def wrong_at_once(tree: Tree) -> list[str]:
    """What must never be, not even for a moment: a file lost or torn, or a playlist that a reader cannot read."""
    there = Counter(path.read_bytes() for path, _ in managed(tree))
    wrong = [f"not what was written: {content!r}" for content in there if content not in tree.known]
    wrong += [
        f"lost: {content!r}" for content, known in tree.known.items() if not there[content] and not tree.due(known)
    ]
    wrong += [f"torn: {path}" for path, said in playlists_of(tree) if said is None and path not in tree.spoiled]
    return wrong


def wrong_at_rest(tree: Tree) -> list[str]:
    """What I1 to I5 say of a tree on which a reactor has come to rest."""
    try:
        return _wrong_at_rest(tree)
    except FileNotFoundError as error:
        return [f"not at rest: {error}"]


def _wrong_at_rest(tree: Tree) -> list[str]:
    wrong: list[str] = []
    there = Counter(path.read_bytes() for path, _ in managed(tree))
    for content, known in tree.known.items():
        allowed = (1,) if not tree.due(known) else (0,) if known.cold and not known.kind.playlist else (0, 1)
        if there[content] not in allowed:
            wrong.append(f"{there[content]} times there: {content!r}, {known}")
    wrong += [f"not what was written: {content!r}" for content in there if content not in tree.known]
    for path, _ in managed(tree):
        mtime = path.stat().st_mtime
        if (known_ := tree.known.get(path.read_bytes())) is not None and known_.mtime != mtime:
            wrong.append(f"{path} is of {mtime}, was closed at {known_.mtime}")
        generation = UTC.generation_at(mtime)
        if path.parent.name.isdigit() and path.parent.name != str(generation.slot):
            wrong.append(f"{path} is of {generation}")
    for kind in KINDS:
        hot = [path for path, its in managed(tree) if its is kind and path.parent == tree.hot(kind)]
        if len(hot) > kind.hot_limit:
            wrong.append(f"{len(hot)} hot of {kind.hot_limit}: {kind.name}")
        for slot in range(24):
            folder = tree.cold(kind) / str(slot)
            held = {UTC.generation_at(path.stat().st_mtime) for path in folder.glob(f"{kind.pattern}")}
            if len(held) > 1:
                wrong.append(f"{folder} holds {sorted(map(str, held))}")
    said = dict(playlists_of(tree))
    for slot in range(24):
        folder = tree.cold(SEGMENTS) / str(slot)
        listed = said.get(folder / PLAYLIST)
        wanted = sorted(path.name for path in folder.glob("segment_*.ts") if path.stat().st_size)
        found = sorted(entry.uri for entry in listed.entries) if listed else []
        if found != wanted or (folder / PLAYLIST in said) != bool(wanted):
            wrong.append(f"{folder / PLAYLIST} lists {found}, there is {wanted}")
    return wrong


def left_over(tree: Tree) -> list[str]:
    """What a start removes: unfinished copies and playlists."""
    return [f"left over: {path}" for kind in KINDS for path in tree.cold(kind).glob("[0-9]*/*.tmp")]
