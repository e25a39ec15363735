import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trio

from hotcold_inotify import playlist
from hotcold_inotify.playlist import Entry, Playlist
from tests.live.started import Start, eventually, put
from tests.web.stage import KINDS, NOW, Client, Served, client, write

URL = "/api/host/playlist/capture1.m3u8"
START_14 = NOW - 1_800
PREFIX = "/host/stream/capture1/segments/"


def hour(
    root: Path, number: int, starts: list[float], *, first: int = 0, restarts: frozenset[int] = frozenset()
) -> None:
    """An hour folder with its playlist: a segment of a second at each of `starts`."""
    folder = root / "capture1" / "segments" / str(number)
    entries = []
    for place, start in enumerate(starts):
        name = KINDS["segments"].format(first + place)
        write(folder / name, start + 1, b"a segment")
        entries.append(Entry(name, 1.0, start, place in restarts))
    write(folder / "archive.m3u8", NOW, playlist.render(Playlist(2, tuple(entries))))


async def asked(root: Path, query: str, text: str = 'timezone = "UTC"') -> Playlist:
    found = await client(root, text).ask(URL, query)
    assert found.status == 200, found
    assert found.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert found.headers["cache-control"] == "no-store"
    read = playlist.parse(found.body.decode())
    assert read.ended
    assert read.type == "VOD"
    assert all(playlist.fits(entry.duration, read.target) for entry in read.entries)
    return read


def uris(read: Playlist) -> list[str]:
    return [entry.uri.removeprefix(PREFIX) for entry in read.entries]


async def test_a_range_goes_over_hours_and_into_the_hot_segments(root: Path) -> None:
    hour(root, 13, [START_14 - 3, START_14 - 2, START_14 - 1])
    hour(root, 14, [START_14, START_14 + 1, START_14 + 2], first=3)
    for number in (6, 7):
        write(root / "capture1" / "segments" / KINDS["segments"].format(number), START_14 + number - 2)
    read = await asked(root, f"start={START_14 - 2}&end={START_14 + 60}")
    name = KINDS["segments"].format
    assert uris(read) == [
        f"13/{name(1)}",
        f"13/{name(2)}",
        f"14/{name(3)}",
        f"14/{name(4)}",
        f"14/{name(5)}",
        name(6),
        name(7),
    ]
    starts = [entry.start for entry in read.entries]
    assert starts == [START_14 + ahead for ahead in range(-2, 5)]
    assert not any(entry.discontinuity for entry in read.entries)


async def test_a_range_begins_with_its_start_and_ends_before_its_end(root: Path) -> None:
    hour(root, 14, [START_14 + second for second in range(60)])
    read = await asked(root, f"start={START_14 + 10}&end={START_14 + 20}")
    assert [entry.start for entry in read.entries] == [START_14 + second for second in range(10, 20)]


async def test_without_a_range_it_is_the_last_hour(root: Path) -> None:
    hour(root, 13, [START_14 - 3_600 + second for second in range(0, 3_600, 100)])
    hour(root, 14, [START_14 + second for second in range(0, 1_800, 100)], first=100)
    starts = [entry.start or 0.0 for entry in (await asked(root, "")).entries]
    assert (starts[0], starts[-1]) == (NOW - 3_600, NOW - 100)


@pytest.mark.parametrize(
    "start",
    [
        f"{START_14:.0f}",
        f"{START_14:.3f}",
        "2026-11-23T14:00:00Z",
        "2026-11-23T14:00:00.000%2B00:00",
        "2026-11-23T15:00:00+01:00",
        "2026-11-23T09:00:00-05:00",
    ],
)
async def test_a_time_is_seconds_or_rfc_3339(root: Path, start: str) -> None:
    hour(root, 14, [START_14 - 1, START_14, START_14 + 1])
    assert len((await asked(root, f"start={start}&end={START_14 + 9}")).entries) == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("start=now", "start: expected a time"),
        ("start=", "start: expected a time"),
        ("end=2026-11-23T14:00:00", "end: expected a time"),
        ("end=2026-11-23", "end: expected a time"),
        ("start=2026-13-01T00:00:00Z", "start: expected a time"),
        ("start=nan", "start: expected a time"),
        ("start=-5", "start: expected a time"),
        ("start=10&end=10", "start: is not before end"),
        ("start=11&end=10", "start: is not before end"),
        ("start=9999999999", "start: is not before end"),
    ],
)
async def test_a_range_that_makes_no_sense_is_refused(root: Path, query: str, said: str) -> None:
    found = await client(root).ask(URL, query)
    assert found.status == 422
    assert found.json()["error"].startswith(said)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start=0&end=10",
        f"start={NOW + 10}&end={NOW + 20}",
        "start=0001-01-01T00:00:00%2B14:00&end=9999-12-31T23:59:59-14:00",
        "start=0&end=999999999999",
    ],
)
async def test_a_range_in_which_nothing_was_recorded_is_not_there(root: Path, query: str) -> None:
    found = await client(root).ask(URL, query)
    assert (found.status, found.json()) == (404, {"error": "nothing was recorded in this range"})


