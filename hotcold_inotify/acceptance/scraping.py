"""A page of Prometheus metrics as values."""

from math import inf

from prometheus_client.parser import text_string_to_metric_families

from hotcold_inotify.acceptance.asking import Client
from hotcold_inotify.checklist.histogram import Histogram


class Scrape:
    """One look at a page."""

    def __init__(self, text: str) -> None:
        """ValueError: it is none."""
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the series of a name that have these labels; 0 where there is none."""
        return sum(value for _, value in self._series(name, labels))

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The histograms of a name that have these labels, as one."""
        counts: dict[float, float] = {}
        for has, value in self._series(f"{name}_bucket", labels):
            bound = inf if has["le"] == "+Inf" else float(has["le"])
            counts[bound] = counts.get(bound, 0) + value
        return Histogram(counts)

    def _series(self, name: str, labels: dict[str, str]) -> list[tuple[dict[str, str], float]]:
        return [
            (one.labels, one.value)
            for one in self._samples
            if one.name == name and all(one.labels.get(key) == value for key, value in labels.items())
        ]


def scrape(client: Client) -> Scrape | None:
    """A process's metrics; None: it did not answer, or with something else."""
    answer = client.get("/metrics")
    if answer is None or answer.status != 200:
        return None
    try:
        return Scrape(answer.body.decode("utf-8", "replace"))
    except ValueError:
        return None
