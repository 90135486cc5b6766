"""Believable messages of every kind: to show what would be sent before anything is wrong, and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from tokiflow.channels.message import LINES_LIMIT, LISTED_LIMIT, Listed, Message

OPENED = datetime(2026, 11, 21, 1, 5, tzinfo=UTC)
GOOD_RUNS = tuple(("success", 0.35 + 0.05 * (n * 7 % 6)) for n in range(23))

_MISSED = Message(
    kind="opened",
    dedup_key="dlv_01k9zq3v7wexample0000000001",
    thread_key="inc_01k9zq3v7wexample0000000001",
    organization="Harbour Freight",
    monitor_id="mon_01k9zq3v7wexample0000000001",
    monitor_name="Nightly database backup",
    monitor_url="https://tokiflow.example/app/monitors/mon_01k9zq3v7wexample0000000001",
    tags=("db", "prod"),
    incident_id="inc_01k9zq3v7wexample0000000001",
    incident_kind="missed",
    incident_url="https://tokiflow.example/app/incidents/inc_01k9zq3v7wexample0000000001",
    severity="critical",
    summary="Nightly database backup should have pinged by 02:05 and has been silent for 23 h 2 min",
    reason="No ping came since 20 Nov, 02:03. It was due at 02:00, and 5 min late is fine",
    advice="See whether the machine is up and cron is running there, then run the job by hand and watch its output.",
    opened_at=OPENED,
    sent_at=OPENED + timedelta(seconds=1),
    timezone="Europe/Berlin",
    schedule_words="Every day at 02:00 in Berlin",
    runs=(*GOOD_RUNS, ("missed", 0.0)),
)
_FAILED = replace(
    _MISSED,
    incident_kind="failed",
    summary="Nightly database backup failed with exit code 1 after 1 m 44 s",
    reason="The job itself reported exit code 1",
    advice="Read the last lines: the disk is named there. Free some space, then run the job again.",
    last_lines=(
        "2026-11-21 02:01:12 INFO  dumping orders (1,204,118 rows)",
        "2026-11-21 02:01:40 INFO  dumping shipments (88,310 rows)",
        "2026-11-21 02:01:44 ERROR could not write to /var/backups/harbour.dump: No space left on device",
        "pg_dump: error: query failed",
    ),
    exit_code=1,
    duration_seconds=104.2,
    environment="production",
    runs=(*GOOD_RUNS, ("failed", 0.2)),
)
_OVERRUN = replace(
    _MISSED,
    incident_kind="overrun",
    summary="Nightly database backup has been running for 30 min 1 s and may take 30 min at most",
    reason="It started at 02:00 and usually takes 3 m 12 s",
    advice="See what it is waiting for: a lock, a slow disk, a network share. If it hangs, stop it and start it again.",
    duration_seconds=1801,
    runs=(*GOOD_RUNS, ("overran", 1.0)),
)
_ANOMALY = replace(
    _MISSED,
    incident_kind="anomaly",
    severity="warning",
    summary="Nightly database backup took 3 s; usually 12 m ± 40 s (z = −18)",
    reason="It runs every day at 02:00 in Berlin. Usual is from 9 m 48 s to 14 m 40 s.",
    advice="Compare this run’s output with the last good one.",
    duration_seconds=3.1,
    runs=(*GOOD_RUNS, ("success", 0.01)),
)
_DEGRADED = replace(
    _ANOMALY,
    incident_kind="degraded",
    summary="Nightly database backup has become slower: the last 6 runs were slower than 95 % of those before, "
    "and the trend is up: 14 m 2 s, 14 m 20 s, 14 m 31 s, 15 m 3 s, 15 m 8 s, 15 m 30 s; usually 12 m",
    reason="It runs every day at 02:00 in Berlin.",
    advice="Look at what has grown: data, neighbours on the machine, or a slower service it depends on.",
    duration_seconds=930.0,
    runs=(*GOOD_RUNS[:18], *(("success", 0.8 + n / 30) for n in range(6))),
)
TROUBLES = {
    "missed": _MISSED,
    "failed": _FAILED,
    "overrun": _OVERRUN,
    "anomaly": _ANOMALY,
    "degraded": _DEGRADED,
}


def message(kind: str = "opened", trouble: str = "missed", **changes: Any) -> Message:
    """A message of this kind about this trouble, one hour before or after nothing in particular."""
    found = replace(TROUBLES[trouble], kind=kind)
    if kind == "resolved":
        back = OPENED + timedelta(hours=9, minutes=12)
        found = replace(
            found,
            resolved_at=back,
            sent_at=back,
            summary="Nightly database backup succeeded at 11:17 after 9 h 12 min of trouble",
            advice="",
            runs=(*found.runs[1:], ("success", 0.5)),
        )
    if kind == "reopened":
        found = replace(found, summary=f"{found.summary}; it had recovered 4 min before")
    if kind == "flapping":
        found = replace(
            found,
            summary="Nightly database backup failed and recovered 6 times within 40 min",
            reason="Until it is quiet for 30 min, one message stands for all of them",
            advice="Something comes and goes: find what does, or ask for more than one bad run in a row.",
            runs=tuple(("failed", 0.3) if n % 3 else ("success", 0.5) for n in range(24)),
        )
    if kind == "test":
        found = replace(
            found,
            incident_id="",
            incident_url="https://tokiflow.example/app/channels",
            monitor_id="",
            monitor_url="https://tokiflow.example/app/monitors",
            monitor_name="",
            summary="This is a test: alerts of Harbour Freight arrive here",
            reason="Alice asked for it on the page of the channel",
            advice="",
            schedule_words="",
            tags=(),
            last_lines=(),
            runs=(),
            exit_code=None,
            duration_seconds=None,
            environment="",
        )
    return replace(found, **changes)


_LONG = "Recompute the lifetime value of every customer of every warehouse and then compare it with last year’s"
_HOSTILE = "<b>Nightly</b> *backup* & _co_ [x](https://evil.example) @everyone <!channel> \u202egnp.exe `rm -rf /`"


def several(total: int, back: int) -> Message:
    """A summary of `total` incidents, of which the last `back` are over."""
    names = ("Nightly database backup", "Invoice e-mails", "Warehouse sync", "Search index rebuild", "Customs import")
    listed = tuple(
        Listed(
            monitor_name=names[n % len(names)] + (f" {n // len(names) + 1}" if n >= len(names) else ""),
            summary="is well again after 12 min" if n >= total - back else f"missed its 02:{n % 60:02} ping",
            url=f"https://tokiflow.example/app/incidents/inc_{n}",
            status="up" if n >= total - back else "down",
            at=OPENED + timedelta(seconds=n),
        )
        for n in range(total)
    )
    summary = f"{total} monitors went down within 2 min" if back < total else f"All {total} monitors are well again"
    return message(
        "summary",
        **dict.fromkeys(("monitor_name", "monitor_id", "incident_id", "reason", "advice", "schedule_words"), ""),
        summary=summary,
        incident_url="https://tokiflow.example/app/incidents",
        listed=listed,
        listed_total=total,
        tags=(),
        runs=(),
        because="by the rule “Everything”",
    )


@cache
def gallery() -> Mapping[str, Message]:
    """Every message worth looking at, by a name for it, in the order in which one would meet them."""
    because, told = "by the rule “Database”", "because it was told of the trouble"
    failed = message("opened", "failed", because=because)
    return {
        "missed": message("opened", "missed", because=because),
        "failed": failed,
        "overrun": message("opened", "overrun", because=because),
        "anomaly": message("opened", "anomaly", because=because),
        "degraded": message("opened", "degraded", because=because),
        "as-usual": message(
            "resolved", "anomaly", because=told, **_over(message("opened", "anomaly")),
            summary="Nightly database backup is as usual again after 9 h 12 min",
        ),
        "reopened": message("reopened", "failed", because=because),
        "flapping": message("flapping", "failed", because=because),
        "escalated": message("escalated", "failed", because="by step 2 of “Database”", step=1),
        "reminder": message("reminder", "failed", because="as “Database” reminds", sent_at=OPENED + timedelta(hours=2)),
        "acknowledged": message("acknowledged", "failed", because=told, acknowledged_by="Bob"),
        "assigned": message("assigned", "failed", because=told, by="Alice", assigned_to="Bob"),
        "muted": message("muted", "failed", because=told, by="Bob", muted_until=OPENED + timedelta(hours=8)),
        "resolved": message("resolved", "failed", because=told, **_over(failed)),
        "by-hand": message(
            "resolved", "failed", because=told, by="Alice", acknowledged_by="Bob", **_over(failed),
            summary="Nightly database backup was resolved by Alice after 9 h 12 min",
        ),
        "summary": several(23, 4),
        "summary-over": several(3, 3),
        "test": message("test", because=""),
        "long": message(
            "opened", "failed", because="by the rule “Everything of every warehouse, at night and at weekends”",
            **dict.fromkeys(("monitor_name", "organization", "environment", "schedule_words"), _LONG),
            summary=f"{_LONG}: exit code 1, 12 runs in a row: “{'x' * 120}”", last_lines=("x" * 300,) * 20,
            tags=tuple(f"tag-{n}" for n in range(20)),
        ),
        "hostile": message(
            "opened", "failed",
            **dict.fromkeys(("monitor_name", "summary", "reason", "organization", "because", "environment"), _HOSTILE),
            last_lines=("```", "<script>alert(1)</script>", "| a | b |", "\x1b[31mred\x1b[0m and 100 % > 2 < 3 & more"),
        ),
    }  # fmt: skip


def _over(began: Message) -> dict[str, Any]:
    return {"lines_before": began.last_lines, "last_lines": (), "exit_code": None, "duration_seconds": None}


_ALWAYS = "by the rule “Database”"
_SOON, _LATER = OPENED + timedelta(minutes=15), OPENED + timedelta(hours=2)

MESSAGES: Mapping[str, Message] = {
    "A ping is missed": message("opened", "missed", because=_ALWAYS),
    "A run fails": message("opened", "failed", because=_ALWAYS),
    "It is down again": message("reopened", "failed", because=_ALWAYS),
    "It keeps failing and recovering": message("flapping", "failed", because=_ALWAYS),
    "Nobody has acknowledged it": message("escalated", "missed", because=_ALWAYS, step=1, sent_at=_SOON),
    "A reminder": message("reminder", "missed", because=_ALWAYS, acknowledged_by="Alice", sent_at=_LATER),
    "Somebody is on it": message("acknowledged", "missed", because=_ALWAYS, acknowledged_by="Alice", sent_at=_SOON),
    "It is over": message("resolved", "failed", because=_ALWAYS, **_over(TROUBLES["failed"])),
    "Many at once": several(23, 4),
    "A test": message("test"),
}
"""One of each kind, by when it is sent."""

# Names may be hostile, and everything as long as it gets.
_HARD = "\"\\ ' {{ x }} <&> … " * 60
HARDEST: tuple[Message, ...] = (
    message(
        "opened", "failed", tags=(_HARD,) * 20, last_lines=(_HARD,) * LINES_LIMIT,
        **dict.fromkeys(("monitor_name", "summary", "reason", "advice", "organization", "environment"), _HARD),
        **dict.fromkeys(("schedule_words", "because"), _HARD),
    ),
    message("summary", listed=(replace(several(1, 0).listed[0], monitor_name=_HARD, summary=_HARD),) * LISTED_LIMIT),
    message("opened", "missed", tags=(), schedule_words="", because="", advice="", reason=""),
)  # fmt: skip
"""With which a template must cope, too, and which nobody wants to look at."""
