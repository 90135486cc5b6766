"""What people do with many incidents at once: acknowledge, mute, resolve. A handful of statements for each slice.

Each incident is told of, and written down, as if somebody had done it to that one alone (services.incidents). Of very
many one call does no more than its caller has patience for: what it did is on disk, and another call goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import select

from tokiflow.core import status
from tokiflow.core.actors import Actor
from tokiflow.db import among, by_index, db, transaction
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
from tokiflow.services.monitor_rows import MonitorRow
from tokiflow.services.news import Facts, News, told

log = structlog.get_logger()

AT_ONCE = 500
"""So many share a transaction: their monitors are locked meanwhile, and pings wait for them."""

Pair = tuple[Incident, MonitorRow]

Patience = Callable[[], bool]
"""Whether there is time for one more slice."""


@dataclass(frozen=True)
class Done:
    """How many were changed, and how many it did not come to, as nobody had the patience."""

    changed: int
    left: int = 0


def _endless() -> bool:
    return True


def acknowledge(incident_ids: Sequence[UUID], by: Actor, now: datetime, patience: Patience = _endless) -> Done:
    """Somebody is on all that are open. After each slice it asks whether there is `patience` for another."""
    return _in_slices(incident_ids, partial(_acknowledge, by=by, now=now), patience)


def resolve(incident_ids: Sequence[UUID], by: Actor, now: datetime, patience: Patience = _endless) -> Done:
    """All that go on are over, and their monitors get a fresh chance; `patience` as in `acknowledge`."""
    return _in_slices(incident_ids, partial(_resolve, by=by, now=now), patience)


def mute(
    incident_ids: Sequence[UUID], until: datetime, by: Actor, now: datetime, patience: Patience = _endless
) -> Done:
    """No more messages about those that go on, until `until`; `patience` as in `acknowledge`. Raises
    Invalid for a time that has passed."""
    incidents.in_the_future(until, now)
    return _in_slices(incident_ids, partial(_mute, until=until, by=by, now=now), patience)


def _in_slices(incident_ids: Sequence[UUID], do: Callable[[Sequence[Pair]], int], patience: Patience) -> Done:
    """One slice at least: whoever calls again and again must come to an end."""
    changed = 0
    for start in range(0, len(incident_ids), AT_ONCE):
        if start and not patience():
            return Done(changed, len(incident_ids) - start)
        with transaction():
            changed += do(_locked(incident_ids[start : start + AT_ONCE]))
    return Done(changed)


def _locked(incident_ids: Sequence[UUID]) -> Sequence[Pair]:
    """Those that go on, each with its monitor, which is locked, in the order in which everybody locks them."""
    by_index()
    going_on = among(Incident.id, incident_ids), Incident.resolved_at.is_(None)
    rows = db.session.execute(
        select(*Monitor.__table__.columns)
        .where(Monitor.id.in_(select(Incident.monitor_id).where(*going_on)))
        .order_by(Monitor.id)
        .with_for_update(key_share=True, of=Monitor)
    )
    by_id = {row.id: row for row in rows}
    # Read after the locks were taken: somebody may have been faster.
    found = db.session.execute(
        select(Incident)
        .where(*going_on)
        .order_by(Incident.monitor_id, Incident.id)
        .execution_options(populate_existing=True)
    ).scalars()
    return [(_by_itself(one), by_id[one.monitor_id]) for one in found]


def _by_itself(incident: Incident) -> Incident:
    """The session does not look after it any more: what changes in it is written with the others' (`_save`)."""
    db.session.expunge(incident)
    return incident


def _save(found: Sequence[Pair], *names: str) -> None:
    """Write these columns of the incidents as they are now."""
    sets.update(Incident, [{"id": one.id, **{name: getattr(one, name) for name in names}} for one, _ in found])


def _acknowledge(found: Sequence[Pair], by: Actor, now: datetime) -> int:
    found = [(one, row) for one, row in found if one.status == "open"]
    for one, _ in found:
        one.status, one.acknowledged_at, one.acknowledged_by = "acknowledged", now, by.name
    _save(found, "status", "acknowledged_at", "acknowledged_by")
    timeline.write(*(timeline.step(one.id, "acknowledged", now, by) for one, _ in found))
    _audit("incident.acknowledged", found, by, now)
    _tell(found, "acknowledged", by, now)
    return len(found)


def _mute(found: Sequence[Pair], until: datetime, by: Actor, now: datetime) -> int:
    detail = {"until": until.isoformat()}
    for one, _ in found:
        one.muted_until = until
    _save(found, "muted_until")
    follow_up_rows.call_off_wake_ups([one.id for one, _ in found], f"It was muted by {by.name}.", now)
    timeline.write(*(timeline.step(one.id, "muted", now, by, detail=detail) for one, _ in found))
    _audit("incident.muted", found, by, now, detail)
    _tell(found, "muted", by, now)
    return len(found)


def _resolve(found: Sequence[Pair], by: Actor, now: datetime) -> int:
    steps: list[timeline.Step] = []
    words = f"resolved by {by.name}"
    news = [incident_rows.close(steps.append, one, now, by, row, words, by_person=True) for one, row in found]
    log.info("incidents_resolved", count=len(found))
    _save(found, "status", "resolved_at", "resolved_by", "resolved_by_person")
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
    facts = told([one.id for one, _ in found])
    alerts.plan([News(one, row, what, now, facts.get(one.id, Facts()), by.name) for one, row in found], now)


def _audit(what: str, found: Sequence[Pair], by: Actor, now: datetime, after: dict[str, str] | None = None) -> None:
    for one, row in found:
        audit.record(what, by, row.organization_id, now, object_id=one.id, object_name=one.summary, after=after)
