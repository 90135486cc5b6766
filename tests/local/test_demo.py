"""The demo: believable, consistent with itself and with the clock, and written once."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from tokiflow.core import schedule
from tokiflow.core.signals import Signal
from tokiflow.db import db
from tokiflow.local import demo
from tokiflow.local.demo import history
from tokiflow.local.demo.job import Ending, Job
from tokiflow.local.demo.jobs import JOBS
from tokiflow.models import (
    Attempt,
    Baseline,
    Channel,
    Delivery,
    Incident,
    IncidentEvent,
    Membership,
    Monitor,
    Ping,
    Run,
    User,
)
from tokiflow.queries import monitors
from tokiflow.services import overdue

NOW = datetime(2026, 11, 20, 13, 7, 42, tzinfo=UTC)
TALKING = [job for job in JOBS if job.ending is not Ending.NEW]


def sent(job: Job, now: datetime = NOW) -> list[tuple[datetime, Signal, int | None]]:
    said = job.schedule
    plan = schedule.parse(
        said["kind"], seconds=said.get("seconds"), expression=said.get("expression"), timezone=said.get("timezone")
    )
    return [(one.at, one.signal, one.duration_ms) for one in history.pings(job, plan, now, random.Random("same"))]


@pytest.mark.parametrize("job", TALKING, ids=lambda job: job.name)
def test_a_job_tells_its_month_in_order_and_nothing_of_the_future(job: Job) -> None:
    told = sent(job)
    moments = [at for at, _, _ in told]
    assert moments == sorted(moments)
    assert moments[-1] <= NOW
    assert moments[0] >= NOW - history.LENGTH
    assert told == sent(job), "the same seed tells the same story"


@pytest.mark.timeout(240)
def test_the_demo_fills_the_first_organization_once(app: Flask) -> None:
    filled = demo.fill(NOW)
    assert filled.new
    assert filled.monitors == len(JOBS)
    _the_statuses_are_as_promised()
    _the_figures_agree()
    _what_is_usual_is_known()
    _people_answered()
    _nothing_leaves_this_machine()
    _the_clock_finds_nothing_to_do()
    _it_goes_on()

    runs = db.session.execute(select(func.count()).select_from(Run)).scalar_one()
    again = demo.fill(NOW + timedelta(minutes=1))
    assert (again.new, again.monitors) == (False, len(JOBS))
    assert db.session.execute(select(func.count()).select_from(Run)).scalar_one() == runs


def _rows() -> list[Monitor]:
    return list(db.session.execute(select(Monitor)).scalars())


def _the_statuses_are_as_promised() -> None:
    rows = _rows()
    shown = Counter(monitors.shown_status(row, NOW).value for row in rows)
    assert shown == {"up": len(JOBS) - 5, "down": 2, "late": 1, "paused": 1, "new": 1}
    assert sum(row.running for row in rows) == 1
    unresolved = db.session.execute(select(Incident).where(Incident.resolved_at.is_(None))).scalars().all()
    assert {(one.kind, one.status) for one in unresolved} == {
        ("missed", "open"),
        ("failed", "acknowledged"),
        ("anomaly", "open"),
    }
    down = {row.id for row in rows if row.status == "down"}
    assert {one.monitor_id for one in unresolved if one.class_ == "outage"} == down


def _what_is_usual_is_known() -> None:
    learnt = set(db.session.execute(select(Baseline.monitor_id).where(Baseline.measures != {})).scalars())
    talking = {job.name for job in TALKING}
    assert learnt == {row.id for row in _rows() if row.name in talking}
    assert db.session.execute(select(func.count()).select_from(Run).where(Run.findings.is_not(None))).scalar_one() > 3
    (unusual,) = db.session.execute(select(Incident).where(Incident.kind == "anomaly")).scalars()
    assert unusual.summary.startswith("took 3.2 s; usually 1")


def _the_figures_agree() -> None:
    counted = dict(db.session.execute(select(Ping.monitor_id, func.count()).group_by(Ping.monitor_id)).all())
    latest = dict(db.session.execute(select(Ping.monitor_id, func.max(Ping.at)).group_by(Ping.monitor_id)).all())
    for row in _rows():
        assert row.ping_count == counted.get(row.id, 0), row.name
        assert row.last_ping_at == latest.get(row.id), row.name


def _people_answered() -> None:
    assert {"Alice", "Bob"} <= set(db.session.execute(select(User.name).join(Membership)).scalars())
    said = set(db.session.execute(select(IncidentEvent.what).where(IncidentEvent.by_kind == "person")).scalars())
    assert said == {"acknowledged", "commented"}
    fates = Counter(db.session.execute(select(Delivery.status)).scalars())
    assert fates["dead"] >= 1
    assert fates["pending"] == 0
    assert db.session.execute(select(func.max(Attempt.n))).scalar_one() == 2
    late = select(func.count()).where(Delivery.sent_at > NOW)
    assert db.session.execute(late).scalar_one() == 0


def _nothing_leaves_this_machine() -> None:
    enabled = db.session.execute(select(Channel.kind).where(Channel.enabled)).scalars().all()
    assert enabled == ["email"]


def _the_clock_finds_nothing_to_do() -> None:
    assert overdue.sweep(NOW) == 0


def _it_goes_on() -> None:
    """With its jobs running on, an hour passes and nothing else goes down."""
    for minute in range(60):
        now = NOW + timedelta(minutes=minute)
        demo.beat(now)
        overdue.sweep(now)
    assert sum(row.status == "down" for row in _rows()) == 2
    search = next(row for row in _rows() if row.name == "Search index rebuild")
    assert search.running == 0, "the run that was under way has ended"
