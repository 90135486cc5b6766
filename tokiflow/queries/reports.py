"""The numbers of a report: those of each monitor's page, for many monitors at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from tokiflow.core import reports
from tokiflow.core.health import Uptime
from tokiflow.core.reports import Line, Report
from tokiflow.core.stretches import Stretch
from tokiflow.db import among, db
from tokiflow.errors import NotFound
from tokiflow.models import Incident, Monitor, Organization, ReportSchedule, User
from tokiflow.queries import analytics
from tokiflow.queries.analytics import Figures


def report(organization_id: UUID, organization: str, tag: str, stretch: Stretch, now: datetime) -> Report:
    """The report of all monitors of an organization, or of those with `tag`, the worst first.

    A dozen statements, whatever the number of monitors.
    """
    monitors = _monitors(organization_id, tag)
    return Report(organization, tag, stretch, now, reports.worst_first(lines(monitors, stretch)))


def lines(monitors: Sequence[Monitor], stretch: Stretch) -> list[Line]:
    """What each of them did."""
    ids = [monitor.id for monitor in monitors]
    found = analytics.figures_and_uptimes(monitors, stretch.edges) if ids else {}
    incidents = _incidents(ids, stretch) if ids else {}
    return [_line(one, *found[one.id], incidents.get(one.id, 0)) for one in monitors if one.id in found]


def schedules(organization_id: UUID, user_id: UUID) -> Sequence[ReportSchedule]:
    """What a person gets by mail of an organization, by tag."""
    mine = ReportSchedule.organization_id == organization_id, ReportSchedule.user_id == user_id
    return db.session.execute(select(ReportSchedule).where(*mine).order_by(ReportSchedule.tag)).scalars().all()


def count(organization_id: UUID, tag: str) -> int:
    """How many monitors a report is about."""
    return db.session.scalar(select(func.count()).where(*_which(organization_id, tag))) or 0


def reader(organization_id: UUID, user_id: UUID, tag: str) -> tuple[User, Organization, str]:
    """Who gets which report by mail. Raises NotFound if one of them is gone."""
    user, organization = db.session.get(User, user_id), db.session.get(Organization, organization_id)
    if user is None or organization is None:
        raise NotFound("The account or the organization is gone, and nothing more is sent.")
    return user, organization, tag


def _monitors(organization_id: UUID, tag: str) -> Sequence[Monitor]:
    statement = select(Monitor).where(*_which(organization_id, tag)).order_by(Monitor.name, Monitor.id)
    return db.session.execute(statement).scalars().all()


def _which(organization_id: UUID, tag: str) -> list[ColumnElement[bool]]:
    tagged = [Monitor.tags.contains([tag.replace("\x00", "")])] if tag else []
    return [Monitor.organization_id == organization_id, *tagged]


def _incidents(monitor_ids: Sequence[UUID], stretch: Stretch) -> Mapping[UUID, int]:
    statement = (
        select(Incident.monitor_id, func.count().label("number"))
        .where(among(Incident.monitor_id, monitor_ids))
        .where(Incident.opened_at >= stretch.since, Incident.opened_at < stretch.until)
        .group_by(Incident.monitor_id)
    )
    return {row.monitor_id: row.number for row in db.session.execute(statement)}


def _line(monitor: Monitor, figures: Figures, days: Sequence[Uptime], incidents: int) -> Line:
    counts = figures.counts
    return Line(
        monitor_id=monitor.id,
        name=monitor.name,
        slug=monitor.slug,
        tags=tuple(monitor.tags),
        uptime=figures.uptime,
        expected=counts.expected,
        succeeded=counts.succeeded,
        failed=counts.failed,
        overran=counts.overran,
        missed=counts.missed,
        incidents=incidents,
        p95=figures.p95,
        score=figures.health.score if figures.health else None,
        days=days,
    )
