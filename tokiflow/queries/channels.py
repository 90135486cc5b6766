"""Channels for pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, true, tuple_
from sqlalchemy.orm import aliased, joinedload

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Attempt, Channel, Delivery, MonitorChannel
from tokiflow.queries.paging import NOT_OURS, Page, decode, encode


def get(channel_id: UUID) -> Channel:
    """Raises NotFound. Whoever calls checks the organization."""
    found = db.session.get(Channel, channel_id)
    if found is None:
        raise errors.NotFound
    return found


def of_organization(organization_id: UUID) -> Sequence[Channel]:
    """All channels by name."""
    statement = select(Channel).where(Channel.organization_id == organization_id).order_by(Channel.name, Channel.id)
    return db.session.execute(statement).scalars().all()


def page(organization_id: UUID, cursor: str | None, limit: int) -> Page[Channel]:
    """Channels by name for the API."""
    statement = select(Channel).where(Channel.organization_id == organization_id)
    if cursor:
        name, key = decode(cursor, 2)
        try:
            after = UUID(key)
        except ValueError:
            raise NOT_OURS from None
        statement = statement.where(tuple_(Channel.name, Channel.id) > tuple_(name, after))
    found = list(db.session.execute(statement.order_by(Channel.name, Channel.id).limit(limit + 1)).scalars())
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode(last.name, str(last.id)) if last else None)


def deliveries(channel_id: UUID, most: int = 20) -> Sequence[Delivery]:
    """The channel's latest deliveries with their alerts, newest first."""
    statement = (
        select(Delivery)
        .where(Delivery.channel_id == channel_id)
        .options(joinedload(Delivery.alert))
        .order_by(Delivery.id.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


def outcomes(channel_ids: Sequence[UUID], most: int = 20) -> dict[UUID, list[str]]:
    """By channel: the status (sent or dead) of its latest deliveries that are over, oldest first. One statement."""
    found: dict[UUID, list[str]] = {channel_id: [] for channel_id in channel_ids}
    if not channel_ids:
        return found
    one = aliased(Channel)
    latest = (
        select(Delivery.id, Delivery.status)
        .where(Delivery.channel_id == one.id, Delivery.status != "pending")
        .order_by(Delivery.id.desc())
        .limit(most)
        .lateral("latest")
    )
    statement = select(one.id.label("channel_id"), latest.c.status).join(latest, true()).where(one.id.in_(channel_ids))
    for row in db.session.execute(statement.order_by(latest.c.id)):
        found[row.channel_id].append(row.status)
    return found


def attempts(delivery_ids: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
    """By delivery: its tries, oldest first."""
    found: dict[UUID, list[Attempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    statement = select(Attempt).where(Attempt.delivery_id.in_(delivery_ids)).order_by(Attempt.delivery_id, Attempt.n)
    for attempt in db.session.execute(statement).scalars():
        found[attempt.delivery_id].append(attempt)
    return found


def count_of_monitors(channel_id: UUID) -> int:
    """How many monitors name this channel for themselves."""
    statement = select(func.count()).where(MonitorChannel.channel_id == channel_id)
    return db.session.execute(statement).scalar_one()


def count_of_deliveries(channel_id: UUID) -> int:
    """How many deliveries to this channel are on record."""
    return db.session.execute(select(func.count()).where(Delivery.channel_id == channel_id)).scalar_one()
