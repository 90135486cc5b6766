"""Planning maintenance: what is refused, what is kept, and what two people do to one window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.factories import make_monitor
from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.db import db
from tokiflow.models import AuditEvent, MaintenanceOccurrence, MaintenanceWindow, Organization
from tokiflow.queries import maintenance as read
from tokiflow.services import maintenance, monitors

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONCE: dict[str, Any] = {
    "name": "Upgrade", "kind": "once", "starts_at": NOW, "ends_at": NOW + HOUR, "everything": True,
    "timezone": "Europe/Berlin",
}  # fmt: skip
WEEKLY: dict[str, Any] = {
    "name": "Reindex", "kind": "repeating", "expression": "0 2 * * 0", "duration_seconds": 14_400,
    "timezone": "Europe/Berlin", "tags": ["db"],
}  # fmt: skip
CALENDAR: dict[str, Any] = {
    "name": "Data centre", "kind": "calendar", "ical_url": "webcal://calendars.example.com/secret-key.ics",
    "everything": True,
}  # fmt: skip


def refused(organization: Organization, values: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(errors.Invalid) as caught:
        maintenance.create(organization.id, values, TOKIFLOW, NOW)
    return caught.value.fields


def the_window() -> MaintenanceWindow:
    db.session.expire_all()
    return db.session.execute(select(MaintenanceWindow)).scalar_one()


@pytest.mark.parametrize(
    ("values", "field", "why"),
    [
        (ONCE | {"name": " "}, "name", "is empty"),
        (ONCE | {"kind": "sometimes"}, "kind", "none of these"),
        (ONCE | {"starts_at": None}, "starts_at", "is missing"),
        (ONCE | {"ends_at": None}, "ends_at", "is missing"),
        (ONCE | {"ends_at": NOW}, "ends_at", "not after the start"),
        (ONCE | {"starts_at": "2026-11-22T02:00:00"}, "starts_at", "is no moment"),
        (ONCE | {"starts_at": datetime(2026, 11, 22, 2)}, "starts_at", "is no moment"),  # noqa: DTZ001
        (ONCE | {"starts_at": NOW - 2 * HOUR, "ends_at": NOW - HOUR}, "ends_at", "has passed already"),
        (ONCE | {"ends_at": NOW + timedelta(days=367)}, "ends_at", "more than 366 days"),
        (ONCE | {"timezone": "berlin"}, "timezone", "did you mean Europe/Berlin"),
        (ONCE | {"everything": False}, "monitors", "is missing"),
        (ONCE | {"everything": "yes"}, "everything", "neither true nor false"),
        (ONCE | {"everything": False, "monitors": [ids.public("mon", ids.new())]}, "monitors", "does not exist"),
        (ONCE | {"everything": False, "monitors": "all"}, "monitors", "is no list"),
        (WEEKLY | {"expression": ""}, "expression", "is missing"),
        (WEEKLY | {"expression": "0 25 * * *"}, "expression", "hour"),
        (WEEKLY | {"expression": "0 2 30 2 *"}, "expression", "never fires"),
        (WEEKLY | {"duration_seconds": None}, "duration_seconds", "is missing"),
        (WEEKLY | {"duration_seconds": 30}, "duration_seconds", "out of range"),
        (WEEKLY | {"duration_seconds": float("inf")}, "duration_seconds", "not a whole number"),
        (WEEKLY | {"duration_seconds": 7 * 86_400}, "duration_seconds", "never ends"),
        (WEEKLY | {"tags": "db"}, "tags", "is not a list"),
        (CALENDAR | {"ical_url": ""}, "ical_url", "is missing"),
        (CALENDAR | {"ical_url": "ftp://example.com/a.ics"}, "ical_url", "not a web address"),
    ],
)
def test_what_cannot_be_planned_is_refused_beside_its_field(
    organization: Organization, values: dict[str, Any], field: str, why: str
) -> None:
    fields = refused(organization, values)
    assert list(fields) == [field]
    assert why in fields[field][0]


def test_every_mistake_is_named_at_once(organization: Organization) -> None:
    assert set(refused(organization, {})) == {"name", "kind", "monitors"}
    assert set(refused(organization, {"kind": "repeating", "timezone": "x"})) == {
        "name", "timezone", "expression", "duration_seconds", "monitors",
    }  # fmt: skip


def test_monitors_of_others_do_not_exist(organization: Organization, other_organization: Organization) -> None:
    theirs = ids.public("mon", make_monitor(other_organization).id)
    assert "does not exist here" in refused(organization, WEEKLY | {"monitors": [theirs]})["monitors"][0]


def test_what_belongs_to_another_kind_is_dropped(organization: Organization) -> None:
    mine = ids.public("mon", make_monitor(organization).id)
    window_id = maintenance.create(organization.id, WEEKLY | {"monitors": [mine]}, TOKIFLOW, NOW)
    maintenance.edit(window_id, ONCE, TOKIFLOW, NOW)
    row = the_window()
    assert (row.expression, row.duration_seconds, row.tags) == ("", None, [])
    assert read.monitors_of([window_id]) == {}


def test_the_second_of_two_editors_is_told(organization: Organization) -> None:
    window_id = maintenance.create(organization.id, ONCE, TOKIFLOW, NOW)
    maintenance.edit(window_id, {"name": "Upgrade of disks"}, TOKIFLOW, NOW, version=0)
    with pytest.raises(errors.Conflict):
        maintenance.edit(window_id, {"name": "Upgrade of networks"}, TOKIFLOW, NOW, version=0)
    assert the_window().name == "Upgrade of disks"


def test_a_window_that_is_over_can_still_be_renamed(organization: Organization) -> None:
    window_id = maintenance.create(organization.id, ONCE, TOKIFLOW, NOW)
    maintenance.edit(window_id, {"name": "Upgrade, done"}, TOKIFLOW, NOW + 2 * HOUR)
    assert the_window().name == "Upgrade, done"


@pytest.mark.parametrize("values", [ONCE | {"starts_at": NOW - HOUR}, WEEKLY | {"expression": "0 3 * * *"}])
def test_ending_it_early_leaves_what_comes_later(organization: Organization, values: dict[str, Any]) -> None:
    window_id = maintenance.create(organization.id, values, TOKIFLOW, NOW)
    monitor = make_monitor(organization, tags=["db"])
    assert monitor.id in read.during([monitor], NOW)
    maintenance.end(window_id, TOKIFLOW, NOW)
    assert read.during([monitor], NOW) == {}
    assert (monitor.id in read.during([monitor], NOW + timedelta(days=1))) == (values["kind"] == "repeating")
    with pytest.raises(errors.Conflict, match="nothing to end"):
        maintenance.end(window_id, TOKIFLOW, NOW)


def test_everything_is_on_record_but_the_address_of_a_calendar(organization: Organization) -> None:
    alice = Actor("person", "Alice", None)
    window_id = maintenance.create(organization.id, CALENDAR, alice, NOW)
    maintenance.edit(window_id, {"name": "Halls 1 and 2"}, alice, NOW)
    maintenance.delete(window_id, alice, NOW)
    deeds = db.session.execute(select(AuditEvent).order_by(AuditEvent.id)).scalars().all()
    assert [deed.what for deed in deeds] == [f"maintenance_window.{what}" for what in ("created", "edited", "deleted")]
    assert (deeds[1].before, deeds[1].after) == ({"name": "Data centre"}, {"name": "Halls 1 and 2"})
    assert deeds[0].after["ical_url"] == "calendars.example.com"
    assert "secret-key" not in str([deed.after for deed in deeds])


def test_a_monitor_that_is_deleted_leaves_its_window(organization: Organization) -> None:
    monitor = make_monitor(organization)
    maintenance.create(organization.id, WEEKLY | {"monitors": [ids.public("mon", monitor.id)]}, TOKIFLOW, NOW)
    monitors.delete(monitor.id, TOKIFLOW, NOW)
    assert read.monitors_of([the_window().id]) == {}


def test_a_new_calendar_is_due_at_once_and_forgets_the_old_one(organization: Organization) -> None:
    window_id = maintenance.create(organization.id, CALENDAR, TOKIFLOW, NOW)
    assert the_window().next_fetch_at == NOW
    db.session.add(MaintenanceOccurrence(window_id=window_id, starts_at=NOW, ends_at=NOW + HOUR))
    db.session.commit()
    maintenance.edit(window_id, {"ical_url": "https://example.com/new.ics"}, TOKIFLOW, NOW + HOUR)
    assert the_window().next_fetch_at == NOW + HOUR
    assert db.session.execute(select(func.count()).select_from(MaintenanceOccurrence)).scalar_one() == 0


def test_there_is_an_end_to_how_many(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "MOST", 2)
    monkeypatch.setattr(maintenance, "MOST_CALENDARS", 1)
    maintenance.create(organization.id, CALENDAR, TOKIFLOW, NOW)
    assert "1 calendars already" in refused(organization, CALENDAR)["kind"][0]
    maintenance.create(organization.id, ONCE, TOKIFLOW, NOW)
    assert "2 windows already" in refused(organization, ONCE)["name"][0]
    over = NOW + 2 * HOUR
    maintenance.create(organization.id, ONCE | {"ends_at": over + HOUR}, TOKIFLOW, over)


def test_what_is_long_over_is_dropped(organization: Organization) -> None:
    maintenance.create(organization.id, ONCE, TOKIFLOW, NOW)
    maintenance.create(organization.id, WEEKLY | {"ends_at": NOW + HOUR}, TOKIFLOW, NOW)
    maintenance.forget(NOW + timedelta(days=90))
    assert db.session.execute(select(func.count()).select_from(MaintenanceWindow)).scalar_one() == 2
    maintenance.forget(NOW + timedelta(days=91))
    assert the_window().kind == "repeating"
