"""A host changes over while clients go on asking by the old paths: an ffmpeg writes in each layout, a reactor and
migrations move the files, and `compat_links` has every path answered.
"""

import contextlib
import http.client
import random
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from tests.live.started import Start, eventually, mid_hour, put
from tests.live.test_commands import hotcold
from tests.live.test_launcher import launching
from tests.live.test_migrate import FIRST, old_writer
from tests.operate.stack import KINDS, api, content

STORED: Final = [
    KINDS[kind].format(number) for number in range(FIRST - 150, FIRST) for kind in (*KINDS, "thumbnails", "segments")
]
"""What the old writer has left in a minute before; segments and thumbnails are asked for more often."""
MARK: Final = "the-new-writer"
SEED: Final = 5


def path_of(name: str) -> str:
    """The path below the device that the old layout has for a name."""
    return name if name.startswith("segment_") else f"captures/{name}"


def kind_of(name: str) -> str:
    found = {".ts": "segments", ".json": "metadata"}.get(name[name.index(".") :])
    return found or ("thumbnails" if "thumbnail" in name else "captures")


@attrs.define
class Clients:
    """Who ask by old paths, each in a thread of its own; what is wrong with an answer is kept."""

    device: Path
    port: int
    asked: Counter[str] = attrs.field(factory=Counter)
    """Requests, by what for."""
    layers: Counter[str] = attrs.field(factory=Counter)
    """Answers, by where the file was before and after."""
    played: Counter[str] = attrs.field(factory=Counter)
    """Segments, by whose list they were in."""
    turns: int = 0
    """Times at which a list was no longer in force when its segment was asked for."""
    pictures: dict[str, set[bytes]] = attrs.field(factory=dict)
    wrong: list[str] = attrs.field(factory=list)
    _ends: threading.Event = attrs.field(factory=threading.Event)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        draw = random.Random(SEED)
        works: list[Callable[[Callable[[str], bytes]], None]] = [
            self._play,
            lambda ask: self._remember(ask, draw),
            lambda ask: self._look_back(ask, random.Random(SEED + 1)),
        ]
        threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    def _run(self, work: Callable[[Callable[[str], bytes]], None]) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:

            def ask(path: str) -> bytes:
                connection.request("GET", f"/host/stream/capture1/{path}")
                answer = connection.getresponse()
                body = answer.read()
                assert answer.status == 200, f"{path}: {answer.status}"
                return body

            while not self._ends.is_set():
                try:
                    work(ask)
                except (AssertionError, OSError) as error:
                    self.wrong.append(repr(error))
                    connection.close()
                time.sleep(0.005)  # leaves the others their turn

    def _play(self, ask: Callable[[str], bytes]) -> None:
        """The live playlist, and each segment that it lists."""
        live = ask("output.m3u8")
        self.asked["live playlist"] += 1
        assert live.startswith(b"#EXTM3U\n"), live
        assert live.endswith(b"\n"), live
        whose = writer_of_list(live)
        names = [line for line in live.decode().splitlines() if not line.startswith("#")]
        assert names, live
        for name in names:
            body = ask(name)
            self.asked["listed segments"] += 1
            if writer_of_segment(body) != whose:
                # Its list has had its turn, or else it is the wrong file.
                assert writer_of_list(ask("output.m3u8")) != whose, f"{name} is not {whose}'s"
                self.turns += 1
                return
            self.played[whose] += 1
            where = "old place" if whose == "old" else "hot"
            with contextlib.suppress(FileNotFoundError):
                assert body == (self.device / ("" if whose == "old" else "segments") / name).read_bytes(), name
                self.layers[where] += 1

    def _remember(self, ask: Callable[[str], bytes], draw: random.Random) -> None:
        """Thumbnails, once seen, in whichever folder."""
        # Of the old writer's newest two one may be unfinished.
        old = sorted(path.name for path in (self.device / "captures").glob(f"capture_{FIRST // 1000}*_thumbnail.jpg"))
        new = sorted(path.name for path in (self.device / "thumbnails").glob(f"capture_{FIRST // 1000}*_thumbnail.jpg"))
        for name in (*old[:-2], *new):
            self.pictures.setdefault(name, set())
        for name in draw.sample(sorted(self.pictures), min(len(self.pictures), 10)):
            self.pictures[name].add(ask(path_of(name)))
            self.asked["remembered thumbnails"] += 1

    def _look_back(self, ask: Callable[[str], bytes], draw: random.Random) -> None:
        """What was there before anything began."""
        name = draw.choice(STORED)
        before = self._where(name)
        assert ask(path_of(name)) == content(name), name
        self.asked["stored files"] += 1
        if before == self._where(name):
            self.layers[before] += 1

    def _where(self, name: str) -> str:
        if (self.device / path_of(name)).exists():
            return "old place"
        return "hot" if (self.device / kind_of(name) / name).exists() else "hour"


