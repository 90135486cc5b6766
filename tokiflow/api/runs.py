"""What a monitor's job has done: pings, runs, their output, figures."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Response, request

from tokiflow import errors
from tokiflow.api import access, answers, moments, parameters
from tokiflow.api.operations import V1, Answer, Operations
from tokiflow.api.shapes import runs as shapes
from tokiflow.api.shapes import trends
from tokiflow.core import ids
from tokiflow.queries import analytics, bands, ledgers, runs
from tokiflow.services import outputs

operations = Operations("Runs")
MONITOR = f"{V1}/monitors/<monitor_id>"
ONE = f"{MONITOR}/runs/<run_id>"

DAYS = parameters.whole("days", "How many days to look back.", 1, 366, 30)
PERIOD = parameters.word(
    "period", "How far to look back, as on the monitor’s page; instead of days.", list(analytics.PERIODS)
)
SHOWN = parameters.word(
    "period", "How far to look back, as on the monitor’s page; 30 days if left out.", list(analytics.PERIODS)
)


@operations.get(
    f"{MONITOR}/pings",
    "pings.list",
    Answer("Pings, newest first.", "PingPage", {"items": [shapes.PING_EXAMPLE], "next": None}),
    query=parameters.PAGING,
)
def pings(monitor_id: str) -> Response:
    """List a monitor's pings. Newest first."""
    monitor = access.monitor(monitor_id)
    page = runs.pings(monitor.id, parameters.CURSOR.value(), parameters.LIMIT.value())
    return answers.page(page, shapes.ping)


@operations.get(
    f"{MONITOR}/runs",
    "runs.list",
    Answer("Runs, newest first.", "RunPage", {"items": [shapes.RUN_EXAMPLE], "next": None}),
    query=parameters.PAGING,
)
def index(monitor_id: str) -> Response:
    """List a monitor's runs. Newest first; an occurrence that passed in silence is a run, too (`missed`)."""
    monitor = access.monitor(monitor_id)
    page = runs.page(monitor.id, parameters.CURSOR.value(), parameters.LIMIT.value())
    return answers.page(page, shapes.run)


@operations.get(ONE, "runs.read", Answer("The run.", "Run", shapes.RUN_EXAMPLE))
def show(monitor_id: str, run_id: str) -> Response:
    """Read a run."""
    return answers.ok(shapes.run(access.run(monitor_id, run_id)))


@operations.get(
    f"{ONE}/output",
    "runs.output",
    Answer("The bytes as they came; where some were left out, a line says so.", media_type="application/octet-stream"),
)
def output(monitor_id: str, run_id: str) -> Response:
    """Read what a run printed. 404 if nothing was kept; 503 if it lies in a store that can’t be reached now."""
    run = access.run(monitor_id, run_id)
    found = outputs.read(run)
    if found is None:
        raise errors.NotFound("Nothing was kept of what this run printed.")
    response = Response(found.with_mark(), content_type="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="{ids.public("run", run.id)}.txt"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@operations.get(
    f"{MONITOR}/stats", "monitors.stats", Answer("The figures.", "Stats", shapes.STATS_EXAMPLE), query=(PERIOD, DAYS)
)
def stats(monitor_id: str) -> Response:
    """Read a monitor's figures. Of a `period` as on its page, or of as many `days` as you ask for, else of 30 days."""
    monitor = access.monitor(monitor_id)
    now = moments.now()
    since = _since(now)
    figures = analytics.figures([monitor.id], since, now)[monitor.id]
    latest = analytics.latest(monitor.id, since, now)
    return answers.ok(shapes.stats(figures, ledgers.planned(monitor, figures.watched), latest))


@operations.get(
    f"{MONITOR}/trend", "monitors.trend", Answer("The trend.", "Trend", trends.TREND_EXAMPLE), query=(SHOWN,)
)
def trend(monitor_id: str) -> Response:
    """Read what the chart of run times draws. Each run where they are up to 500, else an hour, six hours or a day a
    point; with the band of what is usual."""
    monitor = access.monitor(monitor_id)
    period = analytics.PERIODS[SHOWN.value() or "30d"]
    found = analytics.trend(monitor.id, period, moments.now())
    return answers.ok(trends.trend(found, bands.of(monitor.id, found.since).get(bands.RUN_TIME, ())))


def _since(now: datetime) -> datetime:
    period = analytics.PERIODS.get(PERIOD.value())
    if period is None:
        return now - timedelta(days=DAYS.value())
    if request.args.get(DAYS.name):
        raise errors.Invalid({"days": ["can’t be combined with period; leave one of them out"]})
    return period.since(now)
