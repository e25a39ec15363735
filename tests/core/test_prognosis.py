"""What is said of a host's facts; the facts themselves are gathered in tests/live/test_doctor.py."""

import stat
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotcold_inotify.hours import DAY, HOUR
from hotcold_inotify.prognosis import Finding, Severity, Trouble, access, capacity, limits, mounts, service, timekeeping
from hotcold_inotify.prognosis.access import Entry, User
from hotcold_inotify.prognosis.capacity import Disk, Flow
from hotcold_inotify.prognosis.limits import Limits
from hotcold_inotify.prognosis.service import Service
from hotcold_inotify.prognosis.timekeeping import Newest

NOW = 1_795_444_200.0  # 2026-11-23
GB = 10**9


def troubles(found: list[Finding]) -> list[Trouble]:
    return [one.trouble for one in found]


def test_a_finding_says_all_that_an_operator_needs() -> None:
    finding = Finding(Trouble.DELETES, "capture1/segments", "delete_segments", "-hls_flags temp_file")
    assert str(finding) == "capture1/segments: ffmpeg deletes segments itself (delete_segments)"
    assert finding.plain() == {
        "what": "deletes",
        "severity": "broken",
        "text": "ffmpeg deletes segments itself",
        "where": "capture1/segments",
        "detail": "delete_segments",
        "why": "it races the reactor: what it deletes is in no hour",
        "remedy": "-hls_flags temp_file",
    }
    assert [severity.fails for severity in Severity] == [True, True, False]


# Limits.

ENOUGH = Limits("hotcold", 128, 8192, 16_384, 3, 30, 1024)


def test_what_suffices_is_not_told() -> None:
    assert list(limits.judge(ENOUGH, 16, 4)) == []
    unknown = Limits("hotcold", None, None, None, 0, 0, None)
    assert list(limits.judge(unknown, 16, 4)) == []


@pytest.mark.parametrize(
    ("change", "trouble", "remedy"),
    [
        ({"max_instances": 19}, Trouble.INSTANCES, "sysctl -w fs.inotify.max_user_instances=1024"),
        ({"used_instances": 1200}, Trouble.INSTANCES, "sysctl -w fs.inotify.max_user_instances=2434"),
        ({"max_watches": 94}, Trouble.WATCHES, "sysctl -w fs.inotify.max_user_watches=524288"),
        ({"max_queued": 999}, Trouble.QUEUE, "sysctl -w fs.inotify.max_queued_events=131072"),
        ({"descriptors": 379}, Trouble.DESCRIPTORS, "LimitNOFILE=65536 in the unit"),
    ],
)
def test_each_limit_that_does_not_suffice(change: dict[str, Any], trouble: Trouble, remedy: str) -> None:
    (found,) = limits.judge(attrs.evolve(ENOUGH, **change), 16, 4)
    assert (found.trouble, found.remedy) == (trouble, remedy)
    (one,) = limits.judge(Limits("hotcold", 1, None, None, 0, 0, None), 1, 4)
    assert one.detail == "2 needed for 1 device, 0 in use by hotcold already, 1 allowed"


def test_a_limit_suffices_to_the_last_one() -> None:
    assert list(limits.judge(Limits("x", 20, 95, 1000, 3, 30, 380), 16, 4)) == []


# Mounts.

INFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:26 / /run rw - tmpfs tmpfs rw
40 22 8:2 / /srv/my\040disk rw,relatime shared:9 master:2 - xfs /dev/sdb1 rw
41 22 8:2 /old /srv/bound rw - xfs /dev/sdb1 rw
42 22 8:3 / /ro ro,relatime - ext4 /dev/sdc1 rw
43 22 8:4 / /failed rw - ext4 /dev/sdd1 ro
44 22 0:50 / /net rw - nfs4 server:/x rw
45 22 0:51 / /sshfs rw - fuse.sshfs me@there:/ rw
46 22 8:9 / /run rw - ext4 /dev/sde1 rw
no line of mountinfo
"""
MOUNTS = mounts.parse(INFO)


def mount(path: str) -> mounts.Mount:
    found = mounts.mount_of(MOUNTS, path)
    assert found is not None
    return found


def pair(hot: str, cold: str, *, shared: bool = False) -> mounts.Pair:
    return mounts.Pair(hot, cold, mount(hot), mount(cold), shared)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/", 22),
        ("/srv", 22),
        ("/srv/my disk", 40),
        ("/srv/my disk/a", 40),
        ("/srv/my disks", 22),
        ("/run/x", 46),  # mounted over
    ],
)
def test_the_mount_of_a_path(path: str, number: int) -> None:
    assert mount(path).number == number


def test_a_path_on_no_mount() -> None:
    assert len(MOUNTS) == 9
    assert mounts.mount_of(MOUNTS[1:], "/srv") is None


def test_one_mount_and_two_disks_are_fine() -> None:
    assert list(mounts.judge([pair("/srv/x/segments", "/srv/x/segments"), pair("/run/x", "/srv/my disk/x")])) == []


def test_two_mounts_of_one_disk_are_told_of_once() -> None:
    pairs = [pair(f"/srv/my disk/capture{n}/segments", f"/srv/bound/capture{n}/segments") for n in range(9)]
    (found,) = mounts.judge(pairs)
    assert found.trouble is Trouble.TWO_MOUNTS
    assert "ReadWritePaths" in found.remedy
    assert "/srv/bound" in found.detail


def test_paths_that_a_unit_binds_are_mounts_of_their_own() -> None:
    known = mounts.bound(MOUNTS, ["/srv/x", "/srv/y", "/ro/z"])
    found = [mounts.mount_of(known, path) for path in ("/srv/x/a", "/srv/y", "/ro/z", "/srv")]
    assert [one and (one.number, one.disk, one.read_only) for one in found] == [
        (-1, "8:1", False),
        (-2, "8:1", False),
        (-3, "8:3", False),
        (22, "8:1", False),
    ]
    assert mounts.bound((), ["/srv/x"]) == ()


@pytest.mark.parametrize("path", ["/ro/x", "/failed/x"])
def test_a_mount_that_takes_nothing(path: str) -> None:
    (found,) = mounts.judge([pair(path, path), pair(path + "2", path + "2")])
    assert found.trouble is Trouble.READ_ONLY
    assert f"remount,rw {path[:-2]}" in found.remedy


@pytest.mark.parametrize("path", ["/net/x", "/sshfs/x"])
def test_a_share_is_worth_knowing(path: str) -> None:
    found = list(mounts.judge([pair(path, path, shared=True)]))
    assert troubles(found) == [Trouble.NO_EVENTS, Trouble.NO_FLAGS]
    assert not any(one.trouble.severity.fails for one in found)
    assert troubles(list(mounts.judge([pair(path, "/srv/x", shared=True)]))) == [Trouble.NO_EVENTS]


# Permissions.

HOTCOLD = User("hotcold", 990, 990, frozenset({990, 44}))


def folder(mode: int, uid: int = 990, gid: int = 990, path: str = "/r/capture1", **rest: Any) -> Entry:
    return attrs.evolve(Entry(path, stat.S_IFDIR | mode, uid, gid, f"{uid}:{gid}"), **rest)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o700, 990, 0, True),
        (0o077, 990, 990, False),  # the owner's bits count, whatever the others are
        (0o070, 0, 990, True),
        (0o070, 0, 44, True),
        (0o707, 0, 44, False),
        (0o007, 0, 0, True),
        (0o775, 0, 0, False),
    ],
)
def test_owner_then_group_then_others(mode: int, uid: int, gid: int, may: bool) -> None:
    assert access.refuses(HOTCOLD, folder(mode, uid, gid)) is not may
    assert not access.refuses(User("root", 0, 0, frozenset({0})), folder(mode, uid, gid))


def test_a_folder_on_the_way_is_only_gone_through() -> None:
    above = folder(0o711, 0, 0, "/srv", own=False)
    assert list(access.judge(HOTCOLD, "/srv/capture1", [above])) == []
    (found,) = access.judge(HOTCOLD, "/srv/capture1", [attrs.evolve(above, mode=stat.S_IFDIR | 0o700)])
    assert (found.trouble, found.where) == (Trouble.NOT_OURS, "/srv")
    assert found.remedy == "setfacl -m u:hotcold:x /srv"
    assert found.detail == "drwx------ 0:0; the service runs as hotcold"


def test_what_root_has_made_is_told_of_once_a_device() -> None:
    root_made = [folder(0o755, 0, 0, f"/r/capture1/segments/{slot}") for slot in range(24)]
    (found,) = access.judge(HOTCOLD, "/r/capture1", [folder(0o755), *root_made])
    assert (found.where, found.remedy) == ("/r/capture1/segments/0", "chown -R hotcold: /r/capture1")
    assert found.detail.endswith("and 23 more")
    (one,) = access.judge(HOTCOLD, "/r/capture1", [folder(0o755), root_made[3]])
    assert one.remedy == "chown -R hotcold: /r/capture1/segments/3"
    elsewhere = [folder(0o755, 0, 0, "/cold/a"), folder(0o755, 0, 0, "/cold/b")]
    (both,) = access.judge(HOTCOLD, "/r/capture1", elsewhere)
    assert both.remedy == "chown -R hotcold: /cold/a /cold/b"


def test_what_an_access_control_list_opens_is_open() -> None:
    assert list(access.judge(HOTCOLD, "/r", [folder(0o755, 0, 0, open_anyway=True)])) == []


def test_a_folder_that_may_not_change() -> None:
    (found,) = access.judge(HOTCOLD, "/r", [folder(0o755, immutable=True), folder(0o755, immutable=True)])
    assert (found.trouble, found.remedy) == (Trouble.IMMUTABLE, "chattr -i -a /r/capture1")


@pytest.mark.parametrize(
    ("mode", "owner", "files", "told"),
    [
        (0o1777, 0, ((1000, "a"), (990, "b")), True),
        (0o1777, 0, ((990, "b"),), False),
        (0o1777, 990, ((1000, "a"),), False),  # a folder's owner may move what is in it
        (0o0777, 0, ((1000, "a"),), False),
    ],
)
def test_a_sticky_folder_keeps_the_files_of_others(
    mode: int, owner: int, files: tuple[tuple[int, str], ...], told: bool
) -> None:
    entry = folder(mode, owner, 0, foreign=files)
    found = list(access.judge(HOTCOLD, "/r/capture1", [entry]))
    assert troubles(found) == [Trouble.STICKY] * told
    assert list(access.judge(User("root", 0, 0, frozenset()), "/r", [entry])) == []


# The clock.


@pytest.mark.parametrize(
    ("now", "ahead", "synchronised", "expected"),
    [
        (NOW, 0.0, True, []),
        (NOW, 59.0, None, []),
        (NOW, 0.0, False, [Trouble.CLOCK_FREE]),
        (NOW, 61.0, True, [Trouble.FUTURE]),
        (NOW, None, True, []),
        (0.0, 99.0, False, [Trouble.CLOCK]),
        (NOW + 40 * 365 * DAY, 0.0, True, [Trouble.CLOCK]),
    ],
)
def test_the_clock(now: float, ahead: float | None, synchronised: bool | None, expected: list[Trouble]) -> None:
    newest = None if ahead is None else Newest("/r/capture1/segments/segment_1.ts", now + ahead)
    found = list(timekeeping.judge(now, newest, synchronised=synchronised))
    assert troubles(found) == expected
    if expected == [Trouble.CLOCK]:
        assert "year" in found[0].detail


# The reactor.

WELL = Service("/r", 7, (), 1.0, "127.0.0.1:9776", "ok")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"metrics": None, "health": None}, []),
        ({"health": None}, [Trouble.DEAF]),
        ({"health": "503: capture1: the disk hangs"}, [Trouble.UNWELL]),
        ({"pid": None, "health": None}, [Trouble.NO_REACTOR]),
        ({"pid": None, "newest_age": -3.0}, [Trouble.NO_REACTOR]),
        ({"pid": None, "newest_age": 60.0}, []),
        ({"pid": None, "newest_age": None, "elsewhere": ((9, "/other"),)}, []),
        ({"pid": None, "elsewhere": ((9, "/other"),)}, [Trouble.OTHER_ROOT]),
    ],
)
def test_the_reactor(change: dict[str, Any], expected: list[Trouble]) -> None:
    found = list(service.judge(attrs.evolve(WELL, **change)))
    assert troubles(found) == expected
    assert all(one.remedy for one in found)


# Room.


def flow(kind: str = "segments", *, size: int = 100_000, rate: float = 1.0, held: int = 0, files: int = 10) -> Flow:
    whole = kind == "segments"
    return Flow(kind, DAY, whole, held, [size] * files, [NOW + number / rate for number in range(files)])


def disk(free: int, total: int = 100 * GB, free_inodes: int = 0, inodes: int = 0) -> Disk:
    return Disk("/r/capture1/segments", free, total, free_inodes, inodes)


def test_rates_come_from_the_hot_set() -> None:
    assert flow(rate=5.0).files == pytest.approx(5.0)
    assert flow(size=7).size == 7
    assert (flow(files=2).files, flow(files=0).files, flow(files=0).size) == (0, 0, 0)
    assert Flow("x", HOUR, False, 0, [1] * 5, [NOW] * 5).files == 0
    assert (Flow("x", HOUR, False, 0, [], []).kept, Flow("x", HOUR, True, 0, [], []).kept) == (HOUR, 2 * HOUR)
    assert flow().kept == DAY


@given(
    room=st.floats(0, 1e6),
    flows=st.lists(st.tuples(st.floats(0, 1e3), st.floats(1, 1e3)), max_size=5),
)
def test_a_disk_is_full_when_what_came_and_stays_fills_it(room: float, flows: list[tuple[float, float]]) -> None:
    end = capacity.lasts(room, flows)

    def there(now: float) -> float:
        return sum(rate * min(now, kept) for rate, kept in flows)

    if end is None:
        assert there(1e9) <= room * (1 + 1e-6) + 1e-6
    else:
        assert there(end) == pytest.approx(room, rel=1e-6, abs=1e-3)
        assert end <= max(kept for _rate, kept in flows)


def test_what_fits_is_not_told() -> None:
    assert list(capacity.judge(disk(20 * GB), [flow()], pressed=False)) == []
    # What is there already makes room for what comes: half a day is held.
    assert list(capacity.judge(disk(5 * GB), [flow(held=43_200)], pressed=False)) == []
    assert list(capacity.judge(disk(2 * GB), [], pressed=False)) == []


def test_a_retention_that_does_not_fit() -> None:
    (found,) = capacity.judge(disk(5 * GB), [flow(), flow("captures", size=10)], pressed=False)
    assert found.trouble is Trouble.WILL_NOT_FIT
    assert found.detail.startswith("13.9 hours fit, by its bytes: 0.100 MB/s and 2.0 files/s")
    assert found.remedy.startswith('[pressure] with min_free = "5%"')
    assert found.remedy.endswith('or retention = "12h" for captures, segments')
    (short,) = capacity.judge(disk(500_000_000, GB), [flow()], pressed=False)
    assert "or retention" not in short.remedy


def test_a_retention_that_does_not_fit_goes_early_under_pressure() -> None:
    (found,) = capacity.judge(disk(5 * GB), [flow()], pressed=True)
    assert (found.trouble, found.remedy) == (Trouble.GOES_EARLY, "none is needed")


def test_inodes_may_not_suffice() -> None:
    (found,) = capacity.judge(disk(50 * GB, free_inodes=50_000, inodes=80_000), [flow()], pressed=False)
    assert found.trouble is Trouble.WILL_NOT_FIT
    assert "13.9 hours fit, by its inodes" in found.detail
    (full,) = capacity.judge(disk(50 * GB, free_inodes=700, inodes=80_000), [], pressed=False)
    assert (full.trouble, full.detail) == (Trouble.FULL_NOW, "700 of 80000 inodes are free")
    assert full.remedy == "du -x"


def test_a_disk_that_is_almost_full_is_another_trouble() -> None:
    (soon,) = capacity.judge(disk(60_000_000, GB), [flow()], pressed=False)
    assert soon.trouble is Trouble.FULL_NOW
    assert soon.detail == "60.0 MB of 1000.0 MB are free, enough for 10.0 minutes"
    (now,) = capacity.judge(disk(9_000_000, GB), [], pressed=True)
    assert (now.trouble, now.detail) == (Trouble.FULL_NOW, "9.0 MB of 1000.0 MB are free")
