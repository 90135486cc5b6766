"""Who did what to which thing: the log, newest first, narrowed down to what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Text, cast, exists, func, or_, select, tuple_

from tokiflow.db import db
from tokiflow.models import AuditEvent, Organization
from tokiflow.queries.paging import encode, moment_and_id

READ_AT_ONCE = 2_000
COUNTED = 10_000
"""Nobody needs to know more exactly how many events match than that there are more."""


@dataclass(frozen=True)
class Filter:
    """What of an organization's log is wanted. All that is given must hold.

    by_kind, by_id: who did it, as in core.actors. whats: any of these (`monitor.paused`). since, until: from this
    moment on, and before that one. words: anywhere in it, in any case.
    """

    by_kind: str = ""
    by_id: UUID | None = None
    whats: tuple[str, ...] = ()
    object_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        said = {
            "by_kind": self.by_kind,
            "by_id": self.by_id and str(self.by_id),
            "whats": list(self.whats),
            "object_id": self.object_id and str(self.object_id),
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "words": self.words,
        }
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Filter:
        """The filter that `to_json` told."""
        by_id, object_id = (UUID(said[name]) if name in said else None for name in ("by_id", "object_id"))
        since, until = (datetime.fromisoformat(said[name]) if name in said else None for name in ("since", "until"))
        whats, words = tuple(said.get("whats", ())), said.get("words", "")
        return cls(said.get("by_kind", ""), by_id, whats, object_id, since, until, words)


EVERYTHING = Filter()


@dataclass(frozen=True)
class Window:
    """Some events, newest first, and the cursors of what is newer and older (None where nothing is)."""

    items: Sequence[AuditEvent]
    newer: str | None
    older: str | None


def window(
    organization_id: UUID, wanted: Filter, *, after: str | None = None, before: str | None = None, limit: int
) -> Window:
    """Events, newest first: those after a cursor (older), before one (newer), or the newest.

    Raises Malformed for a cursor that is none of ours.
    """
    statement = select(AuditEvent).where(*_matching(organization_id, wanted)).limit(limit + 1)
    if before:
        statement = statement.where(tuple_(*moment_and_id(before)) < _PLACE)
        found = db.session.execute(statement.order_by(AuditEvent.at, AuditEvent.id)).scalars().all()
        items = found[:limit][::-1]
        return Window(items, _cursor(items[0]) if len(found) > limit else None, _cursor(items[-1]) if items else None)
    if after:
        statement = statement.where(tuple_(*moment_and_id(after)) > _PLACE)
    found = db.session.execute(statement.order_by(*_NEWEST_FIRST)).scalars().all()
    items = found[:limit]
    older = _cursor(items[-1]) if len(found) > limit else None
    return Window(items, _cursor(items[0]) if after and items else None, older)


def count(organization_id: UUID, wanted: Filter = EVERYTHING, most: int | None = None) -> int:
    """How many events match; with `most`, nobody counts further than one more than that."""
    matching = select(AuditEvent.id).where(*_matching(organization_id, wanted))
    some = (matching.limit(most + 1) if most is not None else matching).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def oldest_first(organization_id: UUID, wanted: Filter = EVERYTHING) -> Iterator[Row[Any]]:
    """All columns of the events that match, some rows at a time, so that the log may be long."""
    statement = select(*AuditEvent.__table__.columns).where(*_matching(organization_id, wanted))
    statement = statement.order_by(AuditEvent.at, AuditEvent.id).limit(READ_AT_ONCE)
    found = db.session.execute(statement).all()
    while found:
        yield from found
        last = found[-1]
        found = db.session.execute(statement.where(tuple_(last.at, last.id) < _PLACE)).all()


def of_object(organization_id: UUID, object_id: UUID, most: int) -> Sequence[AuditEvent]:
    """What people did to one thing, newest first."""
    statement = (
        select(AuditEvent)
        .where(AuditEvent.organization_id == organization_id, AuditEvent.object_id == object_id)
        .order_by(AuditEvent.id.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


def oldest_at(organization_id: UUID) -> datetime | None:
    """From when the oldest event is; None in an empty log."""
    return db.session.scalar(select(func.min(AuditEvent.at)).where(AuditEvent.organization_id == organization_id))


def was_done(what: str, organization_id: UUID, since: datetime) -> bool:
    """Whether anybody did this in the organization since then."""
    mine = AuditEvent.organization_id == organization_id, AuditEvent.what == what, AuditEvent.at > since
    return db.session.execute(select(select(AuditEvent.id).where(*mine).exists())).scalar_one()


def organizations_with_events_before(before: datetime) -> Sequence[UUID]:
    """Whose log has events from before this moment."""
    old = exists().where(AuditEvent.organization_id == Organization.id, AuditEvent.at < before)
    return db.session.execute(select(Organization.id).where(old)).scalars().all()


_PLACE = tuple_(AuditEvent.at, AuditEvent.id)
_NEWEST_FIRST = (AuditEvent.at.desc(), AuditEvent.id.desc())


def _cursor(event: AuditEvent) -> str:
    return encode(event.at.isoformat(), str(event.id))


def _matching(organization_id: UUID, wanted: Filter) -> Iterator[ColumnElement[bool]]:
    yield AuditEvent.organization_id == organization_id
    if wanted.by_kind:
        yield AuditEvent.by_kind == wanted.by_kind
    if wanted.by_id:
        yield AuditEvent.by_id == wanted.by_id
    if wanted.whats:
        yield AuditEvent.what.in_(wanted.whats)
    if wanted.object_id:
        yield AuditEvent.object_id == wanted.object_id
    if wanted.since:
        yield AuditEvent.at >= wanted.since
    if wanted.until:
        yield AuditEvent.at < wanted.until
    if wanted.words:
        said = (AuditEvent.object_name, AuditEvent.by, AuditEvent.address, AuditEvent.before, AuditEvent.after)
        yield or_(*(cast(one, Text).icontains(wanted.words, autoescape=True) for one in said))
