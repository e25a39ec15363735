"""The reading of queries, which the tests of dashboard and rules stand on: it must find what is wrong."""

import pytest

from tests.operate import promql

PAGE = """\
# TYPE hotcold_hot_files gauge
hotcold_hot_files{device="capture1",kind="captures"} 3
# TYPE hotcold_moves counter
hotcold_moves_total{device="capture1"} 3
"""


@pytest.mark.parametrize(
    "query",
    [
        'hotcold_hot_files{device=~"$device", kind="captures"}',
        "sum by (instance, kind) (rate(hotcold_hot_files[5m]))",
        "hotcold_hot_files > on (job, instance, device) hotcold_moves_total",
        "histogram_quantile(0.99, sum by (device) (hotcold_moves_total))",
    ],
)
def test_a_query_for_what_is_there_has_no_faults(query: str) -> None:
    assert promql.faults(query, promql.exported(PAGE)) == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("hotcold_hot_file", "hotcold_hot_file is not exported"),
        ("rate(hotcold_moves[5m])", "hotcold_moves is not exported"),
        ('hotcold_moves_total{kind="captures"}', "hotcold_moves_total has no label kind"),
        ('hotcold_hot_files{devices!~"x"}', "hotcold_hot_files has no label devices"),
        ("sum by (slot) (hotcold_hot_files)", "nothing here has a label slot"),
        ("vector(1)", "the query names no series"),
    ],
)
def test_a_query_for_what_is_not_there_is_told(query: str, fault: str) -> None:
    assert promql.faults(query, promql.exported(PAGE)) == [fault]
