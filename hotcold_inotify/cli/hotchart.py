"""The picture of a hot folder: how many files it had from second to second, under the line of its limit. As SVG."""

from typing import Final
from xml.etree.ElementTree import Element, SubElement

from hotcold_inotify.checklist.hotcount import BIN, Watched

_WIDTH: Final = 300
_HEIGHT: Final = 84
_TOP: Final = 14
_LEFT: Final = 30
_ROOM: Final = 1.25
"""So much higher than the limit is what is shown."""


def chart(one: Watched) -> Element:
    """An svg element; it has no resource outside of itself."""
    svg = Element("svg", viewBox=f"0 0 {_WIDTH} {_HEIGHT + 16}", role="img", xmlns="http://www.w3.org/2000/svg")
    title = SubElement(svg, "title")
    title.text = (
        f"{one.place}: {one.first} hot at first, {one.most} at most, {one.last} at last; the limit is {one.limit}"
    )
    highest = max(one.limit, one.most) * _ROOM
    seconds = max(one.seconds, BIN)

    def x(at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT) * min(at / seconds, 1.0)

    def y(count: float) -> float:
        return _TOP + (_HEIGHT - _TOP) * (1 - count / highest)

    line = {"x1": f"{_LEFT}", "x2": f"{_WIDTH}"}
    SubElement(svg, "line", line | {"y1": f"{y(0):.1f}", "y2": f"{y(0):.1f}", "class": "axis"})
    _text(svg, _LEFT - 4, y(one.limit) + 4, str(one.limit), "end")
    _text(svg, _LEFT - 4, y(0), "0", "end")
    _text(svg, _LEFT, _HEIGHT + 13, "0 s", "start")
    _text(svg, _WIDTH, _HEIGHT + 13, f"{one.seconds:.0f} s", "end")
    steps, before = [], one.first
    for at, count in one.series:
        steps += [(x(at), y(before)), (x(at), y(count))]
        before = count
    # The last bin has its highest count; what was there in the end may be one less.
    steps += [(x(seconds), y(before)), (x(seconds), y(one.last))]
    points = " ".join(f"{left:.1f},{top:.1f}" for left, top in steps)
    floor = f"{y(0):.1f}"
    SubElement(svg, "polygon", {"class": "area", "points": f"{_LEFT},{floor} {points} {_WIDTH},{floor}"})
    SubElement(svg, "polyline", {"class": "count", "points": points})
    SubElement(svg, "line", line | {"y1": f"{y(one.limit):.1f}", "y2": f"{y(one.limit):.1f}", "class": "limit"})
    return svg


def _text(svg: Element, left: float, top: float, text: str, anchor: str) -> None:
    SubElement(svg, "text", {"x": f"{left:.1f}", "y": f"{top:.1f}", "text-anchor": anchor}).text = text
