"""How Tokiflow itself is doing: for /api/health, /metrics and the notice that owners see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Engine, create_engine, func, select, text

from tokiflow.db import db
from tokiflow.models import Alert, BlindSpell, Delivery, Heartbeat, Incident, Monitor

ALIVE_WITHIN = timedelta(seconds=15)


@dataclass(frozen=True)
class Figures:
    """The system at one moment. Ages in seconds."""

    monitors_by_status: Mapping[str, int]
    incidents_open_by_kind: Mapping[str, int]
    deliveries_pending: int
    deliveries_retrying: int
    deliveries_dead: int
    oldest_pending_delivery_seconds: float
    delivery_overdue_seconds: float
    hosts_left_alone: int
    heartbeat_age_seconds: Mapping[str, float]
    pings_total: int


def figures(now: datetime) -> Figures:
    """Read everything /metrics tells, with one statement each."""
    outbox = db.session.execute(_OUTBOX).one()
    statuses = select(Monitor.status, func.count()).group_by(Monitor.status)
    kinds = select(Incident.kind, func.count()).where(Incident.resolved_at.is_(None)).group_by(Incident.kind)
    return Figures(
        monitors_by_status=dict(db.session.execute(statuses).all()),
        incidents_open_by_kind=dict(db.session.execute(kinds).all()),
        deliveries_pending=outbox.pending,
        deliveries_retrying=outbox.retrying,
        deliveries_dead=db.session.execute(_DEAD).scalar_one(),
        oldest_pending_delivery_seconds=_age(outbox.oldest, now),
        delivery_overdue_seconds=_age(outbox.due, now),
        hosts_left_alone=outbox.hosts,
        heartbeat_age_seconds=ages(now),
        pings_total=int(db.session.execute(select(func.coalesce(func.sum(Monitor.ping_count), 0))).scalar_one()),
    )


_OUTBOX = select(
    func.count().label("pending"),
    func.count().filter(Delivery.attempts > 0).label("retrying"),
    func.min(Delivery.created_at).label("oldest"),
    func.min(Delivery.next_attempt_at).label("due"),
    func.count(func.nullif(Delivery.waits_for_host, "").distinct()).label("hosts"),
).where(Delivery.status == "pending")
_DEAD = (
    select(func.count())
    .select_from(Delivery)
    .join(Alert, Alert.id == Delivery.alert_id)
    .where(Delivery.status == "dead", Alert.kind != "test")
)


def _age(at: datetime | None, now: datetime) -> float:
    return max((now - at).total_seconds(), 0.0) if at else 0.0


def ages(now: datetime) -> dict[str, float]:
    """By kind of process: seconds since one was last alive. A kind that never was is left out."""
    statement = select(Heartbeat.kind, func.max(Heartbeat.seen_at)).group_by(Heartbeat.kind)
    return {kind: max((now - seen).total_seconds(), 0.0) for kind, seen in db.session.execute(statement)}


def silent_processes(now: datetime) -> list[str]:
    """The kinds among worker and clock that have not been alive lately, or never."""
    return _silent(ages(now))


def _silent(ages: Mapping[str, float]) -> list[str]:
    limit = ALIVE_WITHIN.total_seconds()
    return [kind for kind in ("clock", "worker") if ages.get(kind, float("inf")) > limit]


@dataclass(frozen=True)
class Notice:
    """What makes a page's figures doubtful: silent kinds of process, what does not hold in the audit log of the
    organization, and whether Tokiflow can't listen."""

    silent: Sequence[str]
    broken: Sequence[str]
    blind: bool


def notice(organization_id: UUID, now: datetime) -> Notice:
    """What whoever looks after Tokiflow and the organization should know. One statement, since each page asks."""
    row = db.session.execute(_NOTICE, {"organization": organization_id, "now": now}).one()
    return Notice(_silent(row.ages or {}), row.broken or (), row.blind)


_NOTICE = text("""
select (
           select jsonb_object_agg(kind, age)
           from (
               select kind, extract(epoch from :now - max(seen_at))::float8 as age from heartbeats group by kind
           ) seen
       ) as ages,
       (select broken from audit_chains where organization_id = :organization) as broken,
       exists (select from blind_spells where ended_at is null) as blind
""")


@dataclass(frozen=True)
class Pulse:
    """Signs of life: by kind of process the seconds since one was last alive, and since when Tokiflow can't listen."""

    ages: Mapping[str, float]
    blind_since: datetime | None


@lru_cache(maxsize=4)
def _apart(url: str, seconds: int) -> Engine:
    """A way to the database beside the app's own, which may be waiting for it: small, and never waiting long."""
    limits = f"-c timezone=utc -c statement_timeout={seconds * 1000}"
    return create_engine(
        url,
        pool_size=1,
        max_overflow=3,
        pool_timeout=seconds,
        pool_pre_ping=True,
        connect_args={"connect_timeout": seconds, "tcp_user_timeout": seconds * 1000, "options": limits},
    )


def pulse(url: str, seconds: int, now: datetime) -> Pulse:
    """The signs of life in the database at `url`. Raises SQLAlchemyError if it has not answered in some `seconds`."""
    with _apart(url, seconds).connect() as connection:
        seen = connection.execute(select(Heartbeat.kind, func.max(Heartbeat.seen_at)).group_by(Heartbeat.kind)).all()
        blind = connection.execute(select(func.min(BlindSpell.started_at)).where(BlindSpell.ended_at.is_(None)))
        return Pulse({row[0]: max((now - row[1]).total_seconds(), 0.0) for row in seen}, blind.scalar_one())
