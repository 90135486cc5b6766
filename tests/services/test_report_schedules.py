"""Reports by mail: every month once, where the reader lives, and to nobody who has left."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_membership, make_monitor, make_user
from tests.fixtures.doorbell import rings
from tests.queries.test_analytics import down
from tests.services.test_rollups import recorded, rolled_up
from tokiflow import errors, queue
from tokiflow.adapters.mail import contents
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import AuditEvent, Letter, Organization, ReportSchedule, User
from tokiflow.queries import reports as queries
from tokiflow.queue import Job
from tokiflow.services import letters, mail_links, mailing, memberships, people, report_schedules

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
FIRST = datetime(2026, 12, 1, 6, tzinfo=UTC)
"""Seven o'clock in Berlin."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def actor(user: User) -> Actor:
    return Actor("person", user.name, user.id)


def subscribed(user: User, organization: Organization, tag: str = "") -> ReportSchedule:
    report_schedules.subscribe(organization.id, tag, actor(user), NOW)
    return next(one for one in queries.schedules(organization.id, user.id) if one.tag == tag)


def posted() -> Sequence[Letter]:
    rows = select(Letter).where(Letter.template == "report").order_by(Letter.id)
    return db.session.execute(rows.execution_options(populate_existing=True)).scalars().all()


def planned(user: User) -> list[datetime]:
    rows = select(ReportSchedule.next_at).where(ReportSchedule.user_id == user.id).order_by(ReportSchedule.tag)
    return list(db.session.execute(rows).scalars())


def mailed(letter: Letter) -> EmailMessage:
    sent: list[EmailMessage] = []
    mailer = SimpleNamespace(send=sent.append)
    outside: Any = SimpleNamespace(
        mailer=mailer, email_from="Tokiflow <hello@example.com>", public_url="https://tokiflow.example"
    )
    assert mailing.mail([letter.id], outside, lambda: letter.created_at) == 1
    return sent[0]


def test_the_month_that_is_over_comes_on_the_first_at_seven(alice: User, organization: Organization) -> None:
    monitor = make_monitor(organization, "Orders → warehouse", created_at=NOW - 90 * DAY, last_ping_at=NOW, tags=["db"])
    make_monitor(organization, "Untagged", created_at=NOW - 90 * DAY, last_ping_at=NOW)
    recorded(monitor, NOW, duration_ms=90_000)
    down(monitor, NOW, NOW + HOUR)
    rolled_up(FIRST)
    row = subscribed(alice, organization, "db")
    assert row.next_at == FIRST
    assert report_schedules.ring(FIRST - timedelta(seconds=1)) == 0
    assert report_schedules.ring(FIRST) == 1
    assert report_schedules.mail([row.id], FIRST) == 1
    (letter,) = posted()
    assert (letter.to_address, letter.subject) == (alice.email, "Harbour Freight, db in November 2026: up 99.9 %")
    assert planned(alice) == [datetime(2027, 1, 1, 6, tzinfo=UTC)]
    message = mailed(letter)
    for body in (contents.text(message, "html"), contents.text(message, "plain")):
        assert "Orders → warehouse" in body
        assert "Untagged" not in body
        assert "1 h" in body
    html = contents.text(message, "html")
    assert "period=2026-11&amp;tag=db" in html
    link = f"https://tokiflow.example{mail_links.report(organization.id, alice.id, 'db')}"
    assert message["List-Unsubscribe"] == f"<{link}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail_links.reported(link.rpartition("/")[2]) == (organization.id, alice.id, "db")


def test_the_clock_rings_by_ids(alice: User, organization: Organization) -> None:
    row = subscribed(alice, organization)
    report_schedules.ring(FIRST)
    assert (Job.MAIL_REPORTS, [str(row.id)]) in rings(queue.connection())


