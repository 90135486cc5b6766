"""Alice takes her data with her, means to go, and thinks better of it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

import jobs.organizations
import jobs.people
from tests import traces
from tests.fixtures.browser import NARROW, serious_problems
from tests.fixtures.database import Database
from tests.house.things import make_things
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import Membership, Organization, User

SOON = 15_000


def test_alice_takes_her_data_goes_and_stays(
    site: str,
    page: Page,
    sign_in: Callable[[Page, User], None],
    alice: User,
    bob: User,
    organization: Organization,
) -> None:
    make_things(organization, datetime.now(UTC))
    sign_in(page, alice)
    page.emulate_media(reduced_motion="reduce")  # a dialog on its way in is too pale to be judged
    page.goto(f"{site}/app/settings/data")
    expect(page.get_by_role("heading", name="What is kept about you")).to_be_visible()
    assert serious_problems(page) == []

    page.get_by_role("link", name="Export the organization").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("ping URLs are in it")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    dialog.get_by_role("button", name="Export the organization").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click(timeout=SOON)
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"manifest.json", "members.jsonl", "tables/monitors.jsonl"} <= set(archive.namelist())

    page.goto(f"{site}/app/settings/data")
    page.get_by_role("link", name="Delete my account").click()
    expect(page.get_by_role("heading", name="You are still needed")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    with transaction():
        db.session.get_one(Membership, (organization.id, bob.id)).role = str(Role.OWNER)

    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.goto(f"{site}/app/settings/data")
    page.get_by_role("link", name="Delete my account").click()
    page.get_by_label("Your address").fill("alice")
    page.get_by_role("dialog").get_by_role("button", name="Delete my account").click()
    expect(page.get_by_text("It is not your address")).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    page.get_by_label("Your address").fill(alice.email)
    page.get_by_role("dialog").get_by_role("button", name="Delete my account").click()
    banner = page.locator(".notices").get_by_text("Your account will be deleted")
    expect(banner).to_be_visible(timeout=SOON)
    assert serious_problems(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")

    page.goto(f"{site}/app/monitors")
    page.locator(".notices").get_by_role("button", name="Keep my account").click()
    expect(page.get_by_text("Your account stays.")).to_be_visible(timeout=SOON)
    expect(banner).to_have_count(0)


def test_charlie_means_it_and_a_week_later_he_and_his_organization_are_gone(
    site: str,
    page: Page,
    sign_in: Callable[[Page, User], None],
    charlie: User,
    other_organization: Organization,
    database: Database,
) -> None:
    charlie_id, email, name = charlie.id, charlie.email, other_organization.name
    sign_in(page, charlie)
    page.goto(f"{site}/app/settings/data")
    page.get_by_role("link", name="Delete my account").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(name).first).to_be_visible(timeout=SOON)
    dialog.get_by_label("Your address").fill(email)
    dialog.get_by_role("button", name="Delete my account").click()
    expect(page.locator(".notices").get_by_text("Your account will be deleted")).to_be_visible(timeout=SOON)

    with transaction():
        db.session.get_one(User, charlie_id).erase_at = datetime.now(UTC) - timedelta(seconds=1)
    page.locator(".notices").get_by_role("button", name="Keep my account").click()
    expect(page.get_by_text("It is too late").first).to_be_visible(timeout=SOON)
    assert jobs.people.erase_due([]) == 0
    assert jobs.organizations.erase_due([]) == 1
    assert jobs.people.erase_due([]) == 1

    page.goto(f"{site}/app/settings/data")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=SOON)
    with database.connect() as connection:
        assert (traces.in_tables(connection, email), traces.in_tables(connection, name)) == ([], [])
