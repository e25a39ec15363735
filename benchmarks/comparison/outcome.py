"""What is known of a contender after one round. A value."""

import attrs

from benchmarks.comparison.processor import Memory
from benchmarks.comparison.reckoning import Reckoned
from benchmarks.comparison.workload import Load


@attrs.frozen
class Outcome:
    """One contender, one round."""

    contender: str
    load: Load
    reckoned: Reckoned
    processor: int
    """ns, while `reckoned.moved` files were moved."""
    took: int
    """ns of the clock, meanwhile."""
    memory: Memory
    """At the end."""
    overflows: int
    """Of the reactor's event queues."""

    @property
    def p50(self) -> float:
        """Latency, us."""
        return self.reckoned.latency(0.5)

    @property
    def p99(self) -> float:
        """Latency, us."""
        return self.reckoned.latency(0.99)

    @property
    def each(self) -> float:
        """Processor time a moved file, us; infinite when none was moved."""
        return self.processor / self.reckoned.moved / 1000 if self.reckoned.moved else float("inf")

    @property
    def busy(self) -> float:
        """Of one core, in percent."""
        return 100 * self.processor / self.took

    @property
    def most(self) -> float:
        """Files in the fullest hot folder, as a multiple of its limit."""
        return self.reckoned.multiple

    @property
    def over(self) -> float:
        """Time above the limit, in percent."""
        return 100 * self.reckoned.over

    @property
    def speed(self) -> float:
        """Files moved a second."""
        return self.reckoned.speed

    @property
    def resident(self) -> float:
        """VmRSS, MiB."""
        return self.memory.resident

    @property
    def astray(self) -> int:
        """Files that are nowhere, or in two places."""
        return self.reckoned.lost + self.reckoned.twice
