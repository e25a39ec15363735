"""A Prometheus histogram: counts at or below each bound, seconds. What it cannot tell is not guessed: a quantile is the
bound that it does not exceed.
"""

from math import inf

import attrs


@attrs.frozen
class Histogram:
    """Bound -> how many took at most so long; the last bound is infinite."""

    counts: dict[float, float] = attrs.field(factory=dict)

    @property
    def count(self) -> int:
        """All of them."""
        return round(max(self.counts.values(), default=0))

    def since(self, earlier: "Histogram") -> "Histogram":
        """What came after an earlier look; after a restart of the process all that is there."""
        if earlier.count > self.count:
            return self
        return Histogram({bound: count - earlier.counts.get(bound, 0) for bound, count in self.counts.items()})

    def quantile(self, share: float) -> float:
        """The least bound that at least this share did not exceed; infinite where there is none."""
        wanted = share * self.count
        return next((bound for bound, count in sorted(self.counts.items()) if self.count and count >= wanted), inf)

    def within(self, seconds: float) -> float:
        """The share, 0 to 1, that is known to have taken at most so long."""
        known = [count for bound, count in self.counts.items() if bound <= seconds]
        return max(known, default=0) / self.count if self.count else 0.0
