"""Every knob of the configuration acts: one test a knob, and a test that none is forgotten."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from hotcold_inotify.config import Config, Kind
from tests.live.started import Start, eventually, everywhere, fill, hot, put
from tests.web.test_knobs import SHOWN as OF_THE_WEB

# Key -> the test here that shows it act.
SHOWN = {
    "root": "test_root",
    "devices": "test_devices",
    "active_captures": "test_active_captures",
    "timezone": "test_timezone",
    "cold_root": "test_cold_root",
    "durable": "test_durable",
    "cold_backlog": "test_cold_backlog",
    "kinds.pattern": "test_pattern_of_a_new_kind",
    "kinds.hot_limit": "test_hot_limit",
    "kinds.retention": "test_retention",
    "kinds.playlist": "test_playlist",
    "pressure.min_free": "test_pressure",
    "pressure.min_free_inodes": "test_pressure",
    "pressure.order": "test_pressure",
    "metrics.listen": "test_metrics_listen_nowhere",
}


def keys() -> set[str]:
    plain = {field.name for field in attrs.fields(Config)} - {"kinds", "pressure", "metrics", "web"}
    kinds = {f"kinds.{field.name}" for field in attrs.fields(Kind) if field.name != "name"}
    config = Config()
    tables = {
        f"{table}.{field.name}"
        for table in ("pressure", "metrics", "web")
        for field in attrs.fields(type(getattr(config, table)))
    }
    return plain | kinds | tables


def test_no_knob_is_forgotten() -> None:
    assert set(SHOWN) | set(OF_THE_WEB) == keys()
    assert set(SHOWN.values()) <= set(globals())


def test_root(root: Path, tmp_path: Path, start: Start) -> None:
    other = tmp_path / "other"
    (other / "capture7").mkdir(parents=True)
    running = start()
    text = running.config.read_text("utf-8")
    assert not (other / "capture7" / "captures").exists()
    running.stop()
    running.config.write_text(text.replace(str(root), str(other)), "utf-8")
    command = [sys.executable, "-m", "hotcold_inotify", "--config", str(running.config), "run"]
    with subprocess.Popen(command) as process:
        try:
            eventually("the other root", (other / "capture7" / "metadata" / "23").is_dir)
        finally:
            process.terminate()


def test_devices(root: Path, tmp_path: Path, start: Start) -> None:
    (root / "kiosk1").mkdir()
    (tmp_path / "attic").mkdir()
    start(f'devices = ["kiosk?", "{tmp_path}/attic", "capture1"]\n')
    eventually("a glob", (root / "kiosk1" / "metadata" / "23").is_dir)
    eventually("an absolute path", (tmp_path / "attic" / "metadata" / "23").is_dir)
    (root / "capture2").mkdir()
    (root / "kiosk2").mkdir()
    eventually("one more of the glob", (root / "kiosk2" / "metadata" / "23").is_dir)
    assert not (root / "capture2" / "captures").exists()


def test_active_captures(tmp_path: Path, start: Start) -> None:
    (tmp_path / "attic").mkdir()
    (tmp_path / "list").write_text(f"# the attic\n{tmp_path}/attic,1,hd\n", "utf-8")
    start(f'active_captures = "{tmp_path}/list"\n')
    eventually("the listed device", (tmp_path / "attic" / "metadata" / "23").is_dir)


@pytest.mark.parametrize(("zone", "offset"), [("Asia/Kathmandu", 20_700), ("UTC", 0), ("Etc/GMT+11", -39_600)])
def test_timezone(root: Path, start: Start, zone: str, offset: int) -> None:
    start(f'timezone = "{zone}"\n[kinds.captures]\nhot_limit = 1\n')
    folder = root / "capture1" / "captures"
    now = time.time()
    put(folder, "capture_1.jpg", b"x", now)
    put(folder, "capture_2.jpg", b"x", now)
    slot = time.gmtime(now + offset).tm_hour
    eventually("the file in its local hour", (folder / str(slot) / "capture_1.jpg").exists)


@pytest.mark.parametrize("shared", [False, True], ids=["the same file system", "another file system"])
def test_cold_root(root: Path, tmp_path: Path, start: Start, shared: bool) -> None:
    cold = Path(f"/dev/shm/hotcold-test-{os.getpid()}") if shared else tmp_path / "cold"
    try:
        start(f'cold_root = "{cold}"\n[kinds.captures]\nhot_limit = 1\n')
        folder = root / "capture1" / "captures"
        at = time.time() - 2
        put(folder, "capture_1.jpg", b"bytes", at)
        put(folder, "capture_2.jpg", b"more")
        eventually("the file in the cold root", lambda: bool(list(cold.glob("capture1/captures/*/capture_1.jpg"))))
        (moved,) = cold.glob("capture1/captures/*/capture_1.jpg")
        assert moved.read_bytes() == b"bytes"
        assert abs(moved.stat().st_mtime - at) < 0.001
        eventually("the source to go", lambda: hot(folder) == ["capture_2.jpg"])
        assert not (folder / "0").exists()
    finally:
        if shared:
            shutil.rmtree(cold, ignore_errors=True)


@pytest.mark.parametrize("limit", ["2KB", "4KB"])
def test_cold_backlog(root: Path, start: Start, limit: str) -> None:
    folder = root / "capture1" / "captures"
    folder.mkdir()
    for hour in range(24):
        (folder / str(hour)).write_bytes(b"a file where an hour should be")
    running = start(f'cold_backlog = "{limit}"\n[kinds.captures]\nhot_limit = 1\n')
    for number in range(4):
        put(folder, f"capture_{number}.jpg", b"x" * 1_000)
    eventually("three to wait", lambda: running.metric("hotcold_waiting_bytes", kind="captures") == 3_000)
    said = [str(record["event"]) for record in running.said()]
    assert any(event.startswith("more waits to leave the hot folder") for event in said) is (limit == "2KB")


@pytest.mark.needs("strace")
@pytest.mark.parametrize("durable", [True, False])
def test_durable(root: Path, tmp_path: Path, start: Start, durable: bool) -> None:
    running = start(f"durable = {str(durable).lower()}\n[kinds.segments]\nhot_limit = 1\n")
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,renameat2",
        "-o",
        str(trace),
        "-p",
        str(running.process.pid),
    ]
    with subprocess.Popen(command) as strace:
        tracer = f"TracerPid:\t{strace.pid}"
        status = Path(f"/proc/{running.process.pid}/status")
        eventually("strace to be there", lambda: tracer in status.read_text("ascii"))
        folder = root / "capture1" / "segments"
        for number in range(4):
            put(folder, f"segment_{number}.ts")
        eventually(
            "three to be listed",
            lambda: b"segment_2.ts" in b"".join(p.read_bytes() for p in folder.glob("*/archive.m3u8")),
        )
        strace.terminate()
    text = trace.read_text("utf-8")
    assert "renameat2" in text
    assert ("sync(" in text) is durable


def test_pattern_of_a_new_kind(root: Path, start: Start) -> None:
    start('[kinds.sound]\npattern = "tone_*.wav"\nhot_limit = 2\n')
    folder = root / "capture1" / "sound"
    fill(folder, "tone_*.wav", 5)
    fill(folder, "capture_*.jpg", 5)
    eventually("two tones", lambda: len([name for name in hot(folder) if name.startswith("tone")]) == 2)
    assert len([name for name in hot(folder) if name.startswith("capture")]) == 5


def test_hot_limit(root: Path, start: Start) -> None:
    start("[kinds.metadata]\nhot_limit = 7\n")
    folder = root / "capture1" / "metadata"
    fill(folder, "capture_*.json", 20)
    eventually("seven hot", lambda: len(hot(folder)) == 7)


def test_retention(root: Path, start: Start) -> None:
    folder = root / "capture1" / "captures"
    now = time.time()
    for number, (age, hour) in enumerate(itertools.product((1.0, 2.5), (3_600.0,))):
        at = now - age * hour
        slot = folder / str(time.localtime(at).tm_hour)
        slot.mkdir(parents=True)
        put(slot, f"capture_{number}.jpg", b"x", at)
    start('[kinds.captures]\nretention = "2h"\n')
    eventually("the old one to go", lambda: not list(folder.rglob("capture_1.jpg")))
    assert list(folder.rglob("capture_0.jpg"))


@pytest.mark.parametrize("wanted", [True, False])
def test_playlist(root: Path, start: Start, wanted: bool) -> None:
    running = start(f"[kinds.segments]\nhot_limit = 1\nplaylist = {str(wanted).lower()}\n")
    folder = root / "capture1" / "segments"
    fill(folder, "segment_*.ts", 4)
    eventually("three archived", lambda: len(list(folder.glob("*/*.ts"))) == 3)
    if wanted:
        eventually("a playlist", lambda: bool(list(folder.glob("*/archive.m3u8"))))
    assert running.stop() == 0
    assert bool(list(folder.glob("*/archive.m3u8"))) is wanted


@pytest.mark.needs("mounts")
@pytest.mark.parametrize(
    ("text", "goes"),
    [
        ("", set()),
        ('min_free = "40%"\norder = []', set()),
        ('min_free = "40%"', {"captures"}),
        ('min_free = "40%"\norder = ["thumbnails", "captures"]', {"thumbnails"}),
        ('min_free_inodes = "40%"', {"captures"}),
        ('min_free = "3MB"\nmin_free_inodes = "100"', set()),
    ],
)
def test_pressure(tmp_path: Path, start: Start, text: str, goes: set[str]) -> None:
    """A disk of 10 MB and 300 inodes with some 5 MB and 110 inodes free, as soon as an hour has gone 6 MB and 130."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m,nr_inodes=300", "tmpfs", small], check=True)
    try:
        at = time.time() - 5 * 3_600
        slot = str(time.gmtime(at).tm_hour)
        for kind, name in (("captures", "capture_{}.jpg"), ("thumbnails", "capture_{}_thumbnail.jpg")):
            (small / "capture1" / kind / slot).mkdir(parents=True)
            for number in range(40):
                put(small / "capture1" / kind / slot, name.format(number), b"x" * 40_000, at)
        (small / "ballast").write_bytes(b"x" * 3_300_000)
        running = start(
            f'devices = ["{small}/capture1"]\ntimezone = "UTC"\n'
            f'[kinds.captures]\nretention = "24h"\n[pressure]\n{text}\n'
        )
        if goes:
            eventually(
                "the hour to go",
                lambda: (
                    running.metric("hotcold_pressure_expired_files_total", device="capture1") > 0
                    or not any((small / "capture1" / kind / slot / "capture_0.jpg").exists() for kind in goes)
                ),
            )
        time.sleep(5 if not goes else 3)  # two looks more
        left = {kind for kind in ("captures", "thumbnails") if everywhere(small / "capture1" / kind, "*.jpg")}
        assert left == {"captures", "thumbnails"} - goes
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def test_metrics_listen_nowhere(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "quiet.toml"
    config.write_text(f'root = "{root}"\n[metrics]\nlisten = ""\n', "utf-8")
    with subprocess.Popen([sys.executable, "-m", "hotcold_inotify", "--config", str(config), "run"]) as process:
        try:
            eventually("the device", (root / "capture1" / "metadata" / "23").is_dir)
            inodes = set()
            for fd in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                    inodes.add(os.readlink(fd))
            listening = [
                line.split() for line in Path(f"/proc/{process.pid}/net/tcp").read_text("ascii").splitlines()[1:]
            ]
            assert not [row for row in listening if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
        finally:
            process.terminate()
