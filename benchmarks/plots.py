"""Draws a part's plots as PNG, for a page that is read on a screen."""

import math
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.part import Plot, Series

# By Okabe and Ito, to be told apart by everybody; a marker besides, for what is printed in grey.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C", "#B8A800")
_MARKERS: Final = "osD^vP*Xh"
_STYLE: Final = {
    "font.size": 12,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "legend.frameon": False,
    "figure.facecolor": "white",
}
_FEW: Final = 40
"""More points than that are a curve, without markers."""


def draw(plot: Plot, folder: Path) -> None:
    """Into `folder`, under the plot's name."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(10, 5.4), dpi=120, layout="constrained")
        axes = canvas.add_subplot()
        axes.set_title(plot.title, pad=14)
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.y_label)
        numbers = [x for x in plot.x if isinstance(x, int | float)]
        if len(numbers) == len(plot.x):
            _lines(axes, plot, numbers)
        else:
            _bars(axes, plot)
        if plot.log_y:
            axes.set_yscale("log")
        else:
            axes.margins(y=0.08)
            axes.set_ylim(bottom=0)
        times = all(figure.unit == "us" for series in plot.series for figure in series.figures)
        axes.yaxis.set_major_formatter(FuncFormatter(_time if times else _tick))
        if len(plot.series) > 1:
            # Beside the axes, so that it lies on nothing.
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
        canvas.savefig(folder / f"{plot.name}.png")


def _lines(axes: Any, plot: Plot, x: list[float]) -> None:
    for number, series in enumerate(plot.series):
        colour = _COLOURS[number % len(_COLOURS)]
        marker = _MARKERS[number % len(_MARKERS)] if len(x) <= _FEW else ""
        # The first one is what it is about.
        width, level = (2.8, 3) if number == 0 else (1.8, 2)
        axes.plot(
            x,
            _medians(series),
            color=colour,
            marker=marker,
            markersize=7,
            linewidth=width,
            zorder=level,
            label=series.name,
        )
        least, most = ([getattr(figure, end) for figure in series.figures] for end in ("least", "most"))
        if least != most and len(x) > 1:
            axes.fill_between(x, least, most, color=colour, alpha=0.15, linewidth=0)
    if plot.log_x:
        axes.set_xscale("log")
        axes.set_xticks(x)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))


def _bars(axes: Any, plot: Plot) -> None:
    width = 0.8 / len(plot.series)
    for number, series in enumerate(plot.series):
        places = [place + (number - (len(plot.series) - 1) / 2) * width for place in range(len(plot.x))]
        medians = _medians(series)
        spread = [
            [middle - figure.least for middle, figure in zip(medians, series.figures, strict=True)],
            [figure.most - middle for middle, figure in zip(medians, series.figures, strict=True)],
        ]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.bar(
            places, medians, width * 0.92, color=colour, label=series.name, yerr=spread, ecolor="#444444", capsize=3
        )
    axes.set_xticks(range(len(plot.x)), plot.x)
    axes.grid(visible=False, axis="x")


def _medians(series: Series) -> list[float]:
    return [figure.median for figure in series.figures]


def _tick(value: float, _place: object = None) -> str:
    return f"{value:,.0f}" if value == 0 or math.isclose(value, round(value)) else f"{value:g}"


def _time(value: float, _place: object = None) -> str:
    """Of microseconds, in the unit that keeps it short."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if value >= size:
            return f"{value / size:,g} {unit}"
    return f"{value:g} us"
