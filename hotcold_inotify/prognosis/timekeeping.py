"""Whether the clock is one by which files may expire."""

from collections.abc import Iterator
from typing import Final

import attrs

from hotcold_inotify.brake import Brake
from hotcold_inotify.prognosis.troubles import Finding, Trouble

# Two clocks on one machine do not part by so much: who wrote the file has another one, or the clock was set back.
_TOLERATED: Final = 60.0


@attrs.frozen
class Newest:
    """The newest file of a hot folder: its path and when it was finished (Unix seconds)."""

    path: str
    mtime: float


def judge(now: float, newest: Newest | None, *, synchronised: bool | None) -> Iterator[Finding]:
    """By the wall clock (Unix seconds), the newest hot file of all, and what the kernel says of the clock, adjtimex(2);
    None: it says nothing.
    """
    brake = Brake()
    if not brake.observe(now, 0.0):
        said = (brake.reason or "").partition(";")[0]
        yield Finding(Trouble.CLOCK, "the clock", said, "timedatectl set-ntp true, or date --set '...'")
        return
    if synchronised is False:
        remedy = "systemctl enable --now systemd-timesyncd (or chrony)"
        yield Finding(Trouble.CLOCK_FREE, "the clock", "not synchronised", remedy)
    if newest is not None and newest.mtime > now + _TOLERATED:
        said = f"finished {newest.mtime - now:.0f} s from now"
        remedy = "set the clock of whatever wrote it, or if this one was set back, this one: timedatectl"
        yield Finding(Trouble.FUTURE, newest.path, said, remedy)
