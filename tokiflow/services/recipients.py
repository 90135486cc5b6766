"""Nobody gets mail who has not said yes: the addresses of e-mail channels are asked, and may always say no.

A member's own address needs no question, because their sign-in has proved it. Others get a letter with a link; until
they answer, alerts for them wait. Every mail has a link that stops them with one press (RFC 8058).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.db import db, on_commit, transaction
from tokiflow.models import Channel, Delivery, Organization, Recipient
from tokiflow.queries import recipients as queries
from tokiflow.queue import Job, enqueue
from tokiflow.services import audit, desertions, letters, mail_links

if TYPE_CHECKING:
    from tokiflow.services.briefings import Listener

log = structlog.get_logger()

ASK_AGAIN_AFTER = timedelta(minutes=5)
AFTER_A_NO = timedelta(days=1)
"""Who unsubscribed is not to be asked every five minutes whether they meant it."""
MOST_QUESTIONS_A_DAY = 200
"""By one organization: what it asks goes to strangers, in our name."""
RING_FOR = 50


class Over(errors.TokiflowError):
    """The question was answered before, or too long ago."""

    status = 410
    title = "This link is over"


# --- asking -----------------------------------------------------------------------------------------------------


def remember(organization_id: UUID, addresses: Sequence[str], by: Actor, now: datetime) -> None:
    """Let the organization write to `addresses`: new ones are asked first, unless they are a member's own."""
    with transaction():
        rows = _rows(organization_id, addresses, now)
        members = queries.members(organization_id, [row.address for row in rows])
        allowed = MOST_QUESTIONS_A_DAY - _asked_lately(organization_id, now)
        for row in rows:
            if row.status == "waiting" and row.address in members:
                row.confirmed_at = now
                _note("recipient.confirmed", row, by, now)
            elif row.status == "waiting" and row.asked_at is None and allowed > 0:
                allowed -= 1
                _ask(row, by, now)


def take_as_confirmed(organization_id: UUID, addresses: Sequence[str], now: datetime) -> None:
    """Ask nobody: who runs this machine vouches for `addresses` (the demo does, for people it has made up)."""
    with transaction():
        for row in _rows(organization_id, addresses, now):
            row.confirmed_at = row.confirmed_at or now


def ask_again(organization_id: UUID, address: str, by: Actor, now: datetime) -> None:
    """Send the question once more. Raises NotFound, Conflict if it is confirmed, RateLimited if that was just now."""
    with transaction():
        statement = select(Recipient).where(
            Recipient.organization_id == organization_id, Recipient.address == address.lower()
        )
        row = db.session.execute(statement.with_for_update()).scalar_one_or_none()
        if row is None:
            raise errors.NotFound("No channel writes to this address.")
        if row.status == "confirmed":
            raise errors.Conflict(f"{row.address} has confirmed already.")
        if row.status == "waiting" and queries.members(organization_id, [row.address]):
            _confirm(row, by, now)
            return
        _be_patient(row, now)
        _ask(row, by, now)


def ask_anew(token: str, now: datetime) -> Recipient:
    """The same for whoever holds an older question: its link is over, and they want another. Raises NotOurs too."""
    with transaction():
        row = _named(mail_links.question(token).recipient_id)
        ask_again(row.organization_id, row.address, Actor("person", row.address), now)
    return row


def may_ask_at(status: str, asked_at: datetime | None, since: datetime | None) -> datetime | None:
    """From when on the question may be sent again; None for at once."""
    if status == "unsubscribed" and since is not None:
        return max(since, asked_at or since) + AFTER_A_NO
    return asked_at + ASK_AGAIN_AFTER if asked_at else None


def _ask(row: Recipient, by: Actor, now: datetime) -> None:
    organization = db.session.get_one(Organization, row.organization_id).name
    asks = "" if by.name == row.address else by.name
    row.asked_at = now
    _note("recipient.asked", row, by, now)
    letters.post(
        "confirm",
        row.address,
        f"Shall {organization} send you alerts? Please confirm",
        {
            "organization": organization,
            "address": row.address,
            "asks": asks,
            "recipient_id": str(row.id),
            "asked_at": now.isoformat(),
            "days": mail_links.GOOD_FOR.days,
        },
        row.organization_id,
        now,
    )


def _be_patient(row: Recipient, now: datetime) -> None:
    at = may_ask_at(row.status, row.asked_at, row.unsubscribed_at)
    if at is not None and at > now:
        seconds = max(int((at - now).total_seconds()), 1)
        wait = "tomorrow" if seconds > 3600 else f"in {-(-seconds // 60)} min"
        raise errors.RateLimited(f"{row.address} was written to just now. Ask again {wait}.", seconds)
    if _asked_lately(row.organization_id, now) >= MOST_QUESTIONS_A_DAY:
        raise errors.RateLimited("That are enough questions for one day. Ask again tomorrow.", 3600)


def _asked_lately(organization_id: UUID, now: datetime) -> int:
    asked = Recipient.organization_id == organization_id, Recipient.asked_at > now - timedelta(days=1)
    return db.session.execute(select(func.count()).where(*asked)).scalar_one()


# --- answers ----------------------------------------------------------------------------------------------------


def asked(token: str, now: datetime) -> tuple[Recipient, Organization]:
    """Who is asked by the link with this token, and by whom. Changes nothing.

    Raises NotOurs, or Over if it can't be answered any more.
    """
    question = mail_links.question(token)
    found = queries.find(question.recipient_id)
    if found is None:
        raise mail_links.NotOurs("The organization that asked is gone.")
    _check(found[0], question, now)
    return found


