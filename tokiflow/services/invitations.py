"""Asking people to join an organization, by mail, and their answers.

The mail carries a link that is signed and kept nowhere: the invitation's id and its nonce. Sending again makes a new
nonce, so only the newest link works; it works once, for seven days, and only for whoever signs in with the address that
it was sent to (services.joining). Whether that address has an account is never asked, so nobody can learn it here.

What is written in a name, a stranger reads in a mail of ours. Hence the limits, and text.unlinked.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, select, update

from tokiflow import errors
from tokiflow.channels import text
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role, manages
from tokiflow.db import changed, db, transaction
from tokiflow.models import Invitation, Letter, Membership, Organization, User
from tokiflow.queries import invitations as queries
from tokiflow.queries import recipients
from tokiflow.services import audit, letters, mail_links, seats

log = structlog.get_logger()

MOST_AT_ONCE = 200
MOST_A_DAY = 300
"""By one organization, and by one person in all of theirs."""
MOST_UNANSWERED = 5
"""So many mails one address gets from one organization within letters.KEPT, answered or not."""
MOST_TO_ADDRESS_A_DAY = 10
"""From all organizations together."""
SEND_AGAIN_AFTER = timedelta(minutes=5)
AFTER_A_NO = timedelta(days=7)
KEPT = timedelta(days=90)
"""So long an invitation that is over stays in the list, and with it the address of somebody who may never have come."""
NAME_LIMIT = 60
"""Of names in mails."""

_DAY = timedelta(days=1)
_A = {"owner": "an owner", "admin": "an admin", "member": "a member", "viewer": "a viewer"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one address. what: invited · again · member · not_sent; `why` says why it was not sent."""

    address: str
    what: str
    why: str = ""


SENDER = {
    "role": "whoever sent it has another role now and could not send it any more",
    "left": "whoever sent it left the organization",
    "removed": "whoever sent it was removed from the organization",
    "erased": "whoever sent it deleted their account",
}
"""By Invitation.withdrawn_because: why nobody had to press a button."""


def a(role: str) -> str:
    """`a member`, `an admin`: a role as it stands in a sentence."""
    return _A[role]


# --- asking -----------------------------------------------------------------------------------------------------


def invite(organization_id: UUID, addresses: Sequence[str], role: str, by: Actor, now: datetime) -> list[Outcome]:
    """Ask `addresses` (lower case, each once) to join with `role`; for each what became of it, in their order.

    Raises Invalid for none, too many or an unknown role, Forbidden for a role that `by` can't give, and Conflict while
    the organization is being deleted.
    """
    _check_wish(addresses, role)
    with transaction():
        round_ = _begin(organization_id, addresses, by, now)
        round_.check_may_give(role)
        outcomes = [round_.ask(address, role) for address in addresses]
    log.info("people_invited", organization=str(organization_id), count=round_.sent)
    return outcomes


def send_again(invitation_id: UUID, organization_id: UUID, by: Actor, now: datetime) -> None:
    """Mail it once more, with a new link that is good for seven days; older links are over.

    Raises NotFound, Conflict if it is over or they are a member, Forbidden for an owner's, RateLimited if it must wait.
    """
    with transaction():
        email = _of(invitation_id, organization_id).email
        round_ = _begin(organization_id, [email], by, now)
        row = round_.open.get(email)
        if row is None or row.id != invitation_id:
            raise errors.Conflict("It has been answered or withdrawn. Invite them again instead.")
        round_.check_may_give(row.role)
        outcome = round_.ask(email, row.role)
        if outcome.what == "member":
            raise errors.Conflict(f"{email} is a member already.")
        if outcome.why:
            raise errors.RateLimited(f"{email} {outcome.why}.", int(SEND_AGAIN_AFTER.total_seconds()))


def withdraw(invitation_id: UUID, organization_id: UUID, by: Actor, now: datetime) -> None:
    """Take it back: its link is over. Raises NotFound, Conflict once it is answered, Forbidden for an owner's."""
    with transaction():
        lock(organization_id)
        row = _of(invitation_id, organization_id, lock=True)
        if row.status(now) not in ("waiting", "expired"):
            raise errors.Conflict(f"It was {row.status(now)} already.")
        _check_may_give(_rank(organization_id, by), row.role)
        row.withdrawn_at = now
        letters.take_back(row.letter_id)
        note("invitation.withdrawn", row, by, now)


