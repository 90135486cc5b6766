"""Who is in an organization: roles given and taken, people removed and leaving, and always an owner left."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from tests.factories import make_membership, make_user
from tokiflow import errors
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, AuditEvent, Letter, Membership, Organization, User
from tokiflow.queries import memberships as queries
from tokiflow.queries import sessions as signed_in
from tokiflow.services import api_keys, memberships, organizations, sessions
from tokiflow.services.memberships import LastOwner

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def actor(user: User) -> Actor:
    return Actor("person", user.name, user.id, "203.0.113.7")


def role(organization: Organization, user: User) -> Role | None:
    db.session.rollback()
    return queries.role_of(organization.id, user.id)


def audited() -> list[tuple[str, str, dict[str, object], dict[str, object]]]:
    rows = db.session.execute(select(AuditEvent).order_by(AuditEvent.n)).scalars()
    return [(row.what, row.object_name, row.before, row.after) for row in rows]


def letters() -> list[tuple[str, str]]:
    return [(one.to_address, one.subject) for one in db.session.execute(select(Letter).order_by(Letter.id)).scalars()]


def browser(user: User) -> str:
    return sessions.begin(user.id, "link", "Firefox on Linux", "203.0.113.7", NOW)


def is_in(token: str) -> bool:
    db.session.rollback()
    return signed_in.signed_in(token, NOW) is not None


# --- roles ------------------------------------------------------------------------------------------------------


def test_adam_makes_mia_a_viewer_and_she_is_signed_out(organization, adam, mia):
    hers, his = browser(mia), browser(adam)
    memberships.set_role(organization.id, mia.id, Role.VIEWER, actor(adam), NOW)
    assert role(organization, mia) is Role.VIEWER
    assert audited() == [("member.role_changed", "Mia", {"role": "member"}, {"role": "viewer"})]
    assert (is_in(hers), is_in(his)) == (False, True)
    assert letters() == [(mia.email, "You are a viewer of Harbour Freight now")]


def test_who_may_do_more_stays_signed_in(organization, alice, mia):
    hers = browser(mia)
    memberships.set_role(organization.id, mia.id, Role.OWNER, actor(alice), NOW)
    assert (role(organization, mia), is_in(hers)) == (Role.OWNER, True)


def test_the_same_role_again_is_nothing(organization, alice, mia):
    memberships.set_role(organization.id, mia.id, Role.MEMBER, actor(alice), NOW)
    assert audited() == []
    assert letters() == []


def test_whoever_steps_down_stays_signed_in_where_they_did_it(organization, alice, adam):
    make_membership(organization, make_user("Olga"), Role.OWNER)
    here, elsewhere = browser(alice), browser(alice)
    kept = signed_in.signed_in(here, NOW)
    assert kept is not None
    memberships.set_role(organization.id, alice.id, Role.ADMIN, actor(alice), NOW, session_id=kept.id)
    assert (is_in(here), is_in(elsewhere)) == (True, False)
    assert letters() == []


@pytest.mark.parametrize("who", ["mia", "vera"])
def test_only_owners_and_admins_change_roles(request, organization, adam, who):
    user = request.getfixturevalue(who)
    with pytest.raises(errors.Forbidden):
        memberships.set_role(organization.id, user.id, Role.OWNER, actor(user), NOW)
    with pytest.raises(errors.Forbidden):
        memberships.remove(organization.id, adam.id, actor(user), NOW)


def test_an_admin_never_touches_owners_and_makes_none(organization, alice, adam, mia):
    make_membership(organization, make_user("Olga"), Role.OWNER)
    for change in (
        lambda: memberships.set_role(organization.id, mia.id, Role.OWNER, actor(adam), NOW),
        lambda: memberships.set_role(organization.id, adam.id, Role.OWNER, actor(adam), NOW),
        lambda: memberships.set_role(organization.id, alice.id, Role.VIEWER, actor(adam), NOW),
        lambda: memberships.remove(organization.id, alice.id, actor(adam), NOW),
    ):
        with pytest.raises(errors.Forbidden, match="Only owners of Harbour Freight"):
            change()
    assert (role(organization, alice), role(organization, mia), audited()) == (Role.OWNER, Role.MEMBER, [])


def test_charlie_changes_nothing_in_here(organization, other_organization, charlie, mia):
    for change in (
        lambda: memberships.set_role(organization.id, mia.id, Role.VIEWER, actor(charlie), NOW),
        lambda: memberships.remove(organization.id, mia.id, actor(charlie), NOW),
        lambda: memberships.hand_over(organization.id, mia.id, "Harbour Freight", actor(charlie), NOW),
    ):
        with pytest.raises(errors.Forbidden):
            change()
    with pytest.raises(errors.NotFound):
        memberships.leave(organization.id, actor(charlie), NOW)
    with pytest.raises(errors.NotFound):
        memberships.remove(other_organization.id, mia.id, actor(charlie), NOW)


# --- removed, and leaving ---------------------------------------------------------------------------------------


def test_adam_removes_bob(organization, adam, bob):
    his = browser(bob)
    memberships.remove(organization.id, bob.id, actor(adam), NOW)
    assert role(organization, bob) is None
    assert not is_in(his)
    assert audited() == [("member.removed", "Bob", {"role": "member"}, {})]
    assert letters() == [(bob.email, "You are no longer in Harbour Freight")]
    with pytest.raises(errors.NotFound):
        memberships.remove(organization.id, bob.id, actor(adam), NOW)


@pytest.mark.parametrize("revoke", [False, True])
def test_keys_he_made_stay_unless_they_are_to_go(organization, alice, adam, revoke):
    mine = api_keys.create(organization.id, "deploy", ("read",), actor(adam), NOW)
    hers = api_keys.create(organization.id, "grafana", ("read",), actor(alice), NOW)
    memberships.remove(organization.id, adam.id, actor(alice), NOW, revoke_keys=revoke)
    works = {
        prefix for prefix, revoked in db.session.execute(select(ApiKey.prefix, ApiKey.revoked_at)) if revoked is None
    }
    assert works == {hers.prefix} | (set() if revoke else {mine.prefix})
    assert ("api_key.revoked" in [what for what, *_ in audited()]) is revoke


def test_bob_leaves_and_stays_signed_in_where_he_did_it(organization, bob):
    here, elsewhere = browser(bob), browser(bob)
    kept = signed_in.signed_in(here, NOW)
    assert kept is not None
    memberships.leave(organization.id, actor(bob), NOW, session_id=kept.id)
    assert role(organization, bob) is None
    assert (is_in(here), is_in(elsewhere)) == (True, False)
    assert audited() == [("member.left", "Bob", {"role": "member"}, {})]


# --- an owner is always left ------------------------------------------------------------------------------------


def test_the_last_owner_can_not_go_in_any_way(organization, alice, adam):
    for change in (
        lambda: memberships.leave(organization.id, actor(alice), NOW),
        lambda: memberships.remove(organization.id, alice.id, actor(alice), NOW),
        lambda: memberships.set_role(organization.id, alice.id, Role.ADMIN, actor(alice), NOW),
    ):
        with pytest.raises(LastOwner, match="Alice is the only owner"):
            change()
    assert (role(organization, alice), audited(), letters()) == (Role.OWNER, [], [])


def race(app: Flask, *changes: Callable[[], object]) -> list[type[BaseException] | None]:
    """Carry out `changes` at the same moment, on connections of their own; what each raised."""
    raised: list[type[BaseException] | None] = [None] * len(changes)
    ready = threading.Barrier(len(changes))

    def run(n: int) -> None:
        with app.app_context():
            db.session.execute(text("select 1"))
            ready.wait(10)
            try:
                changes[n]()
            except errors.TokiflowError as error:
                raised[n] = type(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(changes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


WAYS = ("leave", "step down", "remove each other", "hand over")


@pytest.mark.parametrize("way", WAYS)
def test_two_owners_who_go_at_the_same_moment_leave_one(app, organization, alice, way):
    olga = make_user("Olga")
    make_membership(organization, olga, Role.OWNER)
    db.session.commit()
    organization_id, pairs = organization.id, [(actor(alice), olga.id), (actor(olga), alice.id)]
    change = {
        "leave": lambda by, other: memberships.leave(organization_id, by, NOW),
        "step down": lambda by, other: memberships.set_role(organization_id, by.id, Role.VIEWER, by, NOW),
        "remove each other": lambda by, other: memberships.remove(organization_id, other, by, NOW),
        "hand over": lambda by, other: memberships.hand_over(organization_id, other, "Harbour Freight", by, NOW),
    }[way]
    db.session.rollback()
    raised = race(app, *((lambda by=by, other=other: change(by, other)) for by, other in pairs))
    # Handing over back and forth is odd, and fine.
    refused = {"leave": [LastOwner], "step down": [LastOwner], "remove each other": [errors.Forbidden], "hand over": []}
    assert [one for one in raised if one] == refused[way]
    db.session.rollback()
    assert queries.count_owners(organization_id) == 1


def test_six_owners_leaving_in_a_crowd_leave_one(app, organization):
    owners = [make_user(f"Owner {n}") for n in range(6)]
    for one in owners:
        make_membership(organization, one, Role.OWNER)
    organization_id, actors = organization.id, [actor(one) for one in owners]
    db.session.rollback()
    raised = race(app, *((lambda by=by: memberships.leave(organization_id, by, NOW)) for by in actors))
    assert sorted(one is None for one in raised) == [False] + [True] * 5
    db.session.rollback()
    assert queries.count_owners(organization_id) == 1


def test_whoever_waits_for_the_lock_is_asked_again_what_they_may(app, organization, alice, adam, mia):
    """Adam's page let him; by the time his click is carried out, Alice has made him a viewer."""
    organization_id, adam_id, by, other = organization.id, adam.id, actor(adam), mia.id
    db.session.rollback()
    raised: list[BaseException] = []
    waiting = threading.Event()

    def click() -> None:
        with app.app_context():
            db.session.execute(text("select 1"))
            waiting.set()
            try:
                memberships.remove(organization_id, other, by, NOW)
            except errors.TokiflowError as error:
                raised.append(error)

    thread = threading.Thread(target=click)
    with transaction():
        memberships.set_role(organization_id, adam_id, Role.VIEWER, actor(alice), NOW)
        thread.start()
        waiting.wait(10)
        _somebody_waits_for_a_lock()
    thread.join(30)
    assert [type(one) for one in raised] == [errors.Forbidden]
    assert role(organization, mia) is Role.MEMBER


