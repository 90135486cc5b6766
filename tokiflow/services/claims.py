"""Taking deliveries in sets: whose turn it is, the lease, and all that sending takes, copied out."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from tokiflow import channels, errors
from tokiflow.core import alerting, breaker
from tokiflow.core.breaker import Host
from tokiflow.db import by_index, db, transaction
from tokiflow.models import Channel
from tokiflow.services import briefings, summaries
from tokiflow.services.briefings import Listener
from tokiflow.services.slots import Ruling, Slots

INTERRUPTED = "The try was interrupted before its result was known; it is made again."
LOOK_AGAIN = timedelta(seconds=1)
ROUNDS = 3

Found = Row[Any]


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours until `lease_until`, with all that sending takes copied out.

    about: when that happened which it tells of. content: what the alert has to say (services.contents). memory and
    thread: as in channels.message.Message.
    """

    id: UUID
    attempt: int
    organization_id: UUID
    channel_id: UUID
    incident_id: UUID | None
    channel_kind: str
    host: str
    config: dict[str, Any]
    alert_kind: str
    about: datetime
    content: dict[str, Any]
    because: str
    memory: dict[str, Any]
    thread: dict[str, Any]
    claimed_at: datetime
    lease_until: datetime


def by_name(delivery_ids: Sequence[UUID], now: datetime) -> list[Claimed]:
    """Take the lease on those of `delivery_ids` that are to be sent now and that nobody else holds.

    A delivery waits for earlier ones of its incident to the same channel: a recovery never overtakes its trouble.
    """
    with transaction():
        by_index()
        found = _locked(delivery_ids, len(delivery_ids), now)
        return _taken([row for row in found if row.behind is None], now)


def by_turns(slots: Slots, now: datetime) -> tuple[list[Claimed], bool]:
    """Take what there are free `slots` for, each organization in its turn; and whether it is worth looking again at
    once. The places are taken with it."""
    claimed: list[Claimed] = []
    moved = False
    for _ in range(ROUNDS):
        if not slots.free:
            break
        with transaction():
            by_index()
            turns = _turns(slots, now)
            found = _locked(turns, slots.free, now) if turns else []
            ready, full = _ruled(found, slots, now)
            claimed += (taken := _taken(ready, now))
            _forget(ready, taken, slots)
        moved = moved or len(found) > full
        if not full:
            break
    return claimed, moved


def release(hosts: Collection[str], now: datetime) -> None:
    """These hosts answer again: whatever waited for them may go."""
    db.session.execute(_RELEASE, {"hosts": list(hosts), "now": now})


_TURNS = text("""
    with recursive turns as (
        (select organization_id from deliveries where status = 'pending' order by organization_id limit 1)
        union all
        select (
            select d.organization_id from deliveries d
            where d.status = 'pending' and d.organization_id > turns.organization_id
            order by d.organization_id limit 1
        ) from turns where turns.organization_id is not null
    )
    select id from (
        select one.id, one.next_attempt_at,
            row_number() over (partition by turns.organization_id order by one.next_attempt_at, one.id) as turn
        from turns cross join lateral (
            select d.id, d.next_attempt_at from deliveries d
            where d.organization_id = turns.organization_id and d.status = 'pending' and d.next_attempt_at <= :now
                and (d.lease_until is null or d.lease_until <= :now)
                and d.channel_id <> all(cast(:full_channels as uuid[]))
            order by d.next_attempt_at, d.id
            limit greatest(4, :most / (select count(*) from turns))
        ) one
        where turns.organization_id <> all(cast(:full_organizations as uuid[]))
    ) ranked
    order by turn, next_attempt_at, id limit :most
""")
"""Steps from organization to organization through the index, and takes a few of each: a hundred thousand that wait
for one organization cost no more than a hundred."""


def _turns(slots: Slots, now: datetime) -> list[UUID]:
    """What is due, in the order of turns: the first of each organization, then the second of each…

    Twice as many as there is room for, since another worker may be looking at the same.
    """
    given = {
        "now": now,
        "most": 2 * slots.free,
        "full_channels": list(slots.full_channels()),
        "full_organizations": slots.full_organizations(),
    }
    return list(db.session.execute(_TURNS, given).scalars())


