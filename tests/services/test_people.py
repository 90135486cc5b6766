"""People and their first organization."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from flask import current_app
from sqlalchemy import func, select

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import AuditEvent, Membership, Organization, User
from tokiflow.services import organizations, people

NOW = datetime(2026, 11, 22, 9, 5, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("app")


def count(model) -> int:
    return db.session.execute(select(func.count()).select_from(model)).scalar_one()


def test_a_person_is_made_once_whatever_the_letters():
    first = people.ensure("Alice@Harbour.example", "Alice", NOW)
    assert people.ensure("alice@harbour.EXAMPLE", "Somebody else", NOW).id == first.id
    assert (first.name, count(User), count(Organization), count(Membership)) == ("Alice", 1, 1, 1)


def test_two_sign_ups_at_once_make_one_person_with_one_organization():
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def sign_up(_: int) -> str:
        with app.app_context():
            return str(people.ensure("alice@harbour.example", "Alice", NOW).id)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(sign_up, range(8)))) == 1
    assert (count(User), count(Organization), count(Membership)) == (1, 1, 1)


def test_an_unknown_zone_of_a_browser_is_ignored_and_a_known_one_fills_the_gap():
    user = people.ensure("alice@harbour.example", "", NOW, timezone="Mars/Olympus")
    assert (user.name, user.timezone) == ("Alice", "")
    assert people.ensure("alice@harbour.example", "", NOW, timezone="Asia/Tokyo").timezone == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["x" * 500, "\x00", "نسخ", "a\nb", "🚢" * 190])
def test_whatever_the_name_there_is_a_person_with_an_organization(name):
    user = people.ensure("a@b.example", name, NOW)
    assert 0 < len(user.name) <= 200
    assert "\x00" not in user.name
    assert db.session.execute(select(Organization.slug)).scalar_one()


def test_organizations_of_one_name_have_addresses_of_their_own(alice):
    made = [organizations.create("Überseehafen & Co", alice.id, NOW) for _ in range(3)]
    slugs = [db.session.get_one(Organization, one).slug for one in made]
    assert slugs[0] == "uberseehafen-co"
    assert len(set(slugs)) == 3
    assert all(slug.startswith("uberseehafen-co-") for slug in slugs[1:])


@pytest.mark.parametrize(("name", "slug"), [("الميناء", "organization"), ("x" * 200, "x" * 70)])
def test_every_name_has_an_address(alice, name, slug):
    assert db.session.get_one(Organization, organizations.create(name, alice.id, NOW)).slug == slug


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "\x00"])
def test_an_organization_needs_a_name(alice, name):
    with pytest.raises(errors.Invalid):
        organizations.create(name, alice.id, NOW)


def test_a_new_organization_is_on_the_audit_log(alice):
    organization_id = organizations.create("Second", alice.id, NOW)
    event = db.session.execute(select(AuditEvent).where(AuditEvent.organization_id == organization_id)).scalar_one()
    assert (event.what, event.by, event.by_id, event.object_name) == (
        "organization.created",
        "Alice",
        alice.id,
        "Second",
    )


def test_a_profile_is_changed_or_every_mistake_named(alice):
    people.set_profile(alice.id, "  Alice   Ahoi ", "Asia/Tokyo", NOW)
    db.session.expire_all()
    assert (alice.name, alice.timezone) == ("Alice Ahoi", "Asia/Tokyo")
    with pytest.raises(errors.Invalid) as refused:
        people.set_profile(alice.id, "", "Berln", NOW)
    assert refused.value.fields["timezone"] == ["is not a time zone; did you mean Europe/Berlin?"]
    assert list(refused.value.fields) == ["name", "timezone"]
