"""A real nginx with the shipped configuration, before a running reactor and API.

The long test runs for HOTCOLD_NGINX_SECONDS, 20 unless the environment says otherwise.
"""

import base64
import contextlib
import os
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import attrs
import pytest

from tests.live.started import Running, eventually, mid_hour, put
from tests.operate.proxied import SHIPPED, Got, Nginx, Served, checked, configured, get, nginx, trusting, variant
from tests.operate.stack import KINDS, Feeder, api, content, reactor

SECONDS: Final = float(os.environ.get("HOTCOLD_NGINX_SECONDS", "20"))
TOKEN: Final = "a-token-that-nobody-guesses"  # noqa: S105 (of this test alone)
ORIGIN: Final = "https://dashboard.example"
TYPES: Final = {
    "segments": "video/mp2t",
    "captures": "image/jpeg",
    "thumbnails": "image/jpeg",
    "metadata": "application/json",
}
pytestmark = [pytest.mark.live, pytest.mark.needs("nginx")]


@attrs.frozen
class Stack:
    root: Path
    zone: str
    running: Running
    api_port: int
    nginx: Nginx


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("nginx")
    root = folder / "stream"
    (root / "capture1").mkdir(parents=True)
    zone = mid_hour()
    text = zone + '[kinds.sounds]\npattern = "sound_*.wav"\n'
    with (
        reactor(folder, root, text) as running,
        api(folder, root, f'origins = ["{ORIGIN}"]', text) as served,
        nginx(folder, root, served.port) as proxy,
    ):
        yield Stack(root, zone.split('"')[1], running, served.port, proxy)


def moved(root: Path, kind: str, name: str) -> Path:
    """Where a file of capture1 lies by now, once it is cold."""
    found: list[Path] = []

    def there() -> bool:
        found[:] = (root / "capture1" / kind).glob(f"[0-9]*/{name}")
        return bool(found)

    eventually(f"{name} to be cold", there)
    return found[0]


@pytest.fixture(scope="module")
def cold(stack: Stack) -> dict[str, str]:
    """A file of each kind that has been moved, as `HOUR/NAME`."""
    found = {}
    for kind, pattern in KINDS.items():
        limit = 10 if kind == "segments" else 100
        for number in range(limit + 1):
            name = pattern.format(number)
            put(stack.root / "capture1" / kind, name, content(name))
        place = moved(stack.root, kind, pattern.format(0))
        found[kind] = f"{place.parent.name}/{place.name}"
    return found


def handed_on(stack: Stack, path: str, **headers: str) -> tuple[Got, bool]:
    """An answer, and whether hotcold gave it."""
    got = stack.nginx.get(path, **headers)
    eventually("the log's line", lambda: any(line.path == path for line in stack.nginx.log()))
    return got, [line for line in stack.nginx.log() if line.path == path][-1].handed_on


def assert_is(got: Got, name: str, kind: str) -> None:
    assert (got.status, got.body) == (200, content(name))
    assert got.headers["content-type"] == TYPES[kind]
    assert got.headers["cache-control"] == "max-age=86400, immutable"
    assert got.headers["accept-ranges"] == "bytes"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cross-origin-resource-policy"] == "same-origin"
    assert got.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_comes_from_the_disk_where_it_lies_and_from_hotcold_where_it_lay(
    stack: Stack, cold: dict[str, str], kind: str
) -> None:
    hour, name = cold[kind].split("/")
    hot = KINDS[kind].format(5)
    for path, by_hotcold in ((hot, False), (f"{hour}/{name}", False), (name, True)):
        got, went_on = handed_on(stack, f"/host/stream/capture1/{kind}/{path}")
        assert_is(got, path.rpartition("/")[2], kind)
        assert went_on is by_hotcold


def test_an_hours_playlist_comes_from_the_disk_and_nobody_keeps_it(stack: Stack, cold: dict[str, str]) -> None:
    put(stack.root / "capture1" / "segments", "output.m3u8", b"#EXTM3U\n")
    hour = cold["segments"].split("/")[0]
    for path in ("output.m3u8", f"{hour}/archive.m3u8"):
        eventually(path, lambda path=path: (stack.root / "capture1" / "segments" / path).exists())  # type: ignore[misc]
        got, went_on = handed_on(stack, f"/host/stream/capture1/segments/{path}")
        assert (got.status, went_on) == (200, False)
        assert got.body.startswith(b"#EXTM3U\n")
        assert got.headers["cache-control"] == "no-store"
        assert got.headers["content-type"] == "application/vnd.apple.mpegurl"


