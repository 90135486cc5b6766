"""Monitors for pages and API."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from tokiflow import errors
from tokiflow.core import status
from tokiflow.core.status import State, Status
from tokiflow.db import db
from tokiflow.models import Incident, Monitor, MonitorChannel, Ping, Run
from tokiflow.queries.paging import Page, by_name


@dataclass(frozen=True)
class Filter:
    """What of an organization's monitors is wanted: words in name, slug or tags, a status as shown, a tag."""

    words: str = ""
    status: Status | None = None
    tag: str = ""


SORTS = ("worst", "name", "due", "last_ping")


def get(monitor_id: UUID) -> Monitor:
    """Raises NotFound. Whoever calls checks the organization."""
    found = db.session.get(Monitor, monitor_id)
    if found is None:
        raise errors.NotFound
    return found


def find(organization_id: UUID, monitor_id: UUID) -> Monitor | None:
    """The organization's monitor, or None if it has none of that id any more."""
    found = db.session.get(Monitor, monitor_id)
    return found if found and found.organization_id == organization_id else None


def names(organization_id: UUID, most: int = 500) -> list[tuple[UUID, str]]:
    """The first monitors by name, as (id, name): enough to choose from."""
    statement = select(Monitor.id, Monitor.name).where(Monitor.organization_id == organization_id)
    return [(row.id, row.name) for row in db.session.execute(statement.order_by(Monitor.name, Monitor.id).limit(most))]


def shown_status(row: Any, now: datetime) -> Status:
    """The status people see, from a row or a Monitor."""
    known = State(Status(row.status), due_at=row.due_at, misses=row.misses)
    return status.shown(known, now)


def page(
    organization_id: UUID, wanted: Filter, now: datetime, *, sort: str = "worst", offset: int = 0, limit: int = 50,
    worsening: Collection[UUID] = (),
) -> list[Monitor]:  # fmt: skip
    """Monitors as the list shows them, sorted by one of SORTS, from `offset`; among the worst those that are
    `worsening` come before all others that are up."""
    order = _order(sort, now, worsening)
    statement = _matching(organization_id, wanted, now).order_by(*order).offset(offset).limit(limit)
    return list(db.session.execute(statement).scalars())


def count(organization_id: UUID, wanted: Filter, now: datetime) -> int:
    """How many monitors match."""
    matching = _matching(organization_id, wanted, now).with_only_columns(Monitor.id).order_by(None).subquery()
    return db.session.execute(select(func.count()).select_from(matching)).scalar_one()


def count_by_status(organization_id: UUID, now: datetime, wanted: Filter | None = None) -> dict[Status, int]:
    """How many monitors have each status as shown; `wanted` narrows by words and tag."""
    narrowed = Filter(wanted.words, None, wanted.tag) if wanted else Filter()
    statement = by_status(organization_id, now, narrowed)
    found = {Status(name): number for name, number in db.session.execute(statement)}
    return {one: found.get(one, 0) for one in Status}


def by_status(organization_id: UUID, now: datetime, wanted: Filter | None = None) -> Select[str, int]:
    """The statement that counts monitors by their status as shown."""
    shown = _shown(now)
    statement = _matching(organization_id, wanted or Filter(), now).with_only_columns(shown, func.count())
    return statement.order_by(None).group_by(shown)


def tags(organization_id: UUID, most: int = 200) -> list[tuple[str, int]]:
    """The tags in use with how many monitors have each, the most used first."""
    tag = func.unnest(Monitor.tags).label("tag")
    inner = select(tag).where(Monitor.organization_id == organization_id).subquery()
    statement = select(inner.c.tag, func.count()).group_by(inner.c.tag).order_by(func.count().desc(), inner.c.tag)
    return [(name, number) for name, number in db.session.execute(statement.limit(most))]


def cursor_page(organization_id: UUID, wanted: Filter, now: datetime, cursor: str | None, limit: int) -> Page[Monitor]:
    """Monitors by name for the API, `limit` at a time."""
    return by_name(_matching(organization_id, wanted, now), Monitor, cursor, limit)


READ_AT_ONCE = 1_000


def all_by_name(organization_id: UUID, wanted: Filter, now: datetime) -> Iterator[Monitor]:
    """All monitors that match, by name, some rows at a time."""
    statement = _matching(organization_id, wanted, now).order_by(Monitor.name, Monitor.id).limit(READ_AT_ONCE)
    found = db.session.execute(statement).scalars().all()
    while found:
        yield from found
        after = tuple_(Monitor.name, Monitor.id) > tuple_(found[-1].name, found[-1].id)
        found = db.session.execute(statement.where(after)).scalars().all() if len(found) == READ_AT_ONCE else []


def named(organization_id: UUID, field: str, value: str) -> Monitor | None:
    """The oldest monitor whose `field` (name or slug) is `value`."""
    column = {"name": Monitor.name, "slug": Monitor.slug}[field]
    statement = select(Monitor).where(Monitor.organization_id == organization_id, column == value)
    return db.session.execute(statement.order_by(Monitor.id).limit(1)).scalar_one_or_none()


