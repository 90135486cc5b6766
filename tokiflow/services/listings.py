"""What a summary says: which incidents it is about, those that go on first, and how many of them are over."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from tokiflow.channels.message import LISTED_LIMIT
from tokiflow.core import durations, ids
from tokiflow.core.grouping import Limits
from tokiflow.db import db
from tokiflow.services import contents

AT_ONCE = timedelta(seconds=2)
ADVICE = "Look first for what they share: a machine, a network, a database."

_INCIDENTS = text("""
    with members as (
        select incident_id, bool_or(id = any(cast(:fresh as uuid[])) and kind <> 'resolved') as fresh
        from (
            select d.incident_id, d.id, a.kind from deliveries d join alerts a on a.id = d.alert_id
            where d.summary_id = :summary and d.incident_id is not null
        ) one group by incident_id
    )
    select i.id, i.kind, i.summary, i.class as class_, i.class = 'outage' as critical, i.last_opened_at,
        i.resolved_at, i.resolved_by, i.resolved_by_person,
        m.name, m.schedule_timezone,
        count(*) over () as total, count(i.resolved_at) over () as back, count(*) filter (where fresh) over () as fresh,
        min(i.last_opened_at) over () as first_at, max(i.last_opened_at) over () as last_at,
        bool_or(i.class = 'outage') over () as any_critical
    from members join incidents i on i.id = members.incident_id join monitors m on m.id = i.monitor_id
    order by i.resolved_at is not null, not members.fresh, i.class, i.last_opened_at desc, i.id limit :most
""")
"""Those that go on, the new ones first, then what is over."""


def of(
    summary_id: UUID, organization_id: UUID, fresh: Collection[UUID], sent: int, reason: str, limits: Limits
) -> dict[str, Any] | None:
    """The content of the next message of a summary, of which `sent` have left; `fresh` are the deliveries that it is
    the first to tell of. Its form is `channels.message.Message`'s. None: none of its incidents is left."""
    given = {"summary": summary_id, "fresh": list(fresh), "most": LISTED_LIMIT}
    rows = db.session.execute(_INCIDENTS, given).all()
    if not rows:
        return None
    organization = db.session.execute(_ORGANIZATION, {"id": organization_id}).scalar_one()
    total, back = rows[0].total, rows[0].back
    return {
        "organization": organization,
        "group": ids.public("sum", summary_id),
        "monitor_name": "",
        "incident_kind": "",
        "severity": "critical" if rows[0].any_critical else "warning",
        "summary": _sentence(rows[0], sent),
        "reason": why(reason, limits),
        "advice": ADVICE if back < total else "",
        "opened_at": rows[0].first_at.isoformat(),
        "timezone": _timezone(rows),
        "listed": [_listed(row) for row in rows],
        "listed_total": total,
        "listed_back": back,
    }


_ORGANIZATION = text("select name from organizations where id = :id")


def why(reason: str, limits: Limits) -> str:
    """Why many are told in one message, in a sentence."""
    if reason == "rate" and limits.per_hour:
        return f"More than {_messages(limits.per_hour)} an hour to this channel are told together."
    window = durations.long(limits.window.total_seconds())
    return f"More than {_messages(limits.after or 1)} within {window} are told together."


def _messages(number: int) -> str:
    return f"{number:,} messages" if number != 1 else "one message"


def _sentence(row: Row[Any], sent: int) -> str:
    """`23 monitors had trouble within 12 s` first, then `4 more had trouble; 17 of 27 are well again`."""
    if row.back == row.total:
        return f"All {row.total:,} are well again" if row.total > 1 else "It is well again"
    parts = []
    if not sent:
        parts.append(f"{_monitors(row.total)} had trouble{_within(row.last_at - row.first_at)}")
    elif row.fresh:
        parts.append(f"{row.fresh:,} more had trouble")
    if row.back:
        parts.append(f"{row.back:,} of {row.total:,} {'is' if row.back == 1 else 'are'} well again")
    going = row.total - row.back
    return "; ".join(parts) or f"{going:,} of {row.total:,} still {'has' if going == 1 else 'have'} trouble"


def _within(span: timedelta) -> str:
    return " at once" if span < AT_ONCE else f" within {durations.words(math.ceil(span.total_seconds()))}"


def _monitors(number: int) -> str:
    return f"{number:,} monitors" if number != 1 else "One monitor"


def _listed(row: Any) -> dict[str, Any]:
    at: datetime = row.resolved_at or row.last_opened_at
    return {
        "monitor_name": row.name,
        "summary": contents.predicate(row),
        "incident": ids.public("inc", row.id),
        "status": "up" if row.resolved_at else "down" if row.critical else "late",
        "at": at.isoformat(),
    }


def _timezone(rows: Sequence[Row[Any]]) -> str:
    """The zone that most of them are in."""
    ((zone, _),) = Counter(row.schedule_timezone or "UTC" for row in rows).most_common(1)
    return str(zone)
