"""Ping on: the demo's jobs run on their schedules as long as somebody watches, so that the picture holds.

It keeps nothing in mind. What is to be done follows from the rows, and how long a run takes from its id; so it may
be stopped and started at any moment. Jobs that are in trouble on purpose stay in it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select

from tokiflow.core.runs import Outcome
from tokiflow.core.signals import Ping
from tokiflow.db import db, transaction
from tokiflow.local.demo import filling, history
from tokiflow.local.demo.job import Ending, Job
from tokiflow.models import Monitor, Run
from tokiflow.services import pings
from tokiflow.services.pings import Incoming

ALIVE = frozenset({Ending.WELL, Ending.RUNNING, Ending.UNUSUAL})
AHEAD = timedelta(seconds=2)


def beat(now: datetime) -> int:
    """Send what the jobs would have sent by `now`; how many pings. Call it every second or so."""
    with transaction():
        batch = list(_due(now))
    if batch:
        pings.record(batch, now)
    return len(batch)


def _due(now: datetime) -> Iterator[Incoming]:
    organization = filling.first_organization()
    if organization is None:
        return
    alive = [(job, row) for job, row in filling.of_demo(organization.id) if job.ending in ALIVE]
    running = {run.monitor_id: run for run in _open_runs([row for _, row in alive])}
    for job, row in alive:
        ping = _under_way(job, running[row.id], now) if row.id in running else _next(job, row, now)
        if ping:
            yield Incoming(row.token, ping)


def _open_runs(rows: list[Monitor]) -> list[Run]:
    statement = select(Run).where(
        Run.monitor_id.in_([row.id for row in rows]), Run.finished_at.is_(None), Run.outcome == Outcome.RUNNING.value
    )
    return list(db.session.execute(statement).scalars())


def _under_way(job: Job, run: Run, now: datetime) -> Ping | None:
    """What a run under way has to say: its next step, or that it is done."""
    chance = random.Random(str(run.id))
    took, elapsed = history.seconds(job, chance), (now - run.at).total_seconds()
    if elapsed >= took:
        return history.success(job, now, elapsed, chance)
    if not job.steps:
        return None
    said = history.step_at(job, elapsed / took)
    known = (run.progress or {}).get("step")
    return history.log(said, now) if known is None or (said.step or 0) > known else None


def _next(job: Job, row: Monitor, now: datetime) -> Ping | None:
    """The start of the next run, or for a job that tells only its end, that end."""
    if row.due_at is None:
        return None
    chance = random.Random(f"{row.id}/{row.due_at}")
    if job.starts:
        return history.start(job, now) if row.due_at - _ahead(row) <= now else None
    took = history.seconds(job, chance)
    waits = timedelta(0) if row.schedule_kind == "every" else timedelta(seconds=took)
    if row.due_at - _ahead(row) + waits > now:
        return None
    return history.success(job, now, took, chance)


def _ahead(row: Monitor) -> timedelta:
    """A job that is due so and so long after its last ping is a little early, for it is late the moment it is due."""
    return AHEAD if row.schedule_kind == "every" else timedelta(0)
