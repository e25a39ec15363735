import mimetypes
import os
import threading
from collections.abc import Callable, Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path

import pytest

from hotcold_inotify.web.sending import pieces
from tests.web.stage import KINDS, NOW, Served, client, move, write

TEXT = bytes(range(256)) * 1024  # four chunks
NAME = "segment_000000012.ts"
HOT = f"/host/stream/capture1/segments/{NAME}"
COLD = f"/host/stream/capture1/segments/13/{NAME}"


@pytest.fixture
def hot(root: Path) -> Path:
    return write(root / "capture1" / "segments" / NAME, NOW - 5, TEXT)


@pytest.fixture
def cold(root: Path) -> Path:
    return write(root / "capture1" / "segments" / "13" / NAME, NOW - 3600, TEXT)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("url", [HOT, COLD])
@pytest.mark.usefixtures("hot", "cold")
async def test_a_file_is_sent_whole_and_lasts(root: Path, url: str) -> None:
    found = await client(root).ask(url)
    assert (found.status, found.body) == (200, TEXT)
    assert found.headers["content-type"] == "video/mp2t"
    assert found.headers["content-length"] == str(len(TEXT))
    assert found.headers["accept-ranges"] == "bytes"
    assert found.headers["cache-control"] == "max-age=86400, immutable"
    assert found.headers["last-modified"].endswith(" GMT")


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("segments", "video/mp2t"),
        ("captures", "image/jpeg"),
        ("thumbnails", "image/jpeg"),
        ("metadata", "application/json"),
    ],
)
async def test_each_kind_has_its_media_type(root: Path, kind: str, media: str) -> None:
    name = KINDS[kind].format(3)
    write(root / "capture1" / kind / name, NOW, b"{}")
    found = await client(root).ask(f"/host/stream/capture1/{kind}/{name}")
    assert (found.status, found.headers["content-type"]) == (200, media)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=100-", (100, None)),
        ("bytes=-100", (-100, None)),
        ("bytes=-9999999", (0, None)),
        ("bytes=65000-66000", (65000, 66001)),
        ("bytes=262143-", (262143, None)),
        ("bytes=262000-999999", (262000, None)),
        ("Bytes = 5-6 ", (5, 7)),
        ("bytes=0-5,3-9", (0, 10)),
        ("bytes=0-5,6-9", (0, 10)),
        ("bytes=0-5,999999-", (0, 6)),
    ],
)
@pytest.mark.usefixtures("hot")
async def test_a_range_is_sent(root: Path, asked: str, found: tuple[int, int | None]) -> None:
    sent = await client(root).ask(HOT, headers={"range": asked})
    assert (sent.status, sent.body) == (206, TEXT[slice(*found)])
    start, end, _step = slice(*found).indices(len(TEXT))
    assert sent.headers["content-range"] == f"bytes {start}-{end - 1}/{len(TEXT)}"
    assert sent.headers["content-length"] == str(len(sent.body))
    assert sent.headers["content-type"] == "video/mp2t"


@pytest.mark.usefixtures("hot")
async def test_several_ranges_are_sent_in_parts(root: Path) -> None:
    sent = await client(root).ask(HOT, headers={"range": "bytes=70000-140000, 0-9, -5"})
    assert sent.status == 206
    assert sent.headers["content-length"] == str(len(sent.body))
    head = f"Content-Type: {sent.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + sent.body)
    assert not message.defects
    parts = [
        (part["content-type"], part["content-range"], part.get_payload(decode=True)) for part in message.iter_parts()
    ]
    size = len(TEXT)
    assert parts == [
        ("video/mp2t", f"bytes 0-9/{size}", TEXT[:10]),
        ("video/mp2t", f"bytes 70000-140000/{size}", TEXT[70000:140001]),
        ("video/mp2t", f"bytes {size - 5}-{size - 1}/{size}", TEXT[-5:]),
    ]


