"""Runs are judged after they finished: what is unusual is found, told, and over by itself; nothing teaches twice."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from flask import Flask
from sqlalchemy import select, update

from tests.factories import make_channel, make_monitor
from tests.fixtures.database import Database
from tests.house.statements import statements
from tokiflow import errors, queue
from tokiflow.core.actors import Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import (
    Alert,
    AuditEvent,
    Band,
    Baseline,
    BlindSpell,
    Delivery,
    Incident,
    IncidentEvent,
    Monitor,
    Organization,
    Run,
)
from tokiflow.queries import analytics
from tokiflow.queries.rollups import hour_of
from tokiflow.queue import gathered
from tokiflow.services import (
    acceptance,
    audit,
    baseline_rows,
    incidents,
    judging,
    monitors,
    notebooks,
    pings,
    rollups,
)
from tokiflow.services.pings import Incoming

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Job:
    """A job of each hour, whose runs we may tell how long they took."""

    def __init__(self, organization: Organization, **values: Any) -> None:
        self.monitor = make_monitor(organization, **values)
        self.at = NOW - 100 * HOUR

    @classmethod
    def of(cls, monitor: Monitor) -> Job:
        """One that is there already."""
        job = cls.__new__(cls)
        job.monitor = monitor
        return job

    def runs(self, *seconds: float, judged: bool = True, **said: Any) -> None:
        for one in seconds:
            self.at += HOUR
            ping = Ping(Signal.SUCCESS, self.at, duration_ms=int(one * 1000), **said)
            pings.record([Incoming(self.monitor.token, ping)], self.at)
            if judged:
                judging.judge([self.monitor.id], self.at)


@pytest.fixture
def job(organization: Organization) -> Job:
    make_channel(organization)
    job = Job(organization)
    job.runs(*[720, 700, 740, 715] * 5, judged=False)
    judging.judge([job.monitor.id], job.at)
    return job


def all_of(model: Any) -> list:
    db.session.expire_all()
    return list(db.session.execute(select(model).order_by(*model.__table__.primary_key)).scalars())


def baseline(job: Job) -> Baseline:
    db.session.expire_all()
    return db.session.execute(select(Baseline).where(Baseline.monitor_id == job.monitor.id)).scalar_one()


def taught(job: Job, measure: str = "run_time") -> int:
    return int(baseline(job).measures[measure]["baseline"]["raw"][0])


def test_what_is_usual_is_learnt_and_not_told(job: Job) -> None:
    job.runs(725)
    assert taught(job) == 21
    assert not all_of(Incident)
    assert {band.measure for band in all_of(Band)} == {"run_time"}


def test_a_run_far_too_short_opens_an_incident_with_its_reason_in_numbers(job: Job) -> None:
    job.runs(3)
    (incident,) = all_of(Incident)
    assert (incident.class_, incident.kind, incident.severity, incident.opened_at) == (
        "performance", "anomaly", "warning", job.at
    )  # fmt: skip
    assert incident.summary.startswith("took 3 s; usually 11 m")
    assert "z = −" in incident.summary
    assert "Usual is from" in incident.reason
    run = next(run for run in all_of(Run) if run.findings)
    (found,) = run.findings
    assert (found["measure"], found["kind"], found["direction"], found["value"]) == ("run_time", "anomaly", "low", 3.0)
    (alert,) = all_of(Alert)
    assert alert.content["summary"].startswith("Nightly backup took 3 s; usually 11 m")
    assert len(all_of(Delivery)) == 1
    assert all_of(Monitor)[0].status == "up"
    assert taught(job) == 20


def test_it_is_over_with_the_next_usual_run(job: Job) -> None:
    job.runs(3, 720)
    (incident,) = all_of(Incident)
    assert (incident.status, incident.resolved_at, incident.resolved_by_person) == ("resolved", job.at, False)
    assert [alert.kind for alert in all_of(Alert)] == ["opened", "resolved"]
    assert "is as usual again" in all_of(Alert)[1].content["summary"]


def test_it_is_over_only_after_as_many_usual_runs_as_people_want(organization: Organization) -> None:
    job = Job(organization, successes_to_resolve=3)
    job.runs(*[720, 700, 740, 715] * 5, 3, 720, 720)
    assert all_of(Incident)[0].status == "open"
    job.runs(720)
    assert all_of(Incident)[0].status == "resolved"


def test_more_of_it_joins_the_open_incident(job: Job) -> None:
    job.runs(3, 4, 5)
    (incident,) = all_of(Incident)
    assert len(all_of(Alert)) == 1
    steps = [step for step in all_of(IncidentEvent) if step.incident_id == incident.id and step.what == "anomaly"]
    assert [(step.times, step.detail["value"]) for step in steps] == [(2, 5.0)]


def test_a_new_level_ends_it_once(job: Job) -> None:
    job.runs(*[2400, 2380, 2420, 2390, 2410] * 2)
    (incident,) = all_of(Incident)
    assert incident.status == "resolved"
    step = next(step for step in all_of(IncidentEvent) if step.what == "resolved")
    assert step.text == "takes 40 m now, after 11 m 58 s"
    job.runs(2400, 2390)
    assert len(all_of(Incident)) == 1


def test_failed_runs_teach_nothing(job: Job) -> None:
    for _ in range(3):
        job.at += HOUR
        pings.record([Incoming(job.monitor.token, Ping(Signal.FAIL, job.at, duration_ms=10))], job.at)
        judging.judge([job.monitor.id], job.at)
    assert taught(job) == 20
    assert {incident.class_ for incident in all_of(Incident)} == {"outage"}


def test_a_run_that_began_in_an_hour_that_was_counted_is_counted_with_it(organization: Organization) -> None:
    """A run that only tells at its end how long it took began then: here twelve minutes before the hour."""
    job, now = Job(organization), datetime.now(UTC)
    job.at = hour_of(now) - 2 * HOUR
    job.runs(720)
    rollups.roll_up(datetime.now(UTC), seconds=60)
    job.runs(720)
    counted = analytics.figures([job.monitor.id], job.at - 2 * HOUR, now)[job.monitor.id].counts
    assert counted.succeeded == 2


def test_no_run_teaches_twice(job: Job) -> None:
    assert judging.judge([job.monitor.id], job.at) == 0
    job.runs(720)
    assert judging.judge([job.monitor.id], job.at) == 0
    assert taught(job) == 21


def test_what_comes_out_of_a_spool_is_judged_late_and_once(job: Job) -> None:
    late = Ping(Signal.SUCCESS, job.at - 30 * HOUR - timedelta(minutes=5), duration_ms=3_000)
    pings.record([Incoming(job.monitor.token, late, promised=True)], job.at)
    assert judging.judge([job.monitor.id], job.at) == 1
    assert judging.judge([job.monitor.id], job.at) == 0
    (incident,) = all_of(Incident)
    assert incident.opened_at == late.at


def test_a_finish_before_its_start_is_known_when_both_are_there(job: Job) -> None:
    from tokiflow.core import ids

    rid = ids.new()
    job.at += HOUR
    pings.record([Incoming(job.monitor.token, Ping(Signal.SUCCESS, job.at, rid=rid))], job.at)
    judging.judge([job.monitor.id], job.at)
    assert taught(job) == 20
    begun = Ping(Signal.START, job.at - timedelta(seconds=720), rid=rid)
    pings.record([Incoming(job.monitor.token, begun)], job.at)
    judging.judge([job.monitor.id], job.at)
    assert taught(job) == 21


def test_a_baseline_that_cannot_be_read_is_learnt_anew(job: Job) -> None:
    kept = taught(job)
    with transaction():
        broken = {"run_time": {"baseline": {"version": 0}}}
        db.session.execute(update(Baseline).values(measures=broken))
    job.runs(3)
    assert taught(job) == kept
    assert [incident.kind for incident in all_of(Incident)] == ["anomaly"]


def test_what_happened_before_anybody_judged_is_known_and_not_told(organization: Organization) -> None:
    job = Job(organization)
    job.runs(*[720] * 15, 3, *[720] * 4, judged=False)
    judging.judge([job.monitor.id], NOW)
    assert not all_of(Incident)
    assert sum(bool(run.findings) for run in all_of(Run)) == 1


def test_many_pings_at_once_are_told_of(organization: Organization) -> None:
    job = Job(organization)
    job.runs(*[720] * 15, 3, judged=False)
    judging.judge([job.monitor.id], job.at)
    assert [incident.kind for incident in all_of(Incident)] == ["anomaly"]


def test_output_that_is_suddenly_empty(organization: Organization) -> None:
    job = Job(organization)
    job.runs(*[720] * 15, body=b"x" * 4000, body_size=4000)
    job.runs(720)
    (incident,) = all_of(Incident)
    assert incident.summary.startswith("printed 0 B; usually 3.9 KB")


def test_numbers_of_its_own_up_to_twenty(organization: Organization) -> None:
    job = Job(organization)
    job.runs(*[720] * 15, metrics={f"rows{n}": 8000 for n in range(30)})
    assert sum(name.startswith("metric:") for name in baseline(job).measures) == 20
    job.runs(720, metrics={"rows3": 12})
    (incident,) = all_of(Incident)
    assert incident.summary.startswith("rows3 was 12; usually 8,000")


def test_too_few_runs_in_an_hour(organization: Organization) -> None:
    monitor = make_monitor(organization, schedule_seconds=60)
    begin = NOW - 48 * HOUR
    for hour in range(20):
        each = 60 if hour < 18 else 12
        batch = [
            Incoming(monitor.token, Ping(Signal.SUCCESS, begin + hour * HOUR + timedelta(seconds=n * 3600 / each)))
            for n in range(each)
        ]
        pings.record(batch, begin + hour * HOUR)
        judging.judge([monitor.id], begin + hour * HOUR)
    anomalies = [one for one in all_of(Incident) if one.class_ == "performance"]
    assert [one.summary.startswith("ran 12 times; usually 60") for one in anomalies] == [True]


def test_a_paused_monitor_and_one_in_maintenance_have_no_such_trouble(job: Job) -> None:
    with transaction():
        db.session.execute(update(Monitor).values(status="paused"))
    job.runs(3)
    assert not all_of(Incident)
    assert sum(bool(run.findings) for run in all_of(Run)) == 1


def test_off_is_learnt_and_not_told(organization: Organization) -> None:
    job = Job(organization, sensitivity="off")
    job.runs(*[720] * 15, 3, 720)
    assert not all_of(Incident)
    assert taught(job) == 16


def test_a_thousand_monitors_take_as_many_statements_as_two(organization: Organization) -> None:
    def needed(monitors: int) -> int:
        jobs = [Job(organization, name=f"job {n}") for n in range(monitors)]
        monitor_ids = [one.monitor.id for one in jobs]
        for n in range(14):
            at = NOW - (20 - n) * HOUR
            seconds = 3 if n == 13 else 720
            batch = [Incoming(one.monitor.token, Ping(Signal.SUCCESS, at, duration_ms=seconds * 1000)) for one in jobs]
            pings.record(batch, at)
            if n == 12:
                for start in range(0, monitors, notebooks.REPLAYS):
                    judging.judge([one.monitor.id for one in jobs[start : start + notebooks.REPLAYS]], at)
        with statements() as found:
            assert judging.judge(monitor_ids, at) == monitors
        return len(found)

    few, many = needed(2), needed(120)
    assert many == few <= 40


ALICE = Actor("person", "Alice")


def test_not_a_problem_teaches_and_ends_it(job: Job) -> None:
    job.runs(3)
    (incident,) = all_of(Incident)
    acceptance.accept_incident(incident.id, ALICE, job.at)
    acceptance.accept_incident(incident.id, ALICE, job.at)
    (incident,) = all_of(Incident)
    assert (incident.status, incident.resolved_by, incident.resolved_by_person) == ("resolved", "Alice", True)
    assert sum(step.what == "resolved" for step in all_of(IncidentEvent)) == 1
    assert [event.what for event in all_of(AuditEvent)] == ["incident.not_a_problem"]
    assert next(run for run in all_of(Run) if run.findings).findings[0]["accepted_by"] == "Alice"
    job.runs(3, 4, 720, 3)
    assert len(all_of(Incident)) == 1


def test_not_a_problem_said_of_a_run(job: Job) -> None:
    job.runs(3)
    run = next(run for run in all_of(Run) if run.findings)
    acceptance.accept_run(job.monitor.id, run.id, ALICE, job.at)
    acceptance.accept_run(job.monitor.id, run.id, ALICE, job.at)
    assert all_of(Incident)[0].status == "resolved"
    assert sorted(event.what for event in all_of(AuditEvent)) == ["incident.not_a_problem", "monitor.not_a_problem"]


def test_two_say_at_once_that_it_is_not_a_problem(app: Flask, job: Job) -> None:
    job.runs(3)
    incident_id = all_of(Incident)[0].id
    db.session.remove()

    def say() -> None:
        with app.app_context():
            acceptance.accept_incident(incident_id, ALICE, job.at)

    both = [threading.Thread(target=say) for _ in range(4)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [event.what for event in all_of(AuditEvent)] == ["incident.not_a_problem"]
    assert len(all_of(Alert)) == 2


def test_slowness_that_is_not_a_problem_is_learnt(job: Job) -> None:
    job.runs(*[980 + n for n in range(12)])
    if all_of(Incident):
        (incident,) = all_of(Incident)
        assert incident.kind in ("degraded", "anomaly")
        acceptance.accept_incident(incident.id, ALICE, job.at)
        job.runs(*[985 + n for n in range(12)])
        assert len(all_of(Incident)) == 1


def test_an_outage_is_always_a_problem(job: Job) -> None:
    pings.record([Incoming(job.monitor.token, Ping(Signal.FAIL, job.at + HOUR))], job.at + HOUR)
    with pytest.raises(errors.Conflict):
        acceptance.accept_incident(all_of(Incident)[0].id, ALICE, job.at + HOUR)


def test_turning_it_off_ends_what_is_open(job: Job) -> None:
    job.runs(3)
    monitors.edit(job.monitor.id, {"sensitivity": "off"}, ALICE, job.at)
    (incident,) = all_of(Incident)
    assert (incident.status, incident.resolved_by) == ("resolved", "Alice")
    edited = next(event for event in all_of(AuditEvent) if event.what == "monitor.edited")
    assert (edited.before, edited.after) == ({"sensitivity": "normal"}, {"sensitivity": "off"})


def test_pausing_ends_it_too(job: Job) -> None:
    job.runs(3)
    monitors.pause(job.monitor.id, None, ALICE, job.at)
    assert all_of(Incident)[0].status == "resolved"


def test_many_workers_teach_each_run_once(app: Flask, organization: Organization) -> None:
    jobs = [Job(organization, name=f"job {n}") for n in range(12)]
    monitor_ids = [job.monitor.id for job in jobs]
    db.session.remove()

    def work() -> None:
        with app.app_context():
            for _ in range(6):
                judging.judge(monitor_ids, NOW)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for one in workers:
        one.start()
    for job in jobs:
        job.runs(*[720] * 5, judged=False)
    for one in workers:
        one.join()
    judging.judge(monitor_ids, NOW)
    assert [taught(job) for job in jobs] == [5] * 12


def test_what_nobody_was_rung_for_is_found(app: Flask, database: Database, job: Job) -> None:
    job.runs(720, judged=False)
    redis.Redis.from_url(database.redis_url).flushdb()
    assert gathered(queue.Job.JUDGE, 10) == []
    judging.look(NOW)
    assert gathered(queue.Job.JUDGE, 10) == [job.monitor.id]


def test_pings_with_nothing_to_judge_ring_for_nobody(job: Job) -> None:
    gathered(queue.Job.JUDGE, 10)
    with statements() as plain:
        pings.record([Incoming(job.monitor.token, Ping(Signal.SUCCESS, job.at + HOUR))], NOW)
    assert gathered(queue.Job.JUDGE, 10) == []
    with statements() as timed:
        pings.record([Incoming(job.monitor.token, Ping(Signal.SUCCESS, job.at + 2 * HOUR, duration_ms=1))], NOW)
    assert gathered(queue.Job.JUDGE, 10) == [job.monitor.id]
    assert len(plain) == len(timed)


def test_all_is_learnt_anew_from_the_kept_runs(job: Job) -> None:
    job.runs(3, 720)
    before = baseline(job).measures
    assert judging.rebuild(None, job.at) == 22
    assert baseline(job).measures == before
    assert judging.rebuild(job.monitor.id, job.at) == 22
    assert len(all_of(Incident)) == 1
    assert judging.judge([job.monitor.id], job.at) == 0


def test_what_was_normal_goes_with_the_runs_and_with_the_monitor(job: Job) -> None:
    days = len(all_of(Band))
    assert judging.forget(job.at.replace(hour=0)) == days - 1
    monitors.delete(job.monitor.id, ALICE, job.at)
    assert (all_of(Band), all_of(Baseline)) == ([], [])


def test_one_that_cannot_be_judged_harms_no_other(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = Job(organization), Job(organization, successes_to_resolve=99)
    for job in (good, bad):
        job.runs(720, judged=False)
    judge = judging._judge

    def stumble(page: Any, reopened: int | None, now: datetime) -> None:
        if page.row.successes_to_resolve == 99:
            raise RuntimeError("poison")
        judge(page, reopened, now)

    monkeypatch.setattr(judging, "_judge", stumble)
    gathered(queue.Job.JUDGE, 10)
    assert judging.judge([good.monitor.id, bad.monitor.id, uuid4()], NOW) == 1
    assert gathered(queue.Job.JUDGE, 10) == [], "nobody rings again and again for what is broken or gone"
    monkeypatch.undo()
    assert judging.judge([bad.monitor.id], NOW) == 1


def test_a_monitor_that_is_busy_is_rung_for_again(app: Flask, job: Job) -> None:
    job.runs(3, judged=False)
    gathered(queue.Job.JUDGE, 10)
    with db.engine.connect() as busy:
        busy.execute(select(Monitor.id).where(Monitor.id == job.monitor.id).with_for_update())
        assert judging.judge([job.monitor.id], job.at) == 0
    assert gathered(queue.Job.JUDGE, 10) == [job.monitor.id]
    assert judging.judge([job.monitor.id], job.at) == 1


def test_an_hour_that_is_over_is_judged_by_the_clock(organization: Organization) -> None:
    """A job that stops running often: nobody waits for its next run to say so."""
    monitor = make_monitor(organization, schedule_seconds=60, grace_seconds=86_400)
    begin = NOW - 48 * HOUR
    for hour in range(19):
        each = 60 if hour < 18 else 12
        at = begin + hour * HOUR
        minute = timedelta(minutes=1)
        pings.record([Incoming(monitor.token, Ping(Signal.SUCCESS, at + n * minute)) for n in range(each)], at)
        judging.judge([monitor.id], at)
    over = begin + 19 * HOUR
    gathered(queue.Job.JUDGE, 10)
    judging.look(over + timedelta(minutes=4))
    assert gathered(queue.Job.JUDGE, 10) == [], "what is on its way still counts"
    judging.look(over + timedelta(minutes=5))
    assert gathered(queue.Job.JUDGE, 10) == [monitor.id]
    for _ in range(2):
        assert judging.judge([monitor.id], over + timedelta(minutes=5)) == 0
    (incident,) = all_of(Incident)
    assert (incident.kind, incident.opened_at) == ("anomaly", over)
    assert incident.summary.startswith("ran 12 times; usually 60")
    judging.look(over + timedelta(minutes=10))
    assert gathered(queue.Job.JUDGE, 10) == [], "it is known that it was judged"
    acceptance.accept_incident(incident.id, ALICE, over)
    known = baseline(Job.of(monitor)).measures["run_count"]["baseline"]["allowed"]
    judging.rebuild(monitor.id, over + HOUR)
    assert baseline(Job.of(monitor)).measures["run_count"]["baseline"]["allowed"] == known


@pytest.mark.parametrize("why", ["paused", "blind"])
def test_an_hour_in_which_it_need_not_have_run_is_no_trouble(organization: Organization, why: str) -> None:
    monitor = make_monitor(organization, schedule_seconds=60, grace_seconds=86_400)
    begin, minute = NOW - 48 * HOUR, timedelta(minutes=1)
    for hour in range(19):
        at = begin + hour * HOUR
        each = 60 if hour < 18 else 12
        pings.record([Incoming(monitor.token, Ping(Signal.SUCCESS, at + n * minute)) for n in range(each)], at)
    judging.judge([monitor.id], at)
    if why == "paused":
        monitors.pause(monitor.id, None, ALICE, at + 15 * minute)
        monitors.resume(monitor.id, ALICE, at + 55 * minute)
    else:
        with transaction():
            db.session.add(BlindSpell(started_at=at + 15 * minute, ended_at=at + 50 * minute))
    judging.judge([monitor.id], at + 2 * HOUR)
    assert [one.class_ for one in all_of(Incident)] == []


def test_not_a_problem_is_said_of_all_that_its_incident_is_about(job: Job) -> None:
    job.runs(2_600, 3_500, 2_500)
    (incident,) = all_of(Incident)
    acceptance.accept_incident(incident.id, ALICE, job.at)
    assert sum(bool(run.findings and run.findings[0]["accepted_by"]) for run in all_of(Run)) == 3
    job.runs(720, 3_400, 720, 30)
    assert [one.summary.split(";")[0] for one in all_of(Incident)] == ["took 43 m 20 s", "took 30 s"]


def test_what_people_said_stays_when_all_is_learnt_anew(job: Job) -> None:
    job.runs(2_400)
    acceptance.accept_run(job.monitor.id, all_of(Run)[-1].id, ALICE, job.at)
    job.runs(720, 2_900, 3_500, 2_800)
    acceptance.accept_incident(all_of(Incident)[-1].id, ALICE, job.at + HOUR)
    before = baseline(job).measures["run_time"]["baseline"]["allowed"]
    said = [run.findings for run in all_of(Run)]
    assert judging.rebuild(None, job.at + 2 * HOUR) == 25
    assert baseline(job).measures["run_time"]["baseline"]["allowed"] == before
    assert [run.findings for run in all_of(Run)] == said, "its page asks nobody again"


def test_what_people_said_of_a_run_stays_though_it_is_older_than_those_that_teach_anew(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.runs(2_400)
    incidents.resolve(all_of(Incident)[-1].id, ALICE, job.at)
    acceptance.accept_run(job.monitor.id, all_of(Run)[-1].id, ALICE, job.at)
    job.runs(*[720, 700, 740, 715] * 4)
    monkeypatch.setattr(baseline_rows, "REPLAYED", 15)
    assert judging.rebuild(job.monitor.id, job.at) == 15
    job.runs(2_390)
    assert len(all_of(Incident)) == 1, "nothing up to that value is told again"
    with transaction():
        audit.redact([one.id for one in all_of(AuditEvent)], job.monitor.organization_id, "They left.", job.at)
    assert judging.rebuild(job.monitor.id, job.at) == 15