def withdraw_of(
    organization: Organization, sender_id: UUID, may_give: Collection[Role], because: str, by: Actor, now: datetime
) -> None:
    """Take back what this person sent and could not send now, in the transaction that takes the right from them, with
    the organization locked. `because` (role · left · removed · erased) stands in the list."""
    theirs = Invitation.organization_id == organization.id, Invitation.invited_by == sender_id, queries.is_open()
    could_not = Invitation.role.not_in([str(role) for role in may_give])
    statement = select(Invitation).where(*theirs, could_not).order_by(Invitation.id).with_for_update()
    rows = db.session.execute(statement.execution_options(populate_existing=True)).scalars().all()
    for row in rows:
        row.withdrawn_at, row.withdrawn_because = now, because
        note("invitation.withdrawn", row, by, now, after={"because": SENDER[because]})
    letters.take_back(*(row.letter_id for row in rows))


def _check_wish(addresses: Sequence[str], role: str) -> None:
    mistakes: dict[str, list[str]] = {}
    if not addresses:
        mistakes["addresses"] = ["is missing; write at least one e-mail address"]
    elif len(addresses) > MOST_AT_ONCE:
        mistakes["addresses"] = [f"has {len(addresses)} addresses; write at most {MOST_AT_ONCE} at a time"]
    if role not in tuple(Role):
        mistakes["role"] = ["is unknown; choose one of the list"]
    if mistakes:
        raise errors.Invalid(mistakes)


