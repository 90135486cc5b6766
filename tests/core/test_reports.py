"""What a report says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from tokiflow.core import reports
from tokiflow.core.health import Uptime
from tokiflow.core.reports import Line, Report
from tokiflow.core.stretches import Stretch

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
DAY = 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def line(
    name: str = "Backup", downs: tuple[float, ...] = (0, 0), runs: tuple[int, int, int, int] = (10, 0, 0, 0)
) -> Line:
    days = [Uptime(DAY, down, int(down > 0)) for down in downs]
    watched, down = sum(one.watched for one in days), sum(downs)
    return Line(
        uuid4(), name, name.lower(), (), Uptime(watched, down, sum(one.outages for one in days)),
        sum(runs), *runs, incidents=0, p95=None, score=90, days=days,
    )  # fmt: skip


def test_colour_is_spent_on_what_is_below_99_percent() -> None:
    fine = line(downs=(60, 0), runs=(99, 1, 0, 0))
    assert not fine.often_down
    assert not fine.often_bad
    poor = line(downs=(0.03 * DAY, 0), runs=(98, 1, 1, 0))
    assert poor.often_down
    assert poor.often_bad
    assert not UNKNOWN.often_down
    assert not UNKNOWN.often_bad


def test_the_worst_comes_first_and_what_had_no_run_is_not_the_worst() -> None:
    down, fails, fine = line("Down", downs=(60, 0)), line("Fails", runs=(9, 1, 0, 0)), line("Fine")
    idle = line("Idle", runs=(0, 0, 0, 0))
    found = reports.worst_first([UNKNOWN, idle, fine, fails, down])
    assert [one.name for one in found] == ["Down", "Fails", "Fine", "Idle", "New"]


def report(*lines: Line, tag: str = "") -> Report:
    days = Stretch(at("2026-10-01T00:00"), at("2026-10-03T00:00"), "UTC", "1–2 October 2026")
    return Report("Harbour Freight", tag, days, NOW, reports.worst_first(lines))


UNKNOWN = Line(uuid4(), "New", "new", (), Uptime(0, 0, 0), 0, 0, 0, 0, 0, 0, None, None, [Uptime(0, 0, 0)] * 2)


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        (report(), ["There are no monitors yet."]),
        (report(tag="db"), ["No monitor is tagged db."]),
        (
            report(UNKNOWN),
            ["Nothing was expected of these monitors then: they are newer, were paused, or have never been heard of."],
        ),
        (
            report(line(), UNKNOWN),
            ["The one monitor was up all the time.", "All 10 runs succeeded.", "Nothing stands out."],
        ),
        (
            report(line(), line("Sync", runs=(1_499, 1, 0, 0))),
            [
                "All 2 monitors were up all the time.",
                "Of 1,510 runs, 99.93 % succeeded: 1 failed.",
                "Sync did worst: 99.93 % of its runs succeeded.",
            ],
        ),
        (
            report(line(), line("Sync", (0, 8_640), (5, 2, 1, 2))),
            [
                "2 monitors were up 97.5 % of the time: 1 outage took 2 h 24 min in all.",
                "Of 20 runs, 75 % succeeded: 2 failed, 1 overran and 2 were missed.",
                "Sync was down longest, 2 h 24 min in 1 outage; the worst day was Friday, 2 October.",
            ],
        ),
        (
            report(line(downs=(0, 0), runs=(0, 0, 0, 0))),
            ["The one monitor was up all the time.", "No run was expected.", "Nothing stands out."],
        ),
    ],
    ids=["none", "no-such-tag", "nothing-known", "all-well", "failed", "down", "no-runs"],
)
def test_three_sentences_say_what_matters(found: Report, sentences: list[str]) -> None:
    assert found.sentences == sentences


def test_the_worst_is_first_and_the_unknown_last() -> None:
    found = report(UNKNOWN, line("Fine"), line("Failing", runs=(5, 5, 0, 0)), line("Down", (60, 0)), line("Also fine"))
    assert [one.name for one in found.lines] == ["Down", "Failing", "Also fine", "Fine", "New"]
    assert [(one.day, one.monitors, one.down) for one in found.worst_days] == [(date(2026, 10, 1), 1, 60)]
    assert (found.total.uptime.watched, found.total.expected) == (8 * DAY, 40)


def test_many_days_are_joined_to_weeks_and_none_is_lost() -> None:
    days = [Uptime(DAY, n, 1) for n in range(366)]
    joined = list(reports.weeks(days, 7))
    assert len(joined) == 53
    assert sum(one.down for one in joined) == sum(range(366))
