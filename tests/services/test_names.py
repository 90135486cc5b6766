"""From names to monitors: found, made, ambiguous or refused."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import make_monitor, make_organization
from tests.house.statements import statements
from tokiflow.core import tokens
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.names import AMBIGUOUS, UNKNOWN, Known, Named, Refused
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import AuditEvent, Monitor, Organization
from tokiflow.services import monitors, names, organizations, pings

NOW = datetime.now(UTC)
KEY = tokens.new_ping_key()
HOURLY = {"kind": "every", "seconds": 3600}


@pytest.fixture
def harbour(app: Flask) -> Organization:
    """Harbour Freight, with a ping key."""
    return make_organization(ping_key=KEY)


def ask(*slugs: str, create: bool = False, now: datetime = NOW) -> list[Known | Refused]:
    return names.resolve([Named(KEY, slug, create) for slug in slugs], now)


def add(organization: Organization, name: str, **values: Any) -> Monitor:
    """A monitor as the API and the form make it."""
    made = monitors.create(organization.id, {"name": name, "schedule": HOURLY, **values}, TOKIFLOW, NOW)
    return db.session.get_one(Monitor, made)


def slugs() -> list[str]:
    return list(db.session.execute(select(Monitor.slug).order_by(Monitor.slug)).scalars())


# --- finding ----------------------------------------------------------------------------------------------------


def test_a_slug_finds_the_monitor_of_the_keys_organization_alone(harbour: Organization) -> None:
    theirs = make_organization("Charlie & Sons", ping_key=tokens.new_ping_key())
    ours, other = add(harbour, "Nightly backup"), add(theirs, "Nightly backup")
    add(theirs, "Payroll")
    assert ask("nightly-backup", "payroll", "nonsense") == [Known(ours.token), UNKNOWN, UNKNOWN]
    asked = [Named(str(theirs.ping_key), "nightly-backup"), Named("pk_unknown", "nightly-backup", create=True)]
    assert names.resolve(asked, NOW) == [Known(other.token), UNKNOWN]


def test_two_of_one_name_are_ambiguous_until_one_has_a_slug_of_its_own(harbour: Organization) -> None:
    first = add(harbour, "Nightly backup")
    assert ask("nightly-backup") == [Known(first.token)]
    second = add(harbour, "Nightly backup")
    assert ask("nightly-backup", "nightly-backup-2") == [AMBIGUOUS, Known(second.token)]
    assert ask("nightly-backup", create=True) == [AMBIGUOUS], "and no third is made"
    monitors.edit(second.id, {"slug": "backup-of-the-backup"}, TOKIFLOW, NOW)
    assert ask("nightly-backup", "backup-of-the-backup") == [Known(first.token), Known(second.token)]


def test_either_of_the_two_may_be_given_a_slug_or_another_name(harbour: Organization) -> None:
    first, second = add(harbour, "Nightly backup"), add(harbour, "nightly BACKUP")
    monitors.edit(first.id, {"slug": "first"}, TOKIFLOW, NOW)
    assert ask("nightly-backup", "first") == [Known(second.token), Known(first.token)]
    third = add(harbour, "Nightly backup")
    assert ask("nightly-backup") == [AMBIGUOUS]
    monitors.edit(second.id, {"name": "Weekly backup"}, TOKIFLOW, NOW)
    assert ask("nightly-backup") == [Known(third.token)]


def test_a_monitor_that_is_called_number_two_stands_in_nobodys_way(harbour: Organization) -> None:
    first = add(harbour, "Backup")
    add(harbour, "Backup 2")
    assert ask("backup") == [Known(first.token)]


def test_many_of_one_name_are_ambiguous(harbour: Organization) -> None:
    for _ in range(12):
        add(harbour, "Nightly backup")
    assert ask("nightly-backup") == [AMBIGUOUS]
    assert all(isinstance(one, Known) for one in ask(*(f"nightly-backup-{n}" for n in range(2, 13))))


def test_a_key_that_was_replaced_opens_nothing(harbour: Organization) -> None:
    monitor = add(harbour, "Nightly backup")
    new = organizations.rotate_ping_key(harbour.id, TOKIFLOW, NOW)
    assert ask("nightly-backup", create=True) == [UNKNOWN]
    assert names.resolve([Named(new, "nightly-backup")], NOW) == [Known(monitor.token)]
    rotated = select(AuditEvent).where(AuditEvent.what == "organization.ping_key_rotated")
    said = str(vars(db.session.execute(rotated).scalar_one()))
    assert (KEY in said, new in said) == (False, False), "the audit log holds no secret"


def test_without_a_key_nothing_is_found(organization: Organization) -> None:
    add(organization, "Nightly backup")
    assert organization.ping_key is None
    assert names.resolve([Named("", "nightly-backup"), Named("None", "nightly-backup")], NOW) == [UNKNOWN, UNKNOWN]


# --- making -----------------------------------------------------------------------------------------------------


def test_a_monitor_is_made_with_a_day_and_an_hour(harbour: Organization) -> None:
    (made,) = ask("nightly-backup", create=True)
    monitor = db.session.execute(select(Monitor)).scalar_one()
    assert made == Known(monitor.token, created=True)
    assert (monitor.name, monitor.slug, monitor.status) == ("Nightly backup", "nightly-backup", "new")
    assert (monitor.schedule_kind, monitor.schedule_seconds, monitor.grace_seconds) == ("every", 86_400, 3600)
    assert (monitor.max_runtime_seconds, monitor.tags, monitor.created_by) == (3600, [], None)
    event = db.session.execute(select(AuditEvent)).scalar_one()
    assert (event.what, event.by, event.by_kind, event.object_id) == (
        "monitor.created", "the ping key", "ping_key", monitor.id,
    )  # fmt: skip
    assert ask("nightly-backup", create=True) == [Known(monitor.token)]


def test_of_several_in_one_batch_the_first_creates(harbour: Organization) -> None:
    add(harbour, "Payroll")
    asked = [Named(KEY, slug, create) for slug, create in (
        ("backup", False), ("backup", True), ("payroll", True), ("backup", True), ("backup", False), ("other", True),
    )]  # fmt: skip
    found = names.resolve(asked, NOW)
    assert found[0] == UNKNOWN, "nobody had asked for it to be made yet"
    assert [isinstance(one, Known) and one.created for one in found] == [False, True, False, False, False, True]
    assert len({one.token for one in found if isinstance(one, Known)}) == 3
    assert slugs() == ["backup", "other", "payroll"]


def test_however_many_ask_at_once_one_is_made(app: Flask, harbour: Organization) -> None:
    found: list[Known | Refused] = []
    barrier = threading.Barrier(6)

    def work(order: Sequence[str]) -> None:
        with app.app_context():
            barrier.wait(10)
            found.extend(ask(*order, create=True))

    orders = [("a", "b", "c"), ("c", "b", "a"), ("b", "a", "c")] * 2
    threads = [threading.Thread(target=work, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert slugs() == ["a", "b", "c"]
    assert len(found) == 18
    assert all(isinstance(one, Known) for one in found)
    assert sum(isinstance(one, Known) and one.created for one in found) == 3


def test_a_ping_and_a_person_who_name_the_same_at_once_get_two(app: Flask, harbour: Organization) -> None:
    def ping() -> None:
        with app.app_context():
            ask("nightly-backup", create=True)

    def person() -> None:
        with app.app_context():
            add(harbour, "Nightly backup")

    threads = [threading.Thread(target=work) for work in (ping, person)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert slugs()[0] == "nightly-backup"
    assert len(slugs()) in (1, 2), "the ping may find what the person just made"


def test_what_was_made_takes_the_ping(harbour: Organization) -> None:
    ping = Ping(Signal.FAIL, NOW, exit_code=3)
    (first, second) = pings.record([pings.Incoming(Named(KEY, "backup", create=True), ping)] * 2, NOW)
    assert isinstance(first, Known)
    assert first.created
    assert second == Known(first.token)
    monitor = db.session.execute(select(Monitor)).scalar_one()
    assert (monitor.status, monitor.ping_count) == ("down", 2)


# --- limits -----------------------------------------------------------------------------------------------------


def test_a_job_with_a_new_name_every_time_is_stopped(harbour: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_AN_HOUR", 3)
    add(harbour, "By hand")
    assert all(isinstance(one, Known) for one in ask("a", "b", create=True))
    for slug in ("a", "b"):
        made = select(Monitor.id).where(Monitor.slug == slug)
        monitors.delete(db.session.execute(made).scalar_one(), TOKIFLOW, NOW)
    later = NOW + timedelta(minutes=10)
    c, d = ask("c", "d", create=True, now=later)
    assert isinstance(c, Known)
    assert d == Refused(429, "rate limited", 50 * 60), "deleting does not start the hour again"
    known, refused = ask("c", "d", create=True, now=NOW + timedelta(minutes=59, seconds=58.5))
    assert (isinstance(known, Known), refused) == (True, Refused(429, "rate limited", 2))
    (at_last,) = ask("d", create=True, now=NOW + timedelta(hours=1, seconds=1))
    assert isinstance(at_last, Known)


def test_one_organizations_limit_is_not_anothers(harbour: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_AN_HOUR", 1)
    theirs = make_organization("Charlie & Sons", ping_key=tokens.new_ping_key())
    asked = [Named(key, slug, create=True) for slug in ("a", "b") for key in (KEY, str(theirs.ping_key))]
    found = names.resolve(asked, NOW)
    assert [isinstance(one, Known) for one in found] == [True, True, False, False]


def test_pings_make_no_more_than_so_many(harbour: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_MONITORS", 3)
    for n in range(2):
        make_monitor(harbour, f"Job {n}")
    c, d = ask("c", "d", create=True)
    assert isinstance(c, Known)
    assert isinstance(d, Refused)
    assert (d.status, d.retry_after) == (403, None)
    assert "by hand" in d.text
    add(harbour, "By hand")
    assert db.session.execute(select(func.count()).select_from(Monitor)).scalar_one() == 4


# --- cost -------------------------------------------------------------------------------------------------------


def test_a_batch_takes_a_handful_of_statements_whatever_its_size(harbour: Organization) -> None:
    for n in range(20):
        make_monitor(harbour, slug=f"job-{n}")
    with statements() as sent:
        ask(*(f"job-{n % 20}" for n in range(200)))
    assert len(sent) == 1, sent
    with statements() as sent:
        ask(*(f"job-{n}" for n in range(60)), create=True)
    assert len(sent) == 10, sent  # four of them write the log of who did what, which begins here
    with statements() as sent:
        ask(*(f"other-{n}" for n in range(60)), create=True)
    assert len(sent) == 9, sent
    assert len(slugs()) == 60 + 60
