"""Incidents for pages and API, newest first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, or_, select, tuple_
from sqlalchemy.orm import joinedload

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Incident, IncidentEvent, Monitor, User
from tokiflow.queries.paging import Page, encode, moment_and_id

READ_AT_ONCE = 1_000
MOST_WORDS = 10
"""So many are looked for at once; others are passed over."""
OUTAGES = frozenset({"missed", "overrun", "failed"})
"""The kinds of incident that are critical."""


@dataclass(frozen=True)
class Filter:
    """What of an organization's incidents is wanted. All that is given must hold.

    status: may be `unresolved` (open or acknowledged). severity: critical or warning. since, until: opened from this
    moment on, and before that one. words: each in the monitor's name, in what happened, or in a comment. assigned_to: a
    person, or `unassigned`. hand: who has it, or ever did something about it.
    """

    status: str = ""
    kind: str = ""
    severity: str = ""
    monitor_id: UUID | None = None
    tag: str = ""
    assigned_to: UUID | None = None
    unassigned: bool = False
    hand: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        said = {name: _plain(value) for name, value in vars(self).items()}
        return {name: value for name, value in said.items() if value}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Filter:
        """The filter that `to_json` told."""
        values: dict[str, Any] = {one.name: said[one.name] for one in fields(cls) if one.name in said}
        for name in {"monitor_id", "assigned_to", "hand"} & values.keys():
            values[name] = UUID(values[name])
        for name in {"since", "until"} & values.keys():
            values[name] = datetime.fromisoformat(values[name])
        return cls(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@dataclass(frozen=True)
class Tally:
    """How many incidents there are by status, kind and severity."""

    by: Mapping[tuple[str, str, str], int]

    def count(self, status: str = "", kind: str = "", severity: str = "") -> int:
        """How many have these; empty is any, and the status may be `unresolved`."""
        return sum(
            number
            for (of_status, of_kind, of_severity), number in self.by.items()
            if kind in ("", of_kind)
            and severity in ("", of_severity)
            and (status in ("", of_status) or (status == "unresolved" and of_status != "resolved"))
        )


@dataclass(frozen=True)
class Window:
    """Some incidents, newest first, and the cursors of what is newer and older (None where nothing is)."""

    items: Sequence[Incident]
    newer: str | None
    older: str | None


def get(incident_id: UUID) -> Incident:
    """The incident with its monitor. Raises NotFound. Whoever calls checks the organization."""
    statement = select(Incident).where(Incident.id == incident_id).options(joinedload(Incident.monitor))
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise errors.NotFound
    return found


def page(organization_id: UUID, wanted: Filter, cursor: str | None, limit: int) -> Page[Incident]:
    """Incidents with their monitors, the latest opened first."""
    statement = matching(organization_id, wanted).options(joinedload(Incident.monitor))
    if cursor:
        opened, key = moment_and_id(cursor)
        statement = statement.where(tuple_(Incident.opened_at, Incident.id) < tuple_(opened, key))
    statement = statement.order_by(Incident.opened_at.desc(), Incident.id.desc()).limit(limit + 1)
    found = list(db.session.execute(statement).scalars())
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode(last.opened_at.isoformat(), str(last.id)) if last else None)


def window(
    organization_id: UUID, wanted: Filter, *, after: str | None = None, before: str | None = None, limit: int
) -> Window:
    """Incidents with their monitors, newest first: those after a cursor (older), before one (newer), or the newest.

    Raises Malformed for a cursor that is none of ours.
    """
    statement = matching(organization_id, wanted).options(joinedload(Incident.monitor)).limit(limit + 1)
    place = tuple_(Incident.opened_at, Incident.id)
    if before:
        statement = statement.where(place > tuple_(*moment_and_id(before)))
        found = list(db.session.execute(statement.order_by(Incident.opened_at, Incident.id)).scalars())
        items = found[:limit][::-1]
        return Window(items, _place(items[0]) if len(found) > limit else None, _place(items[-1]) if items else None)
    if after:
        statement = statement.where(place < tuple_(*moment_and_id(after)))
    found = list(db.session.execute(statement.order_by(Incident.opened_at.desc(), Incident.id.desc())).scalars())
    items = found[:limit]
    return Window(
        items, _place(items[0]) if after and items else None, _place(items[-1]) if len(found) > limit else None
    )


def _place(incident: Incident) -> str:
    return encode(incident.opened_at.isoformat(), str(incident.id))


def unresolved(organization_id: UUID, most: int = 50) -> Sequence[Incident]:
    """What is wrong now, with its monitor: what nobody has acknowledged first, then the newest."""
    statement = (
        matching(organization_id, Filter(status="unresolved"))
        .options(joinedload(Incident.monitor))
        .order_by(Incident.status.desc(), Incident.opened_at.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


def unresolved_of(monitor_ids: Sequence[UUID]) -> dict[UUID, Incident]:
    """By monitor: what is wrong with it now, an outage before anything else."""
    found: dict[UUID, Incident] = {}
    for incident in going_on(monitor_ids) if monitor_ids else ():
        found.setdefault(incident.monitor_id, incident)
    return found


def going_on(monitor_ids: Sequence[UUID]) -> Sequence[Incident]:
    """All that is wrong with these monitors now, outages before anything else."""
    statement = select(Incident).where(Incident.monitor_id.in_(monitor_ids), Incident.resolved_at.is_(None))
    return db.session.execute(statement.order_by(Incident.class_)).scalars().all()


def of_monitor(monitor_id: UUID, most: int = 10) -> Sequence[Incident]:
    """The monitor's latest incidents, each with the monitor."""
    statement = select(Incident).where(Incident.monitor_id == monitor_id).options(joinedload(Incident.monitor))
    return db.session.execute(statement.order_by(Incident.opened_at.desc()).limit(most)).scalars().all()


