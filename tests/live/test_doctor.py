"""`hotcold doctor`: a well host, and hosts that are broken in one way each, which is what it names and nothing else.

A host is a root of its own with real processes, mounts, users and locks. What all of a machine shares stands in a
prepared folder: crontabs, units, and where that is the point the kernel's limits.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import inotify_simple
import pytest

from hotcold_inotify.cli import doctor as command
from hotcold_inotify.cli.settings import Failed
from hotcold_inotify.clock import Clock
from hotcold_inotify.config import Config, Listen, Metrics, parse
from hotcold_inotify.disk import RootLock, home
from hotcold_inotify.doctor import Host, Report, examine
from hotcold_inotify.prognosis import Trouble
from tests.live.started import Start, eventually, free_port, hot, put
from tests.live.test_commands import hotcold
from tests.live.test_launcher import Launch, launching

QUIET = Metrics(listen=None)
GOOD = {
    "hls": "-hls_list_size 6 -hls_flags temp_file -start_number 7",
    "image2": "-atomic_writing 1 -start_number 7",
}


@attrs.define
class Stage:
    """A host with one device, on which something was recorded ten minutes ago."""

    config: Config
    host: Host

    @property
    def device(self) -> Path:
        return Path(self.config.root) / "capture1"

    def fill(self, *, age: float = 600.0, every: float = 10.0, size: int = 4_096) -> None:
        """Ten hot files of each kind."""
        home(self.config, str(self.device)).make(kind.name for kind in self.config.kinds)
        now = time.time()
        for kind in self.config.kinds:
            for number in range(10):
                mtime = now - age - (9 - number) * every
                put(self.device / kind.name, kind.pattern.named(number, 9), b"x" * size, mtime)

    def report(self, user: str | None = None) -> Report:
        return examine(self.config, self.host, user)

    def found(self, user: str | None = None) -> list[Trouble]:
        report = self.report(user)
        assert looked_over(report) == []
        assert all(one.where and one.detail and one.remedy for one in report.findings)
        return [one.trouble for one in report.findings]


def looked_over(report: Report) -> list[str]:
    """What was missed, save that other users' processes on this machine may be closed to us."""
    return [text for text in report.missed if not text.startswith("/proc/") and "process" not in text]


def stage_at(root: Path, shared: Path) -> Stage:
    for name in ("etc/cron.d", "etc/systemd/system", "spool/crontabs"):
        (shared / name).mkdir(parents=True, exist_ok=True)
    host = Host(
        etc=str(shared / "etc"), lib=str(shared / "lib"), spool=str(shared / "spool"), synchronised=lambda: True
    )
    return Stage(Config(root=str(root), metrics=QUIET), host)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = stage_at(tmp_path / "stream", tmp_path)
    made.fill()
    return made


@contextmanager
def locked(stage: Stage) -> Iterator[None]:
    """As if a reactor ran: this process has the root's lock."""
    lock = RootLock(stage.config.root)
    try:
        yield
    finally:
        lock.close()


