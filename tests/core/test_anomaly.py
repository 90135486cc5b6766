"""Is this run as usual? What is told, what is not, and what is told only once."""

from __future__ import annotations

import json
import math
import random
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokiflow.core import anomaly, bounds, sentences
from tokiflow.core.anomaly import State, Told
from tokiflow.core.findings import Finding, Settled, Shift, Slower, Verdict
from tokiflow.core.measure import Measure
from tokiflow.core.sensitivity import TASTES, Sensitivity

START = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
DAILY, HOURLY, MINUTELY = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LOW, NORMAL, HIGH, OFF = Sensitivity.LOW, Sensitivity.NORMAL, Sensitivity.HIGH, Sensitivity.OFF
BACKUP = [720.0 + second for second in (0, 27.2, -27.2, 12, -12, 40, -40, 60, -60, 5, -5, 20, -20, 33, -33)]
"""Twelve minutes, give or take 40 seconds."""


class Job:
    """A job that is watched, and what was found out about it."""

    def __init__(self, *values: float, every: timedelta = DAILY, measure: Measure = Measure.RUN_TIME) -> None:
        self.state, self.at, self.every = anomaly.fresh(measure), START, every
        self.sensitivity = NORMAL
        self.run(*values)

    def run(self, *values: float) -> list[Finding | None]:
        """What each of these runs means."""
        return [self._one(value) for value in values]

    def _one(self, value: float) -> Finding | None:
        self.at += self.every
        self.state, found = anomaly.observe(self.state, value, self.at, self.sensitivity)
        return found

    def judge(self, value: float) -> Verdict | None:
        return anomaly.judge(self.state.baseline, value, self.sensitivity)


def backup(every: timedelta = DAILY, times: int = 4) -> Job:
    return Job(*BACKUP * times, every=every)


