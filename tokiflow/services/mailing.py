"""Mailing letters: at least once, and then with the same Message-ID.

What opens a door is not kept with a letter: a template that needs a signed link gets it at the moment of sending.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from tokiflow import errors
from tokiflow.channels import Outside
from tokiflow.channels import letters as writing
from tokiflow.core import alerting
from tokiflow.db import db, transaction
from tokiflow.models import Letter
from tokiflow.services import desertions, letters, mail_links

log = structlog.get_logger()

AT_ONCE = 10
"""So many are claimed together and mailed one after another."""
LEASE = timedelta(minutes=3)
"""Longer than AT_ONCE mails take at worst (adapters.mail.TIME_LIMIT each)."""
GIVEN_UP_AFTER = timedelta(days=1)

_SECRETS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "confirm": lambda context: {
        "path": mail_links.confirm(UUID(context["recipient_id"]), datetime.fromisoformat(context["asked_at"]))
    },
    "report": lambda context: {
        "unsubscribe": mail_links.report(UUID(context["organization_id"]), UUID(context["user_id"]), context["tag"])
    },
    "invitation": lambda context: {"path": mail_links.invitation(UUID(context["invitation_id"]), context["nonce"])},
}
"""By template: from the context that is kept, what is added to it when the mail is written."""


def mail(letter_ids: Sequence[UUID], outside: Outside, clock: Callable[[], datetime] | None = None) -> int:
    """Mail those of `letter_ids` that are due and held by nobody; how many were tried. Safe to call twice."""
    clock = clock or (lambda: datetime.now(UTC))
    tried = 0
    for start in range(0, len(letter_ids), AT_ONCE):
        for one in _claim(letter_ids[start : start + AT_ONCE], clock()):
            tried += 1
            try:
                outside.mailer.send(_written(one, outside, clock()))
            except errors.DeliveryError as error:
                _record_failure(one, error, clock())
            except Exception as error:
                log.exception("letter_crashed", letter=str(one.id), template=one.template)
                said = f"Tokiflow could not write this letter: {type(error).__name__}"
                _record_failure(one, errors.DeliveryError(said), clock())
            else:
                _record_sent(one, clock())
    return tried


def _claim(letter_ids: Sequence[UUID], now: datetime) -> Sequence[Any]:
    """Take the lease on those that are due: all that sending takes, copied out."""
    free = select(Letter.id).where(Letter.id.in_(letter_ids), letters.due(now)).with_for_update(skip_locked=True)
    with transaction():
        return db.session.execute(
            update(Letter)
            .where(Letter.id.in_(free))
            .values(lease_until=now + LEASE, attempts=Letter.attempts + 1)
            .returning(
                Letter.id, Letter.organization_id, Letter.template, Letter.to_address, Letter.subject, Letter.context,
                Letter.attempts, Letter.created_at,
            )
            .execution_options(synchronize_session=False)
        ).all()  # fmt: skip


def _written(one: Any, outside: Outside, now: datetime) -> EmailMessage:
    secrets = _SECRETS[one.template](one.context) if one.template in _SECRETS else {}
    return writing.compose(
        one.template,
        sender=outside.email_from,
        to=[one.to_address],
        subject=one.subject,
        context={"public_url": outside.public_url, **one.context, **secrets},
        sent_at=now,
        headers={
            "Message-ID": writing.identifier(f"letter {one.id}", outside.email_from),
            "X-Auto-Response-Suppress": "All",
            **_unsubscribing(outside.public_url + secrets["unsubscribe"] if "unsubscribe" in secrets else ""),
        },
    )


def _unsubscribing(link: str) -> dict[str, str]:
    """What lets a mail program stop them with one POST (RFC 8058)."""
    return {"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if link else {}


def _record_sent(one: Any, now: datetime) -> None:
    with transaction():
        values = {"status": "sent", "sent_at": now, "lease_until": None, "last_error": ""}
        db.session.execute(update(Letter).where(Letter.id == one.id).values(values))
    log.info("letter_sent", letter=str(one.id), template=one.template)


def _record_failure(one: Any, error: errors.DeliveryError, now: datetime) -> None:
    again = None if error.permanent else alerting.next_try(now, one.attempts, random.random(), error.retry_after)
    dead = again is None or again > one.created_at + GIVEN_UP_AFTER
    values: dict[str, Any] = {"status": "dead" if dead else "pending", "lease_until": None, "last_error": error.message}
    if not dead:
        values["next_attempt_at"] = again
    with transaction():
        db.session.execute(update(Letter).where(Letter.id == one.id, Letter.status == "pending").values(values))
        if one.organization_id:
            desertions.learn(one.organization_id, error.refused, now)
    log.warning("letter_failed", letter=str(one.id), template=one.template, dead=dead)
