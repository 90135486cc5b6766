"""One's own profile."""

from __future__ import annotations

import pytest

from tests.web.posting import post, token_on
from tokiflow.db import db, transaction

PROFILE = "/app/settings/profile"


def test_alice_changes_her_name_and_zone(client_for, alice):
    hers = client_for(alice)
    assert 'value="Europe/Berlin"' in hers.get(PROFILE).text
    answer = post(hers, PROFILE, page=PROFILE, name="Alice Ahoi", timezone="Asia/Tokyo")
    assert (answer.status_code, answer.headers["Location"]) == (303, PROFILE)
    db.session.expire_all()
    assert (alice.name, alice.timezone) == ("Alice Ahoi", "Asia/Tokyo")
    assert "Your profile is saved." in hers.get(PROFILE).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "timezone": "UTC"}, "It is empty; write your name"),
        ({"name": "x" * 201, "timezone": "UTC"}, "longer than 200 characters"),
        ({"name": "Alice", "timezone": ""}, "It is missing; choose a time zone"),
        ({"name": "Alice", "timezone": "Berln"}, "did you mean Europe/Berlin?"),
        ({"name": "Alice", "timezone": "../../etc/passwd"}, "It is not a time zone"),
        ({"name": "Alice", "timezone": "\x00"}, "choose"),
        ({}, "It is empty"),
    ],
)
def test_mistakes_come_back_with_what_was_typed(client_for, alice, fields, said):
    answer = post(client_for(alice), PROFILE, page=PROFILE, **fields)
    assert answer.status_code == 422
    assert said in answer.text
    db.session.expire_all()
    assert (alice.name, alice.timezone) == ("Alice", "Europe/Berlin")


def test_htmx_gets_only_the_form(client_for, alice):
    hers = client_for(alice)
    headers = {"HX-Request": "true", "X-CSRFToken": token_on(hers, PROFILE)}
    wrong = hers.post(PROFILE, data={"name": "", "timezone": "UTC"}, headers=headers)
    assert wrong.status_code == 422
    assert wrong.text.lstrip().startswith("<form")
    right = hers.post(PROFILE, data={"name": "Ali", "timezone": "UTC"}, headers=headers)
    assert right.headers["HX-Redirect"] == PROFILE


def test_a_name_is_shown_and_never_run(client_for, alice):
    hers = client_for(alice)
    post(hers, PROFILE, page=PROFILE, name="<script>alert(1)</script>", timezone="UTC")
    assert "<script>alert" not in hers.get(PROFILE).text


def test_vera_sees_her_own_organizations_and_roles_alone(client_for, vera, charlie):
    page = client_for(vera).get(PROFILE).text
    assert "Harbour Freight" in page
    assert "Viewer" in page
    assert "Charlie" not in page


def test_until_a_zone_is_chosen_times_are_told_in_the_browsers(client_for, alice):
    with transaction():
        alice.timezone = ""
    hers = client_for(alice)
    for told, shown in (("Asia/Tokyo", "JST"), ("Mars/Olympus", "UTC"), ("", "UTC")):
        hers.set_cookie("tokiflow_zone", told)
        assert f' {shown}"' in hers.get(PROFILE).text


def test_nobody_has_no_profile(client):
    assert client.get(PROFILE).status_code == 303
