"""I8, I1: whatever a disk answers on one device, it loses nothing, says so, is well again soon, and delays no other."""

import subprocess
import sys

import pytest

from tests.faults.erring import CALLS
from tests.machine import CLONE

# Side by side: a reactor of 25 devices each, and so many of the 128 inotify instances that a user has.
TOGETHER = (("rename", "stat", "write"), ("copy", "fsync", "mkdir"), ("open", "link"), ("unlink", "scandir"))


def test_every_call_has_its_turn() -> None:
    assert sorted(call for together in TOGETHER for call in together) == sorted(CALLS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("calls", TOGETHER, ids="-".join)
def test_i8_a_fault_stays_where_it_is(calls: tuple[str, ...]) -> None:
    started = [
        subprocess.Popen(
            (sys.executable, "-m", "tests.faults.erring", call),
            cwd=CLONE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for call in calls
    ]
    try:
        said = [process.communicate(timeout=110)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert [process.returncode for process in started] == [0] * len(started), "\n".join(said)
    print("".join(said))  # noqa: T201 - the figures, with -s
