"""Runs, pings and figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokiflow.api import moments
from tokiflow.api.shapes import Schema, flag, identifier, maybe, moment, number, obj, text, whole, word
from tokiflow.core import ids
from tokiflow.core.health import z_score
from tokiflow.core.runs import Outcome
from tokiflow.core.signals import Signal
from tokiflow.models import Ping, Run
from tokiflow.queries.analytics import Figures


def run(row: Run) -> dict[str, Any]:
    """`row` for outsiders."""
    output = {"bytes": row.output_size, "truncated": row.output_cut is not None}
    return {
        "id": ids.public("run", row.id),
        "rid": str(row.rid) if row.rid else None,
        "environment": row.environment or None,
        "started_at": moments.say(row.started_at),
        "finished_at": moments.say(row.finished_at),
        "due_at": moments.say(row.due_at),
        "deadline_at": moments.say(row.deadline_at),
        "duration_seconds": seconds(row.duration_ms),
        "exit_code": row.exit_code,
        "outcome": row.outcome,
        "message": row.message,
        "metrics": row.metrics,
        "output": output if row.output_n is not None else None,
        "unusual": [unusual(one) for one in row.findings or ()],
    }


def unusual(found: Mapping[str, Any]) -> dict[str, Any]:
    """One of a run's findings for outsiders."""
    return {name: found.get(name) for name in _UNUSUAL}


def ping(row: Ping) -> dict[str, Any]:
    """`row` for outsiders."""
    return {
        "n": row.n,
        "at": moments.say(row.at),
        "signal": row.signal,
        "run": ids.public("run", row.run_id) if row.run_id else None,
        "rid": str(row.rid) if row.rid else None,
        "exit_code": row.exit_code,
        "duration_seconds": seconds(row.duration_ms),
        "environment": row.environment or None,
        "message": row.message,
        "progress": row.progress,
        "metrics": row.metrics or {},
        "method": row.method,
        "source": row.source,
        "user_agent": row.user_agent,
        "body_bytes": row.body_size,
    }


def stats(figures: Figures, planned: int, latest: float | None) -> dict[str, Any]:
    """`figures` for outsiders, of a monitor whose schedule `planned` so many runs, and whose `latest` took so long."""
    counts, times, uptime, health = figures.counts, figures.times, figures.uptime, figures.health
    return {
        "since": moments.say(figures.since),
        "until": moments.say(figures.until),
        "planned": planned,
        "finished": counts.succeeded + counts.failed + counts.overran,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "overran": counts.overran,
        "missed": counts.missed,
        "running": counts.running,
        "anomalies": counts.anomalies,
        "success_rate": counts.success_rate,
        "duration_seconds": {
            "mean": times.mean,
            "p50": figures.p50,
            "p95": figures.p95,
            "p99": figures.p99,
            "min": times.shortest,
            "max": times.longest,
            "stddev": times.stddev,
            "latest": latest,
            "z_score": None if latest is None else z_score(latest, times.mean, times.stddev),
        },
        "uptime": uptime.share,
        "down_seconds": uptime.down,
        "outages": uptime.outages,
        "mtbf_seconds": uptime.mtbf,
        "mttr_seconds": uptime.mttr,
        "health": health and {"score": health.score} | {part.name: part.share for part in health.parts},
    }


def seconds(milliseconds: int | None) -> float | None:
    """Seconds, as all durations are outside."""
    return None if milliseconds is None else milliseconds / 1000


