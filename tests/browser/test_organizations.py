"""An organization from its first day to its last, in a browser: made, renamed, handed over, left, deleted and kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

import jobs.organizations
from tests.factories import make_membership, make_monitor
from tests.fixtures.browser import NARROW, serious_problems
from tests.house.things import make_things
from tokiflow.core import ids
from tokiflow.core.roles import Role
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Organization, Run, User
from tokiflow.queries import memberships
from tokiflow.services import pings

SOON = 15_000
SETTINGS = "/app/settings/organization"


def dialog(page: Page, verb: str) -> None:
    """Open the question behind the button `verb`, and look at it."""
    page.get_by_role("link", name=verb, exact=True).click()
    expect(page.locator("#ask-dialog #ask-title")).to_be_focused(timeout=SOON)
    assert serious_problems(page) == []


def press(page: Page, verb: str) -> None:
    page.locator("#ask-dialog").get_by_role("button", name=verb, exact=True).click()


def says(page: Page, words: str) -> None:
    expect(page.get_by_text(words).first).to_be_visible(timeout=SOON)


def test_alice_makes_one_renames_it_deletes_it_and_keeps_it(
    site: str, page: Page, sign_in: Callable[[Page, User], None], alice: User
) -> None:
    sign_in(page, alice)
    page.goto(f"{site}/app")
    page.get_by_text("Account and organization:").locator("..").click()
    page.get_by_role("link", name="New organization").click()
    page.get_by_label("Name", exact=True).fill("Side project")
    assert serious_problems(page) == []
    page.get_by_role("button", name="Make it").click()
    says(page, "It is yours.")

    page.goto(f"{site}{SETTINGS}")
    page.get_by_label("Name", exact=True).fill("")
    page.locator("#name-form").get_by_role("button", name="Save").click()
    expect(page.locator("#name-form .errors")).to_be_focused(timeout=SOON)
    page.get_by_label("Name", exact=True).fill("Sea project")
    page.locator("#name-form").get_by_role("button", name="Save").click()
    says(page, "Renamed.")

    dialog(page, "Delete")
    page.get_by_label("Name of the organization").fill("Side project")
    press(page, "Delete organization")
    says(page, "It is not the name of this organization")
    page.get_by_label("Name of the organization").fill("Sea project")
    press(page, "Delete organization")
    says(page, "will be deleted on")
    assert serious_problems(page) == []
    page.goto(f"{site}/app/monitors")
    page.get_by_role("button", name="Keep it").click()
    says(page, "Sea project stays, as it is.")
    expect(page.get_by_text("will be deleted on")).to_have_count(0)


def test_alice_means_it_and_a_week_later_it_is_gone(
    site: str,
    page: Page,
    sign_in: Callable[[Page, User], None],
    alice: User,
    organization: Organization,
    other_organization: Organization,
) -> None:
    make_membership(other_organization, alice)
    make_things(organization, datetime.now(UTC))
    organization_id, public_id, kept = organization.id, ids.public("org", organization.id), other_organization.name
    sign_in(page, alice)
    page.goto(f"{site}{SETTINGS}?organization={public_id}")
    dialog(page, "Delete")
    impact = page.locator("#ask-dialog")
    for words in ("1 monitor", "1 incident", "7 days"):
        expect(impact.get_by_text(words).first).to_be_visible()
    page.get_by_label("Name of the organization").fill("Harbour Freight")
    press(page, "Delete organization")
    says(page, "will be deleted on")
    with transaction():
        db.session.get_one(Organization, organization_id).erase_at = datetime.now(UTC) - timedelta(seconds=1)
    page.get_by_role("button", name="Keep it").first.click()
    says(page, "It is too late")
    assert jobs.organizations.erase_due([]) == 1

    page.goto(f"{site}{SETTINGS}")
    expect(page).to_have_url(re.compile("/auth/sign-in"))  # as everybody who loses a role
    sign_in(page, alice)
    page.goto(f"{site}{SETTINGS}")
    expect(page.locator(".rail .who strong")).to_have_text(kept, timeout=SOON)
    page.get_by_text("Account and organization:").locator("..").click()
    expect(page.get_by_role("button", name="Harbour Freight")).to_have_count(0)
    page.goto(f"{site}{SETTINGS}?organization={public_id}")
    says(page, "Not found")


def test_alice_hands_over_to_adam_and_leaves(
    site: str, page: Page, sign_in: Callable[[Page, User], None], organization: Organization, alice: User, adam: User
) -> None:
    sign_in(page, alice)
    page.goto(f"{site}{SETTINGS}")
    dialog(page, "Leave")
    says(page, "Harbour Freight needs an owner")
    page.keyboard.press("Escape")

    dialog(page, "Hand over")
    page.get_by_label("E-mail address of the new owner").fill(adam.email)
    page.get_by_label("Name of the organization").fill("Harbour Freight")
    press(page, "Hand over")
    says(page, "Adam owns it now, and you are an admin.")

    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{site}/app/settings/team")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    dialog(page, "Leave")
    press(page, "Leave")
    says(page, "You are in no organization now.")
    db.session.rollback()
    assert memberships.role_of(organization.id, alice.id) is None
    assert memberships.role_of(organization.id, adam.id) is Role.OWNER


def test_adam_makes_mia_a_viewer_and_removes_bob(
    site: str,
    page: Page,
    sign_in: Callable[[Page, User], None],
    organization: Organization,
    other_organization: Organization,
    alice: User,
    adam: User,
    bob: User,
    mia: User,
) -> None:
    make_membership(other_organization, adam, Role.OWNER)
    sign_in(page, adam)
    page.goto(f"{site}/app/settings/team?organization=org_nothing")
    says(page, "Not found")
    page.goto(f"{site}/app")
    page.get_by_text("Account and organization:").locator("..").click()
    page.get_by_role("button", name="Harbour Freight").click()
    expect(page.locator(".rail .who strong")).to_have_text("Harbour Freight", timeout=SOON)

    page.goto(f"{site}/app/settings/team")
    assert serious_problems(page) == []
    page.get_by_label("Search members").fill("mia")
    expect(page.locator("#members tbody tr")).to_have_count(1, timeout=SOON)
    assert "q=mia" in page.url
    dialog(page, "Role Mia")
    expect(page.get_by_label("Owner")).to_have_count(0)
    page.locator("#ask-dialog").get_by_label("Viewer").check()
    press(page, "Save")
    says(page, "Mia is a viewer now.")

    dialog(page, "Remove Bob")
    press(page, "Remove")
    says(page, "Bob is no longer in Harbour Freight.")
    db.session.rollback()
    assert memberships.role_of(organization.id, mia.id) is Role.VIEWER
    assert memberships.role_of(organization.id, bob.id) is None


def test_a_name_without_a_space_makes_no_page_wider_than_a_phone(
    site: str, alices: Page, organization: Organization
) -> None:
    """Whatever the organization, the monitor and its numbers are called."""
    now = datetime.now(UTC)
    with transaction():
        organization.name = "Gesellschaft" * 8
        db.session.add(organization)
    monitor = make_monitor(organization, "x" * 120, slug="x")
    ping = Ping(Signal.SUCCESS, now, metrics={"m" * 60: 8.0})
    pings.record([pings.Incoming(monitor.token, ping)], now)
    at = f"/app/monitors/{ids.public('mon', monitor.id)}"
    run = ids.public("run", db.session.query(Run.id).filter_by(monitor_id=monitor.id).scalar())
    here = f"?organization={ids.public('org', organization.id)}"
    alices.set_viewport_size(NARROW)  # type: ignore[arg-type]
    for path in (
        f"{at}/runs/{run}", f"{at}/delete", "/app/wall", "/app/reports", "/app/settings/data",
        "/app/settings/team", SETTINGS, f"{SETTINGS}/leave{here}",
    ):  # fmt: skip
        alices.goto(f"{site}{path}")
        assert alices.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), path
