"""A year of days, and up time by the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core.health import Times, Uptime
from tokiflow.queries.analytics import Counts, DayFigures
from tokiflow.web import uptime_chart, year_chart

FIRST = datetime(2025, 11, 20, tzinfo=UTC)
DAY = 86_400.0


def day(n: int, counts: Counts | None = None, down: float = 0, watched: float = DAY) -> DayFigures:
    outages = 1 if down else 0
    return DayFigures(FIRST + timedelta(days=n), counts or Counts(24), Times(), Uptime(watched, down, outages))


def url(at: datetime) -> str:
    return f"/runs?day={at:%Y-%m-%d}"


def test_a_year_is_seven_rows_of_weeks_that_begin_on_monday() -> None:
    year = year_chart.of([day(n) for n in range(365)], url)
    assert year
    assert next(name for name, _ in year.rows) == "Monday"
    assert {len(cells) for _, cells in year.rows} == {53}
    assert sum(month.weeks for month in year.months) == 53
    thursday = dict(year.rows)["Thursday"][0]
    assert thursday
    assert thursday.said == "Thu 20 Nov 2025: 24 of 24 runs succeeded"
    assert thursday.url == "/runs?day=2025-11-20"
    assert sum(cell is not None for _, cells in year.rows for cell in cells) == 365


def test_only_one_cell_is_a_stop_for_the_tab_key() -> None:
    year = year_chart.of([day(n) for n in range(40)] + [day(40, Counts())], url)
    assert year
    stops = [cell for _, cells in year.rows for cell in cells if cell and cell.newest]
    assert [cell.url for cell in stops] == [url(FIRST + timedelta(days=39))], "today has no runs yet, so no link"


@pytest.mark.parametrize(
    ("counts", "kind", "mark"),
    [
        (Counts(), "none", ""),
        (Counts(running=1), "none", ""),
        (Counts(24), "fine", ""),
        (Counts(23, failed=1), "some", "1"),
        (Counts(20, missed=3, overran=1), "many", "4"),
        (Counts(1200, failed=240), "many", "··"),
        (Counts(failed=1), "all", "×"),
    ],
    ids=["no runs", "running", "fine", "one in 24", "one in six", "hundreds", "all"],
)
def test_a_day_reads_in_grey(counts: Counts, kind: str, mark: str) -> None:
    year = year_chart.of([day(0, counts)], url)
    assert year
    (cell,) = [cell for _, cells in year.rows for cell in cells if cell]
    assert (cell.kind, cell.mark) == (kind, mark)


def test_a_day_says_what_went_wrong() -> None:
    year = year_chart.of([day(0, Counts(20, failed=1, overran=1, missed=2))], url)
    assert year
    said = [cell.said for _, cells in year.rows for cell in cells if cell]
    assert said == ["Thu 20 Nov 2025: 20 of 24 runs succeeded, 1 failed, 1 ran too long, 2 missed"]
    assert year.summary == "Everything went well on 0 of 1 day with runs."


def test_no_days_make_no_year() -> None:
    assert year_chart.of([], url) is None


def test_a_day_without_down_time_is_whole_and_a_minute_of_it_is_seen() -> None:
    chart = uptime_chart.of([day(0), day(1, down=60), day(2, down=DAY), day(3, watched=0)], url)
    kinds = [bar.kind for bar in chart.bars]
    assert kinds == ["up", "down", "up", "down", "unknown"]
    assert chart.bars[1].height == uptime_chart.LEAST
    assert chart.bars[3].height == uptime_chart.HEIGHT
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.width


def test_the_longest_down_times_are_told_and_lead_to_their_runs() -> None:
    chart = uptime_chart.of([day(n, down=60.0 * n) for n in range(8)], url)
    assert next((one.words, one.down) for one in chart.worst) == ("Thu 27 Nov", "7 m")
    assert len(chart.worst) == uptime_chart.WORST
    assert chart.worst[0].url == "/runs?day=2025-11-27"
    assert chart.summary == "Up time of 8 days: 99.8 %. Down on 7 of them."


def test_weeks_and_months_are_what_their_days_are_together() -> None:
    chart = uptime_chart.of([day(n, down=DAY if n == 89 else 0) for n in range(90)], url)
    assert [(word, value) for word, value, _ in chart.figures] == [
        ("Today", "0 %"),
        ("7 days", "85.7 %"),
        ("30 days", "96.7 %"),
        ("90 days", "98.9 %"),
    ]


def test_what_was_never_watched_is_said_to_be_unknown() -> None:
    chart = uptime_chart.of([day(0, watched=0)], url)
    assert chart.summary == "Up time of 1 day is not known: nothing was watched."
    assert chart.figures[0] == ("Today", "–", "not watched")
