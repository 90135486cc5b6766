"""Channels for pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, select, true
from sqlalchemy.orm import aliased, joinedload

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Attempt, Channel, Delivery, MonitorChannel, Summary
from tokiflow.queries.paging import Page, by_name

_IN_A_SUMMARY = and_(
    Delivery.summary_id.is_not(None),
    Delivery.incident_id.is_not(None),
    Delivery.status.in_(("pending", "merged", "dead")),
)
"""It waits for a summary, or one has told it, or failed to."""


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


def of_monitor(monitor_id: UUID) -> Sequence[Channel]:
    """The channels that the monitor names for itself, by name."""
    named = select(MonitorChannel.channel_id).where(MonitorChannel.monitor_id == monitor_id)
    statement = select(Channel).where(Channel.id.in_(named)).order_by(Channel.name, Channel.id)
    return db.session.execute(statement).scalars().all()


def page(organization_id: UUID, cursor: str | None, limit: int) -> Page[Channel]:
    """Channels by name for the API."""
    return by_name(select(Channel).where(Channel.organization_id == organization_id), Channel, cursor, limit)


def deliveries(channel_id: UUID, most: int = 20) -> Sequence[Delivery]:
    """The channel's latest messages with their alerts, newest first: what a summary tells is not among them."""
    statement = (
        select(Delivery)
        .where(Delivery.channel_id == channel_id, ~_IN_A_SUMMARY)
        .options(joinedload(Delivery.alert))
        .order_by(Delivery.id.desc())
        .limit(most)
    )
    return db.session.execute(statement).scalars().all()


class Gathering(NamedTuple):
    """So many deliveries wait to leave as one message at `until`."""

    number: int
    until: datetime


def gathering(channel_id: UUID) -> Gathering | None:
    """What waits for a summary of the channel, if anything does."""
    statement = (
        select(func.count(), func.min(Delivery.next_attempt_at))
        .join(Summary, Summary.id == Delivery.summary_id)
        .where(Summary.channel_id == channel_id, Summary.closed_at.is_(None))
        .where(Delivery.status == "pending", Delivery.incident_id.is_not(None))
    )
    number, until = db.session.execute(statement).one()
    return Gathering(number, until) if number else None


def outcomes(channel_ids: Sequence[UUID], most: int = 20) -> dict[UUID, list[str]]:
    """By channel: the status (sent or dead) of its latest deliveries that are over, oldest first. One statement."""
    found: dict[UUID, list[str]] = {channel_id: [] for channel_id in channel_ids}
    if not channel_ids:
        return found
    one = aliased(Channel)
    latest = (
        select(Delivery.id, Delivery.status)
        .where(Delivery.channel_id == one.id, Delivery.status != "pending", ~_IN_A_SUMMARY)
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


def named_alone_by(channel_id: UUID) -> Sequence[UUID]:
    """The monitors that name this channel for themselves, and no other."""
    other = aliased(MonitorChannel)
    others = select(other).where(other.monitor_id == MonitorChannel.monitor_id, other.channel_id != channel_id)
    statement = select(MonitorChannel.monitor_id).where(MonitorChannel.channel_id == channel_id, ~others.exists())
    return db.session.execute(statement.order_by(MonitorChannel.monitor_id)).scalars().all()


def count_of_deliveries(channel_id: UUID) -> int:
    """How many deliveries to this channel are on record."""
    return db.session.execute(select(func.count()).where(Delivery.channel_id == channel_id)).scalar_one()
