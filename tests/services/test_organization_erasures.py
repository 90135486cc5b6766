"""An organization goes, and then really is gone: not one column of one table, nor the store, knows a word of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from jobs import erasures as erasures_job
from jobs import organizations as organizations_job
from jobs import people as people_job
from tests import traces
from tests.factories import make_channel, make_membership, make_user
from tests.fixtures.database import Database
from tests.house.things import make_things
from tests.services.test_memberships import actor
from tokiflow.adapters import storage
from tokiflow.adapters.storage import Storage
from tokiflow.core import ids, tokens
from tokiflow.core.roles import Role
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Erasure, Export, IdempotencyKey, Monitor, Offload, Organization, User
from tokiflow.queries import sessions as queries
from tokiflow.services import (
    api_keys,
    exports,
    incidents,
    invitations,
    maintenance,
    memberships,
    monitors,
    organizations,
    outputs,
    people,
    pings,
    sessions,
)

NOW = datetime.now(UTC)
LATER = NOW + organizations.GRACE
FORMER_NAME, NAME = "Quokka Quarries", "Quokka Mines"
ADDRESS = "pit@quokka.example"
TRACES = ("quokka", "zinc-smelter", "zinc smelter", "copper ore", "wombat")
"""Its names and slug, and words of its monitors, its output, its people's comments and its secrets."""


@pytest.fixture
def stored(app: Flask, store: Storage) -> Iterator[Storage]:
    """The store of this installation: a bucket, then a folder."""
    storage.use(app, store)
    yield store
    app.extensions.pop("tokiflow.storage")


def live(owner: User) -> Organization:
    """An organization of `owner` that has left its words wherever some can be left."""
    made = organizations.create(FORMER_NAME, owner.id, NOW)
    by = actor(owner)
    organizations.rename(made, NAME, by, NOW)
    organization = db.session.get_one(Organization, made)
    incident = make_things(organization, NOW)["incident_id"]
    organizations.set_redaction(made, ["wombat-[0-9]+"], by, NOW)
    _monitored(made, owner)
    _spoken(organization, owner, incident)
    member = make_user("Dora")
    make_membership(organization, member)
    memberships.remove(made, member.id, by, NOW)
    for kind, of in (("person", None), ("organization", made), ("audit", made)):
        exports.make([exports.ask(kind, by, of, {}, NOW)], lambda: NOW)
    return organization


def _monitored(organization_id: UUID, owner: User) -> None:
    schedule = {"kind": "every", "seconds": 3600}
    values = {"name": "Zinc smelter", "tags": ["wombat"], "description": "Melts copper ore", "schedule": schedule}
    made = monitors.create(organization_id, values, actor(owner), NOW)
    token = db.session.get_one(Monitor, made).token
    large = b"copper ore: 3 t\n" * 2_000
    for body in (large, b"copper ore is out"):
        pings.record([pings.Incoming(token, Ping(Signal.FAIL, NOW, body=body, body_size=len(body)))], NOW)
    with transaction():
        db.session.execute(update(Offload).values(next_attempt_at=NOW))
    outputs.offload(NOW)
    gone = monitors.create(organization_id, {**values, "name": "Old zinc smelter"}, actor(owner), NOW)
    monitors.delete(gone, actor(owner), NOW)


def _spoken(organization: Organization, owner: User, incident: str) -> None:
    by = actor(owner)
    incidents.comment(ids.parse("inc", incident), "The wombat did it.", by, NOW)
    window = {"name": "Wombat holidays", "kind": "once", "timezone": "UTC", "everything": True}
    maintenance.create(
        organization.id, window | {"starts_at": NOW, "ends_at": datetime.now(UTC) + timedelta(hours=9)}, by, NOW
    )
    api_keys.create(organization.id, "wombat", ["read"], by, NOW)
    make_channel(organization, "email", name="Wombats", config={"to": [ADDRESS]})
    invitations.invite(organization.id, [ADDRESS], "viewer", by, NOW)
    with transaction():
        key = tokens.new_ping_token()
        db.session.add(
            IdempotencyKey(organization_id=organization.id, path="/", key=key, fingerprint="", body='{"by": "wombat"}')
        )


def work() -> None:
    """As workers do, from the end of the grace on, until there is nothing to do."""
    for n in range(50):
        at = LATER + timedelta(minutes=6 * n)
        people.erase_due(at, seconds=60)
        organizations.erase_due(at, seconds=60)
        due = [str(one) for one in db.session.execute(select(Erasure.monitor_id)).scalars()]
        db.session.rollback()
        if not due and not organizations.ring(at) and not people.ring(at):
            return
        erasures_job.erase(due)
        with transaction():
            db.session.execute(update(Erasure).values(next_attempt_at=NOW))
    raise AssertionError("it never ends")


def found(database: Database, store: Storage, wanted: tuple[str, ...]) -> dict[str, list[str]]:
    with database.connect() as connection:
        places = {one: traces.in_tables(connection, one) + traces.in_store(store, one) for one in wanted}
    return {one: where for one, where in places.items() if where}


def secrets_of(organization: Organization) -> tuple[str, ...]:
    """What would open something: its ping key and ping addresses. And the ids of it and its monitors."""
    mine = select(Monitor).where(Monitor.organization_id == organization.id)
    rows = db.session.execute(mine).scalars().all()
    assert organization.ping_key
    return (
        organization.ping_key, str(organization.id), *(row.token for row in rows), *(str(row.id) for row in rows),
    )  # fmt: skip


