"""Who did what to which thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from tokiflow.core import chain
from tokiflow.db import db
from tokiflow.models import AuditChain, AuditEvent

READ_AT_ONCE = 2_000


def of_object(organization_id: UUID, object_id: UUID, most: int) -> Sequence[AuditEvent]:
    """What people did to one thing, newest first."""
    statement = (
        select(AuditEvent)
        .where(AuditEvent.organization_id == organization_id, AuditEvent.object_id == object_id)
        .order_by(AuditEvent.id.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


def count(organization_id: UUID, until: datetime) -> int:
    """How many events the log holds up to this moment."""
    mine = AuditEvent.organization_id == organization_id, AuditEvent.at <= until
    return db.session.scalar(select(func.count()).where(*mine)) or 0


def oldest_first(organization_id: UUID, until: datetime) -> Iterator[AuditEvent]:
    """The events up to this moment, some at a time, so that the log may be long. They are let go of as they pass."""
    after = UUID(int=0)
    while True:
        statement = (
            select(AuditEvent)
            .where(AuditEvent.organization_id == organization_id, AuditEvent.id > after, AuditEvent.at <= until)
            .order_by(AuditEvent.id)
            .limit(READ_AT_ONCE)
        )
        found = db.session.execute(statement).scalars().all()
        yield from found
        if len(found) < READ_AT_ONCE:
            return
        after = found[-1].id
        db.session.expunge_all()


def organizations_with_events_before(before: datetime) -> Sequence[UUID]:
    """Whose log has events from before this moment."""
    statement = select(AuditEvent.organization_id).where(AuditEvent.at < before).distinct()
    return db.session.execute(statement).scalars().all()


# --- the chain --------------------------------------------------------------------------------------------------


def fixed(event: AuditEvent) -> dict[str, Any]:
    """What never changes of an event, in ids: who, what, when, to which thing."""
    return {
        "id": str(event.id),
        "organization_id": str(event.organization_id),
        "at": event.at.isoformat(),
        "what": event.what,
        "by_kind": event.by_kind,
        "by_id": event.by_id and str(event.by_id),
        "object_id": event.object_id and str(event.object_id),
    }


def words(event: AuditEvent) -> dict[str, Any]:
    """What people wrote into an event, which may have to go one day."""
    return {
        "by": event.by,
        "object_name": event.object_name,
        "before": event.before,
        "after": event.after,
        "address": event.address,
    }


def chain_of(organization_id: UUID) -> AuditChain | None:
    """Where the organization's log begins and ends; None where nothing was ever done."""
    return db.session.get(AuditChain, organization_id, populate_existing=True)


def breaks(row: AuditChain, key: bytes) -> Iterator[chain.Break]:
    """Whatever does not hold in the organization's log: altered, removed and inserted events. None of it is loaded
    whole, so it may be long."""
    begin, end = chain.End(row.gone_n, row.gone_hash), chain.End(row.n, row.hash)
    yield from chain.breaks(key, _links(row), begin, end, _redacted(row))
    older = db.session.scalar(select(func.count()).where(_of(row), AuditEvent.n.is_(None))) or 0
    if older != row.before:
        kind = "inserted" if older > row.before else "removed"
        yield chain.Break(kind, 0, f"There should be {row.before} events from before the chain, and there are {older}")


def _of(row: AuditChain) -> ColumnElement[bool]:
    return AuditEvent.organization_id == row.organization_id


def _links(row: AuditChain) -> Iterator[chain.Link]:
    after = row.gone_n
    while True:
        statement = select(AuditEvent).where(_of(row), AuditEvent.n > after).order_by(AuditEvent.n)
        events = db.session.execute(statement.limit(READ_AT_ONCE).execution_options(populate_existing=True)).scalars()
        for event in (found := events.all()):
            assert event.n is not None
            yield chain.Link(event.n, fixed(event), words(event), event.words_hash, event.hash)
            after = event.n
        if len(found) < READ_AT_ONCE:
            return


def _redacted(row: AuditChain) -> set[int]:
    """Numbers of events whose words were taken out. What says so is a link itself, and is looked at as such."""
    said = select(AuditEvent.after).where(_of(row), AuditEvent.what == chain.REDACTED, AuditEvent.n.is_not(None))
    return {n for after in db.session.execute(said).scalars() for n in after.get("events", ())}