@pytest.mark.parametrize(
    "asked", ["bytes=262144-", "bytes=999999-9999999", "bytes=-0", "bytes=9-3", "bytes=", "bytes=-", "bytes=a-b"]
)
@pytest.mark.usefixtures("hot")
async def test_a_range_of_nothing_is_refused(root: Path, asked: str) -> None:
    sent = await client(root).ask(HOT, headers={"range": asked})
    assert (sent.status, sent.json()) == (416, {"error": "the range is outside of the file, or none"})
    assert sent.headers["content-range"] == f"bytes */{len(TEXT)}"
    assert sent.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("asked", ["lines=0-5", "0-5", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 90, 2))])
@pytest.mark.usefixtures("hot")
async def test_a_range_in_another_unit_or_of_crumbs_is_the_whole_file(root: Path, asked: str) -> None:
    sent = await client(root).ask(HOT, headers={"range": asked})
    assert (sent.status, sent.body) == (200, TEXT)


@pytest.mark.parametrize("number", ["1_0", "+1", "\u0661", "1 0", "0x1"])
def test_a_range_has_plain_digits(number: str) -> None:
    assert pieces(f"bytes={number}-", 100) == []


@pytest.mark.usefixtures("hot")
async def test_a_range_of_a_copy_that_is_no_more_is_the_whole_file(root: Path) -> None:
    asked = client(root)
    whole = await asked.ask(HOT)
    for condition, status in [
        (whole.headers["etag"], 206),
        (whole.headers["last-modified"], 206),
        (f"W/{whole.headers['etag']}", 200),
        ('"other"', 200),
        ("Mon, 23 Nov 2026 14:29:54 GMT", 200),
    ]:
        assert (await asked.ask(HOT, headers={"range": "bytes=0-1", "if-range": condition})).status == status


@pytest.mark.parametrize("url", [HOT, COLD, "/host/stream/capture1/segments/", "/healthz", "/api/host/devices"])
@pytest.mark.usefixtures("hot", "cold")
async def test_head_says_what_get_would(root: Path, url: str) -> None:
    asked = client(root)
    found, head = await asked.ask(url), await asked.ask(url, method="HEAD")
    assert (head.status, head.headers) == (found.status, found.headers)


@pytest.mark.usefixtures("hot")
async def test_head_knows_no_ranges(root: Path) -> None:
    head = await client(root).ask(HOT, method="HEAD", headers={"range": "bytes=0-1"})
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(TEXT)), b"")


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("if-modified-since", "Mon, 23 Nov 2026 14:29:55 GMT", 304),
        ("if-modified-since", "Mon, 23 Nov 2026 14:29:54 GMT", 200),
        ("if-modified-since", "Monday, 23-Nov-26 14:29:56 GMT", 304),
        ("if-modified-since", "yesterday", 200),
        ("if-modified-since", "", 200),
        ("if-modified-since", "Mon, 23 Nov 99999999999999999999 14:29:55 GMT", 200),
        ("if-modified-since", "Mon, 23 Nov 2026 14:29:55 +99999999999999999999", 200),
        ("if-modified-since", "Mon, 01 Jan 0001 00:00:00 +2300", 200),
        ("if-none-match", "*", 304),
        ("if-none-match", '"other"', 200),
        ("if-none-match", "", 200),
    ],
)
@pytest.mark.usefixtures("hot")
async def test_a_copy_is_asked_about(root: Path, name: str, value: str, status: int) -> None:
    assert (await client(root).ask(HOT, headers={name: value})).status == status


@pytest.mark.usefixtures("hot")
async def test_the_tag_counts_before_the_date(root: Path) -> None:
    headers = {"if-none-match": '"other"', "if-modified-since": "Mon, 23 Nov 2026 14:29:59 GMT"}
    assert (await client(root).ask(HOT, headers=headers)).status == 200


async def test_a_tag_stays_when_the_file_moves_and_changes_with_its_content(root: Path, hot: Path) -> None:
    asked = client(root)
    tag = (await asked.ask(HOT)).headers["etag"]
    moved = move(hot, hot.parent / "14")
    assert (await asked.ask(HOT)).headers["etag"] == tag
    os.utime(moved, ns=(0, moved.stat().st_mtime_ns + 1))
    assert (await asked.ask(HOT)).headers["etag"] != tag


