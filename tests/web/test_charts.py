"""Charts are values: what lands where, and what a screen reader is told instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokiflow.web import charts
from tokiflow.web.charts import Tick

OUTCOMES: tuple[charts.Outcome, ...] = ("success", "unusual", "failed", "overran", "missed", "running")
ticks = st.lists(
    st.builds(Tick, st.sampled_from(OUTCOMES), st.none() | st.floats(0, 1e9, allow_nan=False)),
    max_size=80,
)


@given(ticks)
def test_every_tick_stays_inside_the_strip(given_ticks: list[Tick]) -> None:
    strip = charts.run_strip(given_ticks)
    for bar in strip.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= strip.width
        assert bar.y >= 0
        assert bar.y + bar.height <= strip.height + 0.01
        assert bar.width > 0
        assert bar.height > 0


def test_the_newest_run_stands_at_the_right_edge_however_few_there_are() -> None:
    few, many = charts.run_strip([Tick("success", 5)]), charts.run_strip([Tick("success", 5)] * 90)
    assert few.bars[-1].x == many.bars[-1].x
    assert len(many.bars) == 36


def test_each_outcome_has_a_form_of_its_own_so_a_strip_reads_in_grey() -> None:
    forms = set()
    for outcome in OUTCOMES:
        bars = charts.run_strip([Tick("success", 100), Tick(outcome, 90)]).bars[1:]
        forms.add(tuple((bar.y, bar.height, bar.width) for bar in bars))
    assert len(forms) == len(OUTCOMES)


def test_a_longer_run_is_a_taller_tick() -> None:
    short, long = charts.run_strip([Tick("success", 60), Tick("success", 180)]).bars
    assert long.height > short.height


def test_one_endless_failure_does_not_flatten_the_rest() -> None:
    bars = charts.run_strip([Tick("success", 60), Tick("success", 50), Tick("failed", 9e6)]).bars
    assert bars[0].height > 10


@pytest.mark.parametrize(
    ("outcomes", "summary"),
    [
        ([], "No runs yet."),
        (["success"], "Last run: fine."),
        (["success", "success"], "Last 2 runs: all fine."),
        (["success", "missed"], "Last 2 runs: 1 fine, 1 missed. Newest: missed."),
        (["overran"], "Last run: 1 ran too long. Newest: ran too long."),
        (["failed", "success"], "Last 2 runs: 1 fine, 1 failed. Newest: fine."),
        (["success", "unusual"], "Last 2 runs: 1 fine, 1 unlike the usual. Newest: unlike the usual."),
    ],
)
def test_the_strip_is_told_in_words(outcomes: list[charts.Outcome], summary: str) -> None:
    assert charts.run_strip([Tick(outcome) for outcome in outcomes]).summary == summary


def test_a_sparkline_needs_two_points_and_starts_at_zero() -> None:
    assert charts.sparkline([]) is None
    assert charts.sparkline([3.0]) is None
    flat = charts.sparkline([0.0, 0.0])
    assert flat
    assert flat.last_y == 25.0
    rising = charts.sparkline([1.0, 2.0])
    assert rising
    assert rising.last_y == 3.0


@pytest.mark.parametrize(
    ("given_values", "done", "words"),
    [
        ((62, 3, 5, "dumping tables"), 62, "62 %, step 3 of 5: dumping tables"),
        ((None, 3, 5, ""), 40, "40 %, step 3 of 5"),
        ((None, None, None, "warming up"), 0, "0 %, warming up"),
        ((250, None, None, ""), 100, "100 %"),
        ((-3, 1, 0, ""), 0, "0 %"),
    ],
)
def test_progress_is_held_between_nothing_and_all(given_values: tuple, done: float, words: str) -> None:
    bar = charts.progress(*given_values)
    assert (bar.done, bar.words) == (done, words)


def test_progress_is_cut_where_steps_end_but_not_into_dust() -> None:
    assert charts.progress(50, 2, 4).cuts == (25, 50, 75)
    assert charts.progress(50, 2, 4000).cuts == ()


def test_a_sparkline_may_have_a_band_and_odd_points_that_stay_inside() -> None:
    spark = charts.sparkline([5.0, 6.0, 1.0], 120, 28, [(4, 900), None, (4, 7)], {2})
    assert spark
    assert spark.band.endswith("Z")
    assert len(spark.odd) == 1
    assert spark.odd[0][0] == spark.last_x


@given(st.lists(st.floats(-1e9, 1e9) | st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=60))
def test_any_numbers_make_a_sparkline_that_fits(values: list[float]) -> None:
    spark = charts.sparkline(values)
    assert spark
    places = [float(y) for _, y in (point.split() for point in spark.path[1:].split("L"))]
    assert all(0 <= y <= spark.height for y in places)
