"""The container's files, held against the tree: what they copy, start and ask is there. That takes no engine."""

import ast
import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from hotcold_inotify.cli.main import main
from hotcold_inotify.config import Config, parse
from hotcold_inotify.web.login import read_token
from tests.machine import CLONE
from tests.operate.stack import api, reactor
from tests.operate.texts import DEPLOY, parsed, swapped

FOLDER: Final = DEPLOY / "container"
PROJECT: Final[dict[str, Any]] = tomllib.loads((CLONE / "pyproject.toml").read_text("utf-8"))
COMPOSE: Final[dict[str, Any]] = parsed(FOLDER / "compose.yaml")
CODE: Final = f"lib/python3.11/site-packages/{PROJECT['project']['name']}"


@attrs.frozen
class Stage:
    """One stage of the Containerfile: where it begins, and its instructions with their arguments."""

    name: str
    base: str
    instructions: list[tuple[str, str]]

    def last(self, name: str) -> str:
        return [arguments for instruction, arguments in self.instructions if instruction == name][-1]

    def copies(self) -> list[tuple[str | None, list[str], str]]:
        """Of each COPY: the stage it copies from (None: the clone), the sources, the target."""
        found = []
        for instruction, arguments in self.instructions:
            if instruction == "COPY":
                words = shlex.split(arguments)
                origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
                found.append((origin, words[:-1], words[-1]))
        return found


def stages() -> dict[str, Stage]:
    text = re.sub(r"^\s*#.*\n", "", (FOLDER / "Containerfile").read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, Stage] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        name, _, arguments = line.strip().partition(" ")
        if name == "FROM":
            base, how, stage = arguments.split()
            assert how == "AS"
            found[stage] = Stage(stage, base, [])
        else:
            known = {"RUN", "WORKDIR", "COPY", "ENV", "USER", "ENTRYPOINT", "CMD"}
            assert name in known, line
            found[list(found)[-1]].instructions.append((name, arguments.strip()))
    return found


STAGES: Final = stages()


def config() -> Config:
    return parse((FOLDER / "hotcold.toml").read_text("utf-8"), "hotcold.toml")


def test_each_stage_begins_with_a_stage_before_it_or_a_bare_image() -> None:
    assert list(STAGES) == ["build", "hotcold", "capture"]
    before: set[str] = set()
    for stage in STAGES.values():
        assert stage.base in before or re.fullmatch(r"[a-z]+:[\w.-]+", stage.base), stage.base
        assert all(origin is None or origin in before for origin, _, _ in stage.copies())
        before.add(stage.name)
    for service in COMPOSE["services"].values():
        assert re.fullmatch(r"[a-z-]+", service["image"])