@pytest.mark.parametrize("mtime", [-1e9, 0, 4e9, 8e9, 1e12])
async def test_a_file_of_any_time_is_sent(root: Path, mtime: float) -> None:
    folder = root / "capture1" / "segments"
    write(folder / NAME, 0, TEXT)
    try:
        os.utime(folder / NAME, (mtime, mtime))
    except OverflowError:
        pytest.skip("this file system holds no such time")
    for url in (HOT, "/host/stream/capture1/segments/", "/api/host/segments/capture1/3", "/api/host/devices"):
        assert (await client(root).ask(url)).status == 200


@pytest.mark.usefixtures("hot")
async def test_a_file_that_grows_while_it_is_sent_is_sent_as_long_as_was_said(
    root: Path, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def growing(fd: int, length: int, at: int) -> bytes:
        with hot.open("ab") as file:
            file.write(b"more")
        return pread(fd, length, at)

    monkeypatch.setattr("hotcold_inotify.web.sending.os.pread", growing)
    found = await client(root).ask(HOT)
    assert found.body == TEXT
    assert found.headers["content-length"] == str(len(TEXT))


@pytest.mark.usefixtures("hot")
async def test_a_disk_that_fails_at_once_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_args: object) -> bytes:
        raise OSError(5, "Input/output error", "/secret/place")

    monkeypatch.setattr("hotcold_inotify.web.sending.os.pread", failing)
    found = await client(root).ask(HOT, fails=True)
    assert (found.status, found.json()) == (500, {"error": "the server failed; its log says why"})
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("number", [0, 1, 9, 13, 14, 15, 23])
async def test_a_name_alone_finds_the_file_in_any_hour(root: Path, number: int) -> None:
    write(root / "capture1" / "segments" / str(number) / NAME, NOW, TEXT)
    assert (await client(root).ask(HOT)).body == TEXT


async def test_a_name_alone_never_misses_a_file_that_moves(root: Path) -> None:
    folder = root / "capture1" / "captures"
    slots = [folder / str(hour) for hour in range(24)]
    for slot in slots:
        slot.mkdir(parents=True)
    stop = threading.Event()
    newest = 0

    def move_on() -> None:
        nonlocal newest
        while not stop.is_set():
            write(folder / KINDS["captures"].format(newest + 1))
            newest += 1
            if newest > 5:
                move(folder / KINDS["captures"].format(newest - 5), slots[newest % 24])

    mover = threading.Thread(target=move_on)
    mover.start()
    try:
        asked = client(root)
        statuses: list[int] = []
        while len(statuses) < 500:
            if newest > 10:
                name = KINDS["captures"].format(newest - len(statuses) % 8)
                statuses.append((await asked.ask(f"/host/stream/capture1/captures/{name}")).status)
    finally:
        stop.set()
        mover.join()
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("path", "folder", "name"),
    [
        ("segments/output.m3u8", "segments", "output.m3u8"),
        ("segments/14/archive.m3u8", "segments/14", "archive.m3u8"),
    ],
)
async def test_a_playlist_is_sent_as_it_is_and_never_stored(root: Path, path: str, folder: str, name: str) -> None:
    write(root / "capture1" / folder / name, NOW, b"#EXTM3U\n")
    found = await client(root).ask(f"/host/stream/capture1/{path}")
    assert (found.status, found.body) == (200, b"#EXTM3U\n")
    assert found.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert found.headers["cache-control"] == "no-store"


async def test_an_hours_playlist_grows_while_it_is_read(root: Path) -> None:
    path = write(root / "capture1" / "segments" / "14" / "archive.m3u8", NOW, b"#EXTM3U\n")
    asked = client(root)
    text = b"#EXTM3U\n"
    for number in range(50):
        assert (await asked.ask("/host/stream/capture1/segments/14/archive.m3u8")).body == text
        with path.open("ab") as file:
            file.write(b"#%d\n" % number)
        text += b"#%d\n" % number


