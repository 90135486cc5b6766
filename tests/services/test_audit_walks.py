"""Once a day the log is walked along, in stretches; who changed it past Tokiflow is found, and owners hear of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text, update

from tokiflow.channels import letters as writing
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.chain import End
from tokiflow.db import db, transaction
from tokiflow.models import AuditChain, AuditEvent, Letter
from tokiflow.queries import audit_chains
from tokiflow.services import audit, audit_walks

# Rows are due from the moment they are made, by the database's clock.
NOW = datetime.now(UTC) + timedelta(hours=2)  # later than whatever the database takes for now
DAY = timedelta(days=1)
ALICE = Actor("person", "Alice")


def do(organization, times=1):
    for _ in range(times):
        with transaction():
            audit.record("monitor.paused", ALICE, organization.id, NOW, object_name="Nightly backup")


def chain_of(organization):
    row = audit_chains.get(organization.id)
    assert row is not None
    return row


def sql(statement):
    with transaction():
        db.session.execute(text(statement))


def letters():
    return db.session.execute(select(Letter).where(Letter.template == "audit_broken")).scalars().all()


@pytest.fixture
def mailed():
    """`mailed(letter)`: both parts of it, as they would go out."""

    def write(letter):
        mail = writing.compose(
            letter.template, sender="Tokiflow <noreply@example.com>", to=[letter.to_address], subject=letter.subject,
            context={"public_url": "https://tokiflow.example", **letter.context}, sent_at=NOW, headers={},
        )  # fmt: skip
        return "\n".join(part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")

    return write


@pytest.fixture
def short(monkeypatch):
    """Two links a stretch."""
    monkeypatch.setattr(audit_chains, "stretch", partial(audit_chains.stretch, most=2))


@pytest.fixture
def five(organization):
    do(organization, 5)
    return organization


def test_a_walk_says_until_where_all_holds(five, alice):
    assert audit_walks.walk_due(NOW)
    row = chain_of(five)
    assert (row.verified_n, row.verified_hash, row.verified_at) == (5, row.hash, NOW)
    assert (row.broken, row.broken_at, row.walk) == ([], None, None)
    assert row.walk_at == NOW + DAY
    do(five)
    assert audit_walks.walk_due(NOW + DAY - timedelta(hours=1))
    assert chain_of(five).verified_n == 5, "once a day"
    assert audit_walks.walk_due(NOW + DAY)
    assert chain_of(five).verified_n == 6
    assert letters() == []


def test_a_long_log_is_walked_in_stretches_that_others_may_go_on_with(five, other_organization, short):
    do(other_organization)
    assert not audit_walks.walk_due(NOW, seconds=-1), "one stretch, and the rest is rung for"
    assert chain_of(five).walk["n"] == 2
    do(five, 2)  # people go on meanwhile
    assert audit_walks.walk_due(NOW)
    assert chain_of(five).verified_n == 7
    assert chain_of(other_organization).verified_n == 1


def test_a_worker_that_dies_leaves_its_walk_to_the_next(five, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_chains, "contains", dies)
    with pytest.raises(KeyboardInterrupt):
        audit_walks.walk_due(NOW)
    monkeypatch.undo()
    audit_walks.walk_due(NOW + timedelta(minutes=1))
    assert chain_of(five).verified_at is None, "its lease lasts"
    audit_walks.walk_due(NOW + audit_walks.LEASE)
    assert chain_of(five).verified_n == 5


def test_what_is_gone_with_age_while_it_is_walked_along_breaks_nothing(five, short):
    audit_walks.walk_due(NOW, seconds=-1)
    sql("update audit_events set at = at - interval '9 days' where n <= 4")
    assert audit.forget(NOW - DAY) == 4
    audit_walks.walk_due(NOW)
    row = chain_of(five)
    assert (row.gone_n, row.verified_n, row.broken) == (4, 5, [])


def test_whatever_was_changed_is_named_to_the_owners_once(five, alice, bob, short):
    sql("update audit_events set \"by\" = 'Mallory' where n = 2")
    sql("delete from audit_events where n = 4")
    audit_walks.walk_due(NOW)
    row = chain_of(five)
    assert row.broken == ["Event 2 does not say what was written", "One event is gone before event 5"]
    assert (row.broken_at, row.verified_at) == (NOW, None)
    (letter,) = letters()
    assert letter.to_address == alice.email
    assert letter.context["found"] == row.broken
    told = db.session.execute(select(AuditEvent).where(AuditEvent.what == "audit_log.found_broken")).scalar_one()
    assert (told.n, told.after) == (6, {"found": row.broken})

    audit_walks.walk_due(NOW + DAY)
    assert len(letters()) == 1, "nothing new"
    assert chain_of(five).broken_at == NOW
    sql("delete from audit_events where n = 3")
    audit_walks.walk_due(NOW + 2 * DAY)
    assert len(letters()) == 2


def test_the_letter_says_what_is_broken_and_what_to_do(five, alice, mailed):
    sql("delete from audit_events where n = 4")
    audit_walks.walk_due(NOW)
    (letter,) = letters()
    text = mailed(letter)
    assert "One event is gone before event 5." in text
    assert f"/app/settings/audit-logs?organization={ids.public('org', five.id)}" in text


def test_a_log_that_is_as_it_was_again_is_well_again(five, alice):
    sql("update audit_events set \"by\" = 'Mallory' where n = 2")
    audit_walks.walk_due(NOW)
    sql("update audit_events set \"by\" = 'Alice' where n = 2")
    audit_walks.walk_due(NOW + DAY)
    row = chain_of(five)
    assert (row.broken, row.broken_at, row.verified_n) == ([], None, 6)


def test_a_log_that_was_begun_anew_is_found(five, alice):
    audit_walks.walk_due(NOW)
    sql("delete from audit_events")
    sql("update audit_chains set n = 0, hash = ''")
    do(five, 6)
    audit_walks.walk_due(NOW + DAY)
    assert chain_of(five).broken == [
        "It no longer contains event 5 as it was when it was last verified", audit_walks.ENDS_MOVED,
    ]  # fmt: skip


def test_under_another_key_nothing_can_be_verified(five, alice):
    sql("update audit_chains set sealed_key = 'sealed under another'")
    audit_walks.walk_due(NOW)
    assert chain_of(five).broken == [audit_walks.NO_KEY]
    assert len(letters()) == 1


def test_a_log_contains_what_it_once_ended_with(five):
    row = chain_of(five)
    known = {row.n: row.hash for row in db.session.execute(select(AuditEvent)).scalars()}
    head = End(row.n, row.hash)
    assert audit_chains.contains(five.id, head)
    do(five)
    assert audit_chains.contains(five.id, head)
    assert audit_chains.contains(five.id, End(3, known[3]))
    assert audit_chains.contains(five.id, End(3, known[4])) is False
    assert audit_chains.contains(five.id, End(7, "0" * 64)) is False
    with transaction():
        values = {"gone_n": 3, "gone_hash": known[3]}
        db.session.execute(update(AuditChain).where(AuditChain.organization_id == five.id).values(values))
    assert audit_chains.contains(five.id, End(3, known[3]))
    assert audit_chains.contains(five.id, End(2, known[2])) is None
