"""Making organizations, and going out of them: rename, leave, hand over, delete, keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.factories import make_membership, make_monitor, make_user
from tests.house.things import make_things
from tests.web.posting import post, token_on
from tokiflow.core import links
from tokiflow.core.ids import public
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import Organization, UserSession
from tokiflow.queries import memberships
from tokiflow.web import proofs

PAGE = "/app/settings/organization"
NAME = "Harbour Freight"


def role(organization, user):
    db.session.rollback()
    return memberships.role_of(organization.id, user.id)


def fresh(organization):
    db.session.refresh(organization)
    return organization


# --- making and renaming ----------------------------------------------------------------------------------------


def test_alice_makes_another_and_works_there(client_for, alice):
    hers = client_for(alice)
    answer = post(hers, "/app/organizations/new", page=PAGE, name="Side project")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/app")
    page = hers.get(PAGE).text
    assert "everything in Side project" in page
    assert 'value="Side project"' in page
    made = db.session.execute(select(Organization).where(Organization.name == "Side project")).scalar_one()
    assert role(made, alice) is Role.OWNER


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_bad_name_comes_back(client_for, alice, organization, name):
    hers = client_for(alice)
    for url in ("/app/organizations/new", f"{PAGE}/name"):
        answer = post(hers, url, page=PAGE, name=name)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    headers = {"HX-Request": "true", "X-CSRFToken": token_on(hers, PAGE)}
    part = hers.post(f"{PAGE}/name", data={"name": name}, headers=headers)
    assert part.text.lstrip().startswith('<form class="form" id="name-form"')
    assert fresh(organization).name == NAME


def test_alice_renames_it(client_for, alice, organization):
    hers = client_for(alice)
    assert post(hers, f"{PAGE}/name", page=PAGE, name="Harbour & <b>Sons</b>").status_code == 303
    page = hers.get(PAGE).text
    assert "Harbour &amp; &lt;b&gt;Sons" in page
    assert "<b>Sons" not in page


@pytest.mark.parametrize("who", ["adam", "mia", "vera"])
def test_others_are_offered_only_to_leave(request, client_for, organization, alice, who):
    page = client_for(request.getfixturevalue(who)).get(PAGE).text
    assert f"{PAGE}/leave?" in page
    assert not any(f"{PAGE}/{what}" in page for what in ("name", "hand-over", "delete", "keep"))


# --- leaving ----------------------------------------------------------------------------------------------------


def test_mia_leaves_and_is_in_no_organization(client_for, organization, alice, mia):
    hers = client_for(mia)
    assert "Leave Harbour Freight?" in hers.get(f"{PAGE}/leave").text
    assert post(hers, f"{PAGE}/leave", page=PAGE).headers["Location"] == "/app"
    assert role(organization, mia) is None
    assert hers.get("/app").headers["Location"] == "/app/organizations/new"
    assert "You are in no organization now" in hers.get("/app/organizations/new").text
    assert "You are in none now" in hers.get("/app/settings/profile").text
    assert post(hers, "/app/organizations/new", page="/app/organizations/new", name="Mine").status_code == 303
    assert hers.get("/app").status_code == 200


def test_the_last_owner_is_told_what_to_do_instead(client_for, organization, alice, adam):
    hers = client_for(alice)
    assert "needs an owner" in hers.get(f"{PAGE}/leave").text
    answer = post(hers, f"{PAGE}/leave", page=PAGE)
    assert answer.status_code == 409
    assert "Make somebody else an owner first" in answer.text
    assert role(organization, alice) is Role.OWNER


# --- handing over -----------------------------------------------------------------------------------------------


def test_alice_hands_over_to_adam(client_for, organization, alice, adam):
    hers = client_for(alice)
    assert adam.email in hers.get(f"{PAGE}/hand-over").text
    answer = post(hers, f"{PAGE}/hand-over", page=PAGE, to=f" {adam.email.upper()} ", typed=NAME)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert (role(organization, alice), role(organization, adam)) == (Role.ADMIN, Role.OWNER)
    assert "Adam owns it now, and you are an admin." in hers.get(PAGE).text


@pytest.mark.parametrize(("to", "typed", "said"), [
    ("", NAME, "Nobody here has this address"), ("charlie", NAME, "Nobody here has this address"),
    ("alice", NAME, "It is yourself"), ("adam", "Harbour", "It is not the name of this organization"),
    ("\x00", "\x00", "Nobody here has this address"),
])  # fmt: skip
def test_a_mistake_hands_nothing_over(request, client_for, organization, alice, adam, charlie, to, typed, said):
    email = request.getfixturevalue(to).email if to.isalpha() else to
    answer = post(client_for(alice), f"{PAGE}/hand-over", page=PAGE, to=email, typed=typed)
    assert answer.status_code == 422
    assert said in answer.text
    assert (role(organization, alice), role(organization, adam)) == (Role.OWNER, Role.ADMIN)


def test_alone_there_is_nobody_to_hand_it_to(client_for, alice):
    assert "You are the only member" in client_for(alice).get(f"{PAGE}/hand-over").text


# --- deleting, and keeping --------------------------------------------------------------------------------------


def test_alice_deletes_it_sees_so_everywhere_and_keeps_it(client_for, organization, alice, vera):
    make_things(organization, datetime.now(UTC))
    make_monitor(organization)
    hers, veras = client_for(alice), client_for(vera)
    question = hers.get(f"{PAGE}/delete").text
    for number, noun in ((3, "members"), (2, "monitors"), (1, "incident"), (1, "channel"), (2, "pings"), (1, "run")):
        assert f"<strong>{number}</strong> {noun}" in question
    answer = post(hers, f"{PAGE}/delete", page=PAGE, typed=NAME)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    assert fresh(organization).erase_at is not None
    for page in ("/app", "/app/monitors", PAGE):
        assert "will be deleted on" in hers.get(page).text
    assert "Keep it" in hers.get("/app").text
    seen = veras.get("/app").text
    assert "An owner can keep it." in seen
    assert "Keep it" not in seen
    assert post(veras, f"{PAGE}/keep", page="/app").status_code == 403
    assert "is to be deleted already" in hers.get(f"{PAGE}/delete").text
    assert post(hers, f"{PAGE}/keep", page="/app").status_code == 303
    assert fresh(organization).erase_at is None
    assert "will be deleted" not in hers.get("/app").text
    assert post(hers, f"{PAGE}/keep", page="/app").status_code == 409


@pytest.mark.parametrize("typed", ["", "harbour freight", "Harbour", "\x00", "x" * 10_000])
def test_another_name_deletes_nothing(client_for, organization, alice, typed):
    answer = post(client_for(alice), f"{PAGE}/delete", page=PAGE, typed=typed)
    assert answer.status_code == 422
    assert "It is not the name of this organization" in answer.text
    assert fresh(organization).erase_at is None


def test_the_name_may_be_odd(client_for, organization, alice):
    with transaction():
        organization.name = "A  &  B «Söhne» 🚢"
    assert post(client_for(alice), f"{PAGE}/delete", page=PAGE, typed="A & B «Söhne» 🚢").status_code == 303


@pytest.mark.parametrize("what", ["hand-over", "delete"])
def test_whoever_proved_themselves_long_ago_does_so_again(client_for, organization, alice, adam, what, monkeypatch):
    hers = client_for(alice)
    token = token_on(hers, PAGE)
    asked = []

    def url_for(name, **values):
        asked.append((name, values))
        return "/asked"

    monkeypatch.setattr(proofs, "url_for", url_for)
    with transaction():
        db.session.execute(update(UserSession).values(proved_at=datetime.now(UTC) - timedelta(minutes=16)))
    answers = [
        hers.get(f"{PAGE}/{what}"),
        hers.post(f"{PAGE}/{what}", data={"csrf_token": token, "typed": NAME, "to": adam.email}),
    ]
    assert [(one.status_code, one.headers["Location"]) for one in answers] == [(303, "/asked")] * 2
    assert asked == [("auth.prove", {"next": f"{PAGE}/{what}"})] * 2
    assert fresh(organization).erase_at is None
    assert role(organization, adam) is Role.ADMIN


# --- where links lead -------------------------------------------------------------------------------------------


def test_a_link_opens_in_the_organization_it_is_about(client_for, organization, other_organization, alice, vera):
    """Whichever she was in last, and from then on she is in this one."""
    make_membership(other_organization, alice, Role.OWNER)
    hers = client_for(alice)
    for one in (other_organization, organization, other_organization):
        assert f"everything in {one.name.replace('&', '&amp;')}" in hers.get(links.within(one.id, PAGE)).text
        assert one.slug in hers.get(PAGE).text


def test_a_link_to_an_organization_one_has_left_leads_nowhere(client_for, organization, other_organization, charlie):
    his = client_for(charlie)
    assert his.get(links.within(organization.id, PAGE)).status_code == 404
    assert "Charlie &amp; Sons" in his.get(PAGE).text


def test_somebody_in_none_finds_nothing_behind_it(client_for, organization, alice):
    his = client_for(make_user("Dora"))
    for organization_id in (organization.id, alice.id):
        assert his.get(f"{PAGE}?organization={public('org', organization_id)}").status_code == 404