@pytest.mark.parametrize(
    "path",
    [
        "segments/14/output.m3u8",
        "segments/archive.m3u8",
        "captures/output.m3u8",
        "segments/.hotcold.lock",
        "segments/segment_000000012.ts.tmp",
        "segments/segment_12.ts",
        "segments/segment_000000012_r1.ts",
        "captures/segment_000000012.ts",
        "segments/24",
        "segments/14",
        "segments/.retired/segment_000000012.ts",
        "nothing/segment_000000012.ts",
        "segments/15/segment_000000012.ts",
    ],
)
@pytest.mark.usefixtures("hot", "cold")
async def test_what_is_no_managed_file_is_not_there(root: Path, path: str) -> None:
    folder = root / "capture1"
    for name in ("segments/14/output.m3u8", "segments/archive.m3u8", "captures/output.m3u8", "segments/.hotcold.lock"):
        write(folder / name)
    write(folder / "segments" / f"{NAME}.tmp")
    found = await client(root).ask(f"/host/stream/capture1/{path}")
    assert found.status in (404, 422)
    assert list(found.json()) == ["error"]


@pytest.mark.parametrize("hour", ["24", "-1", "x", "1.5", "999999999999999999999"])
async def test_there_are_24_hours(root: Path, hour: str) -> None:
    found = await client(root).ask(f"/host/stream/capture1/segments/{hour}/{NAME}")
    assert found.status == 422
    assert found.json()["error"].startswith("hour: ")


async def test_the_hot_listing_is_by_time_and_never_stored(root: Path) -> None:
    folder = root / "capture1" / "captures"
    write(folder / "capture_9.jpg", NOW - 2)
    write(folder / "capture_1.jpg", NOW - 1)
    write(folder / "capture_2.jpg.tmp", NOW)
    write(folder / "14" / "capture_0.jpg", NOW - 3)
    found = await client(root, 'timezone = "UTC"\n[kinds.captures]\nhot_limit = 7').ask(
        "/host/stream/capture1/captures/"
    )
    assert found.headers["cache-control"] == "no-store"
    assert found.json() == {
        "device": "capture1",
        "kind": "captures",
        "limit": 7,
        "files": [
            {"url": "/host/stream/capture1/captures/capture_9.jpg", "time": "2026-11-23T14:29:58.000+00:00"},
            {"url": "/host/stream/capture1/captures/capture_1.jpg", "time": "2026-11-23T14:29:59.000+00:00"},
        ],
    }


async def test_the_cold_root_is_where_the_hours_are(root: Path, tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    write(cold / "capture1" / "segments" / "14" / NAME, NOW, TEXT)
    asked = client(root, f'cold_root = "{cold}"')
    for url in (HOT, "/host/stream/capture1/segments/14/" + NAME):
        assert (await asked.ask(url)).body == TEXT


async def test_a_device_of_any_name_is_served(root: Path) -> None:
    write(root / "capture ü #1?" / "captures" / "capture_1.jpg")
    (found,) = (await client(root, 'devices = ["capture *"]').json("/api/host/devices"))["devices"]
    assert found["screenshot"] == "/api/host/screenshot/capture%20%C3%BC%20%231%3F"
    assert (await client(root, 'devices = ["capture *"]').ask("/api/host/screenshot/capture ü #1?")).status == 200


def test_a_segment_is_no_translation() -> None:
    assert mimetypes.guess_type("segment_1.ts")[0] != "video/mp2t"  # why the table of our own is there


def test_the_connection_is_closed_or_kept_as_it_was_asked(root: Path, serve: Callable[..., Served]) -> None:
    write(root / "capture1" / "segments" / NAME, NOW, TEXT * 10)
    served = serve()
    for _ in range(20):
        assert served.get(HOT)[2] == TEXT * 10
    with served.connect() as sock:
        for _ in range(20):
            sock.sendall(f"GET {HOT} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            found = bytearray()
            while not found.endswith(TEXT * 10):
                found += sock.recv(65_536)
