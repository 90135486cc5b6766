"""A believable message of every kind, to show what would be sent before anything is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tokiflow.channels.message import LINES_LIMIT, LISTED_LIMIT, Listed, Message

_OPENED = datetime(2026, 11, 21, 1, 5, tzinfo=UTC)
_HOME = "https://tokiflow.example/app"
_ID = "01k9zq3v7wexample0000000001"

_MISSED = Message(
    kind="opened",
    dedup_key=f"dlv_{_ID}",
    thread_key=f"inc_{_ID}",
    organization="Harbour Freight",
    monitor_id=f"mon_{_ID}",
    monitor_name="Nightly database backup",
    monitor_url=f"{_HOME}/monitors/mon_{_ID}",
    tags=("db", "prod"),
    incident_id=f"inc_{_ID}",
    incident_kind="missed",
    incident_url=f"{_HOME}/incidents/inc_{_ID}",
    severity="critical",
    summary="Nightly database backup should have pinged by 02:05 in Berlin and was silent",
    reason="No ping came since 20 Nov, 02:03. It was due at 02:00, and 5 min late is fine",
    advice="See whether the machine is up and cron is running there, then run the job by hand and watch its output.",
    opened_at=_OPENED,
    sent_at=_OPENED + timedelta(seconds=1),
    timezone="Europe/Berlin",
    schedule_words="Every day at 02:00 in Berlin",
    because="by the rule “Database”",
)
_FAILED = replace(
    _MISSED,
    incident_kind="failed",
    summary="Nightly database backup failed with exit code 1 after 1 m 44 s",
    reason="The job itself reported exit code 1",
    advice="Read the last lines: the disk is named there. Free some space, then run the job again.",
    last_lines=(
        "2026-11-21 02:01:12 INFO  dumping orders (1,204,118 rows)",
        '2026-11-21 02:01:44 ERROR could not write to "/var/backups/harbour.dump": No space left on device',
        "pg_dump: error: query failed",
    ),
    exit_code=1,
    duration_seconds=104.2,
    environment="production",
)
_TEST = Message(
    kind="test",
    dedup_key=f"dlv_{_ID}",
    thread_key=f"dlv_{_ID}",
    organization="Harbour Freight",
    monitor_id="",
    monitor_name="Tokiflow",
    monitor_url=f"{_HOME}/monitors",
    incident_id="",
    incident_kind="missed",
    incident_url=f"{_HOME}/channels",
    severity="critical",
    summary="This is a test of Pager",
    reason="Alice pressed “Send a test” at 01:05:01 UTC.",
    advice="Nothing is wrong. Alerts will look like this and arrive here.",
    opened_at=_OPENED,
    sent_at=_OPENED,
)
_LATER = timedelta(minutes=30)
_RESOLVED = replace(
    _FAILED, kind="resolved", advice="", exit_code=0, last_lines=("dumped 1,292,428 rows",),
    summary="Nightly database backup succeeded at 11:17 in Berlin after 9 h 12 min of trouble",
    resolved_at=_OPENED + timedelta(hours=9, minutes=12), sent_at=_OPENED + timedelta(hours=9, minutes=12),
)  # fmt: skip
_SUMMARY = replace(
    _TEST, kind="summary", summary="23 monitors are in trouble", incident_url=f"{_HOME}/incidents",
    reason="More than 5 began within a minute, so one message stands for all.",
    advice="Look for what they have in common: a machine, a network, a deployment.",
    listed=tuple(
        Listed(monitor_name=name, summary=summary, status=status, url=f"{_HOME}/incidents/inc_{_ID}", at=_OPENED)
        for name, summary, status in (
            ("Nightly database backup", "missed its 02:05 ping", "down"),
            ("Invoices to the bank", "failed with exit code 2", "down"),
            ("Thumbnails", "is back", "up"),
        )
    ),
    listed_total=23,
)  # fmt: skip

MESSAGES: Mapping[str, Message] = {
    "A ping is missed": _MISSED,
    "A run fails": _FAILED,
    "It is down again": replace(_FAILED, kind="reopened", summary=f"{_FAILED.summary}; it had recovered 4 min before"),
    "It keeps failing and recovering": replace(
        _FAILED, kind="flapping", summary="Nightly database backup failed and recovered 6 times within 40 min",
        advice="Something comes and goes: find what does, or ask for more than one bad run in a row.",
    ),
    "Nobody has acknowledged it": replace(_MISSED, kind="escalated", step=1, sent_at=_OPENED + _LATER),
    "A reminder": replace(_MISSED, kind="reminder", acknowledged_by="Alice", sent_at=_OPENED + _LATER),
    "Somebody is on it": replace(_MISSED, kind="acknowledged", acknowledged_by="Alice", sent_at=_OPENED + _LATER),
    "It is over": _RESOLVED,
    "Many at once": _SUMMARY,
    "A test": _TEST,
}  # fmt: skip
"""By when it is sent."""

# Names may be hostile, and everything as long as it gets.
_LONG = "\"\\ ' {{ x }} <&> … " * 60
HARDEST: tuple[Message, ...] = (
    replace(
        _FAILED, monitor_name=_LONG, summary=_LONG, reason=_LONG, advice=_LONG, organization=_LONG, environment=_LONG,
        tags=(_LONG,) * 20, last_lines=(_LONG,) * LINES_LIMIT, schedule_words=_LONG, because=_LONG,
    ),
    replace(_SUMMARY, listed=(replace(_SUMMARY.listed[0], monitor_name=_LONG, summary=_LONG),) * LISTED_LIMIT),
    replace(_MISSED, tags=(), schedule_words="", because="", advice="", reason=""),
)  # fmt: skip
"""With which a template must cope, too, and which nobody wants to look at."""
