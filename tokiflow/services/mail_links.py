"""The links in our mails that prove who was written to. Signed, not kept: the database holds no way to use them.

Each names the row of an address in an organization (models.Recipient), and works without signing in; or an invitation.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from tokiflow import errors
from tokiflow.core import signing
from tokiflow.settings import Settings

GOOD_FOR = timedelta(days=7)


class NotOurs(errors.NotFound):
    """The link is forged, or not whole."""

    title = "This link does not work"


class Question(NamedTuple):
    """What a link to confirm stands for: whom was asked, and when."""

    recipient_id: UUID
    asked_at: datetime

    def expired(self, now: datetime) -> bool:
        return now >= self.asked_at + GOOD_FOR


def confirm(recipient_id: UUID, asked_at: datetime) -> str:
    """The path that answers the question sent at `asked_at` (kept to the second)."""
    token = _serializer("confirm").dumps([recipient_id.hex, int(asked_at.timestamp())])
    return f"/confirm/{_text(token)}"


def question(token: str) -> Question:
    """What is asked by the link with this token, expired or not. Raises NotOurs."""
    try:
        recipient_id, at = _serializer("confirm").loads(token)
        return Question(UUID(recipient_id), datetime.fromtimestamp(at, UTC))
    except (BadData, ValueError, TypeError, AttributeError):
        raise NotOurs("It is not complete, or not one of ours. Copy it whole, as it stands in the mail.") from None


def unsubscribe(recipient_id: UUID) -> str:
    """The path that stops mails to an address. It never expires: old mails are kept for years."""
    return f"/unsubscribe/{_text(_serializer('unsubscribe').dumps(recipient_id.hex))}"


def unsubscribing(token: str) -> UUID:
    """The recipient whose mails the link with this token stops. Raises NotOurs."""
    try:
        return UUID(_serializer("unsubscribe").loads(token))
    except (BadData, ValueError, TypeError, AttributeError):
        raise NotOurs("It is not complete, or not one of ours. Copy it whole, as it stands in the mail.") from None


def report(organization_id: UUID, user_id: UUID, tag: str) -> str:
    """The path that stops a person's monthly report. It never expires, either."""
    return f"/reports/unsubscribe/{_text(_serializer('report').dumps([organization_id.hex, user_id.hex, tag]))}"


def reported(token: str) -> tuple[UUID, UUID, str]:
    """The organization, the person and the tag of the report that the link with this token stops. Raises NotOurs."""
    try:
        organization_id, user_id, tag = _serializer("report").loads(token)
        return UUID(organization_id), UUID(user_id), str(tag)
    except (BadData, ValueError, TypeError, AttributeError):
        raise NotOurs("It is not complete, or not one of ours. Copy it whole, as it stands in the mail.") from None


def invitation(invitation_id: UUID, nonce: str) -> str:
    """The path that answers an invitation, as long as `nonce` is its newest."""
    return f"/invitations/{_text(_serializer('invitation').dumps([invitation_id.hex, nonce]))}"


def invited(token: str) -> tuple[UUID, str]:
    """The invitation and the nonce that the link with this token stands for. Raises NotOurs."""
    try:
        invitation_id, nonce = _serializer("invitation").loads(token)
        return UUID(invitation_id), str(nonce)
    except (BadData, ValueError, TypeError, AttributeError):
        raise NotOurs("It is not complete, or not one of ours. Copy it whole, as it stands in the mail.") from None


def _serializer(use: str) -> URLSafeSerializer:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return signing.serializer(settings.secret_keys, f"mail.{use}")


def _text(token: str | bytes) -> str:
    return token if isinstance(token, str) else token.decode("ascii")
