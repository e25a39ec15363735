"""Stand between a process and its file operations: `stand_between` hands each of them to a function of the test.

For processes that a test has started, never for the one that runs the tests.
"""

import io
import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from hotcold_inotify.disk import renaming
from tests.disk.fake_calls import fake_without_flags

Doing = Callable[[], Any]
Between = Callable[[str, Doing, tuple[Any, ...], dict[str, Any]], Any]
"""Gets the call's name, the call itself, and its arguments; returns what the caller is to get."""

CHANGING: Final = (
    "rename",
    "link",
    "unlink",
    "mkdir",
    "rmdir",
    "write",
    "pwrite",
    "ftruncate",
    "fsync",
    "fdatasync",
    "sendfile",
    "fchmod",
    "fchown",
    "utime",
)
READING: Final = ("scandir", "listdir", "stat", "fstat")
# A playlist that is written anew goes out in pieces of so many bytes.
_PIECE: Final = 700


class _InPieces(io.FileIO):
    def __init__(self, fd: int, between: Between) -> None:
        super().__init__(fd, "wb")
        self._between = between

    def write(self, data: Any) -> int:
        piece = memoryview(data)[:_PIECE]
        return int(self._between("write", partial(super().write, piece), (self.fileno(), piece), {}))


def stand_between(between: Between) -> None:
    """From here on every file operation of this process goes through `between`."""

    def led(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return between(name, partial(real, *args, **kwargs), args, kwargs)

        return call

    for name in (*CHANGING, *READING, "open"):
        setattr(os, name, led(name, getattr(os, name)))
    renaming._renameat2 = led("rename", renaming._renameat2)
    real_fdopen = os.fdopen

    def fdopen(fd: int, mode: str = "r", **kwargs: Any) -> Any:
        return io.BufferedWriter(_InPieces(fd, between)) if mode == "wb" else real_fdopen(fd, mode, **kwargs)

    setattr(os, "fdopen", fdopen)  # noqa: B010 - another signature than the library's


def without_rename_flags() -> None:
    """From here on this process is on a file system whose renameat2(2) knows no flags."""
    vars(renaming._libc)["renameat2"] = fake_without_flags()


def changes(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a call, if it succeeds, leaves the disk another than before."""
    return name in CHANGING or (name == "open" and bool(args[1] & os.O_CREAT))
