"""Jobs with two ways to go: what lies between them, and beyond either, is unusual."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokiflow.core import anomaly, levels, sentences
from tokiflow.core.findings import Verdict
from tokiflow.core.judgement import Found
from tokiflow.core.measure import Measure
from tokiflow.core.memory import Memory
from tokiflow.core.sensitivity import Sensitivity

START = datetime(2026, 3, 2, tzinfo=UTC)
DAILY, HOURLY = timedelta(days=1), timedelta(hours=1)


def two_ways(share: float = 0.3, factor: float = 6.0, scatter: float = 0.05, every: timedelta = DAILY) -> anomaly.State:
    draw, state = random.Random(5), anomaly.fresh(Measure.RUN_TIME)
    for number in range(300):
        value = 600 * (factor if draw.random() < share else 1) * math.exp(draw.gauss(0, scatter))
        state, _ = anomaly.observe(state, value, START + number * every)
    return state


def remembered(places) -> Memory:
    memory = Memory()
    for place in places:
        memory = memory.add(float(place))
    return memory


@pytest.mark.parametrize("every", [DAILY, HOURLY], ids=["daily", "hourly"])
@pytest.mark.parametrize("share", [0.15, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("scatter", [0.02, 0.1])
def test_what_lies_between_two_ways_and_beyond_them_is_unusual(share, scatter, every):
    baseline = two_ways(share, scatter=scatter, every=every).baseline
    assert not [value for value in (540, 600, 660, 3300, 3600, 3900) if anomaly.judge(baseline, value)]
    assert not [value for value in (120, 1500, 1800, 10_800) if not anomaly.judge(baseline, value)]


def test_two_ways_are_known_after_fifty_runs():
    draw, state = random.Random(6), anomaly.fresh(Measure.RUN_TIME)
    for number in range(60):
        value = 600 * (6 if draw.random() < 0.3 else 1) * math.exp(draw.gauss(0, 0.1))
        state, _ = anomaly.observe(state, value, START + number * DAILY)
    assert anomaly.judge(state.baseline, 1800)


def test_one_stray_run_does_not_make_one_level_of_two():
    draw = random.Random(9)
    places = [draw.gauss(0, 0.1) for _ in range(4000)] + [draw.gauss(1.3, 0.1) for _ in range(2000)]
    low, high = levels.of(remembered([*places, 0.6]))
    assert (low.memory.total, high.memory.total) == (4000, 2000)
    assert levels.of(Memory()) == []


def test_what_was_put_in_between_two_ways_does_not_hide_the_next():
    draw, state, told, spikes = random.Random(7), anomaly.fresh(Measure.RUN_TIME), 0, 0
    for number in range(3000):
        value = 600 * (6 if draw.random() < 0.3 else 1) * math.exp(draw.gauss(0, 0.13))
        spike = number > 300 and number % 100 == 0 and value < 1200
        state, found = anomaly.observe(state, value * 3 if spike else value, START + number * HOURLY)
        spikes += spike
        told += spike and isinstance(found, Verdict)
    assert told >= 0.8 * spikes > 10


def test_the_reason_names_both_ways():
    verdict = anomaly.judge(two_ways(scatter=0.01).baseline, 1300)
    assert verdict
    assert sentences.unusual(verdict, Measure.RUN_TIME).startswith("took 21 m 40 s; usually ")
    assert ", or about " in sentences.unusual(verdict, Measure.RUN_TIME)
    assert verdict.usual == pytest.approx(600, rel=0.05)
    assert list(verdict.others) == pytest.approx([3600], rel=0.1)
    assert verdict.low < 600 < verdict.high < 1300
    told = Found("run_time", verdict, START)
    assert ", or about " in told.usual_words


def test_the_drawn_band_is_around_both():
    band = anomaly.band(two_ways().baseline)
    assert band
    assert band.low < 540
    assert band.high > 3900


@settings(deadline=None, max_examples=30)
@given(st.floats(1, 1e5), st.floats(1, 1e5))
def test_what_was_accepted_between_two_ways_stays_so(value, other):
    state = two_ways()
    accepted = anomaly.accept(anomaly.accept(state, value), other)
    for one in (value, other):
        assert anomaly.judge(accepted.baseline, one, Sensitivity.HIGH) is None


def test_a_third_way_between_two_is_learnt():
    state, told = two_ways(), 0
    draw = random.Random(8)
    for number in range(600):
        value = draw.choice([600, 600, 3600, 3600, 600, 3600, 600, 600, 3600, 1700]) * math.exp(draw.gauss(0, 0.04))
        state, found = anomaly.observe(state, value, START + (300 + number) * DAILY)
        told += isinstance(found, Verdict)
    assert 0 < told <= 10
    assert anomaly.judge(state.baseline, 1700) is None
    assert anomaly.judge(state.baseline, 20_000)


@pytest.mark.parametrize(
    "draws",
    [
        lambda draw: draw.gauss(0, 0.1),
        lambda draw: draw.gauss(0, 1.0),
        lambda draw: draw.expovariate(2),
        lambda draw: math.log(draw.expovariate(1) + 0.05),
        lambda draw: 1.0 if draw.random() < 0.01 else draw.gauss(0, 0.05),
    ],
    ids=["normal", "wide", "heavy", "exponential", "a rare way"],
)
def test_most_jobs_have_one_level(draws):
    for seed in range(20):
        draw = random.Random(seed)
        assert len(levels.of(remembered(draws(draw) for _ in range(300)))) == 1


def test_whole_seconds_are_no_levels():
    draw = random.Random(1)
    seconds = [round(draw.gauss(6, 1)) for _ in range(500)]
    assert len(levels.of(remembered(math.asinh(second / 0.2) for second in seconds))) == 1


def test_accidents_between_two_levels_make_no_third_and_no_bridge():
    draw = random.Random(2)
    places = [draw.choice([0.0, 2.0]) + draw.gauss(0, 0.05) for _ in range(500)]
    low, high = levels.of(remembered([*places, 1.0, 1.3]))
    below, above = ([place for place in places if (place > 1) is side] for side in (False, True))
    assert low.centre == pytest.approx(numpy.median(below), abs=low.memory.width)
    assert high.centre == pytest.approx(numpy.median(above), abs=low.memory.width)
    assert high.sigma == pytest.approx(numpy.std(above), abs=low.memory.width)
    assert low.distance(1.0) == pytest.approx(1.0 - low.high)
