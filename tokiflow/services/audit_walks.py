"""Once a day each log of who did what is walked along, link by link: does it still hold?

In stretches of a moment each, which may be the last for now: how far a walk has come is kept beside the chain, so that
another worker goes on. The end of a walk that found nothing is kept, too: the log must still contain it next time, or
somebody began it anew. Whatever does not hold is written down, and the owners are told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from tokiflow.core import links
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.chain import End
from tokiflow.core.roles import Role
from tokiflow.db import changed, db, transaction
from tokiflow.models import AuditChain, Membership, Organization, User
from tokiflow.queries import audit_chains
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, letters

log = structlog.get_logger()

EVERY = timedelta(days=1)
LEASE = timedelta(minutes=5)
STEP_SECONDS = 2.0
"""Then other jobs of this worker have their turn."""
KEPT = 20
"""So many sentences about what does not hold are kept: whoever reads them knows by then."""

ENDS_MOVED = "Its beginning and its end are not where we left them: events were taken from there"
NO_KEY = "It can’t be verified: SECRET_KEY is another than when the log began. Give back the former one"


def ring() -> None:
    """Ring for logs to be walked along, if any is due. The clock calls this."""
    enqueue(Job.WALK_AUDIT_LOGS)


def walk_due(now: datetime, seconds: float = STEP_SECONDS) -> bool:
    """Walk along the logs that are due. After about `seconds` it rings for the rest and gives False."""
    until = time.monotonic() + seconds
    while (claimed := _claim(now)) is not None:
        _go_on(claimed, now)
        if time.monotonic() > until:
            enqueue(Job.WALK_AUDIT_LOGS)
            return False
    return True


def _claim(now: datetime) -> Any:
    """Take the lease on the log that has waited longest: its row, copied out. None if none is due."""
    due = select(AuditChain.organization_id).where(AuditChain.walk_at <= now).order_by(AuditChain.walk_at).limit(1)
    with transaction():
        return db.session.execute(
            update(AuditChain)
            .where(AuditChain.organization_id == due.with_for_update(skip_locked=True).scalar_subquery())
            .values(walk_at=now + LEASE)
            .returning(*AuditChain.__table__.columns)
            .execution_options(synchronize_session=False)
        ).one_or_none()


def _go_on(row: Any, now: datetime) -> None:
    """One stretch of a walk, the first or a further one; it is over where nothing follows."""
    walk = row.walk or {"n": 0, "hash": "", "found": list(_forgotten(row))}
    try:
        key = audit.key_of(row)
    except ValueError:
        _arrive(row, End(0, ""), [NO_KEY], now)
        return
    seen = audit_chains.stretch(row.organization_id, key, End(walk["n"], walk["hash"]))
    found = [*walk["found"], *(one.said for one in seen.breaks)][:KEPT]
    if seen.last:
        found += [] if audit.ends_hold(row) else [ENDS_MOVED]
        _arrive(row, seen.at, found, now)
        return
    walk = {"n": seen.at.n, "hash": seen.at.hash, "found": found}
    with transaction():
        _set(row.organization_id, walk=walk, walk_at=now)


def _forgotten(row: Any) -> Iterator[str]:
    """Whether the log no longer contains what it ended with when it was last verified."""
    known = End(row.verified_n, row.verified_hash)
    if audit_chains.contains(row.organization_id, known) is False:
        yield f"It no longer contains event {known.n} as it was when it was last verified"


def _arrive(row: Any, at: End, found: Sequence[str], now: datetime) -> None:
    """The walk is over: all holds up to `at`, or `found` does not."""
    values: dict[str, Any] = {"walk": None, "walk_at": now + EVERY, "broken": list(found)}
    if found:
        values |= {"broken_at": row.broken_at or now}
    else:
        values |= {"broken_at": None, "verified_n": at.n, "verified_hash": at.hash, "verified_at": now}
    new = [one for one in found if one not in row.broken]
    with transaction():
        if new:
            _raise_alarm(row.organization_id, new, now)
        if not found:
            audit.seal_ends(row.organization_id)
        # Last, as everywhere: whoever holds the end of a log waits for nobody.
        _set(row.organization_id, **values)
    log.info("audit_log_walked", organization=str(row.organization_id), n=at.n, broken=len(found))


def _raise_alarm(organization_id: UUID, found: Sequence[str], now: datetime) -> None:
    """Write it into the log itself, and to the owners."""
    if NO_KEY not in found:
        audit.record(
            "audit_log.found_broken", TOKIFLOW, organization_id, now,
            object_id=organization_id, after={"found": list(found)},
        )  # fmt: skip
    organization = db.session.get_one(Organization, organization_id).name
    path = links.within(organization_id, "/app/settings/audit-logs")
    context = {"organization": organization, "found": list(found), "path": path}
    for address in _owners(organization_id):
        subject = f"The audit log of {organization} does not hold"
        letters.post("audit_broken", address, subject, context, organization_id, now)
    log.error("audit_log_broken", organization=str(organization_id), found=len(found))


def _owners(organization_id: UUID) -> Sequence[str]:
    statement = (
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organization_id == organization_id, Membership.role == str(Role.OWNER))
        .order_by(User.email)
    )
    return db.session.execute(statement).scalars().all()


def _set(organization_id: UUID, **values: Any) -> None:
    changed(update(AuditChain).where(AuditChain.organization_id == organization_id).values(**values))
