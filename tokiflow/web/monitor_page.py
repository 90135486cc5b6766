"""A monitor's page as its templates get it: everything read once, in one constant number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app

from tokiflow.core import durations, ids, rates
from tokiflow.core.runs import Outcome
from tokiflow.models import Channel, Monitor
from tokiflow.queries import analytics, bands, channels, incidents, monitors, runs
from tokiflow.settings import Settings
from tokiflow.web import (
    charts,
    filters,
    happenings,
    metric_charts,
    monitor_figures,
    monitor_list,
    periods,
    quiet,
    run_charts,
    run_views,
    standing,
    trend_chart,
    troubles,
)

RUNS = 10
LATEST = 200
"""So many runs are looked at for what runs now, for the strip and for the numbers that the job sends along."""
INCIDENTS = 5
LIMITED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class Page:
    """What stands on the page, from top to bottom. `limited` says why pings were refused lately, if any were.

    `table` has the points of the trend as rows where the address asks for them; `asked` is what the address says.
    """

    id: str
    asked: periods.Asked
    limited: str
    standing: standing.Standing
    running: Sequence[run_views.Running]
    figures: Sequence[monitor_figures.Figure]
    strip: charts.Strip
    trend: trend_chart.Trend | None
    trend_note: str
    band_note: str
    table: Sequence[run_charts.Row]
    metrics: Sequence[metric_charts.Chart]
    runs: Sequence[run_views.Row]
    incidents: Sequence[troubles.Trouble]
    happenings: Sequence[happenings.Happening]
    facts: Sequence[tuple[str, str]]
    channels: Sequence[Channel]
    quiet: quiet.Quiet


def read(monitor: Monitor, asked: periods.Asked, now: datetime) -> Page:
    """All that the page of `monitor` shows."""
    monitor_id = ids.public("mon", monitor.id)
    latest = runs.latest(monitor.id, LATEST)
    open_runs = [run for run in latest if run.outcome == Outcome.RUNNING and not run.finished_at][:5]
    pings = runs.pings_of_runs(open_runs)
    told = [run for run in latest[::-1] if run.metrics]
    trend = analytics.trend(monitor.id, asked.period, now)
    normal = bands.of(monitor.id, trend.since, told[0].at if told else None)
    drawn = run_charts.chart(trend, normal.get(bands.RUN_TIME, ()))
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
        asked=asked,
        figures=monitor_figures.at_once(trend) if latest else (),
        strip=monitor_list.strip(
            [
                monitors.Tick(run.outcome, run.duration_ms, run.findings is not None)
                for run in latest[: monitor_list.STRIP][::-1]
            ]
        ),
        trend=drawn,
        trend_note="" if drawn else run_charts.note(trend, asked.words),
        band_note=run_charts.band_note(drawn, trend),
        table=run_charts.rows(trend, monitor.id) if asked.table else (),
        metrics=metric_charts.of(told, normal),
        runs=run_views.rows(monitor_id, latest[:RUNS]),
        incidents=troubles.rows(found, now, {}),
        happenings=happenings.of(monitor),
        facts=_facts(monitor, heard),
        channels=heard,
        quiet=quiet.of(monitor, now),
    )


def listeners(monitor: Monitor) -> Sequence[Channel]:
    """The channels that hear of the monitor."""
    own = monitor.own_channels
    found = channels.of_monitor(monitor.id) if own else channels.of_organization(monitor.organization_id)
    return [channel for channel in found if channel.enabled]


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
        ("Last ping", filters.ago(monitor.last_ping_at)),
        ("Pings in all", filters.number(monitor.ping_count)),
        ("Alerts", filters.names(channel.name for channel in heard) or "nobody hears of it"),
    ]
    return [(word, value) for word, value in facts if value]


def _limit() -> str:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    rate = rates.parse(settings.ping_rate)
    # It was limited when they were refused; by now the operator may have lifted that.
    return f"more than {rates.describe(rate)} arrived" if rate else "more arrived than the limit allowed"
