"""Letters about keys: one when it is made, one a week before it ends, and never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.channels.conftest import KeptMail
from tests.factories import make_api_key, make_membership, make_user
from tokiflow.channels import Outside
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import Letter
from tokiflow.services import api_key_letters, api_keys, mailing

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)
YEAR_AGO = NOW - timedelta(days=358)


def posted() -> list[Letter]:
    return list(db.session.execute(select(Letter).order_by(Letter.id)).scalars())


def mailed() -> list[str]:
    """The plain text of all letters, as it is mailed."""
    mailer = KeptMail()
    outside = Outside(None, mailer, "Tokiflow <alerts@tokiflow.example>", "https://tokiflow.example")  # type: ignore[arg-type]
    mailing.mail([one.id for one in posted()], outside, lambda: NOW)
    return [body.get_content() for mail in mailer.mails if (body := mail.get_body(("plain",)))]


def ending(organization, days: float = 5, **values):
    return make_api_key(organization, expires_at=NOW + timedelta(days=days), **{"now": YEAR_AGO, **values})


def test_the_maker_hears_of_a_new_key_without_seeing_it(organization, alice):
    by = Actor("person", "Alice", alice.id)
    key = api_keys.create(organization.id, "deploy", ["read"], by, NOW, NOW + timedelta(days=30))
    (letter,) = posted()
    assert (letter.to_address, letter.subject) == (
        alice.email, "A new API key was made for Harbour Freight: deploy",
    )  # fmt: skip
    (text,) = mailed()
    assert key.prefix in text
    assert key.text[13:] not in text
    assert "Tue 22 Dec 2026, 10:05 (Europe/Berlin)" in text


def test_of_a_key_made_on_the_server_all_owners_hear(organization, alice, adam):
    olga = make_user("Olga")
    make_membership(organization, olga, Role.OWNER)
    key = api_keys.create(organization.id, "deploy", ["read"], Actor("system", "an operator"), NOW)
    assert sorted(one.to_address for one in posted()) == sorted([alice.email, olga.email])
    for text in mailed():
        assert "was made on the server: deploy" in text
        assert key.prefix in text
        assert key.text[13:] not in text
        assert "Sent to its owners" in text


def test_a_key_made_by_tokiflow_itself_is_told_to_nobody(organization, alice):
    api_keys.create(organization.id, "deploy", ["read"], TOKIFLOW, NOW)
    assert posted() == []


def test_a_week_before_it_ends_owners_and_admins_hear_of_it_once(organization, alice, adam, mia, vera, charlie):
    key = ending(organization, name="deploy")
    assert api_key_letters.warn(NOW) == 1
    assert api_key_letters.warn(NOW + timedelta(hours=1)) == 0
    assert sorted(one.to_address for one in posted()) == sorted([alice.email, adam.email])
    text = mailed()[0]
    assert "The API key deploy ends within a week." in text
    assert f"deploy ({key.prefix}…)" in text
    assert "Never used." in text
    assert "/app/settings/api-keys/key_" in text


def test_many_that_end_are_told_in_one_letter(organization, alice):
    for n in range(12):
        ending(organization, days=1 + n / 3, name=f"key {n}")
    assert api_key_letters.warn(NOW) == 12
    (text,) = mailed()
    assert "12 API keys end within a week." in text
    assert "- and 2 more" in text
    assert text.count("/app/settings/api-keys/key_") == 10, (
        "each leads to its own page, in whatever organization one was"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"days": 8},
        {"days": -1},
        {"revoked_at": NOW},
        {"days": 6, "now": NOW - timedelta(days=1)},
        {"warned_at": NOW},
    ],
    ids=["later", "over", "revoked", "short", "told"],
)
def test_nobody_is_told_of_what_is_no_news(organization, alice, values):
    ending(organization, **values)
    assert api_key_letters.warn(NOW) == 0
    assert posted() == []


def test_what_is_being_replaced_ends_as_it_was_meant_to(organization, alice):
    ending(organization, replaced_by=make_api_key(organization).id)
    assert api_key_letters.warn(NOW) == 0
