"""The shipped monitoring on what really runs: a reactor and an API, a Prometheus that scrapes both, and every query of
the dashboard.

One device is fed throughout, one stops at once, one cannot be moved from, and one has flooded its event queue.
"""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import pytest

from tests.live.started import Running, eventually, fill, mid_hour, put
from tests.operate import promql
from tests.operate.dashboard import DASHBOARD, Query, queries, variables
from tests.operate.stack import KINDS, Feeder, Prometheus, api, prometheus, reactor
from tests.operate.texts import DEPLOY, PROMETHEUS, parsed, rules, swapped, written
from tests.web.stage import Served

pytestmark = [pytest.mark.live, pytest.mark.needs("prometheus"), pytest.mark.timeout(120)]

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105 (of this test alone)
# Metrics that a panel would only repeat.
NOT_SHOWN = {"hotcold_last_move_seconds"}


@attrs.frozen
class Stack:
    running: Running
    served: Served
    prometheus: Prometheus

    def page(self) -> str:
        """What the two say of themselves, as Prometheus reads it."""
        status, _, body = self.served.get("/metrics", f"Authorization: Bearer {TOKEN}")
        assert status == 200
        return self.running.get("/metrics") + body.decode()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("operate")
    root = folder / "stream"
    zone = mid_hour()
    limits = "".join(f"[kinds.{kind}]\nhot_limit = 5\n" for kind in KINDS)
    unlisted(root / "capture1", zone)
    immovable(root / "capture3")
    (root / "capture4" / "thumbnails").mkdir(parents=True)
    token = folder / "hotcold.token"
    token.write_text(TOKEN, "ascii")
    with contextlib.ExitStack() as living:
        running = living.enter_context(reactor(folder, root, zone + limits))
        served = living.enter_context(api(folder, root, f'token_file = "{token}"', zone + limits))
        overflow(running, root / "capture4" / "thumbnails")
        fill(root / "capture3" / "metadata", "capture_*.json", 10)
        eventually("a refused move", lambda: running.metric("hotcold_move_errors_total", device="capture3") > 0)
        with Feeder(root / "capture2", list(KINDS), rate=20):
            of_capture2 = partial(running.metric, device="capture2")
            eventually("a move of capture2", lambda: of_capture2("hotcold_archived_files_total", kind="segments") > 0)
        living.enter_context(Feeder(root / "capture1", list(KINDS), rate=5))
        config = scraping(folder, running.port, served.port)
        found = Stack(running, served, living.enter_context(prometheus(folder, config)))
        for path in ("/api/host/devices", "/api/host/heatmap/capture1", "/api/host/screenshot/capture2", "/"):
            served.get(path, f"Authorization: Bearer {TOKEN}")
        yield found


def unlisted(device: Path, zone: str) -> None:
    """A segment in its hour that no playlist lists: the reactor replaces that playlist when it starts."""
    hour = datetime.now(ZoneInfo(zone.split('"')[1])).hour
    slot = device / "segments" / str(hour)
    slot.mkdir(parents=True)
    put(slot, "segment_000000001.ts")


def immovable(device: Path) -> None:
    """A device whose metadata has files where its hour folders should be: ENOTDIR."""
    (device / "metadata").mkdir(parents=True)
    for hour in range(24):
        (device / "metadata" / str(hour)).touch()


def overflow(running: Running, folder: Path) -> None:
    """More events than the queue holds, while nobody reads it."""
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
    running.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(limit + 1000):
            os.close(os.open(folder / KINDS["thumbnails"].format(number), os.O_CREAT | os.O_WRONLY))
    finally:
        running.process.send_signal(signal.SIGCONT)
    eventually(
        "an overflow", lambda: running.metric("hotcold_inotify_overflows_total", device="capture4") > 0, seconds=30
    )


def scraping(folder: Path, reactor_port: int, api_port: int) -> Path:
    """The shipped configuration for many machines, with the ports of these two and quicker."""
    text = (PROMETHEUS / "prometheus-many.yml").read_text("utf-8")
    text = swapped(text, ("_interval: 15s", "_interval: 1s"), ("rules/*.yml", f"{PROMETHEUS}/rules/*.yml"))
    (folder / "prometheus.yml").write_text(text, "utf-8")
    (folder / "hosts").mkdir()
    for name, port in (("reactors.yml", reactor_port), ("apis.yml", api_port)):
        (groups,) = parsed(PROMETHEUS / "hosts" / name)
        assert set(groups) == {"targets"}
        text = written([{"targets": [f"127.0.0.1:{port}"]}])
        (folder / "hosts" / name).write_text(text, "utf-8")
    return folder / "prometheus.yml"


