"""A monitor's page as its templates get it: everything read once, in one constant number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app

from tokiflow.core import durations, ids, rates
from tokiflow.models import Channel, Monitor
from tokiflow.queries import channels, incidents, monitors, runs
from tokiflow.queries.runs import Stats
from tokiflow.settings import Settings
from tokiflow.web import (
    charts,
    filters,
    happenings,
    metric_charts,
    monitor_list,
    quiet,
    run_charts,
    run_views,
    standing,
    troubles,
)

RUNS = 10
INCIDENTS = 5
LIMITED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Page:
    """What stands on the page, from top to bottom. `limited` says why pings were refused lately, if any were."""

    id: str
    limited: str
    standing: standing.Standing
    running: Sequence[run_views.Running]
    figures: Sequence[tuple[str, str, str]]
    strip: charts.Strip
    trend: charts.Trend | None
    spark: charts.Sparkline | None
    metrics: Sequence[metric_charts.Chart]
    runs: Sequence[run_views.Row]
    incidents: Sequence[troubles.Trouble]
    happenings: Sequence[happenings.Happening]
    facts: Sequence[tuple[str, str]]
    channels: Sequence[Channel]
    quiet: quiet.Quiet


def read(monitor: Monitor, now: datetime) -> Page:
    """All that the page of `monitor` shows."""
    monitor_id = ids.public("mon", monitor.id)
    latest = runs.latest(monitor.id, max(RUNS, monitor_list.STRIP))
    open_runs = runs.open_ones(monitor.id)[:5] if monitor.running else []
    pings = runs.pings_of_runs(open_runs)
    timed = runs.recent_durations(monitor.id)
    found = incidents.of_monitor(monitor.id, INCIDENTS)
    heard = listeners(monitor)
    return Page(
        id=monitor_id,
        limited=_limit() if monitor.limited_at and now - monitor.limited_at < LIMITED_WITHIN else "",
        standing=standing.of(
            monitor,
            next((run for run in latest if run.finished_at), None),
            next((one for one in found if one.resolved_at is None), None),
            now,
        ),
        running=run_views.running(monitor, open_runs, pings, now),
        figures=_figures(monitor, runs.stats(monitor.id, now)),
        strip=monitor_list.strip([monitors.Tick(run.outcome, run.duration_ms) for run in latest][::-1]),
        trend=run_charts.trend(timed),
        spark=run_charts.spark(timed),
        metrics=metric_charts.of(runs.recent_metrics(monitor.id)),
        runs=run_views.rows(monitor_id, latest[:RUNS]),
        incidents=troubles.rows(found, now, {}),
        happenings=happenings.of(monitor),
        facts=_facts(monitor, heard),
        channels=heard,
        quiet=quiet.of(monitor, now),
    )


def listeners(monitor: Monitor) -> Sequence[Channel]:
    """The channels that hear of the monitor."""
    all_of_them = channels.of_organization(monitor.organization_id)
    if not monitor.own_channels:
        return [channel for channel in all_of_them if channel.enabled]
    own = set(monitors.own_channels([monitor.id]).get(monitor.id, ()))
    return [channel for channel in all_of_them if channel.id in own and channel.enabled]


def _figures(monitor: Monitor, stats: Stats) -> list[tuple[str, str, str]]:
    expected = stats.finished + stats.missed
    p95 = f"/ {durations.words(stats.p95)}" if stats.p95 is not None else ""
    return [
        ("Success, 30 days", filters.percent(stats.success_rate), f"{stats.succeeded:,} of {expected:,}"),
        ("Run time p50 / p95", filters.duration(stats.p50), p95),
        ("Last ping", filters.ago(monitor.last_ping_at), ""),
        ("Pings in all", filters.number(monitor.ping_count), ""),
    ]


_TOLD = {"off": "are not told", "low": "are told if far off", "normal": "are told", "high": "are told early"}


def _facts(monitor: Monitor, heard: Sequence[Channel]) -> list[tuple[str, str]]:
    """The schedule and the rules, in words."""
    facts = [
        ("Runs", monitor_list.schedule_words(monitor)),
        ("Zone", monitor.schedule_timezone),
        ("Grace", durations.long(monitor.grace_seconds) if monitor.grace_seconds else "none"),
        ("At most", f"{durations.long(monitor.max_runtime_seconds)} a run"),
        ("Early is fine", durations.long(monitor.early_tolerance_seconds) if monitor.early_tolerance_seconds else ""),
        ("Down after", f"{monitor.failures_to_open} bad runs" if monitor.failures_to_open > 1 else ""),
        ("Up after", f"{monitor.successes_to_resolve} good runs" if monitor.successes_to_resolve > 1 else ""),
        ("Overlaps", "" if monitor.overlaps_allowed else "are trouble"),
        ("Output", "kept" if monitor.capture_output else "not kept"),
        ("Unusual runs", _TOLD[monitor.sensitivity]),
        ("Alerts", ", ".join(channel.name for channel in heard) or "nobody hears of it"),
    ]
    return [(word, value) for word, value in facts if value]


def _limit() -> str:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    rate = rates.parse(settings.ping_rate)
    # It was limited when they were refused; by now the operator may have lifted that.
    return f"more than {rates.describe(rate)} arrived" if rate else "more arrived than the limit allowed"