_DURATION = maybe(number("How long it took; null if nobody knows.", minimum=0))
_RID = maybe(text("The run id the job gave.", format="uuid"))
_METRICS = {"type": "object", "additionalProperties": number(), "description": "Numbers the job told of itself."}
_UNUSUAL: dict[str, Schema] = {
    "measure": text("`run_time` (seconds), `output_size` (bytes) or `metric:` and its name."),
    "kind": word(["anomaly", "degraded", "shift"], "A shift is a new level, learnt and told once."),
    "direction": word(["low", "high"]),
    "value": maybe(number("What it was.")),
    "usual": maybe(number("The median of those before; before a shift, what it was.")),
    "spread": maybe(number("The standard deviation, robust.")),
    "z": maybe(number("How many of these it is away.")),
    "low": maybe(number("Down to here it is usual.")),
    "high": maybe(number("Up to here it is usual.")),
    "words": text("All of that as a sentence."),
    "accepted_by": maybe(text("Who said that it is not a problem.")),
}
UNUSUAL: Schema = {
    "type": "array",
    "items": obj(_UNUSUAL),
    "description": "What was unlike the usual, with its reason in numbers.",
}
_PROGRESS = obj(
    {
        "percent": maybe(number()),
        "step": maybe(whole()),
        "total": maybe(whole()),
        "name": text(),
        "fraction": maybe(number("0 to 1.")),
        "at": text(),
    }
)
SCHEMAS: dict[str, Schema] = {
    "Run": obj(
        {
            "id": identifier("run"),
            "rid": _RID,
            "environment": maybe(text()),
            "started_at": maybe(moment("Null for a run that never said so, and for a missed one.")),
            "finished_at": maybe(moment()),
            "due_at": maybe(moment("For a missed run: when it was due.")),
            "deadline_at": maybe(moment("When it runs too long.")),
            "duration_seconds": _DURATION,
            "exit_code": maybe(whole()),
            "outcome": word([one.value for one in Outcome]),
            "message": text("The last short message the job sent."),
            "metrics": _METRICS,
            "output": maybe(
                obj({"bytes": whole("How many came.", minimum=0), "truncated": flag("Whether some were left out.")})
            ),
            "unusual": UNUSUAL,
        }
    ),
    "Ping": obj(
        {
            "n": whole("The how-manieth ping of this monitor.", minimum=1),
            "at": moment(),
            "signal": word([one.value for one in Signal]),
            "run": maybe(identifier("run")),
            "rid": _RID,
            "exit_code": maybe(whole()),
            "duration_seconds": maybe(number("What the job said.", minimum=0)),
            "environment": maybe(text()),
            "message": text(),
            "progress": maybe(_PROGRESS),
            "metrics": _METRICS,
            "method": text("The HTTP method."),
            "source": text("The network address it came from."),
            "user_agent": text(),
            "body_bytes": whole("How long its body was, kept or not.", minimum=0),
        }
    ),
    "NewPing": obj(
        {
            "signal": word([one.value for one in Signal], "What it says; `success` if left out."),
            "exit_code": whole("Other than 0, it makes a failure of a success.", minimum=0, maximum=255),
            "duration_seconds": number("How long the job took.", minimum=0, maximum=31_622_400),
            "rid": text("The same for all pings of a run.", format="uuid"),
            "message": text("A short sentence."),
        },
        optional=("signal", "exit_code", "duration_seconds", "rid", "message"),
    ),
    "PingSent": obj({"signal": word([one.value for one in Signal]), "at": moment()}),
    "Stats": obj(
        {
            "since": moment(),
            "until": moment(),
            "planned": whole("Runs that the schedule planned while the monitor was watched.", minimum=0),
            "finished": whole("Runs that ended, or ran too long.", minimum=0),
            "succeeded": whole(minimum=0),
            "failed": whole(minimum=0),
            "overran": whole("Runs that took longer than they may.", minimum=0),
            "missed": whole("Runs that never came.", minimum=0),
            "running": whole("Runs under way.", minimum=0),
            "anomalies": whole("Runs that were unlike the usual.", minimum=0),
            "success_rate": maybe(number("0 to 1 of all that were expected; null if none was.")),
            "duration_seconds": obj(
                {
                    name: maybe(number())
                    for name in ("mean", "p50", "p95", "p99", "min", "max", "stddev", "latest", "z_score")
                },
                description="Of runs that succeeded. Percentiles of more than 500 runs may be off by 2 %. `z_score` is "
                "how many standard deviations the `latest` is above the mean.",
            ),
            "uptime": maybe(number("0 to 1 of the time in which it was watched; null if it never was.")),
            "down_seconds": number("How long it was down.", minimum=0),
            "outages": whole("How often it was down.", minimum=0),
            "mtbf_seconds": maybe(number("Mean time between failures; null without one.")),
            "mttr_seconds": maybe(number("Mean time to recovery; null without a failure.")),
            "health": maybe(
                obj(
                    {
                        "score": whole("uptime × 0.4 + success × 0.3 + performance × 0.3.", minimum=0, maximum=100),
                        "uptime": maybe(number("0 to 1, like the others; null where nothing is known of it.")),
                        "success": maybe(number("The success rate.")),
                        "performance": maybe(number("The share of runs that took as long as usual.")),
                    }
                )
            ),
        }
    ),
}

RUN_EXAMPLE: dict[str, Any] = {
    "id": "run_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "rid": None,
    "environment": None,
    "started_at": "2026-11-20T01:00:00.000Z",
    "finished_at": "2026-11-20T01:02:11.500Z",
    "due_at": None,
    "deadline_at": "2026-11-20T02:00:00.000Z",
    "duration_seconds": 131.5,
    "exit_code": 0,
    "outcome": "success",
    "message": "",
    "metrics": {"rows": 8000},
    "output": {"bytes": 2048, "truncated": False},
    "unusual": [],
}
PING_EXAMPLE: dict[str, Any] = {
    "n": 42,
    "at": "2026-11-20T01:02:11.500Z",
    "signal": "success",
    "run": "run_01jd6m3v9kf8r2t5w8x1y4z7a0",
    "rid": None,
    "exit_code": 0,
    "duration_seconds": None,
    "environment": None,
    "message": "",
    "progress": None,
    "metrics": {"rows": 8000},
    "method": "POST",
    "source": "203.0.113.7",
    "user_agent": "curl/8.5.0",
    "body_bytes": 2048,
}
STATS_EXAMPLE: dict[str, Any] = {
    "since": "2026-10-21T01:02:11.500Z",
    "until": "2026-11-20T01:02:11.500Z",
    "planned": 30,
    "finished": 30,
    "succeeded": 29,
    "failed": 1,
    "overran": 0,
    "missed": 0,
    "running": 0,
    "anomalies": 1,
    "success_rate": 0.9667,
    "duration_seconds": {
        "mean": 130.2, "p50": 131.0, "p95": 140.1, "p99": 141.9, "min": 121.0, "max": 142.3, "stddev": 4.4,
        "latest": 131.5, "z_score": 0.3,
    },
    "uptime": 0.9667,
    "down_seconds": 86400.0,
    "outages": 1,
    "mtbf_seconds": 2505600.0,
    "mttr_seconds": 86400.0,
    "health": {"score": 97, "uptime": 0.9667, "success": 0.9667, "performance": 0.9655},
}  # fmt: skip