def test_a_part_of_a_file_and_an_answer_that_the_client_has_already(stack: Stack, cold: dict[str, str]) -> None:
    path = f"/host/stream/capture1/segments/{cold['segments']}"
    part = stack.nginx.get(path, Range="bytes=2-5")
    assert (part.status, part.body) == (206, content(cold["segments"].split("/")[1])[2:6])
    again = stack.nginx.get(path, If_None_Match=part.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    head = stack.nginx.get(path, "HEAD")
    assert (head.status, head.body) == (200, b"")


def test_what_is_no_managed_file_is_not_served(stack: Stack, cold: dict[str, str]) -> None:
    device = stack.root / "capture1"
    name = cold["segments"].split("/")[1]
    (device / ".capture.lock").touch()
    (device / "segments" / f"{name}.tmp").touch()
    (device / "segments" / "notes.txt").touch()
    waiting = device / "segments" / ".retired" / "2026-11-22T09"
    waiting.mkdir(parents=True, exist_ok=True)
    (waiting / name).touch()
    (device / "captures" / "capture_999.jpg").symlink_to("/etc/hostname")
    (device / "captures" / "capture_998.jpg").mkdir()
    assert (stack.root / ".hotcold.lock").exists()
    asked = [
        ".hotcold.lock",
        "capture1/.capture.lock",
        f"capture1/segments/{name}.tmp",
        "capture1/segments/notes.txt",
        f"capture1/segments/.retired/2026-11-22T09/{name}",
        f"capture1/segments/%2eretired/2026-11-22T09/{name}",
        "capture1/captures/capture_999.jpg",
        "capture1/captures/capture_998.jpg",
        f"capture1/captures/../segments/.retired/2026-11-22T09/{name}",
        "capture1/captures/..%2f..%2f.hotcold.lock",
        "capture1/segments/24/archive.m3u8",
        "capture1/segments/",
        "nobody/segments/segment_000000001.ts",
    ]
    wrong = {path: got.status for path in asked if (got := stack.nginx.get(f"/host/stream/{path}")).status != 404}
    # Both are answers of hotcold's API: its list of the hot files, and what it says of an hour that no day has.
    assert wrong == {"capture1/segments/": 200, "capture1/segments/24/archive.m3u8": 422}
    assert stack.nginx.get("/metrics").status == 404
    assert stack.nginx.get("/host/stream/../../../etc/hostname").status == 400


def test_a_device_behind_a_link_and_a_kind_of_ones_own_are_hotcolds_to_serve(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "captures").mkdir()
    put(tmp_path / "captures", "capture_1.jpg", b"a picture")
    (stack.root / "capture9").symlink_to(tmp_path)
    put(stack.root / "capture1" / "sounds", "sound_1.wav", b"a sound")
    for path, body in (("capture9/captures/capture_1.jpg", b"a picture"), ("capture1/sounds/sound_1.wav", b"a sound")):
        got, went_on = handed_on(stack, f"/host/stream/{path}")
        assert (got.status, got.body, went_on) == (200, body, True)
    (stack.root / "capture9").unlink()


@pytest.mark.parametrize("path", ["/host/stream/capture1/segments/segment_000000005.ts", "/api/host/devices", "/"])
def test_nothing_is_changed_by_http(stack: Stack, path: str, cold: dict[str, str]) -> None:
    assert cold
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        got = stack.nginx.get(path, method)
        assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")
    assert stack.nginx.get(path, "POST", "x" * 10_000).status == 413


def test_another_name_is_not_ours_and_another_site_is_hotcolds_to_judge(stack: Stack, cold: dict[str, str]) -> None:
    path = f"/host/stream/capture1/segments/{cold['segments']}"
    assert stack.nginx.get(path, Host="rebound.example").status == 421
    assert stack.nginx.get(path, Host="capture-host.example").status == 200
    got, went_on = handed_on(stack, f"{path}?shared", Origin=ORIGIN)
    assert (got.status, got.headers["access-control-allow-origin"], went_on) == (200, ORIGIN, True)
    got, went_on = handed_on(stack, f"{path}?stranger", Origin="https://stranger.example")
    assert (got.headers.get("access-control-allow-origin"), went_on) == (None, True)


def test_the_page_and_the_api_come_through(stack: Stack) -> None:
    page = stack.nginx.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert stack.nginx.get("/healthz").body == b"ok\n"
    assert b'"/api/host/devices"' in stack.nginx.get("/openapi.json").body
    assert b'"name":"capture1"' in stack.nginx.get("/api/host/devices").body
    for asset in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.body.decode()):
        assert stack.nginx.get(asset).headers["cache-control"] == "max-age=31536000, immutable"


