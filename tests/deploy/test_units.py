"""systemd's own judgement of the units; what they do under a running systemd is in test_lab.py."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hotcold_inotify.config import Config
from tests.machine import CLONE

SYSTEMD = CLONE / "deploy" / "systemd"
SERVICES = ("hotcold.service", "hotcold-api.service", "hotcold-capture@.service")


def directives(unit: str) -> list[tuple[str, str]]:
    lines = (SYSTEMD / unit).read_text("utf-8").splitlines()
    return [(key, value) for key, found, value in (line.partition("=") for line in lines) if found and key.isalpha()]


@pytest.mark.needs("systemd-analyze")
def test_systemd_has_nothing_to_say_about_the_units(stage: Path, tmp_path: Path) -> None:
    shutil.copytree(stage / "opt", tmp_path / "opt", symlinks=True)
    # The machine's own units, and the programs of every Debian: verify looks whether they are there.
    for folder in ("/usr/lib/systemd/system", str(stage / "usr/lib/systemd/system")):
        shutil.copytree(folder, tmp_path / "usr/lib/systemd/system", symlinks=True, dirs_exist_ok=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for program in ("bin/sh", "usr/bin/setpriv"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).touch(mode=0o755)
    units = ["hotcold.target", "hotcold.service", "hotcold-api.service", "hotcold-capture@capture1.service"]
    verify = ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", *units]
    done = subprocess.run(verify, check=False, capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "hotcold" in line]
    assert (done.returncode, said) == (0, [])
    # It would have seen what is wrong.
    (tmp_path / "opt/hotcold/bin/hotcold").unlink()
    assert subprocess.run(verify, check=False, capture_output=True).returncode != 0


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_is_exposed_by_no_more_than_1_5(unit: str) -> None:
    judge = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(SYSTEMD / unit)]
    judged = subprocess.run(judge, check=False, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert re.search(r"Overall exposure level for \S+: [01]\.\d", judged.stdout)


@pytest.mark.parametrize(
    ("unit", "writable"),
    [
        ("hotcold.service", [Config().root]),
        ("hotcold-api.service", []),
        ("hotcold-capture@.service", [f"-{Config().root}/%i"]),
    ],
)
def test_a_service_may_write_its_own_place_in_one_mount_and_no_other(unit: str, writable: list[str]) -> None:
    assert [
        value for key, value in directives(unit) if key in ("ReadWritePaths", "BindPaths", "StateDirectory")
    ] == writable
    assert ("ProtectSystem", "strict") in directives(unit)
    assert ("RequiresMountsFor", Config().root) in directives(unit)


def test_the_target_reaches_every_service() -> None:
    for unit in SERVICES:
        assert ("PartOf", "hotcold.target") in directives(unit)
        assert ("WantedBy", "hotcold.target") in directives(unit)


def test_the_root_is_made_as_the_services_need_it() -> None:
    lines = (SYSTEMD / "tmpfiles.d/hotcold.conf").read_text("utf-8").splitlines()
    assert [line.split() for line in lines if line[0] != "#"] == [["d", Config().root, "0750", "hotcold", "hotcold"]]
