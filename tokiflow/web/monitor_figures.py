"""How a monitor does lately, in four figures. Health and up time take a longer look: they come right after the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tokiflow.core import durations
from tokiflow.core.health import Times
from tokiflow.models import Monitor
from tokiflow.queries import analytics
from tokiflow.queries.analytics import Counts, Trend
from tokiflow.web import filters, periods

Figure = tuple[str, str, str]
"""What it is, how much, and what else there is to say of it."""


def at_once(trend: Trend) -> Sequence[Figure]:
    """What is known together with the trend; the rest is told by the page of insight, or a moment later by `whole`."""
    elsewhere = "see Insight"
    return [("Health", "–", elsewhere), ("Uptime", "–", elsewhere), *_of_runs(trend.counts, trend.times)]


def whole(monitor: Monitor, asked: periods.Asked, now: datetime) -> Sequence[Figure]:
    """All four; none for a job that has not run in all that time."""
    since = asked.period.since(now)
    found, _ = analytics.figures_and_uptimes([monitor], [since, now])[monitor.id]
    if not found.counts.all:
        return []
    health = ("Health", f"{found.health.score}", "of 100") if found.health else ("Health", "–", "not known yet")
    uptime = found.uptime
    down = f"down for {durations.words(uptime.down)}" if uptime.outages else "never down"
    return [
        health,
        ("Uptime", filters.percent(uptime.share), down if uptime.share is not None else "not watched"),
        *_of_runs(found.counts, found.times),
    ]


def _of_runs(counts: Counts, times: Times) -> list[Figure]:
    p50, p95 = times.quantiles(0.5, 0.95)
    succeeded = f"{counts.succeeded:,} of {filters.count(counts.expected, 'run')}" if counts.expected else ""
    return [
        ("Success rate", filters.percent(counts.success_rate), succeeded),
        ("Run time p50 / p95", filters.duration(p50), f"/ {durations.words(p95)}" if p95 is not None else ""),
    ]
