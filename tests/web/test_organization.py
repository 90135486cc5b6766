"""Settings of the organization: its ping key, and what is hidden in output."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.factories import make_monitor
from tests.web.posting import post, token_on
from tokiflow.core import ids, tokens
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent, Monitor, Organization
from tokiflow.services import people

PAGE = "/app/settings/organization"
KEY = "pk_7cR4yLp1Zb3kQ8nV5xT2mW"


@pytest.fixture
def key(organization: Organization) -> str:
    with transaction():
        organization.ping_key = KEY
    return KEY


def audited(what: str) -> AuditEvent:
    return db.session.execute(select(AuditEvent).where(AuditEvent.what == what)).scalar_one()


# --- the ping key -----------------------------------------------------------------------------------------------


def test_a_new_organization_has_a_key(app):
    people.ensure("dora@example.com", "Dora", datetime.now(UTC))
    made = db.session.execute(select(Organization.ping_key)).scalar_one()
    assert tokens.looks_like_ping_key(made or "")


@pytest.mark.parametrize(("who", "sees", "rotates"), [
    ("alice", True, True), ("adam", True, True), ("mia", True, False), ("vera", False, False),
])  # fmt: skip
def test_who_sees_the_key_and_who_replaces_it(request, client_for, key, who, sees, rotates):
    page = client_for(request.getfixturevalue(who)).get(PAGE).text
    assert (key in page) is sees
    assert ("New ping key" in page) is rotates
    assert ("Your role may not see the key" in page) is not sees


def test_charlie_sees_his_own_alone(client_for, charlie, key):
    page = client_for(charlie).get(PAGE).text
    assert "Charlie &amp; Sons" in page
    assert (key in page, "Harbour" in page) == (False, False)


def test_the_key_is_shown_ready_to_paste(client_for, alice, key):
    page = client_for(alice).get(PAGE).text
    assert f"/ping/{key}/&lt;slug&gt;" in page
    assert f"/ping/{key}\ncurl" in page
    assert "$TOKIFLOW/nightly-backup?create=1" in page


def test_adam_replaces_the_key_once_he_was_asked(client_for, adam, organization, key):
    make_monitor(organization)
    his = client_for(adam)
    question = his.get(f"{PAGE}/ping-key").text
    assert "stops working at once" in question
    assert "1 monitor here" in question
    answer = post(his, f"{PAGE}/ping-key", page=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    db.session.refresh(organization)
    assert tokens.looks_like_ping_key(organization.ping_key or "")
    assert organization.ping_key != key
    assert organization.ping_key in his.get(PAGE).text
    event = audited("organization.ping_key_rotated")
    assert (event.by, event.before, event.after) == ("Adam", {}, {})


def test_the_question_comes_as_a_dialog_too(client_for, alice, key):
    part = client_for(alice).get(f"{PAGE}/ping-key", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith("<form")


def test_an_older_organization_makes_its_first_key(client_for, alice, mia, organization):
    hers = client_for(alice)
    assert "Make a ping key" in hers.get(PAGE).text
    assert "An admin can make one" in client_for(mia).get(PAGE).text
    post(hers, f"{PAGE}/ping-key", page=PAGE)
    db.session.refresh(organization)
    assert organization.ping_key in hers.get(PAGE).text
    assert audited("organization.ping_key_created").object_id == organization.id


# --- what is hidden ---------------------------------------------------------------------------------------------


def test_adam_hides_more(client_for, adam, organization):
    his = client_for(adam)
    answer = post(his, f"{PAGE}/redaction", page=PAGE, patterns="  CUST-[0-9]{6}\r\n\r\nbadge: \\d+ \r\n")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    db.session.refresh(organization)
    assert organization.redaction_patterns == ["CUST-[0-9]{6}", r"badge: \d+"]
    assert "CUST-[0-9]{6}\nbadge: \\d+</textarea>" in his.get(PAGE).text
    event = audited("organization.redaction_edited")
    assert (event.by, event.before, event.after) == ("Adam", {"patterns": 0}, {"patterns": 2})
    assert "CUST" not in str(vars(event)), "a pattern may be the secret itself"
    post(his, f"{PAGE}/redaction", page=PAGE, patterns="CUST-[0-9]{6}\nbadge: \\d+")
    assert audited("organization.redaction_edited").id == event.id, "nothing changed"


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        ("fine\n(", "Pattern 2 is no regular expression"),
        ("a{2,1}", "Pattern 1 is no regular expression"),
        ("(?P<x>a)(?P<x>b)", "Pattern 1"),
        ("<script>alert(1)</script>(", "Pattern 1"),
    ],
)
def test_mistakes_come_back_with_what_was_typed(client_for, alice, organization, patterns, said):
    answer = post(client_for(alice), f"{PAGE}/redaction", page=PAGE, patterns=patterns)
    assert answer.status_code == 422
    assert said in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert patterns.replace("<", "&lt;").replace(">", "&gt;") in answer.text
    db.session.refresh(organization)
    assert organization.redaction_patterns == []


def test_what_no_table_can_hold_is_left_out(client_for, alice, organization):
    post(client_for(alice), f"{PAGE}/redaction", page=PAGE, patterns="a\x00b\n\x00")
    db.session.refresh(organization)
    assert organization.redaction_patterns == ["ab"]


def test_htmx_gets_only_the_form(client_for, alice):
    hers = client_for(alice)
    headers = {"HX-Request": "true", "X-CSRFToken": token_on(hers, PAGE)}
    wrong = hers.post(f"{PAGE}/redaction", data={"patterns": "("}, headers=headers)
    assert wrong.status_code == 422
    assert wrong.text.lstrip().startswith("<form")
    right = hers.post(f"{PAGE}/redaction", data={"patterns": "x+"}, headers=headers)
    assert right.headers["HX-Redirect"] == PAGE


@pytest.mark.parametrize("who", ["mia", "vera"])
def test_others_only_hear_that_there_are_patterns(request, client_for, organization, who):
    with transaction():
        organization.redaction_patterns = ["hunter2"]
    page = client_for(request.getfixturevalue(who)).get(PAGE).text
    assert "1 pattern of its own" in page
    assert "hunter2" not in page


# --- on a monitor's page ----------------------------------------------------------------------------------------


def address(monitor: Monitor) -> str:
    return f"/app/monitors/{ids.public('mon', monitor.id)}"


def test_a_monitor_tells_its_address_by_name(client_for, organization, alice, vera, key):
    monitor = make_monitor(organization, slug="nightly-backup")
    page = client_for(alice).get(address(monitor)).text.replace("<wbr>", "")
    assert f"/ping/{key}/nightly-backup" in page
    assert key not in client_for(vera).get(address(monitor)).text.replace("<wbr>", "")


def test_a_monitor_whose_name_is_anothers_too_says_so(client_for, organization, alice, key):
    first = make_monitor(organization, slug="nightly-backup")
    second = make_monitor(organization, slug="nightly-backup-2")
    hers = client_for(alice)
    assert "another monitor is called so too" in hers.get(address(first)).text
    page = hers.get(address(second)).text.replace("<wbr>", "")
    assert f"/ping/{key}/nightly-backup-2" in page


def test_without_a_key_there_is_no_address_by_name(client_for, organization, alice):
    assert "By name" not in client_for(alice).get(address(make_monitor(organization))).text


@pytest.mark.parametrize(("minutes", "told"), [(3, True), (59, True), (61, False)])
def test_refused_pings_are_told_for_an_hour(client_for, organization, vera, minutes, told):
    monitor = make_monitor(organization, limited_at=datetime.now(UTC) - timedelta(minutes=minutes))
    assert ("Pings are being refused" in client_for(vera).get(address(monitor)).text) is told
