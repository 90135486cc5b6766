"""What a chart of run times draws, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokiflow.api import moments
from tokiflow.api.shapes import Schema, identifier, maybe, moment, number, obj, runs, text, whole
from tokiflow.core import ids
from tokiflow.models import Band
from tokiflow.queries import bands
from tokiflow.queries.analytics import Point, Trend

_COUNTED = ("succeeded", "failed", "overran", "missed", "running", "anomalies")


def trend(found: Trend, normal: Sequence[Band]) -> dict[str, Any]:
    """`found` for outsiders, with what was `normal` day by day."""
    before = bands.at(normal, found.since)
    known = [one for one in normal if one.day >= found.since or one is before]
    return {
        "period": found.period.name,
        "since": moments.say(found.since),
        "until": moments.say(found.until),
        "step_seconds": found.step.total_seconds() if found.step else None,
        "points": [_point(one) for one in found.points],
        "band": [{"day": moments.say(one.day), "low": one.low, "usual": one.usual, "high": one.high} for one in known],
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "at": moments.say(point.at),
        "until": moments.say(point.until),
        "run": ids.public("run", point.run_id) if point.run_id else None,
        "seconds": point.seconds,
        "low": point.low,
        "high": point.high,
        **{name: getattr(point.counts, name) for name in _COUNTED},
        "unusual": [runs.unusual(one) for one in point.findings],
    }


SCHEMAS: dict[str, Schema] = {
    "Trend": obj(
        {
            "period": text("The period that was asked for."),
            "since": moment(),
            "until": moment(),
            "step_seconds": maybe(number("What a point stands for; null where each is one run.")),
            "points": {
                "type": "array",
                "description": "Oldest first.",
                "items": obj(
                    {
                        "at": moment(),
                        "until": moment(),
                        "run": maybe(identifier("run")),
                        "seconds": maybe(number("The run time; of several the median of those that succeeded.")),
                        "low": maybe(number("The shortest of several.")),
                        "high": maybe(number("The longest of several.")),
                        **{name: whole(minimum=0) for name in _COUNTED},
                        "unusual": runs.UNUSUAL,
                    }
                ),
            },
            "band": {
                "type": "array",
                "description": "What was usual when each day ended, in the monitor’s own zone.",
                "items": obj({"day": moment(), "low": number(), "usual": number(), "high": number()}),
            },
        }
    )
}

TREND_EXAMPLE: dict[str, Any] = {
    "period": "30d",
    "since": "2026-10-21T01:02:11.500Z",
    "until": "2026-11-20T01:02:11.500Z",
    "step_seconds": None,
    "points": [
        {
            "at": "2026-11-20T01:00:00.000Z",
            "until": "2026-11-20T01:00:00.000Z",
            "run": runs.RUN_EXAMPLE["id"],
            "seconds": 131.5,
            "low": 131.5,
            "high": 131.5,
            **dict.fromkeys(_COUNTED, 0),
            "succeeded": 1,
            "unusual": [],
        }
    ],
    "band": [{"day": "2026-11-20T00:00:00.000Z", "low": 60.1, "usual": 131.0, "high": 301.0}],
}
