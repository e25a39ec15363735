"""What tests share: markers, fixtures and the settings of Hypothesis. What a machine must have: tests/machine.py."""

import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import settings

from tests import sharing
from tests.machine import CLONE, Lack, lab, lack

UNDER_CI = os.environ.get("CI") == "true"

# A fixed number of examples and no deadline: nothing timed decides. CI tries the same examples each time, so that what
# it says is about the change; away from it they are drawn anew, and a failure prints the blob that brings it back.
settings.register_profile("here", max_examples=200, deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if UNDER_CI else "here")


# A shell that runs us in the background has us ignore SIGINT, and what we start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(CLONE / "tests" / "live"):
            item.add_marker(pytest.mark.live)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of pytest-timeout: to wait for others is not the test's time
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that sets a kernel parameter runs alone on the machine."""
    with sharing.machine(alone="sysctl" in getattr(item, "fixturenames", ())):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            missing = lack(need)
            if missing is not None:
                do_without(missing)


def do_without(missing: Lack) -> None:
    """Skip, or under CI fail: see tests/machine.py."""
    if UNDER_CI and not missing.everywhere:
        pytest.fail(f"{missing.reason}, and CI must run everything", pytrace=False)
    pytest.skip(missing.reason)


@pytest.fixture(scope="session")
def ffmpeg_exe() -> str:
    """The ffmpeg on PATH, else the one that the imageio-ffmpeg wheel ships: the same that `hotcold demo` takes."""
    try:
        return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:  # this machine's kind has no such wheel
        do_without(Lack("needs ffmpeg (Debian package ffmpeg)"))
        raise


@pytest.fixture(scope="session")
def lab_folder() -> Path:
    """The folder of the lab's tools, which may be absent."""
    missing = lack("lab")
    if missing is not None:
        do_without(missing)
    return lab()


@pytest.fixture
def sysctl() -> Iterator[Callable[[str, int], None]]:
    """Set a kernel parameter by its name, `sysctl("fs.inotify.max_queued_events", 64)`; put back when the test ends.

    Who has this fixture runs alone: what else runs on this machine may lean on the parameter.
    """
    before: dict[Path, str] = {}

    def change(name: str, value: int) -> None:
        place = Path("/proc/sys", *name.split("."))
        before.setdefault(place, place.read_text("ascii"))
        try:
            place.write_text(str(value), "ascii")
        except OSError as error:  # EACCES: not root; EROFS: a container's /proc/sys
            do_without(Lack(f"needs to set {name}: {error.strerror}"))

    yield change
    for place, text in before.items():
        if place.read_text("ascii") != text:
            place.write_text(text, "ascii")
