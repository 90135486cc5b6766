"""The histogram of run times: bars, percentiles, and what is said instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import histogram
from tokiflow.core.histogram import Bar
from tokiflow.web import histogram_chart

PERCENTILES = [("p50", 3.0), ("p95", 5.0), ("p99", 7.9)]


def test_without_runs_there_is_none() -> None:
    assert histogram_chart.of([], PERCENTILES) is None
    assert histogram_chart.of([Bar(1, 2, 0)], PERCENTILES) is None


def test_one_time_is_a_bar_in_the_middle_and_not_as_wide_as_the_page() -> None:
    chart = histogram_chart.of([Bar(2.9, 3.1, 40)], [("p50", 3.0)])
    assert chart
    (bar,) = chart.columns
    assert bar.width < chart.width / 10
    assert bar.x + bar.width / 2 == pytest.approx(chart.width / 2, abs=0.1)
    assert 45 < chart.marks[0].x < 55


def test_the_tallest_bar_is_the_most_frequent_and_a_single_run_is_seen() -> None:
    chart = histogram_chart.of([Bar(1, 2, 100_000), Bar(2, 4, 1), Bar(4, 8, 0)], PERCENTILES)
    assert chart
    assert [bar.title for bar in chart.columns] == ["1 s to 2 s: 100,000 runs", "2 s to 4 s: 1 run"]
    assert chart.columns[1].height >= histogram_chart.LEAST


def test_it_is_told_in_words() -> None:
    chart = histogram_chart.of([Bar(1, 2, 3), Bar(2, 4, 9)], [("p50", 3.0), ("p95", None)])
    assert chart
    assert chart.summary == "12 runs between 1 s and 4 s, most often 2 s to 4 s; p50 3 s."


def test_times_below_a_millisecond_have_a_bar() -> None:
    chart = histogram_chart.of([Bar(0, 0, 5), Bar(0.001, 0.002, 3)], [("p50", 0.0)])
    assert chart
    assert chart.columns[0].title == "less than 1 ms: 5 runs"


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_any_run_times_make_a_histogram_that_fits(times: list[int]) -> None:
    found = histogram.of(times)
    percentiles = [(name, histogram.quantile(found, share)) for name, share in (("p50", 0.5), ("p99", 0.99))]
    told = [(name, None if ms is None else ms / 1000) for name, ms in percentiles]
    chart = histogram_chart.of(histogram.bars(found), told)
    assert chart
    assert all(bar.x >= 0 and bar.x + bar.width <= chart.width + 0.1 for bar in chart.columns)
    assert all(0 <= bar.y <= bar.y + bar.height <= chart.base + 0.1 for bar in chart.columns)
    assert all(0 <= x <= 100 for x in [*(mark.x for mark in chart.marks), *(edge.x for edge in chart.edges)])
    places = [mark.x for mark in chart.marks]
    assert places == sorted(places)
