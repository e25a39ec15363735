"""The list of devices: one whose disk fails or hangs is said to, and keeps no other from being shown."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotcold_inotify.disk import Home
from hotcold_inotify.web import overview
from hotcold_inotify.web.tree import NotThere
from tests.web.stage import NOW, client, write


@pytest.fixture
def two(root: Path) -> Path:
    for device in ("capture1", "capture2"):
        write(root / device / "captures" / "capture_000000001.jpg", NOW - 1)
    return root


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def states(root: Path) -> dict[str, str]:
    found = (await client(root, 'timezone = "UTC"').json("/api/host/devices"))["devices"]
    return {device["name"]: device["state"] for device in found}


def troubled(monkeypatch: pytest.MonkeyPatch, trouble: Any) -> None:
    real = overview.device

    def device(tree: Any, home: Home, moments: Any) -> Any:
        if home.name == "capture1":
            trouble()
        return real(tree, home, moments)

    monkeypatch.setattr(overview, "device", device)


async def test_a_disk_that_fails_is_said_and_the_others_are_shown(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await states(two) == {"capture1": "live", "capture2": "live"}

    def eio() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    troubled(monkeypatch, eio)
    assert await states(two) == {"capture1": "failed", "capture2": "live"}


async def test_a_disk_that_hangs_is_said_and_the_others_are_shown(
    two: Path, monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    hung = threading.Event()

    def hang() -> None:
        hung.set()
        released.wait(30)

    troubled(monkeypatch, hang)
    for _ in range(6):  # more often than the device has threads
        assert await states(two) == {"capture1": "failed", "capture2": "live"}
    assert hung.is_set()


async def test_a_device_that_goes_meanwhile_is_left_out(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def goes() -> None:
        raise NotThere("no such device")

    troubled(monkeypatch, goes)
    assert await states(two) == {"capture2": "live"}
