"""Of sorted numbers: their quantiles, how they scatter and how skewed they are, whatever a few wild ones do."""

from __future__ import annotations

import math

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution: 1 / Φ⁻¹(3/4)."""
MEAN_TO_SIGMA = 1.2533
"""Mean absolute deviation to standard deviation: √(π / 2)."""
OUTERMOST, OUTWARD = 50, 0.72


def quantile(ordered: list[float], share: float) -> float:
    """Linear between neighbours (Hyndman and Fan's type 7, as NumPy and PostgreSQL). NaN if there are none."""
    if not ordered:
        return math.nan
    at = share * (len(ordered) - 1)
    below = math.floor(at)
    if below + 1 >= len(ordered):
        return ordered[-1]
    return ordered[below] + (at - below) * (ordered[below + 1] - ordered[below])


def median(ordered: list[float]) -> float:
    """The middle one, or the mean of the two in the middle. NaN if there are none."""
    half, odd = divmod(len(ordered), 2)
    if not ordered:
        return math.nan
    return ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2


def sigma(ordered: list[float]) -> float:
    """The standard deviation that belongs to their median absolute deviation.

    If that is 0, as where a clock tells whole seconds, it is the one that belongs to their mean absolute deviation
    (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
    """
    middle = median(ordered)
    # Falls, then rises: two runs, which sort() joins in one pass.
    away = sorted([abs(one - middle) for one in ordered])
    return MAD_TO_SIGMA * median(away) or MEAN_TO_SIGMA * sum(away) / max(len(away), 1)


def outward(ordered: list[float], side: int) -> float:
    """How far the half above (`side` 1) or below (-1) is from the middle on average, but for the outermost: one, and
    one in OUTERMOST of all. Of a normal distribution it is OUTWARD standard deviations. 0 for too few."""
    count = len(ordered)
    half, left_out = count // 2, 1 + count // OUTERMOST
    outer = ordered[count - half : count - left_out] if side > 0 else ordered[left_out:half]
    return side * (sum(outer) / len(outer) - median(ordered)) if outer else 0.0


def skew(low: float, middle: float, high: float) -> float:
    """Of three quantiles: 0 if the middle one is in the middle, 1 or -1 if it is at an end (Kelley)."""
    return (high + low - 2 * middle) / (high - low) if high > low else 0.0
