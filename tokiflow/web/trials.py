"""A delivery and its tries as pages show them: did it arrive, when, how long it took, what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from tokiflow import channels
from tokiflow.core import ids
from tokiflow.models import Alert, Attempt, Channel, Delivery

EXCERPT = 300
ALLOWANCE = "TOKIFLOW_OUTBOUND_ALLOW"

_TURNS = {
    "opened": "began", "resolved": "is over", "escalated": "goes on, nobody had acknowledged",
    "reminder": "goes on", "acknowledged": "is in somebody’s hands", "flapping": "comes and goes",
    "assigned": "is somebody’s, or nobody’s", "muted": "is muted", "unmuted": "is muted no more",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `answer` is the status that came back, in words; `response` the start of its body."""

    n: int
    at: datetime
    seconds: float
    ok: bool
    answer: str
    response: str
    error: str

    @property
    def refused_as_private(self) -> bool:
        """Whether the guard against private networks stopped it, which only the operator can change."""
        return ALLOWANCE in self.error


@dataclass(frozen=True, slots=True)
class Trial:
    """One delivery. `mark` and `word` are its status; `next_at` is the next try while it is under way.

    together: of how many incidents the message tells that tells of this one; 0 if it is told alone. gathers_until: when
    that message leaves.
    """

    id: str
    channel_id: str
    channel_name: str
    icon: str
    mark: str
    word: str
    status: str
    promised_at: datetime
    sent_at: datetime | None
    next_at: datetime | None
    error: str
    because: str
    tries: tuple[Try, ...]
    together: int = 0
    gathers_until: datetime | None = None

    @property
    def last(self) -> Try | None:
        return self.tries[-1] if self.tries else None

    @property
    def worth_telling(self) -> bool:
        """Whether the tries say more than the line above them: there were several, or something came back."""
        return len(self.tries) > 1 or any(one.response for one in self.tries)


def trial(delivery: Delivery, channel: Channel, attempts: Sequence[Attempt], now: datetime) -> Trial:
    """What is to be shown of `delivery`; `attempts` oldest first."""
    mark, word = _standing(delivery, now)
    return Trial(
        id=ids.public("dlv", delivery.id),
        channel_id=ids.public("chn", channel.id),
        channel_name=channel.name,
        icon=icon(channel.kind),
        mark=mark,
        word=word,
        status=delivery.status,
        promised_at=delivery.created_at,
        sent_at=delivery.sent_at,
        next_at=delivery.next_attempt_at if _waits(delivery, now) else None,
        error=delivery.last_error,
        because=delivery.because[:1].upper() + delivery.because[1:],
        tries=tuple(attempt(one) for one in attempts),
        together=delivery.memory.get("of", 0) if delivery.status in ("merged", "dead") else 0,
        gathers_until=delivery.next_attempt_at if _gathers(delivery) else None,
    )


def arrived(delivery: Delivery) -> bool:
    """Whether it was told, alone or in a summary."""
    return delivery.status in ("sent", "merged") and delivery.sent_at is not None


def attempt(row: Attempt) -> Try:
    """What is to be shown of one attempt."""
    answer = f"HTTP {row.status_code}" if row.status_code else ""
    return Try(row.n, row.at, row.duration_ms / 1000, row.ok, answer, row.response[:EXCERPT], row.error)


def about(alert: Alert) -> tuple[str, str]:
    """What a delivery was about, and where that can be read ("" if nowhere)."""
    if alert.kind == "summary":
        number, back = alert.content["listed_total"], alert.content["listed_back"]
        monitors = f"{number:,} monitors" if number != 1 else "One monitor"
        return f"{monitors} in one message" + (f", {back:,} back" if back else ""), url_for("incidents.index")
    if alert.kind == "test":
        return "A test", ""
    trouble = f"{alert.content.get('monitor_name', 'A monitor')}: trouble {_TURNS.get(alert.news, 'came back')}"
    if alert.incident_id is None:
        return trouble, ""  # its incident was deleted with the monitor
    return trouble, url_for("incidents.show", incident_id=ids.public("inc", alert.incident_id))


def icon(kind: str) -> str:
    """The icon of a kind of channel."""
    return channels.get(kind).icon


def where(channel: Channel) -> str:
    """Where it sends, without secrets: "alice@harbour.example"."""
    return channels.get(channel.kind).describe(channel.config)


def _waits(delivery: Delivery, now: datetime) -> bool:
    """Whether it is to be tried later, and not merely when its turn comes."""
    put_off = delivery.attempts > 0 or delivery.waits_for_host != ""
    return delivery.status == "pending" and put_off and delivery.next_attempt_at > now


def _standing(delivery: Delivery, now: datetime) -> tuple[str, str]:
    if arrived(delivery):
        return "up", "Sent"
    if delivery.status == "dead":
        return "down", "Given up"
    if delivery.status == "merged":
        return "running", "Sending"
    if _gathers(delivery):
        return "new", "Gathering"
    if delivery.lease_until and delivery.lease_until > now:
        return "running", "Sending"
    if delivery.waits_for_host:
        return "late", "No answer"
    return ("late", "Trying again") if delivery.attempts else ("new", "Waiting")


def _gathers(delivery: Delivery) -> bool:
    return delivery.status == "pending" and delivery.summary_id is not None and delivery.incident_id is not None
