import contextlib
import os
from pathlib import Path

import pytest

from hotcold_inotify.config import DEFAULT_KINDS, Config
from hotcold_inotify.disk import SLOT_NAMES, SURVIVED, Home, errno_name, find_device, find_devices, home
from hotcold_inotify.disk.errnos import survived
from hotcold_inotify.disk.layout import active_captures, make_folder
from tests.disk.stage import SEGMENTS, UTC, write


def found(config: Config) -> list[str]:
    devices, wrong = find_devices(config)
    assert wrong == ()
    assert all(device.name == name for name, device in devices.items())
    return [device.path for device in devices.values()]


# --- folders ---


def test_a_device_gets_its_kinds_with_24_slots_each(tmp_path: Path) -> None:
    device = Home("capture1", str(tmp_path / "capture1"), str(tmp_path / "capture1"))
    kinds = [kind.name for kind in DEFAULT_KINDS]
    device.make(kinds)
    assert sorted(os.listdir(tmp_path / "capture1")) == sorted(kinds)
    for kind in kinds:
        assert sorted(os.listdir(tmp_path / "capture1" / kind), key=int) == list(SLOT_NAMES)
    write(tmp_path / "capture1" / "segments" / "14" / "segment_1.ts")
    device.make(kinds)
    assert (tmp_path / "capture1" / "segments" / "14" / "segment_1.ts").exists()


def test_slots_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "hot" / "capture1").mkdir(parents=True)
    config = Config(root=str(tmp_path / "hot"), cold_root=str(tmp_path / "cold"))
    device = home(config, str(tmp_path / "hot" / "capture1"))
    assert device == Home("capture1", str(tmp_path / "hot" / "capture1"), str(tmp_path / "cold" / "capture1"))
    with device.open(SEGMENTS, UTC, make=True) as folder:
        assert folder.cold_path == str(tmp_path / "cold" / "capture1" / "segments")
    assert os.listdir(tmp_path / "hot" / "capture1" / "segments") == []
    assert len(os.listdir(tmp_path / "cold" / "capture1" / "segments")) == 24


def test_a_device_that_went_away_is_not_conjured_up(tmp_path: Path) -> None:
    device = home(Config(), str(tmp_path / "capture1"))
    with pytest.raises(FileNotFoundError):
        device.open(SEGMENTS, UTC, make=True)
    assert os.listdir(tmp_path) == []


def test_what_has_a_folders_name_stays_and_is_said_when_it_is_opened(tmp_path: Path) -> None:
    write(tmp_path / "segments")
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / "14").symlink_to(tmp_path)
    make_folder(str(tmp_path / "captures"), str(tmp_path / "captures"))
    assert (tmp_path / "captures" / "14").is_symlink()
    device = home(Config(), str(tmp_path))
    with pytest.raises(NotADirectoryError):
        device.open(SEGMENTS, UTC, make=True)


# --- devices ---


def test_devices_are_names_and_globs_under_the_root_and_absolute_paths(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other" / "usb1"
    for path in (root / "capture1", root / "capture10", root / "Capture2", root / ".capture3", root / "front", other):
        path.mkdir(parents=True)
    write(root / "capture4")
    config = Config(root=str(root), devices=("capture*", "front", "back", f"{other}/", str(tmp_path / "missing")))
    assert found(config) == [str(other), *(str(root / name) for name in ("capture1", "capture10", "front"))]


def test_a_device_that_is_named_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "capture1").mkdir()
    config = Config(root=str(tmp_path), devices=("capture1", "capture*", str(tmp_path / "capture1")))
    assert found(config) == [str(tmp_path / "capture1")]


def test_two_devices_of_one_name_are_said_and_the_first_is_served(tmp_path: Path) -> None:
    for path in (tmp_path / "root" / "capture1", tmp_path / "other" / "capture1"):
        path.mkdir(parents=True)
    config = Config(root=str(tmp_path / "root"), devices=("capture*", str(tmp_path / "other" / "capture1")))
    devices, (wrong,) = find_devices(config)
    assert [device.path for device in devices.values()] == [str(tmp_path / "other" / "capture1")]
    assert wrong.startswith("two devices are called capture1")


