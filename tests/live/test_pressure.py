"""Full disks, real and small: nothing is lost on one, and where `[pressure]` says so, the oldest hours make room."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import pytest
import structlog
import trio
from prometheus_client import CollectorRegistry

from hotcold_inotify import hours, playlist, relief
from hotcold_inotify.brake import Brake
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Pressure
from hotcold_inotify.disk import Expired, Home, home
from hotcold_inotify.disk.space import spaces
from hotcold_inotify.hours import Calendar, Generation
from hotcold_inotify.metrics import Instruments
from hotcold_inotify.pressure import Amount
from hotcold_inotify.relief import Relief
from hotcold_inotify.rotation import Rotation
from tests.conftest import do_without
from tests.live.started import Start, answers, eventually, hot, put
from tests.live.test_commands import hotcold
from tests.live.test_turns import NOON, FakeClock
from tests.machine import lack

pytestmark = pytest.mark.needs("mounts")

SIZE = 32 * 10**6
INODES = 2_000
KB = 1_000
EXT4, TMPFS = "ext4", "tmpfs"
NAMES = {"segments": "segment_{}.ts", "captures": "capture_{}.jpg", "thumbnails": "capture_{}_thumbnail.jpg"}


@pytest.fixture(params=[EXT4, TMPFS])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with few blocks and few inodes."""
    place = tmp_path / "small"
    place.mkdir()
    if request.param == TMPFS:
        options = f"size={SIZE},nr_inodes={INODES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    else:
        for missing in filter(None, map(lack, ("loop", "mkfs.ext4"))):
            do_without(missing)
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(INODES), image], check=True)
        subprocess.run(["mount", "-o", "loop", image, place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relief, "_LOOK", 0.02)


def room(work: Callable[[], object]) -> bool:
    """Whether there was room to do it."""
    try:
        work()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def fill(folder: Path, leave: int = 0) -> Path:
    """Take every block of the file system but so many bytes."""
    ballast = folder / "ballast"
    there = os.statvfs(folder)
    with ballast.open("ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(there.f_bavail * there.f_frsize - leave - 65_536, 1))
        while os.statvfs(folder).f_bavail * there.f_frsize > leave:
            if not room(partial(file.write, b"x" * 4_096)):
                break
    return ballast


def quarter(folder: Path) -> int:
    there = os.statvfs(folder)
    return there.f_blocks * there.f_frsize // 4


def use_up_inodes(folder: Path, leave: int = 0) -> None:
    for number in range(os.statvfs(folder).f_favail - leave):
        if not room((folder / f"empty{number}").touch):
            break


class Disk:
    """Devices on a small file system, their hours, and what goes early, in its order."""

    def __init__(self, place: Path, *devices: str, policy: Pressure) -> None:
        self.place = place
        self.config = Config(root=str(place), timezone="UTC", pressure=policy)
        self.homes = [home(self.config, str(place / name)) for name in devices]
        for each in self.homes:
            each.make(kind.name for kind in self.config.kinds)
        self.clock = FakeClock()
        self.brake = Brake()
        self.believable()
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry)
        self.calendar = Calendar(hours.zone("UTC"))
        self.gone: list[tuple[str, str, int]] = []
        """Device, kind and how many hours before noon."""

    def believable(self) -> bool:
        return self.brake.observe(self.clock.wall, self.clock.boot)

    def put(self, device: str, kind: str, ago: int, size: int = 400 * KB, name: int | None = None) -> Path:
        at = NOON - ago * 3_600 + 1_800
        slot = self.place / device / kind / str(datetime.fromtimestamp(at, UTC).hour)
        put(slot, NAMES[kind].format(ago if name is None else name), os.urandom(size), at)
        return slot / NAMES[kind].format(ago if name is None else name)

    def rotation(self, device: Home) -> Rotation:
        clock = Clock(lambda: self.clock.wall, lambda: self.clock.boot)
        return Rotation(device, self.config.kinds, self.calendar, clock, self.believable, self.instruments)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Relief]:
        clock = Clock(lambda: self.clock.wall, lambda: self.clock.boot)
        config = self.config
        made = Relief(config.pressure, config.kinds, self.calendar, clock, self.believable, self.instruments)
        async with trio.open_nursery() as nursery:
            with contextlib.ExitStack() as serving:
                for device in self.homes:
                    expire = partial(self._expire, device.name, self.rotation(device).expire_early)
                    serving.enter_context(made.serving(device, expire))
                nursery.start_soon(made.run)
                yield made
            nursery.cancel_scope.cancel()

    async def _expire(
        self, device: str, expire: Callable[[str, Generation], Awaitable[Expired]], kind: str, hour: Generation
    ) -> Expired:
        at = datetime(hour.day.year, hour.day.month, hour.day.day, hour.hour, tzinfo=UTC).timestamp()
        self.gone.append((device, kind, int((NOON - at) // 3_600)))
        return await expire(kind, hour)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def pressed(self, device: str = "capture1") -> bool:
        return self.metric("hotcold_pressure", device=device) == 1


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not holds():  # noqa: ASYNC110  a disk tells no event
            await trio.sleep(0.01)


def waiting(place: Path) -> list[Path]:
    return list(place.rglob(".retired"))


def said(logs: list[structlog.typing.EventDict], *names: str) -> list[str]:
    """Which of the four states were said, by their names, in order."""
    return [name for log in logs for name, words in relief._WORDS.items() if log["event"] == words and name in names]


STATES = tuple(relief._WORDS)


def floor(free: str, order: tuple[str, ...] = Pressure().order) -> Pressure:
    return Pressure(Amount.parse(free), order=order)


async def test_hours_go_oldest_first_in_the_order_of_kinds_until_there_is_room(small: Path) -> None:
    disk = Disk(small, "capture1", "capture2", policy=floor("25%", order=("captures", "segments")))
    devices = ("capture1", "capture2")
    files = {
        (device, kind, ago): disk.put(device, kind, ago)
        for device in devices
        for kind in NAMES
        for ago in (0, 1, 5, 23)
    }
    hot_ones = [small / "capture1" / kind / NAMES[kind].format(99) for kind in NAMES]
    for path in hot_ones:
        put(path.parent, path.name, b"hot", NOON - 20 * 3_600)  # as old as can be, and hot
    lists = {ago: files["capture1", "segments", ago].with_name("archive.m3u8") for ago in (0, 1, 5, 23)}
    for path in lists.values():
        path.write_text("#EXTM3U\n", "ascii")
    disk.clock.forward(1_800)  # half past twelve; the files of the live hour lie in it
    with structlog.testing.capture_logs() as logs:
        async with disk.watched():
            await trio.sleep(0.2)
            assert disk.gone == []
            assert not disk.pressed()
            ballast = fill(
                small, leave=quarter(small) - 1_000 * KB
            )  # short of 1 MB, and of a tenth more: 4.5 to 6 hours
            await until(lambda: len(disk.gone) > 0)
            await until(lambda: not disk.pressed())
            first = list(disk.gone)
            oldest = [(device, "captures", ago) for ago in (23, 5, 1) for device in devices]
            assert first == oldest[: len(first)]
            assert 4 <= len(first) <= 6
            await trio.sleep(0.2)
            assert disk.gone == first, "it stops as soon as there is room"
            fill_more = small / "more"
            fill_more.write_bytes(b"x" * 3_000 * KB)
            await until(lambda: len(disk.gone) > len(first))
            await until(lambda: not disk.pressed())
    assert ballast.exists()
    order = oldest + [(device, "segments", ago) for ago in (23, 5, 1) for device in devices]
    assert disk.gone == order[: len(disk.gone)]
    assert {kind for _, kind, _ in disk.gone} == {"captures", "segments"}
    assert {key for key, path in files.items() if not path.exists()} == set(disk.gone)
    assert all(path.read_bytes() == b"hot" for path in hot_ones)
    for ago, path in lists.items():
        assert path.exists() is (("capture1", "segments", ago) not in disk.gone), "a playlist goes with its hour"
    assert not waiting(small)
    assert said(logs, *STATES) == ["early", "room", "early", "room"], "once for each change"
    early = sum(disk.metric("hotcold_pressure_expired_files_total", device=d, kind=k) for d in devices for k in NAMES)
    bytes_ = sum(disk.metric("hotcold_pressure_expired_bytes_total", device=d, kind=k) for d in devices for k in NAMES)
    assert (early, bytes_) == (len(disk.gone), len(disk.gone) * 400 * KB)
    assert disk.metric("hotcold_expired_files_total", device="capture1", kind="captures") == 3
    assert disk.metric("hotcold_pressure_expired_files_total", device="capture1", kind="thumbnails") == 0


async def test_without_a_floor_nothing_goes(small: Path) -> None:
    disk = Disk(small, "capture1", policy=Pressure())
    files = [disk.put("capture1", "captures", ago) for ago in range(1, 24)]
    fill(small)
    async with disk.watched() as off:
        with trio.fail_after(1):
            await off.run()  # ends by itself
        await trio.sleep(0.2)
    assert all(path.exists() for path in files)
    assert disk.gone == []


@pytest.mark.parametrize("lacking", ["blocks", "inodes"])
async def test_i4_a_disk_without_room_for_one_more_folder_is_relieved_too(small: Path, lacking: str) -> None:
    policy = Pressure(Amount(5, "%"), Amount(5, "%"), order=("segments",))
    disk = Disk(small, "capture1", policy=policy)
    files = {ago: disk.put("capture1", "segments", ago) for ago in range(1, 24)}
    for path in files.values():
        path.with_name("archive.m3u8").write_text("#EXTM3U\n", "ascii")
        for number in range(20):
            put(path.parent, f"segment_{path.parent.name}{number:03}.ts", b"x" * 9_000, path.stat().st_mtime)
    if lacking == "blocks":
        fill(small)
    else:
        use_up_inodes(small)
    # A folder takes no block of tmpfs.
    assert room((small / "one more").mkdir) is (lacking == "blocks" and small.joinpath("lost+found").exists() is False)
    async with disk.watched():
        await until(lambda: len(disk.gone) > 0)
        await until(lambda: not disk.pressed())
    assert disk.gone == [("capture1", "segments", ago) for ago in range(23, 23 - len(disk.gone), -1)]
    left = {ago for ago, path in files.items() if path.exists()}
    assert left == set(range(1, 24 - len(disk.gone)))
    for ago, path in files.items():
        assert path.with_name("archive.m3u8").exists() is (ago in left)
        assert len(list(path.parent.iterdir())) == (22 if ago in left else 0)
    (small / "another").mkdir()


async def test_inodes_are_room_too(small: Path) -> None:
    policy = Pressure(min_free_inodes=Amount(300), order=("thumbnails", "captures"))
    disk = Disk(small, "capture1", policy=policy)
    files = {
        (kind, ago): [disk.put("capture1", kind, ago, 1, ago * 100 + n) for n in range(60)]
        for kind in ("captures", "thumbnails")
        for ago in (1, 2, 3)
    }
    disk.clock.forward(1_800)
    use_up_inodes(small, leave=200)
    async with disk.watched():
        await until(lambda: len(disk.gone) > 0)
        await until(lambda: not disk.pressed())
    assert disk.gone == [("capture1", "thumbnails", 3), ("capture1", "thumbnails", 2), ("capture1", "thumbnails", 1)]
    assert os.statvfs(small).f_favail >= 330
    assert all(path.exists() is (kind == "captures") for (kind, _), paths in files.items() for path in paths)


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0, 86_400.0, -86_400.0, -1.78e9, 2.3e9])
async def test_i6_a_clock_that_is_not_believed_holds_it(small: Path, jump: float) -> None:
    disk = Disk(small, "capture1", policy=floor("25%"))
    files = [disk.put("capture1", "captures", ago) for ago in (1, 2, 3)]
    fill(small, leave=quarter(small) - 100 * KB)
    disk.clock.wall += jump
    with structlog.testing.capture_logs() as logs:
        async with disk.watched():
            await until(lambda: said(logs, "clock") == ["clock"])
            await trio.sleep(0.2)
            assert all(path.exists() for path in files)
            assert disk.pressed()
            disk.clock.wall -= jump
            disk.clock.forward(300)
            await trio.sleep(0.2)
            assert all(path.exists() for path in files), "believed again only after ten minutes"
            for _ in range(6):
                disk.clock.forward(100 if disk.clock.boot < 2_000 else 10)
                await trio.sleep(0.05)
            await until(lambda: not disk.pressed())
    assert [path.exists() for path in files][-1] is False
    assert said(logs, *STATES) == ["clock", "early", "room"]


async def test_i6_the_live_hour_stays_even_if_the_disk_stays_full(small: Path) -> None:
    disk = Disk(small, "capture1", policy=floor("25%"))
    disk.clock.forward(1_900)
    live = disk.put("capture1", "captures", 0)
    ahead = disk.put("capture1", "captures", -3)
    old = disk.put("capture1", "captures", 1)
    ballast = fill(small, leave=1_000 * KB)
    with structlog.testing.capture_logs() as logs:
        async with disk.watched():
            await until(lambda: said(logs, "nothing left") == ["nothing left"])
            await trio.sleep(0.3)
            assert (live.exists(), ahead.exists(), old.exists()) == (True, True, False)
            assert disk.pressed()
            disk.clock.forward(1_700 + 60)
            await trio.sleep(0.2)
            assert live.exists(), "a minute after its turn it counts as live still"
            disk.clock.forward(120)
            await until(lambda: said(logs, "nothing left") == ["nothing left"] * 2)
            assert not live.exists()
            ballast.unlink()
            await until(lambda: not disk.pressed())
    assert ahead.exists()
    assert said(logs, *STATES) == ["early", "nothing left", "early", "nothing left", "room"]


async def test_i8_a_device_that_cannot_be_worked_on_delays_no_other(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relief, "_PATIENCE", 0.2)
    disk = Disk(small, "capture1", "capture2", "capture3", policy=floor("25%", order=("captures",)))
    files = {name: disk.put(name, "captures", 1) for name in ("capture1", "capture2", "capture3")}

    def hanging(device: Home, kinds: tuple[str, ...]) -> object:
        if device.name == "capture3":
            time.sleep(1)  # in its thread
        return spaces(device, kinds)

    monkeypatch.setattr(relief, "spaces", hanging)

    async def refused(_kind: str, _hour: Generation) -> Expired:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.clock.forward(1_800)
    fill(small, leave=quarter(small) + 2_000 * KB)
    with structlog.testing.capture_logs() as logs:
        async with disk.watched() as watching:
            watching._members["capture1"].expire = refused
            (small / "more").write_bytes(b"x" * 2_100 * KB)
            await until(lambda: not files["capture2"].exists())
    assert files["capture1"].exists()
    told = [log for log in logs if log.get("errno") == "EIO"]
    assert [log["what"] for log in told] == ["capture1/captures"]


async def test_a_disk_that_gives_room_back_late_costs_no_hour_more(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(small, "capture1", policy=floor("25%"))
    files = {ago: disk.put("capture1", "captures", ago) for ago in range(2, 20)}
    fill(small, leave=quarter(small) - 100 * KB)
    at_first = spaces(disk.homes[0], ["captures"])
    late = True
    monkeypatch.setattr(relief, "spaces", lambda device, kinds: at_first if late else spaces(device, kinds))
    async with disk.watched():
        await until(lambda: len(disk.gone) > 0)
        await trio.sleep(0.5)
        # 100 kB, and a tenth of a quarter of the disk: two or three of 400 kB.
        assert len(disk.gone) in {2, 3}
        assert disk.pressed()
        late = False
        await until(lambda: not disk.pressed())
    assert {ago for ago, path in files.items() if not path.exists()} == {ago for _, _, ago in disk.gone}
    assert len(disk.gone) in {2, 3}


async def test_nothing_goes_by_a_look_that_did_not_end_in_time(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(small, "capture1", policy=floor("25%"))
    path = disk.put("capture1", "captures", 5)
    fill(small, leave=quarter(small) - 100 * KB)
    monkeypatch.setattr(relief, "_PATIENCE", 0.1)
    disk.clock.wall += 7_200  # held, so that the first looks delete nothing
    looks = 0

    def slow(device: Home, kinds: tuple[str, ...]) -> object:
        nonlocal looks
        looks += 1
        time.sleep(0.3)  # in its thread
        return spaces(device, kinds)

    async with disk.watched():
        await until(disk.pressed)
        monkeypatch.setattr(relief, "spaces", slow)
        await until(lambda: looks > 0)
        disk.clock.wall -= 7_200
        disk.believable()
        disk.clock.forward(700)
        assert disk.believable()
        await until(lambda: looks > 2)
        assert path.exists()
        monkeypatch.setattr(relief, "spaces", spaces)
        await until(lambda: not path.exists())


async def test_i8_a_device_that_leaves_while_its_hour_goes_holds_up_nobody(small: Path) -> None:
    disk = Disk(small, "capture1", "capture2", policy=floor("25%"))
    stays = disk.put("capture1", "captures", 5)
    goes = disk.put("capture2", "captures", 4)
    fill(small, leave=quarter(small) - 100 * KB)
    clock = Clock(lambda: disk.clock.wall, lambda: disk.clock.boot)
    watching = Relief(disk.config.pressure, disk.config.kinds, disk.calendar, clock, disk.believable, disk.instruments)
    asked = trio.Event()

    async def hangs(_kind: str, _hour: Generation) -> Expired:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError("unreachable: sleep_forever only ends by cancellation")

    async with trio.open_nursery() as nursery:
        with watching.serving(disk.homes[1], disk.rotation(disk.homes[1]).expire_early):
            with watching.serving(disk.homes[0], hangs):
                nursery.start_soon(watching.run)
                with trio.fail_after(10):
                    await asked.wait()
                assert goes.exists()
            await until(lambda: not goes.exists())
        nursery.cancel_scope.cancel()
    assert stays.exists()


async def test_i6_an_hour_that_is_live_by_now_or_another_one_is_not_taken(small: Path) -> None:
    disk = Disk(small, "capture1", policy=Pressure())
    disk.clock.forward(1_900)
    live, old = disk.put("capture1", "captures", 0), disk.put("capture1", "captures", 5)
    rotation = disk.rotation(disk.homes[0])
    assert await rotation.expire_early("captures", disk.calendar.generation_at(disk.clock.wall)) == Expired()
    before = disk.calendar.generation_at(old.stat().st_mtime - 86_400)  # its slot, and yesterday
    assert await rotation.expire_early("captures", before) == Expired()
    disk.clock.wall += 7_200
    assert await rotation.expire_early("captures", disk.calendar.generation_at(old.stat().st_mtime)) == Expired()
    assert live.exists()
    assert old.exists()


def test_status_says_which_disk_is_too_full(small: Path, tmp_path: Path) -> None:
    config = tmp_path / "hotcold.toml"
    config.write_text(f'root = "{small}"\n', "utf-8")
    hotcold("init", "capture1", "capture2", "--config", config)
    assert json.loads(hotcold("status", "--json", "--config", config).stdout)["pressure"] == []
    assert "disk of" not in hotcold("status", "--config", config).stdout
    config.write_text(f'root = "{small}"\n[pressure]\nmin_free = "25%"\nmin_free_inodes = "100"\n', "utf-8")
    (found,) = json.loads(hotcold("status", "--json", "--config", config).stdout)["pressure"]
    assert found["devices"] == ["capture1", "capture2"]
    assert (found["min_free"], found["min_free_inodes"], found["too_full"]) == (quarter(small), 100, False)
    assert found["free"] == os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    assert "disk of capture1, capture2" in hotcold("status", "--config", config).stdout
    fill(small, leave=quarter(small) - 100 * KB)
    assert json.loads(hotcold("status", "--json", "--config", config).stdout)["pressure"][0]["too_full"] is True
    assert "TOO FULL" in hotcold("status", "--config", config).stdout


async def test_i7_an_hour_whose_deletion_was_cut_short_comes_back(small: Path) -> None:
    disk = Disk(small, "capture1", policy=floor("25%"))
    path = disk.put("capture1", "thumbnails", 5)
    with disk.homes[0].open(disk.config.kinds[2], disk.calendar) as folder:
        hour = disk.calendar.generation_at(path.stat().st_mtime)
        assert folder.slots.retire(hour.slot, hour)
    assert not path.exists()
    await disk.rotation(disk.homes[0]).one_pass()
    assert path.exists()
    assert await disk.rotation(disk.homes[0]).expire_early("thumbnails", hour) == Expired(1, 400 * KB)
    assert await disk.rotation(disk.homes[0]).expire_early("thumbnails", hour) == Expired()


@attrs.define
class Writer:
    """Writes as ffmpeg does: what it could not finish never gets its name. Knows the hash of all that it closed."""

    folder: Path
    closed: dict[str, str] = attrs.field(factory=dict)
    refused: int = 0

    def write(self, number: int, size: int, at: float) -> None:
        name = f"segment_{number:09}.ts"
        data = os.urandom(size)
        if room(partial(put, self.folder, name, data, at)):
            self.closed[name] = hashlib.sha256(data).hexdigest()
        else:
            self.refused += 1
            (self.folder / f"{name}.tmp").unlink(missing_ok=True)

    def found(self) -> dict[str, str]:
        """Every finished file, wherever it is; one that is there twice fails."""
        places = [path for path in self.folder.rglob("segment_*.ts") if path.is_file()]
        assert len({path.name for path in places}) == len(places)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in places}


def moved(small: Path, root: Path) -> Path:
    """The root of the live fixtures, on the small file system."""
    shutil.rmtree(root)
    root.symlink_to(small)
    (small / "capture1").mkdir()
    return small / "capture1" / "segments"


@pytest.mark.parametrize("lacking", ["blocks", "inodes"])
def test_i1_nothing_is_lost_while_the_disk_is_full(small: Path, root: Path, start: Start, lacking: str) -> None:
    """By the default configuration: nothing goes early, and each file that was finished is there afterwards."""
    segments = moved(small, root)
    running = start('timezone = "UTC"\n')
    writer = Writer(segments)
    now = time.time()
    ballast = small / "ballast"
    if lacking == "inodes":
        use_up_inodes(small, leave=150)
        ballast = small / "empty0"
    else:
        fill(small, leave=8_000 * KB)
    number = 0
    while writer.refused < 200:
        # Over many hours, so that folders must grow while there is no room.
        writer.write(number, 60 * KB, now - 3_600 * (20 - number * 20 // 400) if number < 400 else now)
        number += 1
    assert len(writer.closed) > 50
    assert not (writer.closed.items() - writer.found().items()), "nothing is lost while it is full"
    if lacking == "inodes":
        for path in small.glob("empty*"):
            path.unlink()
    else:
        ballast.unlink()
    for extra in range(20):
        writer.write(number + extra, 1 * KB, now)
    eventually("ten to be hot", lambda: len([each for each in hot(segments) if each.endswith(".ts")]) == 10)
    assert writer.found() == writer.closed
    assert running.metric("hotcold_expired_files_total", device="capture1", kind="segments") == 0
    assert running.metric("hotcold_pressure", device="capture1") == 0

    def listed() -> set[str]:
        texts = [path.read_text("utf-8") for path in segments.glob("*/archive.m3u8")]
        return {entry.uri for text in texts for entry in playlist.parse(text).entries}

    def archived() -> set[str]:
        return {path.name for path in segments.glob("*/segment_*.ts")}

    eventually("every archived segment to be listed", lambda: listed() == archived())


@pytest.mark.parametrize("small", [EXT4], indirect=True)
def test_a_disk_smaller_than_a_day_goes_on(small: Path, root: Path, start: Start) -> None:
    """Twice as much is written as the disk holds. What is left is the newest hours, whole."""
    segments = moved(small, root)
    running = start('timezone = "UTC"\n[pressure]\nmin_free = "30%"\norder = ["segments"]\n')
    eventually("the reactor to serve", partial(answers, running))
    writer = Writer(segments)
    hour = time.time() // 3_600 * 3_600
    by_hour: dict[int, set[str]] = {}
    for ago in range(11, -1, -1):
        before = set(writer.closed)
        for each in range(20):
            writer.write((11 - ago) * 20 + each, 300 * KB, hour - ago * 3_600 + each)
        by_hour[ago] = set(writer.closed) - before
        time.sleep(2.1)  # the reactor looks every two seconds, and an hour is 6 MB
    assert len(writer.closed) * 300 * KB > 2 * SIZE

    def enough() -> bool:
        there = os.statvfs(small)
        return there.f_bavail / there.f_blocks > 0.3 and running.metric("hotcold_pressure", device="capture1") == 0

    eventually("room", enough)
    eventually("nothing to wait", lambda: not list(segments.glob(".retired")))
    found = writer.found()
    assert found.items() <= writer.closed.items()
    kept = {ago for ago, names in by_hour.items() if names & found.keys()}
    assert kept == set(range(max(kept) + 1)), "the newest, without a hole"
    hot_ones = set(hot(segments))
    # An hour of which files were hot when it went keeps these.
    assert all(by_hour[ago] <= found.keys() | hot_ones for ago in kept if ago < max(kept))
    assert writer.refused == 0
    status = hotcold("status", "--config", running.config).stdout
    assert "disk of capture1" in status
    early = running.metric("hotcold_pressure_expired_files_total", device="capture1", kind="segments")
    assert early == len(writer.closed) - len(found) > 0
    states = [each["event"] for each in running.said() if each["event"] in relief._WORDS.values()]
    assert states[:2] == [relief._WORDS["early"], relief._WORDS["room"]]
    assert all(one != two for one, two in itertools.pairwise(states))
