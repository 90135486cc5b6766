"""The run times around an incident of unusual or slower runs, drawn with what is normal."""

from __future__ import annotations

from datetime import datetime, timedelta

from tokiflow.models import Incident, Run
from tokiflow.queries import bands, runs
from tokiflow.web import findings, run_charts, trend_chart

RUNS = 40
AFTER = timedelta(minutes=1)
"""The run that ended it stands on the chart too."""


def of(incident: Incident, now: datetime) -> trend_chart.Trend | None:
    """The last RUNS up to the end of the incident; None for an outage and where no run time was odd. Two statements."""
    if incident.class_ != "performance":
        return None
    until = min(now, incident.resolved_at + AFTER) if incident.resolved_at else now
    found = runs.page(incident.monitor_id, None, RUNS, until=until).items[::-1]
    if not any(_is_odd(run) for run in found):
        return None
    normal = bands.of(incident.monitor_id, found[0].at).get(bands.RUN_TIME, ())
    return run_charts.chart_of_runs(found, [band for band in normal if band.day <= until], until)


def _is_odd(run: Run) -> bool:
    return bool(findings.said(run.findings))
