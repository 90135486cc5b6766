"""The labelled series: what is put in is known, and comes again from the same seed."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from bench import anomaly
from bench.anomaly import DROP, MAKERS, SPIKE, Pace, Plain, Tally, Watcher

SHORT = Pace("daily", timedelta(days=1), 400, 1)


@pytest.mark.parametrize("name", MAKERS)
def test_a_series_is_the_same_for_the_same_seed(name):
    first, again, other = (list(anomaly.series(label, MAKERS[name], SHORT)) for label in ("1", "1", "2"))
    assert first == again != other
    assert len(first) == SHORT.runs
    assert all(run.value > 0 for run in first)


def test_what_is_put_in_is_labelled_and_never_two_in_a_row():
    clean = list(anomaly.series("1", MAKERS["steady"], Pace("hourly", timedelta(hours=1), 5000, 1)))
    runs = list(anomaly.injected("1", iter(clean)))
    assert {run.put_in for run in runs} == {1, SPIKE, DROP}
    assert all(run.value == before.value * run.put_in for run, before in zip(runs, clean, strict=True))
    assert not [run for run, after in pairwise(runs) if run.put_in != 1 != after.put_in]


@pytest.mark.parametrize("name", ["steady", "log-normal", "drift", "30 % failures"])
def test_at_most_one_false_alarm_a_year_and_nearly_all_found(name):
    tally = Tally()
    for seed in range(1000, 1004):
        anomaly.measure(tally, Watcher, name, MAKERS[name], SHORT, seed)
    assert tally.false <= tally.years
    assert tally.found[SPIKE] + tally.found[DROP] >= 0.9 * (tally.there[SPIKE] + tally.there[DROP]) > 0


def test_a_change_of_level_is_no_false_alarm():
    tally = Tally()
    anomaly.measure(tally, Watcher, "level shift", MAKERS["level shift"], SHORT, 5)
    assert (tally.false, tally.changes) == (0, 1)


def test_plain_welford_learns_from_what_it_should_tell():
    tally = Tally()
    anomaly.measure(tally, Plain, "steady", MAKERS["steady"], SHORT, 3)
    assert tally.precision <= 1


def test_a_table_has_a_row_for_each_series():
    text = anomaly.report(Pace("daily", timedelta(days=1), 120, 1), 1, 7)
    assert all(name in text for name in MAKERS)
