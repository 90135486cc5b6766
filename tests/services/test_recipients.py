"""Nobody gets mail who has not said yes; and whoever said no, or has no mailbox, gets none any more.

The mail server is a real one: what it refuses, it refuses by SMTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.factories import make_channel, make_membership, make_monitor, make_user
from tests.fixtures.post import Post, serving
from tests.house.things import fail
from tokiflow import errors
from tokiflow.adapters import mail
from tokiflow.channels import Outside
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, in_transaction, transaction
from tokiflow.models import (
    AuditEvent,
    Channel,
    Delivery,
    Letter,
    Monitor,
    MonitorChannel,
    Organization,
    Recipient,
    User,
)
from tokiflow.services import channels, deliveries, mail_links, mailing, recipients

NOW = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=250_000)  # later than the database takes for now
LATER = NOW + timedelta(minutes=10)
OPS, SHOP = "ops@example.com", "shop@example.com"
ADAM = Actor("person", "Adam")

pytestmark = pytest.mark.usefixtures("app")


class Office(Post):
    """The mail server of the other side, and how we reach it."""

    outside: Outside

    def about(self, address: str) -> list[EmailMessage]:
        """The mails that came for `address`, in order."""
        found = [one.content for one in self.mails if one.rcpt_tos == [address]]
        return [message_from_bytes(one, policy=policy.default) for one in found]

    def subjects(self, address: str) -> list[str]:
        return [str(one["Subject"]) for one in self.about(address)]


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    with serving(made) as port:
        mailer = mail.smtp_from(f"smtp://127.0.0.1:{port}", forbidden=in_transaction)
        made.outside = Outside(None, mailer, "Tokiflow <alerts@tokiflow.example>", "https://tokiflow.example")  # type: ignore[arg-type]
        yield made


def add_channel(organization: Organization, *to: str, at: datetime = NOW) -> UUID:
    """An e-mail channel as Adam makes it."""
    values = {"kind": "email", "name": "Ops", "config": {"to": list(to or (OPS,))}}
    return channels.create(organization.id, values, ADAM, at)


def post_letters(office: Office, at: datetime = NOW) -> int:
    waiting = db.session.execute(select(Letter.id).where(Letter.status == "pending")).scalars().all()
    return mailing.mail(waiting, office.outside, lambda: at)


def deliver(office: Office, at: datetime = LATER) -> None:
    due = select(Delivery.id).where(Delivery.status == "pending").order_by(Delivery.id)
    deliveries.deliver(list(db.session.execute(due).scalars()), office.outside, lambda: at)


def delivery() -> Delivery:
    db.session.expire_all()
    return db.session.execute(select(Delivery)).scalar_one()


def standing(address: str = OPS) -> Recipient:
    db.session.expire_all()
    return db.session.execute(select(Recipient).where(Recipient.address == address)).scalar_one()


def channel(channel_id: UUID) -> Channel:
    return db.session.get_one(Channel, channel_id, populate_existing=True)


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def token_in(message: EmailMessage, path: str) -> str:
    found = re.search(rf"https?://[^/\s]+/{path}/([\w.-]+)", text_of(message))
    assert found, text_of(message)
    return found[1]


def trouble(organization: Organization) -> None:
    fail(make_monitor(organization), NOW)


def notes(what: str) -> list[Any]:
    return list(db.session.execute(select(AuditEvent).where(AuditEvent.what == what)).scalars())


# --- asking -----------------------------------------------------------------------------------------------------


def test_a_new_address_is_asked_and_alerts_wait_for_its_yes(organization: Organization, office: Office) -> None:
    add_channel(organization)
    trouble(organization)
    deliver(office)
    assert delivery().status == "pending"
    assert delivery().last_error == f"{OPS} has not confirmed yet that it wants these mails"

    assert post_letters(office) == 1
    (question,) = office.about(OPS)
    assert question["Subject"] == "Shall Harbour Freight send you alerts? Please confirm"
    assert "Adam of Harbour Freight wants Tokiflow to write to" in " ".join(text_of(question).split())

    recipients.confirm(token_in(question, "confirm"), LATER)
    assert delivery().next_attempt_at == LATER
    deliver(office)
    assert delivery().status == "sent"
    assert office.subjects(OPS)[1:] == ["Down: Nightly backup failed with exit code 3"]
    assert [one.by for one in notes("recipient.confirmed")] == [OPS]


def test_a_members_own_address_needs_no_question(organization: Organization, alice: User, office: Office) -> None:
    add_channel(organization, alice.email.upper().replace("EXAMPLE.COM", "example.com"))
    assert standing(alice.email).status == "confirmed"
    trouble(organization)
    deliver(office)
    assert delivery().status == "sent"
    assert post_letters(office) == 0


def test_a_stranger_to_the_organization_is_asked_though_they_have_an_account(
    organization: Organization, charlie: User
) -> None:
    add_channel(organization, charlie.email)
    assert standing(charlie.email).status == "waiting"


def test_an_address_is_asked_once_however_many_channels_write_to_it(organization: Organization) -> None:
    first = add_channel(organization)
    add_channel(organization, "OPS@example.com", SHOP)
    channels.edit(first, {"name": "Again"}, ADAM, LATER)
    asked = db.session.execute(select(Letter.to_address).order_by(Letter.to_address)).scalars().all()
    assert asked == [OPS, SHOP]


def test_an_edit_asks_whom_it_adds(organization: Organization) -> None:
    channels.edit(add_channel(organization), {"config": {"to": [OPS, SHOP]}}, ADAM, LATER)
    assert standing(SHOP).asked_at == LATER


def test_the_question_is_sent_again_but_not_all_the_time(organization: Organization) -> None:
    add_channel(organization)
    with pytest.raises(errors.RateLimited, match="Ask again in 4 min"):
        recipients.ask_again(organization.id, OPS, ADAM, NOW + timedelta(minutes=1, seconds=30))
    recipients.ask_again(organization.id, OPS, ADAM, NOW + timedelta(minutes=5))
    assert standing().asked_at == NOW + timedelta(minutes=5)
    with pytest.raises(errors.NotFound):
        recipients.ask_again(organization.id, "nobody@example.com", ADAM, LATER)


def test_who_became_a_member_meanwhile_is_confirmed_instead_of_asked_again(organization: Organization) -> None:
    add_channel(organization)
    make_membership(organization, make_user("Olga", email=OPS), Role.MEMBER)
    recipients.ask_again(organization.id, OPS, ADAM, LATER)
    assert standing().status == "confirmed"
    with pytest.raises(errors.Conflict, match="confirmed already"):
        recipients.ask_again(organization.id, OPS, ADAM, LATER)


def test_one_organization_cannot_write_to_the_whole_world(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "MOST_QUESTIONS_A_DAY", 2)
    add_channel(organization, *[f"a{n}@example.com" for n in range(5)])
    asked = db.session.execute(select(Letter).order_by(Letter.id)).scalars().all()
    assert len(asked) == 2
    with pytest.raises(errors.RateLimited, match="tomorrow"):
        recipients.ask_again(organization.id, "a4@example.com", ADAM, LATER)
    recipients.ask_again(organization.id, "a4@example.com", ADAM, NOW + timedelta(days=2))


# --- links ------------------------------------------------------------------------------------------------------


def question_of(address: str = OPS) -> str:
    row = standing(address)
    assert row.asked_at
    return mail_links.confirm(row.id, row.asked_at).rpartition("/")[2]


def test_a_link_is_good_for_seven_days(organization: Organization) -> None:
    add_channel(organization)
    token = question_of()
    with pytest.raises(recipients.Over, match="7 days"):
        recipients.confirm(token, NOW + timedelta(days=7))
    assert recipients.asked(token, NOW + timedelta(days=6))[0].address == OPS
    recipients.ask_anew(token, NOW + timedelta(days=8))
    with pytest.raises(recipients.Over):
        recipients.confirm(token, NOW + timedelta(days=8))
    recipients.confirm(question_of(), NOW + timedelta(days=8, hours=1))
    assert standing().status == "confirmed"


def test_a_link_that_was_used_does_not_bring_mails_back_after_a_no(organization: Organization) -> None:
    add_channel(organization)
    token = question_of()
    recipients.confirm(token, LATER)
    recipients.confirm(token, LATER)
    recipients.unsubscribe(mail_links.unsubscribe(standing().id).rpartition("/")[2], LATER)
    with pytest.raises(recipients.Over, match="used already"):
        recipients.confirm(token, LATER)
    with pytest.raises(errors.RateLimited, match="tomorrow"):
        recipients.ask_again(organization.id, OPS, ADAM, LATER + timedelta(hours=2))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\udcff", "x" * 10_000])
def test_what_is_no_link_of_ours_says_so(token: str) -> None:
    for act in (mail_links.question, mail_links.unsubscribing):
        with pytest.raises(mail_links.NotOurs):
            act(token)


def test_a_link_for_one_thing_is_none_for_another(organization: Organization) -> None:
    add_channel(organization)
    with pytest.raises(mail_links.NotOurs):
        mail_links.unsubscribing(question_of())
    with pytest.raises(mail_links.NotOurs):
        mail_links.question(mail_links.unsubscribe(standing().id).rpartition("/")[2])


def test_links_of_an_organization_that_is_gone_say_so(organization: Organization) -> None:
    add_channel(organization)
    token, stop = question_of(), mail_links.unsubscribe(standing().id).rpartition("/")[2]
    with transaction():
        db.session.delete(db.session.get_one(Organization, organization.id))
    for act in (lambda: recipients.confirm(token, NOW), lambda: recipients.unsubscribe(stop, NOW)):
        with pytest.raises(mail_links.NotOurs):
            act()


# --- one mail each ----------------------------------------------------------------------------------------------


def test_each_address_gets_a_mail_of_its_own_with_its_own_way_out(organization: Organization, office: Office) -> None:
    make_channel(organization, "email", config={"to": [OPS, SHOP]})
    trouble(organization)
    deliver(office)
    links = {}
    for address in (OPS, SHOP):
        (alert,) = office.about(address)
        assert alert["To"] == address
        assert alert["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        links[address] = alert["List-Unsubscribe"]
        assert links[address] == f"<http://localhost{mail_links.unsubscribe(standing(address).id)}>"
        assert token_in(alert, "unsubscribe") in links[address]
    assert links[OPS] != links[SHOP]
    assert office.connections == 1
    raw = office.mails[0].content
    assert re.search(rb"List-Unsubscribe: <http://localhost/unsubscribe/[\w.-]+>\r\n", raw), "not an encoded word"


def test_after_a_failure_halfway_only_the_others_get_it(organization: Organization, office: Office) -> None:
    make_channel(organization, "email", config={"to": [OPS, SHOP]})
    office.refused = {SHOP: "421 come back later"}
    trouble(organization)
    deliver(office)
    assert (delivery().status, delivery().memory) == ("pending", {"sent": [OPS]})
    assert delivery().last_error == f"{SHOP} got no mail yet: {SHOP} was refused: 421 come back later"

    office.refused = {}
    deliver(office, LATER + timedelta(minutes=1))
    assert delivery().status == "sent"
    assert [len(office.about(one)) for one in (OPS, SHOP)] == [1, 1]


def test_the_answer_says_who_did_not_get_it(organization: Organization, office: Office) -> None:
    make_channel(organization, "email", config={"to": [OPS]})
    add_channel(organization, OPS, SHOP)
    trouble(organization)
    deliver(office)
    answers = [
        one.response
        for row in db.session.execute(select(Delivery).order_by(Delivery.id)).scalars()
        for one in _attempts(row.id)
    ]
    assert "250 kept as 42" in answers
    assert f"250 kept as 42; not sent to {SHOP}: has not confirmed yet" in answers


def _attempts(delivery_id: UUID) -> Any:
    from tokiflow.queries import channels as reads

    return reads.attempts([delivery_id])[delivery_id]


# --- bounces ----------------------------------------------------------------------------------------------------


def test_an_address_that_is_refused_for_good_bounces_and_the_others_go_on(
    organization: Organization, office: Office
) -> None:
    made = make_channel(organization, "email", config={"to": [OPS, SHOP]})
    office.refused = {SHOP: "550 5.1.1 no such user here"}
    trouble(organization)
    deliver(office)
    assert delivery().status == "sent"
    assert (standing(SHOP).status, standing(SHOP).bounce_reason) == ("bounced", "550 5.1.1 no such user here")
    assert channel(made.id).enabled
    assert [one.after for one in notes("recipient.bounced")] == [{"reason": "550 5.1.1 no such user here"}]


def test_when_nobody_is_left_the_channel_is_disabled_and_its_owners_are_told(
    organization: Organization, alice: User, adam: User, mia: User, office: Office
) -> None:
    made = make_channel(organization, "email", name="Night shift", config={"to": [OPS]})
    office.refused = {OPS: "550 no such user"}
    trouble(organization)
    deliver(office)
    assert delivery().status == "dead"
    found = channel(made.id)
    assert not found.enabled
    assert found.disabled_reason == f"nobody is left to write to: {OPS} takes no mail (550 no such user)"

    assert post_letters(office, LATER) == 2
    assert office.subjects(mia.email) == []
    for owner in (alice, adam):
        (told,) = office.about(owner.email)
        assert told["Subject"] == "Disabled: Night shift of Harbour Freight gets no more alerts"
        flat = " ".join(text_of(told).split())
        assert "550 no such user" in flat
        assert "It was the last one that was enabled" in flat
        assert "https://tokiflow.example/app/channels/chn_" in flat
    assert len(notes("channel.disabled")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "421 too many connections",
        "450 4.2.1 grey list",
        "452 4.2.2 mailbox full",
        "552 5.2.2 mailbox full",
        "554 5.7.1 relay access denied",
        "550 relaying denied",
        "550 5.7.26 this mail is unauthenticated",
        "530 authentication required",
    ],
)
def test_what_passes_or_is_our_fault_bounces_nobody(organization: Organization, office: Office, answer: str) -> None:
    make_channel(organization, "email", config={"to": [OPS]})
    office.refused = {OPS: answer}
    trouble(organization)
    deliver(office)
    assert (standing().status, delivery().status) == ("confirmed", "pending")
    office.refused = {}
    deliver(office, LATER + timedelta(minutes=1))
    assert delivery().status == "sent"


def test_a_question_that_bounces_is_known_too(organization: Organization, office: Office) -> None:
    add_channel(organization)
    office.refused = {OPS: "550 5.1.1 unknown"}
    post_letters(office)
    assert standing().status == "bounced"
    assert db.session.execute(select(Letter.status).where(Letter.to_address == OPS)).scalar_one() == "dead"


def test_a_channel_whose_only_address_does_not_exist_is_disabled_before_it_is_needed(
    organization: Organization, alice: User, office: Office
) -> None:
    made = add_channel(organization)
    office.refused = {OPS: "550 5.1.1 unknown"}
    post_letters(office)
    assert channel(made).disabled_reason == f"nobody is left to write to: {OPS} takes no mail (550 5.1.1 unknown)"
    post_letters(office, LATER)
    assert office.subjects(alice.email) == ["Disabled: Ops of Harbour Freight gets no more alerts"]


def test_what_one_channel_learns_the_others_know(organization: Organization, alice: User, office: Office) -> None:
    """Nobody has to lose an alert for each channel that writes to a mailbox that is gone."""
    first = make_channel(organization, "email", name="Both", config={"to": [OPS, SHOP]})
    second = make_channel(organization, "email", name="Shop", config={"to": [SHOP.upper().replace("COM", "com")]})
    monitor = make_monitor(organization)
    with transaction():
        db.session.add(MonitorChannel(monitor_id=monitor.id, channel_id=first.id))
        db.session.execute(update(Monitor).values(own_channels=True))
    office.refused = {SHOP: "550 5.1.1 no such user here"}
    fail(monitor, NOW)
    deliver(office)
    assert channel(first.id).enabled
    assert not channel(second.id).enabled
    post_letters(office, LATER)
    assert office.subjects(alice.email) == ["Disabled: Shop of Harbour Freight gets no more alerts"]


def test_a_mailbox_that_is_back_proves_it_by_a_yes(organization: Organization, office: Office) -> None:
    make_channel(organization, "email", config={"to": [OPS]})
    with transaction():
        db.session.execute(update(Recipient).values(bounced_at=NOW, bounce_reason="550"))
    recipients.ask_again(organization.id, OPS, ADAM, LATER)
    recipients.confirm(question_of(), LATER + timedelta(minutes=1))
    assert (standing().status, standing().bounce_reason) == ("confirmed", "")


# --- unsubscribing ----------------------------------------------------------------------------------------------


def stop_token(address: str = OPS) -> str:
    return mail_links.unsubscribe(standing(address).id).rpartition("/")[2]


def test_who_unsubscribes_gets_no_more_and_can_undo_it(organization: Organization, office: Office) -> None:
    made = make_channel(organization, "email", config={"to": [OPS, SHOP]})
    for _ in range(2):
        recipients.unsubscribe(stop_token(), NOW)
    trouble(organization)
    deliver(office)
    assert (office.subjects(OPS), len(office.about(SHOP))) == ([], 1)
    assert channel(made.id).enabled
    assert len(notes("recipient.unsubscribed")) == 1
    recipients.undo(stop_token(), LATER)
    assert standing().status == "confirmed"


def test_when_the_last_one_unsubscribes_the_owner_hears_of_it(
    organization: Organization, alice: User, office: Office
) -> None:
    made = make_channel(organization, "email", config={"to": [OPS, "OPS2@example.com"]})
    elsewhere = make_channel(organization, "email", config={"to": [SHOP]})
    recipients.unsubscribe(stop_token(), NOW)
    assert channel(made.id).enabled
    recipients.unsubscribe(stop_token("ops2@example.com"), NOW)
    assert not channel(made.id).enabled
    assert channel(elsewhere.id).enabled
    reason = f"nobody is left to write to: {OPS} unsubscribed; OPS2@example.com unsubscribed"
    assert channel(made.id).disabled_reason == reason
    post_letters(office)
    assert reason in " ".join(text_of(office.about(alice.email)[0]).split())


def test_undoing_brings_back_what_was_disabled_only_for_want_of_readers(organization: Organization) -> None:
    deserted = make_channel(organization, "email", config={"to": [OPS]})
    with_two = make_channel(organization, "email", config={"to": [OPS, SHOP]})
    by_hand = make_channel(organization, "email", config={"to": [OPS]}, enabled=False)
    for address in (OPS, SHOP):
        recipients.unsubscribe(stop_token(address), NOW)
    assert not any(channel(one.id).enabled for one in (deserted, with_two, by_hand))

    recipients.undo(stop_token(), LATER)
    assert [channel(one.id).enabled for one in (deserted, with_two, by_hand)] == [True, True, False]
    assert (channel(deserted.id).disabled_reason, channel(deserted.id).last_error) == ("", "")
    assert {(one.by, one.object_id) for one in notes("channel.enabled")} == {(OPS, deserted.id), (OPS, with_two.id)}
    recipients.undo(stop_token(), LATER)
    assert len(notes("channel.enabled")) == 2


def test_undoing_does_not_bring_back_a_channel_to_a_mailbox_that_is_gone(organization: Organization) -> None:
    made = make_channel(organization, "email", config={"to": [OPS]})
    recipients.unsubscribe(stop_token(), NOW)
    with transaction():
        db.session.execute(update(Recipient).values(bounced_at=NOW, bounce_reason="550"))
    recipients.undo(stop_token(), LATER)
    assert not channel(made.id).enabled


def test_a_yes_brings_a_channel_back_too(organization: Organization, office: Office) -> None:
    made = make_channel(organization, "email", config={"to": [OPS]})
    office.refused = {OPS: "550 no such user"}
    trouble(organization)
    deliver(office)
    assert not channel(made.id).enabled
    recipients.ask_again(organization.id, OPS, ADAM, LATER)
    recipients.confirm(question_of(), LATER + timedelta(minutes=1))
    assert channel(made.id).enabled


def test_a_failed_test_disables_the_channel_but_writes_no_letter(
    app: Flask, organization: Organization, alice: User, office: Office
) -> None:
    made = make_channel(organization, "email", config={"to": [OPS]})
    office.refused = {OPS: "550 no such user"}
    tried = channels.test(made.id, ADAM, office.outside, datetime.now(UTC))
    assert "550 no such user" in tried.error
    assert not channel(made.id).enabled
    assert post_letters(office) == 0
