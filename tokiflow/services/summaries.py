"""One message for many: what a channel is spared when much goes wrong at once, and how it still hears of all of it.

What is held back stays a pending delivery, with the summary that it will be told in, until that leaves. Then it is
merged in the transaction that promises the message: at any moment each is promised by exactly one row, so whoever dies
loses nothing. The message itself is a delivery like any other, with its lease, its tries and its key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, cast, insert, null, text
from sqlalchemy.dialects.postgresql import JSONB

from tokiflow.core import grouping, ids
from tokiflow.core.grouping import Gathered, Limits, News
from tokiflow.db import db, on_commit
from tokiflow.models import Alert, Delivery, Summary
from tokiflow.queue import Job, enqueue
from tokiflow.services import listings

SWEPT_AT_MOST = 5_000
BELL = timedelta(seconds=5)
"""One that waits is due when the summary leaves, and takes the others along. They are due so much later, in case it is
gone by then: else many workers would take up a thousand just to put them down again."""


@dataclass
class _Busy:
    """A channel with limits that has something to be told, and how it stands. It is ours until the commit."""

    row: Row[Any]
    summary: Row[Any] | None = None
    waiting: dict[UUID, Row[Any]] = field(default_factory=dict)
    came: list[News] = field(default_factory=list)
    messages: list[datetime] = field(default_factory=list)

    @property
    def limits(self) -> Limits:
        return Limits(self.row.group_after, timedelta(seconds=self.row.group_window_seconds), self.row.rate_per_hour)


def hold_back(ready: Sequence[Row[Any]], now: datetime) -> set[UUID]:
    """Those of `ready` (pending, and locked by the caller) that don't go out by themselves: they wait for a summary,
    are merged into one, or another worker is sorting what goes to their channel.

    Takes no statement where no channel has limits, and else a handful, whatever the number of deliveries.
    """
    limited = [row for row in ready if row.incident_id and not (row.group_after is None and row.rate_per_hour is None)]
    if not limited:
        return set()
    held = {row.id for row in limited}
    busy = _taken_up(limited, now)
    for channel in busy.values():
        mine = {row.id: row for row in limited if row.channel_id == channel.row.id}
        held -= mine.keys() - _gather(channel, mine, now)
    return held


def ended(ends: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Messages of summaries were sent, or given up: so was all that they were to tell of. `ends` are as in
    services.tries. Called inside the recording transaction."""
    over = [end for end in ends if end["status"] in ("sent", "dead")]
    if over:
        rows = [{name: str(end[name]) for name in ("id", "status", "error")} for end in over]
        db.session.execute(_ENDED, {"rows": json.dumps(rows), "now": now})


def left() -> dict[str, Any]:
    """What an update of deliveries sets for those that somebody wants told by themselves, whatever became of the
    summary that was to tell them. A summary's own message stays what it is."""
    own = Delivery.incident_id.is_not(None)
    alone = Delivery.memory.op("-")(TOLD_IN).op("-")(OF).op("||")(cast({ALONE: True}, JSONB))
    return {
        "summary_id": case((own, null()), else_=Delivery.summary_id),
        "memory": case((own, alone), else_=Delivery.memory),
    }


TOLD_IN, OF, ALONE = "told_in", "of", "alone"
"""In the memory of a merged delivery: the delivery that told it, and of how many that told. And that it goes alone."""

_ENDED = text("""
    update deliveries d
    set status = case when v.status = 'sent' then 'merged' else 'dead' end, last_error = v.error,
        sent_at = case when v.status = 'sent' then :now else d.sent_at end
    from json_to_recordset(cast(:rows as json)) as v (id uuid, status text, error text)
        join deliveries message on message.id = v.id
    where d.summary_id = message.summary_id and d.memory->>'told_in' = v.id::text and d.status in ('merged', 'dead')
""")


def _taken_up(limited: Sequence[Row[Any]], now: datetime) -> dict[UUID, _Busy]:
    """Those of the channels that nobody else is sorting, with what waits for them and what they were told lately."""
    found = db.session.execute(_CHANNELS, {"ids": sorted({row.channel_id for row in limited})})
    busy = {row.id: _Busy(row) for row in found}
    if not busy:
        return busy
    for row in db.session.execute(_SUMMARIES, {"ids": list(busy)}):
        busy[row.channel_id].summary = row
    news = [row for row in limited if row.channel_id in busy and not _waits_already(row, busy[row.channel_id])]
    if news:
        oldest = {row.channel_id: row.id for row in sorted(news, key=lambda row: row.id, reverse=True)}
        given = {"ids": list(oldest), "oldest": list(oldest.values()), "kinds": list(grouping.NEWS)}
        strays = [row.id for row in news if row.summary_id]
        for row in db.session.execute(_WAITING, {**given, "strays": strays, "now": now, "most": SWEPT_AT_MOST}):
            busy[row.channel_id].waiting[row.id] = row
        for row in db.session.execute(_CAME, given):
            busy[row.channel_id].came.append(News(row.id, row.at))
    if any(one.limits.per_hour for one in busy.values()):
        for row in db.session.execute(_MESSAGES, {"ids": list(busy), "now": now}):
            busy[row.channel_id].messages.append(row.at)
    return busy