def test_nothing_is_left_of_it(stored: Storage, alice: User, bob: User, database: Database) -> None:
    organization = live(alice)
    wanted = (*TRACES, *secrets_of(organization))
    before = found(database, stored, wanted)
    assert set(before) == set(wanted)
    assert {place.split(".")[0] for places in before.values() for place in places} >= {
        "api_keys", "audit_events", "channels", "idempotency_keys", "incident_events", "incidents", "invitations",
        "letters", "maintenance_windows", "monitors", "organizations", "recipients",
    }  # fmt: skip
    assert {key.split("/")[0] for places in before.values() for key in places if "/" in key} == {"exports", "output"}

    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    work()
    assert found(database, stored, wanted) == {}
    assert db.session.get(User, alice.id, populate_existing=True) is not None, "people stay"


def test_an_account_takes_what_it_owns_alone_along(stored: Storage, database: Database) -> None:
    """Deletion of an account, from the button to the last row: the organization goes first, then the person."""
    wilma = make_user("Wilma Quokka", email="wilma@quokka.example")
    organization = live(wilma)
    with transaction():
        db.session.execute(
            text("delete from memberships where organization_id = :id and user_id <> :user"),
            {"id": organization.id, "user": wilma.id},
        )
    wanted = (*TRACES, "wilma", str(wilma.id), *secrets_of(organization))
    people.plan_erasure(wilma.id, wilma.email, None, NOW)
    assert people.erase_due(LATER - timedelta(seconds=1)) == 0
    assert set(found(database, stored, wanted)) == set(wanted), "while she may change her mind, all is as it was"
    work()
    assert found(database, stored, wanted) == {}


def test_jobs_do_it_by_the_clock(stored: Storage, database: Database) -> None:
    """What the clock rings for, and the jobs it rings: nobody else is needed for it to end."""
    wilma = make_user("Wilma Quokka", email="wilma@quokka.example")
    organizations.create(NAME, wilma.id, NOW)
    long_ago = datetime.now(UTC) - organizations.GRACE - timedelta(minutes=1)
    people.plan_erasure(wilma.id, wilma.email, None, long_ago)
    assert people.ring(datetime.now(UTC))
    assert people_job.erase_due([]) == 0, "her organization first"
    assert organizations.ring(datetime.now(UTC))
    assert organizations_job.erase_due([]) == 1
    assert people_job.erase_due([]) == 1
    assert found(database, stored, ("quokka", "wilma")) == {}


def test_undone_in_time_all_of_it_stays(stored: Storage, alice: User, database: Database) -> None:
    organization = live(alice)
    wanted = (*TRACES, *secrets_of(organization))
    before = found(database, stored, wanted)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    organizations.call_off_deletion(organization.id, actor(alice), LATER - timedelta(seconds=1))
    work()
    after = found(database, stored, wanted)
    assert {one: set(places) >= set(before[one]) for one, places in after.items()} == dict.fromkeys(wanted, True)


def test_copies_of_others_are_not_taken_back(stored: Storage, alice: User, charlie: User) -> None:
    organization = live(alice)
    theirs = exports.ask("person", actor(charlie), None, {}, NOW)
    waiting = exports.ask("person", actor(alice), None, {}, NOW)
    exports.make([theirs], lambda: NOW)
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    assert organizations.erase_due(LATER, seconds=60) == 1
    assert db.session.get_one(Export, theirs, populate_existing=True).status == "done"
    assert db.session.get_one(Export, waiting, populate_existing=True).status == "pending", "it tells of it no more"


def test_a_copy_that_is_being_made_is_waited_for(stored: Storage, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = organizations.create(NAME, alice.id, NOW)
    asked = exports.ask("person", actor(alice), None, {}, NOW)
    organizations.plan_deletion(made, NAME, actor(alice), NOW)
    outcomes = []
    put = type(stored).put_file

    def put_while_it_is_erased(self: Storage, key: str, path: object) -> None:
        outcomes.append(organizations.erase_due(LATER))
        put(self, key, path)  # type: ignore[arg-type]

    monkeypatch.setattr(type(stored), "put_file", put_while_it_is_erased)
    assert exports.make([asked], lambda: LATER) == 0
    assert outcomes == [0]
    assert traces.in_store(stored, "quokka") == []
    assert organizations.erase_due(LATER + timedelta(minutes=10)) == 1


def test_members_of_it_who_stay_see_nothing_of_it(stored: Storage, alice: User, adam: User, charlie: User) -> None:
    organization = live(alice)
    make_membership(organization, adam, Role.MEMBER)
    copy = exports.ask("person", actor(adam), None, {}, NOW)
    exports.make([copy], lambda: NOW)
    cookies = [sessions.begin(one.id, "link", "", "", NOW) for one in (alice, adam, charlie)]
    organizations.plan_deletion(organization.id, NAME, actor(alice), NOW)
    assert [bool(queries.signed_in(one, NOW)) for one in cookies] == [True, True, True]
    work()
    assert [bool(queries.signed_in(one, NOW)) for one in cookies] == [False, False, True], "signed out with the role"
    assert db.session.get(Export, copy, populate_existing=True) is None
