"""The shipped scrape configurations and rules, by Prometheus's own tool."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.machine import CLONE
from tests.operate.texts import GUIDE, PROMETHEUS, parsed, rules, swapped

UNIT_TESTS = CLONE / "tests" / "operate" / "alerts.test.yml"
pytestmark = pytest.mark.needs("promtool")


def promtool(*command: str) -> str:
    done = subprocess.run(["promtool", *command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_every_rule() -> None:
    said = promtool("check", "rules", *map(str, sorted((PROMETHEUS / "rules").iterdir())))
    assert sum(map(int, re.findall(r"SUCCESS: (\d+) rules found", said))) == len(rules("alert") | rules("record"))


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-many.yml"])
def test_promtool_takes_the_scrape_configurations(tmp_path: Path, name: str) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    # Debian's promtool wants the files to be there that a configuration names.
    (tmp_path / "prometheus" / "hotcold.token").write_text("x" * 32, "ascii")
    said = promtool("check", "config", str(tmp_path / "prometheus" / name))
    assert "2 rule files found" in said


def test_the_lines_about_the_token_can_be_taken_in(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    (tmp_path / "prometheus" / "hotcold.token").write_text("x" * 32, "ascii")
    path = tmp_path / "prometheus" / "prometheus.yml"
    lines = ("    # authorization:\n", "    authorization:\n"), ("    #   credentials_file", "      credentials_file")
    path.write_text(swapped(path.read_text("utf-8"), *lines), "utf-8")
    promtool("check", "config", str(path))
    assert parsed(path)["scrape_configs"][1]["authorization"] == {"credentials_file": "hotcold.token"}


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-many.yml"])
def test_each_scrape_configuration_has_the_jobs_that_the_rules_know(name: str) -> None:
    jobs = {job["job_name"] for job in parsed(PROMETHEUS / name)["scrape_configs"]}
    known = {job for rule in rules("alert").values() for job in re.findall(r'job="([\w-]+)"', rule["expr"])}
    assert jobs == known == {"hotcold", "hotcold-api"}


def test_promtool_sees_each_alert_fire_and_not_fire() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(UNIT_TESTS))


def test_each_alert_has_a_test_that_it_fires_and_one_that_it_does_not() -> None:
    tested: dict[bool, set[str]] = {True: set(), False: set()}
    for test in parsed(UNIT_TESTS)["tests"]:
        for look in test["alert_rule_test"]:
            tested[bool(look["exp_alerts"])].add(look["alertname"])
    assert tested[True] == tested[False] == set(rules("alert"))


def anchor(heading: str) -> str:
    """The anchor that Markdown's renderers give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize(("name", "rule"), rules("alert").items())
def test_an_alert_says_what_is_wrong_and_where_to_read_what_to_do(name: str, rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    headings = re.findall(r"^#+ (.+)$", GUIDE.read_text("utf-8"), flags=re.MULTILINE)
    assert rule["annotations"]["runbook"].endswith(f" docs/operate.md#{anchor(name)}")
    assert anchor(name) in map(anchor, headings)


def test_the_guide_has_no_section_of_an_alert_that_is_gone() -> None:
    sections = set(re.findall(r"^#+ (Hotcold\w+)$", GUIDE.read_text("utf-8"), flags=re.MULTILINE))
    assert sections == set(rules("alert"))
