"""Nothing from outside of the root is ever sent, whatever is asked for and whatever was planted."""

import ctypes
import errno
import itertools
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import trio
from starlette.types import Message

from hotcold_inotify.beneath import open_beneath, step_by_step
from tests.web.stage import JPEG, KINDS, NOW, Client, Served, client, everything, write

SECRET = b"the secret of the other folder"


@pytest.fixture
def planted(root: Path, tmp_path: Path) -> Path:
    """The root, with whatever somebody could plant in a device that leads to a secret outside."""
    outside = tmp_path / "outside"
    device = root / "capture1"
    for kind, name in KINDS.items():
        for folder in (outside, outside / kind, outside / kind / "14", outside / "14"):
            write(folder / name.format(7), NOW, JPEG[:2] + SECRET + JPEG[-2:])
            write(folder / "archive.m3u8", NOW, SECRET)
            write(folder / "output.m3u8", NOW, SECRET)
        write(device / kind / name.format(1), NOW)
        write(device / kind / "13" / name.format(2), NOW - 3_600)
        (device / kind / "14").symlink_to(outside / kind / "14")
        (device / kind / "15").symlink_to("../../../../outside/14")
        (device / kind / name.format(7)).symlink_to(outside / name.format(7))
        (device / kind / "13" / name.format(7)).symlink_to(outside / name.format(7))
        os.mkfifo(device / kind / name.format(8))
        os.mkfifo(device / kind / "13" / name.format(8))
        (device / kind / name.format(9)).mkdir()
        with socket.socket(socket.AF_UNIX) as sock:
            here = os.open(device / kind, os.O_RDONLY)
            sock.bind(f"/proc/self/fd/{here}/{name.format(10)}")
            os.close(here)
    (device / "segments" / "output.m3u8").symlink_to(outside / "output.m3u8")
    (device / "segments" / "13" / "archive.m3u8").symlink_to(outside / "archive.m3u8")
    (root / "capture2").mkdir()
    for kind in KINDS:
        (root / "capture2" / kind).symlink_to(outside / kind)
    (root / "secret.txt").write_bytes(SECRET)
    (root / "other").symlink_to(outside)
    return root


PIECES = [
    *(
        "..",
        ".",
        "",
        "/",
        "//",
        "..%2f",
        "%2e%2e",
        "%2e%2e%2f",
        "%252e%252e%252f",
        "..%5c",
        "..\\",
        "....//",
        "..;",
        ";",
    ),
    *(
        "%00",
        "\0",
        "%0a",
        "%0d%0a",
        "%",
        "%zz",
        "%c0%ae%c0%ae",
        "%uff0e",
        "\uff0e\uff0e",
        "\u2215",
        "é",
        "\U0001f4a9",
    ),
    *("~", "*", "?", "[a-z]", "$HOME", "`id`", "|", "&", "#", " ", "\t", "\x7f", "a" * 300, "x" * 5_000),
    *("api", "host", "stream", "screenshot", "heatmap", "playlist", "events", "assets", "login", "metrics"),
    *("capture1", "capture2", "capture1.m3u8", "capture2.m3u8", "other", "outside", "secret.txt"),
    *("segments", "captures", "thumbnails", "metadata", ".retired", ".hotcold.lock", "output.m3u8", "archive.m3u8"),
    *("0", "13", "14", "15", "23", "24", "-1", "1e1", "0x0", "\u0661"),
    *(name.format(number) for name in KINDS.values() for number in (1, 2, 7, 8, 9, 10)),
    *("proc", "self", "fd", "etc", "passwd", "file:", "http:", "127.0.0.1"),
]
FRONTS = [
    "/host/stream/capture1/segments/",
    "/host/stream/capture1/captures/14/",
    "/host/stream/capture2/captures/",
    "/host/stream/capture1/",
    "/host/stream/",
    "/api/host/screenshot/",
    "/api/host/captures/",
    "/api/host/playlist/",
    "/assets/",
    "/",
    "",
]


def tried(chance: random.Random) -> Iterator[str]:
    """Paths as they travel, without end: first what a person would try, then anything."""
    outside = "../../../../outside/segments/segment_000000007.ts"
    for front in FRONTS:
        for turn in (outside, outside.replace("/", "%2f"), quote(quote(outside, safe=""), safe=""), f"//{outside}"):
            yield front + turn
    for device, (kind, name), slot in itertools.product(("capture1", "capture2"), KINDS.items(), (None, 13, 14, 15)):
        place = kind if slot is None else f"{kind}/{slot}"
        for number in (1, 7, 8, 9, 10):
            yield f"/host/stream/{device}/{place}/{name.format(number)}"
        for playlist in ("output.m3u8", "archive.m3u8"):
            yield f"/host/stream/{device}/{place}/{playlist}"
        yield f"/host/stream/{device}/{kind}/"
        yield f"/api/host/{kind}/{device}/{slot or 0}"
    for device in ("capture1", "capture2", "other", "."):
        for what in ("screenshot", "heatmap"):
            yield f"/api/host/{what}/{device}"
        yield f"/api/host/playlist/{device}.m3u8"
    while True:
        path = chance.choice(FRONTS)
        for _ in range(chance.randint(1, 7)):
            path += chance.choice(PIECES) + chance.choice(["/", "/", "/", "", "//", "%2f", ";/", "\\"])
        if chance.random() < 0.1:
            path = "".join(quote(each) if chance.random() < 0.5 else each for each in path)
        yield path


