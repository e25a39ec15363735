"""The report as one page of HTML, to be handed over: nothing in it comes from elsewhere, and nothing runs in it."""

import base64
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from hotcold_inotify.acceptance import Picture, Report
from hotcold_inotify.checklist import Line, Point, Verdict
from hotcold_inotify.checklist.hotcount import Watched
from hotcold_inotify.cli.hotchart import chart

_CLASSES: Final = {Verdict.PASSED: "passed", Verdict.NOT_SHOWN: "not-shown", Verdict.FAILED: "failed"}
_MARKS: Final = {Verdict.PASSED: "✓", Verdict.NOT_SHOWN: "…", Verdict.FAILED: "✗", None: "·"}
_STYLE: Final = """
:root { color-scheme: light; --ink: #1d2430; --soft: #5b6675; --line: #dfe4ea; --paper: #fff;
  --passed: #1a7f4b; --not-shown: #8f6400; --failed: #b3261e; --blue: #2b6cb0; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p { margin: .25rem 0; }
.soft, figcaption, dt { color: var(--soft); }
.sum { font-size: 1.15rem; margin: 1rem 0 1.5rem; display: flex; gap: .75rem; flex-wrap: wrap; }
.sum span, .verdict { border-radius: 1rem; padding: .1rem .75rem; white-space: nowrap; font-weight: 600; color: #fff; }
.verdict { font-size: .85rem; display: inline-block; }
.passed { background: var(--passed); }
.not-shown { background: var(--not-shown); }
.failed { background: var(--failed); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .6rem .75rem .6rem 0; border-bottom: 1px solid var(--line); }
td:first-child { color: var(--soft); width: 1.75rem; } td:nth-child(2) { width: 19rem; font-weight: 600; }
td:nth-child(3) { width: 9rem; } td:last-child { overflow-wrap: anywhere; }
a { color: inherit; text-decoration: none; } a:hover { text-decoration: underline; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1rem; }
.hours { display: grid; grid-template-columns: repeat(12, 1fr); gap: .5rem .4rem; }
.hours figcaption { font-size: .7rem; text-align: center; }
figure { margin: 0; } figure img { width: 100%; display: block; border-radius: 4px; border: 1px solid var(--line); }
figcaption { font-size: .8rem; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 12px; fill: var(--soft); }
.axis { stroke: var(--line); } .limit { stroke: var(--failed); stroke-dasharray: 4 3; }
.count { fill: none; stroke: var(--blue); stroke-width: 1.5; } .area { fill: var(--blue); opacity: .14; }
ul { list-style: none; margin: 0; padding: 0; } li { padding: .1rem 0 .1rem 1.6rem; text-indent: -1.6rem; }
li { overflow-wrap: anywhere; } li > b { display: inline-block; width: 1.6rem; text-indent: 0; }
.in-passed { color: var(--passed); } .in-not-shown { color: var(--not-shown); } .in-failed { color: var(--failed); }
.asked { font: .8rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; color: var(--soft); overflow-wrap: anywhere; }
section { break-inside: avoid; }
@media (max-width: 44rem) {
  .hours { grid-template-columns: repeat(4, 1fr); }
  table, tbody, tr, td { display: block; width: auto !important; border: 0; padding: .1rem 0; }
  tr { border-bottom: 1px solid var(--line); padding: .6rem 0; } }
"""


def render(report: Report, at: datetime) -> str:
    """The whole page. `at`: the date of the report, in the zone of the configuration."""
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "title", f"Acceptance of {report.about.host}, {at:%Y-%m-%d}")
    _add(head, "style", _STYLE)
    body = SubElement(html, "body")
    _top(body, report, at)
    _checklist(body, report.lines)
    _screenshots(body, report)
    _counts(body, report)
    _hours(body, report)
    _add(body, "h2", "What was seen, line by line")
    for line in report.lines:
        _evidence(body, line)
    return "<!doctype html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def _top(body: Element, report: Report, at: datetime) -> None:
    about = report.about
    _add(body, "h1", f"Acceptance of {about.host}")
    _add(body, "p", f"{at:%A, %d %B %Y, %H:%M:%S %Z}, observed for {report.seconds:.0f} seconds", "soft")
    summed = _add(body, "p", "", "sum")
    for verdict in (Verdict.PASSED, Verdict.NOT_SHOWN, Verdict.FAILED):
        number = sum(line.verdict is verdict for line in report.lines)
        if number:
            _add(summed, "span", f"{number} {verdict.value}", _CLASSES[verdict])
    facts = SubElement(body, "dl")
    reactor = "none runs" if report.reactor is None else f"process {report.reactor}"
    for name, text in (
        ("devices", ", ".join(report.devices)),
        ("recordings", report.root),
        ("reactor", reactor),
        ("API", report.api),
        ("versions", f"hotcold {about.hotcold}, Python {about.python}, ffmpeg {about.ffmpeg}"),
        ("machine", f"{about.kernel}, {about.cores} cores"),
    ):
        _add(facts, "dt", name)
        _add(facts, "dd", text)