def last_ended_at(organization_id: UUID) -> datetime | None:
    """When the incident that ended last did; None if none ever has."""
    statement = select(func.max(Incident.resolved_at)).where(Incident.organization_id == organization_id)
    return db.session.execute(statement).scalar_one()


def tally(organization_id: UUID, wanted: Filter | None = None) -> Tally:
    """How many there are of each status, kind and severity; `wanted` narrows by all but these three. One statement."""
    wanted = wanted or Filter()
    by = Incident.status, Incident.kind, _SEVERITY
    statement = _narrowed(select(*by, func.count()), organization_id, wanted).group_by(*by)
    return Tally({(row[0], row[1], row[2]): row[3] for row in db.session.execute(statement)})


def count_unresolved(organization_id: UUID) -> int:
    """How many incidents are not resolved."""
    statement = select(func.count()).where(Incident.organization_id == organization_id, Incident.resolved_at.is_(None))
    return db.session.execute(statement).scalar_one()


def count(organization_id: UUID, wanted: Filter) -> int:
    """How many match."""
    statement = matching(organization_id, wanted).with_only_columns(func.count())
    return db.session.execute(statement).scalar_one()


def keys(
    organization_id: UUID,
    wanted: Filter,
    *,
    known_by: datetime | None = None,
    among: Collection[UUID] | None = None,
) -> Select[Any]:
    """The ids of those that match. known_by: only those there were then, for who says "all of them" means what they
    saw. among: only these."""
    statement = matching(organization_id, wanted).with_only_columns(Incident.id)
    if known_by is not None:
        statement = statement.where(Incident.created_at <= known_by)
    return statement if among is None else statement.where(Incident.id.in_(among))


def without(keys: Select[Any], what: str, by: UUID, since: datetime) -> Select[Any]:
    """Of these the ids of those to which the person has not done `what` (a step of the timeline) since that moment."""
    step = IncidentEvent
    done = select(step.id).where(
        step.incident_id == Incident.id, step.what == what, step.user_id == by, step.at >= since
    )
    return keys.where(~done.exists())


