"""The operating guide, held against the tree: what it names is there."""

import re
from collections.abc import Iterator
from typing import Any

from hotcold_inotify.cli.main import main
from hotcold_inotify.config import Config, dump
from tests.machine import CLONE
from tests.operate.test_prometheus_files import anchor
from tests.operate.texts import DEPLOY, GUIDE

TEXT = GUIDE.read_text("utf-8")
# In tables, in sentences and in blocks of commands.
CODE = [*re.findall(r"`([^`]+)`", TEXT.replace("\n", " ")), *re.findall(r"^ {4}(.+)$", TEXT, flags=re.MULTILINE)]


def keys(table: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, value in table.items():
        yield f"{before}{key}"
        if isinstance(value, dict):
            yield from keys(value, f"{before}{key}.")


def test_every_file_that_is_named_is_there() -> None:
    named = {word for code in CODE for word in re.findall(r"(?<![\w/.])(?:deploy|docs|ffmpeg)/[\w./-]*\w/?", code)}
    assert len(named) > 8
    assert [name for name in named if not (CLONE / name).exists()] == []


def test_every_command_is_one() -> None:
    named = {name for code in CODE for name in re.findall(r"^hotcold ([a-z]+)", code)}
    assert named
    assert named <= main.commands.keys()
    made = {name for code in CODE for name in re.findall(r"^make ([a-z]+)", code)}
    targets = re.findall(r"^([a-z]+):", (CLONE / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert made
    assert made <= set(targets)


def test_every_setting_is_one() -> None:
    known = set(keys(dump(Config())))
    named = {name for code in CODE for name in re.findall(r"^((?:web|metrics|kinds)\.[a-z_]+)", code)}
    assert named
    assert named <= known
    launcher = set(re.findall(r"HOTCOLD_\w+", (CLONE / "ffmpeg" / "README.md").read_text("utf-8")))
    assert set(re.findall(r"HOTCOLD_\w+", TEXT)) <= launcher


def test_every_link_leads_to_a_section() -> None:
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", TEXT, flags=re.MULTILINE)}
    links = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert links
    assert links <= anchors


def test_the_table_of_deploy_has_every_folder() -> None:
    named = set(re.findall(r"^\| `(\w+)/`", (DEPLOY / "README.md").read_text("utf-8"), flags=re.MULTILINE))
    assert named == {entry.name for entry in DEPLOY.iterdir() if entry.is_dir()}


def test_lines_are_as_long_as_code_may_be() -> None:
    shipped = [
        path for folder in ("prometheus", "container") for path in (DEPLOY / folder).rglob("*") if path.is_file()
    ]
    for path in [GUIDE, *shipped]:
        lines = path.read_text("utf-8").splitlines()
        # A table's row and a health check have no place to be broken.
        assert [line for line in lines if len(line) > 120 and not line.lstrip().startswith(("|", "test:"))] == [], path
