"""By which mounts the folders are reached, proc(5) mountinfo: what rename(2) and inotify(7) will do there."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from hotcold_inotify.prognosis.troubles import Finding, Trouble

# Their rename refuses every flag with EINVAL. FUSE asks its daemon, and few of those know flags.
_NO_FLAGS: Final = frozenset({"nfs", "nfs4", "9p", "fuse"})


@attrs.frozen
class Mount:
    """One line of mountinfo: `disk` is its device number, as `8:1`."""

    number: int
    disk: str
    point: str
    file_system: str
    read_only: bool


@attrs.frozen
class Pair:
    """One kind's hot folder and its hour folders, and the mounts they lie on."""

    hot: str
    cold: str
    hot_mount: Mount
    cold_mount: Mount
    shared: bool


def parse(mountinfo: str) -> tuple[Mount, ...]:
    """The mounts in the order in which they were made; a line that is none is left out."""
    return tuple(mount for line in mountinfo.splitlines() if (mount := _mount(line)) is not None)


def _mount(line: str) -> Mount | None:
    left, dash, right = line.partition(" - ")
    fields, behind = left.split(" "), right.split(" ")
    if not dash or len(fields) < 6 or len(behind) < 3:
        return None
    options = {*fields[5].split(","), *behind[2].split(",")}
    return Mount(int(fields[0]), fields[2], _unescaped(fields[4]), behind[0], read_only="ro" in options)


def _unescaped(text: str) -> str:
    # A space in a path is written as \040, and each byte so on its own.
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def mount_of(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount that a path without links lies on: of the longest mount points above it the last that was made."""
    found: Mount | None = None
    for mount in mounts:
        above = mount.point in {"/", path} or path.startswith(f"{mount.point}/")
        if above and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def bound(mounts: Sequence[Mount], paths: Iterable[str]) -> tuple[Mount, ...]:
    """These, and one more for each path that is bound onto itself, as a unit's ReadWritePaths= are: systemd.exec(5)."""
    below = ((path, mount_of(mounts, path)) for path in paths)
    own = [attrs.evolve(mount, point=path, read_only=False) for path, mount in below if mount is not None]
    return (*mounts, *(attrs.evolve(mount, number=-number) for number, mount in enumerate(own, 1)))


def judge(pairs: Iterable[Pair]) -> Iterator[Finding]:
    """What rename and inotify will not do; once for each two mounts, or each mount, whatever the number of folders."""
    said: set[tuple[Trouble, int, int]] = set()
    for pair in pairs:
        for finding, numbers in _judge(pair):
            key = (finding.trouble, *numbers)
            if key not in said:
                said.add(key)
                yield finding


def _judge(pair: Pair) -> Iterator[tuple[Finding, tuple[int, int]]]:
    hot, cold = pair.hot_mount, pair.cold_mount
    both, detail = (hot.number, cold.number), f"{hot.file_system} on {hot.point}"
    if hot.disk == cold.disk and hot.number != cold.number:
        said = f"{pair.cold} is reached by the mount {cold.point}, and the hot folder by {hot.point}"
        remedy = "one mount for both: a single ReadWritePaths= above both, and no bind mount of one of them alone"
        yield Finding(Trouble.TWO_MOUNTS, pair.hot, said, remedy), both
    for path, mount in ((pair.hot, hot), (pair.cold, cold)):
        if mount.read_only:
            said = f"{mount.file_system} on {mount.point}"
            remedy = f"dmesg | tail, then mount -o remount,rw {mount.point}"
            yield Finding(Trouble.READ_ONLY, path, said, remedy), (mount.number, 0)
    if pair.shared:
        remedy = (
            "none is needed if only this machine writes there, by this mount; else record on this machine's own disk"
        )
        yield Finding(Trouble.NO_EVENTS, pair.hot, detail, remedy), (hot.number, 0)
    if hot.number == cold.number and hot.file_system.partition(".")[0] in _NO_FLAGS:
        remedy = "none is needed; hot folders on ext4, xfs or tmpfs are faster"
        yield Finding(Trouble.NO_FLAGS, pair.hot, detail, remedy), (hot.number, 0)
