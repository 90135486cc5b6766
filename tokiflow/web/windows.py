"""Maintenance windows in words: when they are, what they cover, how they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tokiflow.core import durations, ids, maintenance, schedule
from tokiflow.core.maintenance import Span
from tokiflow.core.schedule import Cron, zones
from tokiflow.models import MaintenanceWindow
from tokiflow.queries import monitors
from tokiflow.queries.maintenance import Window
from tokiflow.web import filters, troubles

AHEAD = timedelta(days=60)
NEXT = 5
NAMED = 3


@dataclass(frozen=True)
class Line:
    """One stretch: its day and hours in the window's zone; for the viewer, if that differs; and what it is about."""

    starts_at: datetime
    day: str
    hours: str
    mine: str
    length: str
    words: str
    now: bool


@dataclass(frozen=True)
class Row:
    """A window in the list. `state` is now, next or over; `ends_at` is when what runs is over."""

    id: str
    name: str
    state: str
    scope: str
    rhythm: str
    starts_at: datetime | None
    ends_at: datetime | None
    next: Span | None
    trouble: str


def row(window: Window, names: Mapping[UUID, str], now: datetime) -> Row:
    """How `window` stands at `now`. `names` are those of monitors."""
    known = window.row
    span = maintenance.covering(window.plan, now)
    coming = next(iter(maintenance.following(window.plan, now)), None)
    over = known.ends_at is not None and known.ends_at <= now
    return Row(
        id=public_id(known),
        name=known.name,
        state="now" if span else "over" if over else "next",
        scope=scope(known.everything, known.tags, window.monitor_ids, names),
        rhythm=rhythm(known.kind, known.expression, known.timezone, known.duration_seconds),
        starts_at=span.starts_at if span else known.starts_at,
        ends_at=maintenance.ends_at([window.plan], now) if span else known.ends_at,
        next=coming,
        trouble=known.fetch_error if known.fetch_failures else "",
    )


def rows(windows: Sequence[Window], now: datetime) -> list[Row]:
    """The windows as rows: what runs first, then what comes next, then what is over, the latest first."""
    organization_ids = {one.row.organization_id for one in windows}
    wanted = {key for one in windows for key in sorted(one.monitor_ids)[: NAMED + 1]}
    known = monitors.among(organization_ids.pop(), wanted) if wanted else []
    found = [row(one, {monitor.id: monitor.name for monitor in known}, now) for one in windows]
    return sorted(found, key=_order)


def _order(one: Row) -> tuple[int, float, str]:
    if one.state == "now":
        return 0, one.ends_at.timestamp() if one.ends_at else 0.0, one.name
    if one.state == "next":
        return 1, one.next.starts_at.timestamp() if one.next else float("inf"), one.name
    return 2, -(one.ends_at.timestamp() if one.ends_at else 0.0), one.name


def scope(everything: bool, tags: Sequence[str], monitor_ids: Collection[UUID], names: Mapping[UUID, str]) -> str:
    """`Everything`, `Tagged db or prod`, `Nightly backup, Invoices and 3 others`, `Tagged db, and Invoices`."""
    if everything:
        return "Everything"
    tagged = f"Tagged {_either(tags)}" if tags else ""
    known = [names[key] for key in sorted(monitor_ids) if key in names]
    unnamed = (f"#{n}" for n in range(len(monitor_ids) - len(known)))  # counted, and never said
    named = troubles.listed([*known, *unnamed], NAMED)
    return ", and ".join(part for part in (tagged, named) if part) or "No monitor any more"


def _either(tags: Sequence[str]) -> str:
    return f"{', '.join(tags[:-1])} or {tags[-1]}" if len(tags) > 1 else tags[0]


def rhythm(kind: str, expression: str, timezone: str, seconds: int | None) -> str:
    """`Once`, `Every Sunday at 02:00, Berlin, for 4 hours`, `From a calendar`."""
    if kind == "once":
        return "Once"
    if kind == "calendar":
        return "From a calendar"
    words = schedule.describe(Cron(expression, timezone))
    return f"{words[:1].upper()}{words[1:]}, for {durations.long(seconds or 0)}"


def lines(spans: Iterable[Span], timezone: str, now: datetime) -> list[Line]:
    """The stretches as a table shows them."""
    return [_line(span, timezone, now) for span in spans]


def _line(span: Span, timezone: str, now: datetime) -> Line:
    there = [at.astimezone(zones.zone(timezone)) for at in (span.starts_at, span.ends_at)]
    mine = [at.astimezone(filters.viewer().zone) for at in (span.starts_at, span.ends_at)]
    same = all(a.utcoffset() == b.utcoffset() for a, b in zip(there, mine, strict=True))
    shifted = "" if there[0].date() == mine[0].date() else f"{mine[0]:%a} "
    return Line(
        starts_at=span.starts_at,
        day=f"{there[0]:%a} {there[0].day} {there[0]:%b %Y}",
        hours=_hours(*there),
        mine="" if same else shifted + _hours(*mine),
        length=durations.long((span.ends_at - span.starts_at).total_seconds()),
        words=span.words,
        now=span.holds(now),
    )


def _hours(start: datetime, end: datetime) -> str:
    if start.date() == end.date():
        return f"{start:%H:%M} – {end:%H:%M}"
    return f"{start:%H:%M} – {end:%a} {end:%H:%M}"


def occurrences(plan: maintenance.Plan, now: datetime, most: int = NEXT) -> list[Span]:
    """What runs now, and what comes next."""
    running = maintenance.covering(plan, now)
    return [*([running] if running else []), *maintenance.following(plan, now, most)]


def public_id(window: MaintenanceWindow) -> str:
    """The id of `window` in addresses."""
    return ids.public("mnt", window.id)
