from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.factories import make_monitor, save
from tokiflow.core import ids
from tokiflow.models import Monitor, Organization, Run
from tokiflow.queries import monitors
from tokiflow.queries.monitors import Tick

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def ran(monitor: Monitor, outcome: str, hours_ago: int, duration_ms: int | None = None, **more: object) -> None:
    at = NOW - timedelta(hours=hours_ago)
    save(
        Run(
            id=ids.new(), monitor_id=monitor.id, at=at, finished_at=at, outcome=outcome, duration_ms=duration_ms, **more
        )
    )  # fmt: skip


def test_each_strip_is_of_its_own_monitor_the_newest_last(organization: Organization) -> None:
    backup, invoices, silent = (make_monitor(organization, name) for name in ("Backup", "Invoices", "Silent"))
    ran(backup, "failed", 1)
    ran(backup, "success", 3, 5000)
    ran(backup, "success", 2, 7000, findings=[{"kind": "anomaly"}])
    ran(invoices, "missed", 5)
    assert monitors.strips([backup.id, invoices.id, silent.id]) == {
        backup.id: [Tick("success", 5000), Tick("success", 7000, unusual=True), Tick("failed", None)],
        invoices.id: [Tick("missed", None)],
        silent.id: [],
    }
    assert monitors.strips([backup.id], length=1)[backup.id] == [Tick("failed", None)]
    assert monitors.strips([]) == {}
