"""Roll-ups against somebody who counts all runs one by one, whatever happened when."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import delete, insert, select, text, update

from jobs import rollups as job
from tests.factories import make_monitor
from tests.fixtures.doorbell import rings
from tokiflow.core import histogram, ids
from tokiflow.core.health import Times
from tokiflow.db import db, transaction
from tokiflow.models import Monitor, Organization, Rollup, RollupMark, Run
from tokiflow.queries import analytics
from tokiflow.queries import rollups as queries
from tokiflow.queries.rollups import DAY, HOUR, Counts
from tokiflow.queue import Job
from tokiflow.services import retention, rollups

START = datetime(2026, 10, 7, 0, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def recorded(monitor: Monitor, at: datetime, recorded_at: datetime | None = None, **values: Any) -> UUID:
    """A run that was first heard of `at`, and whose row was made at `recorded_at`; it took a second and succeeded
    unless `values` say otherwise. Its id."""
    key = UUID(int=ids.earliest(recorded_at or at).int | uuid4().int >> 66)
    usual = {"outcome": "success", "finished_at": at, "duration_ms": 1000}
    with transaction():
        db.session.execute(insert(Run).values(id=key, monitor_id=monitor.id, at=at, **{**usual, **values}))
    return key


def changed(key: UUID, **values: Any) -> None:
    with transaction():
        db.session.execute(update(Run).where(Run.id == key).values(**values))


def rolled_up(now: datetime) -> None:
    while not rollups.roll_up(now, seconds=60):
        pass


Told = dict[str, Any]


def told(runs: Sequence[Run]) -> Told:
    """What a roll-up of `runs` says: slow and obvious."""
    outcomes = Counter(run.outcome for run in runs)
    times = [run.duration_ms for run in runs if run.outcome == "success" and run.duration_ms is not None]
    return {
        "succeeded": outcomes["success"],
        "failed": outcomes["failed"],
        "overran": outcomes["overran"],
        "missed": outcomes["missed"],
        "unfinished": outcomes["running"],
        "anomalies": sum(run.findings is not None for run in runs),
        "timed": len(times),
        "total_ms": sum(times),
        "squares": pytest.approx(sum(one**2 for one in times)),
        "min_ms": min(times, default=None),
        "max_ms": max(times, default=None),
        "histogram": {str(number): count for number, count in histogram.of(times).items()},
        "output_bytes": sum(run.output_size for run in runs),
    }


def counted(grain: str) -> dict[tuple[UUID, datetime], Told]:
    """All roll-ups of that grain."""
    rows = db.session.execute(select(Rollup).where(Rollup.grain == grain)).scalars().all()
    names = told([])
    return {(row.monitor_id, row.at): {name: getattr(row, name) for name in names} for row in rows}


def expected(step: timedelta, since: datetime, until: datetime) -> dict[tuple[UUID, datetime], Told]:
    """What all that lies between `since` and `until` should say, and is over by then."""
    groups: dict[tuple[UUID, datetime], list[Run]] = {}
    for run in all_runs():
        at = queries.hour_of(run.at) if step == HOUR else queries.day_of(run.at)
        if since <= at and at + step <= until:
            groups.setdefault((run.monitor_id, at), []).append(run)
    return {key: told(runs) for key, runs in groups.items()}


def all_runs() -> Sequence[Run]:
    db.session.rollback()
    return db.session.execute(select(Run).execution_options(populate_existing=True)).scalars().all()


def assert_true(now: datetime) -> None:
    """The roll-ups say what the runs say."""
    kept = queries.day_of(now - queries.HOURS_KEPT)
    hours = {key: one for key, one in counted("hour").items() if key[1] >= kept}
    assert hours == expected(HOUR, kept, now)
    assert counted("day") == expected(DAY, START - 400 * DAY, queries.day_of(now))


def assert_pages_agree(monitors: Sequence[Monitor], since: datetime, until: datetime) -> None:
    """What pages show from `since` up to `until` is what the runs say, too."""
    for monitor_id, found in analytics.figures([one.id for one in monitors], since, until).items():
        runs = [run for run in all_runs() if run.monitor_id == monitor_id and since <= run.at < until]
        says = told(runs)
        assert found.counts == Counts(*(says[name] for name in (
            "succeeded", "failed", "overran", "missed", "unfinished", "anomalies"
        )))  # fmt: skip
        assert found.times == Times(
            says["timed"], says["total_ms"], found.times.squares, says["min_ms"], says["max_ms"], says["histogram"],
            tuple(sorted(run.duration_ms for run in runs if run.outcome == "success" and run.duration_ms is not None)),
        )  # fmt: skip
        assert found.times.squares == says["squares"]


@dataclass
class World:
    """Some monitors whose jobs run while time goes by."""

    monitors: Sequence[Monitor]
    now: datetime = START
    open: list[UUID] = field(default_factory=list)
    over: list[tuple[UUID, datetime]] = field(default_factory=list)

    def run(self, which: int, ago: timedelta, outcome: str, ms: int | None, odd: bool) -> None:
        at = self.now - ago
        going = outcome in ("running", "overran") and (ms is None or outcome == "running")
        key = recorded(
            self.monitors[which], at, self.now, outcome=outcome, duration_ms=None if going else ms,
            finished_at=None if going or outcome == "missed" else at,
            findings=[{"measure": "run_time"}] if odd else None, output_size=(ms or 0) % 1000,
        )  # fmt: skip
        if going and at > self.now - 6 * DAY:
            self.open.append(key)
        elif outcome == "success":
            self.over.append((key, at))

    def finish(self, which: int, outcome: str, ms: int | None) -> None:
        if self.open:
            key = self.open.pop(which % len(self.open))
            changed(key, outcome=outcome, duration_ms=ms, finished_at=self.now)

    def hear_of_a_start(self, which: int, ms: int) -> None:
        """It came late: now we know how long a run took that ended within a day."""
        recent = [key for key, at in self.over if at > self.now - DAY]
        if recent:
            changed(recent[which % len(recent)], duration_ms=ms)


# Little, and then more: late pings come minutes or hours after, those of a spool days, and few of them are ancient.
agos = st.one_of(
    st.just(timedelta(0)),
    st.integers(0, 180).map(lambda minutes: minutes * MINUTE),
    st.integers(0, 60).map(lambda hours: hours * HOUR),
    st.integers(0, 60).map(lambda days: days * DAY),
)
times = st.one_of(st.none(), st.integers(0, 5), st.integers(0, 10**8))
outcomes = st.sampled_from(["success", "success", "success", "failed", "overran", "missed", "running"])
deeds = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 2), agos, outcomes, times, st.booleans()),
    st.tuples(st.just("run"), st.integers(0, 2), agos, outcomes, times, st.booleans()),
    st.tuples(st.just("finish"), st.integers(0, 9), st.sampled_from(["success", "failed"]), times),
    st.tuples(st.just("wait"), st.integers(1, 90).map(lambda minutes: minutes * MINUTE)),
    st.tuples(st.just("wait"), st.integers(1, 60).map(lambda hours: hours * HOUR)),
    st.tuples(st.just("roll_up")),
)
starts = st.tuples(st.just("hear_of_a_start"), st.integers(0, 9), st.integers(0, 10**6))
SLOWLY = settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)  # fmt: skip


@pytest.fixture
def monitors(organization: Organization) -> list[Monitor]:
    return [make_monitor(organization, name, created_at=START) for name in ("Backup", "Invoices", "Mail")]


def live(monitors: Sequence[Monitor], story: Sequence[tuple[Any, ...]]) -> World:
    with transaction():
        for table in (Run, Rollup, RollupMark):
            db.session.execute(delete(table))
    world = World(monitors)
    for deed, *values in story:
        if deed == "wait":
            world.now += values[0]
        elif deed == "roll_up":
            world.now += SECOND
            rolled_up(world.now)
        else:
            getattr(world, deed)(*values)
    world.now += SECOND
    return world


@SLOWLY
@given(story=st.lists(deeds, max_size=40), since=agos, until=agos)
def test_roll_ups_are_what_the_runs_say(
    monitors: list[Monitor], story: list[tuple[Any, ...]], since: timedelta, until: timedelta
) -> None:
    world = live(monitors, story)
    rolled_up(world.now)
    assert_true(world.now)
    rolled_up(world.now)
    assert_true(world.now)
    world.run(0, timedelta(0), "success", 7, False)
    world.now += 20 * MINUTE
    assert_pages_agree(monitors, world.now - since, world.now - until)
    assert_pages_agree(monitors, world.now - 30 * DAY, world.now)


@SLOWLY
@given(story=st.lists(st.one_of(deeds, starts), max_size=40))
def test_two_nights_later_they_know_of_starts_that_came_late(
    monitors: list[Monitor], story: list[tuple[Any, ...]]
) -> None:
    world = live(monitors, story)
    rolled_up(world.now)
    rolled_up(world.now + DAY)
    assert_true(world.now + DAY)


def test_the_database_counts_into_the_same_buckets(app: Flask) -> None:
    edges = [int(histogram.upper_edge(number)) + more for number in range(650) for more in (-1, 0, 1, 2)]
    times = sorted({one for one in [*edges, *range(2_000), 10**12] if one >= 0})
    statement = text(f"select {histogram.BUCKET_SQL} from unnest(cast(:times as bigint[])) t (duration_ms)")
    assert list(db.session.execute(statement, {"times": times}).scalars()) == [*map(histogram.bucket, times)]


def test_an_hour_is_made_when_it_is_over(monitors: list[Monitor]) -> None:
    recorded(monitors[0], START + 5 * MINUTE)
    rolled_up(START + 30 * MINUTE)
    assert counted("hour") == {}
    rolled_up(START + 61 * MINUTE)
    assert [at for _, at in counted("hour")] == [START]
    assert counted("day") == {}
    rolled_up(START + DAY + MINUTE)
    assert [at for _, at in counted("day")] == [START]


def test_a_run_that_comes_late_joins_its_hour(monitors: list[Monitor]) -> None:
    recorded(monitors[0], START)
    rolled_up(START + 10 * HOUR)
    recorded(monitors[0], START + 30 * MINUTE, START + 10 * HOUR + MINUTE)
    rolled_up(START + 10 * HOUR + 5 * MINUTE)
    assert counted("hour")[monitors[0].id, START]["succeeded"] == 2


def test_a_run_that_ends_late_is_counted_anew(monitors: list[Monitor]) -> None:
    key = recorded(monitors[0], START, outcome="running", finished_at=None, duration_ms=None)
    rolled_up(START + 3 * DAY)
    assert counted("day")[monitors[0].id, START]["unfinished"] == 1
    changed(key, outcome="overran", overran_at=START + HOUR)
    rolled_up(START + 3 * DAY + MINUTE)
    assert counted("day")[monitors[0].id, START]["overran"] == 1
    changed(key, outcome="failed", finished_at=START + 4 * DAY)
    rolled_up(START + 4 * DAY + MINUTE)
    assert counted("day")[monitors[0].id, START]["failed"] == 1
    assert_true(START + 4 * DAY + MINUTE)


def test_what_is_found_later_is_counted_when_it_is_told(monitors: list[Monitor]) -> None:
    key = recorded(monitors[0], START + MINUTE)
    rolled_up(START + 2 * DAY)
    changed(key, findings=[{"measure": "run_time"}])
    rollups.count_again([(monitors[0].id, START + MINUTE)], START + 2 * DAY)
    assert counted("day")[monitors[0].id, START]["anomalies"] == 1
    assert_true(START + 2 * DAY)


def test_old_hours_go_and_days_stay(app: Flask, monitors: list[Monitor]) -> None:
    now = START + 36 * DAY + HOUR
    for days in range(37):
        recorded(monitors[0], START + days * DAY + MINUTE)
    rolled_up(now)
    retention.keep_house(now, seconds=60)
    assert min(at for _, at in counted("hour")) == START + DAY
    assert len(counted("day")) == 36
    recorded(monitors[0], START, now)
    rolled_up(now + 5 * MINUTE)
    assert counted("day")[monitors[0].id, START]["succeeded"] == 2, "an ancient run joins its day"
    assert min(at for _, at in counted("hour")) == START + DAY


def test_days_whose_runs_are_gone_stay_as_they_are(monitors: list[Monitor]) -> None:
    for minutes in range(10):
        recorded(monitors[0], START + minutes * MINUTE)
    recorded(monitors[0], START + 3 * DAY)
    now = START + 3 * DAY + 2 * HOUR
    rolled_up(now)
    with transaction():
        db.session.execute(delete(Run).where(Run.at < START + 3 * DAY))
    before = counted("day")
    assert before[monitors[0].id, START]["succeeded"] == 10
    for _ in rollups.recompute(START - DAY, now):
        pass
    assert counted("day") == before
    recorded(monitors[0], START + HOUR, now)
    rolled_up(now + 5 * MINUTE)
    assert counted("day")[monitors[0].id, START]["succeeded"] == 11, "one that comes later takes nothing away either"


def test_what_is_wrong_can_be_made_anew(monitors: list[Monitor]) -> None:
    for days in range(50):
        recorded(monitors[0], START + days * DAY + HOUR)
    now = START + 50 * DAY + 2 * HOUR
    rolled_up(now)
    with transaction():
        db.session.execute(update(Rollup).values(succeeded=7, histogram={}))
        wrong = {"monitor_id": monitors[1].id, "grain": "day", "at": START + 5 * DAY, "succeeded": 1}
        db.session.execute(insert(Rollup).values(wrong))
    made = [day for day, _ in rollups.recompute(START + 40 * DAY, now)]
    assert (made[0], made[-1]) == (START + 40 * DAY, START + 50 * DAY)
    assert counted("day")[monitors[0].id, START + 39 * DAY]["succeeded"] == 7
    assert counted("day")[monitors[0].id, START + 40 * DAY]["succeeded"] == 1
    for _ in rollups.recompute(None, now):
        pass
    assert_true(now)


def test_without_runs_nothing_is_made(monitors: list[Monitor]) -> None:
    rolled_up(START)
    assert list(rollups.recompute(None, START)) == []
    assert counted("hour") == counted("day") == {}


def test_runs_of_a_monitor_that_is_gone_are_left_alone(app: Flask, monitors: list[Monitor]) -> None:
    recorded(monitors[0], START)
    with transaction():
        db.session.execute(insert(Run).values(id=ids.earliest(START), monitor_id=uuid4(), at=START, outcome="missed"))
    rolled_up(START + 2 * HOUR)
    assert len(counted("hour")) == 1


def test_many_workers_make_the_same(app: Flask, monitors: list[Monitor]) -> None:
    for minutes in range(0, 3 * 1440, 7):
        recorded(monitors[minutes % 3], START + minutes * MINUTE)
    now, failed = START + 3 * DAY + HOUR, []

    def work() -> None:
        try:
            with app.app_context():
                for _ in range(20):
                    rollups.roll_up(now, seconds=0)
        except Exception as error:
            failed.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    rolled_up(now)
    assert_true(now)


def test_one_that_dies_half_way_has_done_no_harm(monitors: list[Monitor], monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in range(80):
        recorded(monitors[hours % 3], START + hours * HOUR)
    now = START + 80 * HOUR
    write, left = rollups._write_days, iter(range(2))

    def dies(days: Any) -> None:
        write(days)
        if next(left, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(rollups, "_write_days", dies)
    with pytest.raises(KeyboardInterrupt):
        rolled_up(now)
    monkeypatch.undo()
    rolled_up(now)
    assert_true(now)


def test_the_job_rings_for_what_it_leaves(app: Flask, monitors: list[Monitor], monkeypatch: pytest.MonkeyPatch) -> None:
    assert job.roll_up([]) == 1
    recorded(monitors[0], datetime.now(UTC) - 30 * DAY)
    with transaction():
        db.session.execute(update(RollupMark).values(until=START))
    monkeypatch.setattr(rollups.roll_up, "__defaults__", (0.0,))
    with Redis.from_url(app.extensions["tokiflow.settings"].redis_url) as redis:
        redis.flushdb()
        assert job.roll_up([]) == 0
        assert rings(redis) == [(Job.ROLL_UP, [])]
