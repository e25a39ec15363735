"""A real nginx with hotcold-compat.conf: the paths of the layout before hot and cold, while a host changes over.

The last test reads for HOTCOLD_NGINX_OLD_SECONDS, 3 unless the environment says otherwise.
"""

import contextlib
import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.live.started import eventually, mid_hour, put
from tests.live.test_commands import hotcold
from tests.operate.proxied import Got, Nginx, Served, checked, configured, get, nginx
from tests.operate.stack import KINDS, Feeder, api, content, reactor

SECONDS: Final = float(os.environ.get("HOTCOLD_NGINX_OLD_SECONDS", "3"))
SEED: Final = 7
TOKEN: Final = "a-token-that-nobody-guesses"  # noqa: S105 (of this test alone)
BASE: Final = "/host/stream/capture1"
ON: Final = "compat_links = true\n"
OLD_FOLDER: Final = {"segments": "", "thumbnails": "captures/", "metadata": "captures/"}
pytestmark = [pytest.mark.live, pytest.mark.needs("nginx")]


@attrs.frozen
class Stack:
    device: Path
    nginx: Nginx

    def ask(self, path: str, **headers: str) -> tuple[Got, bool]:
        """An answer, and whether hotcold gave it."""
        got = self.nginx.get(f"{BASE}/{path}", **headers)
        eventually("the log's line", lambda: any(line.path == f"{BASE}/{path}" for line in self.nginx.log()))
        return got, [line for line in self.nginx.log() if line.path == f"{BASE}/{path}"][-1].handed_on


@contextlib.contextmanager
def stack(folder: Path, text: str = ON, *, old_paths: bool = True) -> Iterator[Stack]:
    device = folder / "stream" / "capture1"
    for below in ("", "captures", *(f"{kind}/7" for kind in KINDS)):
        (device / below).mkdir(parents=True, exist_ok=True)
    with (
        api(folder, device.parent, text=text) as served,
        nginx(folder, device.parent, served.port, old_paths=old_paths) as proxy,
    ):
        yield Stack(device, proxy)


@pytest.fixture(scope="module")
def compat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("compat")) as running:
        yield running


@pytest.mark.parametrize("kind", OLD_FOLDER)
def test_a_file_comes_from_the_disk_in_its_old_place_and_hot_and_from_hotcold_in_its_hour(
    compat: Stack, kind: str
) -> None:
    for number, (where, by_hotcold) in enumerate(((OLD_FOLDER[kind], False), (kind, False), (f"{kind}/7", True))):
        name = KINDS[kind].format(number)
        put(compat.device / where, name, content(name))
        path = OLD_FOLDER[kind] + name
        got, went_on = compat.ask(path)
        assert (got.status, got.body, went_on) == (200, content(name), by_hotcold), path
        assert got.headers["cache-control"] == "no-cache"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-type"] == {"segments": "video/mp2t", "thumbnails": "image/jpeg"}.get(
            kind, "application/json"
        )
        part = compat.nginx.get(f"{BASE}/{path}", Range="bytes=2-5")
        assert (part.status, part.body) == (206, content(name)[2:6])
        assert compat.nginx.get(f"{BASE}/{path}", If_None_Match=part.headers["etag"]).status == 304
        assert compat.nginx.get(f"{BASE}/{path}", "HEAD").status == 200
        assert compat.nginx.get(f"{BASE}/{path}", "POST").status == 405
        assert compat.ask(f"{path}?shared", Origin="https://dashboard.example")[1] is True


def test_a_path_of_the_new_layout_finds_what_is_still_in_its_old_place(compat: Stack) -> None:
    name = KINDS["thumbnails"].format(20)
    put(compat.device / "captures", name, content(name))
    assert compat.ask(f"thumbnails/{name}") == (compat.nginx.get(f"{BASE}/thumbnails/{name}"), True)
    assert compat.ask(f"thumbnails/{name}")[0].body == content(name)


def test_of_two_files_of_one_name_hotcold_says_which_is_meant(compat: Stack) -> None:
    name = KINDS["segments"].format(30)
    put(compat.device, name, b"old", time.time() - 9)
    put(compat.device / "segments", name, b"new")
    got, went_on = compat.ask(name)
    assert (got.body, went_on) == (b"new", True)
    put(compat.device, "output.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{name}\n".encode())
    got, went_on = compat.ask("output.m3u8")
    assert (got.status, got.headers["cache-control"], went_on) == (200, "no-store", True)
    assert compat.ask(name)[0].body == b"old"


def test_nothing_else_is_served(compat: Stack) -> None:
    outside = compat.device.parent.parent
    (outside / "segment_40.ts").write_bytes(b"secret")
    (compat.device / "segment_40.ts").symlink_to(outside / "segment_40.ts")
    (compat.device / "segment_41.ts").mkdir()
    put(compat.device, "segment_42.ts.tmp")
    put(compat.device, ".hotcold-migration")
    put(compat.device, "notes.txt")
    for path in (
        "segment_40.ts",
        "segment_41.ts",
        "segment_42.ts.tmp",
        ".hotcold-migration",
        "notes.txt",
        "captures/..%2fsegment_000000000.ts%2f",
        "segment_44.ts",
        "captures/capture_44_thumbnail.jpg",
    ):
        assert compat.nginx.get(f"{BASE}/{path}").status == 404, path