async def answered(asked: Client, paths: list[str]) -> tuple[int, set[int]]:
    """How many answers there were, and their statuses; none has the secret, and none is a failure of ours."""
    statuses: set[int] = set()

    async def receive() -> Message:
        await trio.sleep_forever()
        raise AssertionError

    for travelling in paths:
        path, _, query = travelling.partition("?")
        said: list[Message] = []

        async def send(message: Message, said: list[Message] = said) -> None:
            said.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "query_string": query.encode("utf-8", "surrogatepass"),
            "headers": [(b"host", b"localhost")],
            "root_path": "",
            "server": ("127.0.0.1", 8080),
        }
        await asked.app(scope, receive, send)
        for message in said:
            assert SECRET not in message.get("body", b""), travelling
            statuses.add(message.get("status", 200))
    return len(paths), statuses


@pytest.mark.timeout(120)
async def test_100000_paths_find_nothing_outside(planted: Path) -> None:
    paths = list(itertools.islice(tried(random.Random(3)), 100_000))
    count, statuses = await answered(client(planted), paths)
    assert count == 100_000
    assert statuses <= {200, 204, 404, 405, 421, 422, 503}
    assert {200, 404, 422} <= statuses


async def test_nor_do_they_without_openat2(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_args: object) -> int:
        ctypes.set_errno(errno.ENOSYS)
        return -1

    monkeypatch.setattr("hotcold_inotify.beneath._libc", type("libc", (), {"syscall": staticmethod(missing)}))
    paths = list(itertools.islice(tried(random.Random(4)), 10_000))
    _, statuses = await answered(client(planted), paths)
    assert statuses <= {200, 204, 404, 405, 421, 422, 503}


async def test_what_is_beside_the_plants_is_served(planted: Path) -> None:
    for kind, name in KINDS.items():
        for place in (kind, f"{kind}/13"):
            number = 1 if place == kind else 2
            assert (await client(planted).ask(f"/host/stream/capture1/{place}/{name.format(number)}")).status == 200
    listed = await client(planted, 'timezone = "UTC"').json("/api/host/captures/capture1/14")
    assert [file["url"].rpartition("/")[2] for file in listed["files"]] == ["capture_000000001.jpg"]


def test_a_server_on_a_socket_sends_nothing_from_outside(planted: Path, serve: Callable[..., Served]) -> None:
    assert planted.is_dir()
    served = serve()
    chance = random.Random(5)
    wild = itertools.islice(tried(chance), 2_000)
    statuses: set[bytes] = set()
    for number, path in enumerate(wild):
        if path.startswith("/api/host/events/"):
            continue
        target = path.encode("utf-8", "surrogatepass")
        target = b"".join(b"%%%02x" % byte if byte <= 0x20 or byte >= 0x7F else bytes([byte]) for byte in target)
        if number % 20 == 0:  # as no client would send it
            target = path.encode("utf-8", "surrogatepass")
        request = b"GET %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % (target or b"/")
        with served.connect() as sock:
            sock.sendall(request)
            try:
                said = everything(sock)
            except TimeoutError:
                raise AssertionError(request) from None
        assert SECRET not in said, path
        statuses.add(said.partition(b" ")[2][:3])
    assert statuses <= {b"200", b"204", b"400", b"404", b"421", b"422", b"431", b"503"}
    assert served.get("/healthz")[0] == 200
    assert "Traceback" not in served.log.read_text("utf-8")


@pytest.mark.parametrize("opening", [open_beneath, lambda fd, path: step_by_step(fd, path, os.O_RDONLY)])
@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("a/file", 0),
        ("a/fifo", 0),
        ("a", 0),
        ("nothing", errno.ENOENT),
        ("a/nothing", errno.ENOENT),
        ("file/x", errno.ENOENT),
        ("a/file/x", errno.ENOTDIR),
        ("a/link", errno.ELOOP),
        ("folder/file", {errno.ELOOP, errno.ENOTDIR}),
        ("loop", errno.ELOOP),
        ("loop/x", {errno.ELOOP, errno.ENOTDIR}),
        ("..", errno.EXDEV),
        ("../outside/file", errno.EXDEV),
        ("a/../../outside/file", errno.EXDEV),
        ("/etc/passwd", errno.EXDEV),
        ("", {errno.ENOENT, errno.EXDEV}),
        ("a/file\0x", errno.EINVAL),
        ("x" * 300, errno.ENAMETOOLONG),
        ("a/socket", errno.ENXIO),
    ],
)
def test_a_path_is_opened_beneath_its_folder_or_not_at_all(
    tmp_path: Path, opening: Callable[[int, str], int], path: str, number: int | set[int]
) -> None:
    inside = tmp_path / "inside"
    write(inside / "a" / "file")
    write(tmp_path / "outside" / "file")
    (inside / "a" / "link").symlink_to("file")
    (inside / "folder").symlink_to("../outside")
    (inside / "loop").symlink_to("loop")
    os.mkfifo(inside / "a" / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(inside / "a" / "socket"))
    folder = os.open(inside, os.O_PATH)
    before = set(os.listdir("/proc/self/fd"))
    expected = number if isinstance(number, set) else {number}
    try:
        fd = opening(folder, path)
    except OSError as error:
        assert error.errno in expected  # noqa: PT017 (some of them open)
    else:
        os.close(fd)
        assert expected == {0}
    assert set(os.listdir("/proc/self/fd")) == before
    os.close(folder)