def noisy(usual: float, spread: float, count: int, seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return [usual * math.exp(draw.gauss(0, spread)) for _ in range(count)]


def test_a_verdict_carries_its_reason_in_numbers():
    verdict = backup().judge(3.0)
    assert verdict
    assert (verdict.value, verdict.too_much) == (3.0, False)
    assert verdict.usual == pytest.approx(720, rel=0.01)
    assert verdict.spread == pytest.approx(40, rel=0.1)
    assert verdict.z == pytest.approx((3 - verdict.usual) / verdict.spread)
    assert 3.0 < verdict.low < 600 < 840 < verdict.high < 2160


def test_the_reason_is_a_sentence():
    verdict = backup().judge(3.0)
    assert verdict
    assert sentences.unusual(verdict, Measure.RUN_TIME) == "took 3 s; usually 12 m ± 40 s (z = −18)"


@pytest.mark.parametrize("every", [MINUTELY, HOURLY, DAILY], ids=["minutely", "hourly", "daily"])
@pytest.mark.parametrize("factor", [3, 1 / 5, 10, 1 / 200])
def test_a_run_far_from_usual_is_unusual_however_often_the_job_runs(every, factor):
    found = backup(every).run(720 * factor)[-1]
    assert isinstance(found, Verdict)
    assert found.too_much is (factor > 1)


def test_nothing_is_judged_before_ten_runs():
    job = Job(*BACKUP[:9])
    assert job.judge(3.0) is None
    assert anomaly.band(job.state.baseline) is None
    job.run(720.0)
    assert job.judge(3.0)


@pytest.mark.parametrize(
    ("usual", "value"),
    [(1.0, 1.01), (1.0, 1.1), (0.02, 0.05), (0.02, 0.001), (0.5, 0.55), (60.0, 65.0), (3600.0, 4000.0)],
)
@pytest.mark.parametrize("sensitivity", [LOW, NORMAL, HIGH])
def test_the_steadiest_job_may_differ_a_little(usual, value, sensitivity):
    job = Job(*[usual] * 100)
    assert anomaly.judge(job.state.baseline, value, sensitivity) is None


@pytest.mark.parametrize(
    ("measure", "usual", "fine", "unusual"),
    [
        (Measure.OUTPUT_SIZE, 34_000, [30_000, 40_000], [0, 900, 2_000_000]),
        (Measure.OUTPUT_SIZE, 20, [0, 30], [1000]),
        (Measure.RUN_COUNT, 24, [23, 25, 20], [4, 100]),
        (Measure.METRIC, 8000, [7900, 8400], [0, 1600, 24_000, -8000]),
        (Measure.METRIC, 0, [0], [1, -5]),
    ],
)
def test_sizes_counts_and_metrics_are_judged_alike(measure, usual, fine, unusual):
    job = Job(*[usual] * 30, measure=measure)
    assert not [value for value in fine if job.judge(value)]
    assert not [value for value in unusual if not job.judge(value)]


def test_an_unusual_run_does_not_teach():
    job = backup()
    before = job.state.baseline
    job.run(3.0)
    after = job.state.baseline
    assert (after.raw, after.log, after.window, after.memory) == (before.raw, before.log, before.window, before.memory)


def test_a_failed_run_neither_teaches_nor_is_judged():
    job = backup()
    state, found = anomaly.observe(job.state, 3.0, job.at + DAILY, teaches=False)
    assert (state, found) == (job.state, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_passed_over(value):
    job = backup()
    before = job.state
    assert job.run(value) == [None]
    assert job.state == before
    assert job.judge(value) is None


def test_when_it_is_as_usual_again_that_is_told_once():
    spike, after, later = backup().run(2200.0, 715.0, 730.0)
    assert isinstance(spike, Verdict)
    assert after == Settled(1, False)
    assert later is None


def test_a_new_level_is_told_once_as_a_change_and_then_normal():
    job = backup()
    found = job.run(*noisy(1800, 0.03, 30))
    assert all(isinstance(one, Verdict) for one in found[:9])
    assert [one.in_a_row for one in found[:9] if isinstance(one, Verdict)] == list(range(1, 10))
    shift = found[9]
    assert isinstance(shift, Shift)
    assert shift.runs == 10
    assert shift.before == pytest.approx(720, 0.01)
    assert shift.now == pytest.approx(1800, 0.05)
    assert found[10:] == [None] * 20
    assert sentences.unusual(shift, Measure.RUN_TIME).startswith("for 10 runs it takes ")
    assert isinstance(job.run(5400)[0], Verdict)


def test_a_job_that_becomes_quicker_for_good_is_a_change_too():
    found = backup().run(*noisy(100, 0.03, 12))
    assert isinstance(found[9], Shift)
    assert found[10:] == [None, None]


@pytest.mark.parametrize(("factor", "now_told"), [(3, 1 / 5), (1 / 2, 3)], ids=["slower by far", "quicker"])
@pytest.mark.parametrize("every", [MINUTELY, HOURLY], ids=["minutely", "hourly"])
def test_after_a_change_only_where_the_job_was_stays_usual(factor, now_told, every):
    job = Job(*noisy(600, 0.05, 250), every=every)
    job.run(*noisy(600 * factor, 0.05, 100))
    verdict = job.judge(600 * factor * now_told)
    assert verdict
    assert verdict.usual == pytest.approx(600 * factor, rel=0.05)
    assert job.run(*noisy(600, 0.05, 30, seed=2)) == [None] * 30, "it may go back without a word"


@pytest.mark.parametrize("factor", [0.2, 1 / 3, 3])
def test_who_goes_back_on_monday_is_not_told(factor):
    weekend = [value * (factor if hour // 24 % 7 > 4 else 1) for hour, value in enumerate(noisy(600, 0.03, 24 * 9))]
    job = Job(every=HOURLY)
    begins = 24 * 7
    told = [hour for hour, one in enumerate(job.run(*weekend)) if isinstance(one, Verdict | Slower | Shift)]
    assert min(told) // 24 == 5
    assert max(told) < begins


def test_what_still_grows_has_no_new_level_yet():
    job = backup()
    found = job.run(*[1800 * 1.2**run for run in range(14)])
    assert all(isinstance(one, Verdict) for one in found)
    levelled = job.run(*[1800 * 1.2**14] * 10)
    assert [type(one) for one in levelled].count(Shift) == 1


def test_no_problem_is_remembered():
    job = backup()
    job.run(3000.0)
    job.state = anomaly.accept(job.state, 3000.0)
    assert job.state.told is Told.NOTHING
    assert job.run(3000.0, 720.0) == [None] * 2
    assert job.judge(9000.0)
    assert job.judge(3.0), "on the other side nothing was accepted"


def test_slow_runs_in_a_row_are_told_with_their_trend():
    job = backup(times=6)
    found = job.run(850, 860, 870, 880, 890, 900)
    *quiet, slower = found
    assert not any(quiet)
    assert isinstance(slower, Slower)
    assert list(slower.values) == [850, 860, 870, 880, 890, 900]
    assert slower.usual < slower.p95 < 850
    assert sentences.unusual(slower, Measure.RUN_TIME) == (
        "the last 6 runs were slower than 95 % of those before, and the trend is up: "
        "14 m 10 s, 14 m 20 s, 14 m 30 s, 14 m 40 s, 14 m 50 s, 15 m; usually 12 m"
    )


def test_slowness_is_over_after_three_runs_that_are_not_slow():
    job = backup(times=6)
    job.run(880, 880, 880, 880, 880, 880)
    assert job.state.told is Told.SLOWER
    assert job.run(720, 880, 720, 720, 720) == [None, None, None, None, Settled(7, True)]


def test_slowness_that_stays_is_a_change():
    found = backup(times=6).run(*noisy(900, 0.02, 20))
    assert [type(one) for one in found if one] == [Slower, Shift]


def test_a_little_slower_is_not_worth_a_word():
    assert backup(times=6).run(*[785.0] * 40) == [None] * 40


def test_slow_growth_is_told_long_before_it_has_doubled():
    draw = random.Random(4)
    job = Job(*noisy(600, 0.05, 100))
    found = job.run(*[600 * 1.01**run * math.exp(draw.gauss(0, 0.05)) for run in range(69)])
    first = next(number for number, one in enumerate(found) if one)
    assert isinstance(found[first], Slower)
    assert 1.01**first < 1.5


@pytest.mark.parametrize(("sensitivity", "told"), [(OFF, []), (LOW, []), (NORMAL, []), (HIGH, [Verdict])])
def test_sensitivity_decides_what_is_told(sensitivity, told):
    job = Job(*noisy(600, 0.02, 60))
    job.sensitivity = sensitivity
    assert [type(one) for one in job.run(760) if one] == told


def test_bands_are_wider_where_less_is_to_be_told():
    baseline = backup().state.baseline
    bands = [anomaly.band(baseline, sensitivity) for sensitivity in (HIGH, NORMAL, LOW)]
    assert sorted(bands, key=lambda band: band.high if band else 0) == bands
    assert sorted(bands, key=lambda band: -band.low if band else 0) == bands


def test_off_tells_nothing_but_follows_the_job():
    job = backup()
    job.sensitivity = OFF
    assert job.run(*[1800.0] * 12) == [None] * 12
    assert job.state.baseline.usual == pytest.approx(1800, rel=0.01)


def test_what_runs_more_often_must_be_further_off():
    values = noisy(600, 0.1, 300)
    bands = [anomaly.band(Job(*values, every=every).state.baseline) for every in (DAILY, MINUTELY)]
    daily, minutely = bands
    assert daily
    assert minutely
    assert minutely.high > daily.high > 600 > daily.low > minutely.low


def test_one_wild_run_among_the_first_does_not_blind():
    values = noisy(60, 0.05, 60)
    values[4] = 6000
    assert Job(*values).judge(180)


def test_two_ways_to_run_are_both_normal():
    draw = random.Random(7)
    job = Job()
    found = job.run(*[(60 if draw.random() < 0.7 else 600) * math.exp(draw.gauss(0, 0.05)) for _ in range(1000)])
    assert len([one for one in found if isinstance(one, Verdict)]) <= 1
    assert job.judge(6000)
    assert job.judge(6)


def test_a_big_run_each_sunday_is_normal():
    job = Job(every=DAILY)
    found = job.run(*[value * (5 if day % 7 == 6 else 1) for day, value in enumerate(noisy(600, 0.05, 365))])
    assert [one for one in found if one] == []


def test_a_big_run_each_night_is_learnt_in_three_nights():
    job = Job(every=HOURLY)
    found = job.run(*[value * (5 if hour % 24 == 23 else 1) for hour, value in enumerate(noisy(60, 0.05, 24 * 60))])
    assert len([one for one in found if isinstance(one, Verdict)]) <= 2


def test_a_weekend_is_told_at_most_once():
    job = Job(every=HOURLY)
    values = noisy(60, 0.05, 24 * 7 * 8)
    found = job.run(*[value * (4 if hour // 24 % 7 in (5, 6) else 1) for hour, value in enumerate(values)])
    begun = [one for one in found if isinstance(one, Slower) or (isinstance(one, Verdict) and one.in_a_row == 1)]
    assert len(begun) <= 1


def test_a_heavy_tail_is_not_told_run_by_run():
    draw = random.Random(11)
    job = Job(*[10 * draw.paretovariate(2) for _ in range(500)], every=HOURLY)
    found = job.run(*[10 * draw.paretovariate(2) for _ in range(3000)])
    assert len([one for one in found if isinstance(one, Verdict)]) <= 1


@pytest.mark.parametrize("every", [MINUTELY, HOURLY, DAILY], ids=["minutely", "hourly", "daily"])
def test_a_heavy_tail_is_seen_by_its_beginning(every):
    told = 0
    for seed in range(20):
        draw = random.Random(f"pareto {seed}")
        told += len([one for one in Job(every=every).run(*[60 * draw.paretovariate(3) for _ in range(90)]) if one])
    assert told <= 20, "each is told, and then over: less than half of them are"


@pytest.mark.parametrize("every", [MINUTELY, HOURLY], ids=["minutely", "hourly"])
@pytest.mark.parametrize("spread", [0.2, 0.3, 0.5])
def test_what_is_far_beyond_all_that_was_seen_is_told_however_widely_a_job_scatters(every, spread):
    draw = random.Random(7)
    values = [value * (draw.uniform(1.8, 3) if draw.random() < 0.02 else 1) for value in noisy(60, spread, 3000)]
    verdict = Job(*values, every=every).judge(60 * (max(values) / 60) ** 2)
    assert verdict
    assert verdict.high > 60 * 3


@pytest.mark.parametrize("factor", [3, 1 / 5], ids=["spikes", "drops"])
def test_a_bad_hour_is_no_way_that_the_job_goes(factor):
    job = Job(*noisy(60, 0.05, 1500), every=MINUTELY)
    told = job.run(*[value * (factor if run % 20 == 6 else 1) for run, value in enumerate(noisy(60, 0.05, 240))])
    assert 8 <= len([one for one in told if isinstance(one, Verdict)]) <= 9, "then it was learnt"
    assert not job.judge(60 * factor)
    job.run(*noisy(60, 0.05, 1000, seed=3))
    assert job.judge(60 * factor)


def test_a_way_that_goes_on_is_not_told_again():
    job = Job(*noisy(60, 0.05, 1500), every=MINUTELY)
    values = [value * (3 if run % 25 == 6 else 1) for run, value in enumerate(noisy(60, 0.05, 6000))]
    told = [run for run, found in enumerate(job.run(*values)) if isinstance(found, Verdict)]
    assert len(told) <= 9
    assert max(told) < 250


def test_spikes_within_the_band_do_not_hide_the_next_ones():
    draw = random.Random(5)
    job, spikes, told = Job(*noisy(60, 0.15, 100), every=MINUTELY), 0, 0
    for value in noisy(60, 0.15, 4000, seed=2):
        spike = draw.random() < 0.01
        found = job.run(value * 3 if spike else value)[0]
        spikes += spike
        told += spike and isinstance(found, Verdict)
    assert told >= 0.8 * spikes > 20


@pytest.mark.parametrize("every", [MINUTELY, HOURLY, DAILY], ids=["minutely", "hourly", "daily"])
@pytest.mark.parametrize("runs", [10, 20, 50])
@pytest.mark.parametrize("factor", [3, 1 / 5])
def test_after_ten_runs_of_a_steady_job_a_spike_is_told(every, runs, factor):
    assert Job(*noisy(60, 0.05, runs), every=every).judge(60 * factor)


def test_a_clock_of_whole_seconds_is_no_alarm():
    job = Job(every=HOURLY)
    found = job.run(*[max(1.0, round(value)) for value in noisy(5, 0.15, 2000)])
    assert not any(found)


values = st.one_of(st.floats(0.01, 5000), st.sampled_from([600.0, 610.0, 2000.0, 5.0]))
lives = st.lists(st.tuples(values, st.integers(0, 200_000), st.booleans()), max_size=120)


@settings(deadline=None, max_examples=40)
@given(lives, st.sampled_from(Sensitivity))
def test_replayed_or_kept_in_between_the_state_is_the_same(life, sensitivity):
    at, state, runs = START, anomaly.fresh(Measure.RUN_TIME), []
    for value, gap, teaches in life:
        at += timedelta(seconds=gap)
        runs.append((value, at, teaches))
        kept = json.loads(json.dumps(state.to_dict()))
        state, _ = anomaly.observe(State.from_dict(kept), value, at, sensitivity, teaches=teaches)
    assert anomaly.replay(runs, Measure.RUN_TIME, sensitivity) == state
    assert len(json.dumps(state.to_dict(), separators=(",", ":"))) < 2560


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.001, 1e6), min_size=10, max_size=60), st.floats(0.001, 1e6), st.sampled_from(Measure))
def test_a_run_is_unusual_exactly_if_it_is_outside_the_band(past, value, measure):
    baseline = Job(*past, measure=measure).state.baseline
    verdict, band = anomaly.judge(baseline, value), anomaly.band(baseline)
    assert band
    assert band.low <= baseline.usual * (1 + 1e-6) + 1e-6
    if verdict:
        assert not band.low < value < band.high
        assert math.isfinite(verdict.z)
        assert sentences.unusual(verdict, measure)
    else:
        slack = 1e-3 * max(abs(band.low), abs(band.high), baseline.grain)
        assert band.low - slack <= value <= band.high + slack


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.5, 500), min_size=10, max_size=120), st.floats(0.001, 1e4), st.sampled_from(Sensitivity))
def test_what_is_surely_within_is_within(past, value, sensitivity):
    baseline = Job(*past).state.baseline
    place, taste = baseline.place(value), TASTES[sensitivity]
    if bounds.surely_within(baseline, taste, place):
        assert bounds.of(baseline, taste, place).side(place) == 0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(1, 1e4), min_size=10, max_size=60), st.floats(0.001, 1e7))