@pytest.mark.parametrize("old_paths", [True, False])
def test_without_the_key_there_are_no_old_paths_but_what_nginx_itself_has(tmp_path: Path, old_paths: bool) -> None:
    """The include alone serves what is at hand, and the key alone serves all of it, more slowly."""
    text = "" if old_paths else ON
    with stack(tmp_path, text, old_paths=old_paths) as running:
        put(running.device, "segment_1.ts", b"1")
        put(running.device / "segments" / "7", "segment_2.ts", b"2")
        put(running.device / "segments", "output.m3u8", b"#EXTM3U\n")
        statuses = [running.ask(path)[0].status for path in ("segment_1.ts", "segment_2.ts", "output.m3u8")]
        assert statuses == ([200, 404, 404] if old_paths else [200, 200, 200])
        assert running.ask("segment_1.ts")[1] is not old_paths


@pytest.mark.needs("openssl")
def test_with_hotcolds_token_an_old_path_needs_it_too(tmp_path: Path) -> None:
    device = tmp_path / "stream" / "capture1"
    (device / "segments").mkdir(parents=True)
    put(device, "segment_1.ts", b"old")
    put(device / "segments", "segment_2.ts", b"hot")
    (tmp_path / "token").write_text(TOKEN, "ascii")
    with (
        api(tmp_path, device.parent, f'token_file = "{tmp_path / "token"}"', ON) as served,
        nginx(tmp_path, device.parent, served.port, ("token",), old_paths=True) as proxy,
    ):
        for name, body in (("segment_1.ts", b"old"), ("segment_2.ts", b"hot")):
            assert proxy.get(f"{BASE}/{name}").status == 401
            assert proxy.get(f"{BASE}/{name}", Authorization=f"Bearer {TOKEN}").body == body
        assert [line.handed_on for line in proxy.log() if line.status == 200 and ".ts" in line.path] == [False, False]
    main = configured(tmp_path, device.parent, 8080, 18_080, "tls", "basic", "token", old_paths=True)
    assert checked(tmp_path, main) == ""


@pytest.mark.timeout(SECONDS + 60)
def test_an_old_path_is_never_a_404_while_a_host_changes_over(tmp_path: Path) -> None:
    """Two writers, a reactor, a migration, and readers of old paths alone."""
    root = tmp_path / "stream"
    device = root / "capture1"
    (device / "captures").mkdir(parents=True)
    before = time.time() - 60
    stored = [KINDS[kind].format(number) for number in range(900) for kind in ("segments", "thumbnails")]
    for name in stored:
        put(device / ("captures" if "thumbnail" in name else ""), name, content(name), before)
    wrong: list[str] = []
    read = Counter[str]()
    ends = threading.Event()
    with (
        reactor(tmp_path, root, mid_hour()) as running,
        api(tmp_path, root, text=mid_hour() + ON) as served,
        nginx(tmp_path, root, served.port, old_paths=True) as proxy,
        Feeder(device, ["segments", "thumbnails"], rate=50, first=10_000) as feeder,
    ):

        def reads(what: str, seed: int) -> None:
            draw = random.Random(seed)
            with contextlib.closing(proxy.connect()) as connection:
                while not ends.is_set():
                    new = [name for kind in ("segments", "thumbnails") for name in list(feeder.newest[kind])]
                    name = draw.choice(stored if what == "stored" else new or stored)
                    got = get(connection, f"{BASE}/{'captures/' if 'thumbnail' in name else ''}{name}")
                    read[what] += 1
                    if (got.status, got.body) != (200, content(name)):
                        wrong.append(f"{name}: {got.status}")
                    time.sleep(0.001)  # leaves the others their turn

        def plays() -> None:
            with contextlib.closing(proxy.connect()) as connection:
                while not ends.is_set():
                    live = get(connection, f"{BASE}/output.m3u8")
                    names = [line for line in live.body.decode().splitlines() if not line.startswith("#")]
                    for path, body in itertools.chain([("output.m3u8", None)], ((one, content(one)) for one in names)):
                        got = get(connection, f"{BASE}/{path}")
                        read["played"] += 1
                        if got.status != 200 or (body is not None and got.body != body):
                            wrong.append(f"{path}: {got.status}")
                    time.sleep(0.01)  # the pace of a player that asks often

        eventually("the new writer's list", (device / "segments" / "output.m3u8").exists)
        readers = [threading.Thread(target=reads, args=args) for args in (("stored", SEED), ("new", SEED + 1))]
        readers.append(threading.Thread(target=plays))
        began = time.monotonic()
        for one in readers:
            one.start()
        try:
            time.sleep(SECONDS / 4)  # how long they read before anything moves
            hotcold("migrate", "--config", running.config)
            time.sleep(max(SECONDS - (time.monotonic() - began), 0))
        finally:
            ends.set()
            for one in readers:
                one.join()
        eventually("the log's last line", lambda: len(asked(proxy)) >= read.total())
        by = Counter(line.handed_on for line in asked(proxy))
    print(dict(read), {"by hotcold": by[True], "from the disk": by[False]})  # noqa: T201 (with -s: the figures)
    assert wrong == []
    assert not list(device.glob("*.ts"))
    assert len(list(device.glob("segments/*/*.ts"))) > 900
    assert min(read["stored"], read["new"], read["played"], by[True], by[False]) > 50


def asked(proxy: Nginx) -> list[Served]:
    return [line for line in proxy.log() if line.path.startswith(BASE)]
