"""The house's rules, held against the code: imports go down only, values know no outside, the top level is tidy."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.machine import CLONE, makefile_list

PACKAGE: Final = "hotcold_inotify"

# Floor by floor, from the ground up: a room imports from floors below its own, and within a package from its own room.
# ARCHITECTURE.md has the same table.
FLOORS: Final[Mapping[str, frozenset[str]]] = {
    "values": frozenset(
        {
            "analysis",
            "names",
            "hours",
            "brake",
            "hotset",
            "invariants",
            "livewindow",
            "timeline",
            "playlist",
            "pressure",
            "forms",
            "prognosis",
            "checklist",
            "config",
        }
    ),
    "adapters": frozenset(
        {"watch", "disk", "beneath", "metrics", "endpoint", "logs", "clock", "background", "probe", "readiness"}
    ),
    "tasks": frozenset(
        {"device", "discovery", "rotation", "relief", "audit", "migration", "doctor", "acceptance", "reporting"}
    ),
    "root": frozenset({"reactor"}),
    "faces": frozenset({"cli", "web", "__main__"}),
}
FLOOR_OF: Final = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
HEIGHT: Final = {floor: height for height, floor in enumerate(FLOORS)}

# Beside what lies below it, a room may import these of its own floor.
BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "timeline": frozenset({"playlist", "names"}),
    "invariants": frozenset({"hours", "playlist", "timeline"}),
    "livewindow": frozenset({"playlist"}),
    "hotset": frozenset({"names"}),
    "checklist": frozenset({"hours", "invariants"}),
    "prognosis": frozenset({"hours", "config", "brake"}),
    "cli": frozenset({"web"}),
    "__main__": frozenset({"cli"}),
    "config": frozenset({"names", "hours", "forms", "pressure"}),
    "pressure": frozenset({"hours"}),
}
# The folder is the interface: what HTTP shows is read from the file system.
NEVER: Final[Mapping[str, frozenset[str]]] = {
    "web": frozenset({"reactor", "device", "rotation", "relief", "audit", "migration", "doctor", "acceptance"})
}

# The machine, its clock, its logs and the libraries that reach them: none of it below the adapters.
OUTSIDE: Final = frozenset(
    {
        "asyncio",
        "click",
        "ctypes",
        "fcntl",
        "glob",
        "hypercorn",
        "inotify_simple",
        "io",
        "logging",
        "os",
        "pathlib",
        "posix",
        "prometheus_client",
        "random",
        "rich",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "structlog",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "trio",
    }
)
PURE: Final = frozenset({"pathlib.PurePath", "pathlib.PurePosixPath"})  # text arithmetic, beside what reads the disk
READS_THE_OUTSIDE: Final = frozenset({"now", "utcnow", "today", "open", "input", "print"})
HIDES_AN_IMPORT: Final = frozenset({"import_module", "__import__", "exec", "eval"})


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """The full dotted name of everything that a module imports anywhere in it, under TYPE_CHECKING too.

    `from a.b import c` gives a.b.c, for c may be a module.
    """
    parents = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                base = parents[: len(parents) - level + 1] if level else []
                yield from (".".join([*base, *([source] if source else []), alias.name]) for alias in names)


def broken_rules(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What the text of a module, named in full, does against the rules of its floor; a plain sentence for each."""
    room = module.split(".")[1]
    if room not in FLOOR_OF:
        return [f"{module} has no floor: give it one, here and in ARCHITECTURE.md"]
    tree = ast.parse(source)
    imported = sorted(set(imports(tree, module, is_package=is_package)))
    broken = [f"{module} imports {name}" for name in imported if not may_import(room, name)]
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                if called in HIDES_AN_IMPORT or (called in READS_THE_OUTSIDE and FLOOR_OF[room] == "values"):
                    broken.append(f"{module} calls {called}() in line {node.lineno}")
    return broken


def may_import(room: str, name: str) -> bool:
    top, _, inside = name.partition(".")
    if top != PACKAGE:
        return FLOOR_OF[room] != "values" or top not in OUTSIDE or name in PURE
    target = inside.split(".")[0]
    if target not in FLOOR_OF:
        return target == "__version__"
    below = HEIGHT[FLOOR_OF[target]] < HEIGHT[FLOOR_OF[room]]
    return target == room or ((below or target in BESIDE.get(room, ())) and target not in NEVER.get(room, ()))


def modules() -> Iterator[tuple[Path, str]]:
    for path in sorted((CLONE / PACKAGE).rglob("*.py")):
        dotted = ".".join(path.relative_to(CLONE).with_suffix("").parts)
        if dotted != f"{PACKAGE}.__init__":
            yield path, dotted.removesuffix(".__init__")


