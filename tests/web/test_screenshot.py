import os
from pathlib import Path

import pytest

from tests.web.stage import JPEG, NOW, client, write

URL = "/api/host/screenshot/capture1"


@pytest.fixture
def captures(root: Path) -> Path:
    return root / "capture1" / "captures"


async def test_the_newest_picture_is_sent_as_it_is_with_its_age_and_its_lasting_address(
    root: Path, captures: Path
) -> None:
    write(captures / "capture_000000011.jpg", NOW - 2)
    write(captures / "capture_000000012.jpg", NOW - 1, JPEG + b" or more \xff\xd9")
    found = await client(root).ask(URL)
    assert found.status == 200
    assert found.body == JPEG + b" or more \xff\xd9"
    assert found.headers["content-type"] == "image/jpeg"
    assert found.headers["content-length"] == str(len(found.body))
    assert found.headers["content-location"] == "/host/stream/capture1/captures/capture_000000012.jpg"
    assert found.headers["x-capture-age"] == "1.000"
    assert found.headers["last-modified"] == "Mon, 23 Nov 2026 14:29:59 GMT"
    assert found.headers["etag"].startswith('"')
    assert found.headers["cache-control"] == "no-cache"
    assert found.headers["vary"] == "Accept"
    assert (await client(root).ask(found.headers["content-location"])).body == found.body


@pytest.mark.parametrize("torn", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8 half", b"no picture \xff\xd9"])
async def test_a_half_written_picture_is_passed_over(root: Path, captures: Path, torn: bytes) -> None:
    write(captures / "capture_11.jpg", NOW - 1)
    write(captures / "capture_12.jpg", NOW, torn)
    found = await client(root).ask(URL)
    assert (found.status, found.body) == (200, JPEG)
    assert found.headers["content-location"].endswith("/capture_11.jpg")


async def test_with_nothing_but_half_written_pictures_there_is_none(root: Path, captures: Path) -> None:
    for number in range(12):
        write(captures / f"capture_{number}.jpg", NOW, b"\xff\xd8")
    found = await client(root).ask(URL)
    assert found.status == 503
    assert found.json() == {"error": "capture1 has no picture", "age": None}


async def test_the_newest_is_the_newest_by_time_and_not_by_number(root: Path, captures: Path) -> None:
    write(captures / "capture_999.jpg", NOW - 2)
    write(captures / "capture_3.jpg", NOW - 1)
    assert (await client(root).ask(URL)).headers["content-location"].endswith("/capture_3.jpg")


async def test_who_accepts_json_learns_where_it_is(root: Path, captures: Path) -> None:
    write(captures / "capture_12.jpg", NOW - 0.25)
    found = await client(root, 'timezone = "Europe/Zurich"').ask(URL, headers={"accept": "application/json"})
    assert found.json() == {
        "device": "capture1",
        "path": "capture1/captures/capture_12.jpg",
        "url": "/host/stream/capture1/captures/capture_12.jpg",
        "time": "2026-11-23T15:29:59.750+01:00",
        "age": 0.25,
    }
    assert found.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", ["*/*", "image/jpeg", "image/webp,*/*;q=0.8", "application/json, image/*"])
async def test_who_accepts_a_picture_gets_it(root: Path, captures: Path, accept: str) -> None:
    write(captures / "capture_12.jpg")
    assert (await client(root).ask(URL, headers={"accept": accept})).body == JPEG


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
async def test_an_old_picture_is_none_and_its_age_is_said(root: Path, captures: Path, accept: str) -> None:
    write(captures / "capture_12.jpg", NOW - 7.5)
    found = await client(root).ask(URL, headers={"accept": accept})
    assert found.status == 503
    assert found.json() == {"error": "capture1 has stopped: its newest picture is 7.5 s old", "age": 7.5}


async def test_a_picture_of_the_future_is_as_new_as_can_be(root: Path, captures: Path) -> None:
    write(captures / "capture_12.jpg", NOW + 900)
    found = await client(root).ask(URL)
    assert (found.status, found.headers["x-capture-age"]) == (200, "0.000")


async def test_a_picture_that_the_client_has_is_not_sent_again(root: Path, captures: Path) -> None:
    write(captures / "capture_12.jpg", NOW - 1)
    asked = client(root)
    tag = (await asked.ask(URL)).headers["etag"]
    found = await asked.ask(URL, headers={"if-none-match": f'"other", W/{tag}'})
    assert (found.status, found.body, found.headers["etag"]) == (304, b"", tag)
    write(captures / "capture_13.jpg", NOW)
    assert (await asked.ask(URL, headers={"if-none-match": tag})).status == 200


@pytest.mark.parametrize("name", ["capture2", "captures", "..", "capture*", "Capture1", " capture1"])
async def test_an_unknown_device_has_no_picture(root: Path, captures: Path, name: str) -> None:
    write(captures / "capture_12.jpg")
    found = await client(root).ask(f"/api/host/screenshot/{name}")
    assert (found.status, found.json()) == (404, {"error": "no such device"})


async def test_a_picture_that_is_a_link_is_none(root: Path, captures: Path, tmp_path: Path) -> None:
    write(captures / "capture_11.jpg", NOW - 1)
    (captures / "capture_12.jpg").symlink_to(write(tmp_path / "elsewhere.jpg", NOW, JPEG + JPEG))
    assert (await client(root).ask(URL)).body == JPEG


async def test_a_disk_that_fails_is_told_without_a_path(
    root: Path, captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(captures / "capture_12.jpg")
    before = set(os.listdir("/proc/self/fd"))

    def failing(*_args: object) -> bytes:
        raise OSError(5, "Input/output error", str(captures))

    monkeypatch.setattr("hotcold_inotify.web.pictures.os.pread", failing)
    found = await client(root).ask(URL, fails=True)
    monkeypatch.undo()
    assert (found.status, found.json()) == (500, {"error": "the server failed; its log says why"})
    assert set(os.listdir("/proc/self/fd")) == before
