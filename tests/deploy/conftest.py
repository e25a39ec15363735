"""What is installed, laid out once a run; and the live tests' reactor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import do_without
from tests.live.conftest import root, start
from tests.machine import CLONE, lack

__all__ = ["deb", "root", "stage", "start"]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that `make install` and `make deb` install, below a folder. For reading."""
    missing = lack("/usr/bin/python3")
    if missing is not None:
        do_without(missing)
    folder = tmp_path_factory.mktemp("installed") / "stage"
    pins = str(CLONE / ".ci/constraints.txt")
    environ = os.environ | {"HOTCOLD_PIP": sys.executable, "PIP_CONSTRAINT": pins, "PIP_BUILD_CONSTRAINT": pins}
    subprocess.run([CLONE / "deploy/install.sh", "stage", folder, "/usr/bin"], env=environ, check=True)
    return folder


@pytest.fixture(scope="session")
def deb(stage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package of that."""
    missing = lack("dpkg-deb")
    if missing is not None:
        do_without(missing)
    folder = tmp_path_factory.mktemp("deb")
    subprocess.run(["cp", "-a", stage, folder / "stage"], check=True)
    build = [CLONE / "deploy/debian/build.sh", folder / "stage", folder]
    built = subprocess.run(build, check=True, capture_output=True, text=True)
    return Path(built.stdout.strip())
