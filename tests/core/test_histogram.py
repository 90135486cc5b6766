from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import histogram

SHARES = (0.0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
times = st.lists(st.integers(0, 366 * 86_400_000), min_size=1, max_size=300)


@given(times)
def test_quantiles_are_those_of_numpy_but_for_two_percent(values: list[int]) -> None:
    sketch = histogram.of(values)
    for share, found in zip(SHARES, histogram.quantiles(sketch, SHARES), strict=True):
        exact = float(np.percentile(values, 100 * share))
        assert found is not None
        assert abs(found - exact) <= histogram.ACCURACY * exact * (1 + 1e-9)
        assert histogram.quantile(sketch, share) == found


@pytest.mark.parametrize("shape", ["lognormal", "exponential", "bimodal", "steady"])
def test_quantiles_of_many_are_those_of_numpy(shape: str) -> None:
    random = np.random.default_rng(6)
    drawn = {
        "lognormal": random.lognormal(9, 1.5, 50_000),
        "exponential": random.exponential(90_000, 50_000),
        "bimodal": np.concatenate([random.normal(2_000, 50, 25_000), random.normal(3_600_000, 60_000, 25_000)]),
        "steady": np.full(50_000, 1_000),
    }[shape]
    values = [int(value) for value in np.clip(drawn, 0, None)]
    sketch = histogram.of(values)
    for share in (0.1, 0.5, 0.9, 0.95, 0.99, 0.999):
        exact = float(np.percentile(values, 100 * share))
        assert histogram.quantile(sketch, share) == pytest.approx(exact, rel=0.025)
    assert len(sketch) < 700


@given(times, times)
def test_two_histograms_add_up_to_that_of_both(some: list[int], others: list[int]) -> None:
    both = histogram.of(some + others)
    assert histogram.merged([histogram.of(some), histogram.of(others)]) == both
    assert histogram.merged([histogram.of(others), histogram.of(some)]) == both
    from_json = {str(number): count for number, count in both.items()}
    assert histogram.bars(from_json) == histogram.bars(both)
    assert histogram.quantile(from_json, 0.9) == histogram.quantile(both, 0.9)


@given(st.integers(1, 10**12))
def test_a_bucket_holds_what_lies_between_its_edges(ms: int) -> None:
    number = histogram.bucket(ms)
    assert histogram.upper_edge(number - 1) * (1 - 1e-12) <= ms <= histogram.upper_edge(number) * (1 + 1e-12)
    assert abs(histogram.middle(number) - ms) <= histogram.ACCURACY * ms * (1 + 1e-9)


def test_without_times_there_is_no_quantile() -> None:
    assert histogram.quantile({}, 0.5) is None
    assert histogram.bars({}) == []


def test_times_below_a_millisecond_have_a_bucket_of_their_own() -> None:
    sketch = histogram.of([0, 0, 0, 1])
    assert sketch == {histogram.ZERO: 3, 0: 1}
    assert histogram.quantile(sketch, 0.5) == 0
    assert histogram.bars(sketch)[0] == histogram.Bar(0.0, 0.0, 3)


@given(times, st.integers(1, 60))
def test_bars_stand_side_by_side_and_hold_everything(values: list[int], most: int) -> None:
    bars = [bar for bar in histogram.bars(histogram.of(values), most) if bar.high]
    assert len(bars) <= most
    assert sum(bar.count for bar in bars) == sum(value > 0 for value in values)
    for bar, following in itertools.pairwise(bars):
        assert bar.low < bar.high == following.low
    if bars:
        assert bars[0].low * 1000 <= min(value for value in values if value)
        assert bars[-1].high * 1000 >= max(values) * (1 - 1e-12)


def test_a_year_fits_into_few_buckets() -> None:
    assert histogram.bucket(366 * 86_400_000) < 650
    assert math.isclose(histogram.GAMMA, 1.0408, rel_tol=1e-4)
