"""The system's answers that a healthy disk does not give. Each takes the real function and stands in its place."""

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotcold_inotify.disk import renaming

NOREPLACE = 1
EXCHANGE = 2

Call = Callable[..., Any]


@contextlib.contextmanager
def standing_in(place: object, name: str, fake: Call) -> Iterator[None]:
    """The fake stands in for `place.name` until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, fake)
        yield


def fake_error(number: int) -> Call:
    """A call that fails with `number`."""

    def call(*_args: Any, **_kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def fake_renameat2(number: int, refuses: Callable[[int, str, int, str, int], bool]) -> Call:
    """renameat2(2) that answers `number` to the arguments that `refuses` is true of."""
    real = renaming._libc.renameat2

    def renameat2(source_fd: int, source: bytes, target_fd: int, target: bytes, flags: int) -> int:
        if refuses(source_fd, os.fsdecode(source), target_fd, os.fsdecode(target), flags):
            ctypes.set_errno(number)
            return -1
        return int(real(source_fd, source, target_fd, target, flags))

    return renameat2


def fake_without_flags() -> Call:
    """The renameat2(2) of a file system that knows no flags."""
    return fake_renameat2(errno.EINVAL, lambda *arguments: arguments[-1] != 0)


def fake_refusal(real: Call, number: int, *names: str) -> Call:
    """A call whose first argument is a name, and that fails with `number` for these."""

    def call(path: Any, *args: Any, **kwargs: Any) -> Any:
        if path in names:
            raise OSError(number, os.strerror(number), path)
        return real(path, *args, **kwargs)

    return call


def fake_count(real: Call, counted: list[str]) -> Call:
    """A call whose first argument is a descriptor; the last part of the path that it is open on goes into `counted`."""

    def call(fd: int, *args: Any, **kwargs: Any) -> Any:
        counted.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        return real(fd, *args, **kwargs)

    return call
