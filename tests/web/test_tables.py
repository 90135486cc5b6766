"""The tables of pages as CSV: what the page shows, harmless in a spreadsheet, on record, by a job where long."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.factories import make_monitor
from tests.fixtures.app import Client
from tests.house.things import fail, succeed
from tokiflow.core import ids
from tokiflow.db import db
from tokiflow.models import AuditEvent, Export, Organization, User
from tokiflow.services import exports
from tokiflow.services.exporting import monitors as monitors_csv
from tokiflow.services.exporting import runs as runs_csv

ClientFor = Callable[[User], Client]
EVIL = '=HYPERLINK("http://evil.example")'
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _without_csrf(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)


def lines(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_monitors_as_the_page_shows_them(client_for: ClientFor, vera: User, organization: Organization) -> None:
    make_monitor(organization, "Nightly backup", tags=["db"])
    make_monitor(organization, EVIL, tags=["db"], description='two\nlines, "quoted"')
    make_monitor(organization, "Elsewhere")
    answer = client_for(vera).post("/app/tables/monitors", data={"tag": "db"})
    found = lines(answer)
    assert [one["name"] for one in found] == [f"'{EVIL}", "Nightly backup"]
    assert found[0]["description"] == 'two\nlines, "quoted"'
    assert found[1]["schedule"] == "every hour"
    assert f"{organization.slug}-monitors-" in answer.headers["Content-Disposition"]
    assert "token" not in found[0]
    event = db.session.execute(select(AuditEvent).where(AuditEvent.what == "export.asked_for")).scalar_one()
    assert (event.by, event.object_name, event.after) == ("Vera", "monitors", {"only": {"tag": "db"}})


def test_runs_of_a_monitor_newest_first(client_for: ClientFor, vera: User, organization: Organization) -> None:
    monitor = make_monitor(organization)
    fail(monitor, NOW - timedelta(hours=2))
    succeed(monitor, NOW - timedelta(hours=1))
    named = {"monitor": ids.public("mon", monitor.id)}
    found = lines(client_for(vera).post("/app/tables/runs", data=named))
    assert [(one["outcome"], one["duration_seconds"], one["exit_code"]) for one in found] == [
        ("success", "10.0", ""),
        ("failed", "60.0", "3"),
    ]
    assert found[1]["metrics"] == '{"rows": 8.0}'


def test_what_is_long_is_made_by_a_job(
    client_for: ClientFor, vera: User, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitors_csv, "SMALL", 1)
    monkeypatch.setattr(runs_csv, "SMALL", 1)
    monitor = make_monitor(organization, EVIL)
    make_monitor(organization, "Nightly backup")
    for hours in (3, 2):
        succeed(monitor, NOW - timedelta(hours=hours))
    client = client_for(vera)
    assert client.post("/app/tables/monitors").status_code == 303
    assert client.post("/app/tables/runs", data={"monitor": ids.public("mon", monitor.id)}).status_code == 303
    rows = db.session.execute(select(Export).order_by(Export.kind)).scalars().all()
    assert [one.kind for one in rows] == ["monitors", "runs"]
    assert exports.make([one.id for one in rows]) == 2
    db.session.expire_all()
    texts = [b"".join(exports.chunks(one, NOW)).decode() for one in rows]
    assert [len(text.splitlines()) for text in texts] == [3, 3]
    assert all("'=HYPERLINK" in text for text in texts)
    for one in rows:
        assert client.get(f"/app/settings/exports/{ids.public('exp', one.id)}").status_code == 200


def test_runs_of_whom(client_for: ClientFor, vera: User, charlie: User, organization: Organization) -> None:
    monitor = make_monitor(organization)
    assert client_for(vera).post("/app/tables/runs").status_code == 422
    named = {"monitor": ids.public("mon", monitor.id)}
    assert client_for(charlie).post("/app/tables/runs", data=named).status_code == 404
    assert lines(client_for(charlie).post("/app/tables/monitors")) == []