def called(organization_id: UUID, words: Collection[str]) -> list[Monitor]:
    """The monitors whose slug or whole name is one of `words`, whatever the case."""
    lower = [word.lower() for word in words]
    statement = select(Monitor).where(Monitor.organization_id == organization_id)
    statement = statement.where(or_(Monitor.slug.in_(lower), func.lower(Monitor.name).in_(lower)))
    return list(db.session.execute(statement.order_by(Monitor.id).limit(200)).scalars())


def among(organization_id: UUID, monitor_ids: Collection[UUID]) -> list[Monitor]:
    """Those of `monitor_ids` that are the organization's, by name."""
    statement = select(Monitor).where(Monitor.organization_id == organization_id, Monitor.id.in_(monitor_ids))
    return list(db.session.execute(statement.order_by(Monitor.name, Monitor.id)).scalars())


def own_channels(monitor_ids: Sequence[UUID]) -> Mapping[UUID, list[UUID]]:
    """By monitor: the channels it names for itself."""
    found: dict[UUID, list[UUID]] = {}
    statement = select(MonitorChannel.monitor_id, MonitorChannel.channel_id).where(
        MonitorChannel.monitor_id.in_(monitor_ids)
    )
    for monitor_id, channel_id in db.session.execute(statement.order_by(MonitorChannel.channel_id)):
        found.setdefault(monitor_id, []).append(channel_id)
    return found


@dataclass(frozen=True)
class Contents:
    """What would go with a monitor if it were deleted."""

    pings: int
    runs: int
    incidents: int


def contents(monitor_id: UUID) -> Contents:
    """How much is kept for a monitor."""

    def number(model: type[Ping] | type[Run] | type[Incident]) -> int:
        return db.session.execute(select(func.count()).where(model.monitor_id == monitor_id)).scalar_one()

    return Contents(number(Ping), number(Run), number(Incident))


@dataclass(frozen=True)
class Tick:
    """One tick of a run strip. `unusual`: something about the run was unlike the usual."""

    outcome: str
    duration_ms: int | None
    unusual: bool = False


def strips(monitor_ids: Sequence[UUID], length: int = 36) -> Mapping[UUID, list[Tick]]:
    """By monitor: its latest `length` runs, oldest first. One statement: each monitor reads its index from the end,
    and comes as one row, since 1,800 rows for a page of fifty cost more than all the rest of it."""
    found: dict[UUID, list[Tick]] = {monitor_id: [] for monitor_id in monitor_ids}
    if not monitor_ids:
        return found
    one = aliased(Monitor)
    latest = (
        select(Run.outcome, Run.duration_ms, Run.findings.is_not(None).label("unusual"), Run.at, Run.id)
        .where(Run.monitor_id == one.id)
        .order_by(Run.at.desc(), Run.id.desc())
        .limit(length)
        .correlate(one)
        .subquery("latest")
    )
    in_order = (latest.c.at, latest.c.id)
    strip = (
        select(
            func.array_agg(aggregate_order_by(latest.c.outcome, *in_order)).label("outcomes"),
            func.array_agg(aggregate_order_by(latest.c.duration_ms, *in_order)).label("durations"),
            func.array_agg(aggregate_order_by(latest.c.unusual, *in_order)).label("unusual"),
        )
        .correlate(one)
        .lateral("strip")
    )
    told = (strip.c.outcomes, strip.c.durations, strip.c.unusual)
    statement = select(one.id, *told).join(strip, true()).where(one.id.in_(monitor_ids))
    for monitor_id, *columns in db.session.execute(statement):
        found[monitor_id] = [Tick(*tick) for tick in zip(*(column or () for column in columns), strict=True)]
    return found


def _matching(organization_id: UUID, wanted: Filter, now: datetime) -> Select[Monitor]:
    statement = select(Monitor).where(Monitor.organization_id == organization_id)
    for word in wanted.words.replace("\x00", "").split()[:10]:
        statement = statement.where(
            or_(
                Monitor.name.icontains(word, autoescape=True),
                Monitor.slug.icontains(word, autoescape=True),
                func.array_to_string(Monitor.tags, " ").icontains(word, autoescape=True),
            )
        )
    if wanted.tag:
        statement = statement.where(Monitor.tags.contains([wanted.tag.replace("\x00", "")]))
    if wanted.status:
        statement = statement.where(_shown(now) == wanted.status.value)
    return statement


def _shown(now: datetime) -> ColumnElement[str]:
    """`core.status.shown`, in SQL."""
    late = and_(Monitor.status == "up", or_(Monitor.due_at <= now, Monitor.misses > 0))
    return case((late, "late"), else_=Monitor.status)


def _order(sort: str, now: datetime, worsening: Collection[UUID]) -> list[Any]:
    if sort == "due":
        return [Monitor.due_at.asc().nulls_last(), Monitor.name, Monitor.id]
    if sort == "last_ping":
        return [Monitor.last_ping_at.desc().nulls_last(), Monitor.name, Monitor.id]
    if sort == "name":
        return [Monitor.name, Monitor.id]
    rank = case({"down": 0, "late": 1, "up": 3, "new": 4}, value=_shown(now), else_=5)
    if worsening:
        rank = case((and_(rank == 3, Monitor.id.in_(worsening)), 2), else_=rank)
    return [rank, Monitor.name, Monitor.id]
