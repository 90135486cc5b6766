"""What an alert has to say, as the message that a channel is given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tokiflow.channels import Message
from tokiflow.channels.message import Listed
from tokiflow.core import ids, links
from tokiflow.services.claims import Claimed


def of(one: Claimed, public_url: str) -> Message:
    """The message of this delivery. Raises TypeError, KeyError or ValueError if its alert can't be understood."""
    content = dict(one.content)
    incident = ids.public("inc", one.incident_id) if one.incident_id else ""
    monitor = content.pop("monitor", "")
    pages = {name: public_url + links.within(one.organization_id, f"/app/{name}") for name in ("monitors", "channels")}
    return Message(
        kind=one.alert_kind,
        dedup_key=ids.public("dlv", one.id),
        thread_key=incident or ids.public("dlv", one.id),
        monitor_id=monitor,
        monitor_url=f"{public_url}/app/monitors/{monitor}" if monitor else pages["monitors"],
        incident_id=incident,
        incident_url=f"{public_url}/app/incidents/{incident}" if incident else pages["channels"],
        channels_url=pages["channels"],
        opened_at=datetime.fromisoformat(content.pop("opened_at")),
        resolved_at=_moment(content.pop("resolved_at", None)),
        sent_at=one.claimed_at,
        tags=tuple(content.pop("tags", ())),
        last_lines=tuple(content.pop("last_lines", ())),
        runs=tuple((outcome, height) for outcome, height in content.pop("runs", ())),
        listed=tuple(_listed(line) for line in content.pop("listed", ())),
        because=one.because,
        memory=one.memory,
        thread=one.thread,
        **content,
    )


def _listed(line: dict[str, Any]) -> Listed:
    return Listed(**{**line, "at": datetime.fromisoformat(line["at"])})


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
