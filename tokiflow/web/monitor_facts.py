"""The monitor of an incident in a few words: what it is, when it runs, how its last runs went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tokiflow.core import durations, ids, schedule
from tokiflow.models import Monitor
from tokiflow.queries import monitors
from tokiflow.queries.monitors import Tick
from tokiflow.web import charts, monitor_list


@dataclass(frozen=True, slots=True)
class MonitorFacts:
    """`grace` and `max_runtime` in words."""

    id: str
    name: str
    status: str
    schedule: str
    grace: str
    max_runtime: str
    last_ping_at: datetime | None
    own_channels: bool
    strip: charts.Strip


def of(monitor: Monitor, ticks: Sequence[Tick], now: datetime) -> MonitorFacts:
    """The facts of `monitor`; `ticks` are its latest runs, oldest first."""
    return MonitorFacts(
        id=ids.public("mon", monitor.id),
        name=monitor.name,
        status=monitors.shown_status(monitor, now).value,
        schedule=schedule.describe(monitor_list.schedule_of(monitor)),
        grace=durations.long(monitor.grace_seconds),
        max_runtime=durations.long(monitor.max_runtime_seconds),
        last_ping_at=monitor.last_ping_at,
        own_channels=monitor.own_channels,
        strip=monitor_list.strip(ticks),
    )
