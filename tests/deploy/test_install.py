"""What `make install`, `make uninstall` and `make deb` do, below a folder; on a machine: test_lab.py."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from hotcold_inotify import __version__, config
from tests.machine import CLONE

INSTALL = CLONE / "deploy" / "install.sh"


def names(folder: Path) -> set[str]:
    """Every file and link below a folder, without what is Python's."""
    return {
        os.path.relpath(os.path.join(at, name), folder)
        for at, folders, files in os.walk(folder)
        for name in [*files, *(each for each in folders if os.path.islink(os.path.join(at, each)))]
        if "/site-packages/" not in at
    }


def test_no_file_tells_where_it_was_built(stage: Path) -> None:
    for place in (stage, CLONE):
        assert subprocess.run(["grep", "-rlF", f"{place}/", stage], check=False, capture_output=True).stdout == b""


@pytest.mark.timeout(120)
def test_it_is_installed_below_destdir_and_runs_and_goes_again(stage: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    settings = dest / "etc/hotcold/hotcold.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("durable = true\n", "utf-8")
    recording = dest / "var/www/html/stream/capture1/segments/segment_1.ts"
    recording.parent.mkdir(parents=True)
    recording.touch()
    for _ in range(2):  # the second time over the first
        subprocess.run([INSTALL, "install", stage, dest], check=True)
        assert names(dest) - {str(recording.relative_to(dest))} == names(stage)
        assert settings.read_text("utf-8") == "durable = true\n"
    assert os.readlink(dest / "usr/bin/hotcold") == "/opt/hotcold/bin/hotcold"
    assert (dest / "opt/hotcold/bin/hotcold").read_text("utf-8").startswith("#!/opt/hotcold/bin/python -I\n")
    assert (dest / "opt/hotcold/bin/hotcold-capture").resolve().name == "capture.sh"
    assert os.access(dest / "opt/hotcold/bin/hotcold-capture", os.X_OK)
    hotcold = [str(dest / "opt/hotcold/bin/python"), "-I", str(dest / "opt/hotcold/bin/hotcold")]
    # Not by whoever runs the test: PYTHONPATH, the clone that he stands in.
    environ = os.environ | {"PYTHONPATH": str(CLONE), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run([*hotcold, "--version"], env=environ, cwd=CLONE, check=True, capture_output=True, text=True)
    assert said.stdout == f"hotcold, version {__version__}\n"
    own = ["-c", "import hotcold_inotify; print(hotcold_inotify.__file__)"]
    said = subprocess.run([*hotcold[:2], *own], env=environ, cwd=CLONE, check=True, capture_output=True, text=True)
    assert said.stdout.startswith(str(dest))
    subprocess.run([INSTALL, "uninstall", dest, "/usr/bin"], check=True)
    kept = {str(recording.relative_to(dest)), "etc/hotcold/hotcold.toml", "etc/hotcold/devices/device.env.example"}
    assert names(dest) == kept


def test_the_example_has_every_key_at_its_default(stage: Path) -> None:
    text = (stage / "etc/hotcold/hotcold.toml").read_text("utf-8")
    assert tomllib.loads(text) == {}
    # `#key` is a setting and `# word` a remark.
    taken_away = re.sub(r"^#(?! \S)", "", text, flags=re.MULTILINE)
    assert tomllib.loads(taken_away) == config.dump(config.Config())
    assert config.parse(taken_away, "the example") == config.Config()


@pytest.mark.needs("dpkg-deb")
def test_the_package_is_what_is_installed_and_root_s(deb: Path, stage: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tmp_path], check=True)
    assert names(tmp_path) - names(stage) == {
        f"DEBIAN/{name}" for name in ("conffiles", "control", "md5sums", "postinst", "postrm", "prerm")
    }
    assert names(stage) <= names(tmp_path)
    subprocess.run(["md5sum", "--check", "--quiet", "--strict", "DEBIAN/md5sums"], cwd=tmp_path, check=True)
    listed = subprocess.run(["dpkg-deb", "--contents", deb], check=True, capture_output=True, text=True).stdout
    lines = [line.split(maxsplit=5) for line in listed.splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    assert [line for line in lines if "w" in line[0][5:] and line[0][0] != "l"] == []
    modes = {line[5]: line[0] for line in lines}
    assert modes["./etc/hotcold/devices/"] == "drwx------"
    assert modes["./etc/hotcold/devices/device.env.example"] == "-rw-------"
    conffiles = (tmp_path / "DEBIAN/conffiles").read_text("utf-8").splitlines()
    assert conffiles == ["/etc/hotcold/devices/device.env.example", "/etc/hotcold/hotcold.toml"]


@pytest.mark.needs("dpkg-deb")
def test_the_package_says_what_it_needs(deb: Path) -> None:
    asked = ["Package", "Version", "Depends", "Recommends", "Installed-Size", "Description", "Maintainer"]
    said = subprocess.run(["dpkg-deb", "--field", deb, *asked], check=True, capture_output=True, text=True).stdout
    fields = dict(re.findall(r"^([\w-]+): (.*)$", said, flags=re.MULTILINE))
    assert fields.keys() == set(asked)
    assert (fields["Package"], fields["Version"], fields["Recommends"]) == ("hotcold-inotify", __version__, "ffmpeg")
    assert re.search(r"python3 \(>= 3\.(\d+)~\), python3 \(<< 3\.(\d+)~\)", fields["Depends"])
    assert int(fields["Installed-Size"]) > 10_000
    assert deb.stat().st_size < 40_000_000


def test_the_makefile_does_it_by_these_scripts() -> None:
    def recipe(target: str) -> str:
        make = ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/installed", target, "DESTDIR=/dest"]
        return subprocess.run(make, cwd=CLONE, check=True, capture_output=True, text=True).stdout

    assert 'deploy/install.sh install build/install "/dest"' in recipe("install")
    assert 'deploy/install.sh uninstall "/dest" "/usr/local/bin"' in recipe("uninstall")
    assert "deploy/debian/build.sh build/deb dist" in recipe("deb")
