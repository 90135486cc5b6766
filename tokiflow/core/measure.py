"""What is measured, and the scale on which it is judged.

Run times differ by factors, not by seconds, so values are judged by their place on a logarithmic scale,
asinh(value / 2 grain). Far above the grain that is the logarithm, and equal distances are equal factors. Below it is a
plain line through zero: there is an absolute floor, zero has a place, and so have negative numbers.
"""

from __future__ import annotations

import math
from enum import StrEnum

SMALLEST, LARGEST = 1e-30, 1e30
"""What lies beyond is judged as if it were these."""
DECIMALS, DIGITS = 5, 5
"""Decimals of a place, and digits of the value that it stands for: 12 minutes come back as 12 minutes."""


class Measure(StrEnum):
    """What is measured: seconds, bytes, runs in a period, or a number that the job tells."""

    RUN_TIME = "run_time"
    OUTPUT_SIZE = "output_size"
    RUN_COUNT = "run_count"
    METRIC = "metric"


_GRAINS = {Measure.RUN_TIME: 0.1, Measure.OUTPUT_SIZE: 50.0, Measure.RUN_COUNT: 3.0}
"""Below about this, differences mean little: a tenth of a second, a line of output, three runs."""
_GRAIN_OF_FIRST = 0.05
"""A metric may be of any size. Its grain is this share of the first one that isn't zero."""


def first_grain(measure: Measure, value: float) -> float:
    """The grain of a measure whose first value this is; 0 if that isn't known yet."""
    return _GRAINS.get(measure) or max(abs(value) * _GRAIN_OF_FIRST, SMALLEST if value else 0.0)


def place_of(value: float, grain: float) -> float:
    """Where a value is on the scale."""
    return round(math.asinh(bounded(value) / (2 * grain)), DECIMALS) if grain else 0.0


def value_at(place: float, grain: float) -> float:
    """The value that is at a place."""
    return float(f"{math.sinh(place) * 2 * grain:.{DIGITS}g}")


def bounded(value: float) -> float:
    """The value, or the largest that is judged."""
    return min(max(value, -LARGEST), LARGEST)
