"""What the kernel lets a user have of inotify and of open files, against what the devices need."""

from collections.abc import Iterator
from typing import Final

import attrs

from hotcold_inotify.prognosis.troubles import Finding, Trouble

# A device at the launcher's rates raises some thirty events a second; a queue must hold those of half a minute.
_LEAST_QUEUE: Final = 1_000
# As docs/operate.md says, and what the reactor has beside its devices.
_DESCRIPTORS_A_DEVICE: Final = 20
_DESCRIPTORS: Final = 60


@attrs.frozen
class Limits:
    """As of one user: inotify(7), fs.inotify.* in /proc/sys, and RLIMIT_NOFILE's hard limit.

    None: it could not be looked at. used_*: by all processes of the user, save the reactor of this root.
    """

    user: str
    max_instances: int | None
    max_watches: int | None
    max_queued: int | None
    used_instances: int
    used_watches: int
    descriptors: int | None


def judge(limits: Limits, devices: int, kinds: int) -> Iterator[Finding]:
    """What does not suffice for so many devices and kinds: an instance a device and one for the root, a watch a kind of
    each device and one for the root.
    """
    pairs = (
        (Trouble.INSTANCES, "max_user_instances", limits.max_instances, limits.used_instances, devices + 1),
        (Trouble.WATCHES, "max_user_watches", limits.max_watches, limits.used_watches, devices * kinds + 1),
    )
    for trouble, name, most, used, needed in pairs:
        if most is not None and used + needed > most:
            detail = f"{needed} needed for {_count(devices)}, {used} in use by {limits.user} already, {most} allowed"
            yield _raised(trouble, name, detail, used + needed)
    if limits.max_queued is not None and limits.max_queued < _LEAST_QUEUE:
        detail = f"{limits.max_queued} events, less than half a minute of a usual device"
        yield _raised(Trouble.QUEUE, "max_queued_events", detail, 65_536)
    needed = _DESCRIPTORS + _DESCRIPTORS_A_DEVICE * devices
    if limits.descriptors is not None and limits.descriptors < needed:
        detail = f"some {needed} needed for {_count(devices)}, {limits.descriptors} allowed"
        yield Finding(Trouble.DESCRIPTORS, f"open files of {limits.user}", detail, "LimitNOFILE=65536 in the unit")


def _raised(trouble: Trouble, name: str, detail: str, least: int) -> Finding:
    default = {"max_user_instances": 1_024, "max_user_watches": 524_288}.get(name, 0)
    return Finding(trouble, f"fs.inotify.{name}", detail, f"sysctl -w fs.inotify.{name}={max(2 * least, default)}")


def _count(devices: int) -> str:
    return "1 device" if devices == 1 else f"{devices} devices"
