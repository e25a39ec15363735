"""A Debian with a real systemd, booted by the lab in its own namespaces; a shell in it runs one command at a time."""

import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import attrs

_MARK = "--- done "


@attrs.frozen
class Done:
    """A command's end: exit code, what it printed (both streams), and seconds."""

    code: int
    said: str
    seconds: float


class Booted:
    """Booted from a tree until closed."""

    def __init__(self, lab: Path, tree: Path) -> None:
        self.tree = tree
        self._process = subprocess.Popen(
            [lab / "boot-systemd", tree, "bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # the shell ends, and its machine is taken down
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def run(self, command: str, seconds: float = 60.0) -> Done:
        """Run a line of shell, whatever its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        began = time.monotonic()
        self._process.stdin.write(f"{{ {command}\n}} </dev/null 2>&1; code=$?; echo; echo '{_MARK}'$code\n".encode())
        self._process.stdin.flush()
        said = b""
        while f"\n{_MARK}".encode() not in said or not said.endswith(b"\n"):
            left = began + seconds - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, left))
            assert ready, f"{command!r} took more than {seconds} s; it said: {said.decode()}"
            data = os.read(self._process.stdout.fileno(), 65_536)
            assert data, f"the machine went down at {command!r}: {said.decode()}"
            said += data
        text, _, code = said.decode("utf-8", "replace").rpartition(f"\n{_MARK}")
        return Done(int(code), text.strip("\n"), time.monotonic() - began)

    def must(self, command: str, seconds: float = 60.0) -> str:
        """Run a line of shell that has to end well; what it printed."""
        done = self.run(command, seconds)
        assert done.code == 0, f"{command!r} ended with {done.code}: {done.said}"
        return done.said

    def eventually(self, what: str, holds: Callable[[], bool], seconds: float = 60.0) -> float:
        """Wait for it; seconds that it took."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() < began + seconds, f"waited {seconds} s for: {what}\n{self.journal()}"
            time.sleep(0.1)  # each look is a command in the machine
        return time.monotonic() - began

    def journal(self) -> str:
        """The last of what the services said."""
        return self.run("systemctl --no-pager status 'hotcold*' | cut -c -200; journalctl --no-pager | tail -n 40").said

    def property(self, unit: str, name: str) -> str:
        """What systemd knows of a unit."""
        return self.must(f"systemctl show --property={name} --value '{unit}'")
