"""Who was asked to join an organization, and how that stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, select, tuple_

from tokiflow.db import db
from tokiflow.errors import NotFound
from tokiflow.models import Invitation, Letter, Membership, Organization, User
from tokiflow.queries import paging
from tokiflow.queries.paging import Page

Row = TypeVarTuple("Row")

STATES = ("waiting", "failed", "accepted", "declined", "withdrawn", "expired")
"""failed: it waits for an answer, and its mail did not arrive."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An invitation in the list. `inviter` is empty for somebody who is gone; `trouble` is what came of its mail, if it
    did not go out."""

    invitation: Invitation
    state: str
    inviter: str
    mail: str
    trouble: str
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Asked:
    """An invitation as whoever got it sees it."""

    invitation: Invitation
    organization: Organization
    inviter: str


def get(invitation_id: UUID) -> Invitation:
    """The invitation. Raises NotFound."""
    found = db.session.get(Invitation, invitation_id)
    if found is None:
        raise NotFound
    return found


def asked(invitation_id: UUID) -> Asked | None:
    """The invitation with the organization and the name of who sent it."""
    statement = (
        select(Invitation, Organization, _NAME)
        .join(Organization, Organization.id == Invitation.organization_id)
        .outerjoin(User, User.id == Invitation.invited_by)
        .where(Invitation.id == invitation_id)
    )
    row = db.session.execute(statement).one_or_none()
    return Asked(row[0], row[1], row[2] or "") if row else None


def window(
    organization_id: UUID, now: datetime, *, state: str = "", words: str = "", after: str = "", limit: int = 50
) -> Page[Listed]:
    """The organization's invitations, those that were mailed last first. Raises Malformed for a cursor of others."""
    statement = (
        _narrowed(
            select(
                Invitation, _state(now).label("state"), _NAME, Letter.status, Letter.last_error, Letter.next_attempt_at
            ),
            organization_id,
            words,
        )
        .outerjoin(User, User.id == Invitation.invited_by)
        .order_by(Invitation.sent_at.desc(), Invitation.id.desc())
        .limit(limit + 1)
    )
    if state:
        statement = statement.where(_state(now) == state)
    if after:
        statement = statement.where(tuple_(Invitation.sent_at, Invitation.id) < paging.moment_and_id(after))
    rows = db.session.execute(statement).all()
    last = rows[limit - 1][0] if len(rows) > limit else None
    return Page(
        [_listed(row) for row in rows[:limit]], paging.encode(last.sent_at.isoformat(), str(last.id)) if last else None
    )


def count_by_state(organization_id: UUID, now: datetime, words: str = "") -> dict[str, int]:
    """How many there are in each of STATES."""
    state = _state(now).label("state")
    statement = _narrowed(select(state, func.count()), organization_id, words).group_by(state)
    counted = {row[0]: row[1] for row in db.session.execute(statement)}
    return {name: counted.get(name, 0) for name in STATES}


def count_open(organization_id: UUID, now: datetime) -> int:
    """How many may still be accepted."""
    waiting = Invitation.organization_id == organization_id, is_open(), Invitation.expires_at > now
    return db.session.execute(select(func.count()).where(*waiting)).scalar_one()


def count_members(organization_id: UUID) -> int:
    """How many people are in the organization."""
    statement = select(func.count()).select_from(Membership).where(Membership.organization_id == organization_id)
    return db.session.execute(statement).scalar_one()


def count_sent_by(user_id: UUID, since: datetime) -> int:
    """How many the person has sent since then, in all of their organizations."""
    theirs = select(Membership.organization_id).where(Membership.user_id == user_id)
    sent = Invitation.invited_by == user_id, Invitation.sent_at > since, Invitation.organization_id.in_(theirs)
    return db.session.execute(select(func.count()).where(*sent)).scalar_one()


def count_sent_to(addresses: Iterable[str], since: datetime) -> dict[str, int]:
    """By address: how many any organization has sent there since then."""
    sent = Invitation.email.in_(list(addresses)), Invitation.sent_at > since
    return _counted(select(Invitation.email, func.count()).where(*sent).group_by(Invitation.email))


def count_mails(organization_id: UUID, since: datetime) -> int:
    """How many mails the organization's invitations have made since then."""
    return db.session.execute(select(func.count()).where(*_mails(organization_id, since))).scalar_one()


def count_mails_to(organization_id: UUID, addresses: Iterable[str], since: datetime) -> dict[str, int]:
    """By address: how many of these mails went there."""
    went = *_mails(organization_id, since), Letter.to_address.in_(list(addresses))
    return _counted(select(Letter.to_address, func.count()).where(*went).group_by(Letter.to_address))


def said_no(organization_id: UUID, addresses: Iterable[str], since: datetime) -> set[str]:
    """Those of `addresses` that have declined since then."""
    declined = Invitation.email.in_(list(addresses)), Invitation.declined_at > since
    statement = select(Invitation.email).where(Invitation.organization_id == organization_id, *declined)
    return set(db.session.execute(statement).scalars())


def is_open() -> ColumnElement[bool]:
    """Nobody has answered it and nobody has taken it back: it waits, or has expired (the index uq_invitations_open)."""
    return and_(Invitation.accepted_at.is_(None), Invitation.declined_at.is_(None), Invitation.withdrawn_at.is_(None))


_NAME = func.coalesce(func.nullif(User.name, ""), User.email)


def _mails(organization_id: UUID, since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Letter.organization_id == organization_id, Letter.template == "invitation", Letter.created_at > since)


def _counted(statement: Select[str, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in db.session.execute(statement)}


def _state(now: datetime) -> ColumnElement[str]:
    """Invitation.status, and whether the mail arrived, for statements that join the letter."""
    return case(
        (Invitation.accepted_at.is_not(None), "accepted"),
        (Invitation.declined_at.is_not(None), "declined"),
        (Invitation.withdrawn_at.is_not(None), "withdrawn"),
        (Invitation.expires_at <= now, "expired"),
        (Letter.status == "dead", "failed"),
        else_="waiting",
    )


def _narrowed(statement: Select[*Row], organization_id: UUID, words: str) -> Select[*Row]:
    statement = (
        statement.select_from(Invitation)
        .outerjoin(Letter, Letter.id == Invitation.letter_id)
        .where(Invitation.organization_id == organization_id)
    )
    return statement.where(Invitation.email.contains(words.lower(), autoescape=True)) if words else statement


def _listed(row: Any) -> Listed:
    invitation, state, inviter, mail, trouble, next_attempt_at = row
    return Listed(invitation, state, inviter or "", mail or "", trouble or "", next_attempt_at)
