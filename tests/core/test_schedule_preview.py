"""A schedule in words, its next ten runs, and what daylight saving does to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import schedule
from tokiflow.core.schedule import Calendar, Cron, Every

BERLIN, LORD_HOWE = "Europe/Berlin", "Australia/Lord_Howe"
IN_MARCH = datetime(2027, 3, 20, 12, tzinfo=UTC)
FORWARD = "On 28 March 2027 clocks in Europe/Berlin go forward from 02:00 to 03:00."
BACK = "On 31 October 2027 clocks in Europe/Berlin go back from 03:00 to 02:00."


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Every(30), "every 30 seconds"),
        (Every(60), "every minute"),
        (Every(900), "every 15 minutes"),
        (Every(3600), "every hour"),
        (Every(5400), "every 1 hour 30 minutes"),
        (Every(86_400), "every day"),
        (Every(7 * 86_400), "every 7 days"),
        (Cron("* * * * *", BERLIN), "every minute"),
        (Cron("*/15 * * * *", BERLIN), "every 15 minutes"),
        (Cron("@hourly", BERLIN), "every hour"),
        (Cron("5 * * * *", BERLIN), "every hour, at 5 minutes past"),
        (Cron("0 */6 * * *", BERLIN), "every 6 hours"),
        (Cron("0 2 * * *", BERLIN), "every day at 02:00, Berlin"),
        (Cron("0 2,14 * * *", "America/Argentina/Buenos_Aires"), "every day at 02:00 and 14:00, Buenos Aires"),
        (Cron("30 4 * * MON", "UTC"), "at 04:30 on Monday, UTC"),
        (Cron("0 9 * * 1-5", BERLIN), "at 09:00 on Monday to Friday, Berlin"),
        (Cron("*/15 9-17 * * 1-5", BERLIN), "every 15 minutes from 09:00 to 17:45 on Monday to Friday, Berlin"),
        (Cron("0 9-17 * * *", BERLIN), "every hour from 09:00 to 17:00, Berlin"),
        (Cron("0 0 1 1 *", "UTC"), "at 00:00 on 1 January, UTC"),
        (Cron("0 0 L * *", "UTC"), "at 00:00 on the last day of every month, UTC"),
        (Cron("0 0 * * 5L", "UTC"), "at 00:00 on the last Friday of the month, UTC"),
        (Cron("0 0 13 * 5", "UTC"), "at 00:00 on the 13th day of the month and on Friday, UTC"),
        (Calendar("Mon..Fri 09:00", BERLIN), "at 09:00 on Monday to Friday, Berlin"),
        (Calendar("hourly", BERLIN), "every hour"),
        (Calendar("*-*-01 04:30", BERLIN), "*-*-01 04:30, Berlin"),
        (Calendar("09:00 UTC\nSun 11:00", BERLIN), "every day at 09:00, UTC; at 11:00 on Sunday, Berlin"),
        (Calendar("09:00\n10:00\n11:00\n12:00", BERLIN), "by 4 calendar lines, Berlin"),
        (Cron("gibberish", "Mars"), "gibberish, Mars"),
    ],
)
def test_a_schedule_in_words(plan, words):
    assert schedule.describe(plan) == words


def test_the_next_runs_are_shown_in_the_zone_of_the_schedule():
    shown = schedule.preview(Cron("0 2 * * *", BERLIN), IN_MARCH)
    assert len(shown.runs) == 10
    assert shown.runs[0].at == datetime(2027, 3, 21, 1, tzinfo=UTC)
    assert f"{shown.runs[0].local:%Y-%m-%d %H:%M %Z}" == "2027-03-21 02:00 CET"


def test_an_interval_is_shown_from_now_on_and_knows_no_daylight_saving():
    shown = schedule.preview(Every(3600), IN_MARCH, count=2)
    assert [run.at for run in shown.runs] == [IN_MARCH + timedelta(hours=1), IN_MARCH + timedelta(hours=2)]
    assert shown.warnings == ()


@pytest.mark.parametrize(
    ("plan", "warnings"),
    [
        # Moved: Debian's cron makes a skipped fixed time up at once. A run at 02:30 in autumn simply happens once.
        (Cron("30 2 * * *", BERLIN), [f"{FORWARD} 02:30 does not exist that day: this job runs at 03:00 instead."]),
        (
            Cron("0,30 2 * * *", BERLIN),
            [f"{FORWARD} 02:00 and 02:30 do not exist that day: this job runs once, at 03:00 instead."],
        ),
        # Skipped and doubled: with a star it follows the wall clock.
        (
            Cron("*/30 2 * * *", BERLIN),
            [
                f"{FORWARD} 02:00 and 02:30 do not exist that day: this job skips those runs.",
                f"{BACK} 02:00 and 02:30 happen twice: this job runs both times.",
            ],
        ),
        (
            Cron("0 */2 * * *", BERLIN),
            [
                f"{FORWARD} 02:00 does not exist that day: this job skips that run.",
                f"{BACK} 02:00 happens twice: this job runs both times.",
            ],
        ),
        (Calendar("02:30", BERLIN), [f"{FORWARD} 02:30 does not exist that day: this job skips that run."]),
        (
            Calendar("hourly", BERLIN),
            [
                f"{BACK} The time from 02:00 to 03:00 comes twice: this job is planned only the first time, "
                "and nothing is expected while it repeats."
            ],
        ),
        # Nothing to see: these go on evenly, or are far from the change.
        (Cron("*/15 * * * *", BERLIN), []),
        (Cron("30 * * * *", BERLIN), []),
        (Cron("0 4 * * *", BERLIN), []),
        (Cron("30 2 * * MON", BERLIN), []),
        (Cron("30 2 * * *", "UTC"), []),
        (Cron("30 2 * * *", "Asia/Kathmandu"), []),
        # Half an hour of daylight saving breaks even an hourly job.
        (
            Cron("0 * * * *", LORD_HOWE),
            [
                "On 3 October 2027 clocks in Australia/Lord_Howe go forward from 02:00 to 02:30. "
                "02:00 does not exist that day: this job skips that run."
            ],
        ),
        # The zone of the line counts, not that of the schedule.
        (Calendar("02:30 UTC", BERLIN), []),
        (
            Calendar("02:30 Europe/Berlin", "UTC"),
            [f"{FORWARD} 02:30 does not exist that day: this job skips that run."],
        ),
    ],
)
def test_warnings_tell_what_daylight_saving_will_do_within_a_year(plan, warnings):
    assert list(schedule.preview(plan, IN_MARCH).warnings) == warnings


def test_a_day_that_is_left_out_is_told_with_both_dates():
    shown = schedule.preview(Cron("0 12 * * *", "Pacific/Apia"), datetime(2011, 12, 28, tzinfo=UTC))
    assert shown.warnings == (
        "On 30 December 2011 clocks in Pacific/Apia go forward from 00:00 to 00:00 on 31 December 2011. "
        "12:00 does not exist that day: this job runs at 00:00 on 31 December 2011 instead.",
    )


def test_many_skipped_times_are_counted_and_not_recited():
    [forward, _] = schedule.preview(Cron("*/5 2 * * *", BERLIN), IN_MARCH).warnings
    assert "02:00, 02:05, 02:10, 02:15 and 8 more do not exist" in forward


@pytest.mark.parametrize(
    ("plan", "now", "notes"),
    [
        (
            Cron("30 2 * * *", BERLIN),
            datetime(2027, 3, 27, 12, tzinfo=UTC),
            ["clocks go forward: 02:30 does not exist; runs at 03:00 instead", ""],
        ),
        (
            Cron("30 2 * * *", BERLIN),
            datetime(2027, 10, 30, 12, tzinfo=UTC),
            ["clocks go back: 02:30 happens twice; runs once", ""],
        ),
        (
            Cron("*/30 2 * * *", BERLIN),
            datetime(2027, 10, 31, 0, 15, tzinfo=UTC),
            [
                "clocks go back: 02:30 happens twice; this is the first",
                "clocks go back: 02:00 happens twice; this is the second",
                "clocks go back: 02:30 happens twice; this is the second",
                "",
            ],
        ),
    ],
)
def test_a_run_at_a_change_of_the_clocks_carries_a_note(plan, now, notes):
    assert [run.note for run in schedule.preview(plan, now, count=len(notes)).runs] == notes


def test_what_a_warning_says_is_what_next_after_does():
    nightly = Cron("30 2 * * *", BERLIN)
    moved = schedule.next_after(nightly, datetime(2027, 3, 27, 12, tzinfo=UTC))
    assert "this job runs at 03:00 instead" in schedule.preview(nightly, IN_MARCH).warnings[0]
    assert moved == datetime(2027, 3, 28, 1, tzinfo=UTC)
