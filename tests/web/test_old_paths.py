"""The paths of the layout before hot and cold, wherever their files lie: old place, hot, an hour, or on their way."""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotcold_inotify.web.oldpaths import LiveList, in_force_first
from hotcold_inotify.web.tree import Tree
from tests.web.stage import KINDS, NOW, Client, client, move, write

ON = "compat_links = true"
SEGMENT, PICTURE, THUMBNAIL, METADATA = (KINDS[kind].format(12) for kind in KINDS)
# Kind, name, and the path that the old layout has for it below the device.
OLD = {
    "segments": (SEGMENT, SEGMENT),
    "captures": (PICTURE, f"captures/{PICTURE}"),
    "thumbnails": (THUMBNAIL, f"captures/{THUMBNAIL}"),
    "metadata": (METADATA, f"captures/{METADATA}"),
}
BASE = "/host/stream/capture1"
LIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:1.0,\n{}\n"


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before


@pytest.fixture
def device(root: Path) -> Path:
    return root / "capture1"


@pytest.fixture
def asked(root: Path) -> Client:
    return client(root, ON)


def live(path: Path, mtime: float, name: str = SEGMENT, target: int = 1, end: str = "") -> bytes:
    text = (LIST.format(target, name) + end).encode()
    write(path / "output.m3u8", mtime, text)
    return text


@pytest.mark.parametrize("kind", OLD)
@pytest.mark.parametrize("where", ["old", "hot", "0", "13", "14", "23"])
async def test_an_old_path_is_answered_whichever_layout_has_the_file(
    device: Path, asked: Client, kind: str, where: str
) -> None:
    name, path = OLD[kind]
    place = {"old": device / path, "hot": device / kind / name}.get(where, device / kind / where / name)
    write(place, NOW - 5, b"it")
    found = await asked.ask(f"{BASE}/{path}")
    assert (found.status, found.body) == (200, b"it")
    # Numbers may begin anew in either layout: the path may mean another file one day.
    assert found.headers["cache-control"] == "no-cache"
    assert found.headers["content-type"] == {"segments": "video/mp2t", "metadata": "application/json"}.get(
        kind, "image/jpeg"
    )


@pytest.mark.parametrize("kind", ["segments", "thumbnails", "metadata"])
async def test_a_new_path_finds_what_is_still_in_its_old_place(device: Path, asked: Client, kind: str) -> None:
    name, path = OLD[kind]
    url = f"{BASE}/{kind}/{name}"
    assert (await asked.ask(url)).status == 404
    old = write(device / path, NOW - 5, b"old")
    found = await asked.ask(url)
    assert (found.status, found.body, found.headers["cache-control"]) == (200, b"old", "no-cache")
    move(old, device / kind)
    found = await asked.ask(url)
    assert (found.body, found.headers["cache-control"]) == (b"old", "max-age=86400, immutable")
    # What was answered before stays: the new layout's own comes first.
    write(device / path, NOW, b"newer, and old")
    assert (await asked.ask(url)).body == b"old"
    hour = await asked.ask(f"{BASE}/{kind}/14/{name}")
    assert hour.status == 404


@pytest.mark.parametrize("text", ["", "compat_links = false"])
async def test_without_the_key_everything_is_as_it_was(root: Path, device: Path, text: str) -> None:
    live(device, NOW)
    for _name, path in OLD.values():
        write(device / path, NOW, b"old")
    write(device / "segments" / SEGMENT, NOW, b"hot")
    asked = client(root, text)
    statuses = {path: (await asked.ask(f"{BASE}/{path}")).status for _name, path in OLD.values()}
    assert statuses == {path: 200 if path == f"captures/{PICTURE}" else 404 for path in statuses}
    for path in ("output.m3u8", f"thumbnails/{THUMBNAIL}", f"metadata/{METADATA}"):
        assert (await asked.ask(f"{BASE}/{path}")).json() == {
            "error": "not found" if path == "output.m3u8" else "no such file"
        }
    lasting = await asked.ask(f"{BASE}/captures/{PICTURE}")
    assert lasting.headers["cache-control"] == "max-age=86400, immutable"
    assert "/host/stream/{device}/{name}" not in (await asked.json("/openapi.json"))["paths"]
    assert "/host/stream/{device}/{name}" in (await client(root, ON).json("/openapi.json"))["paths"]


