"""What was promised and given up: the dead letters of an organization. A test that failed is none of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true
from sqlalchemy.orm import aliased, contains_eager

from tokiflow.db import db
from tokiflow.models import Alert, Attempt, Channel, Delivery, Incident
from tokiflow.queries.paging import encode, only_id


@dataclass(frozen=True)
class Filter:
    """Which of them: to one channel, promised since a time, or by name. What is None makes no difference."""

    channel_id: UUID | None = None
    since: datetime | None = None
    ids: Collection[UUID] | None = None


@dataclass(frozen=True)
class Lost:
    """A delivery with its alert, the last of its `tries`, and when its incident was over."""

    delivery: Delivery
    resolved_at: datetime | None
    last: Attempt | None

    @property
    def tries(self) -> int:
        return self.last.n if self.last else 0


@dataclass(frozen=True)
class Group:
    """All of them to one channel: how many, the first and the last promised when, and the newest few."""

    channel: Channel
    number: int
    first_at: datetime
    last_at: datetime
    newest: Sequence[Lost]


@dataclass(frozen=True)
class Window:
    """Some of them, the newest first, and the cursors of what lies around them (None at an end)."""

    items: Sequence[Lost]
    newer: str | None
    older: str | None


def ids(organization_id: UUID, wanted: Filter) -> Select[UUID]:
    """A statement that finds the ids of those that are `wanted`."""
    statement = select(Delivery.id).join(Alert, Alert.id == Delivery.alert_id)
    return statement.where(*_dead(organization_id), *_narrowed(wanted))


def count(organization_id: UUID) -> int:
    """How many there are."""
    return db.session.execute(select(func.count()).select_from(ids(organization_id, Filter()).subquery())).scalar_one()


def count_by_channel(organization_id: UUID, since: datetime | None = None) -> dict[UUID, int]:
    """By channel: how many there are. Channels without any are left out."""
    statement = _counted(organization_id, Filter(since=since), func.count())
    return {row[0]: row[1] for row in db.session.execute(statement)}


def groups(organization_id: UUID, wanted: Filter, newest: int, most: int) -> list[Group]:
    """By channel, where the latest trouble is first: at most `most` channels, with their `newest` few each."""
    last = func.max(Delivery.created_at)
    statement = _counted(organization_id, wanted, func.count(), func.min(Delivery.created_at), last)
    counted = db.session.execute(statement.order_by(last.desc(), Delivery.channel_id).limit(most)).all()
    if not counted:
        return []
    found = {one.id: one for one in _channels([row[0] for row in counted])}
    place = func.row_number().over(partition_by=Delivery.channel_id, order_by=Delivery.id.desc())
    ranked = ids(organization_id, wanted).where(Delivery.channel_id.in_(found)).add_columns(place.label("n")).subquery()
    rows: dict[UUID, list[Lost]] = {channel_id: [] for channel_id in found}
    for one in _lost(Delivery.id.in_(select(ranked.c.id).where(ranked.c.n <= newest))):
        rows[one.delivery.channel_id].append(one)
    return [Group(found[row[0]], row[1], row[2], row[3], rows[row[0]]) for row in counted]


def window(organization_id: UUID, wanted: Filter, after: str | None, before: str | None, limit: int) -> Window:
    """Up to `limit` of them, older than the cursor `after` or newer than `before`. Raises Malformed for another's."""
    statement = ids(organization_id, wanted)
    if before:
        statement = statement.where(Delivery.id > only_id(before)).order_by(Delivery.id)
    else:
        statement = statement.where(Delivery.id < only_id(after)) if after else statement
        statement = statement.order_by(Delivery.id.desc())
    found = db.session.execute(statement.limit(limit + 1)).scalars().all()
    shown = sorted(found[:limit], reverse=True)
    more = len(found) > limit
    newer, older = (more, bool(shown)) if before else (bool(after and shown), more)
    return Window(
        _lost(Delivery.id.in_(shown)),
        encode(str(shown[0])) if newer else None,
        encode(str(shown[-1])) if older else None,
    )


def _dead(organization_id: UUID) -> list[ColumnElement[bool]]:
    return [Delivery.organization_id == organization_id, Delivery.status == "dead", Alert.kind != "test"]


def _narrowed(wanted: Filter) -> list[ColumnElement[bool]]:
    found = [Delivery.channel_id == wanted.channel_id] if wanted.channel_id else []
    found += [Delivery.created_at >= wanted.since] if wanted.since else []
    if wanted.ids is not None:
        return [*found, Delivery.id.in_(wanted.ids)]
    # What a summary was to tell: the summary is among them, and once it is sent, so are they.
    return [*found, ~Delivery.memory.has_key("told_in")]


def _counted(organization_id: UUID, wanted: Filter, *figures: Any) -> Select[Any]:
    statement = select(Delivery.channel_id, *figures).join(Alert, Alert.id == Delivery.alert_id)
    return statement.where(*_dead(organization_id), *_narrowed(wanted)).group_by(Delivery.channel_id)


def _channels(channel_ids: Collection[UUID]) -> Sequence[Channel]:
    return db.session.execute(select(Channel).where(Channel.id.in_(channel_ids))).scalars().all()


def _lost(which: ColumnElement[bool]) -> list[Lost]:
    """Those, the newest first, each with what came of its last try. One statement."""
    latest = select(Attempt).where(Attempt.delivery_id == Delivery.id).order_by(Attempt.n.desc()).limit(1).lateral()
    last = aliased(Attempt, latest)
    statement = (
        select(Delivery, Incident.resolved_at, last)
        .join(Delivery.alert)
        .outerjoin(Incident, Incident.id == Delivery.incident_id)
        .outerjoin(last, true())
        .options(contains_eager(Delivery.alert))
        .where(which)
        .order_by(Delivery.id.desc())
    )
    return [Lost(delivery, resolved_at, try_) for delivery, resolved_at, try_ in db.session.execute(statement)]
