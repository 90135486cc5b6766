"""A whole run, and how many a period has: what they are held against, one after another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core.judgement import HOUR, LATE, RUN_COUNT, RUN_TIME, Found, Notebook, Run, Said

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def book() -> Notebook:
    """Of a job of each minute, which ran each minute of 20 hours up to noon."""
    book = Notebook(period=HOUR, plan="every minute")
    runs(book, NOON - 20 * HOUR, 20 * 60)
    return book


def runs(book: Notebook, since: datetime, number: int, every: timedelta = MINUTE) -> list[Found]:
    return [found for n in range(number) for found in book.judge(Run(since + n * every, good=True))]


def test_an_hour_that_is_over_is_judged_without_another_run(book: Notebook) -> None:
    runs(book, NOON, 12)
    assert book.over(NOON + HOUR + LATE - MINUTE) == [], "runs may be on their way"
    (found,) = book.over(NOON + HOUR + LATE)
    assert found.words.startswith("ran 12 times; usually 60")
    assert found.at == NOON + HOUR
    assert book.over(NOON + HOUR + LATE) == []
    again = Notebook(period=HOUR, plan="every minute")
    again.read(book.to_dict())
    assert again.over(NOON + 2 * HOUR) == [], "kept, it is known to have been judged"


def test_who_is_silent_for_hours_is_told_once_and_then_not_known(book: Notebook) -> None:
    runs(book, NOON, 12)
    assert len(book.over(NOON + 5 * HOUR)) == 1
    assert book.over(NOON + 9 * HOUR) == [], "its silence is told as missed"
    assert runs(book, NOON + 9 * HOUR, 3) == []
    assert book.over(NOON + 10 * HOUR + LATE) == [], "nobody knows when in this hour it was put to work again"
    runs(book, NOON + 10 * HOUR, 60)
    assert book.states[RUN_COUNT].told
    book.over(NOON + 11 * HOUR + LATE)
    assert not book.states[RUN_COUNT].told


def test_the_clock_and_the_next_run_say_the_same(book: Notebook) -> None:
    by_run, by_clock = book, Notebook(period=HOUR, plan="every minute")
    by_clock.read(book.to_dict())
    for one in (by_run, by_clock):
        runs(one, NOON, 12)
    told = by_clock.over(NOON + HOUR + LATE) + runs(by_clock, NOON + HOUR + LATE, 55)
    assert told == runs(by_run, NOON + HOUR + LATE, 55)
    assert by_clock.to_dict() == by_run.to_dict()


@pytest.mark.parametrize(("minutes", "judged"), [(0, True), (2, True), (30, False)])
def test_time_in_which_nothing_was_expected_is_held_against_nobody(book: Notebook, minutes: int, judged: bool) -> None:
    book.apart = [(NOON + 10 * MINUTE, NOON + (10 + minutes) * MINUTE), (NOON - 5 * HOUR, NOON - 3 * HOUR)]
    runs(book, NOON, 12)
    taught = book.states[RUN_COUNT].runs
    assert bool(book.over(NOON + HOUR + LATE)) is judged
    assert (book.states[RUN_COUNT].runs > taught) is judged


def test_with_another_schedule_it_is_learnt_anew(book: Notebook) -> None:
    book.plan = "every 5 minutes"
    assert runs(book, NOON, 30 * 12, 5 * MINUTE) == []
    assert book.states[RUN_COUNT].baseline.usual == pytest.approx(12)
    book.period = None
    runs(book, NOON + 30 * HOUR, 1)
    assert RUN_COUNT not in book.states


def test_what_was_kept_before_schedules_were_noted_goes_on(book: Notebook) -> None:
    kept = book.to_dict()
    del kept[RUN_COUNT]["counting"][4]
    book.read(kept)
    runs(book, NOON, 12)
    assert len(book.over(NOON + HOUR + LATE)) == 1


def test_what_people_said_is_learnt_anew_with_the_runs() -> None:
    first, second = NOON + timedelta(days=15), NOON + timedelta(days=20)

    def told(*said: Said) -> list[datetime]:
        book = Notebook(said=said)
        days = [NOON + n * timedelta(days=1) for n in range(30)]
        found = [book.judge(Run(at, True, 3600 if at in (first, second) else 600)) for at in days]
        return [one.at for some in found for one in some if one.kind]

    assert told() == [first, second]
    assert told(Said(first, RUN_TIME, 3600.0)) == [first]
    assert told(Said(NOON, RUN_TIME, 3600.0)) == [], "once so much is known that it means anything"