_LOCKED = text("""
    select d.id, d.organization_id, d.channel_id, d.incident_id, c.kind as channel_kind, c.config,
        c.group_after, c.rate_per_hour, d.summary_id, coalesce((
        select max(e.next_attempt_at) from deliveries e
        where e.incident_id = d.incident_id and e.channel_id = d.channel_id and e.id < d.id and e.status = 'pending'
    ), (
        select max(e.next_attempt_at) from deliveries e
        where d.incident_id is null and e.summary_id = d.summary_id and e.incident_id is null and e.id < d.id
            and e.status = 'pending'
    )) as behind
    from deliveries d join channels c on c.id = d.channel_id
    where d.id = any(cast(:ids as uuid[])) and d.status = 'pending' and d.next_attempt_at <= :now
        and (d.lease_until is null or d.lease_until <= :now)
    order by array_position(cast(:ids as uuid[]), d.id) limit :most
    for no key update of d skip locked
""").columns(config=Channel.config.type)


def _locked(delivery_ids: Sequence[UUID], most: int, now: datetime) -> Sequence[Found]:
    """Up to `most` of these that are due and not held by others, in their order, held until the commit.

    `behind` is when the earlier delivery will be tried for which one waits, if it waits for one: about the same
    incident, or the message before it of the same summary.
    """
    return db.session.execute(_LOCKED, {"ids": list(delivery_ids), "most": most, "now": now}).all()


def _ruled(found: Sequence[Found], slots: Slots, now: datetime) -> tuple[list[Found], int]:
    """Those that are to be sent, their places taken; and how many found no place. The rest is put off."""
    ready, full = [], 0
    put_off: list[tuple[UUID, datetime, str, str | None]] = []
    for row in found:
        host = _host(row)
        if row.behind is not None:
            put_off.append((row.id, max(row.behind, now + LOOK_AGAIN), "", None))
            continue
        ruling = slots.ask(row.organization_id, row.channel_id, host, now)
        if ruling is Ruling.LEFT_ALONE:
            known = slots.hosts[host]
            put_off.append((row.id, _back(known, now), host, _silence(host, known)))
        elif ruling is Ruling.FULL:
            full += 1
        else:
            slots.take(row.organization_id, host)
            ready.append(row)
    _put_off(put_off)
    return ready, full


def _back(host: Host, now: datetime) -> datetime:
    """When to look again whether `host` answers. Spread, so that not all of them come at once."""
    pause = breaker.FIRST_PAUSE if host.alone_until is None or host.alone_until <= now else host.alone_until - now
    return now + pause * random.uniform(1.0, 1.2)


def _silence(host: str, known: Host) -> str:
    return f"{host} has not answered {known.silent} times in a row, so it is left alone for a while"


_PUT_OFF = text("""
    update deliveries d
    set next_attempt_at = v.until, waits_for_host = v.host, last_error = coalesce(v.words, d.last_error)
    from unnest(cast(:ids as uuid[]), cast(:until as timestamptz[]), cast(:hosts as text[]), cast(:words as text[]))
        as v (id, until, host, words)
    where d.id = v.id
""")

_RELEASE = text("""
    update deliveries set next_attempt_at = :now, waits_for_host = ''
    where waits_for_host = any(cast(:hosts as text[])) and waits_for_host <> '' and status = 'pending'
""")


def _put_off(those: Sequence[tuple[UUID, datetime, str, str | None]]) -> None:
    if those:
        columns = dict(zip(("ids", "until", "hosts", "words"), map(list, zip(*those, strict=True)), strict=True))
        db.session.execute(_PUT_OFF, columns)


