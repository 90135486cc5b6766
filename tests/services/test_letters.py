"""Letters: promised with what they tell about, mailed at least once, and never for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.channels.conftest import KeptMail
from tests.fixtures.doorbell import rings
from tokiflow import queue
from tokiflow.channels import Outside
from tokiflow.db import db, transaction
from tokiflow.errors import DeliveryError
from tokiflow.models import Letter, Organization
from tokiflow.services import letters, mailing

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)
CONTEXT = {
    "organization": "Harbour Freight", "channel": "Ops", "place": "Slack webhook", "reason": "Slack answered 404",
    "left": 1, "at": "Sun 22 Nov, 10:05 (Europe/Berlin)", "path": "/app/channels/chn_1",
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("app")


class Refusing(KeptMail):
    """Takes nothing, and says why."""

    def __init__(self, error: DeliveryError) -> None:
        super().__init__()
        self.error = error

    def send(self, message: EmailMessage) -> str:
        super().send(message)
        raise self.error


def outside(mailer: KeptMail) -> Outside:
    return Outside(None, mailer, "Tokiflow <alerts@tokiflow.example>", "https://tokiflow.example")  # type: ignore[arg-type]


def write(at: datetime = NOW, organization: Organization | None = None) -> UUID:
    owner = organization.id if organization else None
    return letters.post("channel_disabled", "alice@harbour.example", "Disabled: Ops", CONTEXT, owner, at)


def kept(letter_id: UUID) -> Letter:
    return db.session.get_one(Letter, letter_id, populate_existing=True)


def rung() -> list[tuple[queue.Job, list[str]]]:
    return rings(queue.connection())


def test_a_letter_is_rung_for_once_what_it_tells_about_is_true() -> None:
    with transaction():
        letter_id = write()
        assert rung() == []
    assert rung() == [("jobs.letters.mail", [str(letter_id)])]


def test_many_letters_of_one_moment_are_rung_for_together() -> None:
    with transaction():
        written = [str(write()) for _ in range(letters.RING_FOR + 1)]
    assert [ids for _, ids in rung()] == [written[:-1], written[-1:]]


def test_a_letter_that_was_taken_back_stays_here() -> None:
    letter_id = write()
    for _ in range(2):
        letters.take_back(letter_id)
    assert mailing.mail([letter_id], outside(KeptMail()), lambda: NOW) == 0
    assert kept(letter_id).status == "dead"


def test_it_is_mailed_once(organization: Organization) -> None:
    mailer = KeptMail()
    letter_id = write(organization=organization)
    assert mailing.mail([letter_id], outside(mailer), lambda: NOW) == 1
    assert mailing.mail([letter_id], outside(mailer), lambda: NOW) == 0
    (mail,) = mailer.mails
    assert (mail["To"], mail["Subject"]) == ("alice@harbour.example", "Disabled: Ops")
    assert (kept(letter_id).status, kept(letter_id).sent_at) == ("sent", NOW)


def _same(at: datetime) -> datetime:
    return at


def test_it_is_tried_again_with_the_same_id_and_given_up_after_a_day() -> None:
    mailer = Refusing(DeliveryError("the mail server is away"))
    letter_id, now, tries = write(), NOW, 0
    while kept(letter_id).status == "pending":
        now = kept(letter_id).next_attempt_at
        assert letters.ring(now) == (1 if tries else 0)
        tries += mailing.mail([letter_id], outside(mailer), partial(_same, now))
    assert kept(letter_id).status == "dead"
    assert kept(letter_id).last_error == "the mail server is away"
    assert timedelta(hours=12) < now - NOW <= timedelta(days=1)
    assert len({str(mail["Message-ID"]) for mail in mailer.mails}) == 1
    assert tries == len(mailer.mails) > 40


def test_one_that_can_never_arrive_is_given_up_at_once(organization: Organization) -> None:
    error = DeliveryError("550 no such user", permanent=True, refused={"alice@harbour.example": "550"})
    letter_id = write(organization=organization)
    mailing.mail([letter_id], outside(Refusing(error)), lambda: NOW)
    assert kept(letter_id).status == "dead"


def test_one_that_can_not_be_written_does_not_hold_up_the_others() -> None:
    broken = letters.post("no_such_template", "a@example.com", "?", {}, None, NOW)
    well = write()
    mailer = KeptMail()
    assert mailing.mail([broken, well], outside(mailer), lambda: NOW) == 2
    assert (kept(broken).status, kept(well).status) == ("pending", "sent")


def test_a_worker_that_died_is_followed_by_another() -> None:
    letter_id = write()
    with transaction():
        kept(letter_id).lease_until = NOW + mailing.LEASE
    assert letters.ring(NOW + timedelta(minutes=1)) == 0
    assert letters.ring(NOW + mailing.LEASE) == 1
    assert mailing.mail([letter_id], outside(KeptMail()), lambda: NOW + mailing.LEASE) == 1


def test_old_letters_are_forgotten() -> None:
    letter_id = write()
    mailing.mail([letter_id], outside(KeptMail()), lambda: NOW)
    letters.forget(NOW + timedelta(days=29))
    assert kept(letter_id).status == "sent"
    letters.forget(NOW + timedelta(days=31))
    assert db.session.execute(select(Letter)).first() is None