def _somebody_waits_for_a_lock() -> None:
    asks = text("select count(*) from pg_locks where not granted")
    for _ in range(400):
        if db.session.scalar(asks):
            return
        with suppress(TimeoutError):
            threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


# --- handing over -----------------------------------------------------------------------------------------------


def test_alice_hands_over_to_adam_and_is_an_admin_then(organization, alice, adam):
    here, elsewhere = browser(alice), browser(alice)
    kept = signed_in.signed_in(here, NOW)
    assert kept is not None
    memberships.hand_over(organization.id, adam.id, " Harbour  Freight ", actor(alice), NOW, session_id=kept.id)
    assert (role(organization, alice), role(organization, adam)) == (Role.ADMIN, Role.OWNER)
    assert (is_in(here), is_in(elsewhere)) == (True, False)
    before, after = {"owner": "Alice", "role": "admin"}, {"owner": "Adam", "role": "owner"}
    assert audited() == [("organization.handed_over", "Adam", before, after)]
    assert letters() == [(adam.email, "You are an owner of Harbour Freight now")]


@pytest.mark.parametrize("typed", ["", "harbour", "Harbour Freigh", "harbour freight", "\x00"])
def test_without_the_name_nothing_is_handed_over(organization, alice, adam, typed):
    with pytest.raises(errors.Invalid) as refused:
        memberships.hand_over(organization.id, adam.id, typed, actor(alice), NOW)
    assert list(refused.value.fields) == ["typed"]
    assert role(organization, adam) is Role.ADMIN


