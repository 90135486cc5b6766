"""Resend's webhook: signed as Svix signs, and heard once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.factories import make_channel
from tests.fixtures.app import Client
from tokiflow.db import db
from tokiflow.models import AuditEvent, Channel, Letter, Organization, Recipient, User

KEY = b"0123456789abcdef01234567"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
OPS = "ops@example.com"


@pytest.fixture(autouse=True)
def _configured(app: Flask) -> Iterator[None]:
    before = app.extensions["tokiflow.settings"]
    app.extensions["tokiflow.settings"] = before.model_copy(update={"resend_webhook_secret": SECRET})
    yield
    app.extensions["tokiflow.settings"] = before


@pytest.fixture
def channel(organization: Organization) -> Channel:
    return make_channel(organization, "email", config={"to": [OPS]})


def signature(body: bytes, at: int, key: bytes = KEY, message_id: str = "msg_1") -> str:
    content = f"{message_id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def tell(client: Client, event: Any, **headers: str) -> TestResponse:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    at = int(datetime.now(UTC).timestamp())
    signed = {"svix-id": "msg_1", "svix-timestamp": str(at), "svix-signature": signature(body, at)}
    sent = {**signed, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.post("/hooks/resend", data=body, headers=sent, content_type="application/json")


def event(kind: str = "email.bounced", at: datetime | None = None, **data: Any) -> dict[str, Any]:
    bounce = {"message": "The mailbox does not exist", "type": "Permanent", "subType": "General"}
    return {
        "type": kind,
        "created_at": (at or datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z"),
        "data": {"email_id": "e1", "to": ["OPS@example.com"], "bounce": bounce, **data},
    }


def standing() -> Recipient:
    db.session.expire_all()
    return db.session.execute(select(Recipient)).scalar_one()


def test_a_bounce_ends_the_mails_and_tells_the_owner_once(client: Client, alice: User, channel: Channel) -> None:
    for _ in range(2):
        assert tell(client, event()).status_code == 200
    assert (standing().status, standing().bounce_reason) == ("bounced", "The mailbox does not exist")
    found = db.session.get_one(Channel, channel.id, populate_existing=True)
    assert not found.enabled
    assert found.disabled_reason == f"nobody is left to write to: {OPS} takes no mail (The mailbox does not exist)"
    assert db.session.execute(select(Letter.to_address)).scalars().all() == [alice.email]
    assert len(db.session.execute(select(AuditEvent).where(AuditEvent.what == "recipient.bounced")).all()) == 1


def test_a_complaint_unsubscribes(client: Client, channel: Channel) -> None:
    assert tell(client, event("email.complained", bounce=None)).status_code == 200
    assert standing().status == "unsubscribed"


@pytest.mark.parametrize(
    "heard",
    [
        event("email.delivered"),
        event("something.new"),
        event(bounce={"type": "Transient", "message": "mailbox full"}),
        event(to=["nobody@example.com"]),
        event(at=datetime(2020, 1, 1, tzinfo=UTC)),
        event(to=None),
        event(to=[7, None]),
        {"type": "email.bounced"},
        {"type": ["email.bounced"], "data": []},
        [],
    ],
)
def test_what_is_no_bounce_of_ours_is_heard_and_changes_nothing(client: Client, channel: Channel, heard: Any) -> None:
    assert tell(client, heard).status_code == 200
    assert standing().status == "confirmed"


def test_what_resend_did_not_sign_is_refused(client: Client, channel: Channel) -> None:
    body, now = json.dumps(event()).encode(), int(datetime.now(UTC).timestamp())
    wrong: list[dict[str, str]] = [
        {"svix_signature": signature(body, now, b"another key")},
        {"svix_signature": ""},
        {"svix_signature": "v1,"},
        {"svix_signature": "v2" + signature(body, now)[2:]},
        {"svix_signature": signature(body, now, message_id="msg_2")},
        {"svix_timestamp": "now"},
        {"svix_timestamp": "9" * 40},
        {"svix_timestamp": str(now - 301), "svix_signature": signature(body, now - 301)},
        {"svix_timestamp": str(now + 302), "svix_signature": signature(body, now + 302)},
    ]
    for headers in wrong:
        assert tell(client, body, **headers).status_code == 401, headers
    assert client.post("/hooks/resend", data=body).status_code == 401
    assert standing().status == "confirmed"


def test_while_the_secret_is_changed_one_of_several_signatures_is_enough(client: Client, channel: Channel) -> None:
    body, now = json.dumps(event()).encode(), int(datetime.now(UTC).timestamp())
    several = f"{signature(body, now, b'the other key')} {signature(body, now)}"
    assert tell(client, body, svix_signature=several, svix_timestamp=str(now)).status_code == 200
    assert standing().status == "bounced"


def test_nonsense_that_is_signed_is_malformed(client: Client) -> None:
    assert tell(client, b"{").status_code == 400


def test_without_a_secret_there_is_no_such_address(app: Flask, client: Client) -> None:
    settings = app.extensions["tokiflow.settings"]
    app.extensions["tokiflow.settings"] = settings.model_copy(update={"resend_webhook_secret": ""})
    assert tell(client, event()).status_code == 404
