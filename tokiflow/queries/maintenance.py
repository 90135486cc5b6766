"""Maintenance windows, and which monitors they cover when."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, true

from tokiflow import errors
from tokiflow.core import maintenance, sentences
from tokiflow.core.health import Interval
from tokiflow.core.maintenance import Plan, Repeating, Span
from tokiflow.core.window_draft import WindowDraft
from tokiflow.db import db
from tokiflow.models import FollowUp, MaintenanceOccurrence, MaintenanceWindow, MaintenanceWindowMonitor, Monitor
from tokiflow.queries.paging import Page, by_name

AHEAD = timedelta(days=2)
"""So far ahead calendars are looked at for stretches that follow without a gap. Whoever waits asks again at the end."""

MOST_LISTED = 50
"""Of each calendar no more stretches to come are looked at."""


@dataclass(frozen=True)
class Window:
    """A window with its plan and the monitors it names."""

    row: MaintenanceWindow
    plan: Plan
    monitor_ids: frozenset[UUID]

    def covers(self, monitor: Any) -> bool:
        """Whether it is about `monitor`, a row or a Monitor."""
        if monitor.organization_id != self.row.organization_id:
            return False
        return self.row.everything or monitor.id in self.monitor_ids or not set(self.row.tags).isdisjoint(monitor.tags)


@dataclass(frozen=True)
class Cover:
    """A monitor is in maintenance until `until`: first of all by the window called `name`."""

    window_id: UUID
    name: str
    until: datetime
    timezone: str

    def words(self, now: datetime) -> str:
        """`maintenance “Sunday upgrade” until 06:00 in Berlin`."""
        return f"maintenance “{self.name}” until {sentences.clock(self.until, now, self.timezone)}"


def get(window_id: UUID) -> MaintenanceWindow:
    """Raises NotFound. Whoever calls checks the organization."""
    found = db.session.get(MaintenanceWindow, window_id)
    if found is None:
        raise errors.NotFound
    return found


def draft_of(row: MaintenanceWindow, monitor_ids: Iterable[UUID]) -> WindowDraft:
    """The window as people wished it."""
    return WindowDraft(
        name=row.name,
        kind=row.kind,
        timezone=row.timezone,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        expression=row.expression,
        duration_seconds=row.duration_seconds,
        ical_url=row.ical_url,
        everything=row.everything,
        tags=tuple(row.tags),
        monitors=frozenset(monitor_ids),
    )


def during(rows: Collection[Any], now: datetime) -> Mapping[UUID, Cover]:
    """By monitor of `rows` (rows or Monitors): the maintenance it is in. Those that are in none are left out.

    Three statements at most, whatever the number of monitors and windows.
    """
    if not rows:
        return {}
    organizations = {row.organization_id for row in rows}
    windows = _with_plans(_at(organizations, now, AHEAD), now, AHEAD)
    if not any(maintenance.covering(one.plan, now) for one in windows):
        return {}
    return _covers(_with_monitors(windows, {row.id for row in rows}), rows, now)


def around(monitor: Monitor, now: datetime, within: timedelta) -> tuple[Cover | None, tuple[Window, Span] | None]:
    """The maintenance `monitor` is in, and the next that begins after `now`, if one does `within` that time."""
    rows = _at({monitor.organization_id}, now, within)
    windows = _with_monitors(_with_plans(rows, now, within), {monitor.id})
    covering = [one for one in windows if one.covers(monitor)]
    nearest = [(one, span) for one in covering for span in maintenance.following(one.plan, now)]
    coming = min(nearest, key=lambda pair: pair[1].starts_at, default=None)
    soon = coming if coming and coming[1].starts_at <= now + within else None
    return _covers(covering, [monitor], now).get(monitor.id), soon


def planned(stretches: Sequence[tuple[Any, Sequence[Interval]]]) -> Mapping[UUID, list[Interval]]:
    """By monitor (`stretches` has rows or Monitors): the maintenance that was planned in its stretches of time.

    Three statements at most. A window that repeats counts from when it begins or, without that, from when it was made:
    nobody's past changes with it.
    """
    since = min((start for _, some in stretches for start, _ in some), default=None)
    until = max((end for _, some in stretches for _, end in some), default=None)
    if since is None or until is None:
        return {}
    rows = _at({row.organization_id for row, _ in stretches}, since, until - since)
    windows = _with_monitors(_with_plans(rows, since, until - since), {row.id for row, _ in stretches})
    found: dict[UUID, list[Interval]] = {}
    for row, some in stretches:
        for one in windows:
            if one.covers(row):
                spans = (span for stretch in some for span in maintenance.overlapping(_dated(one), *stretch))
                found.setdefault(row.id, []).extend((span.starts_at, span.ends_at) for span in spans)
    return found


def _dated(one: Window) -> Plan:
    if isinstance(one.plan, Repeating) and one.plan.since is None:
        return replace(one.plan, since=one.row.created_at)
    return one.plan


def _covers(windows: Sequence[Window], rows: Iterable[Any], now: datetime) -> dict[UUID, Cover]:
    current = {one.row.id: span for one in windows if (span := maintenance.covering(one.plan, now))}
    # Most monitors are covered by the same windows as their neighbours, and the end is found once for all of those.
    ends: dict[frozenset[UUID], datetime] = {}
    found = {}
    for row in rows:
        covering = [one for one in windows if one.covers(row)]
        holding = [one for one in covering if one.row.id in current]
        if holding:
            together = frozenset(one.row.id for one in covering)
            if together not in ends:
                ends[together] = maintenance.ends_at([one.plan for one in covering], now) or now
            first = max(holding, key=lambda one: current[one.row.id].ends_at)
            found[row.id] = Cover(first.row.id, first.row.name, ends[together], first.row.timezone)
    return found


def of_organization(organization_id: UUID, now: datetime, ahead: timedelta) -> list[Window]:
    """Every window by name, with what calendars name from `now` on for as long as `ahead`."""
    statement = select(MaintenanceWindow).where(MaintenanceWindow.organization_id == organization_id)
    rows = db.session.scalars(statement.order_by(MaintenanceWindow.name, MaintenanceWindow.id)).all()
    return _with_monitors(_with_plans(rows, now, ahead), None)


def window(row: MaintenanceWindow, now: datetime, ahead: timedelta) -> Window:
    """One window with its plan and the monitors it names."""
    return of_rows([row], now, ahead)[0]


def of_rows(rows: Sequence[MaintenanceWindow], now: datetime, ahead: timedelta) -> list[Window]:
    """The same for many, in their order. Two statements, whatever the number."""
    return _with_monitors(_with_plans(rows, now, ahead), None)


def monitors_of(window_ids: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
    """By window: the monitors it names."""
    found: dict[UUID, list[UUID]] = {}
    statement = select(MaintenanceWindowMonitor.window_id, MaintenanceWindowMonitor.monitor_id)
    statement = statement.where(MaintenanceWindowMonitor.window_id.in_(window_ids))
    for window_id, monitor_id in db.session.execute(statement.order_by(MaintenanceWindowMonitor.monitor_id)):
        found.setdefault(window_id, []).append(monitor_id)
    return found


def covered(organization_id: UUID, draft: WindowDraft, most: int) -> tuple[int, Sequence[Monitor]]:
    """How many monitors a window as `draft` covers, and the first `most` by name."""
    matching = select(Monitor).where(Monitor.organization_id == organization_id, _in_scope(draft))
    number = db.session.execute(select(func.count()).select_from(matching.subquery())).scalar_one()
    return number, db.session.scalars(matching.order_by(Monitor.name, Monitor.id).limit(most)).all()


def count_held(organization_id: UUID) -> int:
    """How many alerts wait for the end of some maintenance."""
    waiting = FollowUp.organization_id == organization_id, FollowUp.reason == "maintenance", FollowUp.done_at.is_(None)
    return db.session.execute(select(func.count()).where(*waiting)).scalar_one()


def cursor_page(organization_id: UUID, cursor: str | None, limit: int) -> Page[MaintenanceWindow]:
    """Windows by name for the API, `limit` at a time."""
    mine = select(MaintenanceWindow).where(MaintenanceWindow.organization_id == organization_id)
    return by_name(mine, MaintenanceWindow, cursor, limit)


def _in_scope(draft: WindowDraft) -> ColumnElement[bool]:
    if draft.everything:
        return Monitor.id.is_not(None)
    return or_(Monitor.tags.overlap(list(draft.tags)), Monitor.id.in_(draft.monitors))


def _at(organization_ids: Collection[UUID], now: datetime, ahead: timedelta) -> Sequence[MaintenanceWindow]:
    """The windows that can matter from `now` on for as long as `ahead`."""
    row = MaintenanceWindow
    statement = select(row).where(
        row.organization_id.in_(organization_ids),
        or_(row.kind != "once", row.starts_at <= now + ahead),
        or_(row.ends_at.is_(None), row.ends_at > now),
    )
    return db.session.execute(statement.order_by(row.id)).scalars().all()


def _with_plans(rows: Sequence[MaintenanceWindow], now: datetime, ahead: timedelta) -> list[Window]:
    spans = _listed([row.id for row in rows if row.kind == "calendar"], now, ahead)
    return [Window(row, draft_of(row, ()).plan(tuple(spans.get(row.id, ()))), frozenset()) for row in rows]


def _listed(window_ids: Collection[UUID], now: datetime, ahead: timedelta) -> Mapping[UUID, list[Span]]:
    """By window: what its calendar names in that time."""
    found: dict[UUID, list[Span]] = {}
    if window_ids:
        row = MaintenanceOccurrence
        first = (
            select(row)
            .where(row.window_id == MaintenanceWindow.id, row.ends_at > now, row.starts_at <= now + ahead)
            .order_by(row.starts_at, row.ends_at)
            .limit(MOST_LISTED)
            .lateral("first")
        )
        statement = select(MaintenanceWindow.id, first.c.starts_at, first.c.ends_at, first.c.summary)
        statement = statement.join(first, true()).where(MaintenanceWindow.id.in_(window_ids))
        for window_id, starts_at, ends_at, words in db.session.execute(statement):
            found.setdefault(window_id, []).append(Span(starts_at, ends_at, words))
    return found


def _with_monitors(windows: Sequence[Window], monitor_ids: Collection[UUID] | None) -> list[Window]:
    """The windows with those of `monitor_ids` that they name; all that they name for None."""
    naming = [one.row.id for one in windows if not one.row.everything]
    if not naming:
        return list(windows)
    named = MaintenanceWindowMonitor
    statement = select(named.window_id, named.monitor_id).where(named.window_id.in_(naming))
    if monitor_ids is not None:
        statement = statement.where(named.monitor_id.in_(monitor_ids))
    found: dict[UUID, set[UUID]] = {}
    for window_id, monitor_id in db.session.execute(statement):
        found.setdefault(window_id, set()).add(monitor_id)
    return [Window(one.row, one.plan, frozenset(found.get(one.row.id, ()))) for one in windows]
