"""The address of an e-mail channel as its page shows it: how it stands, since when, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tokiflow.queries.recipients import Standing
from tokiflow.services import recipients

_SHOWN = {
    "confirmed": ("up", "Confirmed", ""),
    "waiting": (
        "new",
        "Waiting for an answer",
        "It was asked whether it wants these mails. Until it says yes, alerts for it wait; look into the spam folder, "
        "too.",
    ),
    "unsubscribed": (
        "paused",
        "Unsubscribed",
        "Nothing is sent there. It can be undone with the link at the end of any of our mails.",
    ),
    "bounced": (
        "down",
        "Bounces",
        "Nothing is sent there. See whether the address is right and the mailbox exists, then ask again.",
    ),
}


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """`mark` and `word` are its status; `advice` what to do. `may_ask`: whether the question can be sent again now."""

    address: str
    mark: str
    word: str
    advice: str
    reason: str
    since: datetime | None
    asks: bool
    may_ask: bool


def of(standing: Sequence[Standing], now: datetime) -> list[RecipientRow]:
    """The rows of a channel's addresses, those that get nothing first."""
    rows = [_row(one, now) for one in standing]
    return sorted(rows, key=lambda row: row.mark == "up")


def _row(one: Standing, now: datetime) -> RecipientRow:
    mark, word, advice = _SHOWN[one.status]
    at = recipients.may_ask_at(one.status, one.asked_at, one.since)
    return RecipientRow(
        address=one.address,
        mark=mark,
        word=word,
        advice=advice,
        reason=one.reason,
        since=one.since,
        asks=one.status != "confirmed",
        may_ask=at is None or at <= now,
    )
