"""Answers to invitations: once, in time, and only by whom they are for; also when two come at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.factories import make_invitation, make_membership, make_user
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent, Invitation, Membership, Organization, User
from tokiflow.services import invitations, joining, mail_links, seats

NOW = datetime.now(UTC).replace(microsecond=250_000)

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def dora() -> User:
    return make_user("Dora", email="dora@example.com")


@pytest.fixture
def invitation(organization: Organization, alice: User) -> Invitation:
    return make_invitation(organization, role="admin", invited_by=alice.id)


def token(row: Invitation) -> str:
    return mail_links.invitation(row.id, row.nonce).removeprefix("/invitations/")


def accept(token_: str, user: User, at: datetime = NOW) -> UUID:
    return joining.accept(token_, user.id, Actor("person", user.name, user.id), at)


def role_of(user: User, organization: Organization) -> str | None:
    return db.session.execute(
        select(Membership.role).where(Membership.user_id == user.id, Membership.organization_id == organization.id)
    ).scalar_one_or_none()


def test_a_yes_makes_a_member_once(organization: Organization, invitation: Invitation, dora: User) -> None:
    given = token(invitation)
    assert accept(given, dora) == organization.id
    assert role_of(dora, organization) == "admin"
    assert (invitation.accepted_at, invitation.accepted_by) == (NOW, dora.id)
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "invitation.accepted")).scalar_one()
    assert (event.by_id, event.object_name, event.after) == (dora.id, dora.email, {"role": "admin"})
    with pytest.raises(joining.Over, match="used already"):
        accept(given, dora)


def test_whoever_was_removed_does_not_come_back_by_the_old_link(
    organization: Organization, invitation: Invitation, dora: User
) -> None:
    given = token(invitation)
    accept(given, dora)
    with transaction():
        db.session.delete(db.session.get_one(Membership, (organization.id, dora.id)))
    with pytest.raises(joining.Over):
        accept(given, dora)
    assert role_of(dora, organization) is None


def test_it_is_for_one_address(organization: Organization, invitation: Invitation, charlie: User) -> None:
    with pytest.raises(joining.WrongAddress) as caught:
        accept(token(invitation), charlie)
    assert invitation.email not in caught.value.message
    assert role_of(charlie, organization) is None
    assert invitation.status(NOW) == "waiting"


def test_who_is_in_already_keeps_their_role(organization: Organization, invitation: Invitation, dora: User) -> None:
    make_membership(organization, dora, Role.VIEWER)
    accept(token(invitation), dora)
    assert role_of(dora, organization) == "viewer"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"expires_at": NOW}, "7 days are over"),
        ({"withdrawn_at": NOW}, "withdrawn"),
        ({"declined_at": NOW}, "declined"),
        ({"nonce": "another"}, "newer mail"),
    ],
)
def test_what_is_over_says_why(
    organization: Organization, invitation: Invitation, dora: User, values: dict[str, object], why: str
) -> None:
    given = token(invitation)
    with transaction():
        db.session.execute(update(Invitation).values(**values))
    for act in (lambda: joining.look(given, NOW), lambda: accept(given, dora), lambda: joining.decline(given, NOW)):
        with pytest.raises(joining.Over, match=why):
            act()
    assert role_of(dora, organization) is None


def test_an_organization_that_is_being_deleted_takes_nobody_until_that_is_undone(
    organization: Organization, invitation: Invitation, dora: User
) -> None:
    for until in (NOW + timedelta(days=7), None):
        with transaction():
            db.session.execute(update(Organization).values(erase_at=until))
        db.session.expire_all()
        if until:
            with pytest.raises(joining.Over, match="being deleted"):
                accept(token(invitation), dora)
    assert accept(token(invitation), dora) == organization.id


@pytest.mark.parametrize("given", ["", "none", "a.b", "\udcff", "x" * 9_000])
def test_nonsense_is_not_ours(given: str) -> None:
    with pytest.raises(mail_links.NotOurs):
        joining.look(given, NOW)


def test_a_link_of_another_kind_opens_nothing(invitation: Invitation) -> None:
    for path in (mail_links.confirm(invitation.id, NOW), mail_links.unsubscribe(invitation.id)):
        with pytest.raises(mail_links.NotOurs):
            joining.look(path.split("/")[2], NOW)


def test_an_invitation_that_is_gone_is_no_mistake_of_ours(invitation: Invitation) -> None:
    given = token(invitation)
    with transaction():
        db.session.delete(invitation)
    with pytest.raises(mail_links.NotOurs, match="long over"):
        joining.look(given, NOW)


def test_the_plan_may_be_full_by_then(
    organization: Organization, invitation: Invitation, dora: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seats, "members_allowed", lambda organization: 1)
    with pytest.raises(joining.Full, match="no room"):
        accept(token(invitation), dora)
    assert invitation.status(NOW) == "waiting"


def at_once(app: Flask, *acts: object) -> list[object]:
    """What each gives or raises, all begun at the same moment, each in a transaction of its own."""
    together = threading.Barrier(len(acts))

    def run(act: object) -> object:
        with app.app_context():
            together.wait(10)
            try:
                return act()  # type: ignore[operator]
            except Exception as error:
                return type(error)
            finally:
                db.session.remove()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def test_of_many_who_accept_at_once_one_is_first(
    app: Flask, organization: Organization, invitation: Invitation, dora: User
) -> None:
    given, user_id, by = token(invitation), dora.id, Actor("person", "Dora", dora.id)
    db.session.rollback()
    found = at_once(app, *[lambda: joining.accept(given, user_id, by, NOW)] * 4)
    assert sorted(str(one) for one in found) == sorted([str(organization.id), *[str(joining.Over)] * 3])
    count = select(func.count()).select_from(AuditEvent).where(AuditEvent.what == "invitation.accepted")
    assert db.session.execute(count).scalar_one() == 1


def test_a_yes_and_a_withdrawal_at_once_are_never_both(
    app: Flask, organization: Organization, invitation: Invitation, alice: User, dora: User
) -> None:
    given, user_id, invitation_id, organization_id = token(invitation), dora.id, invitation.id, organization.id
    by, owner = Actor("person", "Dora", dora.id), Actor("person", "Alice", alice.id)
    db.session.rollback()
    at_once(
        app,
        lambda: joining.accept(given, user_id, by, NOW),
        lambda: invitations.withdraw(invitation_id, organization_id, owner, NOW),
    )
    row = db.session.get_one(Invitation, invitation_id, populate_existing=True)
    assert (row.accepted_at is None) is (row.withdrawn_at is not None)
    assert (role_of(dora, organization) == "admin") is (row.accepted_at is not None)


def test_two_admins_who_invite_the_same_at_once_send_one(
    app: Flask, organization: Organization, alice: User, adam: User
) -> None:
    organization_id = organization.id
    people = [Actor("person", one.name, one.id) for one in (alice, adam)]
    db.session.rollback()
    found = at_once(
        app,
        *[lambda by=by: invitations.invite(organization_id, ["eve@example.com"], "member", by, NOW) for by in people],
    )
    assert sorted(one[0].what for one in found) == ["invited", "not_sent"]  # type: ignore[index]
