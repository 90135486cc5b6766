"""Fill the first organization: people, channels, monitors, then their month."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from tokiflow.core import ids, monitor_draft
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.local.demo import history, tables
from tokiflow.local.demo.job import Ending, Job
from tokiflow.local.demo.jobs import JOBS
from tokiflow.local.demo.replay import Life
from tokiflow.local.demo.story import Story, date_back
from tokiflow.models import Membership, Monitor, Organization, User
from tokiflow.services import channels, judging, monitor_rows, monitors, people, recipients

SEED = 2026
COMPANY = "Harbour Freight"
TEAM = {"Alice": Role.ADMIN, "Bob": Role.MEMBER, "Mia": Role.MEMBER, "Vera": Role.VIEWER}
CHANNELS: Sequence[dict[str, Any]] = (
    {"kind": "email", "name": "On-call mail", "config": {"to": ["oncall@harbour.example"]}},
    {"kind": "slack", "name": "#terminal-ops", "config": {"url": "https://chat.harbour.example/hooks/ops"}},
    {"kind": "webhook", "name": "Status board", "config": {"url": "https://board.harbour.example/tokiflow"}},
)


@dataclass(frozen=True)
class Filled:
    """What there is now. `new` is False if the demo was there already and nothing was written."""

    organization: str
    monitors: int
    runs: int
    incidents: int
    new: bool = True


def fill(now: datetime, say: Callable[[str], object] = lambda text: None, seed: int = SEED) -> Filled:
    """Fill the first organization of this instance, or the new one of whoever sits here, with the month before `now`.

    The same `seed` tells the same story. `say` hears of every slow step. Does nothing if the demo is there already.
    """
    with transaction():
        organization = _organization(now)
        # Two at once: the second waits here, and then finds the first one's monitors.
        db.session.execute(select(func.pg_advisory_xact_lock(organization.id.int % (1 << 63))))
        there = of_demo(organization.id)
        if there:
            return Filled(organization.name, len(there), 0, 0, new=False)
        say("People, channels and monitors")
        team = _team(organization.id, now)
        for one in CHANNELS:
            # Nobody reads the mails of people who are made up.
            recipients.take_as_confirmed(organization.id, one["config"].get("to", ()), now - history.LENGTH)
        channel_ids = [channels.create(organization.id, one, team["Alice"], now - history.LENGTH) for one in CHANNELS]
        made = _monitors(organization.id, team, now)
        say("A month of pings")
        lives = [_live(job, row, now, seed) for job, row in made]
        _write(lives)
        say("Incidents, and who was told")
        story = Story(team, channel_ids, random.Random(seed), now)
        for (job, row), life in zip(made, lives, strict=True):
            story.tell(job, row, life)
            if job.ending is Ending.PAUSED:
                story.add(now - history.PAUSED_FOR, partial(monitors.pause, row.id, None, team["Bob"]))
            if job.ending is Ending.UNUSUAL and row.last_ping_at:
                story.add(row.last_ping_at, partial(story.judge, row.id))
        story.happen()
        say("What is usual")
        for _, row in made:
            judging.judge([row.id], now, tell=False)
        found = date_back([row.id for _, row in made])
        return Filled(organization.name, len(made), sum(len(life.run_rows) for life in lives), found)


def of_demo(organization_id: UUID) -> list[tuple[Job, Monitor]]:
    """The demo's jobs that the organization has, with their monitors."""
    by_slug = {monitor_draft.slug_from(job.name): job for job in JOBS}
    statement = select(Monitor).where(Monitor.organization_id == organization_id, Monitor.slug.in_(by_slug))
    return [(by_slug[row.slug], row) for row in db.session.execute(statement).scalars()]


def first_organization() -> Organization | None:
    """The oldest organization of this instance."""
    statement = select(Organization).order_by(Organization.created_at, Organization.id).limit(1)
    return db.session.execute(statement).scalar_one_or_none()


def _organization(now: datetime) -> Organization:
    found = first_organization()
    if found is None:
        # What opening the pages for the first time would make, but under the company's name.
        people.ensure(people.LOCAL_ADDRESS, "You", now, organization=COMPANY)
        found = first_organization()
    assert found is not None
    return found


def _team(organization_id: UUID, now: datetime) -> dict[str, Actor]:
    """The colleagues, each with a role; they have no organization of their own."""
    joined = now - history.LENGTH
    team = {}
    for name, role in TEAM.items():
        address = f"{name.lower()}@harbour.example"
        row = insert(User).values(id=ids.new(), email=address, name=name, timezone="Europe/Berlin", created_at=joined)
        db.session.execute(row.on_conflict_do_nothing(index_elements=["email"]))
        user_id = db.session.execute(select(User.id).where(User.email == address)).scalar_one()
        membership = insert(Membership).values(
            organization_id=organization_id, user_id=user_id, role=role.value, created_at=joined
        )
        db.session.execute(membership.on_conflict_do_nothing())
        team[name] = Actor("person", name, user_id)
    return team


def _monitors(organization_id: UUID, team: dict[str, Actor], now: datetime) -> list[tuple[Job, Monitor]]:
    born = now - history.LENGTH - timedelta(hours=1)
    for job in JOBS:
        values = {
            "name": job.name,
            "description": job.description,
            "tags": list(job.tags),
            "schedule": job.schedule,
            "grace_seconds": job.grace,
            "max_runtime_seconds": job.max_runtime,
        }
        since = now - timedelta(hours=2) if job.ending is Ending.NEW else born
        monitors.create(organization_id, values, team["Alice"], since)
    return of_demo(organization_id)


def _live(job: Job, row: Monitor, now: datetime, seed: int) -> Life:
    chance = random.Random(f"{seed}/{job.name}")
    rules = monitor_rows.rules(row)
    life = Life(row.id, rules)
    # A paused job was watched until it was paused.
    until = now - history.PAUSED_FOR if job.ending is Ending.PAUSED else now
    life.live(history.pings(job, rules.schedule, now, chance), until)
    return life


def _write(lives: Sequence[Life]) -> None:
    tables.copy("runs", tables.RUNS, (row for life in lives for row in life.run_rows.values()))
    tables.copy("pings", tables.PINGS, (row for life in lives for row in life.ping_rows))
    db.session.execute(
        update(Monitor),
        [
            {"id": life.monitor_id, "ping_count": len(life.ping_rows)}
            | monitor_rows.columns(life.state, life.open_runs.values())
            for life in lives
        ],
    )
