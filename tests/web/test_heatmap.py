import json
import os
import random
import shutil
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hotcold_inotify.web.moments import parse_moment
from tests.web.stage import KINDS, NOW, client, write

DAY = 86_400
MINUTE = 60
URL = "/api/host/heatmap/capture1"
ZURICH = 'timezone = "Europe/Zurich"'


@pytest.fixture(params=["disk", "tmpfs"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A device's folder; its parent is the root."""
    top = tmp_path if request.param == "disk" else Path(f"/dev/shm/hotcold-test-{os.getpid()}")
    made = top / "stream" / "capture1"
    made.mkdir(parents=True)
    yield made
    if request.param == "tmpfs":
        shutil.rmtree(top)


def naive(device: Path, kind: str, zone: tzinfo, start: float) -> list[tuple[range, str | None]]:
    """How many files each minute may be said to have, and its first, by a look at every file of the day.

    Numbers that are missing may be counted: to know of them takes a look at every name.
    """
    found: list[list[tuple[float, str, int]]] = [[] for _ in range(1440)]
    prefix, suffix = KINDS[kind].split("{:09}")
    hot = device / kind
    for folder in [hot, *(hot / str(hour) for hour in range(24))]:
        if not folder.is_dir():
            continue
        for entry in os.scandir(folder):
            if not entry.name.startswith(prefix) or not entry.name.endswith(suffix) or not entry.is_file():
                continue
            at = entry.stat().st_mtime
            hour = datetime.fromtimestamp(at, zone).hour
            minute = int((at - start) // MINUTE)
            if 0 <= minute < 1440 and folder in (hot, hot / str(hour)):
                url = f"/host/stream/capture1/{folder.relative_to(device)}/{entry.name}"
                found[minute].append((at, url, int(entry.name.split("_")[1])))
    return [_minute(sorted(files)) for files in found]


def _minute(files: list[tuple[float, str, int]]) -> tuple[range, str | None]:
    if not files:
        return range(1), None
    numbers = [number for _, _, number in files]
    return range(len(files), max(len(files), max(numbers) - min(numbers) + 1) + 1), files[0][1]


def wrong(expected: list[tuple[range, str | None]], found: Any) -> list[object]:
    shown = [(minute["files"], minute["thumbnail"], minute["state"] == "files") for minute in found["minutes"]]
    return [
        (number, counts, first, said)
        for number, ((counts, first), said) in enumerate(zip(expected, shown, strict=True))
        if said[0] not in counts or said[1:] != (first, first is not None)
    ]


def flow(chance: random.Random, start: float, end: float) -> Iterator[tuple[float, str]]:
    """Thumbnails as an encoder of moods makes them: time, and what stands for the number in the name."""
    at = start + chance.uniform(0, 4_000)
    number = chance.choice([0, 0, 700, 99_900])
    step = chance.choice([1.0, 2.0])
    # Dense hours are what is hard; the others are there to be told from them.
    dense = {int(start // 3_600) + ahead for ahead in chance.sample(range(25), 5)}
    while at < end:
        yield at, f"{number:09}"
        number += 1
        at += step * (1 if int(at // 3_600) in dense else 40) + chance.uniform(-0.1, 0.1)
        dice = chance.random()
        if dice < 0.001:
            at += chance.choice([30, 90, 700, 9_000])  # nothing comes
        elif dice < 0.0016:
            number = chance.choice([0, 0, number + 5_000])  # started again
        elif dice < 0.002:
            number += chance.choice([1, 2, 60])  # some are missing


def made(device: Path, chance: random.Random, zone: tzinfo, now: float) -> None:
    files = list(flow(chance, now - DAY - 600, now - 0.5))
    folder = device / "thumbnails"
    for hour in range(24):
        (folder / str(hour)).mkdir(parents=True)
    for place, (at, number) in enumerate(files):
        home = folder
        if place < len(files) - 100:
            # What the new day has begun to fill holds nothing of the old one.
            if (
                at < now - DAY + 3_600
                and datetime.fromtimestamp(at, zone).hour == datetime.fromtimestamp(now, zone).hour
            ):
                continue
            home = folder / str(datetime.fromtimestamp(at, zone).hour)
        name, revision = f"capture_{number}_thumbnail.jpg", 0
        while (home / name).exists():
            revision += 1
            name = f"capture_{number}_r{revision}_thumbnail.jpg"
        write(home / name, at, b"")


@pytest.mark.parametrize("seed", range(4))
async def test_the_heatmap_is_what_a_look_at_every_file_gives(device: Path, seed: int) -> None:
    zone = ZoneInfo("Europe/Zurich")
    made(device, random.Random(seed), zone, NOW)
    found = await client(device.parent, ZURICH).json(URL)
    start = parse_moment(found["start"])
    assert wrong(naive(device, "thumbnails", zone, start), found) == []


@pytest.mark.parametrize(
    "now",
    [
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T20:30:00Z",
        "2026-03-29T00:30:00Z",
        "2026-03-29T20:30:00Z",
    ],
)
async def test_a_day_with_a_change_of_the_clock_has_1440_minutes_too(root: Path, now: str) -> None:
    zone = ZoneInfo("Europe/Zurich")
    instant = datetime.fromisoformat(now).timestamp()
    device = root / "capture1"
    for ago in range(0, DAY, 450):
        at = instant - ago
        hour = datetime.fromtimestamp(at, zone).hour
        write(device / "thumbnails" / str(hour) / KINDS["thumbnails"].format(100_000 - ago), at, b"")
    found = await client(root, ZURICH, now=instant).json(URL)
    times = [parse_moment(minute["time"]) for minute in found["minutes"]]
    assert times == [times[0] + MINUTE * number for number in range(1440)]
    assert parse_moment(found["end"]) - times[0] == DAY
    # The hour that comes twice is one of two hours.
    assert parse_moment(found["end"]) > instant >= parse_moment(found["end"]) - 7_200
    assert all(first is None or counts[0] == 1 for counts, first in naive(device, "thumbnails", zone, times[0]))
    assert wrong(naive(device, "thumbnails", zone, times[0]), found) == []


async def test_a_minute_is_files_or_a_gap_or_still_to_come(root: Path) -> None:
    folder = root / "capture1" / "thumbnails"
    write(folder / "14" / KINDS["thumbnails"].format(1), NOW - 120)
    write(folder / KINDS["thumbnails"].format(2), NOW - 60)
    found = await client(root, 'timezone = "UTC"').json(URL)
    states = [minute["state"] for minute in found["minutes"]]
    assert (found["start"], found["end"]) == ("2026-11-22T15:00:00.000+00:00", "2026-11-23T15:00:00.000+00:00")
    # 14:30 is the running minute.
    assert states == ["gap"] * 1408 + ["files"] * 2 + ["future"] * 30
    urls = [minute["thumbnail"] for minute in found["minutes"] if minute["thumbnail"]]
    assert urls == [
        "/host/stream/capture1/thumbnails/14/capture_000000001_thumbnail.jpg",
        "/host/stream/capture1/thumbnails/capture_000000002_thumbnail.jpg",
    ]


async def test_without_thumbnails_the_segments_are_counted(root: Path) -> None:
    write(root / "capture1" / "segments" / KINDS["segments"].format(1), NOW - 60)
    text = 'timezone = "UTC"\n[kinds.thumbnails]\npattern = "nothing_*.png"'
    assert not any(minute["files"] for minute in (await client(root, text).json(URL))["minutes"])


def document(**said: Any) -> bytes:
    return json.dumps(said).encode()


def event(start: float, length: float) -> dict[str, object]:
    return {"start": datetime.fromtimestamp(start, ZoneInfo("UTC")).isoformat(), "length": length}


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        (document(blackscreen=False, freeze=False, audio=True), []),
        (document(blackscreen=True, freeze=False, audio=True), ["black"]),
        (document(blackscreen=True, freeze=True, audio=False), ["black", "frozen", "silent"]),
        (document(audio=None), []),
        (document(blackscreen=1, freeze="true", audio=0), []),
        (document(events={"black": event(NOW - 100, 41)}), ["black"]),
        (document(events={"black": event(NOW - 100, 39)}), []),
        (document(events={"frozen": event(NOW - 1, 5)}), ["frozen"]),
        (document(events={"silent": event(NOW + 1, 5)}), []),
        (document(events={"silent": None, "black": "x", "frozen": {"start": 3}}), []),
        (document(events=[1, 2]), []),
        (document(events={"black": {"start": "now", "length": None}}), []),
        (document(events={"black": {"start": "1795444190", "length": "1e999"}}), ["black"]),
        (document(events={"black": {"start": "1795444190", "length": "nan"}}), []),
        (b"", []),
        (b"{", []),
        (b"[]", []),
        (b"[" * 60_000, []),
        (b"\xff\xfe", []),
        (b'{"blackscreen": true}' + b" " * 70_000, []),
        (b'{"blackscreen": ' + b"9" * 5_000 + b"}", []),
    ],
)
@pytest.mark.parametrize("place", ["", "14"])
async def test_a_minute_has_the_flags_of_its_last_analysis(
    root: Path, content: bytes, flags: list[str], place: str
) -> None:
    folder = root / "capture1" / "metadata" / place
    write(folder / KINDS["metadata"].format(1), NOW - 50, document(blackscreen=True, freeze=True))
    write(folder / KINDS["metadata"].format(2), NOW - 20, content)
    found = await client(root, 'timezone = "UTC"').json(URL)
    flagged = [number for number, minute in enumerate(found["minutes"]) if minute["incidents"]]
    assert flagged == ([1409] if flags else [])
    assert found["minutes"][1409]["incidents"] == flags


@pytest.mark.parametrize("path", ["capture2", "", "..", "capture1/"])
async def test_an_unknown_device_has_no_heatmap(root: Path, path: str) -> None:
    assert (await client(root).ask(f"/api/host/heatmap/{path}")).status == 404