def writer_of_list(text: bytes) -> str:
    return "new" if b"#EXT-X-PROGRAM-DATE-TIME" in text else "old"


def writer_of_segment(body: bytes) -> str:
    """By the name that the stream itself bears (ETSI EN 300 468: the service descriptor)."""
    if MARK.encode() in body:
        return "new"
    return "old" if b"Service01" in body else "nobody"


def recorded(device: Path) -> dict[str, list[tuple[int, bytes]]]:
    """All thumbnails by the name that they were given, whatever they are called now: mtime (ns) and bytes."""
    found: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    for path in device.rglob("capture_*_thumbnail.jpg"):
        found[re.sub(r"_r[0-9]+", "", path.name)].append((path.stat().st_mtime_ns, path.read_bytes()))
    return found


def test_old_paths_are_answered_while_a_host_changes_over(
    root: Path, tmp_path: Path, start: Start, ffmpeg_exe: str
) -> None:
    device = root / "capture1"
    (device / "captures").mkdir()
    before = time.time() - 60
    for name in set(STORED):
        put(device, path_of(name), content(name), before)
    settings = mid_hour() + "compat_links = true\n"
    running = start(settings + "[kinds.segments]\nhot_limit = 7\n[kinds.thumbnails]\nhot_limit = 10\n")
    with contextlib.ExitStack() as going:
        served = going.enter_context(api(tmp_path, root, text=settings))
        old = going.enter_context(contextlib.ExitStack())
        old.enter_context(old_writer(ffmpeg_exe, device))
        clients = Clients(device, served.port)
        asking = going.enter_context(contextlib.ExitStack())
        asking.enter_context(clients.asking())
        eventually("old segments to be played", lambda: clients.played["old"] > 20)
        assert not list(device.glob("segments/*.ts"))
        hotcold("migrate", "--config", running.config)
        launch = going.enter_context(launching(tmp_path))
        options = f"-metadata service_name={MARK}"
        launched = launch(device, HOTCOLD_SIZE="160x90", HOTCOLD_AUDIO="none", HOTCOLD_VIDEO_OPTIONS=options)
        # It counts on from what has been migrated: both writers give out the same names.
        assert launched.numbers()[0] == FIRST
        eventually("new thumbnails in their hour", lambda: bool(list(device.glob(f"thumbnails/*/*_{FIRST}_*"))))
        eventually("two new segments", lambda: len(list(device.glob("segments/segment_9*.ts"))) > 1)
        hotcold("migrate", "--config", running.config)
        old.close()  # by a kill: its list does not say that it has ended
        eventually("new segments to be played", lambda: clients.played["new"] > 25)
        hotcold("migrate", "--config", running.config)
        asking.close()
        launched.stop()
        eventually("the reactor to have moved the last", lambda: len(list(device.glob("thumbnails/*.jpg"))) == 10)
        files = recorded(device)
        asked = [(name, newest(files[name])) for name in sorted(clients.pictures)[::5]]
        for name, body in asked:
            assert served.get(f"/host/stream/capture1/{path_of(name)}")[2] == body, name
    figures = {**clients.asked, **clients.layers, "turns": clients.turns, **clients.played}
    print(figures)  # noqa: T201 (with -s: the figures)
    assert clients.wrong == []
    assert clients.turns <= 3  # one, unless a loaded machine held a writer up
    for name, bodies in clients.pictures.items():
        assert bodies <= {body for _mtime, body in files[name]}, name
    # Names that two writers have given out were asked for while both had them.
    assert any(len(found) > 1 for found in files.values())
    assert min(clients.layers[layer] for layer in ("old place", "hot", "hour")) > 20, figures
    assert min(clients.asked.values()) > 20, figures
    assert len(clients.asked) == 4


def newest(files: list[tuple[int, bytes]]) -> bytes:
    return max(files)[1]