@dataclass
class _Round:
    """Addresses that one person invites at one moment, and all that decides whether a mail may go."""

    organization: Organization
    by: Actor
    rank: Role
    now: datetime
    members: set[str]
    open: dict[str, Invitation]
    said_no: set[str]
    had: Counter[str]
    had_today: Counter[str]
    left_today: int
    seats: int | None
    sent: int = field(default=0)

    def check_may_give(self, role: str) -> None:
        _check_may_give(self.rank, role)

    def ask(self, address: str, role: str) -> Outcome:
        if address in self.members:
            return Outcome(address, "member")
        why = self._refusal(address)
        if why:
            return Outcome(address, "not_sent", why)
        row = self.open.get(address)
        self._count(row)
        if row is None:
            self._send(self._new(address, role), "invitation.created", {})
            return Outcome(address, "invited")
        before, row.role = row.role, role
        self._send(row, "invitation.sent_again", {"role": before} if before != role else {})
        return Outcome(address, "again")

    def _refusal(self, address: str) -> str:
        """Why no mail may go to `address`; empty if one may."""
        row = self.open.get(address)
        if row and Role(row.role) not in manages(self.rank):
            return f"is invited as {a(row.role)}, which only an owner can change"
        if row and row.sent_at + SEND_AGAIN_AFTER > self.now:
            minutes = -((self.now - row.sent_at - SEND_AGAIN_AFTER) // timedelta(minutes=1))
            return f"was invited just now; send it again in {minutes} min"
        if self.had[address] >= MOST_UNANSWERED:
            return f"has had {MOST_UNANSWERED} mails in {letters.KEPT.days} days, which is enough; better talk to them"
        if address in self.said_no:
            return f"declined not long ago; invite them again {AFTER_A_NO.days} days after that"
        if self.had_today[address] >= MOST_TO_ADDRESS_A_DAY:
            return "has had enough mails of this kind today; invite them tomorrow"
        if self.left_today <= 0:
            return f"is one too many for today: {MOST_A_DAY} invitations a day can go out; invite them tomorrow"
        if self._takes_a_seat(row) and self.seats is not None and self.seats <= 0:
            return "has no place left in your plan, open invitations counted; withdraw one, or choose a larger plan"
        return ""

    def _takes_a_seat(self, row: Invitation | None) -> bool:
        return row is None or row.expires_at <= self.now

    def _count(self, row: Invitation | None) -> None:
        self.sent += 1
        self.left_today -= 1
        if self.seats is not None and self._takes_a_seat(row):
            self.seats -= 1

    def _new(self, address: str, role: str) -> Invitation:
        return Invitation(
            id=ids.new(), organization_id=self.organization.id, email=address, role=role, created_at=self.now
        )

    def _send(self, row: Invitation, what: str, before: dict[str, str]) -> None:
        letters.take_back(row.letter_id)
        row.nonce, row.invited_by = secrets.token_urlsafe(16), self.by.id
        row.sent_at, row.expires_at = self.now, self.now + mail_links.GOOD_FOR
        row.letter_id = _post(row, self.organization, self.by, self.now)
        db.session.add(row)
        note(what, row, self.by, self.now, before, {"role": row.role} if before or what.endswith("created") else {})


def _begin(organization_id: UUID, addresses: Sequence[str], by: Actor, now: datetime) -> _Round:
    """All that decides, with the organization locked: two who invite at once must not both take the last place."""
    organization = lock(organization_id)
    if organization.erase_at is not None:
        raise errors.Conflict("The organization is being deleted; nobody can be invited.")
    sent = queries.count_mails(organization_id, now - _DAY)
    by_person = queries.count_sent_by(by.id, now - _DAY) if by.id else 0
    return _Round(
        organization=organization,
        by=by,
        rank=_rank(organization_id, by),
        now=now,
        members=recipients.members(organization_id, addresses),
        open=_open(organization_id, addresses),
        said_no=queries.said_no(organization_id, addresses, now - AFTER_A_NO),
        had=Counter(queries.count_mails_to(organization_id, addresses, now - letters.KEPT)),
        had_today=Counter(queries.count_sent_to(addresses, now - _DAY)),
        left_today=MOST_A_DAY - max(sent, by_person),
        seats=seats.left(organization, queries.count_open(organization_id, now)),
    )


def _open(organization_id: UUID, addresses: Sequence[str]) -> dict[str, Invitation]:
    wanted = Invitation.organization_id == organization_id, Invitation.email.in_(addresses), queries.is_open()
    rows = db.session.execute(
        select(Invitation)
        .where(*wanted)
        .order_by(Invitation.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.email: row for row in rows.scalars()}


def _post(row: Invitation, organization: Organization, by: Actor, now: datetime) -> UUID:
    """Promise the mail; the id of the letter."""
    inviter = db.session.get_one(User, by.id)
    named = text.unlinked(organization.name, NAME_LIMIT) or "an organization"
    name = text.unlinked(inviter.name, NAME_LIMIT) or inviter.email
    until = row.expires_at
    context = {
        "organization": named,
        "inviter": name,
        "inviter_address": inviter.email,
        "role": a(row.role),
        "address": row.email,
        "invitation_id": str(row.id),
        "nonce": row.nonce,
        "days": mail_links.GOOD_FOR.days,
        "until": f"{until.day} {until:%B %Y, %H:%M} UTC",
    }
    return letters.post("invitation", row.email, f"{name} invites you to {named}", context, row.organization_id, now)


# --- the mail, and the end --------------------------------------------------------------------------------------


def came_back(addresses: Sequence[str], reason: str, at: datetime) -> None:
    """Mails sent to `addresses` before `at` came back: the list of invitations is to say so, with the reason."""
    carried = select(Invitation.letter_id).where(Invitation.email.in_([one.lower() for one in addresses]))
    sent = Letter.id.in_(carried), Letter.status == "sent", Letter.sent_at <= at
    with transaction():
        changed(update(Letter).where(*sent).values(status="dead", last_error=text.line(reason, 500)))


def forget(now: datetime) -> None:
    """Drop invitations that are long over."""
    with transaction():
        db.session.execute(delete(Invitation).where(Invitation.expires_at < now - KEPT))


# --- what they share --------------------------------------------------------------------------------------------


def lock(organization_id: UUID) -> Organization:
    """The organization, ours until the commit. Whoever locks an invitation too locks it after this."""
    # Not against those who only refer to it: they may hold the lock of its audit log, which we want at the end.
    row = db.session.get(Organization, organization_id, with_for_update={"key_share": True}, populate_existing=True)
    if row is None:
        raise errors.NotFound("This organization is gone.")
    return row


def _of(invitation_id: UUID, organization_id: UUID, *, lock: bool = False) -> Invitation:
    row = db.session.get(Invitation, invitation_id, with_for_update=lock or None, populate_existing=lock)
    if row is None or row.organization_id != organization_id:
        raise errors.NotFound
    return row


def _rank(organization_id: UUID, by: Actor) -> Role:
    """The role of who asks for it, as it is now. Raises Forbidden for an outsider."""
    found = db.session.get(Membership, (organization_id, by.id), populate_existing=True) if by.id else None
    if found is None:
        raise errors.Forbidden("Only people of the organization can invite others.")
    return found.rank


def _check_may_give(rank: Role, role: str) -> None:
    if Role(role) not in manages(rank):
        raise errors.Forbidden(
            "Only an owner can invite an owner." if manages(rank) else "Your role can’t invite people."
        )


def note(
    what: str,
    row: Invitation,
    by: Actor,
    now: datetime,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
) -> None:
    """What happened to an invitation, for the audit log and ours."""
    audit.record(
        what, by, row.organization_id, now, object_id=row.id, object_name=row.email, before=before, after=after
    )
    log.info(what.replace(".", "_"), invitation=str(row.id))
