"""The end of trouble reaches whoever was told of it: also who hears of it late, and though its monitor is gone. Else a
page stays open, and a card red.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text

from tokiflow.core import ids
from tokiflow.db import among, db
from tokiflow.models import Alert, Incident, Monitor
from tokiflow.services import alerts
from tokiflow.services.news import News

_OWED = text("""
    with again as (
        select id, incident_id, channel_id, alert_id from deliveries where id = any(cast(:ids as uuid[]))
        union all
        select d.id, d.incident_id, d.channel_id, d.alert_id
        from deliveries message join deliveries d on d.summary_id = message.summary_id
        where message.id = any(cast(:ids as uuid[])) and d.memory->>'told_in' = message.id::text
    ), late as (
        select again.incident_id, again.channel_id, max(again.id::text)::uuid as id
        from again join alerts a on a.id = again.alert_id join incidents i on i.id = again.incident_id
        where i.resolved_at is not null and a.kind in ('opened', 'reopened', 'flapping', 'escalated', 'reminder')
        group by again.incident_id, again.channel_id
    )
    select late.incident_id, late.channel_id, ending.id, ending.status
    from late left join lateral (
        select e.id, e.status from deliveries e join alerts a on a.id = e.alert_id
        where e.incident_id = late.incident_id and e.channel_id = late.channel_id and e.id > late.id
            and a.kind = 'resolved' and e.status in ('pending', 'dead')
        order by e.id desc limit 1
    ) ending on true
""")
"""By trouble that is taken up again, by itself or in a summary, and over: the news of its end that is still on its way
to the same channel, or was given up like it. What was sent or told before comes before the trouble, and is none."""


def promise(taken_up: Collection[UUID], now: datetime) -> list[UUID]:
    """These deliveries are sent again. Promise the end of what they tell of, where it is over and nothing says so after
    them; the deliveries that were to say so, and were given up."""
    owed = db.session.execute(_OWED, {"ids": list(taken_up)}).all()
    missing: dict[UUID, list[UUID]] = {}
    for row in owed:
        if row.id is None:
            missing.setdefault(row.incident_id, []).append(row.channel_id)
    if missing:
        found = select(Incident, Monitor).join(Monitor, Monitor.id == Incident.monitor_id)
        found = found.where(among(Incident.id, missing)).order_by(Incident.id)
        news = [
            News(incident, row, "resolved", incident.resolved_at or now) for incident, row in db.session.execute(found)
        ]
        alerts.tell_the_end(news, missing, now)
    return [row.id for row in owed if row.status == "dead"]


_OUTLIVING = text("""
    with ends as (
        select d.id, d.alert_id, d.incident_id, first.memory
        from incidents i join deliveries d on d.incident_id = i.id join alerts a on a.id = d.alert_id
            join lateral (
                select case when e.status = 'sent' then e.memory else '{}' end as memory from deliveries e
                where e.incident_id = d.incident_id and e.channel_id = d.channel_id and e.id < d.id
                    and e.status in ('sent', 'merged')
                order by e.status <> 'sent', e.memory = '{}', e.id limit 1
            ) first on true
        where i.monitor_id = :monitor and d.status = 'pending' and a.kind = 'resolved'
        order by d.id for no key update of d
    ), freed as (
        update deliveries d
        set incident_id = null, summary_id = null, memory = d.memory || jsonb_build_object('thread', ends.memory)
        from ends where d.id = ends.id
    )
    select distinct alert_id, incident_id from ends
""")
"""Each by itself, with what the channel remembers of the first message, which goes with the incident."""


def outlive(monitor_id: UUID) -> None:
    """The monitor is about to be deleted with its incidents: what is still to be said to whoever was told of trouble,
    that it is over, stays and is said."""
    for row in db.session.execute(_OUTLIVING, {"monitor": monitor_id}).all():
        alert = db.session.get_one(Alert, row.alert_id, populate_existing=True)
        alert.incident_id = None
        alert.content = {**alert.content, "incident": ids.public("inc", row.incident_id)}
    db.session.flush()