@pytest.mark.parametrize("kind", OLD)
async def test_the_newest_of_a_name_and_its_revisions_is_meant(device: Path, asked: Client, kind: str) -> None:
    name, path = OLD[kind]
    revised = name.replace("000000012", "000000012_r1")
    again = name.replace("000000012", "000000012_r2")
    url = f"{BASE}/{path}"
    write(device / kind / "9" / name, NOW - 5 * 3600, b"of the morning")
    assert (await asked.ask(url)).body == b"of the morning"
    write(device / kind / "14" / name, NOW - 900, b"of this hour")
    assert (await asked.ask(url)).body == b"of this hour"
    write(device / kind / "14" / revised, NOW - 800, b"its name was taken")
    write(device / kind / "14" / again, NOW - 850, b"but older")
    assert (await asked.ask(url)).body == b"its name was taken"
    # A revision by its own name is that revision.
    assert (await asked.ask(url.replace(name, again))).body == b"but older"
    (device / kind / "14" / name).unlink()
    assert (await asked.ask(url)).body == b"its name was taken"
    if kind != "captures":  # whose old place is its hot folder
        write(device / path, NOW - 1000, b"left behind")
        assert (await asked.ask(url)).body == b"its name was taken"
        write(device / path, NOW - 100, b"of the old writer")
        assert (await asked.ask(url)).body == b"of the old writer"
    write(device / kind / name, NOW - 50, b"hot")
    assert (await asked.ask(url)).body == b"hot"


async def test_while_the_old_writer_is_at_work_its_segment_is_meant_and_then_the_newest(
    device: Path, asked: Client
) -> None:
    write(device / SEGMENT, NOW - 20, b"old")
    write(device / "segments" / SEGMENT, NOW, b"new")
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"new"
    live(device, NOW - 1)
    live(device / "segments", NOW)
    # A player of the old list would otherwise get pieces of two streams.
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"old"
    # Its list may have moved on since it was read.
    live(device, NOW - 1, "segment_000000099.ts")
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"old"
    moved = move(device / SEGMENT, device / "segments" / "14")
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"new"
    moved.rename(device / SEGMENT)
    live(device, NOW - 1, end="#EXT-X-ENDLIST\n")
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"new"


def a_list(age: float, target: int = 1, end: str = "", folder: str = "") -> LiveList:
    return LiveList(folder, (LIST.format(target, SEGMENT) + end).encode(), NOW - age)


@pytest.mark.parametrize(
    ("old", "new", "in_force"),
    [
        (None, None, None),
        (a_list(999), None, ""),
        (None, a_list(0, folder="segments"), "segments"),
        # Both write; which of the two has written last says nothing.
        (a_list(0.5), a_list(0, folder="segments"), ""),
        (a_list(0), a_list(0.5, folder="segments"), ""),
        (a_list(3), a_list(0, folder="segments"), ""),
        (a_list(3.1), a_list(0, folder="segments"), "segments"),
        # Its segments are long, and it has so much time.
        (a_list(9, target=6), a_list(0, folder="segments"), ""),
        (a_list(9.1, target=6), a_list(0, folder="segments"), "segments"),
        # Ended, emptied by a kill, torn.
        (a_list(0, end="#EXT-X-ENDLIST\n"), a_list(0, folder="segments"), "segments"),
        (LiveList("", b"", NOW), a_list(0, folder="segments"), "segments"),
        (LiveList("", b"#EXTM3U\n#EXTINF", NOW), a_list(0, folder="segments"), "segments"),
        (LiveList("", b"", NOW - 99), LiveList("segments", b"", NOW), ""),
        (a_list(99), LiveList("segments", b"", NOW), ""),
        (a_list(999), a_list(990, folder="segments"), "segments"),
        (a_list(99), a_list(100, folder="segments"), ""),
    ],
)
def test_whose_list_is_in_force(old: LiveList | None, new: LiveList | None, in_force: str | None) -> None:
    found = in_force_first(old, new, 3.0)
    assert [one.folder for one in found[:1]] == ([] if in_force is None else [in_force])
    assert len(found) == (old is not None) + (new is not None)


async def test_the_live_playlist_is_that_of_whoever_writes(root: Path, device: Path, asked: Client) -> None:
    url = f"{BASE}/output.m3u8"
    assert (await asked.ask(url)).json() == {"error": "no such file"}
    new = live(device / "segments", NOW, "segment_000000099.ts")
    assert (await asked.ask(url)).body == new
    old = live(device, NOW - 2)
    found = await asked.ask(url)
    assert (found.status, found.body) == (200, old)
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["content-type"] == "application/vnd.apple.mpegurl"
    head = await asked.ask(url, method="HEAD")
    assert (head.status, head.headers) == (200, found.headers)
    live(device, NOW - 4)
    assert (await asked.ask(url)).body == new
    assert (await client(root, f'{ON}\n[web]\nstale_after = "5s"').ask(url)).body == old
    write(device / "segments" / "output.m3u8", NOW, b"")
    assert (await asked.ask(url)).body == old