def test_an_event_arrives_when_it_happens(stack: Stack) -> None:
    connection = stack.nginx.connect()
    with contextlib.closing(connection):
        connection.request("GET", "/api/host/events/capture1")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.readline() == b": listening\n"
        before = time.monotonic()
        put(stack.root / "capture1" / "captures", "capture_000002000.jpg")
        while answer.readline() != b"event: screenshot\n":
            assert time.monotonic() - before < 10
        assert time.monotonic() - before < 3
        answer.close()


@pytest.mark.needs("openssl")
def test_nginx_takes_the_shipped_file_and_each_variant_without_a_word(tmp_path: Path) -> None:
    for number, variants in enumerate([(), ("tls",), ("basic",), ("token",), ("socket",), ("tls", "basic", "token")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        main = configured(folder, tmp_path, 8080, 18_080, *variants, unix=tmp_path / "socket")
        assert checked(folder, main) == "", variants


def test_each_variant_takes_in_all_of_its_lines() -> None:
    named = set(re.findall(r"#(tls|basic|token|socket)\b", SHIPPED.read_text("utf-8")))
    assert named == {"tls", "basic", "token", "socket"}
    for name in named:
        changed = variant(name)
        lines = [line for line in changed.splitlines() if not line.startswith("#")]
        assert not [line for line in lines if f"#{name}" in line]
        assert changed != SHIPPED.read_text("utf-8")
    assert "open_file_cache off" in SHIPPED.read_text("utf-8")


def a_file(root: Path) -> str:
    (root / "capture1" / "captures").mkdir(parents=True)
    put(root / "capture1" / "captures", "capture_1.jpg", b"a picture")
    return "/host/stream/capture1/captures/capture_1.jpg"


@pytest.mark.needs("openssl")
def test_with_hotcolds_token_a_file_from_the_disk_needs_it_too_and_the_cookie_is_secure(tmp_path: Path) -> None:
    root = tmp_path / "stream"
    path = a_file(root)
    (tmp_path / "token").write_text(TOKEN, "ascii")
    with (
        api(tmp_path, root, f'token_file = "{tmp_path / "token"}"') as served,
        nginx(tmp_path, root, served.port, ("tls", "token")) as proxy,
    ):
        for asked in (path, f"{path}?again", "/api/host/devices", "/host/stream/capture1/captures/capture_2.jpg"):
            got = proxy.get(asked, Host="capture-host.example")
            assert (got.status, got.body) == (401, b'{"error":"a token is needed"}')
        assert proxy.get("/").status != 401
        with (
            pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"),
            socket.create_connection(("127.0.0.1", proxy.port), 20) as sock,
        ):
            trusting(tmp_path).wrap_socket(sock, server_hostname="rebound.example")
        bearer = proxy.get(path, Authorization=f"Bearer {TOKEN}")
        assert (bearer.status, bearer.body) == (200, b"a picture")
        assert bearer.headers["content-type"] == "image/jpeg"
        eventually("the log's line", lambda: (path, 200) in [(line.path, line.status) for line in proxy.log()])
        assert [line.handed_on for line in proxy.log() if (line.path, line.status) == (path, 200)] == [False]
        form = "application/x-www-form-urlencoded"
        login = proxy.get("/login", "POST", f"token={TOKEN}", Content_Type=form)
        assert login.status == 204
        cookie, *flags = login.headers["set-cookie"].split("; ")
        assert {flag.lower() for flag in flags} >= {"secure", "httponly", "samesite=strict"}
        assert "domain" not in login.headers["set-cookie"].lower()
        assert proxy.get(path, Cookie=cookie).body == b"a picture"
        assert proxy.get("/login", "POST", "token=wrong", Content_Type=form).status == 401


def test_with_basic_authentication_nothing_comes_without_the_password(tmp_path: Path) -> None:
    root = tmp_path / "stream"
    path = a_file(root)
    known = "Basic " + base64.b64encode(b"guest:a password").decode()
    with api(tmp_path, root) as served, nginx(tmp_path, root, served.port, ("basic",)) as proxy:
        for asked in (path, "/", "/api/host/devices", "/api/host/events/capture1", f"{path}x"):
            got = proxy.get(asked)
            assert (got.status, got.headers["www-authenticate"]) == (401, 'Basic realm="hotcold"')
            assert b"a picture" not in got.body
        assert proxy.get(path, Authorization=known).body == b"a picture"
        assert proxy.get("/api/host/devices", Authorization=known).status == 200
        assert proxy.get("/host/stream/capture1/captures/capture_2.jpg", Authorization=known).status == 404


def test_hotcold_may_be_asked_by_its_socket(tmp_path: Path) -> None:
    root = tmp_path / "stream"
    path = a_file(root)
    place = tmp_path / "socket"
    with (
        api(tmp_path, root, f'socket = "{place}"'),
        nginx(tmp_path, root, variants=("socket",), unix=place) as proxy,
    ):
        assert proxy.get(path).body == b"a picture"
        assert proxy.get("/api/host/devices").status == 200


class Readers:
    """Clients in threads that read until they are told to end; what is wrong with an answer is kept."""

    def __init__(self, proxy: Nginx) -> None:
        self._proxy = proxy
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []
        self.read: Counter[str] = Counter()
        self.wrong: list[str] = []

    def start(self, what: str, read: Callable[[Callable[[str], Got]], None]) -> None:
        """`read` is called again and again with a function that asks for a path."""

        def run() -> None:
            with contextlib.closing(self._proxy.connect()) as connection:

                def ask(path: str) -> Got:
                    self.read[what] += 1
                    return get(connection, path)

                while not self._ends.is_set():
                    try:
                        read(ask)
                    except (AssertionError, OSError) as error:
                        self.wrong.append(f"{what}: {error!r}")
                        connection.close()

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def stop(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.timeout(SECONDS + 60)
def test_a_player_sees_no_404_however_many_files_move(stack: Stack, record_property: Callable[..., None]) -> None:
    device = stack.root / "capture1"
    base = "/host/stream/capture1"
    before = sum(line.path.startswith(base) for line in stack.nginx.log())
    archived = sum(stack.running.metric("hotcold_archived_files_total", kind=kind) for kind in KINDS)
    errors = (stack.nginx.folder / "error.log").read_text("utf-8").count("[error]")
    readers = Readers(stack.nginx)
    with (
        Feeder(device, ["segments"], rate=25, first=10_000) as segments,
        Feeder(device, ["captures"], rate=100, first=10_000) as captures,
    ):
        eventually("a full hot folder", lambda: len(captures.newest["captures"]) > 110 and segments.written > 10_012)

        def play(ask: Callable[[str], Got]) -> None:
            playlist = ask(f"{base}/segments/output.m3u8")
            assert playlist.status == 200, playlist
            assert playlist.headers["cache-control"] == "no-store"
            names = [line for line in playlist.body.decode().splitlines() if not line.startswith("#")]
            assert names
            for name in names:
                got = ask(f"{base}/segments/{name}")
                assert (got.status, got.body) == (200, content(name)), (name, got)
            time.sleep(0.01)  # the pace of a player that asks often

        seen = [b"#EXTM3U\n"]
        hour = datetime.now(ZoneInfo(stack.zone)).hour

        def follow(ask: Callable[[str], Got]) -> None:
            """The hour's playlist grows: each version is whole, and begins with the one before."""
            got = ask(f"{base}/segments/{hour}/archive.m3u8")
            assert got.status == 200, got
            assert got.body.endswith(b"\n")
            assert got.body.startswith(seen[-1])
            seen[:] = [got.body]
            time.sleep(0.1)  # some versions a second

        def chase(kind: str, newest: Feeder, limit: int) -> Callable[[Callable[[str], Got]], None]:
            """Reads the files that are the oldest of the hot folder, or just were."""

            def read(ask: Callable[[str], Got]) -> None:
                for name in list(newest.newest[kind])[-limit - 3 : -limit + 3]:
                    got = ask(f"{base}/{kind}/{name}")
                    assert (got.status, got.body) == (200, content(name)), (name, got)
                time.sleep(0.005)  # leaves the others their turn

            return read

        try:
            readers.start("player", play)
            readers.start("reader of the hour", follow)
            readers.start("chaser of segments", chase("segments", segments, 10))
            readers.start("chaser of captures", chase("captures", captures, 100))
            time.sleep(SECONDS)  # how long they read
        finally:
            readers.stop()
    moves = sum(stack.running.metric("hotcold_archived_files_total", kind=kind) for kind in KINDS) - archived

    def logged() -> list[Served]:
        return [line for line in stack.nginx.log() if line.path.startswith(base)]

    eventually("the log's last line", lambda: len(logged()) == before + readers.read.total())
    asked = logged()[before:]
    statuses = Counter(line.status for line in asked)
    by_hotcold = sum(line.handed_on for line in asked)
    figures = {"moves": moves, "requests": len(asked), "by hotcold": by_hotcold, "statuses": dict(statuses)}
    record_property("figures", figures)
    print(figures, dict(readers.read))  # noqa: T201 (with `pytest -s` it is the measurement)
    assert readers.wrong == []
    assert set(statuses) == {200}
    # A file that has moved is no error, and fills no log.
    assert (stack.nginx.folder / "error.log").read_text("utf-8").count("[error]") == errors
    # It did happen: files moved while they were read, and were found where they went.
    assert moves > 50 * SECONDS
    assert by_hotcold > SECONDS
    assert seen[-1].count(b".ts\n") > 20 * SECONDS
    assert len(asked) - by_hotcold > SECONDS