def confirm(token: str, now: datetime) -> tuple[Recipient, Organization]:
    """Yes: mails may come, and those that waited go out now. Twice is no harm. Raises NotOurs or Over."""
    question = mail_links.question(token)
    with transaction():
        row = _named(question.recipient_id)
        _check(row, question, now)
        if row.status != "confirmed":
            _confirm(row, Actor("person", row.address), now)
    found = queries.find(question.recipient_id)
    assert found is not None
    return found


def subscriber(token: str) -> tuple[Recipient, Organization]:
    """Whose mails the link with this token stops, and whose they are. Changes nothing. Raises NotOurs."""
    found = queries.find(mail_links.unsubscribing(token))
    if found is None:
        raise mail_links.NotOurs("The organization that wrote this mail is gone, and writes no more.")
    return found


def unsubscribe(token: str, now: datetime) -> tuple[Recipient, Organization]:
    """No: nothing more is sent there. Twice is no harm. Raises NotOurs."""
    recipient_id = mail_links.unsubscribing(token)
    with transaction():
        row = _named(recipient_id)
        if row.unsubscribed_at is None:
            row.unsubscribed_at = now
            _note("recipient.unsubscribed", row, Actor("person", row.address), now)
            db.session.flush()
            desertions.disable(row.organization_id, [row.address], now)
    return subscriber(token)


def undo(token: str, now: datetime) -> tuple[Recipient, Organization]:
    """Mails come again, as if nobody had unsubscribed: channels disabled by it are back, too. Raises NotOurs."""
    recipient_id = mail_links.unsubscribing(token)
    with transaction():
        row = _named(recipient_id)
        if row.unsubscribed_at is not None:
            row.unsubscribed_at = None
            _note("recipient.resubscribed", row, Actor("person", row.address), now)
            db.session.flush()
            desertions.enable(row.organization_id, row.address, now)
    return subscriber(token)


def _confirm(row: Recipient, by: Actor, now: datetime) -> None:
    row.confirmed_at, row.unsubscribed_at, row.bounced_at, row.bounce_reason = now, None, None, ""
    _note("recipient.confirmed", row, by, now)
    db.session.flush()
    desertions.enable(row.organization_id, row.address, now)
    _send_what_waits(row, now)


def _send_what_waits(row: Recipient, now: datetime) -> None:
    ours = Channel.organization_id == row.organization_id, desertions.writes_to([row.address])
    waiting = (
        Delivery.organization_id == row.organization_id,
        Delivery.status == "pending",
        Delivery.channel_id.in_(select(Channel.id).where(*ours)),
        or_(Delivery.lease_until.is_(None), Delivery.lease_until <= now),
    )
    rung = list(
        db.session.execute(
            update(Delivery)
            .where(*waiting)
            .values(next_attempt_at=now, rung_at=now)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        ).scalars()
    )
    for start in range(0, len(rung), RING_FOR):
        on_commit(partial(enqueue, Job.DELIVER, rung[start : start + RING_FOR]))


def _check(row: Recipient, question: mail_links.Question, now: datetime) -> None:
    if row.status == "confirmed":
        return
    if row.confirmed_at is not None and row.confirmed_at >= question.asked_at:
        raise Over("It was used already, and something has changed since. Ask for a new one.")
    if question.expired(now):
        raise Over(f"It was good for {mail_links.GOOD_FOR.days} days, and they are over. Ask for a new one.")


# --- sending ----------------------------------------------------------------------------------------------------


def briefing(listeners: Sequence[Listener], now: datetime) -> dict[UUID, dict[str, Any]]:
    """By channel: which addresses want mail, and the link by which each stops it. One statement."""
    public_url = current_app.extensions["tokiflow.settings"].public_url
    asked = [(one.channel_id, one.organization_id, one.config["to"]) for one in listeners]
    return {
        channel_id: {"recipients": {one.address: _told(one, public_url) for one in standing}}
        for channel_id, standing in queries.by_channel(asked).items()
    }


def _told(one: queries.Standing, public_url: str) -> dict[str, str]:
    link = public_url + mail_links.unsubscribe(one.recipient_id) if one.recipient_id else ""
    return {"state": one.status, "unsubscribe": link}


# --- what they share --------------------------------------------------------------------------------------------


def _rows(organization_id: UUID, addresses: Sequence[str], now: datetime) -> Sequence[Recipient]:
    """The row of each address, made where there is none, and locked."""
    names = sorted({address.lower() for address in addresses})
    if not names:
        return []
    made = [{"id": ids.new(), "organization_id": organization_id, "address": one, "created_at": now} for one in names]
    db.session.execute(insert(Recipient).values(made).on_conflict_do_nothing())
    rows = select(Recipient).where(Recipient.organization_id == organization_id, Recipient.address.in_(names))
    return db.session.execute(rows.order_by(Recipient.address).with_for_update()).scalars().all()


def _named(recipient_id: UUID) -> Recipient:
    row = db.session.get(Recipient, recipient_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise mail_links.NotOurs("The organization that wrote this mail is gone.")
    return row


def _note(what: str, row: Recipient, by: Actor, now: datetime) -> None:
    audit.record(what, by, row.organization_id, now, object_id=row.id, object_name=row.address)
    log.info(what.replace(".", "_"), recipient=str(row.id))
