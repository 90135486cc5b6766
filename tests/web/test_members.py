"""The page of members: who is in, as what, and how that changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from tests.factories import make_channel, make_membership, make_user
from tests.web.posting import post
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.ids import public
from tokiflow.core.roles import IN_SHORT, SENTENCES, Role
from tokiflow.db import db, transaction
from tokiflow.models import ApiKey, Membership
from tokiflow.queries import memberships
from tokiflow.services import api_keys

PAGE = "/app/settings/team"
NOW = datetime.now(UTC)


def address(user, what):
    return f"{PAGE}/{ids.public('usr', user.id)}/{what}"


def role(organization, user):
    db.session.rollback()
    return memberships.role_of(organization.id, user.id)


@pytest.fixture
def crowd(organization):
    """Ten thousand people more, named by number."""
    people = [{"id": ids.new(), "email": f"p{n}@example.org", "name": f"Person {n:05}"} for n in range(10_000)]
    with transaction():
        from sqlalchemy import insert

        from tokiflow.models import User

        db.session.execute(insert(User), people)
        rows = [{"organization_id": organization.id, "user_id": one["id"], "role": "member"} for one in people]
        db.session.execute(insert(Membership), rows)
        # As autovacuum would within a minute: else the planner may still think of nobody.
        db.session.execute(text("analyze users, memberships"))


# --- the list ---------------------------------------------------------------------------------------------------


def test_everybody_sees_who_is_in_and_what_roles_mean(client_for, alice, adam, mia, vera, charlie):
    for who in (alice, adam, mia, vera):
        page = client_for(who).get(PAGE).text
        assert all(one.email in page.replace("<wbr>", "") for one in (alice, adam, mia, vera))
        assert all(sentence in page for sentence in SENTENCES.values())
        assert charlie.email not in page


@pytest.mark.parametrize(("who", "changes"), [("alice", 4), ("adam", 3), ("mia", 0), ("vera", 0)])
def test_only_what_one_may_do_is_offered(request, client_for, alice, adam, mia, vera, who, changes):
    page = client_for(request.getfixturevalue(who)).get(PAGE).text
    assert page.count("/role?organization=") == 2 * changes, "a link, and the same for htmx"
    assert page.count("/remove?organization=") == 2 * max(changes - 1, 0), "of oneself one says leave"
    assert ("Last signed in" in page) is bool(changes)


def test_ten_thousand_members_come_in_pages_and_are_found(client_for, alice, crowd):
    hers = client_for(alice)
    page = hers.get(PAGE).text
    assert "1–50 of 10,001 members" in page
    assert "Person 00048" in page
    assert "Person 00049" not in page
    last = hers.get(f"{PAGE}?page=999999").text
    assert "10,001–10,001 of 10,001 members" in last
    found = hers.get(f"{PAGE}?q=person+07777", headers={"HX-Request": "true"}).text
    assert "Person 07777" in found
    assert "1 member" in found
    assert found.lstrip().startswith("<div")
    assert "Owners" in hers.get(f"{PAGE}?role=owner").text


@pytest.mark.parametrize(
    "query", ["q=%00", "q=%25&role=king", "page=-1", "page=0", "page=x", "role=", "q=" + "a" * 5000]
)
def test_an_odd_address_breaks_nothing(client_for, alice, query):
    assert client_for(alice).get(f"{PAGE}?{query}").status_code == 200


def test_names_of_strangers_are_text(client_for, alice, organization):
    make_membership(organization, make_user("<script>alert(1)</script>"))
    page = client_for(alice).get(PAGE).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


# --- roles ------------------------------------------------------------------------------------------------------


def test_adam_makes_mia_a_viewer(client_for, organization, adam, mia):
    his = client_for(adam)
    question = his.get(address(mia, "role")).text
    assert all(words in question for one, words in IN_SHORT.items() if one is not Role.OWNER)
    assert 'value="owner"' not in question
    answer = post(his, address(mia, "role"), page=PAGE, role="viewer")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert role(organization, mia) is Role.VIEWER
    assert "Mia is a viewer now." in his.get(PAGE).text


def test_mias_browser_is_signed_out_by_that(client_for, adam, mia):
    hers = client_for(mia)
    assert hers.get("/app").status_code == 200
    post(client_for(adam), address(mia, "role"), page=PAGE, role="viewer")
    assert hers.get("/app").headers["Location"].startswith("/auth/sign-in")


@pytest.mark.parametrize("wrong", ["", "king", "OWNER", "\x00"])
def test_a_role_that_is_none_is_asked_for_again(client_for, organization, alice, mia, wrong):
    answer = post(client_for(alice), address(mia, "role"), page=PAGE, role=wrong)
    assert answer.status_code == 422
    assert "Choose one of these." in answer.text
    assert role(organization, mia) is Role.MEMBER


def test_adam_is_told_that_owners_are_not_his_to_change(client_for, organization, alice, adam):
    his = client_for(adam)
    for what in ("role", "remove"):
        assert "Only owners decide who owns it." in his.get(address(alice, what)).text
    assert post(his, address(alice, "role"), page=PAGE, role="viewer").status_code == 403
    assert post(his, address(alice, "remove"), page=PAGE).status_code == 403
    assert post(his, address(adam, "role"), page=PAGE, role="owner").status_code == 403
    assert (role(organization, alice), role(organization, adam)) == (Role.OWNER, Role.ADMIN)


def test_the_last_owner_can_not_step_down(client_for, organization, alice):
    answer = post(client_for(alice), address(alice, "role"), page=PAGE, role="admin")
    assert answer.status_code == 409
    assert "Alice is the only owner of Harbour Freight" in answer.text
    assert role(organization, alice) is Role.OWNER


# --- removing ---------------------------------------------------------------------------------------------------


def test_before_adam_goes_alice_sees_what_hangs_on_him(client_for, organization, alice, adam):
    by = Actor("person", "Adam", adam.id)
    for n in range(7):
        api_keys.create(organization.id, f"deploy {n}", ("read",), by, NOW)
    make_channel(organization, "email", config={"to": [adam.email]}, name="Night shift")
    hers = client_for(alice)
    question = hers.get(address(adam, "remove")).text
    assert "7 API keys Adam made go on working" in question
    assert "deploy 4" in question
    assert "and 2 more" in question
    assert "Night shift" in question
    post(hers, address(adam, "remove"), page=PAGE, revoke_keys="y")
    assert role(organization, adam) is None
    assert None not in db.session.execute(select(ApiKey.revoked_at)).scalars().all()


def test_keys_stay_where_the_box_is_left_empty(client_for, organization, alice, adam):
    api_keys.create(organization.id, "deploy", ("read",), Actor("person", "Adam", adam.id), NOW)
    hers = client_for(alice)
    post(hers, address(adam, "remove"), page=PAGE)
    assert db.session.execute(select(ApiKey.revoked_at)).scalars().all() == [None]
    assert "Adam is no longer in Harbour Freight." in hers.get(PAGE).text


def test_removing_oneself_is_leaving(client_for, alice):
    answer = client_for(alice).get(address(alice, "remove"))
    assert answer.headers["Location"].startswith("/app/settings/organization/leave?organization=org_")


def test_a_page_left_open_acts_where_it_was_opened(client_for, organization, other_organization, alice, bob):
    """Alice asks about Bob here, goes to her other organization in a second window, and then presses the button."""
    make_membership(other_organization, alice, Role.OWNER)
    make_membership(other_organization, bob)
    hers = client_for(alice)
    here = f"{address(bob, 'remove')}?organization={public('org', organization.id)}"
    assert "see nothing of Harbour Freight" in hers.get(here).text
    post(hers, "/app/switch-organization", page=PAGE, organization=other_organization.slug)
    post(hers, here, page=f"{PAGE}?organization={public('org', other_organization.id)}")
    assert (role(organization, bob), role(other_organization, bob)) == (None, Role.MEMBER)


def test_members_of_other_organizations_are_not_found(client_for, alice, charlie):
    for what in ("role", "remove"):
        assert client_for(alice).get(address(charlie, what)).status_code == 404
