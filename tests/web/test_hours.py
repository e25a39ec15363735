import os
import random
from datetime import datetime
from pathlib import Path

import pytest

from hotcold_inotify.web.moments import parse_moment
from tests.web.stage import KINDS, NOW, Client, client, write

DAY = 86_400
HOUR = 3_600
START_14 = NOW - 1_800


def listed(found: dict[str, list[dict[str, str]]]) -> list[str]:
    return [file["url"].removeprefix("/host/stream/capture1/") for file in found["files"]]


@pytest.mark.parametrize("kind", ["thumbnails", "metadata", "captures", "segments"])
async def test_an_hour_is_listed_by_time_with_the_hot_files_that_belong_to_it(root: Path, kind: str) -> None:
    name = KINDS[kind].format
    folder = root / "capture1" / kind
    write(folder / "14" / name(12), START_14 + 2)
    write(folder / "14" / name(11), START_14 + 3)
    write(folder / name(13), NOW)
    write(folder / name(10), START_14 - 1)  # still hot, of the hour before
    write(folder / "14" / "notes.txt")
    found = await client(root, 'timezone = "UTC"').json(f"/api/host/{kind}/capture1/14")
    assert found == {
        "device": "capture1",
        "kind": kind,
        "hour": 14,
        "count": 3,
        "start": "2026-11-23T14:00:00.000+00:00",
        "end": "2026-11-23T15:00:00.000+00:00",
        "files": [
            {"url": f"/host/stream/capture1/{kind}/14/{name(12)}", "time": "2026-11-23T14:00:02.000+00:00"},
            {"url": f"/host/stream/capture1/{kind}/14/{name(11)}", "time": "2026-11-23T14:00:03.000+00:00"},
            {"url": f"/host/stream/capture1/{kind}/{name(13)}", "time": "2026-11-23T14:30:00.000+00:00"},
        ],
    }


@pytest.mark.parametrize(
    ("hour", "start"), [(0, "2026-11-23T00"), (14, "2026-11-23T14"), (15, "2026-11-22T15"), (23, "2026-11-22T23")]
)
async def test_an_empty_hour_has_no_files_and_is_the_latest_of_its_number(root: Path, hour: int, start: str) -> None:
    found = await client(root, 'timezone = "UTC"').json(f"/api/host/captures/capture1/{hour}")
    assert (found["count"], found["files"]) == (0, [])
    assert found["start"] == f"{start}:00:00.000+00:00"


@pytest.mark.parametrize("hour", ["24", "-1", "x", "1.5", "", "99999999999999999999"])
async def test_an_hour_is_a_number_from_0_to_23(root: Path, hour: str) -> None:
    found = await client(root).ask(f"/api/host/captures/capture1/{hour}")
    assert found.status == (422 if hour else 404)
    assert list(found.json()) == ["error"]


@pytest.mark.parametrize("path", ["captures/capture2/14", "pictures/capture1/14", "archive/capture1/14"])
async def test_an_unknown_device_or_kind_has_no_hours(root: Path, path: str) -> None:
    assert (await client(root).ask(f"/api/host/{path}")).status == 404


async def test_what_is_left_of_yesterday_is_yesterdays(root: Path) -> None:
    folder = root / "capture1" / "captures"
    write(folder / "14" / "capture_1.jpg", NOW - DAY)
    found = await client(root, 'timezone = "UTC"').json("/api/host/captures/capture1/14")
    assert (found["count"], found["start"]) == (1, "2026-11-22T14:00:00.000+00:00")
    write(folder / "capture_2.jpg", NOW)
    found = await client(root, 'timezone = "UTC"').json("/api/host/captures/capture1/14")
    assert listed(found) == ["captures/capture_2.jpg"]
    assert found["start"] == "2026-11-23T14:00:00.000+00:00"


@pytest.mark.parametrize(
    ("now", "hour", "start", "end"),
    [
        # 2026-10-25, Zurich: 02:00 to 03:00 comes twice.
        ("2026-10-25T12:00:00Z", 2, "2026-10-25T02:00:00.000+02:00", "2026-10-25T03:00:00.000+01:00"),
        ("2026-10-25T12:00:00Z", 1, "2026-10-25T01:00:00.000+02:00", "2026-10-25T02:00:00.000+02:00"),
        # 2026-03-29: it does not come at all.
        ("2026-03-29T12:00:00Z", 2, "2026-03-28T02:00:00.000+01:00", "2026-03-28T03:00:00.000+01:00"),
        ("2026-03-29T12:00:00Z", 3, "2026-03-29T03:00:00.000+02:00", "2026-03-29T04:00:00.000+02:00"),
        ("2026-03-29T12:00:00Z", 1, "2026-03-29T01:00:00.000+01:00", "2026-03-29T03:00:00.000+02:00"),
    ],
)
async def test_the_ends_of_an_hour_are_the_zones(root: Path, now: str, hour: int, start: str, end: str) -> None:
    asked = client(root, 'timezone = "Europe/Zurich"', now=datetime.fromisoformat(now).timestamp())
    found = await asked.json(f"/api/host/captures/capture1/{hour}")
    assert (found["start"], found["end"]) == (start, end)


