"""The log of who did what: written with the change itself, and a chain that shows whoever changed it later."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.factories import make_monitor
from tokiflow import errors
from tokiflow.core import sealing
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent
from tokiflow.queries import audit_chains
from tokiflow.services import audit, audit_walks, monitors, organizations

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
ALICE = Actor("person", "Alice", address="203.0.113.7")


CHANGE: Any = {"object_name": "Nightly backup", "before": {"a": 1.5}, "after": {"a": 2.0}}


def do(organization, *whats, at=NOW, by=ALICE):
    write(organization.id, whats, at, by)


def write(organization_id, whats, at=NOW, by=ALICE):
    for what in whats:
        with transaction():
            audit.record(what, by, organization_id, at, **CHANGE)


def events(organization):
    db.session.expire_all()
    found = select(AuditEvent).where(AuditEvent.organization_id == organization.id).order_by(AuditEvent.n)
    return db.session.execute(found).scalars().all()


def chain_of(organization):
    row = audit_chains.get(organization.id)
    assert row is not None
    return row


def broken(organization):
    key = audit.key_of(chain_of(organization))
    return [(one.kind, one.n) for one in audit_chains.breaks(organization.id, key)]


def sql(statement, **values):
    with transaction():
        db.session.execute(text(statement), values)


@pytest.fixture
def five(organization):
    do(organization, *[f"monitor.edited_{n}" for n in range(5)])
    return organization


def test_each_event_is_the_next_link_of_its_organization(five, other_organization):
    do(other_organization, "monitor.created")
    do(five, "monitor.paused")
    assert [one.n for one in events(five)] == [1, 2, 3, 4, 5, 6]
    assert [one.n for one in events(other_organization)] == [1]
    assert events(five)[0].address == "203.0.113.7"
    assert broken(five) == broken(other_organization) == []


def test_what_is_rolled_back_leaves_no_trace(five):
    def fail():
        with transaction():
            audit.record("monitor.deleted", ALICE, five.id, NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    do(five, "monitor.paused")
    assert [one.what for one in events(five)][5:] == ["monitor.paused"]
    assert broken(five) == []


def test_real_changes_are_in_it(organization):
    monitor = make_monitor(organization)
    monitors.edit(monitor.id, {"name": "Größer – 日本語 \u202e", "tags": ["a", "b"]}, ALICE, NOW)
    organizations.set_redaction(organization.id, ["secret-[0-9]+"], ALICE, NOW)
    monitors.delete(monitor.id, ALICE, NOW)
    assert [one.what for one in events(organization)][-3:] == [
        "monitor.edited", "organization.redaction_edited", "monitor.deleted",
    ]  # fmt: skip
    assert broken(organization) == []


@pytest.mark.parametrize(
    "change",
    [
        "\"by\" = 'Mallory'",
        "what = 'monitor.resumed'",
        "at = at + interval '1 microsecond'",
        "object_id = gen_random_uuid()",
        "object_name = ''",
        "before = '{}'",
        "after = jsonb_set(after, '{a}', '3')",
        "address = '198.51.100.1'",
        "by_kind = 'system'",
        "by_id = gen_random_uuid()",
        "words_hash = repeat('0', 64)",
        "hash = repeat('0', 64)",
    ],
)
def test_an_altered_event_is_found(five, change):
    sql(f"update audit_events set {change} where n = 3 and organization_id = :it", it=five.id)
    assert ("altered", 3) in broken(five)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_a_removed_event_is_found(five, n):
    sql("delete from audit_events where n = :n", n=n)
    assert broken(five) == [("removed", n)]


def test_an_inserted_event_is_found_wherever_it_is_put(five):
    copied = (
        "insert into audit_events (id, organization_id, at, what, by, by_kind, n, words_hash, hash) "
        "select gen_random_uuid(), organization_id, at, 'member.added', 'Mallory', by_kind, {n}, words_hash, hash "
        "from audit_events where n = 5"
    )
    sql(copied.format(n=6))
    assert broken(five) == [("inserted", 6)]
    sql("delete from audit_events where n = 6")
    sql(copied.format(n="null"))
    assert broken(five) == [("inserted", 0)]


def test_a_log_that_was_emptied_is_found(five):
    sql("delete from audit_events")
    assert broken(five) == [("removed", 1)]


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        ("n = 5", "n = 4, hash = (select hash from audit_events where n = 4)"),
        ("n <= 2", "gone_n = 2, gone_hash = (select hash from audit_events where n = 2)"),
        ("n >= 1", "n = 0, hash = ''"),
    ],
    ids=["the newest", "the oldest", "all"],
)
def test_whoever_takes_events_from_an_end_can_not_put_the_ends_right(five, events, ends):
    """They may write to every table, and have no key."""
    assert audit.ends_hold(chain_of(five))
    sql(f"update audit_chains set {ends}")
    sql(f"delete from audit_events where {events}")
    assert broken(five) == [], "what is left fits together"
    assert not audit.ends_hold(chain_of(five))
    do(five, "monitor.paused")
    audit.forget(NOW + DAY, most=1)
    assert not audit.ends_hold(chain_of(five)), "and nothing that is done later makes it good"


@pytest.mark.parametrize(
    "then", [do, lambda organization, _: audit_walks.walk_due(datetime.now(UTC) + DAY)], ids=["event", "walk"]
)
def test_a_chain_from_before_its_ends_were_sealed_is_sealed_with_the_next_event_or_walk(five, then):
    sql(
        "update audit_chains set sealed_key = :key",
        key=sealing.seal(audit.key_of(chain_of(five)).decode(), audit.keys()),
    )
    assert audit.ends_hold(chain_of(five))
    then(five, "monitor.paused")
    assert broken(five) == []
    assert audit.ends_hold(chain_of(five))
    sql("update audit_chains set before = 7")
    assert not audit.ends_hold(chain_of(five))


def test_events_from_before_the_chain_are_counted(organization):
    old = (
        "insert into audit_events (id, organization_id, at, what, by, by_kind) "
        "select gen_random_uuid(), :it, now(), 'monitor.created', 'Alice', 'person' from generate_series(1, 3)"
    )
    sql(old, it=organization.id)
    do(organization, "monitor.paused")
    assert broken(organization) == []
    assert chain_of(organization).before == 3
    sql("delete from audit_events where id = (select id from audit_events where n is null limit 1)")
    assert broken(organization) == [("removed", 0)]


def test_what_is_old_goes_and_the_rest_still_holds(organization):
    for day in range(5):
        do(organization, f"monitor.edited_{day}", at=NOW + timedelta(days=day))
    assert audit.forget(NOW + timedelta(days=2), most=1) == 1
    assert audit.forget(NOW + timedelta(days=2)) == 1
    assert audit.forget(NOW + timedelta(days=2)) == 0
    assert [one.n for one in events(organization)] == [3, 4, 5]
    assert broken(organization) == []
    assert audit.ends_hold(chain_of(organization))
    assert audit.forget(NOW + timedelta(days=9)) == 3
    do(organization, "monitor.paused", at=NOW + timedelta(days=9))
    assert [one.n for one in events(organization)] == [6]
    assert broken(organization) == []


def test_where_the_key_was_lost_it_says_what_to_do_and_what_is_old_goes_all_the_same(five):
    sql("update audit_chains set sealed_key = 'sealed under another'")
    with pytest.raises(errors.Unavailable, match="TOKIFLOW_FORMER_SECRET_KEYS"):
        do(five, "monitor.paused")
    assert audit.forget(NOW + DAY) == 5
    assert chain_of(five).gone_n == 5


def test_words_that_had_to_go_are_gone_and_the_chain_says_so(five):
    mine = events(five)[2]
    with transaction():
        audit.redact([mine.id], five.id, "an account was deleted", NOW)
    found = events(five)
    assert (found[2].by, found[2].object_name, found[2].before, found[2].address) == (
        "(taken out)",
        "(taken out)",
        {},
        "",
    )
    assert found[2].what == "monitor.edited_2"
    assert (found[5].what, found[5].after) == ("audit.redacted", {"events": [3], "reason": "an account was deleted"})
    assert broken(five) == []
    sql("update audit_events set \"by\" = 'Mallory' where n = 4")
    assert broken(five) == [("altered", 4)]


def at_once(app, work):
    """Six threads, each with a number and a session of its own; what they failed with."""
    failed: list[Exception] = []

    def run(n):
        with app.app_context():
            try:
                work(n)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    return failed


def test_many_at_once_make_one_chain(app, organization):
    organization_id = organization.id
    assert at_once(app, lambda n: write(organization_id, [f"monitor.edited_{n}_{k}" for k in range(10)])) == []
    assert [one.n for one in events(organization)] == list(range(1, 61))
    assert broken(organization) == []


def test_whoever_changes_the_organization_itself_waits_for_nobody_who_waits_for_them(app, organization):
    """Both lock the organization's row and the end of its log."""
    organization_id = organization.id

    def work(n):
        for k in range(10):
            if n % 2:
                organizations.set_redaction(organization_id, [f"secret-{n}-{k}"], ALICE, NOW)
            else:
                write(organization_id, ["monitor.paused"])

    assert at_once(app, work) == []
    assert broken(organization) == []