def _checklist(body: Element, lines: Iterable[Line]) -> None:
    _add(body, "h2", "The checklist")
    table = SubElement(SubElement(body, "table"), "tbody")
    for line in lines:
        row = SubElement(table, "tr")
        _add(row, "td", str(line.item.number))
        link = _add(_add(row, "td", ""), "a", line.item.value)
        link.set("href", f"#line-{line.item.number}")
        _add(_add(row, "td", ""), "span", line.verdict.value, f"verdict {_CLASSES[line.verdict]}")
        _add(row, "td", line.why)


def _counts(body: Element, report: Report) -> None:
    if not report.watched:
        return
    _add(body, "h2", "Hot files while it was observed")
    said = (
        "Each hot folder, from second to second. A full one stays on the dashed line of its limit: with each new file "
        "the oldest leaves. A tooth is a new file that was there before the oldest had left; it is drawn a tenth of a "
        "second wide, however short it was."
    )
    _add(body, "p", said, "soft")
    for device in report.devices:
        _add(body, "h3", device)
        grid = _add(body, "div", "", "grid")
        for one in report.watched:
            if one.device == device:
                _count(grid, one)


def _count(grid: Element, one: Watched) -> None:
    figure = SubElement(grid, "figure")
    figure.append(chart(one))
    said = f"{one.kind}: {one.came} came, {one.left} left, {one.most} at most of {one.limit}"
    _add(figure, "figcaption", said)


def _screenshots(body: Element, report: Report) -> None:
    shots = [one for one in report.pictures if one.hour is None]
    if shots:
        _add(body, "h2", "The newest pictures")
        grid = _add(body, "div", "", "grid")
        for one in shots:
            _picture(grid, one, one.device)


def _hours(body: Element, report: Report) -> None:
    hours = [one for one in report.pictures if one.hour is not None]
    if hours:
        _add(body, "h2", "A thumbnail of each hour")
    for device in dict.fromkeys(one.device for one in hours):
        own = [(one, one.hour) for one in hours if one.device == device and one.hour is not None]
        first, last = own[0][1], own[-1][1]
        span = f"{first.day:%d %B} {first.hour:02}:00 to {last.day:%d %B} {last.hour:02}:59"
        _add(body, "h3", f"{device}, {span}")
        grid = _add(body, "div", "", "hours")
        for one, hour in own:
            _picture(grid, one, f"{hour.hour:02}:00")


def _picture(grid: Element, one: Picture, caption: str) -> None:
    figure = SubElement(grid, "figure")
    data = base64.b64encode(one.jpeg).decode("ascii")
    SubElement(figure, "img", src=f"data:image/jpeg;base64,{data}", alt=f"{one.device}: {caption}")
    _add(figure, "figcaption", caption)


def _evidence(body: Element, line: Line) -> None:
    section = SubElement(body, "section", id=f"line-{line.item.number}")
    title = _add(section, "h3", f"{line.item.number}. {line.item.value} ")
    _add(title, "span", line.verdict.value, f"verdict {_CLASSES[line.verdict]}")
    points = SubElement(section, "ul")
    for point in line.points:
        _point(points, point)
    if line.asked:
        _add(section, "p", f"asked: {', '.join(line.asked)}", "asked")


def _point(points: Element, point: Point) -> None:
    item = SubElement(points, "li")
    mark = _add(item, "b", _MARKS[point.verdict], "" if point.verdict is None else f"in-{_CLASSES[point.verdict]}")
    mark.tail = point.text


def _add(parent: Element, tag: str, text: str, kind: str = "") -> Element:
    element = SubElement(parent, tag, {"class": kind} if kind else {})
    element.text = text
    return element
