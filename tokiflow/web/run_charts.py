"""Run times drawn: what the trend's chart, its table and its data say, from queries.analytics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import url_for

from tokiflow.core import durations, ids
from tokiflow.models import Band, Run
from tokiflow.queries import analytics
from tokiflow.queries.analytics import Counts, Point, Trend
from tokiflow.web import filters, findings, trend_chart

MOST = 2000
"""So many points at most go to a program."""

_OUTCOMES = ("missed", "failed", "overran", "running", "succeeded")
_COUNTED = ("succeeded", "failed", "overran", "missed", "running", "anomalies")
_NAMES = {"succeeded": "success"}
_SAID = {"failed": "failed", "overran": "ran too long", "missed": "missed"}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table beside the chart: when, how it ended, how long it took, and what was odd about it."""

    at: datetime
    outcome: str
    words: str
    seconds: float | None
    low: float | None
    high: float | None
    said: str
    url: str


def chart(trend: Trend, days: Sequence[Band]) -> trend_chart.Trend | None:
    """The trend in the viewer's zone. What went wrong or was unlike the usual carries its words."""
    several = trend.step is not None
    points = [_drawn(one, several, trend.until) for one in trend.points if one.counts.expected]
    return _chart(points, days, trend.since, trend.until, what(trend))


def chart_of_runs(found: Sequence[Run], days: Sequence[Band], until: datetime) -> trend_chart.Trend | None:
    """These runs, oldest first, drawn the same way."""
    points = [analytics.of_run(run) for run in found]
    drawn = [_drawn(one, False, until) for one in points if one.counts.expected]
    return _chart(drawn, days, found[0].at if found else until, until, "runs")


def _chart(
    points: Sequence[trend_chart.Point], days: Sequence[Band], since: datetime, until: datetime, what: str
) -> trend_chart.Trend | None:
    first = points[0].at if points else since
    return trend_chart.trend(points, _edges(days, first, until), until.astimezone(_zone()), what)


def what(trend: Trend) -> str:
    """What a point stands for, in the plural: `runs`, `days`, `stretches of 6 hours`."""
    if trend.step is None:
        return "runs"
    hours = round(trend.step / analytics.HOUR)
    return {1: "hours", 24: "days"}.get(hours, f"stretches of {hours} hours")


def _drawn(point: Point, several: bool, until: datetime) -> trend_chart.Point:
    kind: trend_chart.Kind = "usual"
    if point.counts.failed or point.counts.overran:
        kind = "failed"
    elif point.counts.missed:
        kind = "missed"
    elif point.findings or point.counts.anomalies:
        kind = "odd"
    at = min(point.at + (point.until - point.at) / 2, until)
    return trend_chart.Point(
        at.astimezone(_zone()),
        point.seconds,
        kind,
        said(point, several),
        point.low if several else None,
        point.high if several else None,
    )


def said(point: Point, several: bool) -> str:
    """What was odd: of one run its outcome or its finding, of several how many were so. Empty where nothing was."""
    if several:
        return _counted(point.counts)
    outcome = _outcome(point.counts)
    took = durations.words(point.seconds) if point.seconds is not None else ""
    if outcome == "failed":
        return f"failed after {took}" if took else "failed"
    if outcome == "overran":
        return f"{took}, too long" if took else "ran too long"
    if outcome == "missed":
        return "missed"
    return findings.said(point.findings)


def _counted(counts: Counts) -> str:
    """`2 failed and 1 missed of 60 runs`."""
    odd = [f"{getattr(counts, name):,} {word}" for name, word in _SAID.items() if getattr(counts, name)]
    if odd:
        return f"{' and '.join(odd)} of {filters.count(counts.expected, 'run')}"
    return (
        f"{counts.anomalies:,} of {filters.count(counts.expected, 'run')} unlike the usual" if counts.anomalies else ""
    )


def _outcome(counts: Counts) -> str:
    return next((name for name in _OUTCOMES if getattr(counts, name)), "running")


def _zone() -> Any:
    return filters.viewer().zone