def _waits_already(row: Row[Any], channel: _Busy) -> bool:
    return channel.summary is not None and row.summary_id == channel.summary.id


_CHANNELS = text("""
    select id, organization_id, group_after, group_window_seconds, rate_per_hour from channels
    where id = any(cast(:ids as uuid[])) order by id for no key update skip locked
""")
"""Who holds a channel sorts what goes to it; others leave it alone for this turn."""

_SUMMARIES = text("""
    select s.id, s.channel_id, s.sent, s.last_at, s.reason, waiting.*
    from summaries s cross join lateral (
        select count(*) as number, min(d.created_at) as since,
            min(d.created_at) filter (where i.class = 'outage' and a.kind <> 'resolved') as critical_since
        from deliveries d join alerts a on a.id = d.alert_id join incidents i on i.id = d.incident_id
        where d.summary_id = s.id and d.status = 'pending'
    ) waiting
    where s.channel_id = any(cast(:ids as uuid[])) and s.closed_at is null
""")

_WAITING = text("""
    select d.id, d.channel_id, d.incident_id, d.created_at, i.class = 'outage' and a.kind <> 'resolved' as critical,
        case when a.kind = 'resolved' then (
            select e.summary_id from deliveries e
            where e.incident_id = d.incident_id and e.channel_id = d.channel_id and e.id < d.id
                and e.summary_id is not null
            order by e.id desc limit 1
        ) else d.summary_id end as joins
    from unnest(cast(:ids as uuid[]), cast(:oldest as uuid[])) as c (id, oldest)
        join deliveries d on d.channel_id = c.id and d.id >= c.oldest
        join alerts a on a.id = d.alert_id join incidents i on i.id = d.incident_id
    where d.status = 'pending' and d.attempts = 0 and a.kind = any(:kinds)
        and (d.summary_id is null or d.id = any(cast(:strays as uuid[]))) and not jsonb_exists(d.memory, 'alone')
        and (d.lease_until is null or d.lease_until <= :now)
        and not exists (
            select from deliveries e
            where e.incident_id = d.incident_id and e.channel_id = d.channel_id and e.id < d.id
                and e.status = 'pending' and e.attempts > 0
        )
    order by d.id limit :most
    for no key update of d skip locked
""")
"""A recovery whose trouble is still on its way by itself waits for that, as ever."""

_CAME = text("""
    select c.id as channel_id, one.id, one.at
    from unnest(cast(:ids as uuid[]), cast(:oldest as uuid[])) as asked (id, oldest)
        join channels c on c.id = asked.id cross join lateral (
        (
            select d.id, d.created_at as at from deliveries d join alerts a on a.id = d.alert_id
            where d.channel_id = c.id and d.id < asked.oldest and a.kind = any(:kinds)
            order by d.id desc limit coalesce(c.group_after, 0)
        ) union all (
            select d.id, d.created_at from deliveries d join alerts a on a.id = d.alert_id
            where d.channel_id = c.id and d.id >= asked.oldest and a.kind = any(:kinds)
        )
    ) one
    order by c.id, one.id
""")

_MESSAGES = text("""
    select c.id as channel_id, one.at from channels c cross join lateral (
        select coalesce(d.sent_at, :now) as at from deliveries d join alerts a on a.id = d.alert_id
        where d.channel_id = c.id and a.kind <> 'test'
            and (d.status = 'sent' or (d.status = 'pending' and (d.attempts > 0 or a.kind = 'summary')))
        order by d.id desc limit c.rate_per_hour
    ) one
    where c.id = any(cast(:ids as uuid[])) and c.rate_per_hour is not null
""")


def _gather(channel: _Busy, mine: Mapping[UUID, Row[Any]], now: datetime) -> set[UUID]:
    """Gather what does not go alone, and let it leave if it is time; those that stay behind, or left, so."""
    waiting = channel.waiting
    joining = {id for id, row in waiting.items() if row.joins}
    found = grouping.sort_out(channel.came, waiting.keys(), joining, channel.messages, channel.limits, now)
    alone = {waiting[id].incident_id for id in found.alone if isinstance(id, UUID)}
    together = [waiting[id] for id in found.together if isinstance(id, UUID)]
    # A recovery never overtakes the trouble that goes alone before it.
    together = [row for row in together if row.incident_id not in alone]
    already = {id for id, row in mine.items() if _waits_already(row, channel)}
    if not together and not already:
        return set()
    summary_id, gathered = _joined(channel, together, found.reason, now)
    due = grouping.leaves_at(gathered, channel.messages, channel.limits, now)
    bells = {*already, *(row.id for row in together[:1])}
    held = {row.id for row in together} | already
    _wait(summary_id, {id: due if id in bells else due + BELL for id in held})
    return held if due > now else held - _leave(channel, summary_id, gathered.sent, now)


