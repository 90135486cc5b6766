"""Count, mean and variance of numbers that come one by one (Welford, Technometrics 1962)."""

from __future__ import annotations

import math
from typing import NamedTuple


class Moments(NamedTuple):
    """Welford's count, mean, and sum of squared distances from the mean."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, value: float) -> Moments:
        """With one more value."""
        n = self.n + 1
        delta = value - self.mean
        mean = self.mean + delta / n
        return Moments(n, mean, self.m2 + delta * (value - mean))

    @property
    def variance(self) -> float:
        """Of the sample (n − 1), 0 for fewer than two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0

    @property
    def stddev(self) -> float:
        """Of the sample, in the unit of the values."""
        return math.sqrt(self.variance)
