"""Keys for programs: whole once, then only recognised."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tests.factories import make_api_key, make_membership, make_user
from tokiflow import errors
from tokiflow.core import ids, tokens
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db
from tokiflow.models import ApiKey, AuditEvent
from tokiflow.queries import api_keys as queries
from tokiflow.services import api_keys

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)


@pytest.fixture
def by(alice):
    return Actor("person", "Alice", alice.id)


@pytest.fixture
def key(organization, by):
    return api_keys.create(organization.id, "ci", {"write", "read"}, by, NOW)


def test_a_key_is_recognised_and_kept_only_as_its_digest(key, organization, alice):
    row = queries.authenticate(key.text, NOW)
    assert row is not None
    assert (row.organization_id, row.name, row.scopes, row.created_by) == (
        organization.id, "ci", ["read", "write"], alice.id,
    )  # fmt: skip
    assert key.text.startswith(row.prefix)
    assert not any(key.text[13:] in str(getattr(row, column.name)) for column in ApiKey.__table__.columns)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "x", str.upper, lambda t: "", lambda t: "tfk_a_b"])
def test_a_key_that_is_not_exactly_right_is_none(key, change):
    assert queries.authenticate(change(key.text), NOW) is None


def test_a_well_formed_key_that_we_never_made_is_none(key):
    assert queries.authenticate(tokens.new_api_key().text, NOW) is None


def test_a_key_ends_when_it_expires_and_when_it_is_revoked(organization, by):
    brief = api_keys.create(organization.id, "brief", ["ping"], by, NOW, NOW + timedelta(days=1))
    assert queries.authenticate(brief.text, NOW + timedelta(hours=23))
    assert queries.authenticate(brief.text, NOW + timedelta(days=1)) is None
    row = queries.by_prefix(organization.id, brief.prefix)
    assert row is not None
    api_keys.revoke(row.id, by, NOW)
    assert queries.authenticate(brief.text, NOW) is None
    with pytest.raises(errors.Conflict):
        api_keys.revoke(row.id, by, NOW)


def test_every_mistake_is_named_at_once(organization, by):
    with pytest.raises(errors.Invalid) as refused:
        api_keys.create(organization.id, " ", ["admin", "read"], by, NOW, NOW)
    assert list(refused.value.fields) == ["name", "scopes", "expires_at"]
    with pytest.raises(errors.Invalid, match="scopes"):
        api_keys.create(organization.id, "ci", [], by, NOW)


def test_the_audit_log_knows_the_prefix_and_not_the_key(key, organization):
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "api_key.created")).scalar_one()
    assert event.after == {"prefix": key.prefix, "scopes": ["read", "write"], "expires_at": None}


def test_charlie_has_no_key_of_harbour_freight(key, charlie, other_organization):
    assert queries.by_prefix(other_organization.id, key.prefix) is None
    assert queries.of_organization(other_organization.id) == []


# --- one for another ------------------------------------------------------------------------------------------


def row_of(key: tokens.ApiKey) -> ApiKey:
    return db.session.execute(select(ApiKey).where(ApiKey.prefix == key.prefix)).scalar_one()


def test_both_work_until_the_chosen_time_and_then_the_new_one_alone(key, by):
    until = NOW + timedelta(days=2)
    new = api_keys.rotate(row_of(key).id, until, by, NOW, NOW + timedelta(days=90))
    for at, works in ((until - timedelta(seconds=1), True), (until, False)):
        assert (queries.authenticate(key.text, at) is not None) is works
        assert queries.authenticate(new.text, at) is not None
    assert (row_of(new).name, row_of(new).scopes, row_of(key).replaced_by) == ("ci", ["read", "write"], row_of(new).id)


def test_at_once_means_at_once(key, by):
    api_keys.rotate(row_of(key).id, NOW, by, NOW)
    assert queries.authenticate(key.text, NOW) is None


def test_an_overlap_does_not_make_a_key_live_longer(organization, by):
    brief = api_keys.create(organization.id, "brief", ["ping"], by, NOW, NOW + timedelta(days=1))
    api_keys.rotate(row_of(brief).id, NOW + timedelta(days=7), by, NOW)
    assert row_of(brief).expires_at == NOW + timedelta(days=1)


def test_an_overlap_is_thirty_days_at_most(key, by):
    latest = NOW + timedelta(days=30)
    with pytest.raises(errors.Invalid, match="30 days"):
        api_keys.rotate(row_of(key).id, latest + timedelta(seconds=1), by, NOW)
    api_keys.rotate(row_of(key).id, latest, by, NOW)
    assert row_of(key).expires_at == latest


def test_what_has_ended_or_was_replaced_is_not_replaced_again(key, organization, by):
    api_keys.rotate(row_of(key).id, NOW + timedelta(days=1), by, NOW)
    with pytest.raises(errors.Conflict, match="replaced already"):
        api_keys.rotate(row_of(key).id, NOW, by, NOW)
    revoked = api_keys.create(organization.id, "x", ["read"], by, NOW)
    api_keys.revoke(row_of(revoked).id, by, NOW)
    with pytest.raises(errors.Conflict, match="is revoked"):
        api_keys.rotate(row_of(revoked).id, NOW, by, NOW)
    brief = api_keys.create(organization.id, "brief", ["read"], by, NOW, NOW + timedelta(days=1))
    with pytest.raises(errors.Conflict, match="has expired"):
        api_keys.rotate(row_of(brief).id, NOW, by, NOW + timedelta(days=1))


def test_the_audit_log_tells_of_a_rotation_without_any_key(key, organization, by):
    new = api_keys.rotate(row_of(key).id, NOW + timedelta(days=1), by, NOW)
    rotated = db.session.execute(select(AuditEvent).where(AuditEvent.what == "api_key.rotated")).scalar_one()
    assert (rotated.object_id, rotated.before) == (row_of(key).id, {"expires_at": None})
    assert rotated.after == {"expires_at": (NOW + timedelta(days=1)).isoformat(), "replaced_by": new.prefix}
    made = select(AuditEvent).where(AuditEvent.object_id == row_of(new).id)
    assert db.session.execute(made).scalar_one().after["replaces"] == key.prefix


# --- how often --------------------------------------------------------------------------------------------------


def test_the_same_id_makes_one_key(organization, by):
    key_id = ids.new()
    api_keys.create(organization.id, "ci", ["read"], by, NOW, key_id=key_id)
    with pytest.raises(api_keys.AlreadyMade):
        api_keys.create(organization.id, "ci", ["read"], by, NOW, key_id=key_id)


def test_the_same_form_sent_at_the_same_time_makes_one_key(app, organization, by):
    key_id, organization_id, outcomes = ids.new(), organization.id, []

    def make() -> None:
        with app.app_context():
            try:
                outcomes.append(api_keys.create(organization_id, "ci", ["read"], by, NOW, key_id=key_id).prefix)
            except api_keys.AlreadyMade:
                outcomes.append("already")

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes).count("already") == 3
    assert len(queries.of_organization(organization_id)) == 1


def test_a_person_makes_twenty_an_hour_and_others_go_on(organization, by, adam):
    for n in range(api_keys.BY_A_PERSON):
        api_keys.create(organization.id, f"key {n}", ["read"], by, NOW + timedelta(minutes=n))
    later = NOW + timedelta(minutes=30)
    with pytest.raises(errors.RateLimited) as refused:
        api_keys.create(organization.id, "ci", ["read"], by, later)
    assert refused.value.retry_after == 30 * 60 + 1
    api_keys.create(organization.id, "ci", ["read"], Actor("person", "Adam", adam.id), later)
    api_keys.create(organization.id, "ci", ["read"], Actor("system", "tokiflow api-key"), later)
    api_keys.create(organization.id, "ci", ["read"], by, NOW + timedelta(hours=1))
    assert len(queries.of_organization(organization.id)) == api_keys.BY_A_PERSON + 3


def test_an_organization_makes_sixty_an_hour(organization, alice, adam, by):
    for n in range(api_keys.IN_AN_ORGANIZATION):
        make_api_key(organization, now=NOW - timedelta(minutes=1), created_by=(alice, adam)[n % 2].id)
    dora = make_user("Dora")
    make_membership(organization, dora, Role.ADMIN)
    with pytest.raises(errors.RateLimited, match="60 keys were made here"):
        api_keys.create(organization.id, "ci", ["read"], Actor("person", "Dora", dora.id), NOW)


# --- states -----------------------------------------------------------------------------------------------------


def test_each_key_is_in_one_state(organization):
    soon, past = NOW + timedelta(days=6), NOW - timedelta(seconds=1)
    next_one = make_api_key(organization, "active", now=NOW)
    make_api_key(organization, "active", expires_at=NOW + timedelta(days=8))
    make_api_key(organization, "expiring", expires_at=soon)
    make_api_key(organization, "replaced", expires_at=soon, replaced_by=next_one.id)
    make_api_key(organization, "expired", expires_at=past, replaced_by=next_one.id)
    make_api_key(organization, "expired", expires_at=NOW)
    make_api_key(organization, "revoked", revoked_at=past, expires_at=past)
    found = queries.page(organization.id, "", list(queries.State), NOW, offset=0, limit=50)
    assert [one.key.name for one in found] == [str(one.state) for one in found]
    counts = queries.counts(organization.id, "", NOW)
    assert [counts[one] for one in queries.State] == [2, 1, 1, 2, 1]
    for one in found:
        assert queries.listed(one.key.id, NOW).state == one.state