async def test_a_segment_that_has_moved_and_is_not_listed_yet_is_there(root: Path) -> None:
    hour(root, 14, [START_14 + second for second in range(5)])
    folder = root / "capture1" / "segments"
    for number, place in [(5, folder / "14"), (6, folder / "14"), (7, folder), (8, folder)]:
        write(place / KINDS["segments"].format(number), START_14 + number + 1)
    read = await asked(root, f"start={START_14}&end={NOW}")
    assert [entry.start for entry in read.entries] == [START_14 + second for second in range(9)]
    for entry in read.entries:
        assert (await client(root, 'timezone = "UTC"').ask(entry.uri)).status == 200


@pytest.mark.parametrize("path", ["capture2.m3u8", ".m3u8", "capture1", "..m3u8"])
async def test_an_unknown_device_has_no_playlist(root: Path, path: str) -> None:
    assert (await client(root).ask(f"/api/host/playlist/{path}")).status == 404


async def test_an_empty_segment_is_none(root: Path) -> None:
    name = KINDS["segments"].format
    for number, content in enumerate([b"a segment", b"", b"a segment"]):
        write(root / "capture1" / "segments" / name(number), NOW - 5 + number, content)
    assert uris(await asked(root, f"start={NOW - 60}")) == [name(0), name(2)]


async def test_a_gap_is_marked_and_jitter_is_none(root: Path) -> None:
    hour(root, 14, [START_14, START_14 + 1, START_14 + 2.5, START_14 + 60, START_14 + 61])
    found = await client(root).ask(URL, f"start={START_14}&end={START_14 + 90}")
    (gap,) = [line for line in found.body.decode().splitlines() if line.startswith("#EXT-X-DATERANGE")]
    assert 'CLASS="hotcold.gap"' in gap
    assert 'START-DATE="2026-11-23T14:00:03.500Z",DURATION=56.500' in gap
    read = playlist.parse(found.body.decode())
    assert [entry.discontinuity for entry in read.entries] == [False, False, False, True, False]


async def test_discontinuities_are_kept(root: Path) -> None:
    hour(root, 14, [START_14 + second for second in range(6)], restarts=frozenset({2, 5}))
    hour(root, 15, [])
    read = await asked(root, f"start={START_14}&end={START_14 + 90}")
    assert [entry.discontinuity for entry in read.entries] == [False, False, True, False, False, True]


async def test_an_hour_of_yesterday_in_its_slot_is_not_todays(root: Path) -> None:
    hour(root, 14, [START_14 - 86_400 + second for second in range(6)])
    assert (await client(root, 'timezone = "UTC"').ask(URL, f"start={START_14}&end={NOW}")).status == 404
    read = await asked(root, f"start={START_14 - 86_400}&end={NOW}")
    assert len(read.entries) == 6


async def test_the_hours_of_a_day_are_in_order_with_no_segment_twice(root: Path) -> None:
    for back in range(24):
        begin = START_14 - 3_600 * back
        number = (14 - back) % 24
        hour(root, number, [begin + second for second in range(0, 1_800, 60)], first=1_000 * (24 - back))
    read = await asked(root, f"start={NOW - 86_400}&end={NOW}")
    assert len(read.entries) == 24 * 30
    starts = [entry.start or 0.0 for entry in read.entries]
    assert starts == sorted(starts)
    assert len(set(uris(read))) == len(read.entries)


