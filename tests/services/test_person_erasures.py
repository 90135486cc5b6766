"""Somebody goes, and then really is gone: not one column of one table, nor the store, knows their name or address."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, text

from tests import traces
from tests.channels.conftest import KeptMail
from tests.factories import make_channel, make_membership, make_monitor, make_organization, make_user, save
from tests.house.things import make_things
from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.channels import Outside
from tokiflow.core import ids, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import (
    Alert,
    AuditEvent,
    Authenticator,
    Channel,
    Export,
    IdempotencyKey,
    Incident,
    IncidentEvent,
    Invitation,
    Letter,
    Membership,
    Monitor,
    Organization,
    Passkey,
    Preset,
    Recipient,
    RecoveryCode,
    Run,
    SignInLink,
    User,
    UserSession,
)
from tokiflow.queries import audit_chains
from tokiflow.services import (
    api_keys,
    audit,
    channels,
    exports,
    incidents,
    letters,
    mailing,
    maintenance,
    monitors,
    outputs,
    people,
    presets,
    recipients,
    sessions,
)

NOW = datetime.now(UTC)
WEEK = timedelta(days=7)
NAME, ADDRESS = "Alma Öhrström-Quist", "alma.quist@example.com"
FORMER_NAME = 'Alma "Al" Maiden'
TRACES = ("alma", "öhrström", "quist", "maiden")


@pytest.fixture(autouse=True)
def empty_store(app):
    store = storage.current()
    assert store is not None
    store.delete_below(exports.ROOT)
    store.delete_below(outputs.ROOT)


@pytest.fixture
def alma(organization, bob):
    """An owner of Harbour Freight beside Bob."""
    alma = make_user(FORMER_NAME, email=ADDRESS, google_sub="google-1")
    make_membership(organization, alma, Role.OWNER)
    with transaction():
        db.session.execute(text("update memberships set role = 'owner' where user_id = :id"), {"id": bob.id})
    people.set_profile(alma.id, NAME, "Europe/Stockholm", NOW)
    return alma


@pytest.fixture
def long_there(alma, organization, bob):
    """Alma has left her name wherever one can be left, and her former name before."""
    live(alma, organization, FORMER_NAME)
    live(alma, organization, NAME)
    be_spoken_of(organization, bob)
    have_things_of_ones_own(alma, organization)


def live(alma, organization, name):
    by = Actor("person", name, alma.id, "203.0.113.77")
    things = make_things(organization, NOW)
    incident = ids.parse("inc", things["incident_id"])
    incidents.acknowledge(incident, by, NOW)
    incidents.comment(incident, f"{name} was here, write to {ADDRESS}", by, NOW)
    incidents.resolve(incident, by, NOW)
    paused = make_monitor(organization, "Paused", created_by=alma.id)
    monitors.pause(paused.id, None, by, NOW)
    found = {"measure": "run_time", "kind": "anomaly", "value": 3.0}
    save(Run(monitor_id=paused.id, at=NOW, outcome="success", findings=[found | {"accepted_by": name}, found]))
    monitors.edit(paused.id, {"description": f"Ask {name}\nor {ADDRESS.upper()}", "tags": [NAME.lower()]}, by, NOW)
    made = {"kind": "email", "name": f"{name}’s mailbox", "config": {"to": [ADDRESS.title(), "ops@harbour.example"]}}
    channels.create(organization.id, made, by, NOW)
    channels.create(organization.id, {**made, "name": f"Only {name}", "config": {"to": [ADDRESS]}}, by, NOW)
    api_keys.create(organization.id, f"{name} on a laptop", ["read"], by, NOW)
    with transaction():
        context = {"organization": organization.name, "asks": name, "said": f"first\n{name} asks"}
        letters.post("confirm", "bob@elsewhere.example", f"{name} asks", context, organization.id, NOW)
        said = json.dumps({"by": name}, ensure_ascii=False)
        key = IdempotencyKey(
            organization_id=organization.id, path="/", key=tokens.new_ping_token(), fingerprint="", body=said
        )
        db.session.add(key)


def be_spoken_of(organization, bob):
    by = Actor("person", "Bob", bob.id)
    window = {"name": f"{NAME}'s upgrade", "kind": "once", "timezone": "UTC", "everything": True}
    times = {"starts_at": NOW, "ends_at": datetime.now(UTC) + timedelta(hours=9)}
    maintenance.create(organization.id, window | times, by, NOW)
    incident = (
        db.session.execute(select(Incident.id).where(Incident.organization_id == organization.id)).scalars().all()[0]
    )
    incidents.comment(incident, f"{NAME} says it is fine; see {ADDRESS}.", by, NOW)
    with transaction():
        content = {"acknowledged_by": NAME, "summary": f"broken\n{NAME} knows", "last_lines": [ADDRESS]}
        db.session.add(Alert(organization_id=organization.id, kind="resolved", at=NOW, content=content))
        audit.record("member.invited", by, organization.id, NOW, object_name=ADDRESS, after={"email": ADDRESS})
        audit.record("member.role_changed", by, organization.id, NOW, object_name=NAME, after={"role": "owner"})


def have_things_of_ones_own(alma, organization):
    elsewhere = make_organization("Elsewhere").id
    sessions.begin(alma.id, "link", "Alma’s telephone", "203.0.113.77", NOW)
    with transaction():
        db.session.add_all(
            [
                Passkey(user_id=alma.id, name="Alma’s key", credential_id=b"alma", public_key=b"x"),
                Authenticator(user_id=alma.id, sealed_secret="alma"),
                RecoveryCode(user_id=alma.id, digest="0" * 64),
                SignInLink(email=ADDRESS, browser="x", expires_at=NOW + WEEK * 5),
                Invitation(
                    organization_id=elsewhere, email=ADDRESS, role="viewer", nonce="n",
                    sent_at=NOW, expires_at=NOW + WEEK,
                ),
            ]
        )  # fmt: skip
        letters.post("sign_in", ADDRESS, "To Alma", {}, None, NOW)
    for kind, of in (("person", None), ("organization", organization.id)):
        exports.make([exports.ask(kind, Actor("person", alma.name, alma.id), of, {}, NOW)], lambda: NOW)


def go(user, at=NOW):
    people.plan_erasure(user.id, user.email, None, at)
    return people.erase_due(at + WEEK, seconds=60)


def test_nothing_is_left_of_her(alma, long_there, organization, bob, database):
    bobs = exports.ask("organization", Actor("person", bob.name, bob.id), organization.id, {}, NOW)
    exports.make([bobs], lambda: NOW)
    with database.connect() as connection:
        before = {table.split(".")[0] for trace in TRACES for table in traces.in_tables(connection, trace)}
    assert before >= {
        "alerts", "api_keys", "audit_events", "authenticators", "channels", "idempotency_keys", "incident_events",
        "incidents", "invitations", "letters", "maintenance_windows", "monitors", "passkeys", "recipients",
        "runs", "sign_in_links", "user_sessions", "users",
    }  # fmt: skip
    store = storage.current()
    assert store is not None
    assert traces.in_store(store, "quist")

    assert go(alma) == 1
    with database.connect() as connection:
        assert {trace: found for trace in TRACES if (found := traces.in_tables(connection, trace))} == {}
        assert traces.in_tables(connection, "203.0.113.77") == []
    assert [found for trace in TRACES for found in traces.in_store(store, trace)] == []


def test_what_she_did_stays_as_a_former_members(alma, long_there, organization):
    go(alma)
    assert set(db.session.execute(select(IncidentEvent.by).where(IncidentEvent.what == "acknowledged")).scalars()) == {
        "a former member"
    }
    comments = db.session.execute(select(IncidentEvent.text, IncidentEvent.by).where(IncidentEvent.what == "commented"))
    assert set(comments.all()) == {
        ("a former member was here, write to an address that is gone", "a former member"),
        ("a former member says it is fine; see an address that is gone.", "Bob"),
    }
    assert set(db.session.execute(select(Incident.acknowledged_by)).scalars()) == {"a former member"}
    assert set(db.session.execute(select(Monitor.paused_by).where(Monitor.paused_at.is_not(None))).scalars()) == {
        "a former member"
    }
    said = db.session.execute(select(IncidentEvent.text).where(IncidentEvent.what == "resolved")).scalars()
    assert set(said) == {"resolved by a former member"}
    findings = db.session.execute(select(Run.findings).where(Run.findings.is_not(None))).scalars()
    assert {tuple(one.get("accepted_by") for one in found) for found in findings} == {("a former member", None)}


def test_a_view_she_shared_stays_with_the_others(alma, organization, bob):
    by = Actor("person", NAME, alma.id)
    made = presets.create(organization.id, f"As {NAME} sees it", "status=open", True, by, NOW)
    presets.set_default(organization.id, bob.id, made)
    go(alma)
    row = db.session.get_one(Preset, made, populate_existing=True)
    assert (row.user_id, row.name) == (bob.id, "As a former member sees it")
    mine = {"organization_id": organization.id, "user_id": bob.id}
    assert db.session.get_one(Membership, mine, populate_existing=True).preset_id == made


def test_the_log_keeps_its_chain(alma, long_there, organization):
    counted = select(func.count()).select_from(AuditEvent)
    before = db.session.execute(counted).scalar_one()
    go(alma)
    row = audit_chains.get(organization.id)
    assert row is not None
    assert list(audit_chains.breaks(row.organization_id, audit.key_of(row))) == []
    assert db.session.execute(counted).scalar_one() > before, "none is gone"
    hers = db.session.execute(select(AuditEvent).where(AuditEvent.by_id == alma.id)).scalars().all()
    assert {(one.by, one.object_name, one.address) for one in hers} == {("(taken out)", "(taken out)", "")}
    left = db.session.execute(select(AuditEvent).where(AuditEvent.what == "member.erased")).scalar_one()
    assert (left.by, left.object_name) == ("Tokiflow", "a former member")


def test_no_channel_writes_to_her_any_more(alma, long_there, organization, bob):
    go(alma)
    found = {row.name: row for row in db.session.execute(select(Channel).where(Channel.kind == "email")).scalars()}
    kept, alone = found["a former member’s mailbox"], found["Only a former member"]
    assert (kept.config["to"], kept.enabled) == (["ops@harbour.example"], True)
    assert (alone.config["to"], alone.enabled) == ([], False)
    assert "write another one" in alone.disabled_reason
    assert db.session.scalar(select(func.count()).where(Recipient.address == ADDRESS)) == 0
    told = db.session.execute(select(Letter.to_address).where(Letter.template == "channel_disabled")).scalars()
    assert set(told) == {bob.email}
    edit = {"config": {"to": ["new@harbour.example"]}, "enabled": True}
    channels.edit(alone.id, edit, Actor("person", "Bob", bob.id), NOW)


def test_a_name_of_one_word_is_not_taken_out_of_other_words(organization, bob, adam):
    """Adam's name is where names stand; a monitor called Adam is a monitor."""
    make_monitor(organization, "Adam")
    things = make_things(organization, NOW)
    incident = ids.parse("inc", things["incident_id"])
    by_bob = Actor("person", "Bob", bob.id)
    incidents.comment(incident, "Adam knows. Madam and Adamant do not.", by_bob, NOW)
    incidents.resolve(incident, Actor("person", "Adam", adam.id), NOW)
    with transaction():
        db.session.execute(text("update memberships set role = 'owner' where user_id = :id"), {"id": bob.id})
    go(adam)
    assert db.session.scalar(select(Monitor.id).where(Monitor.name == "Adam")) is not None
    comment = db.session.execute(select(IncidentEvent.text).where(IncidentEvent.what == "commented")).scalar_one()
    assert comment == "a former member knows. Madam and Adamant do not."
    closed = db.session.execute(select(IncidentEvent.text).where(IncidentEvent.what == "resolved")).scalar_one()
    assert closed == "resolved by a former member"