def test_rung_for_twice_it_is_mailed_once(alice: User, organization: Organization) -> None:
    row = subscribed(alice, organization)
    assert [report_schedules.mail([row.id, row.id], FIRST), report_schedules.mail([row.id], FIRST)] == [1, 0]
    assert len(posted()) == 1


def test_whoever_dies_over_it_has_done_nothing(
    alice: User, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = subscribed(alice, organization)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(letters, "post", die)
        with pytest.raises(KeyboardInterrupt):
            report_schedules.mail([row.id], FIRST)
    assert (planned(alice), list(posted())) == ([FIRST], [])
    assert report_schedules.mail([row.id], FIRST) == 1


def test_two_workers_at_once_mail_it_once(app: Flask, alice: User, organization: Organization) -> None:
    row_id, told = subscribed(alice, organization).id, []

    def work() -> None:
        with app.app_context():
            told.append(report_schedules.mail([row_id], FIRST))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(told) == 1
    assert len(posted()) == 1


def test_a_clock_that_was_away_brings_every_month(alice: User, organization: Organization) -> None:
    row = subscribed(alice, organization)
    late = FIRST + 40 * DAY
    assert [report_schedules.mail([row.id], late) for _ in range(3)] == [1, 1, 0]
    assert [letter.context["words"] for letter in posted()] == ["November 2026", "December 2026"]


def test_whoever_moves_is_written_to_at_seven_there(alice: User, organization: Organization) -> None:
    subscribed(alice, organization)
    people.set_profile(alice.id, "Alice", "America/New_York", NOW)
    assert planned(alice) == [datetime(2026, 12, 1, 12, tzinfo=UTC)]
    people.set_profile(alice.id, "Alice", "Pacific/Auckland", NOW)
    assert planned(alice) == [datetime(2026, 11, 30, 18, tzinfo=UTC)]


def test_nothing_more_comes_to_whoever_left(alice: User, organization: Organization) -> None:
    bob = make_user("Bob")
    make_membership(organization, bob, Role.VIEWER)
    first, second = subscribed(bob, organization).id, subscribed(bob, organization, "db").id
    mine = subscribed(alice, organization).id
    assert report_schedules.mail([first], FIRST) == 1
    memberships.remove(organization.id, bob.id, actor(alice), FIRST)
    assert report_schedules.mail([first, second, mine], FIRST + 40 * DAY) == 1
    theirs = [letter.status for letter in posted() if letter.to_address == bob.email]
    assert theirs == ["dead"], "what was promised and not sent is taken back"
    with pytest.raises(errors.NotFound):
        subscribed(bob, organization)


def test_asking_twice_is_no_harm_and_both_are_in_the_log(alice: User, organization: Organization) -> None:
    for _ in range(2):
        subscribed(alice, organization, "db")
    for _ in range(2):
        report_schedules.unsubscribe(organization.id, "db", actor(alice), NOW)
    rows = select(AuditEvent.what, AuditEvent.object_name).where(AuditEvent.what.startswith("report."))
    assert db.session.execute(rows.order_by(AuditEvent.id)).all() == [
        ("report.subscribed", "monitors tagged db"),
        ("report.unsubscribed", "monitors tagged db"),
    ]


def test_nobody_has_a_hundred(alice: User, organization: Organization) -> None:
    for n in range(report_schedules.MOST):
        subscribed(alice, organization, f"tag-{n}")
    with pytest.raises(errors.Conflict):
        subscribed(alice, organization, "one-more")
    subscribed(alice, organization, "tag-1")


def test_a_mail_names_some_and_counts_the_others(alice: User, organization: Organization) -> None:
    for n in range(report_schedules.LISTED + 3):
        make_monitor(organization, f"<b>{n}</b>", created_at=NOW - 90 * DAY)
    row = subscribed(alice, organization)
    report_schedules.mail([row.id], FIRST)
    html = contents.text(mailed(posted()[0]), "html")
    assert "and 3 more" in html
    assert "<b>0</b>" not in html
    assert html.count("&lt;b&gt;") == report_schedules.LISTED
