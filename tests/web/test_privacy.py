"""One's own data, as one meets it on the pages: what is kept, a copy of it, the way out and back."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from tests.factories import make_membership, make_user
from tests.house.things import make_things
from tests.web.posting import post
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent, Export, Letter, Organization, User
from tokiflow.services import exports
from tokiflow.services.exporting import organization as whole
from tokiflow.web import proofs

PAGE = "/app/settings/data"
DELETE = f"{PAGE}/delete-account"
NOW = datetime.now(UTC)


def fetch(client, answer):
    """The zip that the answer leads to, as file names and contents."""
    assert answer.status_code == 303, answer.text
    page = client.get(answer.headers["Location"])
    assert "It is ready." in page.text
    data = client.get(answer.headers["Location"] + "/file").data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_says_what_is_kept_and_how_long(client_for, alice):
    said = client_for(alice).get(PAGE).text
    assert "Where you are signed in: device and network address" in said
    assert "365 days" in said
    assert "Export my data" in said


def test_somebody_in_no_organization_has_data_too(client_for):
    hers = client_for(make_user("Dora"))
    assert hers.get(PAGE).status_code == 200
    assert "Export the organization" not in hers.get(PAGE).text
    fetch(hers, post(hers, f"{PAGE}/export", page=PAGE))


def test_alice_gets_all_about_her_at_once(client_for, alice, organization):
    make_things(organization, NOW)
    hers = client_for(alice)
    files = fetch(hers, post(hers, f"{PAGE}/export", page=PAGE))
    manifest = json.loads(files["manifest.json"])
    assert manifest["format"] == "tokiflow-person"
    account = json.loads(files["account.jsonl"])
    assert (account["email"], account["name"]) == (alice.email, "Alice")
    assert json.loads(files["memberships.jsonl"])["role"] == "owner"
    assert len(files["sessions.jsonl"].splitlines()) == 1
    assert b"digest" not in b"".join(files.values())
    assert db.session.scalar(select(Letter.id).where(Letter.template == "export_ready")) is None, "she has it already"


def test_alice_gets_all_of_her_organization_at_once_and_the_log_knows(client_for, alice, organization):
    make_things(organization, NOW)
    hers = client_for(alice)
    assert "ping URLs are in it" in hers.get(f"{PAGE}/organization").text
    files = fetch(hers, post(hers, f"{PAGE}/organization", page=PAGE))
    assert json.loads(files["manifest.json"])["organization"]["name"] == "Harbour Freight"
    assert len(files["tables/monitors.jsonl"].splitlines()) == 1
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "export.asked_for")).scalar_one()
    assert event.by_id == alice.id


def test_a_large_one_is_made_in_the_background(client_for, alice, organization, monkeypatch):
    monkeypatch.setattr(whole, "SMALL", 0)
    make_things(organization, NOW)
    hers = client_for(alice)
    answer = post(hers, f"{PAGE}/organization", page=PAGE)
    assert "a mail comes when it is ready" in hers.get(answer.headers["Location"]).text
    export_id = db.session.execute(select(Export.id).where(Export.status == "pending")).scalar_one()
    exports.make([export_id])
    letter = db.session.execute(select(Letter).where(Letter.template == "export_ready")).scalar_one()
    assert letter.to_address == alice.email
    fetch(hers, answer)


def test_if_it_does_not_work_at_once_it_is_tried_again_and_a_mail_comes(client_for, alice, organization, monkeypatch):
    hers = client_for(alice)
    real = exports._put
    monkeypatch.setattr(exports, "_put", lambda *_: 1 / 0)
    answer = post(hers, f"{PAGE}/organization", page=PAGE)
    assert "It did not work yet" in hers.get(answer.headers["Location"]).text
    monkeypatch.setattr(exports, "_put", real)
    row = db.session.execute(select(Export)).scalar_one()
    exports.make([row.id], lambda: row.next_attempt_at + timedelta(minutes=1))
    assert db.session.scalar(select(Letter.id).where(Letter.template == "export_ready")) is not None


@pytest.mark.parametrize("name", ["adam", "mia", "vera"])
def test_only_owners_take_the_organization_with_them(name, client_for, request, organization):
    theirs = client_for(request.getfixturevalue(name))
    assert "Export the organization" not in theirs.get(PAGE).text
    assert theirs.get(f"{PAGE}/organization").status_code == 403


def test_whoever_is_no_owner_any_more_can_not_fetch_it(client_for, alice, organization):
    hers = client_for(alice)
    answer = post(hers, f"{PAGE}/organization", page=PAGE)
    with transaction():
        db.session.execute(text("update memberships set role = 'admin' where user_id = :id"), {"id": alice.id})
    assert hers.get(answer.headers["Location"] + "/file").status_code == 403


# --- the way out ------------------------------------------------------------------------------------------------


def test_bob_goes_and_changes_his_mind(client_for, alice, bob, organization):
    his, elsewhere = client_for(bob), client_for(bob)
    asked = his.get(DELETE).text
    assert "Harbour Freight</b> stays" in asked
    wrong = post(his, DELETE, page=PAGE, typed="bob")
    assert wrong.status_code == 422
    assert "It is not your address; type it as it stands above." in wrong.text

    assert post(his, DELETE, page=PAGE, typed=bob.email).status_code == 303
    assert elsewhere.get(PAGE).status_code == 303, "signed out elsewhere"
    for page in ("/app", PAGE, "/app/settings/exports"):
        assert "Keep my account" in his.get(page).text
    again = client_for(bob)
    assert "Keep my account" in again.get("/app").text, "signing in during the grace shows the way back"

    assert post(again, f"{PAGE}/keep-account", page=PAGE).status_code == 303
    assert "Your account stays." in again.get(PAGE).text
    assert db.session.get_one(User, bob.id, populate_existing=True).erase_at is None
    assert "Your account will be deleted" not in again.get("/app").text
    assert post(again, f"{PAGE}/keep-account", page=PAGE).status_code == 409


def test_the_last_owner_is_told_what_to_do_first(client_for, alice, bob, organization):
    hers = client_for(alice)
    asked = hers.get(DELETE).text
    assert "You are still needed" in asked
    assert "Harbour Freight" in asked
    assert post(hers, DELETE, page=PAGE, typed=alice.email).status_code == 409


def test_what_is_ones_own_alone_is_said_to_go(client_for, charlie, other_organization):
    assert "Charlie &amp; Sons</b> goes too" in client_for(charlie).get(DELETE).text


def test_after_the_grace_undoing_is_too_late(client_for, bob, organization, alice):
    his = client_for(bob)
    with transaction():
        db.session.execute(update(User).where(User.id == bob.id).values(erase_at=NOW - timedelta(seconds=1)))
    assert post(his, f"{PAGE}/keep-account", page=PAGE).status_code == 404


def test_what_does_harm_asks_again_who_one_is(app):
    for name in ("export_mine", "export_organization", "delete_account"):
        assert getattr(app.view_functions[f"privacy.{name}"], proofs.NEEDED)


def test_a_hostile_name_is_only_a_name(client_for):
    evil = "<script>alert(1)</script>"
    eve = make_user(evil)
    with transaction():
        organization = Organization(name=evil, slug="evil")
        db.session.add(organization)
    make_membership(organization, eve, Role.OWNER)
    hers = client_for(eve)
    for path in (PAGE, DELETE, f"{PAGE}/export", f"{PAGE}/organization"):
        assert evil not in hers.get(path).text
