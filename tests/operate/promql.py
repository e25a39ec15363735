"""What a PromQL query asks for: enough of its grammar for the queries that are shipped."""

import re
from typing import Final

import attrs
from prometheus_client.parser import text_string_to_metric_families

Exported = dict[str, set[str]]
"""Names of series, and the names of their labels."""

# What Prometheus adds to every series.
ADDED: Final = {"job", "instance"}
_METRIC: Final = re.compile(r"\b(?:device|device_kind):\w+:\w+|\bhotcold_\w+|\bup\b")


@attrs.frozen
class Asked:
    """The series that a query names, each with the labels that it is selected by, and the labels of its groupings."""

    series: dict[str, set[str]]
    grouped: set[str]


def asked(query: str) -> Asked:
    series: dict[str, set[str]] = {}
    for found in _METRIC.finditer(query):
        rest = query[found.end() :]
        matchers = rest[1 : rest.index("}")] if rest.startswith("{") else ""
        labels = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers))
        series.setdefault(found[0], set()).update(labels)
    groupings = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query)
    return Asked(series, {label.strip() for grouping in groupings for label in grouping.split(",")})


def exported(page: str) -> Exported:
    """What a page of metrics has, with what Prometheus adds."""
    found: Exported = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set(ADDED)).update(sample.labels)
    return found


def faults(query: str, there: Exported) -> list[str]:
    """Series and labels that a query wants and nobody exports."""
    wanted = asked(query)
    found = [f"{name} is not exported" for name in wanted.series if name not in there]
    if found or not wanted.series:
        return found or ["the query names no series"]
    for name, labels in wanted.series.items():
        found += [f"{name} has no label {label}" for label in labels - there[name]]
    every = set().union(*(there[name] for name in wanted.series))
    return found + [f"nothing here has a label {label}" for label in wanted.grouped - every]
