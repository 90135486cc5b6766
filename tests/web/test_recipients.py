"""Answers out of a mail, as people, mail programs and the scanners of mailboxes give them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.factories import make_channel
from tests.fixtures.app import Client
from tests.web.posting import post
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Letter, Organization, Recipient, User
from tokiflow.services import channels, mail_links

OPS = "ops@example.com"
ONE_CLICK: dict[str, Any] = {"data": {"List-Unsubscribe": "One-Click"}}


@pytest.fixture
def channel_id(organization: Organization) -> str:
    """A channel of Harbour Freight to an address that was just asked."""
    values = {"kind": "email", "name": "Ops", "config": {"to": [OPS]}}
    return ids.public("chn", channels.create(organization.id, values, Actor("person", "Adam"), datetime.now(UTC)))


def row() -> Recipient:
    db.session.expire_all()
    return db.session.execute(select(Recipient)).scalar_one()


def confirm_path() -> str:
    asked_at = row().asked_at
    assert asked_at
    return mail_links.confirm(row().id, asked_at)


def asked(before: timedelta) -> None:
    """Let the question have been sent `before` now."""
    with transaction():
        db.session.execute(update(Recipient).values(asked_at=datetime.now(UTC) - before))


def test_a_yes_takes_a_button_and_no_account(client: Client, channel_id: str) -> None:
    path = confirm_path()
    page = client.get(path).text
    assert "Harbour Freight" in page
    assert OPS in page
    assert row().status == "waiting", "scanners open every link"
    answer = post(client, path, page=path)
    assert answer.status_code == 200
    assert "Alerts will come" in answer.text
    assert row().status == "confirmed"
    assert "Alerts will come" in client.get(path).text


def test_a_link_that_is_over_offers_a_new_one(client: Client, channel_id: str) -> None:
    asked(timedelta(days=8))
    path = confirm_path()
    page = client.get(path)
    assert page.status_code == 410
    assert "Send me a new link" in page.text
    assert client.post(path).status_code == 400
    answer = post(client, f"{path}/again", page=path)
    assert "Look into your mailbox" in answer.text
    assert len(db.session.execute(select(Letter)).all()) == 2
    assert post(client, f"{path}/again", page=path).status_code == 429


@pytest.mark.parametrize("path", ["/confirm/nonsense", "/unsubscribe/nonsense", "/confirm/%ff%fe", "/unsubscribe/a.b"])
def test_nonsense_gets_a_friendly_page(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Copy it whole" in answer.text
    assert "Send me a new link" not in answer.text


def test_a_mail_program_unsubscribes_with_one_post_and_nothing_else(client: Client, organization: Organization) -> None:
    make_channel(organization, "email", config={"to": [OPS, "shop@example.com"]})
    person = db.session.execute(select(Recipient).where(Recipient.address == OPS)).scalar_one()
    path = mail_links.unsubscribe(person.id)
    for _ in range(2):
        answer = client.post(path, **ONE_CLICK)
        assert answer.status_code == 200
    statuses = {one.address: one.status for one in db.session.execute(select(Recipient)).scalars()}
    assert statuses == {OPS: "unsubscribed", "shop@example.com": "confirmed"}


def test_a_person_sees_what_will_stop_and_may_undo_it(client: Client, organization: Organization) -> None:
    make_channel(organization, "email", config={"to": [OPS]})
    path = mail_links.unsubscribe(row().id)
    page = " ".join(re.sub("<[^>]*>", "", client.get(path).text).split())
    assert f"Stop mails about Harbour Freight? Tokiflow writes to {OPS}" in page
    assert row().status == "confirmed"
    done = post(client, path, page=path)
    assert "No more mails" in done.text
    assert row().status == "unsubscribed"
    post(client, f"{path}/undo", page=path)
    assert row().status == "confirmed"


def test_scanners_that_open_every_link_change_nothing(client: Client, channel_id: str) -> None:
    before = (row().confirmed_at, row().unsubscribed_at, row().asked_at)
    for path in (confirm_path(), mail_links.unsubscribe(row().id)):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert client.open(path, method=method).status_code == 200
    assert client.get(f"{confirm_path()}/again").status_code == 405
    assert (row().confirmed_at, row().unsubscribed_at, row().asked_at) == before


def test_the_channel_page_says_how_each_address_stands(
    app: Flask, channel_id: str, alice: User, vera: User, client_for: Any
) -> None:
    page = client_for(alice).get(f"/app/channels/{channel_id}").text
    assert "Waiting for an answer" in page
    assert "Send the question again" not in page, "it was sent just now"
    asked(timedelta(minutes=6))
    assert "Send the question again" in client_for(alice).get(f"/app/channels/{channel_id}").text
    assert "Send the question again" not in client_for(vera).get(f"/app/channels/{channel_id}").text
    with transaction():
        db.session.execute(update(Recipient).values(bounced_at=datetime.now(UTC), bounce_reason="550 no such user"))
    page = client_for(alice).get(f"/app/channels/{channel_id}").text
    assert "Bounces" in page
    assert "550 no such user" in page


def test_alice_sends_the_question_again(channel_id: str, alice: User, client_for: Any) -> None:
    browser, path = client_for(alice), f"/app/channels/{channel_id}"
    asked(timedelta(minutes=6))
    for said in ("The question is on its way", "was written to just now"):
        answer = post(browser, f"{path}/ask", page=path, address=OPS)
        assert answer.status_code == 303
        assert said in browser.get(path).text
    assert len(db.session.execute(select(Letter)).all()) == 2
    assert post(browser, f"{path}/ask", page=path, address="eve@example.com").status_code == 422
