"""The shipped dashboard, as the tests read it."""

import json
import re
from typing import Any, Final

import attrs

from tests.operate.texts import DEPLOY

PATH: Final = DEPLOY / "grafana" / "dashboards" / "hotcold.json"
DASHBOARD: Final[dict[str, Any]] = json.loads(PATH.read_text("utf-8"))


@attrs.frozen
class Query:
    """One query of a panel; `legend` names labels in double braces."""

    panel: str
    text: str
    legend: str

    def filled_in(self) -> str:
        """As Grafana sends it with all of everything chosen; for a Prometheus that scrapes each second."""
        found = self.text.replace("$__rate_interval", "10s")
        return re.sub(r'=~"\$(?:instance|device|kind)"', '=~".*"', found)


def queries() -> list[Query]:
    return [
        Query(panel["title"], target["expr"], target["legendFormat"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


def variables() -> dict[str, str]:
    """The queries of the variables that Prometheus fills, by name."""
    return {each["name"]: each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"}
