"""Keys for programs: whole once, then only recognised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from tokiflow import errors
from tokiflow.core import tokens
from tokiflow.core.actors import Actor
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


def test_use_is_noted_at_most_once_a_minute(key):
    noted = []
    for seconds in (0, 10, 59, 61, 100):
        row = queries.authenticate(key.text, NOW)
        assert row is not None
        api_keys.used(row, NOW + timedelta(seconds=seconds))
        db.session.expire_all()
        noted.append(row.last_used_at)
    assert noted == [NOW, NOW, NOW, NOW + timedelta(seconds=61), NOW + timedelta(seconds=61)]


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
