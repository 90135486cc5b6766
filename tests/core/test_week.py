"""Weekdays that are unlike the others: found where they are, and nowhere else; the levels are those of NumPy."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokiflow.core import anomaly, sentences, week
from tokiflow.core.findings import Finding, Shift, Slower, Verdict
from tokiflow.core.judgement import Notebook, Run
from tokiflow.core.measure import Measure
from tokiflow.core.schedule import zones
from tokiflow.core.week import DAYS, Week

MONDAY = date(2026, 3, 2)
START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def learnt(places: list[float]) -> Week:
    """After a run on each of these days, and one on the next."""
    kept = Week()
    for number, place in enumerate([*places, places[-1]]):
        kept = kept.add(place, MONDAY.toordinal() + number)
    return kept


def series(weeks: int, scatter: float, seed: int, level: Callable[[int], float]) -> list[float]:
    draw = random.Random(seed)
    return [level(day) + draw.gauss(0, scatter) for day in range(7 * weeks)]


def weekend(day: int) -> float:
    return 0.7 if day % 7 > 4 else 0.0


@pytest.mark.parametrize("scatter", [0.01, 0.05, 0.15])
@pytest.mark.parametrize("weeks", [3, 6, 9])
def test_the_level_of_a_weekend_is_that_of_numpy(scatter, weeks):
    places = series(weeks, scatter, 1, weekend)
    shape = learnt(places).shape
    lately = numpy.array(places[-DAYS:]).reshape(-1, 7)
    away = lately - numpy.median(lately, axis=1)[:, None]
    assert shape[:5] == (0.0,) * 5
    assert shape[5] == shape[6] == pytest.approx(numpy.median(away[:, 5:]) - numpy.median(away[:, :5]), abs=2e-3)


def test_two_weeks_are_enough_where_it_is_clear():
    assert not learnt(series(1, 0.05, 1, weekend)).shape
    assert learnt(series(2, 0.05, 1, weekend)).shape[6] == pytest.approx(0.7, abs=0.1)


def test_a_season_outlives_wild_days():
    places = series(12, 0.02, 1, weekend)
    kept, lost = Week(), 0
    for number, place in enumerate(places):
        wild = {24: 1.1, 30: -1.6, 33: 1.1, 41: -1.6, 44: 1.1, 57: 1.1}.get(number, 0.0)
        kept = kept.add(place + wild, MONDAY.toordinal() + number)
        lost += number > 21 and not kept.shape
    assert lost == 0
    assert kept.shape[6] == pytest.approx(0.7, abs=0.05)


def test_weekdays_that_all_differ_have_a_level_each():
    levels = [0.0, 0.33, 0.66, 1.0, -0.33, -0.66, -1.0]
    shape = learnt(series(6, 0.03, 1, lambda day: levels[day % 7])).shape
    assert shape == pytest.approx(levels, abs=0.05)


@pytest.mark.parametrize(
    "level",
    [
        lambda day: 0.0,
        lambda day: 0.02 * day,
        lambda day: 1.0 if day > 24 else 0.0,
        lambda day: 2.0 if day * 7919 % 10 < 3 else 0.0,
        lambda day: 1.5 if day in (12, 13) else 0.0,
        lambda day: 0.1 if day % 7 > 4 else 0.0,
    ],
    ids=["no season", "growth", "change of level", "two levels", "one big weekend", "hardly bigger"],
)
@pytest.mark.parametrize("scatter", [0.02, 0.15, 0.5])
def test_of_what_weekdays_do_not_explain_nothing_comes(level, scatter):
    seasons = 0
    for seed in range(10):
        places = series(8, scatter, seed, level)
        kept = Week()
        for number, place in enumerate(places):
            kept = kept.add(place, MONDAY.toordinal() + number)
            seasons += bool(kept.shape)
    assert seasons <= 0.02 * 10 * 56, "of all days"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-80, 80)), max_size=120))
def test_it_takes_a_few_hundred_bytes_and_comes_back_the_same(runs):
    kept, day = Week(), MONDAY.toordinal()
    for skipped, place in runs:
        day += skipped
        kept = kept.add(place, day)
    text = json.dumps(kept.to_list(), separators=(",", ":"))
    assert len(text) < 500
    assert Week.from_list(json.loads(text)) == kept
    assert kept.shape == () or len(kept.shape) == 7


def test_a_day_is_the_mean_of_its_runs_and_what_comes_late_is_left_out():
    day = MONDAY.toordinal()
    kept = Week().add(1.0, day).add(2.0, day).add(5.0, day + 2).add(9.0, day)
    assert kept.days == (1500, None)
    assert [week.weekday(day + number) for number in range(8)] == [0, 1, 2, 3, 4, 5, 6, 0]


class Job:
    """A job of 10 minutes that has more to do at weekends."""

    def __init__(self, every: timedelta, scatter: float = 0.08, factor: float = 2.0) -> None:
        self.state, self.at, self.every = anomaly.fresh(Measure.RUN_TIME), START - every, every
        self.draw, self.scatter, self.factor = random.Random(3), scatter, factor
        self.turns = timedelta()

    def until(self, end: datetime) -> list[Finding]:
        """What begins an incident or is a change."""
        found: list[Finding] = []
        while self.at + self.every <= end:
            self.at += self.every
            big = self.factor if (self.at - self.turns).weekday() > 4 else 1.0
            value = 600 * big * math.exp(self.draw.gauss(0, self.scatter))
            self.state, one = anomaly.observe(self.state, value, self.at)
            if isinstance(one, Slower | Shift) or (isinstance(one, Verdict) and one.in_a_row == 1):
                found.append(one)
        return found

    def judge(self, value: float) -> Verdict | None:
        return anomaly.judge(self.state.baseline, value)


@pytest.mark.parametrize("every", [timedelta(days=1), HOUR], ids=["daily", "hourly"])
def test_three_times_a_weekdays_run_is_told_on_a_weekday_and_a_weekends_at_the_weekend(every):
    job = Job(every)
    assert len(job.until(START + timedelta(days=59))) <= 1
    assert job.at.weekday() == 3
    assert job.judge(1800)
    assert not job.judge(620)
    assert job.judge(120)
    assert not job.until(START + timedelta(days=62))
    assert job.at.weekday() == 6
    assert not job.judge(1200)
    verdict = job.judge(3600)
    assert verdict
    assert verdict.usual == pytest.approx(1200, rel=0.05)
    assert " on Sundays (z = " in sentences.unusual(verdict, Measure.RUN_TIME)
    assert job.judge(240)


def test_a_season_outlives_a_new_level():
    job = Job(timedelta(days=1))
    job.until(START + timedelta(days=59))
    for _ in range(10):
        job.at += job.every
        value = 2000 * (2 if job.at.weekday() > 4 else 1)
        job.state, found = anomaly.observe(job.state, value, job.at)
    assert isinstance(found, Shift)
    assert job.at.weekday() == 6
    assert found.before == pytest.approx(1200, rel=0.05)
    assert found.now == pytest.approx(4000, rel=0.05)


@pytest.mark.parametrize("hours", [1, 4])
def test_a_weekend_that_begins_and_ends_some_hours_late_is_no_alarm(hours):
    job = Job(HOUR, factor=3.0)
    job.turns = timedelta(hours=hours)
    job.until(START + timedelta(days=14))
    assert job.until(START + timedelta(days=70)) == []


def test_weekdays_are_those_of_the_zone_and_of_the_beginning_and_each_has_its_band():
    berlin = zones.zone("Europe/Berlin")
    book = Notebook(zone=berlin)
    for day in range(70):
        begun = datetime(2026, 6, 1, 23, 30, tzinfo=berlin) + timedelta(days=day)
        big = 3600.0 if begun.weekday() == 6 else 1200.0
        book.judge(Run(begun + timedelta(seconds=big), good=True, run_time=big))
    bands = {day.astimezone(berlin): usual for (_, day), usual in book.bands.items()}
    last = {day.weekday(): bands[day] for day in sorted(bands)}
    assert all((day.hour, day.minute) == (0, 0) for day in bands)
    assert [last[weekday].usual for weekday in range(7)] == pytest.approx([1200] * 6 + [3600], rel=0.01)
    assert last[5].high < 3600 < last[6].high
    assert last[6].low > 1200 > last[5].low