def newest_first(organization_id: UUID, wanted: Filter) -> Iterator[tuple[Incident, Monitor, str]]:
    """Incidents that match, each with its Monitor and the name of whom it is assigned to, some rows at a time."""
    named = func.coalesce(func.nullif(User.name, ""), User.email, "")
    statement = (
        matching(organization_id, wanted)
        .with_only_columns(Incident, Monitor, named)
        .join(Monitor, Monitor.id == Incident.monitor_id)
        .outerjoin(User, User.id == Incident.assigned_to)
        .order_by(Incident.opened_at.desc(), Incident.id.desc())
        .limit(READ_AT_ONCE)
    )
    found = db.session.execute(statement).all()
    while found:
        yield from ((row[0], row[1], row[2]) for row in found)
        last = found[-1][0]
        place = tuple_(Incident.opened_at, Incident.id) < tuple_(last.opened_at, last.id)
        found = db.session.execute(statement.where(place)).all() if len(found) == READ_AT_ONCE else []


def standing(keys: Select[Any]) -> dict[str, int]:
    """By status: how many of these there are."""
    statement = select(Incident.status, func.count()).where(Incident.id.in_(keys)).group_by(Incident.status)
    return {row[0]: row[1] for row in db.session.execute(statement)}


def some_of(keys: Select[Any], status: Collection[str], most: int) -> Sequence[Incident]:
    """The newest of these that have one of these statuses, with their monitors."""
    statement = select(Incident).where(Incident.id.in_(keys), Incident.status.in_(status))
    statement = statement.options(joinedload(Incident.monitor)).order_by(Incident.opened_at.desc(), Incident.id.desc())
    return db.session.execute(statement.limit(most)).scalars().all()


_SEVERITY = case((Incident.class_ == "outage", "critical"), else_="warning")


def matching(organization_id: UUID, wanted: Filter) -> Select[Any]:
    """A statement for those that match, in no order."""
    statement = _narrowed(select(Incident), organization_id, wanted)
    if wanted.status == "unresolved":
        statement = statement.where(Incident.resolved_at.is_(None))
    elif wanted.status:
        statement = statement.where(Incident.status == wanted.status)
    if wanted.kind:
        statement = statement.where(Incident.kind == wanted.kind)
    if wanted.severity:
        statement = statement.where(Incident.class_ == ("outage" if wanted.severity == "critical" else "performance"))
    return statement


def _narrowed(statement: Select[Any], organization_id: UUID, wanted: Filter) -> Select[Any]:
    """By all of `wanted` but status, kind and severity."""
    statement = statement.where(Incident.organization_id == organization_id)
    if wanted.monitor_id:
        statement = statement.where(Incident.monitor_id == wanted.monitor_id)
    if wanted.tag:
        tagged = select(Monitor.id).where(
            Monitor.organization_id == organization_id, Monitor.tags.contains([wanted.tag])
        )
        statement = statement.where(Incident.monitor_id.in_(tagged))
    if wanted.unassigned:
        statement = statement.where(Incident.assigned_to.is_(None))
    if wanted.assigned_to:
        statement = statement.where(Incident.assigned_to == wanted.assigned_to)
    if wanted.hand:
        theirs = select(IncidentEvent.incident_id).where(IncidentEvent.user_id == wanted.hand)
        statement = statement.where(or_(Incident.assigned_to == wanted.hand, Incident.id.in_(theirs)))
    if wanted.since:
        statement = statement.where(Incident.opened_at >= wanted.since)
    if wanted.until:
        statement = statement.where(Incident.opened_at < wanted.until)
    for word in wanted.words.replace("\x00", "").split()[:MOST_WORDS]:
        statement = statement.where(_says(organization_id, word))
    return statement


def _says(organization_id: UUID, word: str) -> Any:
    named = select(Monitor.id).where(
        Monitor.organization_id == organization_id, Monitor.name.icontains(word, autoescape=True)
    )
    # Within this organization's: others' comments would be read for nothing.
    said = (
        select(IncidentEvent.incident_id)
        .where(
            IncidentEvent.incident_id == Incident.id,
            IncidentEvent.what == "commented",
            IncidentEvent.text.icontains(word, autoescape=True),
        )
        .exists()
    )
    return or_(Incident.summary.icontains(word, autoescape=True), Incident.monitor_id.in_(named), said)
