"""Organizations made, renamed, and deleted: a week to change one's mind, and then nothing is left."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, inspect, select, text, update

from jobs import organizations as job
from tests.factories import make_export, make_membership, make_monitor, make_organization, make_user
from tests.house.things import make_things
from tests.services.test_exports import ask
from tests.services.test_memberships import actor, audited, letters
from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.adapters.storage import Folder
from tokiflow.core.roles import Role
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import Base, db, transaction
from tokiflow.models import Erasure, Export, Letter, Membership, Monitor, Offload, Organization, User
from tokiflow.models import Ping as PingRow
from tokiflow.services import (
    api_keys,
    erasures,
    exports,
    organization_erasures,
    organizations,
    outputs,
    pings,
)

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
LATER = NOW + organizations.GRACE
NAME = "Harbour Freight"


@pytest.fixture(autouse=True)
def folder(app, tmp_path):
    made = Folder(tmp_path / "output")
    storage.use(app, made)
    yield made
    app.extensions.pop("tokiflow.storage")


def fresh(organization):
    """The organization as it is now; None once it is gone."""
    (key,) = inspect(organization).identity
    db.session.rollback()
    return db.session.execute(select(Organization).where(Organization.id == key)).scalar_one_or_none()


# --- made and renamed -------------------------------------------------------------------------------------------


def test_alice_makes_another_and_owns_it(alice):
    made = organizations.create("  Side   project ", alice.id, NOW, "203.0.113.7")
    row = db.session.get_one(Organization, made)
    assert (row.name, row.slug) == ("Side project", "side-project")
    mine = db.session.get_one(Membership, {"organization_id": made, "user_id": alice.id})
    assert mine.rank is Role.OWNER


def test_alice_renames_it_and_addresses_stay(organization, alice):
    slug = organization.slug
    organizations.rename(organization.id, "Harbour & Sons", actor(alice), NOW)
    assert (fresh(organization).name, fresh(organization).slug) == ("Harbour & Sons", slug)
    assert audited() == [("organization.renamed", "Harbour & Sons", {"name": NAME}, {"name": "Harbour & Sons"})]
    organizations.rename(organization.id, "Harbour & Sons", actor(alice), NOW)
    assert len(audited()) == 1


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "\x00"])
def test_bad_names_are_refused(organization, alice, name):
    for change in (
        lambda: organizations.rename(organization.id, name, actor(alice), NOW),
        lambda: organizations.create(name, alice.id, NOW),
    ):
        with pytest.raises(errors.Invalid) as refused:
            change()
        assert list(refused.value.fields) == ["name"]


def test_only_owners_rename_and_delete(organization, adam, charlie):
    for user in (adam, charlie):
        for change in (
            lambda by: organizations.rename(organization.id, "Mine now", by, NOW),
            lambda by: organizations.plan_deletion(organization.id, NAME, by, NOW),
            lambda by: organizations.call_off_deletion(organization.id, by, NOW),
        ):
            with pytest.raises(errors.Forbidden):
                change(actor(user))
    assert fresh(organization).name == NAME


# --- a week to change one's mind --------------------------------------------------------------------------------


def test_alice_deletes_it_and_everybody_in_it_hears_when(organization, alice, adam, charlie):
    olga = make_user("Olga", timezone="America/New_York")
    make_membership(organization, olga, Role.OWNER)
    assert organizations.plan_deletion(organization.id, NAME, actor(alice), NOW) == LATER
    assert fresh(organization).erase_at == LATER
    assert audited() == [("organization.deletion_planned", NAME, {}, {"erase_at": LATER.isoformat()})]
    assert sorted(letters()) == sorted((one.email, f"{NAME} will be deleted") for one in (alice, olga, adam))
    said = dict(db.session.execute(select(Letter.to_address, Letter.context)).all())
    assert "any owner can keep it" in said[olga.email]["sentences"][1]
    assert "talk to them" in said[adam.email]["sentences"][1]
    with pytest.raises(errors.Conflict, match="already"):
        organizations.plan_deletion(organization.id, NAME, actor(olga), NOW)
    for hours in (1, 23, 25):
        organizations.call_off_deletion(organization.id, actor(olga), NOW)
        organizations.plan_deletion(organization.id, NAME, actor(alice), NOW + timedelta(hours=hours))
    assert len(letters()) == 3, "at most once a day, however often it is planned"


def test_the_letter_says_when_in_the_readers_zone_and_leads_there(organization, alice):
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    context = db.session.execute(select(Letter.context)).scalar_one()
    assert "Sunday 6 December 2026, 13:00 (Europe/Berlin)" in context["sentences"][0]
    assert context["path"].startswith("/app/settings/organization?organization=org_")


@pytest.mark.parametrize("typed", ["", "Harbour", "harbour freight", "Harbour Freight!"])
def test_without_its_name_nothing_is_deleted(organization, alice, typed):
    with pytest.raises(errors.Invalid) as refused:
        organizations.plan_deletion(organization.id, typed, actor(alice), NOW)
    assert list(refused.value.fields) == ["typed"]
    assert fresh(organization).erase_at is None


def test_while_it_waits_everything_works_and_any_owner_keeps_it(organization, alice):
    olga = make_user("Olga")
    make_membership(organization, olga, Role.OWNER)
    monitor = make_monitor(organization)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    pings.record([pings.Incoming(monitor.token, Ping(Signal.SUCCESS, NOW))], NOW)
    assert db.session.get_one(Monitor, monitor.id, populate_existing=True).status == "up"
    assert organizations.erase_due(LATER - timedelta(seconds=1)) == 0
    organizations.call_off_deletion(organization.id, actor(olga), LATER - timedelta(seconds=1))
    assert audited()[-1][0] == "organization.deletion_called_off"
    assert organizations.erase_due(LATER + timedelta(days=30)) == 0
    assert fresh(organization).erase_at is None
    with pytest.raises(errors.Conflict):
        organizations.call_off_deletion(organization.id, actor(olga), NOW)


def test_when_its_time_is_over_nobody_keeps_it(organization, alice):
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    with pytest.raises(errors.NotFound, match="too late"):
        organizations.call_off_deletion(organization.id, actor(alice), LATER)


# --- and then it is gone ----------------------------------------------------------------------------------------


def fill(organization, owner):
    """Everything an organization can have, with large output in the store, some on its way, and a file."""
    make_things(organization, NOW)
    for n in range(3):
        monitor = make_monitor(organization, f"Job {n}")
        large = b"secret of " + organization.name.encode() + bytes(20_000)
        for at in (NOW - timedelta(hours=1), NOW):
            ping = Ping(Signal.FAIL, at, body=large, body_size=len(large))
            pings.record([pings.Incoming(monitor.token, ping)], at)
    api_keys.create(organization.id, "ci", ("read",), actor(owner), NOW)
    make_export(owner, organization, NOW)
    with transaction():
        db.session.execute(update(Offload).values(next_attempt_at=NOW))
    outputs.offload(NOW)


def rows():
    """By table, how many rows there are."""
    db.session.rollback()
    counts = {
        table.name: db.session.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables
    }
    return {name: count for name, count in counts.items() if count}


def files(folder):
    return sorted(path for path in folder._root.rglob("*") if path.is_file())


def erase_all():
    """As the jobs would, until nothing is left to do."""
    for _ in range(200):
        gone = organizations.erase_due(LATER)
        due = db.session.execute(select(Erasure.monitor_id)).scalars().all()
        erasures.erase(due, LATER + timedelta(minutes=5))
        if gone:
            return
    raise AssertionError("it never ends")


def test_nothing_of_it_is_left_and_all_of_others_is(organization, other_organization, alice, charlie, folder):
    fill(other_organization, charlie)
    before, stored = rows(), files(folder)
    assert (before.pop("organizations"), before.pop("memberships")) == (2, 3)
    users = before.pop("users")
    fill(organization, alice)
    assert len(files(folder)) == 2 * len(stored)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    erase_all()
    erasures.erase(db.session.execute(select(Erasure.monitor_id)).scalars().all(), LATER + timedelta(minutes=10))
    after = rows()
    assert after.pop("users") == users + 1, "people stay, in other organizations or in none"
    assert (after.pop("organizations"), after.pop("memberships")) == (1, 2)
    assert after == before
    assert files(folder) == stored
    assert grep(NAME) == []


def grep(words):
    """Every table in whose rows these words stand, as text or as bytes."""
    wanted = words.encode()
    found = []
    for table in Base.metadata.sorted_tables:
        for row in db.session.execute(text(f"select * from {table.name}")):
            if any(wanted in value if isinstance(value, bytes) else words in str(value) for value in row):
                found.append(table.name)
    return found


def test_it_goes_in_small_steps(organization, alice, monkeypatch, folder):
    fill(organization, alice)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    monkeypatch.setattr(organization_erasures, "ROWS", 1)
    monkeypatch.setattr(organization_erasures, "MONITORS", 1)
    steps = 0
    while not organizations.erase_due(LATER, seconds=0):
        steps += 1
        assert db.session.scalar(select(func.count()).select_from(Membership)) == 0, "nobody gets in meanwhile"
        assert steps < 500
    assert steps > 10
    assert fresh(organization) is None
    assert db.session.scalar(select(func.count()).select_from(User)) == 2


def test_two_workers_at_once_do_no_harm(app, organization, other_organization, alice, charlie, folder):
    fill(organization, alice)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    db.session.rollback()
    failed: list[Exception] = []

    def work() -> None:
        with app.app_context():
            try:
                for _ in range(20):
                    organizations.erase_due(LATER)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert fresh(organization) is None
    assert fresh(other_organization) is not None


def test_a_file_that_is_being_made_is_waited_for_and_goes_too(organization, alice, monkeypatch, folder):
    asked = ask(alice, organization)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    outcomes = []

    def put_while_it_is_erased(self, key, path):
        outcomes.append(organizations.erase_due(LATER))
        put(self, key, path)

    put = Folder.put_file
    monkeypatch.setattr(Folder, "put_file", put_while_it_is_erased)
    assert exports.make([asked], lambda: LATER) == 0
    assert outcomes == [0], "not yet: somebody is at it"
    assert files(folder) == [], "and whoever was at it cleaned up"
    assert organizations.erase_due(LATER + timedelta(minutes=10)) == 1
    assert db.session.execute(select(Export)).all() == []


def test_a_store_that_is_away_is_waited_for(organization, alice, monkeypatch, folder):
    make_export(alice, organization, NOW)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)

    def away(self, keys):
        raise errors.StorageError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "delete", away)
        assert organizations.erase_due(LATER) == 0
    assert fresh(organization) is not None
    assert organizations.erase_due(LATER) == 1
    assert files(folder) == []


def test_the_clock_rings_only_for_what_is_due(organization, alice):
    assert not organizations.ring(LATER)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    assert (organizations.ring(NOW), organizations.ring(LATER)) == (False, True)


def test_the_job_erases_what_is_due_now(app):
    made = make_organization("Old", erase_at=datetime.now(UTC) - timedelta(minutes=1))
    assert job.erase_due([]) == 1
    assert fresh(made) is None


def test_a_large_one_goes_some_thousand_rows_at_a_time(organization, alice, folder):
    """Twenty thousand of each: no transaction takes more than its share, so none holds locks for long."""
    make_things(organization, NOW)
    for table in ("audit_events", "letters"):
        _multiply(table, 20_000)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    steps = 0
    while not organizations.erase_due(LATER, seconds=0):
        steps += 1
        assert steps < 200
    assert steps >= 2 * 20_000 // organization_erasures.ROWS
    assert "audit_events" not in rows()


def _multiply(table, times):
    insert = {
        "audit_events": "insert into audit_events (id, organization_id, at, what, by, by_kind) select "
        "gen_random_uuid(), id, now(), 'x.done', 'x', 'system' from organizations, generate_series(1, :times)",
        "letters": "insert into letters (id, organization_id, template, to_address, next_attempt_at, status) select "
        "gen_random_uuid(), id, 'notice', 'x@y', now(), 'sent' from organizations, generate_series(1, :times)",
    }
    with transaction():
        db.session.execute(text(insert[table]), {"times": times})


def test_every_ping_is_erased_even_of_monitors_deleted_with_it(organization, alice):
    monitor = make_monitor(organization)
    key = monitor.id
    pings.record([pings.Incoming(monitor.token, Ping(Signal.SUCCESS, NOW))], NOW)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    assert organizations.erase_due(LATER) == 1
    assert db.session.execute(select(Erasure.monitor_id)).scalars().all() == [key]
    erasures.erase([key], LATER)
    assert db.session.execute(select(PingRow)).all() == []