def test_an_address_that_only_begins_like_hers_stays(alma, organization, bob):
    others = ["alma.quist@example.com.au", "x.alma.quist@example.com", "alma.quist@example.comm"]
    make_channel(organization, "email", name="Others", config={"to": others})
    go(alma)
    kept = db.session.execute(select(Channel.config).where(Channel.name == "Others")).scalar_one()
    assert kept["to"] == others


def test_it_may_be_called_off_for_seven_days(alma):
    people.plan_erasure(alma.id, f"  {ADDRESS.upper()} ", None, NOW)
    with pytest.raises(errors.Conflict):
        people.plan_erasure(alma.id, ADDRESS, None, NOW)
    assert people.erase_due(NOW + WEEK - timedelta(seconds=1)) == 0
    assert not people.ring(NOW + WEEK - timedelta(seconds=1))
    people.call_off_erasure(alma.id, NOW + WEEK - timedelta(seconds=1))
    assert people.erase_due(NOW + WEEK * 9) == 0
    with pytest.raises(errors.Conflict):
        people.call_off_erasure(alma.id, NOW)


def test_when_it_is_too_late_it_is(alma):
    people.plan_erasure(alma.id, ADDRESS, None, NOW)
    with pytest.raises(errors.NotFound, match="too late"):
        people.call_off_erasure(alma.id, NOW + WEEK)


