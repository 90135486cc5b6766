"""What a channel is given and what it gives back: plain values, copied out of the database.

A channel never sees a row, so a delivery can wait, be retried and be rendered again with no session open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tokiflow.channels import text

RESPONSE_LIMIT = 2_000
LINES_LIMIT = 20
RUNS_LIMIT = 40
LISTED_LIMIT = 200


def _line(limit: int, default: str | None = None) -> str:
    """A field that is cleaned to one line of at most `limit` characters when the message is made."""
    metadata = {"limit": limit}
    return field(metadata=metadata) if default is None else field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One incident among the many of a summary."""

    monitor_name: str = _line(120)
    summary: str = _line(200)
    """What goes on behind the name: "missed its 02:05 ping"."""
    url: str
    status: str
    """down · late · up (it is over)"""
    at: datetime

    def __post_init__(self) -> None:
        _clean(self)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message about one incident, for one channel; or about many, if it is a summary.

    Texts may hold anything a stranger wrote: they are cleaned here (one line, no control or direction marks,
    bounded length), so no channel can forget to. Escaping for HTML, mrkdwn or JSON stays the channel's work.
    """

    kind: str
    """opened · reopened · flapping · escalated · reminder · acknowledged · muted · unmuted · resolved · summary ·
    test"""
    dedup_key: str = _line(200)
    """The same over all retries of one delivery, different for every other."""
    thread_key: str = _line(200)
    """The same for everything told about one incident."""

    organization: str = _line(80)
    monitor_id: str
    monitor_name: str = _line(120)
    monitor_url: str
    tags: tuple[str, ...] = ()
    incident_id: str
    incident_kind: str
    """missed · overrun · failed · anomaly · degraded"""
    incident_url: str
    channels_url: str = ""
    """Where its organization's people change who is told."""
    severity: str
    """critical · warning"""

    summary: str = _line(400)
    """One sentence: "Nightly backup should have pinged by 02:05 and has been silent for 9 h 12 min"."""
    reason: str = _line(1_000)
    """Why, longer: the schedule in words, the exit code, "took 92 s, at most 60 s"."""
    advice: str = _line(600)
    """What to do, in one or two sentences."""

    opened_at: datetime
    resolved_at: datetime | None = None
    sent_at: datetime
    timezone: str = "UTC"
    """IANA name of the zone in which times are written."""

    last_lines: tuple[str, ...] = ()
    """The job's last lines of output, oldest first."""
    lines_before: tuple[str, ...] = ()
    """Once it is over: what the job had said when the trouble was told."""
    schedule_words: str = _line(300, "")
    runs: tuple[tuple[str, float], ...] = ()
    """The newest runs, oldest first: outcome and height between 0 and 1."""
    environment: str = _line(80, "")
    exit_code: int | None = None
    duration_seconds: float | None = None

    step: int = 0
    """Which step of an escalation this is: 0 for whoever is told at once."""
    because: str = _line(200, "")
    """Why this channel is told, in words: "by the rule “Database”"."""
    acknowledged_by: str = _line(120, "")
    """Who said that they are on it, if somebody has."""
    muted_until: datetime | None = None
    """Until when nobody is told of it; None if it is not muted when the message is written."""
    opened_as: str = ""
    """opened · reopened · flapping: what it is that was muted or unmuted, if that is what is told."""
    by: str = _line(120, "")
    """Who muted, unmuted or resolved it, if that is what is told and a person did."""
    listed: tuple[Listed, ...] = ()
    """The incidents of a summary, those that go on first."""
    listed_total: int = 0
    """How many there are, of which the first 200 are listed."""
    listed_back: int | None = None
    """How many of all are over; None: count those that are listed."""

    thread: Mapping[str, Any] = field(default_factory=dict)
    """What the channel remembers of the first message about the same incident: where to write below."""
    memory: Mapping[str, Any] = field(default_factory=dict)
    """What earlier tries of this very delivery remembered."""

    def __post_init__(self) -> None:
        _clean(self)
        object.__setattr__(self, "listed", self.listed[:LISTED_LIMIT])
        object.__setattr__(self, "tags", tuple(text.line(tag, 40) for tag in self.tags[:20]))
        for name in ("last_lines", "lines_before"):
            lines = getattr(self, name)[-LINES_LIMIT:]
            object.__setattr__(self, name, tuple(text.output(one, 300) for one in lines))
        object.__setattr__(self, "runs", self.runs[-RUNS_LIMIT:])
        object.__setattr__(self, "timezone", _known_zone(self.timezone))

    @property
    def about_incident(self) -> bool:
        """False for a test, which is about the channel itself, and for a summary, which is about many."""
        return self.kind not in ("test", "summary")

    @property
    def back(self) -> int:
        """How many of the incidents of a summary are over."""
        return sum(one.status == "up" for one in self.listed) if self.listed_back is None else self.listed_back

    @property
    def down_seconds(self) -> float | None:
        """How long it was down, in seconds; None while it still is."""
        return (self.resolved_at - self.opened_at).total_seconds() if self.resolved_at else None

    def local(self, at: datetime) -> datetime:
        """`at` in the reader's zone."""
        return at.astimezone(ZoneInfo(self.timezone))


def _clean(message: Any) -> None:
    """Make one bounded line of every text that may hold what a stranger wrote."""
    for name, limit in _limits(type(message)):
        object.__setattr__(message, name, text.line(getattr(message, name), limit))


def _limits(kind: Any) -> tuple[tuple[str, int], ...]:
    """The fields of `kind` that are one line of text, with their limits."""
    if kind not in _LIMITS:
        _LIMITS[kind] = tuple((one.name, one.metadata["limit"]) for one in fields(kind) if "limit" in one.metadata)
    return _LIMITS[kind]


_LIMITS: dict[Any, tuple[tuple[str, int], ...]] = {}


@lru_cache(maxsize=256)
def _known_zone(name: str) -> str:
    """`name`, or UTC if the system doesn't know it: a zone that is gone must not cost an alert."""
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        return "UTC"


@dataclass(frozen=True)
class Receipt:
    """What the other side answered to a delivery that arrived. `response` is kept and shown: no secrets.

    memory: what to know of this message later on, to write below it or to change it. Small, and no secrets.
    refused: addresses that will never take mail, and why.
    """

    status_code: int | None = None
    response: str = ""
    memory: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "response", text.truncate(self.response, RESPONSE_LIMIT))