def test_two_paths_to_one_folder_are_said_and_it_is_served_once(tmp_path: Path) -> None:
    (tmp_path / "capture1").mkdir()
    (tmp_path / "capture2").symlink_to("capture1")
    devices, (wrong,) = find_devices(Config(root=str(tmp_path)))
    assert list(devices) == ["capture1"]
    assert wrong.startswith(f"{tmp_path}/capture2 is the same folder as {tmp_path}/capture1")


def test_a_link_to_a_folder_elsewhere_is_a_device(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root" / "capture1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "capture2").symlink_to(tmp_path / "nowhere")
    assert found(Config(root=str(tmp_path / "root"))) == [str(tmp_path / "root" / "capture1")]


def test_names_of_any_bytes_are_devices(tmp_path: Path) -> None:
    for text in ("capture\n1", "capture [1]", os.fsdecode(b"capture\xff")):
        (tmp_path / text).mkdir()
    assert len(found(Config(root=str(tmp_path)))) == 3


@pytest.mark.parametrize("name", ["capture1", "capture\n1", "elsewhere", "listed"])
def test_one_device_is_found_by_its_name_as_it_is_among_all(tmp_path: Path, name: str) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for path in (root / "capture1", root / "capture\n1", other / "elsewhere", other / "listed", other / "capture1"):
        path.mkdir(parents=True)
    active = tmp_path / "active"
    active.write_text(f"{other}/listed\n{other}/capture1\n", "utf-8")
    config = Config(root=str(root), devices=("capture*", str(other / "elsewhere")), active_captures=str(active))
    assert find_device(config, name) == find_devices(config)[0][name]


@pytest.mark.parametrize("name", ["", ".", "..", "other", "capture2", "capture1/x", "../root/capture1", "capture1\0"])
def test_no_other_name_is_a_device(tmp_path: Path, name: str) -> None:
    (tmp_path / "root" / "capture1").mkdir(parents=True)
    (tmp_path / "root" / "other").mkdir()
    assert find_device(Config(root=str(tmp_path / "root")), name) is None


def test_a_root_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_devices(Config(root=str(tmp_path / "missing")))


# --- the list of active captures ---


def test_active_captures_come_on_top_in_both_forms(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    for path in (root / "capture1", root / "usb1", root / "usb2", other / "usb3"):
        path.mkdir(parents=True)
    listed = write(
        tmp_path / "list",
        content=b"# what runs\n\nusb1\n  usb2 ,4711,hd\n%b/usb3,4712,sd # the third\r\nmissing\n,,\nnul\0\n\xff\n"
        % os.fsencode(other),
    )
    config = Config(root=str(root), devices=(), active_captures=str(listed))
    assert found(config) == [str(root / "usb1"), str(root / "usb2"), str(other / "usb3")]


@pytest.mark.parametrize("what", ["missing", "a folder", "no list"])
def test_a_list_that_cannot_be_read_names_nothing(tmp_path: Path, what: str) -> None:
    path = {"missing": str(tmp_path / "missing"), "a folder": str(tmp_path), "no list": ""}[what]
    assert active_captures(Config(root=str(tmp_path), active_captures=path)) == []


def test_the_root_of_the_file_system_is_no_device(tmp_path: Path) -> None:
    config = Config(root=str(tmp_path), active_captures=str(write(tmp_path / "list", content=b"/\n")))
    devices, (wrong,) = find_devices(config)
    assert devices == {}
    assert "no name" in wrong


# --- errnos ---


def test_errnos_by_name() -> None:
    assert errno_name(OSError(28, "full")) == "ENOSPC"
    assert errno_name(OSError(9999, "?")) == "9999"
    assert errno_name(OSError("?")) == "None"
    assert 22 not in SURVIVED  # EINVAL is a wrong call: a bug


@pytest.mark.parametrize(("number", "goes_on"), [(28, True), (5, False)])
def test_only_the_named_errnos_are_survived(number: int, *, goes_on: bool) -> None:
    with contextlib.nullcontext() if goes_on else pytest.raises(OSError, match="an error"), survived(28, 30):
        raise OSError(number, "an error")