@pytest.mark.parametrize("now", ["2026-10-25T03:30:00Z", "2026-03-29T03:30:00Z"])
async def test_a_change_of_the_clock_leaves_no_hole_and_doubles_nothing(root: Path, now: str) -> None:
    end = datetime.fromisoformat(now).timestamp()
    starts: dict[int, list[float]] = {}
    for second in range(0, 4 * 3_600, 8):
        start = end - 4 * 3_600 + second
        starts.setdefault(datetime.fromtimestamp(start, ZoneInfo("Europe/Zurich")).hour, []).append(start)
    for number, found in starts.items():
        hour(root, number, found, first=10_000 * number)
    asking = client(root, 'timezone = "Europe/Zurich"', now=end)
    read = playlist.parse((await asking.ask(URL, f"start={end - 4 * 3600}&end={end}")).body.decode())
    assert [entry.start for entry in read.entries] == [end - 4 * 3_600 + second for second in range(0, 4 * 3_600, 8)]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"#EXTM3U\n",
        b"\xff\xfe\x00",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:x\n#EXT-X-PLAYLIST-TYPE:EVENT\n",
        playlist.head(2) + b"#EXT-X-PROGRAM-DATE-TIME:whenever\n#EXTINF:1.0,\nsegment_000000001.ts\n",
        playlist.head(2) + b"#EXT-X-PROGRAM-DATE-TIME:2026-11-23T14:00:xxZ\n#EXTINF:1.0,\nsegment_000000001.ts\n",
        playlist.head(2) + b"#EXT-X-PROGRAM-DATE-TIME:2026-11-23T14:00:00.000Z\n#EXTINF:1.0.0,\nsegment_000000001.ts\n",
        playlist.head(2) + b"#EXT-X-PROGRAM-DATE-TIME:2026-11-23T14:00:00.000Z\n#EXTINF:1.0,\n",
    ],
)
@pytest.mark.parametrize("place", ["14/archive.m3u8", "output.m3u8"])
async def test_a_playlist_that_is_none_stops_nobody(root: Path, text: bytes, place: str) -> None:
    hour(root, 13, [START_14 - 2, START_14 - 1])
    write(root / "capture1" / "segments" / place, NOW, text)
    read = await asked(root, f"start={START_14 - 60}&end={NOW}")
    assert len(read.entries) == 2


def recording(root: Path, stop: list[bool]) -> Iterator[int]:
    """Segments of a second as an encoder finishes them, with a live playlist: the last quarter of an hour, in haste."""
    folder = root / "capture1" / "segments"
    begin = time.time() - 900
    live: list[Entry] = []
    for number in range(890):
        name = KINDS["segments"].format(number)
        put(folder, name, b"a segment", begin + number + 1)
        live = [*live[-5:], Entry(name, 1.0, begin + number)]
        put(folder, "output.m3u8", playlist.render(Playlist(1, tuple(live), type=None, media_sequence=number)))
        yield number
        time.sleep(0.05)  # the pace of an encoder, twenty times as fast
        if stop:
            break


def test_while_a_reactor_archives_no_segment_is_missing_or_there_twice(root: Path, start: Start) -> None:
    start('timezone = "UTC"\n[kinds.segments]\nhot_limit = 8\n')
    stop: list[bool] = []
    done: list[int] = []
    writer = threading.Thread(target=lambda: done.extend(recording(root, stop)))
    writer.start()

    async def look(asking: Client) -> None:
        for _ in range(150):
            found = await asking.ask(URL, "start=0")
            assert found.status == 200
            read = playlist.parse(found.body.decode())
            numbers = [int(entry.uri.rpartition("segment_")[2].partition(".")[0]) for entry in read.entries]
            assert numbers == list(range(numbers[-1] + 1))
            await trio.sleep(0.02)

    try:
        eventually("some segments", lambda: len(done) > 20)
        trio.run(look, client(root, 'timezone = "UTC"', now=time.time()))
    finally:
        stop.append(True)
        writer.join()


@pytest.mark.needs("ffmpeg", "ffprobe")
def test_ffprobe_plays_a_range_over_a_restart(root: Path, serve: Callable[..., Served], tmp_path: Path) -> None:
    now = time.time() // 3_600 * 3_600 - 600
    folder = root / "capture1" / "segments" / f"{datetime.fromtimestamp(now, UTC).hour}"
    folder.mkdir(parents=True)
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=160x90:r=10:d=4", "-c:v", "libx264", "-g", "10"]
    hls = [
        "-f",
        "hls",
        "-hls_time",
        "1",
        "-hls_segment_filename",
        str(folder / "segment_%09d.ts"),
        str(tmp_path / "x.m3u8"),
    ]
    subprocess.run([*command, *hls], check=True)
    entries = []
    for number in range(4):
        name = KINDS["segments"].format(number)
        entries.append(Entry(name, 1.0, now + number + (30 if number > 1 else 0), number == 2))
    write(folder / "archive.m3u8", now, playlist.render(Playlist(1, tuple(entries))))
    served = serve("", 'timezone = "UTC"')
    url = f"http://127.0.0.1:{served.port}{URL}?start={now}&end={now + 60}"
    probe = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "json", url]
    found = subprocess.run(probe, check=True, capture_output=True, timeout=50)
    assert found.stderr == b""
    assert json.loads(found.stdout)["streams"][0]["nb_read_packets"] == "40"