async def test_a_playlist_that_is_being_written_in_place_is_read_again(
    device: Path, asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(device / "output.m3u8", NOW, b"")
    new = live(device / "segments", NOW)
    written: list[bytes] = []
    monkeypatch.setattr("hotcold_inotify.web.oldpaths.time.sleep", lambda _seconds: written.append(live(device, NOW)))
    found = await asked.ask(f"{BASE}/output.m3u8")
    assert written == [found.body]
    # One that was left empty is not waited for.
    write(device / "output.m3u8", NOW - 2, b"")
    assert (await asked.ask(f"{BASE}/output.m3u8")).body == new
    assert len(written) == 1


@pytest.mark.parametrize(
    "way", [("old", "hot", "14"), ("old", "14"), ("14", "old"), ("hot", "old")], ids=["on", "at once", "back", "undone"]
)
async def test_a_path_never_misses_a_file_that_moves(device: Path, asked: Client, way: tuple[str, ...]) -> None:
    """Whichever layout's path is asked for."""
    places = {"old": device / "captures", "hot": device / "thumbnails", "14": device / "thumbnails" / "14"}
    names = [KINDS["thumbnails"].format(number) for number in range(100)]
    for place in places.values():
        place.mkdir(parents=True)
    for name in names:
        write(places[way[0]] / name)
    under_way = 0

    def move_on() -> None:
        nonlocal under_way
        for under_way, name in enumerate(names):  # noqa: B007 (whoever asks reads it)
            for here, there in itertools.pairwise(way):
                (places[here] / name).rename(places[there] / name)
                time.sleep(0.001)  # as long as an answer takes

    mover = threading.Thread(target=move_on)
    mover.start()
    statuses = Counter[int]()
    while mover.is_alive():
        for folder in ("captures", "thumbnails"):
            statuses[(await asked.ask(f"{BASE}/{folder}/{names[under_way]}")).status] += 1
    mover.join()
    assert set(statuses) == {200}
    assert statuses[200] > 30


@pytest.mark.parametrize(
    "path",
    [
        "segment_000000012.ts.tmp",
        ".hotcold-migration",
        "notes.txt",
        "archive.m3u8",
        "output.m3u8.tmp",
        "capture_000000012.jpg",
        "capture_000000012_thumbnail.jpg",
        "captures/segment_000000012.ts",
        "captures/output.m3u8",
        "captures/14/capture_000000012_thumbnail.jpg",
        "segments/14/output.m3u8",
        "segment_000000012.ts/",
        "..",
        ".",
        "../capture1/segment_000000012.ts",
        "..\x00",
        "segment_000000012.ts\x00",
        "captures/../segment_000000012.ts",
        "captures/..",
        "segment_" + "1" * 300 + ".ts",
    ],
)
async def test_what_is_no_managed_file_is_not_there(device: Path, asked: Client, path: str) -> None:
    for name in (
        "segment_000000012.ts.tmp",
        ".hotcold-migration",
        "notes.txt",
        "archive.m3u8",
        "output.m3u8.tmp",
        "capture_000000012.jpg",
        "capture_000000012_thumbnail.jpg",
        "captures/segment_000000012.ts",
        "captures/output.m3u8",
        "captures/14/capture_000000012_thumbnail.jpg",
        "segments/14/output.m3u8",
        "segment_000000012.ts",
    ):
        write(device / name)
    found = await asked.ask(f"{BASE}/{path}")
    assert found.status in (404, 422), found
    assert list(found.json()) == ["error"]


@pytest.mark.parametrize("kind", OLD)
async def test_no_link_leads_out_of_the_device(device: Path, asked: Client, tmp_path: Path, kind: str) -> None:
    name, path = OLD[kind]
    secret = write(tmp_path / name, NOW, b"secret")
    write(tmp_path / "folder" / name, NOW, b"secret")
    live(tmp_path / "folder", NOW)
    (device / path).parent.mkdir(exist_ok=True)
    (device / path).symlink_to(secret)
    (device / "output.m3u8").symlink_to(tmp_path / "folder" / "output.m3u8")
    if kind != "captures":
        (device / kind).symlink_to(tmp_path / "folder")
    for one in (path, f"{kind}/{name}", "output.m3u8"):
        assert (await asked.ask(f"{BASE}/{one}")).status == 404
    (device / path).unlink()
    (device / path).mkdir()  # a folder has its name
    os.mkfifo(device / SEGMENT.replace("12", "13"))
    assert (await asked.ask(f"{BASE}/{path}")).status == 404
    assert (await asked.ask(f"{BASE}/{SEGMENT.replace('12', '13')}")).status == 404
    if kind in ("thumbnails", "metadata"):
        (device / path).rmdir()
        (device / "captures").rmdir()
        (device / "captures").symlink_to(tmp_path / "folder")
        assert (await asked.ask(f"{BASE}/{path}")).status == 404


async def test_old_paths_are_sent_as_other_files_are(device: Path, asked: Client) -> None:
    text = bytes(range(256)) * 1024
    write(device / SEGMENT, NOW - 5, text)
    url = f"{BASE}/{SEGMENT}"
    whole = await asked.ask(url)
    assert (whole.body, whole.headers["accept-ranges"]) == (text, "bytes")
    head = await asked.ask(url, method="HEAD")
    assert (head.status, head.headers, head.body) == (200, whole.headers, b"")
    part = await asked.ask(url, headers={"range": "bytes=65000-66000"})
    assert (part.status, part.body) == (206, text[65000:66001])
    assert (await asked.ask(url, headers={"range": "bytes=262144-"})).status == 416
    for name, value in (
        ("if-none-match", whole.headers["etag"]),
        ("if-modified-since", "Mon, 23 Nov 2026 14:29:55 GMT"),
    ):
        known = await asked.ask(url, headers={name: value})
        assert (known.status, known.body) == (304, b"")
    (device / "segments").mkdir()
    move(device / SEGMENT, device / "segments" / "14")
    # The same file, elsewhere.
    assert (await asked.ask(url, headers={"if-none-match": whole.headers["etag"]})).status == 304
    write(device / SEGMENT, NOW - 1, text)
    assert (await asked.ask(url, headers={"if-none-match": whole.headers["etag"]})).status == 200
    assert (await asked.ask(url, method="POST")).status == 405


async def test_a_token_is_asked_for_and_other_names_are_refused(root: Path, device: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n", "ascii")
    write(device / SEGMENT)
    live(device, NOW)
    asked = client(root, f'{ON}\n[web]\ntoken_file = "{tmp_path}/token"')
    known = {"authorization": "Bearer 0123456789abcdef"}
    for path in (SEGMENT, "output.m3u8"):
        url = f"{BASE}/{path}"
        assert (await asked.ask(url)).status == 401
        assert (await asked.ask(url, headers=known)).status == 200
        assert (await asked.ask(url, headers=known | {"host": "rebound.example"})).status == 421
    assert (await asked.ask("/host/stream/nobody/output.m3u8", headers=known)).status == 404


async def test_hours_on_another_disk_and_kinds_of_ones_own_have_old_paths_too(
    root: Path, device: Path, tmp_path: Path
) -> None:
    text = f'{ON}\ncold_root = "{tmp_path}/cold"\n[kinds.sound]\npattern = "tone_*.wav"\n'
    asked = client(root, text)
    write(tmp_path / "cold" / "capture1" / "segments" / "3" / SEGMENT, NOW, b"cold")
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"cold"
    write(tmp_path / "cold" / "capture1" / "sound" / "3" / "tone_1.wav", NOW, b"a tone")
    assert (await asked.ask(f"{BASE}/captures/tone_1.wav")).body == b"a tone"
    write(device / "captures" / "tone_2.wav", NOW, b"another")
    assert (await asked.ask(f"{BASE}/sound/tone_2.wav")).body == b"another"


async def test_a_folder_that_fails_costs_an_answer_and_no_descriptor(
    device: Path, asked: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(device / SEGMENT, NOW, b"old")
    real = Tree.beneath

    def failing(self: Tree, path: str, below: str) -> object:
        if below == f"segments/9/{SEGMENT}":
            raise OSError(5, "Input/output error", "/secret/place")
        return real(self, path, below)

    monkeypatch.setattr(Tree, "beneath", failing)
    found = await asked.ask(f"{BASE}/{SEGMENT}", fails=True)
    assert (found.status, found.json()) == (500, {"error": "the server failed; its log says why"})
    # What a player of the old list asks for is not looked for in the hours.
    live(device, NOW)
    assert (await asked.ask(f"{BASE}/{SEGMENT}")).body == b"old"
