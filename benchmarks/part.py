"""What one part of the benchmark is given, and what it hands back: tables, targets and plots, each figure with its
spread. Values only: `report` writes them down.
"""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs


@attrs.frozen
class Figure:
    """One quantity, measured once in each round. The median speaks; least and most are its spread."""

    values: tuple[float, ...]
    unit: str = ""

    @classmethod
    def of(cls, values: Sequence[float], unit: str = "") -> "Figure":
        """One value a round, in the unit that is named: `us`, `ms`, `MiB`, `files/s`, or "" for a ratio."""
        return cls(tuple(values), unit)

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """Of all rounds."""
        return min(self.values)

    @property
    def most(self) -> float:
        """Of all rounds."""
        return max(self.values)


Cell = str | int | Figure


@attrs.frozen
class Table:
    """Rows of cells under their headings; `note` says in a sentence how to read it."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@attrs.frozen
class Target:
    """What was aimed at, and what came of it."""

    text: str
    measured: Figure
    limit: float
    at_least: bool = False
    """The limit is a floor; else it is a ceiling."""

    @property
    def met(self) -> bool:
        """By the median."""
        return self.measured.median >= self.limit if self.at_least else self.measured.median <= self.limit


@attrs.frozen
class Series:
    """One line, or one group of bars, of a plot: a figure for each x."""

    name: str
    figures: tuple[Figure, ...]


@attrs.frozen
class Plot:
    """A picture: bars where `x` are texts, lines where they are numbers."""

    name: str
    """Of its file, without `.png`."""
    title: str
    x_label: str
    y_label: str
    x: tuple[str, ...] | tuple[float, ...]
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False


@attrs.frozen
class Part:
    """What one part of the benchmark found."""

    name: str
    """As a heading: `Comparison`."""
    tables: tuple[Table, ...] = ()
    targets: tuple[Target, ...] = ()
    plots: tuple[Plot, ...] = ()


@attrs.frozen
class Scene:
    """Where and how a part works. It leaves nothing behind in the two folders."""

    memory: Path
    """A folder of its own on tmpfs."""
    disk: Path
    """A folder of its own on a disk."""
    quick: bool
    """Two minutes for all parts together, for a look; else fifteen."""
    step: Callable[[str], None]
    """Say what begins now, for the progress bar; once for each of the steps that the part announced."""