def test_what_was_accepted_is_never_unusual_again(past, value):
    state = anomaly.accept(Job(*past).state, value)
    assert anomaly.judge(state.baseline, value, HIGH) is None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(allow_nan=True), max_size=60), st.sampled_from(Measure))
def test_nothing_a_job_sends_breaks_it(wild, measure):
    job = Job(measure=measure)
    for found in job.run(*wild):
        assert found is None or sentences.unusual(found, measure)
    json.dumps(job.state.to_dict(), allow_nan=False)


def test_a_state_that_cannot_be_read_says_what_to_do():
    with pytest.raises(ValueError, match="replay its runs"):
        State.from_dict({"version": 1})


@pytest.mark.parametrize(
    ("found", "measure", "words"),
    [
        (Verdict(2150, 34_816, 1024, -31.9, 20_000, 60_000), Measure.OUTPUT_SIZE,
         "printed 2.1 KB; usually 34 KB ± 1.0 KB (z = −32)"),
        (Verdict(1, 24, 2, -11.5, 12, 40), Measure.RUN_COUNT, "ran 1 time; usually 24 ± 2 (z = −12)"),
        (Verdict(8000, 120, 5.25, 1501, 80, 190), Measure.METRIC, "rows was 8,000; usually 120 ± 5.25 (z = +1,501)"),
        (Verdict(180, 60, 16, 7.5, 20, 90, in_a_row=3), Measure.RUN_TIME,
         "took 3 m; usually 1 m ± 16 s (z = +7.5), 3 runs in a row"),
        (Shift(10, 720, 1200), Measure.RUN_TIME, "for 10 runs it takes 20 m; before that, 12 m"),
        (Shift(10, 720, 1200), Measure.METRIC, "for 10 runs it has rows at 1,200; before that, 720"),
        (Settled(1, False), Measure.RUN_TIME, "as usual again after 1 run"),
        (Settled(4, True), Measure.RUN_TIME, "as usual again after 4 runs"),
    ],
    ids=["size", "count", "metric", "in a row", "shift", "shift of a metric", "one", "four"],
)  # fmt: skip
def test_each_finding_is_a_sentence(found, measure, words):
    assert sentences.unusual(found, measure, "rows") == words


def test_judging_costs_little():
    job = backup(times=8)
    begun = time.process_time()
    for value in BACKUP * 60:
        job.run(value)
    assert (time.process_time() - begun) / (len(BACKUP) * 60) < 0.0005, "50 µs on a quiet machine"


def test_of_a_row_that_is_over_nothing_is_left():
    job = backup()
    job.run(3000.0, 3000.0, 720.0)
    assert job.state == job.state._replace(told=Told.NOTHING, side=0, streak=(), length=0, odd=0, calm=0)
