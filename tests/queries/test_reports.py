"""A report says what the pages and the API say, and for five hundred monitors as for one."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.factories import make_monitor
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.queries.test_analytics import down
from tests.services.test_rollups import recorded, rolled_up
from tokiflow.core import ids, stretches
from tokiflow.core.actors import TOKIFLOW
from tokiflow.models import Monitor, Organization
from tokiflow.queries import analytics
from tokiflow.queries import reports as queries
from tokiflow.services import api_keys

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


def busy(organization: Organization, n: int, now: datetime = NOW) -> Monitor:
    chance = random.Random(n)
    monitor = make_monitor(
        organization, f"Job {n}", created_at=now - 80 * DAY, last_ping_at=now, tags=["odd"] * (n % 2)
    )
    for hour in range(0, 24 * 60, 17):
        outcome = chance.choices(["success", "failed", "missed"], [20, 1, 1])[0]
        ms = None if outcome == "missed" else chance.randint(1_000, 90_000)
        recorded(monitor, now - hour * HOUR, outcome=outcome, duration_ms=ms)
    for day in range(0, 60, 9):
        began = now - day * DAY - chance.randint(1, 30) * HOUR
        down(monitor, began, began + chance.randint(1, 600) * MINUTE)
    down(monitor, now - 3 * HOUR, now - HOUR, class_="performance")
    return monitor


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_a_line_is_what_the_monitors_page_is_made_of(organization: Organization, zone: str) -> None:
    made = [busy(organization, n) for n in range(3)]
    rolled_up(NOW)
    for stretch in (stretches.month(date(2026, 10, 1), zone, NOW), stretches.last_days(NOW, zone)):
        found = queries.report(organization.id, "Harbour Freight", "", stretch, NOW)
        assert {one.name for one in found.lines} == {one.name for one in made}
        for line in found.lines:
            figures = analytics.figures([line.monitor_id], stretch.since, stretch.until)[line.monitor_id]
            assert line.uptime == figures.uptime
            assert (line.p95, line.success_rate) == (figures.p95, figures.counts.success_rate)
            assert figures.health is not None
            assert line.score == figures.health.score
            assert sum(one.watched for one in line.days) == pytest.approx(line.uptime.watched)
            assert sum(one.down for one in line.days) == pytest.approx(line.uptime.down)
        assert found.total.uptime.down == pytest.approx(sum(one.down for one in found.total.days))


def test_the_last_thirty_days_are_those_of_the_api(organization: Organization, client: Client) -> None:
    now = datetime.now(UTC)
    monitor = busy(organization, 1, now)
    rolled_up(now)
    key = api_keys.create(organization.id, "ci", ["read"], TOKIFLOW, now).text
    answer = client.get(
        f"/api/v1/monitors/{ids.public('mon', monitor.id)}/stats?period=30d",
        headers={"Authorization": f"Bearer {key}"},
    )
    told = answer.get_json()
    since, until = (datetime.fromisoformat(told[name]) for name in ("since", "until"))
    stretch = stretches.Stretch(since, until, "Europe/Berlin", "the last 30 days")
    (line,) = queries.lines([monitor], stretch)
    assert line.uptime.share == pytest.approx(told["uptime"], abs=1e-6)
    assert line.uptime.down == pytest.approx(told["down_seconds"], abs=1)
    assert line.uptime.outages == told["outages"]
    assert line.uptime.mttr == pytest.approx(told["mttr_seconds"], abs=1)
    assert line.success_rate == told["success_rate"]
    assert line.p95 == pytest.approx(told["duration_seconds"]["p95"])
    assert line.score == told["health"]["score"]
    assert [line.succeeded, line.failed, line.missed] == [told[name] for name in ("succeeded", "failed", "missed")]


def test_a_tag_narrows_it_down(organization: Organization, other_organization: Organization) -> None:
    odd = make_monitor(organization, "Odd", tags=["odd"])
    make_monitor(organization, "Even")
    make_monitor(other_organization, "Theirs", tags=["odd"])
    found = queries.report(organization.id, "Harbour Freight", "odd", stretches.last_days(NOW, "UTC"), NOW)
    assert [one.monitor_id for one in found.lines] == [odd.id]
    assert queries.count(organization.id, "odd") == 1
    assert queries.count(organization.id, "") == 2
    nothing = queries.report(organization.id, "Harbour Freight", "o\x00dd", stretches.last_days(NOW, "UTC"), NOW)
    assert len(nothing.lines) == 1


def test_incidents_are_counted_where_they_began(organization: Organization) -> None:
    monitor = make_monitor(organization, created_at=NOW - 80 * DAY, last_ping_at=NOW)
    october = stretches.month(date(2026, 10, 1), "UTC", NOW)
    down(monitor, october.since - HOUR, october.since + HOUR)
    down(monitor, october.since, october.since + HOUR, class_="performance")
    down(monitor, october.until - HOUR, october.until + HOUR)
    (line,) = queries.lines([monitor], october)
    assert (line.incidents, line.uptime.outages, line.uptime.down) == (2, 2, 7_200)


def test_many_take_as_few_statements_as_one(organization: Organization) -> None:
    stretch, taken = stretches.last_days(NOW, "Europe/Berlin"), []
    for n in (1, 6):
        while queries.count(organization.id, "") < n:
            busy(organization, queries.count(organization.id, ""))
        with statements() as seen:
            queries.report(organization.id, "Harbour Freight", "", stretch, NOW)
        taken.append(len(seen))
    assert taken[0] == taken[1] <= 13
