"""Trees to kill a reactor or a repair on, and the inventory that is taken of them afterwards.

Each file has bytes of its own, so it is known wherever it is and whatever it is called. It is 2026-11-23, 14:30 UTC.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Kind, Metrics, Pressure
from hotcold_inotify.disk import PLAYLIST
from hotcold_inotify.hours import DAY, HOUR
from hotcold_inotify.playlist import Playlist, PlaylistError, parse
from hotcold_inotify.pressure import Amount
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
    kinds: tuple[Kind, ...] = KINDS
    now: float = AT_14
    room: int | None = None
    """With more managed files in the hours than this the disk is fuller than it may be, and hours go early."""

    @property
    def clock(self) -> Clock:
        """It stands still until `now` is set: the hour does not turn while a tree is looked at."""
        return Clock(lambda: self.now, lambda: self.now - AT_14 + HOUR)

    @property
    def config(self) -> Config:
        return Config(
            root=str(self.root),
            cold_root=str(self.cold_root or ""),
            durable=self.durable,
            timezone="UTC",
            kinds=self.kinds,
            metrics=Metrics(listen=None),
            pressure=Pressure(min_free_inodes=Amount(1) if self.room is not None else None),
        )

    def hot(self, kind: Kind) -> Path:
        return self.root / self.device / kind.name

    def cold(self, kind: Kind) -> Path:
        return (self.cold_root or self.root) / self.device / kind.name

    @property
    def tops(self) -> list[Path]:
        """Where its files are."""
        return [self.root] if self.cold_root is None else [self.root, self.cold_root]

    def clear(self) -> None:
        """Begin again, with an empty device."""
        for top in self.tops:
            shutil.rmtree(top, ignore_errors=True)
            (top / self.device).mkdir(parents=True)
        self.known.clear()
        self.spoiled.clear()
        self.written = 0
        self.now = AT_14
        self.room = None

    def lay_out(self) -> None:
        for kind in self.kinds:
            self.hot(kind).mkdir(exist_ok=True)
            for slot in range(24):
                (self.cold(kind) / str(slot)).mkdir(parents=True, exist_ok=True)

    def due(self, known: Known) -> bool:
        """Whether expiry may take the file."""
        return UTC.file_due(known.mtime, known.kind.retention, self.now)

    def may_go(self, known: Known) -> bool:
        """Whether it may, or early expiry: only a whole hour that is over, and no file that was hot."""
        early = known.cold and UTC.generation_at(known.mtime) < UTC.generation_at(self.now)
        return self.due(known) or (self.room is not None and early)

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
class Turn:
    """The clock goes on by so many seconds, just before the writer's file of that number."""

    before: int
    ahead: float


@attrs.frozen
class Scene:
    """How the tree is before the reactor starts, and what is written while it runs."""

    prepare: Callable[[Tree], None]
    live: tuple[Write, ...] = ()
    turn: Turn | None = None
    repairs: bool = False
    """Not a reactor is killed, but `hotcold check --repair`."""
    roomless: bool = False
    """A disk on which no folder can be made in the waiting room: ENOSPC."""
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


def copying(tree: Tree) -> None:
    """As before, and more is hot than may be."""
    copied_before(tree)
    for number in range(10, 13):
        tree.put(SEGMENTS, number, AT_14 - _MINUTE + number)


def hour_ending(tree: Tree) -> None:
    """Ten seconds before three. The slot of the next hour holds yesterday's, which has not expired."""
    tree.lay_out()
    tree.now = AT_14 + HOUR / 2 - 10
    for number in range(4):
        tree.put(SEGMENTS, number, YESTERDAY_14 + HOUR / 2 + number * _MINUTE, "15")
        tree.put(CAPTURES, number, tree.now - HOUR + number * 4, "13")
        tree.put(SEGMENTS, 10 + number, tree.now - 100 + number, "14")


def crowded(tree: Tree) -> None:
    """Hours of both kinds, of which the oldest of the captures and one of the segments' have to go early."""
    tree.lay_out()
    for hours, slot in ((0, "14"), (1, "13"), (2, "12"), (3, "11")):
        for number in range(4):
            tree.put(SEGMENTS, 10 * hours + number, AT_14 - hours * HOUR - 600 + number, slot)
            if hours < 2:
                tree.put(CAPTURES, 10 * hours + number, AT_14 - hours * 31 * _MINUTE + number, slot)
    tree.room = 15


