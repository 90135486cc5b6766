"""The page of reports, its files, and the link at the end of each mail."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from pypdf import PdfReader
from sqlalchemy import select, update

from tests.factories import make_membership, make_monitor
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.queries.test_analytics import down
from tests.services.test_rollups import recorded, rolled_up
from tokiflow.core import ids, shares, stretches
from tokiflow.core.actors import Actor
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import AuditEvent, Export, Letter, Organization, ReportSchedule, User
from tokiflow.queries import reports as queries
from tokiflow.services import exports, mail_links, report_files, report_schedules
from tokiflow.web import reports as page

ClientFor = Callable[[User], Client]
NOW = datetime.now(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVIL = '=HYPERLINK("http://evil.example")'


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That every form carries its token is shown by the browser tests and the house."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


@pytest.fixture
def browser(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


@pytest.fixture
def jobs(organization: Organization) -> None:
    """Two monitors: one was down an hour two days ago, the other's name is made for spreadsheets."""
    for name, tags in (("Nightly backup", ["db"]), (EVIL, ["web", "<b>"])):
        monitor = make_monitor(organization, name, created_at=NOW - 50 * DAY, last_ping_at=NOW, tags=tags)
        for n in range(1, 10):
            recorded(
                monitor, NOW - n * DAY, duration_ms=90_000, outcome="failed" if n == 2 and "db" in tags else "success"
            )
        if "db" in tags:
            down(monitor, NOW - 2 * DAY, NOW - 2 * DAY + HOUR)
    rolled_up(NOW)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.usefixtures("jobs")
def test_the_page_says_what_matters_and_then_each_monitor(browser: Client, organization: Organization) -> None:
    answer = browser.get("/app/reports?period=30d")
    assert answer.status_code == 200
    said = words(answer.text)
    assert "Report for the last 30 days" in said
    assert "Of 18 runs, 94.4 % succeeded: 1 failed." in said
    found = queries.report(organization.id, "", "", stretches.last_days(NOW, "Europe/Berlin"), NOW)
    assert [one.name for one in found.lines] == ["Nightly backup", EVIL]
    for line in found.lines:
        assert shares.percent(line.uptime.share) in said
    assert said.index("Nightly backup") < said.index("=HYPERLINK")
    assert "&lt;b&gt;" in answer.text
    assert "<b>" not in answer.text


@pytest.mark.usefixtures("jobs")
def test_a_tag_and_days_narrow_it_down_and_stand_in_the_address(browser: Client) -> None:
    answer = browser.get("/app/reports?period=30d&tag=web", headers={"HX-Request": "true", "HX-Target": "div#report"})
    assert answer.headers["HX-Push-Url"] == "/app/reports?period=30d&tag=web"
    assert "Nightly backup" not in answer.text
    assert "monitors tagged web" in answer.text
    day = (NOW - 5 * DAY).strftime("%Y-%m-%d")
    # The word for it may be left out, where days are given.
    said = words(browser.get(f"/app/reports?from={day}&until={day}").text)
    assert "All 2 monitors were up all the time." in said


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("period=2026-99", "is no month"),
        ("period=dates", "is missing; choose a day"),
        ("from=2026-02-30&until=2026-03-01", "is no day"),
        ("from=2026-03-02&until=2026-03-01", "is before the first day"),
        ("from=2020-01-01&until=2026-03-01", "is more than 366 days"),
        ("period=2999-01", "is still to come"),
        ("period=%00%F0%9F%98%80", "is no month"),
        ("period=30d&period=2026-01", "When is said several times: choose one of them"),
        ("tag=db&tag=web", "Which monitors is said several times"),
    ],
)
def test_what_makes_no_report_is_told_and_kept_in_the_form(browser: Client, query: str, said: str) -> None:
    answer = browser.get(f"/app/reports?{query}")
    assert answer.status_code == 422
    assert said in words(answer.text)
    assert 'id="period"' in answer.text


def test_a_new_organization_is_told_what_will_be_here(browser: Client) -> None:
    answer = browser.get("/app/reports")
    assert answer.status_code == 200
    assert "There are no monitors yet." in answer.text
    assert "No monitor is tagged nothing." in words(browser.get("/app/reports?tag=nothing").text)


@pytest.mark.usefixtures("jobs")
def test_it_begins_with_the_month_that_is_over(browser: Client, organization: Organization) -> None:
    assert "Report for the last 30 days" in browser.get("/app/reports").text, "it is new"
    with transaction():
        db.session.execute(update(Organization).values(created_at=NOW - 60 * DAY))
    month = stretches.month(stretches.month_before(NOW, "Europe/Berlin"), "Europe/Berlin", NOW)
    assert f"Report for {month.words}" in browser.get("/app/reports").text


def test_hundreds_of_monitors_are_shown_when_asked_for(
    browser: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "SHOWN", 3)
    for n in range(5):
        make_monitor(organization, f"Job {n}", created_at=NOW - DAY)
    first = browser.get("/app/reports?period=30d")
    assert (first.text.count("data-item"), "Show all 5 monitors" in first.text) == (3, True)
    assert browser.get("/app/reports?period=30d&all=1").text.count("data-item") == 5
    with statements() as seen:
        browser.get("/app/reports?period=30d&all=1")
    assert len(seen) <= 20