def _joined(channel: _Busy, together: Sequence[Row[Any]], reason: str, now: datetime) -> tuple[UUID, Gathered]:
    """The summary that tells `together`, and all that waits for it with them."""
    summary = channel.summary
    over = summary is not None and not summary.number and grouping.another(summary.last_at, now)
    if summary and over and any(not row.joins for row in together):
        db.session.execute(_CLOSE, {"id": summary.id, "now": now})
        summary = None
    since = [row.created_at for row in together]
    critical = [row.created_at for row in together if row.critical]
    if summary is None:
        summary = _opened(channel, [row.joins for row in together if row.joins], reason, now)
    elif summary.number:
        since.append(summary.since)
        critical += [summary.critical_since] if summary.critical_since else []
    return summary.id, Gathered(
        min(since), min(critical, default=None), summary.sent, summary.last_at if summary.sent else None
    )


def _opened(channel: _Busy, joins: Sequence[UUID], reason: str, now: datetime) -> Any:
    """The summary that `joins` belong to, opened again; or a new one."""
    if joins:
        return db.session.execute(_REOPEN, {"id": max(joins)}).one()
    made = {
        "id": ids.new(),
        "organization_id": channel.row.organization_id,
        "channel_id": channel.row.id,
        "reason": reason,
        "started_at": now,
        "last_at": now,
    }
    return db.session.execute(insert(Summary).values(made).returning(Summary.id, Summary.sent, Summary.last_at)).one()


_CLOSE = text("update summaries set closed_at = :now where id = :id")
_REOPEN = text("update summaries set closed_at = null where id = :id returning id, sent, last_at")


def _wait(summary_id: UUID, until: Mapping[UUID, datetime]) -> None:
    db.session.execute(_WAIT, {"summary": summary_id, "ids": list(until), "until": list(until.values())})


_WAIT = text("""
    update deliveries d set summary_id = :summary, next_attempt_at = v.until
    from unnest(cast(:ids as uuid[]), cast(:until as timestamptz[])) as v (id, until)
    where d.id = v.id
""")


def _leave(channel: _Busy, summary_id: UUID, sent: int, now: datetime) -> set[UUID]:
    """All that waits becomes one message, promised here. One that is left over from a storm that is none goes alone: it
    is given back."""
    given = {"summary": summary_id, "now": now, "kinds": list(grouping.NEWS)}
    members = list(db.session.execute(_MEMBERS, given).scalars())
    if len(members) == 1 and not sent:
        db.session.execute(_ALONE, {"id": members[0], "now": now})
        return set(members)
    reason, limits = db.session.get_one(Summary, summary_id, populate_existing=True).reason, channel.limits
    content = listings.of(summary_id, channel.row.organization_id, members, sent, reason, limits)
    if content:
        message = _promised(channel, summary_id, content, listings.why(reason, limits), now)
        _merge(members, summary_id, message, content, now)
    return set()


_MEMBERS = text("""
    select id from deliveries
    where id in (
        select id from deliveries where summary_id = :summary and status = 'pending' and incident_id is not null
        union
        select later.id
        from deliveries d
            join deliveries later on later.incident_id = d.incident_id and later.channel_id = d.channel_id
            join alerts a on a.id = later.alert_id
        where d.summary_id = :summary and d.status = 'pending' and later.id > d.id and a.kind = any(:kinds)
            and later.status = 'pending' and later.summary_id is null
    ) and status = 'pending' and attempts = 0 and (lease_until is null or lease_until <= :now)
    order by id for no key update skip locked
""")
"""What waits for the summary, and what waits behind that: the recovery of trouble that nobody has heard of yet."""

_ALONE = text("update deliveries set summary_id = null, next_attempt_at = :now where id = :id")


def _promised(channel: _Busy, summary_id: UUID, content: dict[str, Any], because: str, now: datetime) -> UUID:
    """The delivery of a new message of the summary."""
    alert_id, delivery_id, organization_id = ids.new(), ids.new(), channel.row.organization_id
    alert = {"id": alert_id, "organization_id": organization_id, "kind": "summary", "at": now, "content": content}
    db.session.execute(insert(Alert).values(alert))
    db.session.execute(
        insert(Delivery).values(
            id=delivery_id, organization_id=organization_id, alert_id=alert_id, channel_id=channel.row.id,
            status="pending", attempts=0, next_attempt_at=now, rung_at=now, because=because, summary_id=summary_id,
            created_at=now,
        )
    )  # fmt: skip
    on_commit(partial(enqueue, Job.DELIVER, [delivery_id]))
    return delivery_id


def _merge(members: Collection[UUID], summary_id: UUID, message: UUID, content: dict[str, Any], now: datetime) -> None:
    total = content["listed_total"]
    over = total == content["listed_back"]
    db.session.execute(_MERGE, {"ids": list(members), "summary": summary_id, "message": str(message), "total": total})
    db.session.execute(_TOLD, {"id": summary_id, "now": now, "closed": now if over else None})


_MERGE = text("""
    update deliveries
    set status = 'merged', summary_id = :summary,
        memory = memory || jsonb_build_object('told_in', cast(:message as text), 'of', :total)
    where id = any(cast(:ids as uuid[]))
""")
_TOLD = text("update summaries set sent = sent + 1, last_at = :now, closed_at = :closed where id = :id")
