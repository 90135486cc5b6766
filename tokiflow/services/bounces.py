"""Addresses that take no mail, or want none: noted once, wherever it is learnt.

A mail server says so while we speak to it; Resend tells us later (web.resend).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, or_, update

from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.db import db, transaction
from tokiflow.models import Recipient
from tokiflow.services import audit

log = structlog.get_logger()

REASON_LIMIT = 500
MAIL_PROVIDER = Actor("system", "the mail provider")


def refused(organization_id: UUID, why: Mapping[str, str], now: datetime) -> None:
    """A mail server will never take mail of this organization for these addresses; `why` in its own words."""
    for address, reason in why.items():
        _mark_bounced([Recipient.organization_id == organization_id, _is(address)], reason, now, TOKIFLOW, now)


def bounced(addresses: Sequence[str], reason: str, at: datetime, now: datetime) -> set[UUID]:
    """Mails came back from `addresses` at `at`; the organizations that write to them.

    Whoever confirmed after `at` takes mail again, so a report that comes late or twice changes nothing.
    """
    found: set[UUID] = set()
    with transaction():
        for address in addresses:
            found |= _mark_bounced([_is(address)], reason, at, MAIL_PROVIDER, now)
    return found


def complained(addresses: Sequence[str], at: datetime, now: datetime) -> set[UUID]:
    """Somebody at `addresses` called our mail spam at `at`: that is the end of it. The organizations concerned."""
    found: set[UUID] = set()
    with transaction():
        for address in addresses:
            rows = db.session.execute(
                update(Recipient)
                .where(_is(address), Recipient.unsubscribed_at.is_(None), _not_confirmed_since(at))
                .values(unsubscribed_at=now)
                .returning(Recipient.id, Recipient.organization_id, Recipient.address)
                .execution_options(synchronize_session=False)
            ).all()
            for row in rows:
                _note("recipient.complained", row, "", MAIL_PROVIDER, now)
            found |= {row.organization_id for row in rows}
    return found


def _mark_bounced(where: list[ColumnElement[bool]], reason: str, at: datetime, by: Actor, now: datetime) -> set[UUID]:
    reason = " ".join(reason.replace("\x00", "").split())[:REASON_LIMIT]
    with transaction():
        rows = db.session.execute(
            update(Recipient)
            .where(*where, Recipient.bounced_at.is_(None), _not_confirmed_since(at))
            .values(bounced_at=now, bounce_reason=reason)
            .returning(Recipient.id, Recipient.organization_id, Recipient.address)
            .execution_options(synchronize_session=False)
        ).all()
        for row in rows:
            _note("recipient.bounced", row, reason, by, now)
    return {row.organization_id for row in rows}


def _is(address: str) -> ColumnElement[bool]:
    return Recipient.address == address.lower()


def _not_confirmed_since(at: datetime) -> ColumnElement[bool]:
    return or_(Recipient.confirmed_at.is_(None), Recipient.confirmed_at <= at)


def _note(what: str, row: Any, reason: str, by: Actor, now: datetime) -> None:
    recipient_id, organization_id, address = row
    after = {"reason": reason} if reason else {}
    audit.record(what, by, organization_id, now, object_id=recipient_id, object_name=address, after=after)
    log.info(what.replace(".", "_"), recipient=str(recipient_id))