def out_of_order(tree: Tree) -> None:
    """Almost all that a repair mends, at once."""
    tree.lay_out()
    for number in range(7):
        tree.put(SEGMENTS, number, AT_14 - 60 + number)
        tree.put(CAPTURES, number, AT_14 - 60 + number)
    twin = tree.hot(SEGMENTS) / "segment_000000006.ts"
    shutil.copy2(twin, tree.cold(SEGMENTS) / "14" / twin.name)
    for number in range(3):
        tree.put(SEGMENTS, 20 + number, AT_14 - HOUR + number, "9")
        tree.put(SEGMENTS, 20 + number, AT_14 - HOUR + 60 + number, "13")
        tree.put(CAPTURES, 20 + number, AT_14 - 1800 - 60 + number, "14")
        tree.put(SEGMENTS, 30 + number, YESTERDAY_14 - HOUR + number, "14")
        tree.put(CAPTURES, 30 + number, AT_14 - 5 * HOUR + number, "9")
        tree.put(SEGMENTS, 40 + number, AT_14 - 2 * HOUR + number, ".retired/2026-11-23T12")
        tree.put(SEGMENTS, 50 + number, AT_14 - 3 * HOUR + number, "11")
    listed, torn = (tree.cold(SEGMENTS) / slot / PLAYLIST for slot in ("11", "13"))
    listed.write_text("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsegment_9.ts\n", "ascii")
    torn.write_text("#EXTM3U\n#EXT-X-VER", "ascii")
    tree.spoiled.add(torn)
    (tree.cold(SEGMENTS) / "13" / "segment_000000777.ts.tmp").write_text("half", "ascii")
    unfinished = tree.hot(CAPTURES) / "capture_000000777.jpg.tmp"
    unfinished.write_text("half", "ascii")
    os.utime(unfinished, (AT_14 - 2 * DAY, AT_14 - 2 * DAY))
    (tree.cold(CAPTURES) / "3").rmdir()
    (tree.cold(CAPTURES) / "4").rmdir()
    (tree.cold(CAPTURES) / "4").write_text("no folder", "ascii")


SCENES: Final = {
    "start": Scene(empty, run_of(SEGMENTS, 5), needs=("mkdir", "pwrite")),
    "move": Scene(backlog, run_of(SEGMENTS, 4, 20) + run_of(CAPTURES, 4, 20), needs=("rename", "write")),
    "collision": Scene(names_taken, run_of(SEGMENTS, 3), needs=("rename", "unlink")),
    "retire": Scene(
        yesterday,
        run_of(SEGMENTS, 5, 20) + run_of(CAPTURES, 5, 20),
        turn=Turn(9, _MINUTE),
        needs=("mkdir", "rmdir", "unlink"),
    ),
    "trim": Scene(expiring, needs=("unlink", "rmdir")),
    "playlists": Scene(playlists, run_of(SEGMENTS, 6, 900), durable=True, needs=("fsync", "write", "rename")),
    "copy": Scene(
        copied_before,
        run_of(SEGMENTS, 2, 20),
        two_disks=True,
        durable=True,
        needs=("sendfile", "fsync", "utime", "rename", "unlink"),
    ),
    "copy-retire": Scene(
        yesterday,
        run_of(CAPTURES, 4, 20),
        turn=Turn(3, _MINUTE),  # the pass at start may come before the first copy has emptied the slot
        two_disks=True,
        needs=("sendfile", "unlink", "rmdir"),
    ),
    "plain-rename": Scene(yesterday, run_of(SEGMENTS, 5), plain_rename=True, needs=("link", "rename", "mkdir")),
    "turn": Scene(
        hour_ending,
        run_of(SEGMENTS, 5, 20, AT_14 + HOUR / 2 - 15) + run_of(SEGMENTS, 5, 40, AT_14 + HOUR / 2 + 1),
        turn=Turn(5, 20.0),
        needs=("rename", "mkdir", "unlink"),
    ),
    "early": Scene(crowded, run_of(SEGMENTS, 3, 900), needs=("rename", "unlink", "rmdir")),
    "early-roomless": Scene(crowded, roomless=True, needs=("unlink",)),
    "repair": Scene(out_of_order, repairs=True, needs=("rename", "unlink", "mkdir", "rmdir", "write")),
    "repair-copy": Scene(copying, repairs=True, two_disks=True, needs=("sendfile", "utime", "rename", "unlink")),
}


@attrs.frozen
class Found:
    """A file of a kind's pattern, wherever it is."""

    folder: str
    name: str
    kind: Kind
    content: bytes
    mtime: float

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


def managed(tree: Tree) -> list[Found]:
    """All of them; FileNotFoundError: something still moves."""
    return [
        found
        for kind in tree.kinds
        for top in sorted({str(tree.hot(kind)), str(tree.cold(kind))})
        for found in _managed(top, kind)
    ]