def test_elsewhere_she_is_signed_out_and_she_gets_a_mail(alma):
    here = sessions.begin(alma.id, "link", "", "", NOW)
    mine = db.session.execute(select(UserSession.id).where(UserSession.digest == tokens.digest(here))).scalar_one()
    people.plan_erasure(alma.id, ADDRESS, mine, NOW)
    alive = select(UserSession.id).where(UserSession.user_id == alma.id, UserSession.ended_at.is_(None))
    assert db.session.execute(alive).scalars().all() == [mine]
    letter = db.session.execute(select(Letter).where(Letter.template == "account_deletion")).scalar_one()
    assert letter.to_address == ADDRESS
    mailer = KeptMail()
    outside = Outside(None, mailer, "Tokiflow <a@tokiflow.example>", "https://tokiflow.example")  # type: ignore[arg-type]
    assert mailing.mail([letter.id], outside, lambda: NOW) == 1
    plain = mailer.mails[0].get_body(("plain",))
    assert plain is not None
    text = " ".join(plain.get_content().split())
    assert "you may change your mind" in text
    assert "https://tokiflow.example/app/settings/data" in text


@pytest.mark.parametrize("typed", ["", "alma", "bob@example.com"])
def test_it_has_to_be_meant(alma, typed):
    with pytest.raises(errors.Invalid, match="is not your address"):
        people.plan_erasure(alma.id, typed, None, NOW)


