"""What people do with many incidents at once: acknowledge, mute, resolve. A handful of statements, whatever the number.

Each incident is told of, and written down, as if somebody had done it to that one alone (services.incidents).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import select

from tokiflow.core import status
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Incident, Monitor
from tokiflow.services import (
    alerts,
    audit,
    follow_up_rows,
    follow_ups,
    incident_rows,
    incidents,
    monitor_rows,
    sets,
    timeline,
)
from tokiflow.services.incident_rows import OUTAGE
from tokiflow.services.news import Facts, News, told

AT_ONCE = 500
"""So many share a transaction: their monitors are locked meanwhile, and pings wait for them."""

Pair = tuple[Incident, Monitor]


def acknowledge(incident_ids: Sequence[UUID], by: Actor, now: datetime) -> int:
    """Somebody is on all that are open; how many that changes."""
    return _in_portions(incident_ids, partial(_acknowledge, by=by, now=now))


def resolve(incident_ids: Sequence[UUID], by: Actor, now: datetime) -> int:
    """All that go on are over, and their monitors get a fresh chance; how many."""
    return _in_portions(incident_ids, partial(_resolve, by=by, now=now))


def mute(incident_ids: Sequence[UUID], until: datetime, by: Actor, now: datetime) -> int:
    """No more messages about those that go on, until `until`; how many. Raises Invalid for a time that has passed."""
    incidents.in_the_future(until, now)
    return _in_portions(incident_ids, partial(_mute, until=until, by=by, now=now))


def _in_portions(incident_ids: Sequence[UUID], do: Callable[[Sequence[Pair]], int]) -> int:
    changed = 0
    for start in range(0, len(incident_ids), AT_ONCE):
        with transaction():
            changed += do(_locked(incident_ids[start : start + AT_ONCE]))
    return changed


def _locked(incident_ids: Sequence[UUID]) -> Sequence[Pair]:
    """Those that go on, each with its monitor, which is locked, in the order in which everybody locks them."""
    theirs = select(Incident.monitor_id).where(Incident.id.in_(incident_ids), Incident.resolved_at.is_(None))
    rows = db.session.execute(
        select(Monitor)
        .where(Monitor.id.in_(theirs))
        .order_by(Monitor.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).scalars()
    by_id = {row.id: row for row in rows}
    # Read after the locks were taken: somebody may have been faster.
    found = db.session.execute(
        select(Incident)
        .where(Incident.id.in_(incident_ids), Incident.resolved_at.is_(None))
        .order_by(Incident.monitor_id, Incident.id)
        .execution_options(populate_existing=True)
    ).scalars()
    return [(one, by_id[one.monitor_id]) for one in found]


def _acknowledge(found: Sequence[Pair], by: Actor, now: datetime) -> int:
    found = [(one, row) for one, row in found if one.status == "open"]
    for one, _ in found:
        one.status, one.acknowledged_at, one.acknowledged_by = "acknowledged", now, by.name
    timeline.write(*(timeline.step(one.id, "acknowledged", now, by) for one, _ in found))
    _audit("incident.acknowledged", found, by, now)
    _tell(found, "acknowledged", by, now)
    return len(found)


def _mute(found: Sequence[Pair], until: datetime, by: Actor, now: datetime) -> int:
    detail = {"until": until.isoformat()}
    for one, _ in found:
        one.muted_until = until
    follow_up_rows.call_off_wake_ups([one.id for one, _ in found], f"It was muted by {by.name}.", now)
    timeline.write(*(timeline.step(one.id, "muted", now, by, detail=detail) for one, _ in found))
    _audit("incident.muted", found, by, now, detail)
    _tell(found, "muted", by, now)
    return len(found)


def _resolve(found: Sequence[Pair], by: Actor, now: datetime) -> int:
    steps: list[timeline.Step] = []
    words = f"resolved by {by.name}"
    news = [incident_rows.close(steps.append, one, now, by, row, words, by_person=True) for one, row in found]
    db.session.flush()
    timeline.write(*steps)
    _audit("incident.resolved", found, by, now)
    alerts.plan(news, now)
    down = {row.id: row for one, row in found if one.class_ == OUTAGE}
    follow_ups.release_blocked(list(down), now)
    runs = monitor_rows.runs_at_hand(list(down), now)
    fresh = {id: status.resolve(monitor_rows.state(row), monitor_rows.rules(row), now) for id, row in down.items()}
    sets.update(Monitor, [{"id": id, **monitor_rows.columns(known, runs[id])} for id, known in fresh.items()])
    return len(found)


def _tell(found: Sequence[Pair], what: str, by: Actor, now: datetime) -> None:
    """Whoever was told of the trouble and follows such things hears of it, through the outbox."""
    db.session.flush()
    facts = told([one.id for one, _ in found])
    alerts.plan([News(one, row, what, now, facts.get(one.id, Facts()), by.name) for one, row in found], now)


def _audit(what: str, found: Sequence[Pair], by: Actor, now: datetime, after: dict[str, str] | None = None) -> None:
    for one, row in found:
        audit.record(what, by, row.organization_id, now, object_id=one.id, object_name=one.summary, after=after)