def _edges(days: Sequence[Band], since: datetime, until: datetime) -> list[trend_chart.Band]:
    """What was normal, from `since`, or from when anything was known, up to `until`.

    A row tells of the end of its day. Until there is the next, what it tells still holds.
    """
    ends = [(day.day + analytics.DAY, day) for day in days]
    known = [(at, day) for at, day in ends if since <= at < until]
    before = next((day for at, day in reversed(ends) if at < since), None)
    today = next((day for at, day in reversed(ends) if at >= until), None)
    first = [(since, before)] if before else []
    last = [(until, today or (known[-1][1] if known else before))]
    edges = [(at, day) for at, day in [*first, *known, *last] if day]
    return [trend_chart.Band(at.astimezone(_zone()), max(0.0, day.low), day.high) for at, day in edges]


def rows(trend: Trend, monitor_id: UUID) -> list[Row]:
    """The points as a table, the newest first. Several runs lead to the runs of their day."""
    several = trend.step is not None
    return [
        Row(
            point.at,
            "" if several else _NAMES.get(_outcome(point.counts), _outcome(point.counts)),
            f"{point.counts.succeeded:,} of {point.counts.expected:,}" if several else "",
            point.seconds,
            point.low,
            point.high,
            said(point, several),
            _url(point, monitor_id),
        )
        for point in reversed(trend.points)
    ]


def _url(point: Point, monitor_id: UUID) -> str:
    public_id = ids.public("mon", monitor_id)
    if point.run_id:
        return url_for("runs.show", monitor_id=public_id, run_id=ids.public("run", point.run_id))
    return url_for("runs.index", monitor_id=public_id, day=f"{point.at:%Y-%m-%d}")


def data(trend: Trend, days: Sequence[Band], monitor_id: UUID) -> dict[str, Any]:
    """The same for a program: moments as RFC 3339, times in seconds, at most MOST points.

    `step` is what a point stands for, in seconds, or None where each is one run.
    """
    several = trend.step is not None
    points = trend.points[-MOST:]
    first = points[0].at if points else trend.since
    return {
        "monitor": ids.public("mon", monitor_id),
        "period": trend.period.name,
        "since": filters.iso(trend.since),
        "until": filters.iso(trend.until),
        "step": trend.step.total_seconds() if trend.step else None,
        "points": [_point(point, several, monitor_id) for point in points],
        "band": [
            {"at": filters.iso(edge.at), "low": edge.low, "high": edge.high}
            for edge in _edges(days, first, trend.until)
        ],
    }


def _point(point: Point, several: bool, monitor_id: UUID) -> dict[str, Any]:
    found: dict[str, Any] = {
        "at": _precise(point.at),
        "outcome": _NAMES.get(_outcome(point.counts), _outcome(point.counts)),
        "seconds": point.seconds,
        "said": said(point, several),
        "url": _url(point, monitor_id),
    }
    if several:
        counts = {name: getattr(point.counts, name) for name in _COUNTED}
        found |= {"until": _precise(point.until), "low": point.low, "high": point.high, "runs": counts}
    elif point.findings:
        found["findings"] = [dict(one) for one in point.findings]
    return found


def _precise(at: datetime) -> str:
    """With milliseconds where there are some: runs may be that close."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


ENOUGH = 10
"""From so many runs on it is known what is usual."""


def band_note(chart: trend_chart.Trend | None, trend: Trend) -> str:
    """What the band is; without one, what is marked, and when there will be one."""
    if chart and chart.band:
        return "band: what is normal for this job"
    timed = sum(point.counts.succeeded for point in trend.points if point.seconds is not None)
    if chart and timed < ENOUGH:
        return "what is normal is known after ten good runs"
    return "failures are marked"


def note(trend: Trend, words: str) -> str:
    """Why there is no chart, in a sentence that says what helps."""
    ended = sum(point.counts.expected for point in trend.points)
    timed = sum(point.seconds is not None for point in trend.points)
    if not ended:
        return f"No run ended in {words}. A longer period may have some."
    if not timed:
        return "No run told how long it took: ping /start before the job, or use tokiflow run."
    return f"One run in {words} says how long it took. The chart begins with the second."
