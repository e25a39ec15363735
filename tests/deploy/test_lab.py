"""The package on a Debian with a running systemd, hardening as shipped; one machine for all tests here, in their order.

What the tests look at on its disk they read from outside: the machine's root is a folder.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.deploy.booted import Booted
from tests.machine import CLONE

pytestmark = [
    pytest.mark.needs("lab", "root", "mounts", "mmdebstrap", "dpkg-deb"),
    pytest.mark.timeout(600),
]

PACKAGES = "systemd,systemd-sysv,dbus,python3,ffmpeg"
STREAM = "var/www/html/stream"
LIMITS = {"segments": 10, "captures": 5, "thumbnails": 8, "metadata": 5}
SETTINGS = (
    "".join(f"[kinds.{kind}]\nhot_limit = {limit}\n" for kind, limit in LIMITS.items())
    + '[web]\nsocket = "/run/hotcold/api.sock"\n'
)
Record = Callable[[str, object], None]
NUMBER = re.compile(r"(?:segment|capture)_(\d+)(?:_r\d+)?(?:_thumbnail)?\.(?:ts|jpg|json)")


@pytest.fixture(scope="module")
def machine(
    lab_folder: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Booted]:
    """Booted, with the package installed and settings for one device; nothing is started yet."""
    tree = tmp_path_factory.mktemp("lab") / "tree"
    make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(tree)]
    with subprocess.Popen(make) as making:  # and beside it the package
        deb = request.getfixturevalue("deb").read_bytes()
    assert making.returncode == 0
    (tree / "hotcold.deb").write_bytes(deb)
    # The kernel is this machine's too, and the package sets its limits.
    limits = {path: path.read_text("ascii") for path in Path("/proc/sys/fs/inotify").iterdir()}
    try:
        with Booted(lab_folder, tree) as booted:
            booted.must("dpkg --install /hotcold.deb")
            (tree / "etc/hotcold/hotcold.toml").write_text(SETTINGS, "utf-8")
            (tree / "etc/hotcold/devices/capture1.env").write_text("HOTCOLD_SOURCE=test\n", "utf-8")
            yield booted
    finally:
        for path, text in limits.items():
            path.write_text(text, "ascii")
    subprocess.run(["rm", "-rf", "--one-file-system", tree], check=True)


def folder(machine: Booted, kind: str) -> Path:
    return machine.tree / STREAM / "capture1" / kind


def numbers(names: list[str]) -> list[int]:
    return [int(found[1]) for name in names if (found := NUMBER.fullmatch(name))]


def hot(machine: Booted, kind: str) -> list[int]:
    return sorted(numbers(os.listdir(folder(machine, kind))))


def cold(machine: Booted, kind: str) -> list[int]:
    return sorted(number for slot in range(24) for number in numbers(os.listdir(folder(machine, kind) / str(slot))))


def missing(machine: Booted, kind: str) -> set[int]:
    """Numbers that are nowhere. Hot first: what moves meanwhile is seen twice."""
    seen = {*hot(machine, kind), *cold(machine, kind)}
    return set(range(max(seen))) - seen


def within(machine: Booted, limits: dict[str, int]) -> bool:
    return all(len(hot(machine, kind)) == limit for kind, limit in limits.items())


def settled(machine: Booted, limits: dict[str, int]) -> None:
    machine.eventually(f"hot folders at {limits}", lambda: within(machine, limits), 30)
    for _ in range(20):
        # The newcomer and the one that leaves for it are there together for a millisecond.
        assert all(len(hot(machine, kind)) <= limit + 1 for kind, limit in limits.items())
        time.sleep(0.1)  # twenty looks over two seconds


def back(machine: Booted, before: str) -> Callable[[], bool]:
    """Whether another process than `before` is the reactor, and ready."""

    def holds() -> bool:
        said = machine.must("systemctl show --property=MainPID,ActiveState --value hotcold").split()
        return "active" in said and before not in said

    return holds


def reached(machine: Booted, unit: str, state: str) -> bool:
    return machine.property(unit, "ActiveState") == state


def get(machine: Booted, path: str) -> str:
    code = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode('latin-1'))"
    return machine.must(f'python3 -c "{code}" http://127.0.0.1:{path}')


def test_systemd_finds_nothing_in_the_installed_units(machine: Booted) -> None:
    units = "hotcold.target hotcold.service hotcold-api.service hotcold-capture@capture1.service"
    assert machine.must(f"systemd-analyze --man=no verify {units}") == ""
    for unit in units.split()[1:]:
        machine.must(f"systemd-analyze security --no-pager --offline=true --threshold=15 {unit}")
    assert machine.must("sysctl --version >/dev/null 2>&1; cat /proc/sys/fs/inotify/max_user_instances") == "1024"


def test_the_target_starts_reactor_and_api_and_a_capture_feeds_them(machine: Booted) -> None:
    machine.must("systemctl enable --now hotcold.target && systemctl enable --now hotcold-capture@capture1")
    for unit in ("hotcold.target", "hotcold.service", "hotcold-api.service", "hotcold-capture@capture1.service"):
        assert machine.property(unit, "ActiveState") == "active"
    machine.eventually("one served device", lambda: "1 device, 4 folders" in machine.property("hotcold", "StatusText"))
    settled(machine, LIMITS)
    machine.eventually("something cold", lambda: all(len(cold(machine, kind)) > 3 for kind in LIMITS))
    # The analyser works behind the same walls: it knows the test picture.
    newest = folder(machine, "metadata") / f"capture_{hot(machine, 'metadata')[0]:09}.json"
    assert json.loads(newest.read_text("utf-8"))
    (device,) = json.loads(get(machine, "8080/api/host/devices"))["devices"]
    assert (device["name"], device["state"]) == ("capture1", "live")
    assert get(machine, "8080/api/host/screenshot/capture1").startswith("\xff\xd8")
    assert "hotcold_move_errors_total{" not in get(machine, "9776/metrics")


def test_each_service_writes_its_own_place_and_no_other(machine: Booted) -> None:
    def touch(unit: str, path: str) -> str:
        pid = machine.property(unit, "MainPID")
        # In the service's mounts, and with all of root's rights: it is the mount that refuses.
        return machine.run(f"nsenter --mount --target {pid} touch {path}").said

    assert touch("hotcold-api", f"/{STREAM}/capture1/x").endswith("Read-only file system")
    assert touch("hotcold-capture@capture1", f"/{STREAM}/x").endswith("Read-only file system")
    for unit in ("hotcold", "hotcold-api", "hotcold-capture@capture1"):
        assert touch(unit, "/etc/x").endswith("Read-only file system")
        assert touch(unit, "/opt/hotcold/x").endswith("Read-only file system")
    for unit in ("hotcold", "hotcold-capture@capture1"):
        assert touch(unit, f"/{STREAM}/capture1/x") == ""
    machine.must(f"rm /{STREAM}/capture1/x")
    # The web server reads, and writes nothing; others do neither.
    picture = f"/{STREAM}/capture1/captures/$(ls -t /{STREAM}/capture1/captures | grep -m 1 jpg)"
    machine.must(f'setpriv --reuid=www-data --regid=www-data --init-groups cat "{picture}" > /dev/null')
    assert machine.run(f"setpriv --reuid=www-data --regid=www-data --init-groups touch /{STREAM}/x").code != 0
    assert machine.run(f"setpriv --reuid=nobody --regid=nogroup --clear-groups ls /{STREAM}").code != 0
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/hotcold/api.sock')"
    machine.must(f'setpriv --reuid=www-data --regid=www-data --init-groups python3 -c "{connect}"')


def test_every_way_of_renaming_stays_one_rename(machine: Booted) -> None:
    owner = folder(machine, "captures").stat()
    # Exchange: an hour that is over goes as a whole, within the minute.
    old = time.time() - 3 * 3600
    slot = folder(machine, "captures") / str(time.gmtime(old).tm_hour)
    over = slot / "capture_999000001.jpg"
    over.write_bytes(b"old")
    os.utime(over, (old, old))
    for path in (over, slot):
        os.chown(path, owner.st_uid, owner.st_gid)
    before = slot.stat().st_ino
    # Without overwriting: the name is taken in the slot, and the newcomer gets a revision. It is the same file.
    newest = folder(machine, "segments") / f"segment_{hot(machine, 'segments')[-1]:09}.ts"
    there = newest.stat()
    taken = folder(machine, "segments") / str(time.gmtime(there.st_mtime).tm_hour) / newest.name
    taken.write_bytes(b"taken")
    os.chown(taken, owner.st_uid, owner.st_gid)
    revision = taken.with_name(f"{newest.stem}_r1.ts")
    machine.eventually("the revision", revision.exists)
    assert revision.stat().st_ino == there.st_ino
    assert taken.read_bytes() == b"taken"
    machine.eventually("the hour to go", lambda: not over.exists(), 90)
    after = slot.stat()
    assert after.st_ino != before
    assert (after.st_uid, after.st_gid, after.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)
    assert "hour retired" in machine.must("journalctl --no-pager --unit=hotcold")


def test_a_second_reactor_is_refused(machine: Booted) -> None:
    done = machine.run("setpriv --reuid=hotcold --regid=hotcold --init-groups hotcold run")
    assert done.code == 1
    assert "is run by another reactor" in done.said


def test_reload_reads_the_configuration_again(machine: Booted) -> None:
    before = machine.property("hotcold", "MainPID")
    settings = machine.tree / "etc/hotcold/hotcold.toml"
    settings.write_text(SETTINGS.replace("hot_limit = 10", "hot_limit = 4"), "utf-8")
    machine.must("systemctl reload hotcold")
    settled(machine, LIMITS | {"segments": 4})
    settings.write_text("nonsense", "utf-8")
    machine.must("systemctl reload hotcold")
    machine.eventually("ready", partial(reached, machine, "hotcold", "active"))
    settings.write_text(SETTINGS, "utf-8")
    machine.must("systemctl reload hotcold")
    settled(machine, LIMITS)
    assert machine.property("hotcold", "MainPID") == before
    assert "is refused, the old one stays" in machine.must("journalctl --no-pager --unit=hotcold --priority=err")


def test_a_killed_reactor_is_started_again_and_nothing_is_lost(machine: Booted, record_property: Record) -> None:
    before = machine.property("hotcold", "MainPID")
    machine.must("systemctl kill --kill-whom=main --signal=KILL hotcold")
    took = machine.eventually("the next reactor", back(machine, before))
    record_property("seconds from kill -9 to ready", round(took, 1))
    assert machine.property("hotcold", "NRestarts") == "1"
    settled(machine, LIMITS)
    assert {kind: missing(machine, kind) for kind in LIMITS} == {kind: set() for kind in LIMITS}


def test_a_stopped_reactor_is_killed_by_the_watchdog_and_comes_back(machine: Booted, record_property: Record) -> None:
    before = machine.property("hotcold", "MainPID")
    machine.must(f"kill -STOP {before}")
    full = machine.eventually("the hot folder to fill up", lambda: len(hot(machine, "segments")) > 15)
    took = full + machine.eventually("the next reactor", back(machine, before), 90)
    record_property("seconds from SIGSTOP to ready", round(took, 1))
    assert machine.property("hotcold", "NRestarts") == "2"
    assert 20 < took < 45
    settled(machine, LIMITS)
    assert {kind: missing(machine, kind) for kind in LIMITS} == {kind: set() for kind in LIMITS}


def test_stop_ends_within_a_second_and_the_target_reaches_all(machine: Booted, record_property: Record) -> None:
    units = ("hotcold", "hotcold-api", "hotcold-capture@capture1")
    took = {unit: machine.run(f"systemctl stop {unit}").seconds for unit in units}
    record_property("seconds to stop", {unit: round(seconds, 2) for unit, seconds in took.items()})
    assert took["hotcold"] < 1
    assert took["hotcold-api"] < 1
    assert {machine.property(unit, "Result") for unit in units} == {"success"}
    machine.must("systemctl start hotcold.target")
    for unit in units:
        machine.eventually(f"{unit} to be up", partial(reached, machine, unit, "active"))
    settled(machine, LIMITS)
    began = time.monotonic()
    machine.must("systemctl stop hotcold.target")
    for unit in units:
        machine.eventually(f"{unit} to be down", partial(reached, machine, unit, "inactive"))
    record_property("seconds from stopping the target until all are down", round(time.monotonic() - began, 2))
    # Nobody writes any more: each file is in one place, hot or cold.
    for kind in LIMITS:
        there = [*hot(machine, kind), *cold(machine, kind)]
        assert missing(machine, kind) == set()
        assert len(there) - len(set(there)) == (kind == "segments")  # the one whose name was taken
    assert machine.must("systemctl --no-legend --failed") == ""
    refused = "is refused, the old one stays"
    said = machine.must("journalctl --no-pager --quiet --priority=warning --unit='hotcold*' --output=cat").splitlines()
    assert [line for line in said if refused not in line and "nonsense" not in line] == []


def test_an_upgrade_goes_on_with_the_new_reactor_and_leaves_the_recording_alone(machine: Booted) -> None:
    machine.must("systemctl start hotcold.target")
    reactor, capture = (machine.property(unit, "MainPID") for unit in ("hotcold", "hotcold-capture@capture1"))
    machine.must("dpkg --install /hotcold.deb")
    assert back(machine, reactor)()
    assert machine.property("hotcold-capture@capture1", "MainPID") == capture
    assert (machine.tree / "etc/hotcold/hotcold.toml").read_text("utf-8") == SETTINGS


def test_purge_leaves_the_recordings_and_nothing_else(machine: Booted) -> None:
    recorded = set(cold(machine, "segments"))
    machine.must("dpkg --purge hotcold-inotify")
    assert machine.must("systemctl --no-legend --all list-units 'hotcold*'") == ""
    assert machine.must("systemctl --no-legend --failed") == ""
    left = machine.must("find / -xdev -name '*hotcold*' -not -path '/proc/*' -not -path '/run/*' -not -path '/tmp/*'")
    assert set(left.split()) <= {"/hotcold.deb", f"/{STREAM}/.hotcold.lock"}
    assert recorded <= set(cold(machine, "segments"))


def test_make_install_does_the_same_and_uninstall_keeps_settings_and_recordings(machine: Booted, stage: Path) -> None:
    shutil.copytree(stage, machine.tree / "clone" / "stage", symlinks=True)
    shutil.copytree(CLONE / "deploy", machine.tree / "clone" / "deploy", symlinks=True)
    recorded = set(cold(machine, "segments"))
    machine.must("/clone/deploy/install.sh install /clone/stage")
    settings = machine.tree / "etc/hotcold/hotcold.toml"
    settings.write_text(SETTINGS, "utf-8")
    machine.must("systemctl enable --now hotcold.target")
    assert "1 device, 4 folders within their limits" in machine.property("hotcold", "StatusText")
    machine.must("/clone/deploy/install.sh uninstall '' /usr/bin")
    assert machine.must("systemctl --no-legend --all list-units 'hotcold*'") == ""
    left = machine.must("find /etc /opt /usr /lib -xdev -name '*hotcold*'").split()
    assert sorted(left) == ["/etc/hotcold", "/etc/hotcold/hotcold.toml"]
    assert settings.read_text("utf-8") == SETTINGS
    assert recorded <= set(cold(machine, "segments"))
