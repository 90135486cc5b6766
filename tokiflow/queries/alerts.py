"""Alerts, their deliveries and every try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import Alert, Attempt, Delivery
from tokiflow.queries import channels
from tokiflow.queries.paging import Page, encode, only_id


@dataclass(frozen=True)
class DeliveryRecord:
    """A delivery with its channel and its tries, oldest first."""

    delivery: Delivery
    attempts: Sequence[Attempt]


@dataclass(frozen=True)
class AlertRecord:
    """An alert with its deliveries."""

    alert: Alert
    deliveries: Sequence[DeliveryRecord]


def of_incident(incident_id: UUID) -> list[AlertRecord]:
    """Who was told of the incident, when and how, oldest first."""
    statement = select(Alert).where(Alert.incident_id == incident_id).order_by(Alert.id)
    return _with_deliveries(db.session.execute(statement).scalars().all())


def page(organization_id: UUID, incident_id: UUID | None, cursor: str | None, limit: int) -> Page[AlertRecord]:
    """The organization's alerts, newest first; of one incident if it is named."""
    statement = select(Alert).where(Alert.organization_id == organization_id)
    if incident_id:
        statement = statement.where(Alert.incident_id == incident_id)
    if cursor:
        statement = statement.where(Alert.id < only_id(cursor))
    found = db.session.execute(statement.order_by(Alert.id.desc()).limit(limit + 1)).scalars().all()
    more = encode(str(found[limit - 1].id)) if len(found) > limit else None
    return Page(_with_deliveries(found[:limit]), more)


def delivery_page(
    organization_id: UUID,
    status: str,
    channel_id: UUID | None,
    incident_id: UUID | None,
    cursor: str | None,
    limit: int,
) -> Page[DeliveryRecord]:
    """The organization's deliveries, newest first; what is empty or None makes no difference."""
    statement = select(Delivery).where(Delivery.organization_id == organization_id)
    if status:
        statement = statement.where(Delivery.status == status)
    if channel_id:
        statement = statement.where(Delivery.channel_id == channel_id)
    if incident_id:
        statement = statement.where(Delivery.incident_id == incident_id)
    if cursor:
        statement = statement.where(Delivery.id < only_id(cursor))
    statement = statement.options(joinedload(Delivery.channel), joinedload(Delivery.alert))
    found = db.session.execute(statement.order_by(Delivery.id.desc()).limit(limit + 1)).scalars().all()
    more = encode(str(found[limit - 1].id)) if len(found) > limit else None
    return Page(records(found[:limit]), more)


def records(deliveries: Sequence[Delivery]) -> list[DeliveryRecord]:
    """`deliveries` with their tries."""
    attempts = channels.attempts([one.id for one in deliveries]) if deliveries else {}
    return [DeliveryRecord(one, attempts[one.id]) for one in deliveries]


def told(incident_ids: Sequence[UUID]) -> dict[UUID, list[Delivery]]:
    """By incident: the deliveries that were sent, alone or in a summary, with their channels, oldest first."""
    found: dict[UUID, list[Delivery]] = {incident_id: [] for incident_id in incident_ids}
    statement = (
        select(Delivery)
        .where(Delivery.incident_id.in_(incident_ids), Delivery.status.in_(("sent", "merged")))
        .where(Delivery.sent_at.is_not(None))
        .options(joinedload(Delivery.channel))
        .order_by(Delivery.id)
    )
    for delivery in db.session.execute(statement).scalars():
        assert delivery.incident_id is not None
        found[delivery.incident_id].append(delivery)
    return found


def deliveries(incident_ids: Sequence[UUID]) -> dict[UUID, list[Delivery]]:
    """By incident: every delivery about it with its channel, oldest first, whatever became of it."""
    found: dict[UUID, list[Delivery]] = {incident_id: [] for incident_id in incident_ids}
    statement = (
        select(Delivery)
        .where(Delivery.incident_id.in_(incident_ids))
        .options(joinedload(Delivery.channel))
        .order_by(Delivery.id)
    )
    for delivery in db.session.execute(statement).scalars() if incident_ids else ():
        assert delivery.incident_id is not None
        found[delivery.incident_id].append(delivery)
    return found


def last_sent_at(organization_id: UUID) -> datetime | None:
    """When the organization's last alert left."""
    statement = select(func.max(Delivery.sent_at)).where(Delivery.organization_id == organization_id)
    return db.session.execute(statement).scalar_one()


def delivery(delivery_id: UUID) -> Delivery:
    """With its channel and its alert. Raises NotFound. Whoever calls checks the organization."""
    statement = select(Delivery).where(Delivery.id == delivery_id)
    statement = statement.options(joinedload(Delivery.channel), joinedload(Delivery.alert))
    found = db.session.execute(statement).scalar_one_or_none()
    if found is None:
        raise errors.NotFound
    return found


def _with_deliveries(alerts: Sequence[Alert]) -> list[AlertRecord]:
    statement = (
        select(Delivery)
        .where(Delivery.alert_id.in_([alert.id for alert in alerts]))
        .options(joinedload(Delivery.channel))
        .order_by(Delivery.id)
    )
    by_alert: dict[UUID, list[DeliveryRecord]] = {alert.id: [] for alert in alerts}
    for one in records(db.session.execute(statement).scalars().all() if alerts else []):
        by_alert[one.delivery.alert_id].append(one)
    return [AlertRecord(alert, by_alert[alert.id]) for alert in alerts]
