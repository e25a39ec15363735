"""The bars of `hotcold migrate`: how far it is, how fast, and how long it will take yet."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

# A bar hears of so many files at once, for it takes longer than a rename; and at least so often on its way.
_ADVANCE: Final = 500
_OFTEN: Final = 100

Step = Callable[[int], None]


def shown() -> bool:
    """Whether anybody sees them."""
    return sys.stderr.isatty()


@contextlib.contextmanager
def bars(totals: Mapping[str, int | None]) -> Iterator[list[Step]]:
    """On a terminal a bar for each, gone at the end; nothing anywhere else. A total of None: nobody knows it yet."""
    columns = (TextColumn("{task.description}"), BarColumn(30), _Count(), _Rate(), _Left())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown()) as progress:
        made = [
            _Bar(progress, progress.add_task(text, total=total), min(_ADVANCE, (total or _ADVANCE * _OFTEN) / _OFTEN))
            for text, total in totals.items()
        ]
        yield [bar.step for bar in made]
        for bar in made:
            bar.show()


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f" of {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{total}", justify="right")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", justify="right")


class _Left(ProgressColumn):
    """Minutes and seconds."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        if left is None or task.finished or not task.completed:
            return Text("")
        return Text(f"{int(left) // 60}:{int(left) % 60:02} left")


@attrs.define
class _Bar:
    progress: Progress
    task: TaskID
    at_once: float
    waiting: int = 0

    def step(self, more: int) -> None:
        self.waiting += more
        if self.waiting >= self.at_once:
            self.show()

    def show(self) -> None:
        self.progress.advance(self.task, self.waiting)
        self.waiting = 0
