"""The guide for a host that changes over, held against the tree: its commands are ones, and do what it says."""

import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from hotcold_inotify.cli.main import main
from hotcold_inotify.config import Config, dump
from tests.live.started import put
from tests.machine import CLONE
from tests.operate.test_prometheus_files import anchor
from tests.operate.texts import DEPLOY

TEXT: Final = (CLONE / "docs" / "migrate.md").read_text("utf-8")
BLOCKS: Final = re.findall(r"(?:^ {4}.+\n)+", TEXT, flags=re.MULTILINE)
LINES: Final = [line.strip() for block in BLOCKS for line in block.splitlines()]
COMMANDS: Final = [line for line in LINES if line.startswith("hotcold ")]
ROOT: Final = "/var/www/html/stream"
STEPS: Final = ["Look", "The structure", "The archiver", "The API", "The page", "Clean-up", "Watching"]


def test_it_has_the_steps_each_with_a_check_and_a_way_back() -> None:
    sections = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    for number, step in enumerate(STEPS):
        assert sections[number].startswith(f"{number}. {step}\n")
        if 0 < number < len(STEPS) - 1:
            assert "**Check**" in sections[number], step
            assert "**Step back**" in sections[number], step


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_every_command_is_one(command: str) -> None:
    _, name, *words = shlex.split(command)
    main.commands[name].make_context(name, words)


def test_every_block_is_shell_or_configuration() -> None:
    known = dump(Config())
    assert len(BLOCKS) > 12
    for block in BLOCKS:
        if key := re.fullmatch(r" {4}(\w+) = \w+\n", block):
            assert key[1] in known
        else:
            subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_every_file_section_and_unit_that_is_named_is_there() -> None:
    named = set(re.findall(r"(?:deploy|docs|ffmpeg)/[\w./-]*\w", TEXT))
    assert len(named) > 3
    assert [name for name in named if not (CLONE / name).exists()] == []
    links = set(re.findall(r"\]\(#([\w-]+)\)", TEXT))
    assert len(links) > len(STEPS)
    assert links <= {anchor(heading) for heading in re.findall(r"^#+ (.+)$", TEXT, flags=re.MULTILINE)}
    units = {
        re.sub(r"@\w+", "@", word)
        for line in LINES
        if line.startswith("systemctl ")
        for word in line.split()
        if word.startswith("hotcold")
    }
    assert units >= {"hotcold", "hotcold-api", "hotcold-capture@"}
    assert [unit for unit in units if not (DEPLOY / "systemd" / f"{unit}.service").exists()] == []


def test_lines_are_as_long_as_code_may_be() -> None:
    assert [line for line in TEXT.splitlines() if len(line) > 120 and not line.startswith("|")] == []


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root with a device in the old layout, of which the old ffmpeg is gone."""
    device = tmp_path / "stream" / "capture1"
    (device / "captures").mkdir(parents=True)
    now = time.time()
    for number in range(40):
        at = now - 300 + number
        put(device, f"segment_{number:09}.ts", b"12345", at)
        for name in (f"capture_{number}.jpg", f"capture_{number}_thumbnail.jpg", f"capture_{number}.json"):
            put(device / "captures", name, b"12345", at)
    for number in range(100, 110):
        put(device, f"segment_{number:09}.ts", b"12345", now - 40 * 3_600 + number)
    return tmp_path / "stream"


def test_its_migrations_do_what_it_says_in_its_order(host: Path, tmp_path: Path) -> None:
    config = tmp_path / "hotcold.toml"
    config.write_text(f'root = "{host}"\n', "utf-8")
    run = CliRunner(env={"HOTCOLD_CONFIG": str(config), "PATH": "/nonexistent"})
    device = host / "capture1"

    def old() -> set[str]:
        return {name for folder in ("", "captures") for name in os.listdir(device / folder) if "_" in name}

    before = old()
    said: list[tuple[str, Result]] = []
    for line in COMMANDS:
        _, name, *words = shlex.split(line.replace(ROOT, str(host)))
        if name not in {"migrate", "check"}:
            continue  # what those say is about this machine
        said.append((line, run.invoke(main, [name, *words], catch_exceptions=False)))
        assert said[-1][1].exit_code == 0, said[-1][1].output
        if "--undo" in words and "--dry-run" not in words:
            assert old() == before - {f"segment_{number:09}.ts" for number in range(100, 110)}
        elif words == [str(host)]:
            assert len(list(device.glob("*.ts"))) == 10  # they have expired, and nobody has asked to delete them
    shown = [result.output for line, result in said if "--dry-run" in line and "--undo" not in line]
    assert "capture1: 120 files to move" in shown[0]  # the captures are in their place
    assert re.search(r"to all hours +30 ", shown[0])
    assert "expired: stays" in shown[0]
    assert all("capture1: 0 files to move" in text for text in shown[1:])
    assert len(shown) == 3
    assert not list(device.glob("segments"))
    assert "capture1: 0 files would go back" in said[-1][1].output
