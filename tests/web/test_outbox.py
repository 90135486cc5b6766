"""The local outbox: what development mails, shown to whoever sits at this machine."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from tests.web.posting import post
from tokiflow import settings
from tokiflow.adapters.mail import outbox_from
from tokiflow.app import create_app
from tokiflow.db import db


@pytest.fixture
def outbox(app):
    """The outbox of the app of the tests, empty."""
    made = outbox_from(app.extensions["tokiflow.settings"].data_dir)
    made.clear()
    yield made
    made.clear()


def a_mail(subject: str = "Nightly backup is down", html: str = "<html><head></head><body><b>Down</b></body></html>"):
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Tokiflow <a@b.example>", "ops@harbour.example"
    message.set_content("It missed its ping. See http://localhost/app/incidents")
    message.add_alternative(html, subtype="html")
    return message


def test_an_empty_outbox_says_what_will_be_there(client, outbox):
    assert "No mail yet" in client.get("/dev/outbox").text


def test_mails_are_listed_newest_first_and_shown_in_both_forms(client, outbox):
    outbox.send(a_mail("First"))
    outbox.send(a_mail("Second <script>"))
    page = client.get("/dev/outbox").text
    assert page.index("Second &lt;script&gt;") < page.index("First")
    mail = outbox.list()[0]
    shown = client.get(f"/dev/outbox/{mail.id}").text
    assert "ops@harbour.example" in shown
    assert 'href="http://localhost/app/incidents"' in shown
    assert f'src="/dev/outbox/{mail.id}/html"' in shown
    assert "sandbox=" in shown


def test_a_live_list_gets_only_the_list(client, outbox):
    part = client.get("/dev/outbox", headers={"HX-Request": "true"}).text
    assert part.strip().startswith('<div id="mails"')


def test_a_mail_may_bring_styles_and_nothing_else(client, outbox):
    outbox.send(
        a_mail(html="<html><head></head><body><script>alert(1)</script><p style='color:red'>x</p></body></html>")
    )
    answer = client.get(f"/dev/outbox/{outbox.list()[0].id}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "style-src 'unsafe-inline'" in policy
    assert "unsafe-inline" not in client.get("/dev/outbox").headers["Content-Security-Policy"]


@pytest.mark.parametrize("mail_id", ["x", "..%2F..%2Fsecret_key", "20250101T000000000000Z-x", "%00"])
def test_a_mail_that_is_not_there_is_not_found(client, outbox, mail_id):
    assert client.get(f"/dev/outbox/{mail_id}").status_code == 404
    assert client.get(f"/dev/outbox/{mail_id}/html").status_code == 404


def test_the_outbox_can_be_emptied(client, outbox):
    outbox.send(a_mail())
    assert client.post("/dev/outbox/clear").status_code == 400
    assert post(client, "/dev/outbox/clear").status_code == 303
    assert outbox.list() == []


def test_pages_lead_to_it_where_mail_goes_there(client_for, alice, outbox):
    assert 'href="/dev/outbox"' in client_for(alice).get("/app/settings/profile").text


def test_production_has_no_outbox(app, database, tmp_path):
    site = create_app(
        settings.load({**database.environment, "TOKIFLOW_ENV": "production", "TOKIFLOW_DATA": str(tmp_path)})
    )
    assert site.test_client().get("/dev/outbox").status_code == 404
    with site.app_context():
        db.engine.dispose()