def test_it_goes_to_another_member_only(organization, alice, charlie):
    for to in (alice, charlie):
        with pytest.raises(errors.Invalid) as refused:
            memberships.hand_over(organization.id, to.id, "Harbour Freight", actor(alice), NOW)
        assert list(refused.value.fields) == ["to"]


# --- what is asked about people ---------------------------------------------------------------------------------


def test_owners_come_first_and_words_find_names_and_addresses(organization, alice, adam, mia, vera):
    def found(**wanted) -> list[str]:
        return [one.user.name for one in queries.page(organization.id, queries.Filter(**wanted), 0, 50)]

    assert found() == ["Alice", "Adam", "Mia", "Vera"]
    assert found(words="a EXAMPLE.com mi") == ["Mia"]
    assert found(role=Role.VIEWER) == ["Vera"]
    assert found(words="%") == found(words="_") == []
    assert queries.count_by_role(organization.id, "a") == {Role.OWNER: 1, Role.ADMIN: 1, Role.MEMBER: 1, Role.VIEWER: 1}


def test_what_has_no_other_owner_is_known(organization, other_organization, alice, adam):
    make_membership(other_organization, alice, Role.OWNER)
    make_membership(other_organization, adam, Role.OWNER)
    assert [one.name for one in queries.owned_alone(alice.id)] == ["Harbour Freight"]
    assert queries.owned_alone(adam.id) == []


def test_nobody_owns_more_than_so_many(app, alice, monkeypatch):
    monkeypatch.setattr(organizations, "MOST_OWNED", 2)
    organizations.create("Second", alice.id, NOW)
    with pytest.raises(errors.Conflict, match="You own 2"):
        organizations.create("Third", alice.id, NOW + timedelta(seconds=1))
    assert len(db.session.execute(select(Membership)).scalars().all()) == 2
