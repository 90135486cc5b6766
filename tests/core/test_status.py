"""The lettered transitions of the diagram in core/status.py, as a table of stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tokiflow.core import ids, status
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.schedule import Cron, Every
from tokiflow.core.signals import Signal
from tokiflow.core.status import Kind, Rules, State, Status, Turn

T = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
HOURLY = Rules(Every(3600), grace=300, max_runtime=600, early_tolerance=0, failures_to_open=1, successes_to_resolve=1)
STRICT = Rules(Every(3600), grace=300, max_runtime=600, early_tolerance=0, failures_to_open=2, successes_to_resolve=2)


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def up(rules: Rules = HOURLY) -> State:
    state, _ = status.on_ping(State(Status.NEW), rules, Signal.SUCCESS, T, None)
    return state


def running(started: float = 0, rules: Rules = HOURLY) -> Run:
    return Run(ids.new(), None, "", at(started), None, at(started + rules.max_runtime), Outcome.RUNNING)


def test_a_first_success_makes_it_up_and_expects_the_next() -> None:
    state = up()
    assert state.status is Status.UP
    assert state.due_at == at(3600)
    assert state.deadline_at == at(3900)


def test_it_is_late_from_the_due_moment_until_its_deadline() -> None:
    state = up()
    assert status.shown(state, at(3599)) is Status.UP
    assert status.shown(state, at(3600)) is Status.LATE
    assert not status.on_tick(state, HOURLY, at(3899), []).changes


def test_a_miss_is_dated_to_its_deadline_not_to_the_sweep() -> None:
    tick = status.on_tick(up(), HOURLY, at(9000), [])
    (change,) = tick.changes
    assert (change.turn, change.kind, change.at) == (Turn.OPEN, Kind.MISSED, at(3900))
    assert tick.state.status is Status.DOWN
    assert [miss.due_at for miss in tick.missed] == [at(3600)]


def test_one_silence_is_one_trouble() -> None:
    down = status.on_tick(up(), HOURLY, at(3900), []).state
    assert status.watch_at(down, []) is None
    assert not status.on_tick(down, HOURLY, at(400_000), []).missed


def test_two_misses_in_a_row_open_where_two_are_asked_for() -> None:
    first = status.on_tick(up(STRICT), STRICT, at(3900), [])
    assert first.changes == ()
    assert status.shown(first.state, at(3901)) is Status.LATE
    second = status.on_tick(first.state, STRICT, at(7500), [])
    assert [change.at for change in second.changes] == [at(7500)]
    assert second.state.status is Status.DOWN


def test_a_clock_that_comes_late_judges_each_occurrence_by_its_own_deadline() -> None:
    tick = status.on_tick(up(STRICT), STRICT, at(20_000), [])
    assert [miss.deadline_at for miss in tick.missed] == [at(3900), at(7500)]
    assert [change.at for change in tick.changes] == [at(7500)]


def test_recovery_takes_as_many_successes_as_asked_for() -> None:
    down = status.on_tick(up(STRICT), STRICT, at(20_000), []).state
    once, change = status.on_ping(down, STRICT, Signal.SUCCESS, at(20_001), None)
    assert change is None
    assert once.status is Status.DOWN
    twice, change = status.on_ping(once, STRICT, Signal.SUCCESS, at(20_002), None)
    assert change is not None
    assert change.turn is Turn.RESOLVE
    assert twice.status is Status.UP


def test_a_failure_in_between_starts_the_count_again() -> None:
    down = status.on_tick(up(STRICT), STRICT, at(20_000), []).state
    state, _ = status.on_ping(down, STRICT, Signal.SUCCESS, at(1), None)
    state, change = status.on_ping(state, STRICT, Signal.FAIL, at(2), None)
    assert change is not None
    assert change.turn is Turn.JOIN
    state, change = status.on_ping(state, STRICT, Signal.SUCCESS, at(3), None)
    assert change is None


def test_a_failure_on_a_new_monitor_opens_at_once() -> None:
    state, change = status.on_ping(State(Status.NEW), HOURLY, Signal.FAIL, T, None)
    assert state.status is Status.DOWN
    assert change is not None
    assert change.kind is Kind.FAILED


def test_silence_is_not_silence_while_a_run_is_under_way() -> None:
    slow = Rules(Every(60), 10, 3600, 0, 1, 1)
    state, _ = status.on_ping(State(Status.NEW), slow, Signal.START, T, None)
    run = running(0, slow)
    tick = status.on_tick(state, slow, at(1800), [run])
    assert tick.changes == ()
    assert status.watch_at(tick.state, [run]) == run.deadline_at


def test_every_open_run_is_watched_not_only_the_last() -> None:
    first, second = running(0), running(100)
    tick = status.on_tick(up(), HOURLY, at(650), [first, second])
    assert [run.id for run in tick.runs] == [first.id]
    assert tick.changes[0].kind is Kind.OVERRUN
    assert tick.changes[0].at == at(600)
    tick = status.on_tick(tick.state, HOURLY, at(700), [*tick.runs, second])
    assert [run.id for run in tick.runs] == [second.id]
    assert tick.changes[0].turn is Turn.JOIN


def test_the_finish_of_a_noticed_overrun_ends_the_trouble() -> None:
    tick = status.on_tick(up(), HOURLY, at(700), [running()])
    late = Run(tick.runs[0].id, None, "", T, at(800), at(600), Outcome.OVERRAN, 800_000, overran_at=at(600))
    state, change = status.on_ping(tick.state, HOURLY, Signal.SUCCESS, at(800), late)
    assert change is not None
    assert change.turn is Turn.RESOLVE
    assert state.status is Status.UP


def test_a_run_only_reported_as_too_long_is_bad_news() -> None:
    reported = Run(ids.new(), None, "", at(-900), T, None, Outcome.OVERRAN, 900_000)
    state, change = status.on_ping(up(), HOURLY, Signal.SUCCESS, at(1), reported)
    assert change is not None
    assert (change.turn, change.kind) == (Turn.OPEN, Kind.OVERRUN)
    assert state.status is Status.DOWN


def test_a_log_changes_nothing_but_the_last_ping() -> None:
    before = up()
    state, change = status.on_ping(before, HOURLY, Signal.LOG, at(100), None)
    assert change is None
    assert state.due_at == before.due_at
    assert state.last_ping_at == at(100)


def test_pausing_resolves_and_resuming_gives_a_fresh_chance() -> None:
    down = status.on_tick(up(), HOURLY, at(4000), []).state
    paused, change = status.pause(down, at(9000), at(5000))
    assert change is not None
    assert change.turn is Turn.RESOLVE
    assert status.watch_at(paused, []) == at(9000)
    assert status.on_ping(paused, HOURLY, Signal.FAIL, at(6000), None)[1] is None
    tick = status.on_tick(paused, HOURLY, at(9000), [running(8000)])
    assert tick.state.status is Status.UP
    assert tick.state.deadline_at == at(9000 + 3900)
    assert tick.runs[0].deadline_at == at(9600)


@pytest.mark.parametrize(
    ("early", "pinged", "due"),
    [
        (0, "01:59:58", "02:00:00"),  # two seconds early, and early is not allowed: 02:00 is still to come
        (5, "01:59:58", "02:00:00 tomorrow"),
        (5, "01:59:54", "02:00:00"),
        (0, "02:00:00", "02:00:00 tomorrow"),
    ],
)
def test_early_pings_satisfy_within_the_tolerance(early: int, pinged: str, due: str) -> None:
    rules = Rules(Cron("0 2 * * *", "UTC"), 300, 600, early, 1, 1)
    moment = datetime.fromisoformat(f"2026-11-20T{pinged}+00:00")
    state, _ = status.on_ping(State(Status.NEW), rules, Signal.SUCCESS, moment, None)
    assert state.due_at == T + (timedelta(days=1) if "tomorrow" in due else timedelta(0))


def test_an_edit_counts_from_the_last_ping_but_never_condemns_at_once() -> None:
    every_minute = Rules(Every(60), 10, 600, 0, 1, 1)
    edited = status.edit(up(), HOURLY, every_minute, at(1800))
    assert edited.due_at == at(1860)
    edited = status.edit(up(), HOURLY, Rules(Every(7200), 300, 600, 0, 1, 1), at(1800))
    assert edited.due_at == at(7200)


def test_a_ping_out_of_order_never_brings_the_next_one_forward() -> None:
    state, _ = status.on_ping(up(), HOURLY, Signal.SUCCESS, at(1000), None)
    state, _ = status.on_ping(state, HOURLY, Signal.SUCCESS, at(500), None)
    assert state.due_at == at(4600)
    assert state.last_ping_at == at(1000)


def test_while_flapping_it_takes_several_successes() -> None:
    down = State(Status.DOWN, flapping=True, last_ping_at=T)
    for expected in (None, None, Turn.RESOLVE):
        down, change = status.on_ping(down, HOURLY, Signal.SUCCESS, T, None)
        assert (change.turn if change else None) is expected
    assert not down.flapping


def test_an_overlap_is_trouble_only_where_it_is_not_allowed() -> None:
    _, change = status.on_ping(up(), HOURLY, Signal.START, at(5), running(5), overlaps=True)
    assert change is None
    alone = replace(HOURLY, overlaps_allowed=False)
    _, change = status.on_ping(up(), alone, Signal.START, at(5), running(5), overlaps=False)
    assert change is None
    state, change = status.on_ping(up(), alone, Signal.START, at(5), running(5), overlaps=True)
    assert change is not None
    assert (change.turn, change.kind, change.at) == (Turn.OPEN, Kind.OVERRUN, at(5))
    assert state.status is Status.DOWN