def _managed(folder: str, kind: Kind) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _managed(entry.path, kind)
        elif kind.pattern.match(entry.name) is not None:
            with open(entry.path, "rb", 0) as file:
                content, mtime = file.read(), os.fstat(file.fileno()).st_mtime
            yield Found(folder, entry.name, kind, content, mtime)


def playlists_of(tree: Tree) -> Iterator[tuple[Path, Playlist | None]]:
    """Each hour's playlist that is there; None: a text that is no playlist."""
    for slot in range(24):
        path = tree.cold(SEGMENTS) / str(slot) / PLAYLIST
        if path.exists():
            try:
                yield path, parse(path.read_text("ascii"))
            except PlaylistError:
                yield path, None


def wrong_at_once(tree: Tree, there: Iterable[Found]) -> list[str]:
    """What must never be, not even for a moment: a file lost or torn, or a playlist that a reader cannot read."""
    contents = {found.content for found in there}
    wrong = [f"not what was written: {content!r}" for content in contents if content not in tree.known]
    wrong += [
        f"lost: {content!r}"
        for content, known in tree.known.items()
        if content not in contents and not tree.may_go(known)
    ]
    wrong += [f"torn: {path}" for path, said in playlists_of(tree) if said is None and path not in tree.spoiled]
    return wrong


def wrong_at_rest(tree: Tree) -> list[str]:
    """What I1 to I5 say of a tree on which a reactor has come to rest."""
    try:
        there = managed(tree)
        return [*_wrong_counts(tree, there), *_wrong_places(tree, there), *_wrong_playlists(tree, there)]
    except FileNotFoundError as error:
        return [f"not at rest: {error}"]


def _wrong_counts(tree: Tree, there: list[Found]) -> Iterator[str]:
    """Each file once; one that was cold already, and has expired, not at all: of kinds that go by the minute."""
    counts = Counter(found.content for found in there)
    for content, known in tree.known.items():
        allowed: tuple[int, ...] = (1,)
        if tree.due(known) and known.cold and not known.kind.playlist:
            allowed = (0,)
        elif tree.may_go(known):
            allowed = (0, 1)
        if counts[content] not in allowed:
            yield f"{counts[content]} times there: {content!r}, {known}"
    for found in there:
        known_ = tree.known.get(found.content)
        if known_ is None:
            yield f"not what was written: {found}"
        elif known_.mtime != found.mtime:
            yield f"{found.path} is of {found.mtime}, was closed at {known_.mtime}"


def _wrong_places(tree: Tree, there: list[Found]) -> Iterator[str]:
    """No more hot than the limit, and one generation a slot, its own."""
    for kind in tree.kinds:
        hot = str(tree.hot(kind))
        count = sum(found.folder == hot for found in there if found.kind is kind)
        if count > kind.hot_limit:
            yield f"{count} hot of {kind.hot_limit}: {kind.name}"
    held: dict[str, set[str]] = {}
    for found in there:
        place = os.path.basename(found.folder)
        if place.isdigit():
            generation = UTC.generation_at(found.mtime)
            held.setdefault(found.folder, set()).add(str(generation))
            if place != str(generation.slot):
                yield f"{found.path} is of {generation}"
    yield from (f"{folder} holds {sorted(hours)}" for folder, hours in held.items() if len(hours) > 1)


def _wrong_playlists(tree: Tree, there: list[Found]) -> Iterator[str]:
    """Each lists what its hour has, save what is empty; where there is nothing to list there is none."""
    wanted: dict[str, list[str]] = {}
    for found in there:
        if found.kind is SEGMENTS and found.content:
            wanted.setdefault(found.folder, []).append(found.name)
    listed = {str(path.parent): said for path, said in playlists_of(tree)}
    for slot in range(24):
        folder = str(tree.cold(SEGMENTS) / str(slot))
        said = listed.get(folder)
        names = sorted(entry.uri for entry in said.entries) if said else []
        if names != sorted(wanted.get(folder, [])) or (folder in listed) != (folder in wanted):
            yield f"{folder}/{PLAYLIST} lists {names}, there is {wanted.get(folder)}"


def left_over(tree: Tree) -> list[str]:
    """What a start removes: unfinished copies and playlists."""
    folders = (tree.cold(kind) / str(slot) for kind in tree.kinds for slot in range(24))
    return [f"left over: {folder}/{name}" for folder in folders for name in os.listdir(folder) if name.endswith(".tmp")]
