"""Monitors in a real browser: live parts, the form, dialogs, keys, phones, and a page without JavaScript."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_channel, make_monitor, save
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.models import Incident, Monitor, Organization, Run, User

SOON = 15_000


def url(site: str, monitor: Monitor, *rest: str) -> str:
    return "/".join([f"{site}/app/monitors", ids.public("mon", monitor.id), *rest])


def ping(site: str, monitor: Monitor, what: str = "") -> None:
    with urllib.request.urlopen(f"{site}/ping/{monitor.token}{what}", timeout=10) as answer:
        assert answer.status == 200


def with_history(organization: Organization) -> Monitor:
    """A monitor that is down, with an incident, forty runs and numbers of its own."""
    now = datetime.now(UTC)
    monitor = make_monitor(organization, "Nightly backup", tags=["db"], status="down", last_ping_at=now, ping_count=80)
    for hours in range(40):
        at = now - timedelta(hours=hours)
        outcome = "failed" if hours == 3 else "success"
        values = {"started_at": at, "finished_at": at, "duration_ms": 60_000 + 1000 * hours, "metrics": {"rows": hours}}
        save(Run(monitor_id=monitor.id, at=at, outcome=outcome, exit_code=0, **values))
    save(
        Incident(
            organization_id=organization.id, monitor_id=monitor.id, class_="outage", kind="missed", status="open",
            opened_at=now, last_opened_at=now, summary="should have pinged by 02:05 and was silent",
        )
    )  # fmt: skip
    return monitor


def test_the_page_notices_the_first_ping_without_reloading(alices: Page, site: str, organization: Organization) -> None:
    monitor = make_monitor(organization)
    alices.goto(url(site, monitor))
    expect(alices.get_by_text("Waiting for its first ping.")).to_be_visible()
    alices.get_by_text("Python", exact=True).click()
    ping(site, monitor)
    expect(alices.locator("#monitor-top").get_by_text("Up", exact=True)).to_be_visible(timeout=SOON)
    expect(alices.locator("#monitor-body").get_by_text("Success", exact=True)).to_be_visible()
    # What was chosen meanwhile stays chosen.
    expect(alices.get_by_label("Python", exact=True).first).to_be_checked()


def test_a_running_job_moves_its_bar(alices: Page, site: str, organization: Organization) -> None:
    monitor = make_monitor(organization)
    ping(site, monitor, "/start")
    alices.goto(url(site, monitor))
    ping(site, monitor, "/log?progress=40&step=2&total=5&step_name=copying")
    expect(alices.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40.0", timeout=SOON)
    expect(alices.get_by_text("Step 2 of 5: copying", exact=True)).to_be_visible()
    ping(site, monitor)
    expect(alices.get_by_role("progressbar")).to_have_count(0, timeout=SOON)


def test_the_schedule_is_previewed_while_typing_and_presets_keep_what_was_typed(
    alices: Page, site: str, alice: User
) -> None:
    alices.goto(f"{site}/app/monitors/new")
    preview = alices.locator("#preview")
    expect(preview.get_by_role("heading")).to_have_text("Every hour")
    alices.get_by_label("Name").fill("Nightly backup")
    alices.get_by_label("Every", exact=True).fill("90")
    expect(preview.get_by_role("heading")).to_have_text("Every 3 days 18 hours", timeout=SOON)
    alices.get_by_role("button", name="every day at 02:00").click()
    expect(preview.get_by_role("heading")).to_have_text("Every day at 02:00, Berlin", timeout=SOON)
    expect(alices.get_by_label("Name")).to_have_value("Nightly backup")
    alices.get_by_label("Cron expression").fill("0 2 * *")
    expect(preview).to_contain_text("such as 0 2 * * *", timeout=SOON)
    alices.get_by_label("Grace").fill("soon")
    alices.get_by_role("button", name="Create monitor").click()
    expect(alices.get_by_role("alert").get_by_role("heading")).to_have_text("2 fields need another value", timeout=SOON)
    expect(alices.get_by_label("Grace")).to_have_value("soon")
    alices.get_by_label("Cron expression").fill("0 2 * * *")
    alices.get_by_label("Grace").fill("5 min")
    alices.get_by_label("Grace").press("Enter")
    expect(alices.get_by_role("heading", level=1)).to_have_text("Nightly backup", timeout=SOON)
    expect(alices.get_by_label("Ping command")).to_be_visible()


def test_the_list_follows_along_without_losing_focus_or_words(
    alices: Page, site: str, organization: Organization
) -> None:
    monitor = make_monitor(organization, "Backup of orders")
    make_monitor(organization, "Invoices")
    alices.goto(f"{site}/app/monitors")
    alices.keyboard.press("/")
    alices.keyboard.type("back")
    expect(alices.get_by_role("link", name="Invoices")).to_have_count(0, timeout=SOON)
    assert "q=back" in alices.url
    ping(site, monitor)
    expect(alices.locator("#monitors td.state")).to_contain_text("Up", timeout=SOON)
    expect(alices.get_by_label("Search monitors")).to_be_focused()
    expect(alices.get_by_label("Search monitors")).to_have_value("back")


def test_pause_and_delete_ask_in_a_dialog(alices: Page, site: str, organization: Organization) -> None:
    monitor = with_history(organization)
    alices.goto(url(site, monitor))
    alices.get_by_role("link", name="Pause", exact=True).click()
    dialog = alices.get_by_role("dialog")
    dialog.get_by_label("Until a date").check()
    dialog.get_by_role("button", name="Pause").click()
    expect(dialog).to_contain_text("Write a date and a time", timeout=SOON)
    dialog.get_by_label("For 8 hours").check()
    dialog.get_by_role("button", name="Pause").click()
    expect(alices.get_by_text("Paused by Alice")).to_be_visible(timeout=SOON)
    alices.get_by_role("button", name="Resume").click()
    expect(alices.get_by_role("link", name="Pause", exact=True)).to_be_visible(timeout=SOON)
    alices.get_by_role("link", name="Delete").click()
    expect(dialog).to_contain_text("40 runs with their output", timeout=SOON)
    alices.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert db.session.get(Monitor, monitor.id)


def test_trouble_is_acknowledged_from_the_overview_with_one_key(
    alices: Page, site: str, organization: Organization
) -> None:
    make_channel(organization, enabled=False)
    with_history(organization)
    alices.goto(f"{site}/app")
    expect(alices.get_by_role("heading", level=1)).to_have_text("One job needs you")
    alices.keyboard.press("a")
    expect(alices.get_by_text("acknowledged by Alice")).to_be_visible(timeout=SOON)
    assert alices.url == f"{site}/app"


def test_a_monitor_is_made_paused_and_deleted_without_javascript(plain: Page, site: str, alice: User) -> None:
    plain.goto(f"{site}/app/monitors/new")
    plain.get_by_label("Name").fill("Nightly backup")
    plain.get_by_role("button", name="every day at 02:00").click()
    expect(plain.get_by_label("Cron expression")).to_have_value("0 2 * * *")
    plain.get_by_role("button", name="Show its next runs").click()
    expect(plain.locator("#preview")).to_contain_text("Every day at 02:00, Berlin")
    plain.get_by_role("button", name="Create monitor").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Nightly backup")
    plain.get_by_text("PowerShell", exact=True).click()
    expect(plain.get_by_text("Invoke-RestMethod")).to_be_visible()
    plain.get_by_role("button", name="Send a test ping").click()
    expect(plain.get_by_text("Sent a test ping")).to_be_visible()
    plain.get_by_role("link", name="Pause", exact=True).click()
    plain.get_by_role("button", name="Pause").click()
    expect(plain.get_by_text("Paused by Alice")).to_be_visible()
    plain.get_by_role("link", name="Delete").click()
    plain.get_by_role("button", name="Delete monitor").click()
    expect(plain.get_by_text("Deleted Nightly backup.")).to_be_visible()


def test_the_tour_notices_the_ping_and_counts_down(alices: Page, site: str, organization: Organization) -> None:
    alices.goto(f"{site}/app")
    alices.get_by_role("button", name="Make it").click()
    expect(alices.get_by_text("Listening for the first ping")).to_be_visible(timeout=SOON)
    assert "/ping/" in alices.get_by_label("Ping command").input_value()
    ping(site, db.session.query(Monitor).one())
    expect(alices.get_by_text("The next ping is expected in")).to_be_visible(timeout=SOON)
    assert not serious_problems(alices)


@pytest.mark.parametrize("size", [None, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_and_nothing_sticks_out(
    alices: Page, site: str, organization: Organization, size: dict[str, int] | None, scheme: str
) -> None:
    monitor = with_history(organization)
    make_monitor(organization, "x" * 200, slug="x", tags=[f"tag-number-{k}" for k in range(20)])
    make_monitor(organization, "نسخ احتياطي ليلي لقاعدة البيانات")
    run = ids.public("run", db.session.query(Run.id).limit(1).scalar())
    if size:
        alices.set_viewport_size(size)  # type: ignore[arg-type]
    alices.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    pages = [f"{site}/app", f"{site}/app/monitors", f"{site}/app/monitors/new"]
    pages += [
        url(site, monitor),
        url(site, monitor, "edit"),
        url(site, monitor, "pause"),
        url(site, monitor, "runs", run),
    ]
    for address in pages:
        alices.goto(address)
        assert not serious_problems(alices), address
        assert alices.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
