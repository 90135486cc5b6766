"""The addresses of e-mail channels, and how each stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from tokiflow.db import db
from tokiflow.models import Channel, Membership, Organization, Recipient, User


@dataclass(frozen=True, slots=True)
class Standing:
    """An address as its channel writes it. `status` as in Recipient; `since` is when it came to that."""

    address: str
    status: str
    since: datetime | None = None
    reason: str = ""
    asked_at: datetime | None = None
    recipient_id: UUID | None = None


def find(recipient_id: UUID) -> tuple[Recipient, Organization] | None:
    """The recipient and the organization that writes to it."""
    statement = (
        select(Recipient, Organization)
        .join(Organization, Organization.id == Recipient.organization_id)
        .where(Recipient.id == recipient_id)
    )
    row = db.session.execute(statement).one_or_none()
    return (row[0], row[1]) if row else None


def of_channels(rows: Iterable[Channel]) -> dict[UUID, list[Standing]]:
    """By e-mail channel: its addresses in the order they are written. One statement, or none."""
    return by_channel([(one.id, one.organization_id, one.config["to"]) for one in rows if one.kind == "email"])


def by_channel(wanted: Sequence[tuple[UUID, UUID, Sequence[str]]]) -> dict[UUID, list[Standing]]:
    """The same for channels given as their id, organization and addresses."""
    if not wanted:
        return {}
    addresses = {address.lower() for _, _, to in wanted for address in to}
    organizations = {organization_id for _, organization_id, _ in wanted}
    statement = select(Recipient).where(Recipient.organization_id.in_(organizations), Recipient.address.in_(addresses))
    found = {(row.organization_id, row.address): row for row in db.session.execute(statement).scalars()}
    return {
        channel_id: [_standing(address, found.get((organization_id, address.lower()))) for address in to]
        for channel_id, organization_id, to in wanted
    }


def members(organization_id: UUID, addresses: Iterable[str]) -> set[str]:
    """Those of `addresses` (lower-case) by which somebody of the organization signs in."""
    statement = (
        select(User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organization_id == organization_id, User.email.in_(list(addresses)))
    )
    return set(db.session.execute(statement).scalars())


def _standing(address: str, row: Recipient | None) -> Standing:
    if row is None:
        return Standing(address, "waiting")
    since = {
        "confirmed": row.confirmed_at, "waiting": row.asked_at,
        "unsubscribed": row.unsubscribed_at, "bounced": row.bounced_at,
    }[row.status]  # fmt: skip
    reason = row.bounce_reason if row.status == "bounced" else ""
    return Standing(address, row.status, since, reason, row.asked_at, row.id)
