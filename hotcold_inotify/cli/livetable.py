"""The live table of the demo: each hot folder against its limit, what was archived, how fast the last file left."""

from prometheus_client import CollectorRegistry
from rich.table import Table

_US = 1e6


class Samples:
    """The registry's values at one moment, by name and labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._values = {
            (sample.name, sample.labels.get("device", ""), sample.labels.get("kind", "")): sample.value
            for family in registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_bucket")
        }

    def get(self, name: str, device: str = "", kind: str = "") -> float:
        """A value; 0 where there is none yet."""
        return self._values.get((name, device, kind), 0.0)

    def folders(self) -> list[tuple[str, str]]:
        """(device, kind) of each hot folder, by device."""
        return sorted(
            ((device, kind) for name, device, kind in self._values if name == "hotcold_hot_limit"),
            key=lambda pair: pair[0],
        )


def table(samples: Samples, live_slot: int, title: str) -> Table:
    """One row a folder."""
    made = Table(title=title, title_justify="left")
    for heading in ("device", "kind"):
        made.add_column(heading)
    for heading in ("hot / limit", "archived", "last move", "live slot"):
        made.add_column(heading, justify="right")
    shown = ""
    for device, kind in samples.folders():
        hot, limit = samples.get("hotcold_hot_files", device, kind), samples.get("hotcold_hot_limit", device, kind)
        archived = samples.get("hotcold_archived_files_total", device, kind)
        style = "bold red" if hot > limit else "green" if hot == limit else ""
        made.add_row(
            device if device != shown else "",
            kind,
            f"[{style}]{hot:.0f} / {limit:.0f}[/]" if style else f"{hot:.0f} / {limit:.0f}",
            f"{archived:,.0f}",
            f"{samples.get('hotcold_last_move_seconds', device, kind) * _US:,.0f} µs" if archived else "-",
            str(live_slot),
        )
        shown = device
    return made
