"""The outcomes of all rounds, by contender and load; and how they become figures."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from benchmarks.comparison.contender import FLOOR, INCRON, INOTIFYWAIT, REACTOR, WATCHDOG, polling
from benchmarks.comparison.finetime import Resolution
from benchmarks.comparison.outcome import Outcome
from benchmarks.part import Figure

Value = Callable[[Outcome], float]

ORDER: Final = tuple(
    one.name for one in (REACTOR, FLOOR, WATCHDOG, INOTIFYWAIT, INCRON, *map(polling, (0.1, 1, 5, 60)))
)
"""Of the contenders, wherever they are listed."""


@attrs.define
class Findings:
    """What is known so far."""

    quick: bool
    resolution: Resolution
    left_out: dict[str, str] = attrs.field(factory=dict)
    """What could not be measured here, and why."""
    calls: dict[str, float] = attrs.field(factory=dict)
    """System calls a moved file, by contender."""
    _outcomes: dict[tuple[bool, float, str], list[Outcome]] = attrs.field(factory=lambda: defaultdict(list))

    def add(self, outcome: Outcome, *, on_disk: bool) -> None:
        """One more round."""
        self._outcomes[on_disk, outcome.load.rate, outcome.contender].append(outcome)

    def rounds(self, rate: float, contender: str, *, on_disk: bool = False) -> list[Outcome]:
        """Of one contender at one rate, in the order in which they were; none: []."""
        return self._outcomes.get((on_disk, rate, contender), [])

    def all_of(self, contender: str) -> list[Outcome]:
        """Every round of one contender."""
        return [one for (_, _, name), rounds in self._outcomes.items() if name == contender for one in rounds]

    def there(self, rate: float, *, on_disk: bool = False) -> list[str]:
        """Who was measured at a rate."""
        return [name for name in ORDER if self.rounds(rate, name, on_disk=on_disk)]


def figure(rounds: Sequence[Outcome], value: Value, unit: str = "") -> Figure:
    """One value of each round."""
    return Figure.of([value(outcome) for outcome in rounds], unit)


def ratio(above: Sequence[Outcome], below: Sequence[Outcome], value: Value) -> Figure:
    """Round by round: those that took turns are compared with each other."""
    return Figure.of([value(one) / value(other) for one, other in zip(above, below, strict=False)])


def p50(outcome: Outcome) -> float:
    """Median latency, us."""
    return outcome.p50


def each(outcome: Outcome) -> float:
    """Processor time a moved file, us."""
    return outcome.each
