"""What a mail provider reports of mails it took before (https://resend.com/docs/dashboard/webhooks/event-types)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tokiflow.db import transaction
from tokiflow.services import bounces, desertions, invitations


def take(event: Mapping[str, Any], now: datetime) -> None:
    """Note a bounce that is for good, or a complaint; any other event is none of ours. Twice is no harm.

    It counts for every organization that writes to the address: it is the mailbox that speaks.
    """
    data = event.get("data")
    if not isinstance(data, Mapping):
        return
    addresses = _addresses(data)
    with transaction():
        if event.get("type") == "email.bounced" and _for_good(data):
            concerned = bounces.bounced(addresses, _reason(data), _at(event, now), now)
            invitations.came_back(addresses, _reason(data), _at(event, now))
        elif event.get("type") == "email.complained":
            concerned = bounces.complained(addresses, _at(event, now), now)
        else:
            return
        for organization_id in sorted(concerned):
            desertions.disable(organization_id, addresses, now)


def _addresses(data: Mapping[str, Any]) -> list[str]:
    to = data.get("to")
    return [one for one in to if isinstance(one, str) and len(one) <= 320] if isinstance(to, list) else []


def _for_good(data: Mapping[str, Any]) -> bool:
    """Resend tells of bounces that pass, too: a mailbox that is full, a server that is away."""
    bounce = data.get("bounce")
    kind = bounce.get("type") if isinstance(bounce, Mapping) else None
    return kind is None or str(kind).lower() == "permanent"


def _reason(data: Mapping[str, Any]) -> str:
    bounce = data.get("bounce")
    said = bounce.get("message") if isinstance(bounce, Mapping) else None
    return str(said) if said else "the mail came back"


def _at(event: Mapping[str, Any], now: datetime) -> datetime:
    """When it happened, never later than now."""
    try:
        at = datetime.fromisoformat(str(event.get("created_at")).replace("Z", "+00:00"))
    except ValueError:
        return now
    return min(at if at.tzinfo else at.replace(tzinfo=UTC), now)