_TAKE = text("""
    with taken as (
        update deliveries set lease_until = :lease_until, attempts = attempts + 1, waits_for_host = ''
        where id = any(cast(:ids as uuid[]))
        returning id, alert_id, because, memory
    ), written as (
        insert into attempts (delivery_id, n, at, duration_ms, ok, response, error)
        select taken.id, coalesce(
            (select max(earlier.n) from attempts earlier where earlier.delivery_id = taken.id), 0
        ) + 1, :now, 0, false, '', :interrupted
        from taken returning delivery_id, n
    )
    select taken.id, written.n, taken.because, taken.memory, a.kind as alert_kind, a.at, a.content
    from taken join written on written.delivery_id = taken.id join alerts a on a.id = taken.alert_id
""")
"""The try is written down before it is made: if we die in between, the page says so instead of showing nothing."""


def _taken(ready: Sequence[Found], now: datetime) -> list[Claimed]:
    """Those of `ready` that go out by themselves, leased and copied out, in their order."""
    held = summaries.hold_back(ready, now)
    going = [row for row in ready if row.id not in held]
    if not going:
        return []
    lease_until = now + alerting.LEASE
    given = {"ids": [row.id for row in going], "lease_until": lease_until, "now": now, "interrupted": INTERRUPTED}
    told = {row.id: row for row in db.session.execute(_TAKE, given)}
    listeners = {
        row.channel_id: Listener(row.channel_id, row.organization_id, row.channel_kind, row.config) for row in going
    }
    briefed = briefings.of(list(listeners.values()), now)
    threads = _threads([row for row in going if told[row.id].alert_kind not in ("opened", "summary", "test")])
    summed_up = _summary_threads([row.id for row in going if told[row.id].alert_kind == "summary"])
    return [
        Claimed(
            id=row.id,
            attempt=told[row.id].n,
            organization_id=row.organization_id,
            channel_id=row.channel_id,
            incident_id=row.incident_id,
            channel_kind=row.channel_kind,
            host=_host(row),
            config={**row.config, **briefed.get(row.channel_id, {})},
            alert_kind=told[row.id].alert_kind,
            about=told[row.id].at,
            content=told[row.id].content,
            because=told[row.id].because,
            memory=told[row.id].memory,
            thread=summed_up.get(row.id)
            or threads.get((row.incident_id, row.channel_id))
            # Of an incident that was deleted with its monitor (services.endings).
            or told[row.id].memory.get("thread", {}),
            claimed_at=now,
            lease_until=lease_until,
        )
        for row in going
    ]


def _forget(ready: Sequence[Found], taken: Sequence[Claimed], slots: Slots) -> None:
    """Give back the places of those that were held back after all."""
    going = {one.id for one in taken}
    for row in ready:
        if row.id not in going:
            slots.give_back(row.organization_id, _host(row))


_THREADS = text("""
    select distinct on (incident_id, channel_id) incident_id, channel_id, memory from deliveries
    where incident_id = any(cast(:incidents as uuid[])) and channel_id = any(cast(:channels as uuid[]))
        and status = 'sent' and memory <> '{}'
    order by incident_id, channel_id, id
""")


def _threads(rows: Sequence[Found]) -> dict[tuple[UUID, UUID], dict[str, Any]]:
    """By incident and channel: what the channel remembers of the first message about the incident."""
    if not rows:
        return {}
    given = {"incidents": list({row.incident_id for row in rows}), "channels": list({row.channel_id for row in rows})}
    return {(row.incident_id, row.channel_id): row.memory for row in db.session.execute(_THREADS, given)}


_SUMMARY_THREADS = text("""
    select distinct on (one.id) one.id, first.memory from deliveries one
    join deliveries first on first.summary_id = one.summary_id and first.id < one.id and first.status = 'sent'
    join alerts a on a.id = first.alert_id and a.kind = 'summary'
    where one.id = any(cast(:ids as uuid[])) and first.memory <> '{}'
    order by one.id, first.id
""")


def _summary_threads(delivery_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """By delivery: what the channel remembers of the first message of the same summary."""
    if not delivery_ids:
        return {}
    return {row.id: row.memory for row in db.session.execute(_SUMMARY_THREADS, {"ids": list(delivery_ids)})}


def _host(row: Found) -> str:
    try:
        return channels.get(row.channel_kind).host(row.config)
    except (errors.Invalid, ValueError):
        # One that this version knows nothing of will fail by itself, and take no other with it.
        return str(row.channel_kind)
