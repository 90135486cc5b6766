from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from tokiflow.core import ids, runs
from tokiflow.core.runs import Outcome, Run
from tokiflow.core.signals import Ping, Signal

T = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
RID = uuid4()


def at(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def pair(signal: Signal, seconds: float, known: list[Run], rid: UUID | None = None, **said: object) -> runs.Paired:
    return runs.pair(Ping(signal, at(seconds), rid=rid, **said), known, ids.new(), max_runtime=600)  # type: ignore[arg-type]


def started(seconds: float, rid: UUID | None = None, **said: object) -> Run:
    run = pair(Signal.START, seconds, [], rid, **said).run
    assert run is not None
    return run


def test_a_start_opens_a_watched_run() -> None:
    run = started(0)
    assert run.open
    assert run.watched
    assert run.deadline_at == at(600)


def test_a_finish_without_rid_closes_the_latest_open_run() -> None:
    early, late = started(0), started(60)
    closed = pair(Signal.SUCCESS, 90, [early, late]).run
    assert closed is not None
    assert closed.id == late.id
    assert (closed.outcome, closed.duration_ms) == (Outcome.SUCCESS, 30_000)


def test_a_finish_with_rid_closes_its_own_run_only() -> None:
    mine, other = started(0, RID), started(60)
    closed = pair(Signal.FAIL, 90, [mine, other], RID).run
    assert closed is not None
    assert (closed.id, closed.outcome, closed.duration_ms) == (mine.id, Outcome.FAILED, 90_000)


def test_a_finish_of_an_unknown_rid_is_a_run_of_its_own() -> None:
    paired = pair(Signal.SUCCESS, 90, [started(60)], RID)
    assert paired.created
    assert paired.run is not None
    assert paired.run.started_at is None
    assert paired.run.duration_ms is None


def test_environments_are_paired_apart() -> None:
    staging = started(0, environment="staging")
    paired = pair(Signal.SUCCESS, 5, [staging])
    assert paired.created
    closed = pair(Signal.SUCCESS, 5, [staging], environment="staging").run
    assert closed is not None
    assert closed.id == staging.id


def test_a_duration_the_job_gives_wins_over_the_clock() -> None:
    closed = pair(Signal.SUCCESS, 90, [started(0)], duration_ms=1234).run
    assert closed is not None
    assert closed.duration_ms == 1234


def test_a_lone_finish_with_a_duration_knows_when_it_started() -> None:
    run = pair(Signal.SUCCESS, 90, [], duration_ms=30_000).run
    assert run is not None
    assert run.started_at == at(60)


def test_overlaps_are_two_runs() -> None:
    first = started(0)
    paired = pair(Signal.START, 10, [first])
    assert paired.created
    assert paired.overlaps
    assert not pair(Signal.START, 10, [first], environment="staging").overlaps


def test_a_retried_start_is_the_same_run() -> None:
    run = started(0, RID)
    assert pair(Signal.START, 3, [run], RID).repeated


def test_a_retried_log_is_known_even_when_its_run_is_over() -> None:
    spoken = pair(Signal.LOG, 5, [started(0, RID)], RID, message="half").run
    assert spoken is not None
    done = pair(Signal.SUCCESS, 9, [spoken], RID).run
    assert done is not None
    assert pair(Signal.LOG, 6, [done], RID, message="half").repeated
    assert pair(Signal.LOG, 6, [done], RID, message="all of it") == runs.Paired(None)


def test_a_start_that_its_own_finish_overtook_tells_when_the_run_began() -> None:
    """However long it was held up, at a door that was cut off."""
    done = pair(Signal.SUCCESS, 500, [], RID).run
    assert done is not None
    paired = pair(Signal.START, 0, [done], RID)
    assert (paired.repeated, paired.created, paired.overlaps) == (False, False, False)
    assert paired.run == done._replace(started_at=at(0), duration_ms=500_000)
    assert pair(Signal.START, 3, [paired.run], RID).repeated
    assert pair(Signal.START, 700, [paired.run], RID).created, "the next one with the same id"
    told = pair(Signal.SUCCESS, 500, [], RID, duration_ms=1_000).run
    assert told is not None
    assert pair(Signal.START, 499, [told], RID).repeated, "it had told how long it took"


def test_a_retried_finish_counts_once() -> None:
    done = pair(Signal.SUCCESS, 90, [started(0, RID)], RID).run
    assert done is not None
    assert pair(Signal.SUCCESS, 95, [done], RID).repeated
    assert pair(Signal.FAIL, 95, [done], RID).created, "another outcome is other news"
    assert pair(Signal.SUCCESS, 90 + 61, [done], RID).created, "after a minute it is a new run"


def test_a_start_overtaken_by_its_own_finish_opens_nothing() -> None:
    done = pair(Signal.SUCCESS, 1, [], RID).run
    assert done is not None
    assert pair(Signal.START, 1.2, [done], RID).repeated


def test_a_run_that_took_too_long_overran_even_if_nobody_noticed() -> None:
    closed = pair(Signal.SUCCESS, 700, [started(0)]).run
    assert closed is not None
    assert closed.outcome is Outcome.OVERRAN
    assert closed.overran_at is None


def test_a_failed_run_failed_however_long_it_took() -> None:
    closed = pair(Signal.FAIL, 700, [runs.overrun(started(0))]).run
    assert closed is not None
    assert closed.outcome is Outcome.FAILED


def test_a_log_speaks_of_the_open_run_and_opens_none() -> None:
    run = started(0)
    assert pair(Signal.LOG, 5, [run]).run == run
    assert pair(Signal.LOG, 5, []).run is None


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Signal)), st.integers(0, 5), st.sampled_from([None, RID, uuid4()])), max_size=30
    )
)
def test_no_finish_is_ever_lost_and_no_run_closed_twice(story: list[tuple[Signal, int, UUID | None]]) -> None:
    known: dict[UUID, Run] = {}
    now, closed = 0, 0
    for signal, wait, rid in story:
        now += wait
        before = dict(known)
        paired = pair(signal, now, list(known.values()), rid)
        if paired.run and not paired.repeated:
            known[paired.run.id] = paired.run
        if signal.finishes and not paired.repeated:
            assert paired.run is not None
            assert not paired.run.open
            assert paired.run.id not in before or before[paired.run.id].open
            closed += 1
    assert closed == sum(not run.open for run in known.values())