async def test_both_passes_of_an_autumn_hour_are_one_list(root: Path) -> None:
    first = datetime.fromisoformat("2026-10-25T00:30:00Z").timestamp()
    folder = root / "capture1" / "captures" / "2"
    write(folder / "capture_1.jpg", first)
    write(folder / "capture_2.jpg", first + HOUR)
    found = await client(root, 'timezone = "Europe/Zurich"', now=first + 2 * HOUR).json("/api/host/captures/capture1/2")
    times = [file["time"] for file in found["files"]]
    assert times == ["2026-10-25T02:30:00.000+02:00", "2026-10-25T02:30:00.000+01:00"]


async def test_a_link_and_a_folder_of_a_files_name_are_not_listed(root: Path, tmp_path: Path) -> None:
    folder = root / "capture1" / "captures" / "14"
    write(folder / "capture_1.jpg")
    (folder / "capture_2.jpg").symlink_to(write(tmp_path / "elsewhere.jpg"))
    (folder / "capture_3.jpg").mkdir()
    os.mkfifo(folder / "capture_4.jpg")
    assert (await client(root, 'timezone = "UTC"').json("/api/host/captures/capture1/14"))["count"] == 1


def _plain(folder: Path, chance: random.Random) -> None:
    for number in range(3_000):
        write(folder / KINDS["thumbnails"].format(number), START_14 + number / 5 + chance.uniform(-0.02, 0.02), b"")


def _pauses(folder: Path, chance: random.Random) -> None:
    at = START_14
    for number in range(3_000):
        at += 0.2 + (chance.uniform(0.5, 60) if chance.random() < 0.01 else 0)
        late = chance.uniform(-0.03, 0.03)
        write(folder / KINDS["thumbnails"].format(number), min(at + late, START_14 + 3_599), b"")


def _restart(folder: Path, _chance: random.Random) -> None:
    for number in [*range(5_000, 6_500), *range(1_500)]:
        write(
            folder / KINDS["thumbnails"].format(number),
            START_14 + (number - 5_000 if number >= 5_000 else number + 2_000) / 5,
            b"",
        )


def _missing(folder: Path, chance: random.Random) -> None:
    for number in range(4_000):
        if chance.random() > 0.1 and not 2_000 < number < 2_300:
            write(folder / KINDS["thumbnails"].format(number), START_14 + number / 5, b"")


def _revisions(folder: Path, chance: random.Random) -> None:
    for number in range(1_500):
        write(folder / KINDS["thumbnails"].format(number), START_14 + number / 5, b"")
        if chance.random() < 0.3:
            name = f"capture_{number:09}_r1_thumbnail.jpg"
            write(folder / name, START_14 + 1_000 + number / 5, b"")


def _burst(folder: Path, chance: random.Random) -> None:
    # A disk that was full for a while: pictures come late and then all at once.
    for number in range(3_000):
        at = number / 5 if not 1_000 < number < 1_300 else 260 + chance.random() / 100
        write(folder / KINDS["thumbnails"].format(number), START_14 + at, b"")


def _slower(folder: Path, _chance: random.Random) -> None:
    # The rate changes in the middle.
    for number in range(3_000):
        at = number / 5 if number < 1_500 else 300 + (number - 1_500) / 2
        write(folder / KINDS["thumbnails"].format(number), START_14 + at, b"")


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("made", [_plain, _pauses, _restart, _missing, _revisions, _burst, _slower])
async def test_the_times_of_a_large_hour_are_right_to_a_tenth_of_a_second(root: Path, made: object, seed: int) -> None:
    folder = root / "capture1" / "thumbnails" / "14"
    assert callable(made)
    made(folder, random.Random(seed))
    found = await large(client(root, 'timezone = "UTC"'))
    actual = {entry.name: entry.stat().st_mtime for entry in os.scandir(folder)}
    assert found.keys() == actual.keys()
    off = {name: found[name] - at for name, at in actual.items()}
    assert max(map(abs, off.values())) <= 0.1011  # to the millisecond of the text
    assert list(found.values()) == sorted(found.values())


async def large(asked: Client) -> dict[str, float]:
    found = await asked.json("/api/host/thumbnails/capture1/14")
    assert found["count"] == len(found["files"])
    return {file["url"].rpartition("/")[2]: parse_moment(file["time"]) for file in found["files"]}
