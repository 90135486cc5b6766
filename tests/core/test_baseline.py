"""What is normal, learnt run by run: the formulas against NumPy and SciPy, and the space it takes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tokiflow.core import learning, ordered
from tokiflow.core.baseline import WINDOW, Baseline
from tokiflow.core.measure import Measure
from tokiflow.core.memory import MOST_BINS, Memory
from tokiflow.core.moments import Moments

START = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
DAILY, HOURLY = timedelta(days=1), timedelta(hours=1)

run_times = st.floats(0.001, 1e6)
some_runs = st.lists(run_times, min_size=2, max_size=130)
anything = st.floats(allow_nan=True, allow_infinity=True)


def learnt(*values: float, measure: Measure = Measure.RUN_TIME, every: timedelta = HOURLY) -> Baseline:
    baseline = Baseline(measure)
    for number, value in enumerate(values):
        baseline = learning.learn(baseline, value, START + number * every)
    return baseline


@given(some_runs)
def test_mean_and_deviation_are_those_of_numpy(values):
    baseline = learnt(*values)
    assert baseline.count == len(values)
    assert baseline.raw.mean == pytest.approx(numpy.mean(values), rel=1e-9)
    assert baseline.raw.variance == pytest.approx(numpy.var(values, ddof=1), rel=1e-6, abs=1e-9)
    assert baseline.raw.stddev == pytest.approx(numpy.std(values, ddof=1), rel=1e-6, abs=1e-6)


@given(some_runs)
def test_the_same_on_the_logarithmic_scale(values):
    places = numpy.arcsinh(numpy.array(values) / 0.2)
    log = learnt(*values).log
    assert log.mean == pytest.approx(numpy.mean(places), abs=1e-4)
    assert log.stddev == pytest.approx(numpy.std(places, ddof=1), abs=1e-3)


@given(some_runs, st.sampled_from([0.0, 0.05, 0.5, 0.95, 0.99, 1.0]))
def test_percentiles_of_the_window_are_those_of_numpy(values, share):
    expected = numpy.quantile(values[-WINDOW:], share)
    assert learnt(*values).quantile(share) == pytest.approx(expected, rel=2e-4, abs=2e-5)


@given(some_runs)
def test_median_and_mad_are_those_of_scipy(values):
    baseline, lately = learnt(*values), values[-WINDOW:]
    tolerance = 3e-4 * max(lately)
    assert baseline.usual == pytest.approx(numpy.median(lately), abs=tolerance)
    assert baseline.mad == pytest.approx(stats.median_abs_deviation(lately), abs=tolerance)
    places = numpy.arcsinh(numpy.array(lately) / 0.2)
    expected = stats.median_abs_deviation(places, scale=1 / ordered.MAD_TO_SIGMA)
    if expected > 1e-3:
        assert baseline.sigma == pytest.approx(expected, abs=3e-4)


def test_where_most_values_are_the_same_the_mean_deviation_tells_the_spread():
    places = [math.asinh(value / 0.2) for value in [5.0] * 60 + [4.0, 6.0] * 15]
    expected = math.sqrt(math.pi / 2) * numpy.mean(numpy.abs(numpy.array(places) - math.asinh(25)))
    assert learnt(*[5.0] * 60 + [4.0, 6.0] * 15).sigma == pytest.approx(expected, rel=1e-3)


def test_the_mad_of_a_normal_distribution_is_its_standard_deviation():
    assert pytest.approx(1 / stats.norm.ppf(0.75), abs=1e-4) == ordered.MAD_TO_SIGMA


@pytest.mark.parametrize("count", [96, 60])
def test_how_far_the_outer_half_is_from_the_middle(count):
    places = list(stats.norm.ppf((numpy.arange(count) + 0.5) / count))
    assert ordered.outward(places, 1) == pytest.approx(ordered.OUTWARD, abs=0.03)
    assert ordered.outward(places, -1) == pytest.approx(ordered.OUTWARD, abs=0.03)
    assert ordered.outward([*places[:-1], 1000.0], 1) == ordered.outward(places, 1), "whatever one wild run does"
    assert ordered.outward([1.0], 1) == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_a_z_score_of_welfords_moments_is_that_of_scipy(values):
    moments = Moments()
    for value in values:
        moments = moments.add(value)
    if numpy.std(values) < 1e-3:
        return
    expected = stats.zscore(values, ddof=1)[-1]
    assert (values[-1] - moments.mean) / moments.stddev == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(st.lists(st.floats(-8, 8), min_size=60, max_size=150))
def test_a_memory_knows_quantiles_to_within_a_bin(places):
    memory = remembered(places)
    for share in (0.1, 0.5, 0.9, 0.98):
        exact = numpy.quantile(places, share, method="inverted_cdf")
        assert memory.quantile(share) == pytest.approx(exact, abs=memory.width + 1e-9)


def test_the_slope_of_an_exponential_tail_is_its_mean():
    places = stats.expon(scale=0.5).ppf((numpy.arange(20_000) + 0.5) / 20_000)
    tail = remembered(places).tail(1, 400, 0.5)
    assert tail.size >= 400
    assert tail.slope == pytest.approx(0.5, rel=0.1)
    assert tail.edge == pytest.approx(0.5 * math.log(20_000 / tail.size), abs=0.05)


def test_a_lone_value_is_no_tail():
    calm = remembered([1.0, 1.1, 1.2] * 10).tail(1, 5, 0.1)
    wild = remembered([1.0, 1.1, 1.2] * 10 + [40.0]).tail(1, 5, 0.1)
    assert wild.slope <= calm.slope + 0.02


def test_a_little_trouble_within_the_band_hardly_moves_it():
    places = list(stats.norm(0, 0.15).ppf((numpy.arange(20_000) + 0.5) / 20_000))
    calm, troubled = (remembered([*places, *more]).tail(1, 250, 0.1) for more in ([], [0.7] * 10))
    assert troubled.slope == pytest.approx(calm.slope, rel=0.13)


def test_what_lies_far_beyond_a_tail_tells_nothing_of_it():
    places = list(stats.norm(0, 0.15).ppf((numpy.arange(4000) + 0.5) / 4000))
    calm, among_spikes = (
        remembered(places).tail(1, 50, 0.1),
        remembered([*places, 0.81, 0.83, 0.86, 0.9]).tail(1, 50, 0.1),
    )
    assert among_spikes.slope == pytest.approx(calm.slope, rel=0.1)
    heavy = remembered(stats.expon(scale=0.3).ppf((numpy.arange(4000) + 0.5) / 4000))
    assert heavy.tail(1, 50, 0.1).slope == pytest.approx(0.3, rel=0.15)


def test_a_tail_of_whole_seconds_is_no_row_of_outliers():
    seconds = [5] * 400 + [4, 6] * 200 + [7] * 60 + [8] * 9 + [9]
    assert remembered([math.log(second) for second in seconds]).tail(1, 20, 0.1).size >= 69


def test_a_tail_below_mirrors_the_one_above():
    places = [0.03, 0.07, 0.5, 0.53, 0.91, 1.31, 1.35, 2.01]
    above, below = remembered(places).tail(1, 3, 0.5), remembered([-place for place in places]).tail(-1, 3, 0.5)
    assert above.edge == pytest.approx(-below.edge)
    assert above.size == below.size
    assert above.slope == pytest.approx(below.slope)
    with pytest.raises(ValueError, match="no tail"):
        Memory().tail(1, 1, 0.1)


def test_what_is_long_past_fades():
    memory = Memory()
    for hour in range(24 * 200):
        memory = memory.add(1.0 if hour < 24 * 100 else 3.0, hour * 3600.0)
    assert memory.total < 24 * 70, "a few weeks, not half a year"
    assert memory.quantile(0.05) < memory.quantile(0.95)
    old = memory.bins[math.floor(1.0 / memory.width)]
    assert 0 < old < memory.total / 10


@pytest.mark.parametrize("day", range(0, 400, 50))
def test_a_daily_job_forgets_nothing_for_a_year(day):
    memory = Memory()
    for number in range(day + 1):
        memory = memory.add(1.0, number * 86_400.0)
    assert memory.total == day + 1


@pytest.mark.parametrize(
    ("measure", "value", "other"),
    [
        (Measure.RUN_TIME, 0.02, 0.05),
        (Measure.OUTPUT_SIZE, 0, 8),
        (Measure.RUN_COUNT, 1, 2),
    ],
)
def test_what_is_tiny_lies_close_together(measure, value, other):
    baseline = learnt(*[value] * 10, measure=measure)
    assert abs(baseline.place(value) - baseline.place(other)) < 0.2


@pytest.mark.parametrize("usual", [1.0, 720.0, 86_400.0])
def test_equal_factors_are_equal_distances_above_the_grain(usual):
    baseline = learnt(*[usual] * 10)
    assert baseline.place(3 * usual) - baseline.place(usual) == pytest.approx(math.log(3), abs=0.01)


@given(st.floats(0, 1e9), st.sampled_from(Measure))
def test_a_place_leads_back_to_its_value(value, measure):
    baseline = learnt(value, measure=measure)
    assert baseline.value(baseline.place(value)) == pytest.approx(value, rel=1e-4, abs=baseline.grain * 2e-4)


def test_a_metric_may_be_nothing_for_long_and_negative_later():
    baseline = learnt(*[0.0] * 20, -0.002, 0.004, measure=Measure.METRIC)
    assert baseline.quantile(0) == pytest.approx(-0.002, rel=1e-3)
    assert baseline.usual == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(anything, max_size=150), st.sampled_from(Measure))
def test_whatever_is_learnt_it_takes_less_than_two_kilobytes_and_comes_back_the_same(values, measure):
    baseline = learnt(*values, measure=measure)
    text = json.dumps(baseline.to_dict(), allow_nan=False, separators=(",", ":"))
    assert len(text) < 2048
    assert len(baseline.window) <= WINDOW
    assert len(baseline.memory.bins) <= MOST_BINS
    assert Baseline.from_dict(json.loads(text)) == baseline


@pytest.mark.parametrize("kept", [{}, {"version": 0}, {"version": 1}, {"version": 1, "measure": "mood"}])
def test_what_cannot_be_read_says_how_to_get_a_new_one(kept):
    with pytest.raises(ValueError, match=r"learn it anew|mood"):
        Baseline.from_dict(kept)


def test_the_usual_gap_between_runs_follows_the_schedule():
    baseline = learnt(*[60.0] * 50, every=timedelta(hours=1))
    assert baseline.every == 3600
    for number in range(100):
        baseline = learning.learn(baseline, 60.0, START + timedelta(days=3, minutes=number))
    assert baseline.every < 180


def test_a_moment_before_the_last_changes_no_gap():
    baseline = learnt(1.0, 1.0, 1.0)
    again = learning.seen(baseline, 1.0, START)
    assert (again.every, again.first_at, again.last_at) == (baseline.every, baseline.first_at, baseline.last_at)


def test_a_new_level_is_learnt_from_its_first_runs_and_the_old_one_remembered():
    old = learnt(*[12.0, 13.0] * 20)
    moved = learning.moved(old, (20.0,) * 10, (old.place(8.0), old.place(18.0)))
    assert moved.count == 10
    assert moved.usual == pytest.approx(20, rel=1e-4)
    assert moved.raw.mean == pytest.approx(20)
    assert moved.memory.total == 10
    assert moved.before == (old.place(8.0), old.place(18.0))
    for number in range(40):
        moved = learning.learn(moved, 20.0, START + (50 + number) * DAILY)
    assert moved.before == (None, None)


@pytest.mark.parametrize(
    ("values", "additive"),
    [
        (stats.norm(100, 40).ppf(numpy.linspace(0.02, 0.98, 50)), True),
        (stats.lognorm(0.5, scale=100).ppf(numpy.linspace(0.02, 0.98, 50)), False),
        (stats.norm(100, 5).ppf(numpy.linspace(0.02, 0.98, 50)), False),
    ],
    ids=["normal and wide", "lognormal", "narrow"],
)
def test_values_that_scatter_by_seconds_are_told_from_those_that_scatter_by_factors(values, additive):
    assert learnt(*map(float, values)).additive is additive


def remembered(places) -> Memory:
    memory = Memory()
    for place in places:
        memory = memory.add(float(place))
    return memory
