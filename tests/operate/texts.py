"""What is shipped for operators, as the tests read it."""

from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped] # its types are a package of their own

from tests.machine import CLONE

DEPLOY: Final = CLONE / "deploy"
PROMETHEUS: Final = DEPLOY / "prometheus"
GUIDE: Final = CLONE / "docs" / "operate.md"


def parsed(path: Path) -> Any:
    """A YAML file, or a JSON file: each is YAML."""
    return yaml.safe_load(path.read_text("utf-8"))


def written(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False))


def rules(kind: str) -> dict[str, dict[str, Any]]:
    """The shipped rules by name; `kind` is "alert" or "record"."""
    groups = [group for path in sorted((PROMETHEUS / "rules").iterdir()) for group in parsed(path)["groups"]]
    return {rule[kind]: rule for group in groups for rule in group["rules"] if kind in rule}


def swapped(text: str, *changes: tuple[str, str]) -> str:
    """The text with each first replaced by its second; one that is not there is an error."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
