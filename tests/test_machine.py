import os
from pathlib import Path

import pytest

from tests import conftest, machine
from tests.machine import Lack, lack


def test_a_program_is_needed_by_name_and_its_lack_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lack("inotifywait") == Lack("needs inotifywait (Debian package inotify-tools)")
    (tmp_path / "inotifywait").touch(mode=0o755)
    assert lack("inotifywait") is None


def test_a_need_that_nobody_knows_is_an_error_and_no_skip() -> None:
    with pytest.raises(ValueError, match="no such need: 'strase'"):
        lack("strase")


@pytest.mark.parametrize(("uid", "missing"), [(0, None), (1000, Lack("needs root"))])
def test_root_is_user_0(monkeypatch: pytest.MonkeyPatch, uid: int, missing: Lack | None) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert lack("root") == missing


def test_may_mount_is_a_capability_and_not_a_user() -> None:
    assert machine.may_mount("Name:\tpython3\nUid:\t1000\nCapEff:\t000001ffffffffff\n")
    assert not machine.may_mount("Uid:\t0\t0\t0\t0\nCapPrm:\t000001ffffffffff\nCapEff:\t00000000a80425fb\n")


def test_the_lab_is_found_beside_the_clone_or_by_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOTCOLD_LAB", raising=False)
    assert machine.lab() == Path(os.path.abspath(f"{machine.CLONE}/../shared/lab"))
    monkeypatch.setenv("HOTCOLD_LAB", str(tmp_path))
    assert lack("lab") is None
    monkeypatch.setenv("HOTCOLD_LAB", str(tmp_path / "absent"))
    missing = lack("lab")
    assert missing is not None
    assert missing.everywhere
    assert str(tmp_path / "absent") in missing.reason


def test_a_lack_is_a_skip_here_and_a_failure_under_ci_save_for_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conftest, "UNDER_CI", False)
    with pytest.raises(pytest.skip.Exception, match=r"^needs root$"):
        conftest.do_without(Lack("needs root"))
    monkeypatch.setattr(conftest, "UNDER_CI", True)
    with pytest.raises(pytest.fail.Exception, match=r"^needs root, and CI must run everything$"):
        conftest.do_without(Lack("needs root"))
    with pytest.raises(pytest.skip.Exception, match=r"^needs the lab$"):
        conftest.do_without(Lack("needs the lab", everywhere=True))


def test_make_installs_a_package_for_every_program_and_no_others() -> None:
    assert machine.makefile_list("PACKAGES") == set(machine.PROGRAMS.values())