def test_every_target_is_up_and_a_machine_has_one_name_for_both(stack: Stack) -> None:
    def targets() -> list[tuple[str, str, str]]:
        found = stack.prometheus.ask("targets")["activeTargets"]
        return sorted((each["labels"]["job"], each["labels"]["instance"], each["health"]) for each in found)

    wanted = [("hotcold", "127.0.0.1", "up"), ("hotcold-api", "127.0.0.1", "up")]
    eventually("every target to be up", lambda: targets() == wanted)


def test_every_rule_is_loaded_and_is_well(stack: Stack) -> None:
    def health() -> dict[str, str]:
        groups = stack.prometheus.ask("rules")["groups"]
        return {rule["name"]: rule["health"] + rule.get("lastError", "") for group in groups for rule in group["rules"]}

    wanted = dict.fromkeys(rules("alert") | rules("record"), "ok")
    eventually("every rule to be evaluated", lambda: health() == wanted)


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel}: {query.legend}")
def test_a_query_of_the_dashboard_asks_for_what_is_exported(stack: Stack, query: Query) -> None:
    there = promql.exported(stack.page()) | {"up": set(promql.ADDED)}
    assert promql.faults(query.text, there) == []
    wanted = promql.asked(query.text)
    shown = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
    assert shown <= (wanted.grouped or set().union(*(there[name] for name in wanted.series)))


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.panel}: {query.legend}")
def test_a_query_of_the_dashboard_finds_something(stack: Stack, query: Query) -> None:
    assert "$" not in query.filled_in()
    eventually(f"data of {query.filled_in()}", lambda: len(stack.prometheus.query(query.filled_in())) > 0)


def test_the_variables_of_the_dashboard_find_machines_devices_and_kinds(stack: Stack) -> None:
    there = promql.exported(stack.page())
    found: dict[str, set[str]] = {}
    for name, text in variables().items():
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", text)
        assert asked is not None, text
        assert promql.faults(asked[1], there) == []
        series = Query(name, asked[1], "").filled_in()
        found[name] = {each["metric"][asked[2]] for each in stack.prometheus.query(series)}
    assert found == {
        "instance": {"127.0.0.1"},
        "device": {"capture1", "capture2", "capture3", "capture4"},
        "kind": set(KINDS),
    }


@pytest.mark.parametrize(("name", "rule"), (rules("alert") | rules("record")).items())
def test_a_rule_asks_for_what_is_exported(stack: Stack, name: str, rule: dict[str, str]) -> None:
    there = promql.exported(stack.page()) | {"up": set(promql.ADDED)}
    for record in rules("record"):
        level = record.split(":")[0]
        there[record] = {"job", *(["instance", "device"]), *(["kind"] if "kind" in level else [])}
    assert promql.faults(rule["expr"], there) == [], name


def test_the_dashboard_forgets_no_metric(stack: Stack) -> None:
    families = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in promql.exported(stack.page())}
    shown = {re.sub(r"_bucket$", "", name) for query in queries() for name in promql.asked(query.text).series}
    assert families - shown == NOT_SHOWN


def test_what_went_wrong_here_is_told(stack: Stack) -> None:
    def told() -> bool:
        found = stack.prometheus
        return (
            found.alerts("HotcoldQueueOverflow") == {"capture4": "firing"}
            and found.alerts("HotcoldMoveErrors").keys() == {"capture3"}
            and found.alerts("HotcoldHotOverLimit").keys() == {"capture3"}
        )

    eventually("the alerts of capture3 and capture4", told)


def test_a_device_whose_feed_has_stopped_goes_pending_and_one_that_is_fed_does_not(stack: Stack) -> None:
    def state() -> str | None:
        return stack.prometheus.alerts("HotcoldDeviceStopped").get("capture2")

    eventually("the alert of capture2", lambda: state() is not None, seconds=45)
    assert state() in {"pending", "firing"}  # a slow machine is late to look
    assert "capture1" not in stack.prometheus.alerts("HotcoldDeviceStopped")


def test_grafana_is_told_where_both_are() -> None:
    (source,) = parsed(DEPLOY / "grafana/provisioning/datasources/hotcold.yml")["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    (provider,) = parsed(DEPLOY / "grafana/provisioning/dashboards/hotcold.yml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/var/lib/grafana/")


def test_the_dashboard_hangs_together() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (column, line)
        for panel in panels
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie over each other"
    assert max(column for column, _ in cells) < 24
    for panel in panels:
        sources = [panel.get("datasource"), *(target["datasource"] for target in panel.get("targets", ()))]
        assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources if source), panel
        assert panel["type"] == "row" or panel["description"]
    kinds = {panel["type"] for panel in panels}
    assert {"heatmap", "timeseries", "bargauge", "stat", "alertlist"} <= kinds
