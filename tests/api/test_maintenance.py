"""Planning maintenance by a program."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Program, problem
from tests.factories import make_monitor
from tokiflow.core import ids
from tokiflow.models import Organization

WEEKLY: dict[str, Any] = {
    "name": "Reindex", "kind": "repeating", "expression": "0 2 * * 0", "duration_seconds": 14_400,
    "timezone": "Europe/Berlin", "tags": ["db"],
}  # fmt: skip
CALENDAR: dict[str, Any] = {
    "name": "Data centre", "kind": "calendar", "ical_url": "webcal://cal.example.com/secret-key.ics",
    "everything": True,
}  # fmt: skip


def later(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat().replace("+00:00", "Z")


def plan(program: Program, **values: Any) -> dict[str, Any]:
    response = program.post("/maintenance", values)
    assert response.status_code == 201, response.get_data(as_text=True)
    assert isinstance(response.json, dict)
    assert program.get(response.headers["Location"]).json == response.json
    return response.json


def test_a_window_is_planned_where_its_location_says(program):
    window = plan(program, **WEEKLY)
    assert {name: window[name] for name in WEEKLY} == WEEKLY
    assert (window["current"], window["starts_at"], window["ical_url"]) == (None, None, None)
    starts, ends = (datetime.fromisoformat(window["next"][name]) for name in ("starts_at", "ends_at"))
    assert ends - starts == timedelta(hours=4)
    assert program.get("/maintenance").json == {"items": [window], "next": None}


def test_what_runs_now_says_so_and_can_be_ended(program, organization: Organization):
    monitor = ids.public("mon", make_monitor(organization).id)
    window = plan(program, name="Upgrade", kind="once", starts_at=later(), ends_at=later(hours=1), monitors=[monitor])
    assert window["current"] == {"starts_at": window["starts_at"], "ends_at": window["ends_at"]}
    assert window["monitors"] == [monitor]
    ended = program.post(f"/maintenance/{window['id']}/end")
    assert (ended.status_code, ended.json["current"], ended.json["next"]) == (200, None, None)
    problem(program.post(f"/maintenance/{window['id']}/end"), 409)


def test_a_change_leaves_the_rest_and_what_was_read_can_be_sent_back(program):
    window = plan(program, **WEEKLY)
    changed = program.patch(f"/maintenance/{window['id']}", {"duration_seconds": 3600}).json
    assert {**changed, "updated_at": "", "next": ""} == {
        **window,
        "duration_seconds": 3600,
        "updated_at": "",
        "next": "",
    }
    assert program.patch(f"/maintenance/{window['id']}", changed).json == changed


def test_the_address_of_a_calendar_is_written_and_never_read_back(program):
    window = plan(program, **CALENDAR)
    assert window["ical_url"] == "set"
    again = program.patch(f"/maintenance/{window['id']}", window)
    assert (again.status_code, again.json["calendar_read_at"]) == (200, None)
    assert "secret-key" not in program.get("/maintenance").get_data(as_text=True)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({}, {"name", "kind", "monitors"}),
        (WEEKLY | {"starts_at": "tomorrow"}, {"starts_at"}),
        (WEEKLY | {"starts_at": "2026-11-22T02:00:00"}, {"starts_at"}),
        (WEEKLY | {"ends_at": 5, "expression": None}, {"ends_at"}),
        (WEEKLY | {"expression": None}, {"expression"}),
        (WEEKLY | {"everything": None}, {"everything"}),
        (WEEKLY | {"monitors": ["mon_x"]}, {"monitors"}),
        (WEEKLY | {"color": "red"}, {"color"}),
        (CALENDAR | {"ical_url": "set"}, {"ical_url"}),
    ],
)
def test_what_cannot_be_planned_is_named(program, values, fields):
    assert problem(program.post("/maintenance", values), 422)["errors"].keys() == fields


def test_deleted_is_gone(program):
    window = plan(program, **WEEKLY)
    assert program.delete(f"/maintenance/{window['id']}").status_code == 204
    problem(program.get(f"/maintenance/{window['id']}"), 404)


def test_a_list_costs_the_same_whatever_its_length(program, count_queries):
    plan(program, **WEEKLY)
    few = count_queries(lambda: program.get("/maintenance"))
    for number in range(5):
        plan(program, **{**CALENDAR, "name": f"Hall {number}"})
    assert count_queries(lambda: program.get("/maintenance")) <= few + 1, "one more where there are calendars"