@pytest.mark.usefixtures("jobs")
def test_a_small_csv_is_there_at_once_and_harms_no_spreadsheet(browser: Client, organization: Organization) -> None:
    asked = browser.post("/app/reports/export", data={"period": "30d", "tag": "", "format": "csv"})
    assert asked.status_code == 303
    file = browser.get(asked.headers["Location"])
    assert (file.status_code, file.content_type) == (200, "text/csv; charset=utf-8")
    rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert [row["monitor"] for row in rows] == ["Nightly backup", f"'{EVIL}"]
    assert {(row["time_zone"], row["until"][-6:]) for row in rows} == {("Europe/Berlin", "+00:00")}
    assert (rows[0]["failed"], rows[0]["down_seconds"], rows[0]["outages"]) == ("1", "3600.000", "1")
    assert re.search(rf'filename="{organization.slug}-report-.+\.csv"', file.headers["Content-Disposition"])
    told = db.session.execute(select(AuditEvent).where(AuditEvent.what == "export.asked_for")).scalar_one()
    assert told.object_name == "a report"
    assert db.session.execute(select(Letter)).scalars().all() == []


@pytest.mark.usefixtures("jobs")
def test_a_pdf_is_made_by_the_job_while_the_page_shows_how_far_it_is(
    browser: Client, organization: Organization, tmp_path: Path
) -> None:
    asked = browser.post("/app/reports/export", data={"period": "30d", "tag": "db", "format": "pdf"})
    waiting = browser.get(asked.headers["Location"])
    assert "Waiting for its turn" in waiting.text
    row = db.session.execute(select(Export)).scalar_one()
    assert exports.make([row.id]) == 1
    row = db.session.get_one(Export, row.id, populate_existing=True)
    assert row.filename.endswith("-db.pdf")
    file = tmp_path / "report.pdf"
    fetched = browser.get(f"/app/settings/exports/{ids.public('exp', row.id)}/file")
    assert fetched.mimetype == "application/pdf"
    file.write_bytes(fetched.data)
    read = PdfReader(file)
    text = " ".join(read.pages[0].extract_text().split())
    assert "Nightly backup" in text
    assert "The last 30 days" in text
    assert "HYPERLINK" not in text
    assert read.metadata is not None
    assert read.metadata.title == f"Report for the last 30 days: {organization.name}"


@pytest.mark.parametrize("form", ["", "exe", "../pdf"])
def test_a_format_we_do_not_have_is_told(browser: Client, form: str) -> None:
    assert browser.post("/app/reports/export", data={"format": form}).status_code == 422


def test_days_that_make_no_report_make_no_file(browser: Client) -> None:
    assert browser.post("/app/reports/export", data={"format": "csv", "period": "nonsense"}).status_code == 422
    assert db.session.execute(select(Export)).scalars().all() == []


def test_a_large_csv_waits_for_the_job(
    browser: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_monitor(organization)
    monkeypatch.setattr(report_files, "SMALL", 0)
    asked = browser.post("/app/reports/export", data={"period": "30d", "format": "csv"})
    assert "Waiting for its turn" in browser.get(asked.headers["Location"]).text


def test_whoever_only_looks_gets_it_by_mail_and_stops_it(
    vera: User, client_for: ClientFor, organization: Organization
) -> None:
    browser = client_for(vera)
    assert "Mail me every month" in browser.get("/app/reports").text
    assert browser.post("/app/reports/subscribe", data={"tag": ""}).status_code == 303
    seen = browser.get("/app/reports").text
    assert "Each comes on the first of the month at seven" in seen
    assert "Mail me every month" not in seen
    assert "Mail me every month" in browser.get("/app/reports?tag=db").text
    assert browser.post("/app/reports/unsubscribe", data={"tag": ""}).status_code == 303
    assert db.session.execute(select(ReportSchedule)).scalars().all() == []


def test_the_link_of_the_mail_stops_it_without_signing_in_and_can_be_undone(
    client: Client, vera: User, organization: Organization
) -> None:
    report_schedules.subscribe(organization.id, "db", Actor("person", "Vera", vera.id), NOW)
    link = mail_links.report(organization.id, vera.id, "db")
    asked = client.get(link)
    assert (asked.status_code, "Stop these reports" in asked.text) == (200, True)
    assert len(db.session.execute(select(ReportSchedule)).scalars().all()) == 1
    for _ in range(2):
        answer = client.post(link, data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, "No more reports" in answer.text) == (200, True)
    assert db.session.execute(select(ReportSchedule)).scalars().all() == []
    assert "It comes again" in client.post(f"{link}/undo").text
    assert db.session.execute(select(ReportSchedule.tag)).scalars().all() == ["db"]


def test_a_link_that_is_not_ours_or_no_longer_theirs_says_so(
    client: Client, charlie: User, organization: Organization
) -> None:
    for path in ("/reports/unsubscribe/none", mail_links.report(organization.id, organization.id, "")):
        assert client.get(path).status_code == 404
        assert client.post(path).status_code == 404
    # Charlie was never a member: the link may stop, and brings nothing back.
    assert client.post(f"{mail_links.report(organization.id, charlie.id, '')}/undo").status_code == 404
    assert db.session.execute(select(ReportSchedule)).scalars().all() == []


def test_another_organization_has_its_own(charlie: User, client_for: ClientFor, organization: Organization) -> None:
    make_membership(organization, charlie, Role.VIEWER)
    monitor = make_monitor(organization, "Ours")
    named = ids.public("org", organization.id)
    browser = client_for(charlie)
    assert "Ours" in browser.get(f"/app/reports?organization={named}&period=30d").text
    assert monitor.organization_id == organization.id
