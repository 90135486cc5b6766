"""Run times drawn: the trend with failures marked, and the small line beside a figure."""

from __future__ import annotations

from collections.abc import Sequence

from tokiflow.core import durations
from tokiflow.models import Run
from tokiflow.web import charts, filters

SPARK = 30
_SAID = {"failed": "failed after {took}", "overran": "{took}, too long"}


def trend(timed: Sequence[Run]) -> charts.Trend | None:
    """Run times, oldest first, in the viewer's zone; runs that went wrong carry their words."""
    return charts.trend([_point(run) for run in timed])


def _point(run: Run) -> charts.Point:
    assert run.duration_ms is not None
    seconds = run.duration_ms / 1000
    said = _SAID.get(run.outcome, "").format(took=durations.words(seconds))
    at = run.at.astimezone(filters.viewer().zone)
    return charts.Point(at, seconds, "failed" if said else "usual", said)


def spark(timed: Sequence[Run]) -> charts.Sparkline | None:
    """The last run times as a line without axes."""
    return charts.sparkline([run.duration_ms / 1000 for run in timed[-SPARK:] if run.duration_ms is not None])
