"""Links in mails and in Slack open in the organization they are about, whoever follows them and wherever they were."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from tests.channels.conftest import KeptMail
from tests.factories import make_channel, make_membership, make_monitor, make_slack_installation
from tests.house.things import fail, make_things
from tests.services.test_letters import outside
from tests.services.test_memberships import actor
from tokiflow.channels import email
from tokiflow.core import links
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.roles import Role
from tokiflow.core.slack_commands import Command
from tokiflow.db import db, transaction
from tokiflow.models import Delivery, Letter
from tokiflow.services import channels, claims, memberships, messages, organizations
from tokiflow.web import slack_answers

SITE = "https://tokiflow.example"
NOW = datetime.now(UTC)


def lands_in(browser, url):
    """The name of the organization that the page behind `url` is about."""
    page = browser.get(url.removeprefix(SITE).removeprefix("http://localhost"))
    assert page.status_code == 200, url
    found = re.search(r'<strong dir="auto">([^<]+)</strong>', page.text)
    assert found
    return found[1]


@pytest.fixture
def hers(client_for, alice, other_organization):
    """Alice's browser; she is in both organizations, and was last in Charlie's."""
    make_membership(other_organization, alice, Role.OWNER)

    def browser():
        made = client_for(alice)
        assert made.get(links.within(other_organization.id, "/app")).status_code == 200
        return made

    return browser


def followed(hers, text):
    """Where each page lands that `text` links to, once for each address."""
    urls = set(re.findall(rf"{SITE}/app[^\s\"<>|]*", text)) | set(re.findall(r"http://localhost/app[^\s\"<>|]*", text))
    return {url.partition("?")[0].rpartition("/")[2][:4]: lands_in(hers(), url) for url in urls}


def written(mail):
    """Both forms of a mail, as they are read."""
    return " ".join(part.get_content() for part in mail.walk() if not part.is_multipart()).replace("&amp;", "&")


def test_every_link_of_an_alert(hers, organization):
    make_things(organization, NOW)
    delivery_id = db.session.execute(select(Delivery.id)).scalar_one()
    with transaction():
        db.session.execute(update(Delivery).values(status="pending", next_attempt_at=NOW, lease_until=None))
    (claimed,) = claims.by_name([delivery_id], NOW)
    mail = email.letter(messages.of(claimed, SITE), ["ops@example.com"], outside(KeptMail()))
    assert followed(hers, written(mail)) == dict.fromkeys(("inc_", "mon_", "chan"), "Harbour Freight")


def test_every_link_of_a_test_message(hers, organization):
    mailer, channel = KeptMail(), make_channel(organization, "email")
    channels.test(channel.id, TOKIFLOW, outside(mailer), NOW)
    found = followed(hers, " ".join(map(written, mailer.mails)))
    assert set(found.values()) == {"Harbour Freight"}
    assert "chan" in found


def test_every_link_of_an_answer_in_slack(hers, organization):
    installation = make_slack_installation(organization)
    make_things(organization, NOW)
    for _ in range(slack_answers.MOST + 1):
        fail(make_monitor(organization), NOW)
    for verb, places in (("status", {"inc_", "inci", "app"}), ("monitors", {"mon_", "moni"})):
        said = slack_answers.answer(Command(verb), installation.team_id, "Alice", NOW)
        assert followed(hers, str(said)) == dict.fromkeys(places, "Harbour Freight")


def test_every_link_of_a_letter(hers, organization, alice, mia):
    organizations.plan_deletion(organization.id, "Harbour Freight", actor(alice), NOW)
    memberships.set_role(organization.id, mia.id, Role.ADMIN, actor(alice), NOW)
    paths = [context["path"] for context in db.session.execute(select(Letter.context).order_by(Letter.id)).scalars()]
    assert [lands_in(hers(), path) for path in paths] == ["Harbour Freight"] * 3
