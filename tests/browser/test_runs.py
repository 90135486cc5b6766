"""The output viewer in a real browser: search by keyboard, wrapping that is remembered, lines to link to, phones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.factories import make_monitor, save
from tests.fixtures.browser import NARROW, serious_problems
from tokiflow.core import ids
from tokiflow.models import Monitor, Organization, Ping, Run

COLOURS = "".join(
    f"\x1b[{ink}mink \x1b[7minverse\x1b[0m "
    + "".join(f"\x1b[{ink};{ground}m on \x1b[0m" for ground in range(40, 48))
    + "\n"
    for ink in (*range(30, 38), *range(90, 98))
)
ARABIC = "نسخ احتياطي ليلي\n"
LONG = "https://example.com/" + "x" * 5_000 + "\n"
BEFORE = "begin\n" + "".join(f"station {n} answered\n" for n in range(30)) + "done\n"
AFTER = (
    BEFORE.removesuffix("done\n")
    + COLOURS
    + ARABIC
    + LONG
    + "<script>document.title = 'taken'</script>\nerror: no berth\nNo Berth at all\n"
)


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization, "Tide tables", status="up", last_ping_at=datetime.now(UTC))


@pytest.fixture
def address(site: str, monitor: Monitor) -> str:
    """The page of a failed run, two hours after one that went well."""
    a_run(site, monitor, BEFORE, 1, 2, "success")
    return a_run(site, monitor, AFTER, 2, 0, "failed")


def a_run(site: str, monitor: Monitor, printed: str, n: int, hours: int, outcome: str) -> str:
    at = datetime.now(UTC) - timedelta(hours=hours)
    body = printed.encode()
    values = {"finished_at": at, "duration_ms": 9_000, "output_at": at, "output_n": n, "output_size": len(body)}
    run = save(Run(monitor_id=monitor.id, at=at, outcome=outcome, **values))
    values = {"signal": "success", "method": "POST", "body": body, "body_size": len(body)}
    save(Ping(monitor_id=monitor.id, n=n, at=at, run_id=run.id, **values))
    return f"{site}/app/monitors/{ids.public('mon', monitor.id)}/runs/{ids.public('run', run.id)}"


def test_search_by_keyboard(alices: Page, address: str) -> None:
    alices.goto(address)
    # The end is in sight without scrolling.
    expect(alices.get_by_text("No Berth at all")).to_be_in_viewport()
    alices.keyboard.press("/")
    alices.keyboard.type("no berth")
    alices.keyboard.press("Enter")
    expect(alices.get_by_text(re.compile(r"^2 of \d+ lines match")).first).to_be_visible()
    expect(alices.locator("#announcer")).to_have_text(re.compile(r"^2 of \d+ lines match$"))
    field = alices.get_by_label("Search the output")
    expect(field).to_be_focused()
    marks = alices.locator(".lines mark")
    for keys, here in (("Enter", 0), ("Enter", 1), ("Enter", 0), ("Shift+Enter", 1)):
        field.press(keys)
        expect(marks.nth(here)).to_have_class("here")
        expect(alices.locator("#announcer")).to_contain_text(f"Match {here + 1} of 2")
    alices.get_by_role("button", name="Next").click()
    expect(marks.nth(0)).to_have_class("here")
    alices.get_by_role("link", name="Show all lines").click()
    expect(alices.get_by_text("station 29 answered")).to_have_count(1)
    assert "taken" not in alices.title()


def test_wrapping_is_remembered(alices: Page, address: str) -> None:
    def wide() -> bool:
        return bool(alices.evaluate("(e => e.scrollWidth > e.clientWidth)(document.querySelector('.lines'))"))

    alices.goto(f"{address}?wrap=1")
    assert not wide()
    alices.get_by_text("Don’t wrap lines").click()
    assert wide()
    assert "wrap" not in alices.url
    alices.goto(address)
    assert wide()
    expect(alices.get_by_text("Wrap lines", exact=True)).to_be_visible()
    # What an address says comes first.
    alices.goto(f"{address}?wrap=1")
    assert not wide()


def test_a_line_can_be_linked_to_wherever_it_is(alices: Page, site: str, monitor: Monitor) -> None:
    long = a_run(site, monitor, "".join(f"station {n} answered\n" for n in range(1, 9_001)), 3, 0, "success")
    alices.goto(f"{long}#L1234")
    expect(alices.locator("#L1234")).to_be_in_viewport()
    expect(alices.locator("#L1234")).to_contain_text("station 1234 answered")
    alices.goto(long)
    expect(alices.locator("#L9000")).to_be_in_viewport()


def test_all_of_it_without_javascript(plain: Page, address: str) -> None:
    plain.goto(address)
    expect(plain.get_by_text("No Berth at all")).to_be_in_viewport()
    plain.get_by_role("link", name="Difference").click()
    expect(plain.get_by_text("the last successful run")).to_be_visible()
    expect(plain.get_by_text("error: no berth")).to_be_visible()
    expect(plain.locator("del")).to_have_count(1)
    plain.get_by_role("link", name="As printed").click()
    plain.get_by_role("link", name="Don’t wrap lines").click()
    plain.get_by_label("Search the output").fill("berth")
    plain.get_by_label("Search the output").press("Enter")
    expect(plain.locator("mark")).to_have_count(2)
    assert "wrap=0" in plain.url
    expect(plain.get_by_role("button", name="Next")).to_have_count(0)


@pytest.mark.parametrize("size", [None, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_found_and_nothing_sticks_out(
    alices: Page, address: str, size: dict[str, int] | None, scheme: str
) -> None:
    if size:
        alices.set_viewport_size(size)  # type: ignore[arg-type]
    alices.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for more in ("", "?wrap=0", "?view=difference", "?q=berth", "#L20"):
        alices.goto("about:blank")
        alices.goto(address + more)
        assert not serious_problems(alices), more
        assert alices.evaluate("document.documentElement.scrollWidth <= innerWidth"), more