@contextmanager
def running(*words: str | Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(list(map(str, words)), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        # For an instant after execve(2) a process has no command line.
        eventually("its command line", lambda: bool(Path(f"/proc/{process.pid}/cmdline").read_bytes()))
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_well_host_at_rest_has_no_trouble(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.found() == []
    with locked(stage):
        report = stage.report()
    assert (report.findings, report.reactor, report.devices) == ((), os.getpid(), ("capture1",))
    command.show(stage.config, user=None, as_json=False, host=stage.host)
    assert "fine: nothing was found" in capsys.readouterr().out


@pytest.fixture
def alone(stage: Stage, tmp_path: Path) -> Path:
    """The folder of limits of a /proc in which this process is the only one."""
    proc = tmp_path / "proc"
    limits = proc / "sys/fs/inotify"
    limits.mkdir(parents=True)
    for name in ("self", str(os.getpid())):
        (proc / name).symlink_to(f"/proc/{os.getpid()}")
    for name, value in (("max_user_watches", 8_192), ("max_queued_events", 16_384), ("max_user_instances", 5)):
        (limits / name).write_text(f"{value}\n", "ascii")
    stage.host = attrs.evolve(stage.host, proc=str(proc))
    return limits


# 1. Limits.


def test_too_few_inotify_instances(stage: Stage, alone: Path, tmp_path: Path) -> None:
    # The kernel's limits are the machine's: others stand in their files. The instances are real.
    limits = alone
    assert stage.found() == []
    with ExitStack() as instances:
        for _ in range(4):
            instances.enter_context(inotify_simple.INotify()).add_watch(str(tmp_path), inotify_simple.flags.CREATE)
        assert stage.found() == [Trouble.INSTANCES]
        (finding,) = stage.report().findings
        assert finding.detail.startswith("2 needed for 1 device, 4 in use by")
        (limits / "max_user_instances").write_text("128\n", "ascii")
        (limits / "max_user_watches").write_text("8\n", "ascii")
        assert stage.found() == [Trouble.WATCHES]
    (limits / "max_user_watches").write_text("5\n", "ascii")
    assert stage.found() == []


# 2. Mounts.

_IN_ITS_OWN_MOUNTS = """
import errno, os, subprocess, sys, time
from hotcold_inotify.disk import RootLock
root, cold = sys.argv[1:]
subprocess.run(["mount", "--bind", cold, cold], check=True)
lock = RootLock(root)
try:
    os.rename(f"{root}/capture1/segments/segment_000000000.ts", f"{cold}/capture1/segments/0/segment_000000000.ts")
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
time.sleep(60)
"""


@pytest.mark.needs("mounts", "unshare")
def test_two_mounts_of_one_disk(stage: Stage, tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    stage.config = attrs.evolve(stage.config, cold_root=str(cold))
    stage.fill()
    # As a unit with two ReadWritePaths= has it: only the service sees that there are two.
    with running("unshare", "--mount", sys.executable, "-c", _IN_ITS_OWN_MOUNTS, stage.config.root, cold) as reactor:
        assert reactor.stdout is not None
        assert reactor.stdout.readline() == b"EXDEV\n"
        report = stage.report()
        assert [one.trouble for one in report.findings] == [Trouble.TWO_MOUNTS]
        assert report.reactor == reactor.pid
    assert stage.found() == []
    # What the unit will make of it, before it runs.
    drop_in = tmp_path / "etc/systemd/system/hotcold.service.d/paths.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(f"[Service]\nReadWritePaths={stage.config.root} -{cold}\n", "ascii")
    assert stage.found() == [Trouble.TWO_MOUNTS]
    drop_in.write_text(drop_in.read_text("ascii") + f"ReadWritePaths=\nReadWritePaths={tmp_path}\n", "ascii")
    assert stage.found() == []


# 3. ffmpeg's command lines, of processes that run.


@pytest.fixture
def ffmpeg(ffmpeg_exe: str) -> Callable[..., list[str]]:
    def words(muxer: str, target: str, options: str) -> list[str]:
        source = ["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=2"]
        return [ffmpeg_exe, *source, "-f", muxer, *options.split(), target]

    return words


SEGMENT = "-hls_segment_filename segments/segment_%09d.ts"


@pytest.mark.parametrize(
    ("muxer", "options", "target", "expected"),
    [
        ("hls", f"{GOOD['hls']} {SEGMENT}", "segments/output.m3u8", []),
        ("hls", f"{GOOD['hls']} -hls_list_size 10 {SEGMENT}", "segments/output.m3u8", [Trouble.LIST_TOO_LONG]),
        (
            "hls",
            f"{GOOD['hls']} -hls_flags temp_file+delete_segments {SEGMENT}",
            "segments/output.m3u8",
            [Trouble.DELETES],
        ),
        ("hls", f"{GOOD['hls']} -start_number 0 {SEGMENT}", "segments/output.m3u8", [Trouble.NUMBERS]),
        ("hls", f"{GOOD['hls']} -hls_segment_filename segment_%09d.ts", "output.m3u8", [Trouble.MIXED]),
        ("image2", "-start_number 7", "captures/capture_%09d.jpg", [Trouble.NOT_ATOMIC]),
    ],
)
def test_an_ffmpeg_that_writes_so(
    stage: Stage, ffmpeg: Callable[..., list[str]], muxer: str, options: str, target: str, expected: list[Trouble]
) -> None:
    # Its paths are relative, as the launcher's are.
    with locked(stage), running(*ffmpeg(muxer, target, options), cwd=stage.device) as process:
        assert stage.found() == expected
        for finding in stage.report().findings:
            assert f"(process {process.pid})" in finding.where
            assert finding.where.startswith("capture1")


# 4. Permissions.


@pytest.fixture
def public() -> Iterator[Stage]:
    """Where another user comes in; pytest's own folders are closed."""
    with tempfile.TemporaryDirectory() as text:
        place = Path(text)
        place.chmod(0o755)
        made = stage_at(place / "stream", place)
        made.fill()
        for path in (place / "stream").rglob("*"):
            os.chown(path, 65_534, 65_534)
        yield made


@pytest.mark.needs("root")
def test_a_folder_that_is_not_the_users(public: Stage) -> None:
    assert public.found("nobody") == []
    os.chown(public.device / "thumbnails" / "7", 0, 0)
    assert public.found("nobody") == [Trouble.NOT_OURS]
    (finding,) = public.report("nobody").findings
    assert finding.remedy == f"chown -R nobody: {public.device}/thumbnails/7"
    subprocess.run(finding.remedy.split(), check=True)
    assert public.found("nobody") == []
    Path(public.config.root).chmod(0o700)
    (finding,) = public.report("nobody").findings
    assert (finding.trouble, finding.where) == (Trouble.NOT_OURS, public.config.root)


@pytest.mark.needs("root", "setpriv")
def test_a_sticky_folder_with_files_of_another(public: Stage) -> None:
    captures = public.device / "captures"
    os.chown(captures, 0, 0)
    captures.chmod(0o1777)
    assert public.found("nobody") == []
    os.chown(captures / "capture_000000003.jpg", 1, 1)
    assert public.found("nobody") == [Trouble.STICKY]
    move = ["setpriv", "--reuid=65534", "--clear-groups", "mv", "capture_000000003.jpg", "3/"]
    refused = subprocess.run(move, cwd=captures, capture_output=True, text=True, check=False)
    assert "Operation not permitted" in refused.stderr


def test_a_unit_says_who_the_service_is(stage: Stage, tmp_path: Path) -> None:
    assert hotcold("doctor", "--user", "no-such-one", "--root", stage.config.root, code=2).stderr.count("no-such-one")
    unit = tmp_path / "lib/systemd/system/hotcold.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nUser=daemon\n", "ascii")
    assert stage.report().user == "daemon"
    drop_in = tmp_path / "etc/systemd/system/hotcold.service.d/who.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nUser=nobody\n", "ascii")
    assert stage.report().user == "nobody"
    assert stage.report("daemon").user == "daemon"


# 5. The clock.


def test_a_clock_that_cannot_be_right(stage: Stage) -> None:
    with locked(stage):
        stage.host = attrs.evolve(stage.host, clock=Clock(wall=lambda: 86_400.0))
        assert stage.found() == [Trouble.CLOCK]
        stage.host = attrs.evolve(stage.host, clock=Clock(), synchronised=lambda: False)
        assert stage.found() == [Trouble.CLOCK_FREE]
        assert not stage.report().fails


def test_a_file_from_the_future(stage: Stage) -> None:
    with locked(stage):
        put(stage.device / "captures", "capture_000000011.jpg", b"x", time.time() + 3_600)
        assert stage.found() == [Trouble.FUTURE]


# 6. Room.


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stage]:
    """On a disk of 64 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", place], check=True)
    yield stage_at(place, tmp_path)
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.needs("mounts")
def test_a_retention_that_does_not_fit_the_disk(small: Stage) -> None:
    small.fill(every=1.0)
    assert small.found() == [Trouble.WILL_NOT_FIT]
    (finding,) = small.report().findings
    # A page a second of four kinds, of which one goes after an hour.
    assert finding.detail.startswith("1.2 hours fit, by its bytes")
    pressed = parse('[pressure]\nmin_free = "5%"\n', "here").pressure
    small.config = attrs.evolve(small.config, pressure=pressed)
    assert small.found() == [Trouble.GOES_EARLY]


@pytest.mark.needs("mounts")
def test_a_disk_that_is_almost_full(small: Stage) -> None:
    small.fill(every=1_000.0)
    assert small.found() == []
    with (Path(small.config.root) / "of others").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 63 * 2**20 + 400_000)
    assert small.found() == [Trouble.FULL_NOW]


# 7. Who else takes recordings away.


def test_a_job_of_the_time_before(stage: Stage, tmp_path: Path) -> None:
    table = tmp_path / "etc/cron.d/stream"
    table.write_text("# cleans up\n*/10 * * * * root ls /srv\n", "ascii")
    assert stage.found() == []
    table.write_text(f"# cleans up\n*/10 * * * * root find {stage.config.root} -mmin +1440 -delete\n", "ascii")
    assert stage.found() == [Trouble.RIVAL_JOB]
    (finding,) = stage.report().findings
    assert finding.where == f"{table}:2"
    assert finding.detail.endswith("-mmin +1440 -delete")
    table.unlink()
    script = tmp_path / "tidy.sh"
    script.write_text(f"#!/bin/sh\ncd {stage.device}\nls -t | tail -n +100 | xargs rm\n", "ascii")
    script.chmod(0o755)
    mine = tmp_path / "spool/crontabs/root"
    mine.write_text(f"* * * * * {script}\n", "ascii")
    assert [one.where for one in stage.report().findings] == [f"{script}:3"]
    mine.unlink()
    units = tmp_path / "etc/systemd/system"
    (units / "tidy.timer").write_text("[Timer]\nOnCalendar=hourly\n", "ascii")
    (units / "tidy.service").write_text(f"[Service]\nExecStart=find {stage.device} -delete\n", "ascii")
    (finding,) = stage.report().findings
    assert finding.remedy == "systemctl disable --now tidy.timer"


def test_an_old_archiver_that_still_runs(stage: Stage, tmp_path: Path) -> None:
    archiver = tmp_path / "hot_cold_archiver"
    shutil.copy("/bin/sleep", archiver)
    with running(archiver, "60") as process:
        assert stage.found() == [Trouble.RIVAL_PROCESS]
        assert f"kill {process.pid}" in stage.report().findings[0].remedy
    assert stage.found() == []
    (tmp_path / "keep.py").write_text("import os, sys, time\ntime.sleep(60)\nos.remove(sys.argv[1])\n", "ascii")
    with running(sys.executable, "keep.py", tmp_path / "nothing", cwd=tmp_path):
        assert stage.found() == []
    with running(sys.executable, "keep.py", stage.device / "x.ts", cwd=tmp_path) as process:
        assert stage.found() == [Trouble.RIVAL_PROCESS]
        assert stage.report().findings[0].where == f"process {process.pid}"


# 8. The reactor, and all of it beside one that works.


@pytest.mark.usefixtures("alone")
def test_files_come_and_no_reactor_runs(stage: Stage) -> None:
    stage.fill(age=1.0)
    assert stage.found() == [Trouble.NO_REACTOR]
    with locked(stage):
        assert stage.found() == []


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    with launching(tmp_path) as started:
        yield started


@pytest.mark.needs("ffmpeg")
def test_a_working_host_has_no_trouble(
    root: Path, start: Start, launch: Launch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = launch(
        root / "capture1",
        HOTCOLD_SIZE="160x90",
        HOTCOLD_FPS="10",
        HOTCOLD_BITRATE="50k",
        HOTCOLD_ANALYSIS="auto",
        HOTCOLD_ANALYZER=f"{sys.executable} -m hotcold_inotify",
    )
    # What this machine's disk must hold, for the doctor, of the day that the recording will never last.
    short = "".join(f'[kinds.{kind}]\nretention = "1h"\n' for kind in ("segments", "thumbnails", "metadata"))
    reactor = start(short)
    stage = stage_at(root, tmp_path / "shared")
    stage.config = parse(reactor.config.read_text("utf-8"), "here")
    eventually(
        "recordings of each kind",
        lambda: all(len(hot(root / "capture1" / kind.name)) > 3 for kind in stage.config.kinds),
    )
    assert stage.found() == []
    report = stage.report()
    assert (report.reactor, launched.process.poll()) == (reactor.process.pid, None)

    # As an operator has it: of this host nothing but the machine's own, such as its clock.
    said = subprocess.run(
        [sys.executable, "-m", "hotcold_inotify", "doctor", "--json", "--config", str(reactor.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(said.stdout)
    assert (document["root"], document["reactor"]) == (str(root), reactor.process.pid)
    assert document["fine"] is (said.returncode == 0)
    assert not [one for one in document["findings"] if str(root) in one["where"] or "capture1" in one["where"]]

    # Its metrics elsewhere than they are looked for.
    port = free_port()
    stage.config = attrs.evolve(stage.config, metrics=Metrics(Listen("127.0.0.1", port)))
    assert stage.found() == [Trouble.DEAF]

    # Recordings on another root than the one that it has.
    other = stage_at(tmp_path / "other", tmp_path / "shared")
    other.fill(age=1.0)
    assert other.found() == [Trouble.OTHER_ROOT]
    with pytest.raises(Failed, match="found: 1"):
        command.show(other.config, user=None, as_json=False, host=other.host)
    shown = capsys.readouterr().out
    assert shown.index("broken") < shown.index("where") < shown.index("remedy")
    assert f"process {reactor.process.pid} has {root}" in shown


def test_what_cannot_be_looked_at_is_said(stage: Stage, tmp_path: Path) -> None:
    # A link that leads to itself refuses everybody, root too (ELOOP).
    (tmp_path / "etc/crontab").symlink_to("crontab")
    (tmp_path / "etc/cron.d").rmdir()
    (tmp_path / "etc/cron.d").symlink_to("cron.d")
    stage.host = attrs.evolve(stage.host, synchronised=lambda: None)
    report = stage.report()
    assert report.findings == ()
    assert [text.partition(":")[0] for text in looked_over(report)] == [
        "whether the clock is kept right",
        f"{tmp_path}/etc/cron.d and 1 more",
    ]