def test_the_last_owner_hands_over_first(alice, bob, organization):
    with pytest.raises(errors.Conflict, match="last owner of Harbour Freight"):
        people.plan_erasure(alice.id, alice.email, None, NOW)


def test_or_has_it_deleted(alice, bob, organization):
    with transaction():
        organization.erase_at = NOW + WEEK
    people.plan_erasure(alice.id, alice.email, None, NOW)


def test_whoever_becomes_the_last_owner_meanwhile_is_followed(alma, organization, bob, adam):
    people.plan_erasure(alma.id, ADDRESS, None, NOW)
    with transaction():
        db.session.execute(text("update memberships set role = 'member' where user_id = :id"), {"id": bob.id})
    assert people.erase_due(NOW + WEEK, seconds=60) == 1
    roles = dict(db.session.execute(select(Membership.user_id, Membership.role)).all())
    assert roles[bob.id] == "member"
    assert {one: role for one, role in roles.items() if role == "owner"} == {adam.id: "owner"}
    told = select(Letter.subject).where(Letter.to_address == adam.email)
    assert "You are an owner of Harbour Freight now" in db.session.execute(told).scalars().all()


def test_an_organization_of_ones_own_goes_first(charlie, other_organization):
    assert go(charlie) == 0
    assert db.session.get(User, charlie.id, populate_existing=True) is not None
    organization = db.session.get_one(Organization, other_organization.id, populate_existing=True)
    assert organization.erase_at == NOW + WEEK
    with transaction():
        db.session.execute(delete(Organization).where(Organization.id == organization.id))
    assert people.erase_due(NOW + WEEK) == 1
    assert db.session.get(User, charlie.id, populate_existing=True) is None


def test_the_name_we_gave_her_organization_goes_with_her(app, bob):
    alma = people.ensure(ADDRESS, NAME, NOW)
    organization = db.session.execute(
        select(Organization).join(Membership).where(Membership.user_id == alma.id)
    ).scalar_one()
    assert "quist" in organization.slug
    make_membership(organization, bob, Role.OWNER)
    go(alma)
    db.session.refresh(organization)
    assert organization.name == "a former member’s organization"
    assert "quist" not in organization.slug


def test_she_may_come_back_as_somebody_new(alma):
    old = alma.id
    go(alma)
    assert people.ensure(ADDRESS, "", NOW + WEEK).id != old


def test_killed_in_between_it_is_done_by_the_next(alma, long_there, database, monkeypatch):
    people.plan_erasure(alma.id, ADDRESS, None, NOW)
    real, calls = exports.forget, []

    def fail(now):
        calls.append(now)
        raise errors.StorageError("The bucket is away.")

    monkeypatch.setattr(exports, "forget", fail)
    with pytest.raises(errors.StorageError):
        people.erase_due(NOW + WEEK)
    assert db.session.get(User, alma.id, populate_existing=True) is not None
    monkeypatch.setattr(exports, "forget", real)
    assert people.erase_due(NOW + WEEK, seconds=60) == 1
    with database.connect() as connection:
        assert traces.in_tables(connection, "quist") == []
    assert db.session.scalar(select(func.count()).where(AuditEvent.what == "member.erased")) == 1


def test_recipients_elsewhere_lose_her_too(alma, other_organization, charlie):
    make_channel(other_organization, "email", name="Hers", config={"to": [ADDRESS]}, confirmed=False)
    recipients.take_as_confirmed(other_organization.id, [ADDRESS], NOW)
    go(alma)
    row = db.session.execute(select(Channel).where(Channel.name == "Hers")).scalar_one()
    assert (row.config["to"], row.enabled) == ([], False)
    assert db.session.scalar(select(func.count()).select_from(Export).where(Export.user_id == alma.id)) == 0
