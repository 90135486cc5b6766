"""The chains that audit logs are: what their hashes are made of, and whether they hold (core.chain)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, true

from tokiflow.core import chain
from tokiflow.core.chain import Break, End
from tokiflow.db import db, in_transaction
from tokiflow.models import AuditChain, AuditEvent

STRETCH = 5_000
"""So many links are looked at with one question to the database: some tenths of a second."""
FIRST = End(0, "")


@dataclass(frozen=True)
class Stretch:
    """What a look at some links found. `at` is how far it came; `last` says that nothing follows."""

    at: End
    breaks: Sequence[Break]
    last: bool


def fixed(event: Mapping[Any, Any]) -> dict[str, Any]:
    """What never changes of an event, in ids: who, what, when, to which thing."""
    return {
        "id": str(event["id"]),
        "organization_id": str(event["organization_id"]),
        "at": event["at"].isoformat(),
        "what": event["what"],
        "by_kind": event["by_kind"],
        "by_id": event["by_id"] and str(event["by_id"]),
        "object_id": event["object_id"] and str(event["object_id"]),
    }


def words(event: Mapping[Any, Any]) -> dict[str, Any]:
    """What people wrote into an event, which may have to go one day."""
    return {name: event[name] for name in ("by", "object_name", "before", "after", "address")}


def get(organization_id: UUID) -> AuditChain | None:
    """Where the organization's log begins and ends; None where nothing was ever done."""
    return db.session.get(AuditChain, organization_id, populate_existing=True)


def has_links(organization_id: UUID) -> bool:
    """Whether there are events that must be in a chain."""
    links = select(AuditEvent.id).where(AuditEvent.organization_id == organization_id, AuditEvent.n.is_not(None))
    return db.session.execute(select(links.exists())).scalar_one()


def breaks(organization_id: UUID, key: bytes) -> Iterator[Break]:
    """Whatever does not hold in the organization's log: altered, removed and inserted events.

    It is read in stretches, with no transaction in between, so it may be long and people may go on meanwhile. Inside
    of a transaction() it is read in that.
    """
    at, last = FIRST, False
    while not last:
        found = stretch(organization_id, key, at)
        at, last = found.at, found.last
        yield from found.breaks
        if not in_transaction():
            db.session.rollback()


def stretch(organization_id: UUID, key: bytes, begin: End, most: int = STRETCH) -> Stretch:
    """Look at the next `most` links after `begin`, or at those after what is gone with age, if that is later."""
    rows = _links_after(organization_id, begin.n, most)
    head, events = rows[0], [row for row in rows if row.id is not None]
    begin = max(begin, End(head.gone_n, head.gone_hash), key=lambda one: one.n)
    end, last = End(head.head_n, head.head_hash), len(events) < most
    links = [chain.Link(one.n, fixed(one._mapping), words(one._mapping), one.words_hash, one.hash) for one in events]
    # Asked after the links were read: words that went meanwhile are excused as well.
    found = list(chain.breaks(key, links, begin, end, _redacted(organization_id), whole=last))
    at = next((End(one.n, one.hash) for one in reversed(events) if one.n <= end.n), begin)
    return Stretch(at, [*found, *_miscounted(organization_id)] if last else found, last)


def contains(organization_id: UUID, known: End) -> bool | None:
    """Whether the log still has the event that was `known` to have this number and hash. None if it is gone with age.

    It tells of all events up to that one, if the chain holds.
    """
    row = get(organization_id)
    if row is None:
        return known.n == 0
    if known.n < row.gone_n:
        return None
    if known.n == row.gone_n:
        return known.hash == row.gone_hash
    event = AuditEvent.organization_id == organization_id, AuditEvent.n == known.n
    return known.n <= row.n and db.session.scalar(select(AuditEvent.hash).where(*event)) == known.hash


def _links_after(organization_id: UUID, n: int, most: int) -> Sequence[Row[Any]]:
    """Links beside the ends of the chain, in one statement: they must be of one moment. At least one row, then
    without a link."""
    columns = AuditEvent.__table__.columns
    own = AuditEvent.organization_id == AuditChain.organization_id
    some = (
        select(*columns)
        .where(own, AuditEvent.n > func.greatest(AuditChain.gone_n, n))
        .order_by(AuditEvent.n)
        .limit(most)
        .lateral("links")
    )
    ends = AuditChain.gone_n, AuditChain.gone_hash, AuditChain.n.label("head_n"), AuditChain.hash.label("head_hash")
    statement = select(*ends, *some.c).select_from(AuditChain).outerjoin(some, true())
    statement = statement.where(AuditChain.organization_id == organization_id).order_by(some.c.n)
    return db.session.execute(statement).all()


def _miscounted(organization_id: UUID) -> Iterator[Break]:
    """Events from before the chain have nothing but their number to show that one came or went."""
    own = AuditEvent.organization_id == AuditChain.organization_id
    older = select(func.count()).where(own, AuditEvent.n.is_(None)).correlate(AuditChain).scalar_subquery()
    statement = select(AuditChain.before, older).where(AuditChain.organization_id == organization_id)
    before, found = db.session.execute(statement).one()
    if found != before:
        kind = "inserted" if found > before else "removed"
        yield Break(kind, 0, f"There should be {before} events from before the chain, and there are {found}")


def _redacted(organization_id: UUID) -> set[int]:
    """Numbers of events whose words were taken out. What says so is a link itself, and is looked at as such."""
    mine = AuditEvent.organization_id == organization_id, AuditEvent.n.is_not(None)
    said = select(AuditEvent.after).where(*mine, AuditEvent.what == chain.REDACTED)
    return {n for after in db.session.execute(said).scalars() for n in after.get("events", ())}
