"""Silences: maintenance and dependencies keep alerts back, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_monitor, save
from tests.house.statements import statements
from tests.house.things import fail, succeed
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db, transaction
from tokiflow.models import FollowUp, Incident, Monitor, MonitorDependency, Organization
from tokiflow.services import maintenance, monitors, silences
from tokiflow.services.silences import Silence

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # a Sunday
HOUR = timedelta(hours=1)


def window(organization: Organization, **values: Any) -> UUID:
    usual = {
        "name": "Sunday upgrade", "kind": "once", "timezone": "Europe/Berlin",
        "starts_at": NOW - HOUR, "ends_at": NOW + 2 * HOUR, "everything": True,
    }  # fmt: skip
    return maintenance.create(organization.id, {**usual, **values}, TOKIFLOW, values.get("planned_at", NOW - 2 * HOUR))


def depend(monitor: Monitor, *upstream: Monitor) -> None:
    monitors.edit(monitor.id, {"depends_on": [ids.public("mon", one.id) for one in upstream]}, TOKIFLOW, NOW)


def silence(monitor: Monitor, at: datetime = NOW) -> Silence | None:
    return silences.of([monitor], at).get(monitor.id)


# --- maintenance ------------------------------------------------------------------------------------------------


def test_a_window_says_until_when_in_its_own_zone(organization: Organization) -> None:
    monitor = make_monitor(organization)
    window(organization)
    assert silence(monitor) == Silence(
        "maintenance", "maintenance “Sunday upgrade” until 06:00 in Berlin", until=NOW + 2 * HOUR
    )
    assert silence(monitor, NOW + 2 * HOUR) is None
    assert silence(monitor, NOW - HOUR - timedelta(seconds=1)) is None


def test_a_window_covers_everything_or_tags_or_the_monitors_it_names(
    organization: Organization, other_organization: Organization
) -> None:
    tagged, named = make_monitor(organization, tags=["db", "prod"]), make_monitor(organization)
    neither, elsewhere = make_monitor(organization, tags=["web"]), make_monitor(other_organization, tags=["db"])
    everyone = [tagged, named, neither, elsewhere]
    some = window(organization, everything=False, tags=["db"], monitors=[ids.public("mon", named.id)])
    assert set(silences.of(everyone, NOW)) == {tagged.id, named.id}
    maintenance.edit(some, {"everything": True}, TOKIFLOW, NOW)
    assert set(silences.of(everyone, NOW)) == {tagged.id, named.id, neither.id}


def test_windows_that_follow_without_a_gap_hold_until_the_last_ends(organization: Organization) -> None:
    monitor = make_monitor(organization, tags=["db"])
    window(organization)
    window(
        organization, name="Reindex", starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR, everything=False, tags=["db"]
    )
    window(organization, name="Web", starts_at=NOW + 3 * HOUR, ends_at=NOW + 4 * HOUR, everything=False, tags=["web"])
    found = silence(monitor)
    assert found is not None
    assert (found.until, found.words) == (NOW + 3 * HOUR, "maintenance “Sunday upgrade” until 07:00 in Berlin")


def test_a_repeating_window_holds_every_week(organization: Organization) -> None:
    monitor = make_monitor(organization)
    weekly: dict[str, Any] = {"kind": "repeating", "expression": "0 3 * * 0", "duration_seconds": 7200}
    window(organization, starts_at=None, ends_at=None, **weekly)
    for week in range(3):
        found = silence(monitor, NOW + week * timedelta(days=7))
        assert found is not None
        assert found.until == NOW + week * timedelta(days=7) + HOUR
    assert silence(monitor, NOW + timedelta(days=1)) is None


def test_monitoring_goes_on_in_maintenance(organization: Organization) -> None:
    monitor = make_monitor(organization)
    window(organization)
    fail(monitor, NOW)
    db.session.refresh(monitor)
    assert monitor.status == "down"
    assert db.session.query(Incident).one().resolved_at is None


# --- dependencies -----------------------------------------------------------------------------------------------


@pytest.fixture
def chain(organization: Organization) -> list[Monitor]:
    """A shop that depends on an API that depends on a database."""
    shop, api, database = (make_monitor(organization, name) for name in ("Shop", "API", "Database"))
    depend(shop, api)
    depend(api, database)
    return [shop, api, database]


def test_what_is_down_upstream_keeps_everything_below_it_quiet(chain: list[Monitor]) -> None:
    shop, api, database = chain
    assert silences.of(chain, NOW) == {}
    fail(database, NOW)
    held = Silence("dependency", "Database is down, and it depends on it", blocked_by=database.id)
    assert silences.of(chain, NOW) == {shop.id: held, api.id: held}
    succeed(database, NOW + HOUR)
    assert silences.of(chain, NOW + HOUR) == {}


def test_an_outage_that_opened_in_this_very_transaction_counts(chain: list[Monitor]) -> None:
    shop, _, database = chain
    with transaction():
        fail(database, NOW)
        assert silence(shop) is not None


def test_whoever_is_resolved_or_paused_keeps_nobody_quiet(chain: list[Monitor]) -> None:
    shop, _, database = chain
    fail(database, NOW)
    monitors.pause(database.id, None, TOKIFLOW, NOW)
    assert silence(shop) is None


def test_a_warning_upstream_is_no_outage(chain: list[Monitor]) -> None:
    shop, _, database = chain
    slow = Incident(
        organization_id=database.organization_id, monitor_id=database.id, class_="performance", kind="degraded",
        status="open", summary="slow", opened_at=NOW, last_opened_at=NOW,
    )  # fmt: skip
    save(slow)
    assert silence(shop) is None


def test_maintenance_is_told_before_a_dependency(chain: list[Monitor], organization: Organization) -> None:
    shop, _, database = chain
    fail(database, NOW)
    window(organization)
    found = silence(shop)
    assert found is not None
    assert found.reason == "maintenance"
    later = silence(shop, NOW + 2 * HOUR)
    assert later is not None
    assert later.reason == "dependency"


# --- what changes -----------------------------------------------------------------------------------------------


@pytest.fixture
def held(organization: Organization) -> Any:
    """`held(monitor, reason)`: a held alert of a failing monitor; the moment at which it is judged again."""

    def make(monitor: Monitor, reason: str) -> FollowUp:
        incident = db.session.query(Incident).filter_by(monitor_id=monitor.id).one()
        return save(
            FollowUp(
                organization_id=organization.id, incident_id=incident.id, kind="held", reason=reason,
                at=NOW + 2 * HOUR, step=0,
            )
        )  # fmt: skip

    return make


@pytest.mark.parametrize("change", ["delete", "end", "shorten", "narrow"])
def test_a_window_that_lets_go_has_what_it_held_judged_at_once(
    organization: Organization, held: Any, change: str
) -> None:
    monitor, planned = make_monitor(organization), window(organization)
    fail(monitor, NOW)
    waiting, other = held(monitor, "maintenance"), held(monitor, "dependency")
    later = NOW + timedelta(minutes=10)
    if change == "delete":
        maintenance.delete(planned, TOKIFLOW, later)
    elif change == "end":
        maintenance.end(planned, TOKIFLOW, later)
    elif change == "shorten":
        maintenance.edit(planned, {"ends_at": NOW + HOUR}, TOKIFLOW, later)
    else:
        maintenance.edit(planned, {"everything": False, "tags": ["none"]}, TOKIFLOW, later)
    db.session.refresh(waiting)
    db.session.refresh(other)
    assert (waiting.at, other.at) == (later, NOW + 2 * HOUR)
    assert (silence(monitor, later) is None) == (change != "shorten")


def test_letting_go_of_a_dependency_has_what_it_held_judged_at_once(chain: list[Monitor], held: Any) -> None:
    shop, _, database = chain
    fail(database, NOW)
    fail(shop, NOW)
    waiting = held(shop, "dependency")
    depend(shop)
    db.session.refresh(waiting)
    assert waiting.at == NOW
    assert silence(shop) is None


# --- how much it costs ------------------------------------------------------------------------------------------


def test_a_thousand_monitors_cost_as_many_statements_as_one(app: Flask, organization: Organization) -> None:
    many = [make_monitor(organization, f"Job {n}", tags=[f"tag {n}"]) for n in range(200)]
    root = make_monitor(organization, "Root")
    with transaction():
        db.session.add_all(MonitorDependency(monitor_id=one.id, depends_on_id=root.id) for one in many)
    fail(root, NOW)
    for n in range(20):
        window(organization, name=f"Window {n}", everything=False, tags=[f"tag {n}"])
    rows = db.session.execute(select(*Monitor.__table__.columns).where(Monitor.name.startswith("Job"))).all()
    with statements() as one:
        silences.of(rows[:1], NOW)
    with statements() as all_of_them:
        found = silences.of(rows, NOW)
    assert len(found) == 200
    assert sum(one.reason == "maintenance" for one in found.values()) == 20
    assert len(one) <= len(all_of_them) <= 4


def test_nothing_asked_costs_nothing(app: Flask) -> None:
    with statements() as sent:
        assert silences.of([], NOW) == {}
    assert sent == []
