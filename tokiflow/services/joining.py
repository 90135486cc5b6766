"""Answers to invitations: a yes makes somebody a member, once.

A look never changes anything, because programs that guard mailboxes open every link. A yes takes the account with the
very address that was invited; a no takes only the link.
"""

from __future__ import annotations

from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from tokiflow import errors
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Invitation, Membership, Organization, User
from tokiflow.queries import invitations as queries
from tokiflow.queries.invitations import Asked
from tokiflow.services import invitations, letters, mail_links, seats


class Over(errors.TokiflowError):
    """The invitation can't be answered: used, withdrawn, too old, or a newer mail is there."""

    status = 410
    title = "This invitation is over"

    def __init__(self, message: str, organization_id: UUID) -> None:
        super().__init__(message)
        self.organization_id = organization_id


class WrongAddress(errors.Forbidden):
    """Whoever is signed in is not whom the invitation is for."""

    title = "This invitation is for another address"


class Full(errors.Conflict):
    """The plan of the organization has no room for more people."""

    title = "There is no room for more people"


def look(token: str, now: datetime) -> Asked:
    """The invitation behind `token`, if it can be answered now. Changes nothing. Raises NotOurs, or Over saying why."""
    invitation_id, nonce = mail_links.invited(token)
    found = queries.asked(invitation_id)
    if found is None:
        raise _gone()
    _check_answerable(found.invitation, found.organization, nonce, now)
    return found


def accept(token: str, user_id: UUID, by: Actor, now: datetime) -> UUID:
    """Yes: the person is in, with the role of the invitation; the organization's id. It works once.

    Who is in already keeps the role they have. Raises NotOurs, Over, WrongAddress, Full.
    """
    with transaction():
        row, organization = _to_answer(token, now)
        user = db.session.get_one(User, user_id)
        if user.email != row.email:
            raise WrongAddress(f"You are signed in as {user.email}, and it was sent to another address.")
        if db.session.get(Membership, (organization.id, user.id)) is None:
            _join(organization, user, row, now)
        row.accepted_at, row.accepted_by = now, user.id
        letters.take_back(row.letter_id)
        invitations.note("invitation.accepted", row, by, now, after={"role": row.role})
    return organization.id


def decline(token: str, now: datetime) -> Asked:
    """No. Whoever holds the link may say it, with no account. Raises NotOurs, Over."""
    with transaction():
        row, _ = _to_answer(token, now)
        row.declined_at = now
        letters.take_back(row.letter_id)
        invitations.note("invitation.declined", row, Actor("person", row.email), now)
    found = queries.asked(row.id)
    assert found is not None
    return found


def _join(organization: Organization, user: User, row: Invitation, now: datetime) -> None:
    left = seats.left(organization)
    if left is not None and left <= 0:
        raise Full("The plan of the organization has no room for more people now. Tell whoever invited you.")
    db.session.add(Membership(organization_id=organization.id, user_id=user.id, role=row.role, created_at=now))


def _to_answer(token: str, now: datetime) -> tuple[Invitation, Organization]:
    """The invitation behind `token`, ours alone until the commit, and its organization."""
    invitation_id, nonce = mail_links.invited(token)
    found = queries.asked(invitation_id)
    if found is None:
        raise _gone()
    # The organization first, always: two locks are taken in one order.
    organization = invitations.lock(found.organization.id)
    row = db.session.get(Invitation, invitation_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise _gone()
    _check_answerable(row, organization, nonce, now)
    return row, organization


def _check_answerable(row: Invitation, organization: Organization, nonce: str, now: datetime) -> None:
    why = _why_over(row, organization, nonce, now)
    if why:
        raise Over(why, organization.id)


def _why_over(row: Invitation, organization: Organization, nonce: str, now: datetime) -> str:
    said = {
        "accepted": "It was used already; each invitation works once.",
        "declined": "It was declined. If that was a mistake, ask whoever invited you for a new one.",
        "withdrawn": "It was withdrawn. Perhaps whoever invited you is no longer there; ask for a new one.",
    }.get(row.status(now))
    if said:
        return said
    if not compare_digest(row.nonce.encode(), nonce.encode("utf-8", "surrogateescape")):
        return "A newer mail was sent to you since, and only the link in the newest one works."
    if row.status(now) == "expired":
        return f"Its {mail_links.GOOD_FOR.days} days are over. Ask whoever invited you for a new one."
    return "The organization that invited you is being deleted." if organization.erase_at else ""


def _gone() -> mail_links.NotOurs:
    return mail_links.NotOurs("It is long over, or the organization that sent it is gone. Ask whoever invited you.")
