"""The charts of a monitor in a real browser: zoomed and read by mouse and by keys, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.factories import make_monitor
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core import ids
from tokiflow.db import db, transaction
from tokiflow.models import Band, Monitor, Organization, Run, User

SOON = 15_000
RUNS = 29


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    """Four weeks of a nightly job with a failure, a miss and an odd run, and its band."""
    now = datetime.now(UTC)
    made = make_monitor(
        organization, status="up", last_ping_at=now, created_at=now - timedelta(days=60), schedule_seconds=86_400
    )
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with transaction():
        for n in range(RUNS):
            at = now - timedelta(days=n, minutes=10)
            outcome = {3: "failed", 8: "missed"}.get(n, "success")
            finding = {"measure": "run_time", "kind": "anomaly", "words": "took 9 m 10 s; usually 3 m"}
            known = {} if n == 8 else {"finished_at": at, "duration_ms": 550_000 if n == 14 else 180_000 + n * 1000}
            db.session.add(
                Run(
                    monitor_id=made.id, at=at, outcome=outcome, metrics={"rows": n},
                    findings=[finding] if n == 14 else None, **known,
                )
            )  # fmt: skip
            day = midnight - timedelta(days=n + 1)
            db.session.add(Band(monitor_id=made.id, measure="run_time", day=day, low=150, usual=180, high=230))
    return made


def url(site: str, monitor: Monitor, *rest: str) -> str:
    return "/".join([f"{site}/app/monitors", ids.public("mon", monitor.id), *rest])


def zoomable(page: Page) -> None:
    expect(page.locator(".zoom .u-over")).to_be_visible(timeout=SOON)


def test_dragging_zooms_and_a_button_shows_the_whole_again(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor))
    zoomable(alices)
    plot = alices.locator(".zoom .u-over")
    plot.hover()  # from now on, it is not drawn anew under one's hands
    box = plot.bounding_box()
    assert box
    alices.mouse.move(box["x"] + 60, box["y"] + 50)
    alices.mouse.down()
    alices.mouse.move(box["x"] + 260, box["y"] + 50, steps=5)
    alices.mouse.up()
    whole = alices.get_by_role("button", name="Show the whole")
    expect(whole).to_be_visible()
    expect(alices).to_have_url(url(site, monitor))
    whole.click()
    expect(whole).to_be_hidden()


def test_hovering_tells_the_run_exactly(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor))
    zoomable(alices)
    plot = alices.locator(".zoom .u-over")
    box = plot.bounding_box()
    assert box
    plot.hover(position={"x": box["width"] - 2, "y": 60})
    tip = alices.locator(".zoom .tip")
    expect(tip).to_contain_text("Success, 3 m")
    expect(tip).to_contain_text("CET")


def test_keys_walk_from_run_to_run_zoom_and_open(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor))
    zoomable(alices)
    chart = alices.get_by_role("application")
    chart.focus()
    chart.press("End")
    for _ in range(3):
        chart.press("ArrowLeft")
    tip = alices.locator(".zoom .tip")
    expect(tip).to_contain_text("Failed, 3 m 03 s")
    chart.press("+")
    expect(alices.get_by_role("button", name="Show the whole")).to_be_visible()
    chart.press("Escape")
    expect(alices.get_by_role("button", name="Show the whole")).to_be_hidden()
    chart.press("End")
    chart.press("Enter")
    expect(alices.get_by_role("heading", level=1)).to_contain_text("Run of", timeout=SOON)


def test_a_stretch_without_runs_says_so_and_opens_nothing(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor))
    zoomable(alices)
    chart = alices.get_by_role("application")
    chart.focus()
    chart.press("End")
    for _ in range(10):
        chart.press("+")
    plot = alices.locator(".zoom .u-over")
    box = plot.bounding_box()
    assert box
    for _ in range(2):  # closer, between two nights
        alices.mouse.move(box["x"] + 40, box["y"] + 50)
        alices.mouse.down()
        alices.mouse.move(box["x"] + 160, box["y"] + 50, steps=4)
        alices.mouse.up()
    expect(alices.locator(".zoom .tip")).to_be_hidden()
    chart.press("ArrowLeft")
    expect(alices.locator(".zoom [aria-live]")).to_have_text("No runs in this stretch.")
    plot.click()
    expect(alices).to_have_url(url(site, monitor))


def test_a_finger_reads_first_and_opens_then(
    browser: Browser, sign_in: Callable[[Page, User], None], alice: User, site: str, monitor: Monitor
) -> None:
    context = browser.new_context(viewport=NARROW, has_touch=True, locale="en-GB")  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, alice)
    page.goto(url(site, monitor))
    page.locator("#trend").evaluate("chart => chart.scrollIntoView({block: 'center'})")
    zoomable(page)
    box = page.locator(".zoom .u-over").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + 90
    fingers = context.new_cdp_session(page)
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 70), ("touchEnd", 0)):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    whole = page.get_by_role("button", name="Show the whole")
    expect(whole).to_be_visible()
    whole.tap()
    page.touchscreen.tap(x, y)
    expect(page.locator(".zoom .tip")).to_contain_text("Success, 9 m 10 s")
    expect(page).to_have_url(url(site, monitor))
    page.touchscreen.tap(x, y)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Run of", timeout=SOON)
    context.close()


def test_the_page_follows_along_and_leaves_the_zoomed_chart_alone(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor))
    zoomable(alices)
    alices.get_by_role("application").focus()
    alices.keyboard.press("+")
    with alices.expect_response(lambda answer: answer.url.endswith(url("", monitor)) and answer.ok, timeout=SOON):
        alices.evaluate("htmx.trigger(document.getElementById('monitor-top'), 'poll')")
    expect(alices.get_by_role("button", name="Show the whole")).to_be_visible()
    zoomable(alices)


def test_periods_are_links_and_the_chart_asks_for_theirs(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor))
    with alices.expect_response(lambda answer: "trend.json?period=7d" in answer.url):
        alices.get_by_role("link", name="7 d", exact=True).click()
    expect(alices).to_have_url(url(site, monitor) + "?period=7d")
    zoomable(alices)


def test_without_javascript_the_drawn_chart_says_the_same(plain: Page, site: str, monitor: Monitor) -> None:
    plain.goto(url(site, monitor))
    chart = plain.locator("#trend svg[role=img]")
    expect(chart).to_be_visible()
    assert "took 9 m 10 s; usually 3 m" in (chart.get_attribute("aria-label") or "")
    expect(plain.locator("#trend text.said", has_text="9 m 10 s; usually 3 m")).to_be_visible()
    plain.get_by_role("link", name="7 d", exact=True).click()
    expect(plain).to_have_url(url(site, monitor) + "?period=7d")
    plain.get_by_role("link", name="Show as a table").click()
    expect(plain.get_by_role("region", name="Run times as a table").get_by_role("row")).to_have_count(8)
    plain.get_by_role("link", name="Insight", exact=True).first.click()
    expect(plain.get_by_role("heading", name="A year of days")).to_be_visible()
    plain.get_by_text("How this is reckoned").first.click()
    expect(plain.get_by_text("uptime × 0.4")).to_be_visible()


def test_arrow_keys_walk_over_the_year(alices: Page, site: str, monitor: Monitor) -> None:
    alices.goto(url(site, monitor, "insight"))
    newest = alices.locator("table.year a[tabindex='0']")
    newest.focus()
    alices.keyboard.press("ArrowLeft")
    week_before = datetime.now(UTC) - timedelta(days=7, minutes=10)
    assert f"day={week_before:%Y-%m-%d}" in alices.evaluate("document.activeElement.href")
    expect(alices.locator("table.year a[tabindex='0']")).to_have_count(1)
    alices.keyboard.press("Enter")
    expect(alices.get_by_role("heading", name="Runs of")).to_be_visible(timeout=SOON)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, sign_in: Callable[[Page, User], None], alice: User, site: str, monitor: Monitor, scheme: str
) -> None:
    context = browser.new_context(viewport=NARROW, color_scheme=scheme, locale="en-GB")  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, alice)
    for address in (url(site, monitor), url(site, monitor) + "?table=yes", url(site, monitor, "insight")):
        page.goto(address)
        if not address.endswith("insight"):
            page.locator("#trend").scroll_into_view_if_needed()
            zoomable(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        assert serious_problems(page) == [], address
    context.close()