def test_what_is_copied_is_there_and_not_left_out() -> None:
    left_out = (FOLDER / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    left_out = [line.removeprefix("**/") for line in left_out if line and not line.startswith("#")]
    for stage in STAGES.values():
        for origin, sources, _ in stage.copies():
            for source in sources if origin is None else ():
                assert (CLONE / source).exists(), source
                assert not any(fnmatch.fnmatch(part, each) for part in Path(source).parts for each in left_out), source


def test_what_is_copied_is_enough_to_build_the_wheel_with_all_that_is_started(tmp_path: Path) -> None:
    context, out = tmp_path / "src", tmp_path / "out"
    context.mkdir()
    for _, sources, target in STAGES["build"].copies():
        for source in sources:
            if (CLONE / source).is_dir():
                # As COPY does: the content of the one into the other.
                without = shutil.ignore_patterns("node_modules", "__pycache__", ".dist-*")
                shutil.copytree(CLONE / source, context / target, ignore=without)
            else:
                (context / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(CLONE / source, context / target)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(build, cwd=context, check=True, capture_output=True)
    (wheel,) = out.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        launcher = archive.getinfo("hotcold_inotify/ffmpeg/capture.sh")
    assert {"hotcold_inotify/__main__.py", "hotcold_inotify/web/ui/dist/index.html"} <= names
    assert launcher.external_attr >> 16 & 0o111 == 0o111, "it is started by its name"


def test_what_is_started_is_what_was_installed() -> None:
    scripts = {f"/opt/hotcold/bin/{name}" for name in PROJECT["project"]["scripts"]}
    (started,) = ast.literal_eval(STAGES["hotcold"].last("ENTRYPOINT"))
    assert started in scripts
    assert main.commands.keys() >= {*ast.literal_eval(STAGES["hotcold"].last("CMD"))}
    (launcher,) = ast.literal_eval(STAGES["capture"].last("ENTRYPOINT"))
    installed = re.search(r"ln -s (\S+) (\S+)", STAGES["capture"].last("RUN"))
    assert installed is not None
    assert installed[2] == launcher
    assert fnmatch.fnmatch(f"/opt/hotcold/{CODE}/ffmpeg/capture.sh", installed[1])
    assert "-m venv /opt/hotcold" in STAGES["build"].last("RUN")
    assert [each for each in STAGES["hotcold"].copies() if each[0]] == [("build", ["/opt/hotcold"], "/opt/hotcold")]
    for service in COMPOSE["services"].values():
        stage = STAGES[service["build"]["target"]]
        assert (FOLDER / service["build"]["context"]).resolve() == CLONE
        assert (CLONE / service["build"]["dockerfile"]).is_file()
        if stage.name == "hotcold":
            assert len(service["command"]) == 1
            assert service["command"][0] in main.commands


def test_nobody_is_root_and_nothing_is_written_but_the_volumes() -> None:
    assert {STAGES[name].last("USER") for name in ("hotcold", "capture")} == {"970:970"}
    assert "uid=970,gid=970" in COMPOSE["volumes"]["hot"]["driver_opts"]["o"]
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service
        assert "privileged" not in service
    assert {mount.rpartition(":")[2] for mount in COMPOSE["services"]["api"]["volumes"]} == {"ro"}


def test_the_hot_root_is_memory_the_cold_one_a_volume_and_the_configuration_knows_them() -> None:
    assert COMPOSE["volumes"]["hot"]["driver_opts"]["type"] == "tmpfs"
    assert COMPOSE["volumes"]["cold"] == {}
    for service in COMPOSE["services"].values():
        mounts = [mount.split(":")[:2] for mount in service["volumes"]]
        assert mounts == [["hot", config().root], ["cold", config().cold_root]]
    capture = COMPOSE["services"]["capture1"]
    (device,) = capture["command"]
    assert Path(device).parent == Path(config().root)
    assert capture["environment"]["HOTCOLD_COLD_DIR"] == f"{config().cold_root}/{Path(device).name}"


def test_what_others_reach_is_published_to_this_machine_alone_and_asks_for_the_token() -> None:
    listening = {"reactor": config().metrics.listen, "api": config().web.listen}
    for name, listen in listening.items():
        assert listen is not None
        assert COMPOSE["services"][name]["ports"] == [f"127.0.0.1:{listen.port}:{listen.port}"]
    (secret,) = COMPOSE["services"]["api"]["secrets"]
    assert config().web.token_file == f"/run/secrets/{secret}"
    assert secret in COMPOSE["secrets"]


def test_the_token_that_compose_yaml_has_made_is_one(tmp_path: Path) -> None:
    command = re.search(r"^#   (\(umask .*?\))", (FOLDER / "compose.yaml").read_text("utf-8"), flags=re.MULTILINE)
    assert command is not None
    subprocess.run(["bash", "-c", command[1]], check=True, cwd=tmp_path)
    assert len(read_token(str(tmp_path / "hotcold.token"))) == 64
    assert (tmp_path / "hotcold.token").stat().st_mode & 0o077 == 0


def asks(service: str, port: int) -> int:
    """The exit code of a service's health check, on this machine's Python and the test's port."""
    how, python, *rest = COMPOSE["services"][service]["healthcheck"]["test"]
    assert (how, python) == ("CMD", "/opt/hotcold/bin/python")
    listen = config().metrics.listen if service == "reactor" else config().web.listen
    assert listen is not None
    *options, script = rest
    command = [sys.executable, *options, swapped(script, (f"127.0.0.1:{listen.port}/", f"127.0.0.1:{port}/"))]
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.mark.live
def test_the_health_checks_tell_one_that_serves_from_one_that_does_not(tmp_path: Path) -> None:
    (tmp_path / "stream" / "capture1").mkdir(parents=True)
    with reactor(tmp_path, tmp_path / "stream") as running, api(tmp_path, tmp_path / "stream") as served:
        assert asks("reactor", running.port) == 0
        assert asks("api", served.port) == 0
        running.stop()
        served.stop()
        assert asks("reactor", running.port) != 0
        assert asks("api", served.port) != 0


def test_the_launchers_settings_are_known() -> None:
    known = set(re.findall(r"^\| `(HOTCOLD_\w+)`", (CLONE / "ffmpeg" / "README.md").read_text("utf-8"), re.MULTILINE))
    assert set(COMPOSE["services"]["capture1"]["environment"]) <= known
