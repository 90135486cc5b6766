"""The audit log in a browser: narrowed down while one types, a diff opened, and all of it fetched as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.factories import make_monitor
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core.actors import Actor
from tokiflow.db import db
from tokiflow.models import Export, Organization, User
from tokiflow.services import exports, monitors

SOON = 15_000
EVIL = "<img src=x onerror=alert(1)>"


def test_alice_finds_out_who_gave_the_backup_more_time(
    site: str,
    page: Page,
    sign_in: Callable[[Page, User], None],
    alice: User,
    bob: User,
    organization: Organization,
) -> None:
    hers, his = Actor("person", "Alice", alice.id, "203.0.113.7"), Actor("person", "Bob", bob.id, "2001:db8::7")
    now = datetime.now(UTC)
    backup = make_monitor(organization, "Nightly backup")
    other = make_monitor(organization, EVIL)
    monitors.edit(backup.id, {"grace_seconds": 900, "description": "Because " + "the disk is slow " * 40}, his, now)
    monitors.pause(other.id, None, hers, now)
    monitors.resume(backup.id, hers, now)
    sign_in(page, alice)

    page.goto(f"{site}/app/settings/audit-logs")
    expect(page.locator("#audit li")).to_have_count(2)
    expect(page.get_by_text(EVIL).first).to_be_visible()
    search = page.get_by_label("Search the log")
    search.press_sequentially("backup")
    expect(page.locator("#audit li")).to_have_count(1, timeout=SOON)
    expect(search).to_be_focused()
    page.locator("#who").select_option(label="Bob")
    page.locator("#what").select_option(label="Changed the monitor")
    page.wait_for_url("**what=monitor.edited**", timeout=SOON)
    assert "q=backup" in urlsplit(page.url).query
    assert "from=" not in page.url, "the address says only what is chosen"
    page.reload()
    expect(page.locator("#who")).to_have_value(page.url.split("who=")[1].split("&")[0])

    event = page.locator("#audit li")
    expect(event).to_contain_text("from 2001:db8::7")
    event.get_by_text("What changed").click()
    expect(event.get_by_text("15 minutes")).to_be_visible()
    event.locator("details.long summary").click()
    assert serious_problems(page) == []
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert serious_problems(page) == []

    page.reload()
    chip = page.get_by_role("navigation", name="Settings").get_by_role("link", name="Audit log")
    expect(chip).to_be_in_viewport(ratio=1)  # the last of nine: the row begins where it can be seen

    page.get_by_role("button", name="Export as CSV").click()
    expect(page.get_by_role("heading", name="The log of who did what")).to_be_visible(timeout=SOON)
    asked = db.session.execute(select(Export)).scalar_one()
    assert exports.make([asked.id]) == 1
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=SOON)
    with page.expect_download() as download:
        link.click()
    text = download.value.path().read_text(encoding="utf-8")
    (line,) = csv.DictReader(io.StringIO(text, newline=""))
    assert line["said"] == "Bob changed the monitor Nightly backup"


def test_it_works_without_javascript(
    site: str,
    page: Page,
    sign_in: Callable[[Page, User], None],
    alice: User,
    organization: Organization,
) -> None:
    her = Actor("person", "Alice", alice.id)
    for name in ("Nightly backup", "Invoices"):
        monitors.pause(make_monitor(organization, name).id, None, her, datetime.now(UTC))
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    sign_in(plain, alice)
    plain.goto(f"{site}/app/settings/audit-logs")
    plain.get_by_label("Search the log").fill("invoices")
    plain.get_by_role("button", name="Show").click()
    expect(plain.locator("#audit li")).to_have_count(1)
    expect(plain.locator("#audit li")).to_contain_text("paused the monitor Invoices")
    context.close()
