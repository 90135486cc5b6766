from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tokiflow.core import health
from tokiflow.core.health import Part, Times

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAY = 86_400.0


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def spell(start: float, end: float) -> health.Interval:
    return at(start), at(end)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=200))
def test_mean_and_deviation_are_those_of_numpy(values: list[int]) -> None:
    times = health.of(values)
    assert times.mean == pytest.approx(np.mean(values) / 1000, rel=1e-9)
    assert times.stddev == pytest.approx(np.std(values, ddof=1) / 1000, rel=1e-6, abs=max(values) * 1e-10)
    assert (times.shortest, times.longest) == (min(values) / 1000, max(values) / 1000)


@given(st.lists(st.lists(st.integers(0, 10**8), max_size=30), max_size=8))
def test_sums_of_parts_are_those_of_the_whole(parts: list[list[int]]) -> None:
    whole = [value for part in parts for value in part]
    together, all_of_them = health.added(map(health.of, parts)), health.of(whole)
    assert together.squares == pytest.approx(all_of_them.squares)
    assert replace(together, squares=all_of_them.squares) == all_of_them


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=100))
def test_percentiles_are_those_of_numpy_but_for_two_percent(values: list[int]) -> None:
    for share, found in zip((0.5, 0.95, 0.99), health.of(values).quantiles(0.5, 0.95, 0.99), strict=True):
        assert found == pytest.approx(float(np.percentile(values, 100 * share)) / 1000, rel=0.025)
    assert min(values) / 1000 <= health.of(values).quantile(0.99) <= max(values) / 1000  # type: ignore[operator]


def test_of_nothing_nothing_is_known() -> None:
    nothing = Times()
    assert nothing == health.of([]) == health.added([])
    assert nothing.mean is nothing.stddev is nothing.shortest is nothing.longest is nothing.quantile(0.5) is None
    assert health.of([7]).stddev is None


def test_z_scores_are_those_of_scipy() -> None:
    values = [712.0, 698.0, 705.0, 733.0, 3.0]
    mean, stddev = float(np.mean(values)), float(np.std(values, ddof=1))
    assert [health.z_score(value, mean, stddev) for value in values] == pytest.approx(stats.zscore(values, ddof=1))
    assert health.z_score(5, 5, 0) is None
    assert health.z_score(5, None, None) is None


@pytest.mark.parametrize(
    ("name", "outages", "maintenance", "paused", "watched", "down", "count"),
    [
        ("never down", [], [], [], 60, 0, 0),
        ("once", [(10, 16)], [], [], 60, 6, 1),
        ("two that overlap are one", [(10, 20), (15, 25)], [], [], 60, 15, 1),
        ("one in the other", [(10, 30), (15, 20)], [], [], 60, 20, 1),
        ("two", [(10, 20), (30, 35)], [], [], 60, 15, 2),
        ("begun before", [(-100, 5)], [], [], 60, 5, 1),
        ("goes on", [(50, 500)], [], [], 60, 10, 1),
        ("elsewhere", [(-100, 0), (60, 70)], [], [], 60, 0, 0),
        ("all the time", [(-5, 500)], [], [], 60, 60, 1),
        ("in maintenance", [(10, 20)], [(5, 25)], [], 60, 0, 0),
        ("longer than maintenance", [(10, 20)], [(5, 15)], [], 60, 5, 1),
        ("maintenance in the middle", [(10, 40)], [(20, 30)], [], 60, 20, 1),
        ("maintenance twice", [(10, 20)], [(0, 15), (12, 18)], [], 60, 2, 1),
        ("paused", [], [], [(0, 30)], 30, 0, 0),
        ("paused while down", [(20, 40)], [], [(30, 50)], 40, 10, 1),
        ("paused all the time", [(20, 40)], [], [(-10, 70)], 0, 0, 0),
        ("paused and in maintenance", [(0, 60)], [(20, 40)], [(0, 30)], 30, 20, 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_uptime(
    name: str,
    outages: list[tuple[int, int]],
    maintenance: list[tuple[int, int]],
    paused: list[tuple[int, int]],
    watched: int,
    down: int,
    count: int,
) -> None:
    told = [[spell(*one) for one in some] for some in (outages, maintenance, paused)]
    found = health.uptime(at(0), at(60), *told)
    assert (found.watched / 60, found.down / 60, found.outages) == (watched, down, count)
    assert found.share == (pytest.approx((watched - down) / watched) if watched else None)


minutes = st.integers(-20, 80)
intervals = st.lists(st.tuples(minutes, minutes), max_size=5)


@given(intervals, intervals, intervals)
def test_uptime_is_what_somebody_with_a_watch_counts(
    outages: list[tuple[int, int]], maintenance: list[tuple[int, int]], paused: list[tuple[int, int]]
) -> None:
    def holds(some: list[tuple[int, int]], minute: int) -> bool:
        return any(start <= minute < end for start, end in some)

    watched = [minute for minute in range(60) if not holds(paused, minute)]
    down = [minute for minute in watched if holds(outages, minute) and not holds(maintenance, minute)]
    told = [[spell(*one) for one in some if one[0] < one[1]] for some in (outages, maintenance, paused)]
    found = health.uptime(at(0), at(60), *told)
    assert (found.watched / 60, found.down / 60) == (len(watched), len(down))


def test_time_between_failures_and_to_recovery() -> None:
    found = health.uptime(at(0), at(24 * 60), [spell(60, 90), spell(600, 610)])
    assert (found.mtbf, found.mttr) == ((1440 - 40) * 60 / 2, 20 * 60)
    assert found.share == pytest.approx(found.mtbf / (found.mtbf + found.mttr))  # type: ignore[operator]
    never = health.uptime(at(0), at(60), [])
    assert never.mtbf is never.mttr is None


def test_success_rate_counts_what_should_have_been() -> None:
    assert health.success_rate(97, 1, 1, 1) == 0.97
    assert health.success_rate(0, 0, 0, 0) is None


def test_performance_is_the_share_of_runs_as_usual() -> None:
    assert health.performance(100, 5) == 0.95
    assert health.performance(2, 3) == 0
    assert health.performance(0, 0) is None


@pytest.mark.parametrize(
    ("uptime", "success", "performance", "score"),
    [
        (1.0, 1.0, 1.0, 100),
        (0.0, 0.0, 0.0, 0),
        (0.99, 0.95, 0.9, 95),  # 39.6 + 28.5 + 27
        (1.0, 0.5, None, 79),  # (40 + 15) / 0.7
        (None, 0.5, 0.7, 60),  # (15 + 21) / 0.6
        (None, None, 0.5, 50),
        (None, None, None, None),
        (1.0, None, None, None),
    ],
)
def test_health(uptime: float | None, success: float | None, performance: float | None, score: int | None) -> None:
    found = health.score(uptime, success, performance)
    if score is None:
        assert found is None
        return
    assert found is not None
    assert found.score == score
    assert found.parts == (
        Part("uptime", 0.4, uptime), Part("success", 0.3, success), Part("performance", 0.3, performance),
    )  # fmt: skip
