"""What an alert has to say, as the message that a channel is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tokiflow.channels import Message
from tokiflow.channels.message import Listed
from tokiflow.core import ids, links
from tokiflow.services.claims import Claimed

_PAGES = ("monitors", "incidents", "channels")
_MOMENTS = ("opened_at", "resolved_at", "muted_until")


def of(one: Claimed, public_url: str) -> Message:
    """The message of this delivery. Raises TypeError, KeyError or ValueError if its alert can't be understood."""
    key = ids.public("dlv", one.id)
    return told(
        {"kind": one.alert_kind, **one.content},
        one.incident_id,
        one.organization_id,
        public_url,
        dedup_key=key,
        sent_at=one.claimed_at,
        because=one.because,
        memory=one.memory,
        thread=one.thread,
    )


def told(
    content: Mapping[str, Any],
    incident_id: UUID | None,
    organization_id: UUID,
    public_url: str,
    *,
    dedup_key: str,
    sent_at: datetime,
    **more: Any,
) -> Message:
    """The message that says `content` (services.contents), with what is known only when it is sent. Raises as `of`."""
    known = dict(content)
    monitor = known.pop("monitor", "")
    # What was deleted with its monitor has a name, and no page any more.
    gone = known.pop("incident", "")
    incident = ids.public("inc", incident_id) if incident_id else gone
    group = known.pop("group", "")
    inside = links.within(organization_id, "")
    pages = {page: f"{public_url}/app/{page}{inside}" for page in _PAGES}
    around = pages["incidents" if group or gone else "channels"]
    moments: dict[str, Any] = {name: _moment(known.pop(name, None)) for name in _MOMENTS}
    if moments["muted_until"] and moments["muted_until"] <= sent_at:
        moments["muted_until"] = None
    return Message(
        dedup_key=dedup_key,
        thread_key=incident or group or dedup_key,
        monitor_id=monitor,
        monitor_url=f"{public_url}/app/monitors/{monitor}" if monitor and not gone else pages["monitors"],
        incident_id=incident,
        incident_url=f"{public_url}/app/incidents/{incident}" if incident and not gone else around,
        channels_url=pages["channels"],
        sent_at=sent_at,
        tags=tuple(known.pop("tags", ())),
        last_lines=tuple(known.pop("last_lines", ())),
        lines_before=tuple(known.pop("lines_before", ())),
        runs=tuple((outcome, height) for outcome, height in known.pop("runs", ())),
        listed=tuple(_listed(line, public_url) for line in known.pop("listed", ())),
        **moments,
        **known,
        **more,
    )


def _listed(line: dict[str, Any], public_url: str) -> Listed:
    said = dict(line)
    url = f"{public_url}/app/incidents/{said.pop('incident')}"
    return Listed(**{**said, "url": url, "at": datetime.fromisoformat(said["at"])})


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
