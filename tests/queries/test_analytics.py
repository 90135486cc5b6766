"""What pages draw, against somebody who looks at the runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.factories import make_monitor, save
from tests.house.statements import statements
from tests.services.test_rollups import recorded, rolled_up
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Incident, IncidentEvent, MaintenanceWindow, Monitor, Organization
from tokiflow.queries import analytics, ledgers
from tokiflow.queries.analytics import PERIODS, Silence
from tokiflow.queries.rollups import Counts
from tokiflow.services import audit, monitors, pings

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization, created_at=NOW - 400 * DAY, last_ping_at=NOW)


def down(monitor: Monitor, *turns: datetime, class_: str = "outage") -> Incident:
    """An incident that opened, was resolved, came back and so on at `turns`."""
    over = turns[-1] if len(turns) % 2 == 0 else None
    incident = save(
        Incident(
            id=ids.new(), organization_id=monitor.organization_id, monitor_id=monitor.id, class_=class_, kind="failed",
            status="resolved" if over else "open", opened_at=turns[0], last_opened_at=turns[-1], resolved_at=over,
            reopened=(len(turns) - 1) // 2,
        )
    )  # fmt: skip
    for n, at in enumerate(turns):
        what = "resolved" if n % 2 else ("reopened" if n else "opened")
        save(IncidentEvent(incident_id=incident.id, at=at, last_at=at, what=what))
    return incident


def of(monitor: Monitor, since: datetime = NOW - DAY, until: datetime = NOW) -> analytics.Figures:
    return analytics.figures([monitor.id], since, until)[monitor.id]


def test_few_runs_have_exact_percentiles(monitor: Monitor) -> None:
    times = [1_000, 2_000, 4_000, 8_000, 60_000]
    for n, ms in enumerate(times):
        recorded(monitor, NOW - n * HOUR, duration_ms=ms)
    recorded(monitor, NOW - HOUR, outcome="failed", duration_ms=1)
    rolled_up(NOW)
    found = of(monitor, NOW - DAY, NOW + MINUTE)
    assert [found.p50, found.p95, found.p99] == pytest.approx(np.percentile(times, [50, 95, 99]) / 1000)
    assert found.times.mean == pytest.approx(np.mean(times) / 1000)
    assert found.times.stddev == pytest.approx(np.std(times, ddof=1) / 1000)
    assert found.counts == Counts(succeeded=5, failed=1)
    assert found.counts.success_rate == pytest.approx(5 / 6)


def test_many_runs_are_drawn_by_the_hour_and_few_one_by_one(monitor: Monitor) -> None:
    for n in range(0, 26 * 60, 2):
        recorded(monitor, NOW - n * MINUTE, duration_ms=1_000 + n)
    rolled_up(NOW)
    trend = analytics.trend(monitor.id, PERIODS["24h"], NOW)
    assert trend.step == HOUR
    assert (len(trend.points), trend.points[0].at, trend.points[-1].at) == (
        25,
        NOW - DAY - 30 * MINUTE,
        NOW - 30 * MINUTE,
    )
    assert sum(point.counts.succeeded for point in trend.points) == 720
    point = trend.points[5]
    assert point.low is not None
    assert point.high is not None
    assert point.high - point.low == pytest.approx(0.058)
    assert point.seconds == pytest.approx((point.low + point.high) / 2, rel=0.02)


def test_a_run_drawn_by_itself_tells_what_was_odd(monitor: Monitor) -> None:
    finding = {"measure": "run_time", "kind": "longer"}
    key = recorded(monitor, NOW - HOUR, duration_ms=90_000, findings=[finding])
    recorded(monitor, NOW - 2 * HOUR, outcome="missed", duration_ms=None, finished_at=None)
    missed, odd = analytics.trend(monitor.id, PERIODS["7d"], NOW).points
    assert (missed.counts, missed.seconds) == (Counts(missed=1), None)
    assert (odd.run_id, odd.seconds, odd.findings) == (key, 90.0, [finding])
    assert odd.counts == Counts(succeeded=1, anomalies=1)
    health = of(monitor).health
    assert health is not None
    assert [part.share for part in health.parts] == [1.0, 0.5, 0.0]
    assert health.score == 55


def test_an_incident_that_came_back_was_none_in_between(monitor: Monitor) -> None:
    down(monitor, NOW - 10 * HOUR, NOW - 9 * HOUR, NOW - 8 * HOUR, NOW - 7 * HOUR)
    down(monitor, NOW - 3 * HOUR, NOW - HOUR, class_="performance")
    down(monitor, NOW - 30 * MINUTE)
    down(monitor, NOW - 3 * DAY, NOW - 2 * DAY)
    uptime = of(monitor).uptime
    assert (uptime.down, uptime.outages) == (2.5 * 3600, 3)
    assert uptime.share == pytest.approx(1 - 2.5 / 24)
    assert uptime.mttr == pytest.approx(2.5 * 3600 / 3)


def test_maintenance_is_no_downtime(monitor: Monitor) -> None:
    down(monitor, NOW - 6 * HOUR, NOW - HOUR)
    window = {"organization_id": monitor.organization_id, "everything": True, "created_at": NOW - 9 * DAY}
    save(MaintenanceWindow(name="Once", kind="once", starts_at=NOW - 7 * HOUR, ends_at=NOW - 5 * HOUR, **window))
    nightly = {"kind": "repeating", "expression": "30 11 * * *", "timezone": "UTC", "duration_seconds": 3600}
    save(MaintenanceWindow(name="Each day", **nightly, **window))
    assert of(monitor).uptime.down == 3 * 3600
    save(
        MaintenanceWindow(name="Made since", **{**nightly, "expression": "30 8 * * *"}, **{**window, "created_at": NOW})
    )
    assert of(monitor).uptime.down == 3 * 3600, "what is planned now does not change what was"


def test_time_in_which_it_was_paused_is_left_out(monitor: Monitor) -> None:
    def told(what: str, at: datetime, until: datetime | None = None) -> None:
        after = {"until": until.isoformat() if until else None}
        audit.record(what, TOKIFLOW, monitor.organization_id, at, object_id=monitor.id, object_name="", after=after)

    with transaction():
        told("monitor.paused", NOW - 12 * HOUR)
        told("monitor.resumed", NOW - 11 * HOUR)
        told("monitor.paused", NOW - 6 * HOUR, NOW - 4 * HOUR)
        told("monitor.paused", NOW - HOUR)
    down(monitor, NOW - 5 * HOUR, NOW - 3 * HOUR)
    found = of(monitor)
    assert (found.uptime.watched, found.uptime.down) == (20 * 3600, 3600)
    assert ledgers.planned(monitor, found.watched) == 20


def test_a_new_monitor_is_watched_since_it_was_made(organization: Organization) -> None:
    young = make_monitor(organization, created_at=NOW - 6 * HOUR, last_ping_at=NOW)
    assert of(young).uptime.watched == 6 * 3600
    silent = make_monitor(organization, created_at=NOW - 6 * HOUR)
    assert (of(silent).uptime.share, of(silent).health) == (None, None)


def test_a_monitor_that_waited_for_its_first_ping_is_watched_from_there_on(organization: Organization) -> None:
    waited = make_monitor(organization, created_at=NOW - 90 * DAY)
    for hours in (5, 4, 3, 2, 1):
        at = NOW - hours * HOUR
        pings.record([pings.Incoming(waited.token, Ping(Signal.SUCCESS, at))], at)
    db.session.expire_all()
    found, now = of(waited), NOW - MINUTE
    assert (found.uptime.watched, found.uptime.share) == (5 * 3600, 1)
    ledger = analytics.ledger(waited, NOW - 30 * DAY, now)
    assert (ledger.expected, ledger.ran, ledger.missed) == (5, 5, 0)
    assert ledgers.planned(waited, analytics.figures([waited.id], NOW - 30 * DAY, now)[waited.id].watched) == 5
    assert analytics.ledger(waited, NOW - 3 * HOUR, now).expected == 2


def test_every_day_has_its_figures(monitor: Monitor) -> None:
    recorded(monitor, NOW - 3 * DAY)
    recorded(monitor, NOW - HOUR, outcome="failed")
    down(monitor, NOW.replace(hour=18) - 3 * DAY, NOW.replace(hour=6) - 2 * DAY)
    rolled_up(NOW)
    days = analytics.days(monitor.id, NOW - 3 * DAY, NOW)
    assert [day.at for day in days] == [NOW.replace(hour=0, minute=0) - n * DAY for n in (3, 2, 1, 0)]
    assert [day.counts.succeeded for day in days] == [1, 0, 0, 0]
    assert [day.counts.failed for day in days] == [0, 0, 0, 1]
    assert [day.uptime.down / 60 for day in days] == [5.5 * 60, 6.5 * 60, 0, 0]
    assert days[-1].uptime.watched == 14.5 * 3600


def test_the_ledger_sets_what_was_planned_against_what_ran(organization: Organization) -> None:
    cron: dict[str, Any] = {
        "schedule_kind": "cron",
        "schedule_expression": "0 3 * * *",
        "schedule_timezone": "UTC",
        "grace_seconds": 600,
    }
    nightly = make_monitor(organization, created_at=NOW - 90 * DAY, last_ping_at=NOW, **cron)
    three = NOW.replace(hour=3, minute=0)
    for n in range(30):
        if n not in (10, 20, 21, 22):
            recorded(nightly, three - n * DAY)
    for n in (10, 22):
        missed: dict[str, Any] = {"outcome": "missed", "finished_at": None, "duration_ms": None}
        recorded(nightly, three - n * DAY + 10 * MINUTE, due_at=three - n * DAY, **missed)
    rolled_up(NOW)
    found = analytics.ledger(nightly, NOW - 30 * DAY, NOW)
    assert (found.expected, found.ran, found.missed) == (30, 26, 4)
    assert found.silences == [
        Silence(three - 10 * DAY, three - 9 * DAY, 1),
        Silence(three - 22 * DAY, three - 19 * DAY, 3),
    ]


def test_the_ledger_knows_each_schedule_of_its_time(organization: Organization) -> None:
    monitor = make_monitor(organization, created_at=NOW - 90 * DAY, last_ping_at=NOW, schedule_seconds=86_400)
    midnight = NOW.replace(hour=0, minute=0)
    for days, values in (
        (20, {"schedule": {"kind": "cron", "expression": "0 3 * * *", "timezone": "UTC"}}),
        (15, {"name": "Another name"}),
        (10, {"schedule": {"kind": "cron", "expression": "0 * * * *", "timezone": "UTC"}}),
        (5, {"schedule": {"kind": "every", "seconds": 43_200}}),
    ):
        monitors.edit(monitor.id, values, TOKIFLOW, midnight - days * DAY)
        db.session.expire_all()
        assert analytics.ledger(monitor, midnight - 30 * DAY, midnight - 20 * DAY).expected == 10
    found = analytics.ledger(monitor, midnight - 30 * DAY, midnight)
    assert found.expected == 10 + 10 + 5 * 24 + 5 * 2
    assert analytics.ledger(monitor, midnight - 2 * DAY, midnight).expected == 4
    assert ledgers.planned(monitor, [(midnight - 11 * DAY, midnight - 4 * DAY)]) == 1 + 5 * 24 + 2


def test_a_silence_that_goes_on_has_no_end(monitor: Monitor) -> None:
    recorded(monitor, NOW - 6 * HOUR)
    for n in (5, 4):
        due = NOW - n * HOUR
        recorded(monitor, due + 5 * MINUTE, outcome="missed", due_at=due, finished_at=None, duration_ms=None)
    found = analytics.ledger(monitor, NOW - DAY, NOW)
    assert found.silences == [Silence(NOW - 5 * HOUR, None, 5)]


def test_a_picture_is_all_of_it(monitor: Monitor) -> None:
    for n in range(0, 40 * 24, 3):
        recorded(monitor, NOW - n * HOUR, duration_ms=60_000 + n)
    down(monitor, NOW - 50 * HOUR, NOW - 45 * HOUR)
    rolled_up(NOW)
    for period in PERIODS.values():
        with statements() as sent:
            whole, since = analytics.picture(monitor, period, NOW), period.since(NOW)
        assert len(sent) <= 8, "a page may have twenty"
        alone = of(monitor, since)
        assert whole.figures.counts == alone.counts
        assert (whole.figures.p50, whole.figures.p95) == (alone.p50, alone.p95)
        assert whole.figures.uptime == alone.uptime
        assert whole.trend == analytics.trend(monitor.id, period, NOW)
        assert whole.ledger == analytics.ledger(monitor, since, NOW)
        assert sum(bar.count for bar in whole.bars) == alone.times.count
        assert len(whole.days) == 365
    assert whole.days[-40:] == analytics.days(monitor.id, NOW - 39 * DAY, NOW)


def test_many_monitors_take_as_many_statements_as_one(organization: Organization) -> None:
    several: Sequence[Monitor] = [
        make_monitor(organization, f"Job {n}", created_at=NOW - 9 * DAY, last_ping_at=NOW) for n in range(12)
    ]
    for one in several:
        recorded(one, NOW - HOUR)
        down(one, NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR)
    keys = [one.id for one in several]
    with statements() as sent:
        found = analytics.figures(keys, NOW - DAY, NOW)
    assert len(found) == 12
    assert len(sent) <= 10