@pytest.mark.parametrize(("path", "module"), [pytest.param(path, module, id=module) for path, module in modules()])
def test_a_module_keeps_the_rules_of_its_floor(path: Path, module: str) -> None:
    assert broken_rules(path.read_text("utf-8"), module, is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hotcold_inotify.helpers", ""),
        ("hotcold_inotify.names", "import os"),
        ("hotcold_inotify.names", "import os.path"),
        ("hotcold_inotify.names", "from pathlib import Path"),
        ("hotcold_inotify.names", "def f():\n    from time import time"),
        ("hotcold_inotify.names", "from hotcold_inotify import hours"),
        ("hotcold_inotify.names", "import hotcold_inotify.hours"),
        ("hotcold_inotify.names", "if TYPE_CHECKING:\n    from .hours import Zone"),
        ("hotcold_inotify.playlist", "from hotcold_inotify.timeline import Segment"),
        ("hotcold_inotify.hours", "from datetime import datetime\ndatetime.now(tz=None)"),
        ("hotcold_inotify.config", "open('/etc/hotcold/hotcold.toml')"),
        ("hotcold_inotify.config", "from hotcold_inotify.disk.slots import Slots"),
        ("hotcold_inotify.watch", "from . import clock"),
        ("hotcold_inotify.disk.slots", "from ..metrics import Metrics"),
        ("hotcold_inotify.disk.slots", "from hotcold_inotify.device import Device"),
        ("hotcold_inotify.rotation", "from hotcold_inotify import audit"),
        ("hotcold_inotify.web.api", "from hotcold_inotify.reactor import run"),
        ("hotcold_inotify.web.api", "from hotcold_inotify import cli"),
        ("hotcold_inotify.web.api", "import importlib\nimportlib.import_module('hotcold_inotify.reactor')"),
        ("hotcold_inotify.web.api", "from hotcold_inotify import *"),
        ("hotcold_inotify.cli.main", "from hotcold_inotify.nowhere import room"),
    ],
)
def test_the_rules_catch(module: str, source: str) -> None:
    assert len(broken_rules(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hotcold_inotify.names", "import re, attrs\nfrom datetime import date\nfrom pathlib import PurePosixPath"),
        ("hotcold_inotify.timeline", "from hotcold_inotify.playlist import Entry\nfrom .names import FileName"),
        ("hotcold_inotify.disk.slots", "import os\nfrom .layout import x\nfrom hotcold_inotify import hours, disk"),
        ("hotcold_inotify.device.life", "import trio\nfrom hotcold_inotify.disk import Slots\nfrom .. import watch"),
        ("hotcold_inotify.cli.main", "from hotcold_inotify import __version__, reactor\nprint(open('x'))"),
    ],
)
def test_the_rules_let_through(module: str, source: str) -> None:
    assert broken_rules(source, module) == []


def test_within_a_package_a_dot_is_the_package() -> None:
    assert broken_rules("from . import slots", "hotcold_inotify.disk", is_package=True) == []
    assert len(broken_rules("from .. import device", "hotcold_inotify.disk", is_package=True)) == 1


def test_every_room_of_the_table_is_there() -> None:
    assert {module.split(".")[1] for _, module in modules()} == set(FLOOR_OF)


def test_the_table_in_architecture_md_is_this_one() -> None:
    text = (CLONE / "ARCHITECTURE.md").read_text("utf-8")
    table = text.partition("| floor | room |")[2].partition("\n\n")[0]
    written: dict[str, set[str]] = {}
    floor = ""
    for named, room in re.findall(r"^\| *(\w*)[^|]*\| `(\w+)(?:\.py|/)` \|", table, flags=re.MULTILINE):
        floor = named or floor
        written.setdefault(floor, set()).add(room)
    assert written == FLOORS
    assert list(written) == list(FLOORS)


def test_make_measures_the_branches_of_every_value() -> None:
    assert makefile_list("VALUES") == FLOORS["values"]


@pytest.mark.parametrize("value", sorted(FLOORS["values"]))
def test_no_branch_of_a_value_is_left_out_of_the_measure(value: str) -> None:
    paths = [path for path, module in modules() if module.split(".")[1] == value]
    assert paths
    assert [path for path in paths if "pragma: no" in path.read_text("utf-8")] == []


def in_git() -> set[str]:
    """Every file that is in git or would be taken up by it."""
    # The clone may be another user's: then git wants to be told that this is meant.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CLONE, check=True, capture_output=True, text=True).stdout
    return {name for name in listed.split("\0") if name and (CLONE / name).exists()}


@pytest.mark.needs("git")
def test_the_top_level_is_what_it_should_be() -> None:
    assert {name.split("/")[0] for name in in_git()} == {
        ".ci",
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "benchmarks",
        "deploy",
        "docs",
        "ffmpeg",
        "hotcold_inotify",
        "pyproject.toml",
        "tests",
    }


@pytest.mark.needs("git")
@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "docs/reliability.md"])
def test_the_tests_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py|tests/[\w/]+)", (CLONE / page).read_text("utf-8")))
    assert named
    there = in_git()
    assert {
        name for name in named if not any(f"/{one}".startswith(f"/{name}") or one.endswith(f"/{name}") for one in there)
    } == set()


@pytest.mark.needs("git", "shellcheck")
def test_shellcheck_finds_nothing() -> None:
    scripts = [name for name in in_git() if re.match(rb"#!.*\b(ba|da)?sh\b", (CLONE / name).read_bytes()[:80])]
    assert ".ci/run" in scripts
    check = ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", "--enable=check-unassigned-uppercase"]
    subprocess.run([*check, *sorted(scripts)], cwd=CLONE, check=True)


def test_the_launcher_and_the_types_travel_in_the_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=CLONE, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{PACKAGE}/{path.relative_to(CLONE)}" for path in (CLONE / "ffmpeg").rglob("*") if path.is_file()} <= names
    assert {f"{PACKAGE}/py.typed", f"{PACKAGE}/ffmpeg/capture.sh"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {PACKAGE}


def test_every_direct_dependency_is_pinned_and_no_address_is_written() -> None:
    project = tomllib.loads((CLONE / "pyproject.toml").read_text("utf-8"))
    asked = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["test"],
    ]
    lines = [line for line in (CLONE / ".ci/constraints.txt").read_text("utf-8").splitlines() if line[:1] != "#"]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert {normal(re.split(r"\W*[>=]", each)[0]) for each in asked} <= {normal(line.split("==")[0]) for line in lines}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (Python packaging's specification of names)."""
    return re.sub(r"[-_.]+", "-", name).lower()
