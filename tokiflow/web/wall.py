"""The wall: how everything stands, to be read from across the room on a screen that nobody touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, url_for

from tokiflow.core import durations, ids
from tokiflow.core.roles import Right
from tokiflow.core.schedule import zones
from tokiflow.core.status import Status
from tokiflow.models import Incident, Monitor
from tokiflow.queries import monitors, running, sessions, system, unresolved
from tokiflow.queries.unresolved import Unresolved
from tokiflow.web import (
    access,
    address,
    charts,
    filters,
    frame,
    htmx,
    monitor_list,
    overview,
    signed_in,
    troubles,
    worse,
)

blueprint = Blueprint("wall", __name__, url_prefix="/app/wall")

DOWN = 60
"""So many that are down are named; how many more there are is said."""
RUNNING = 6
STRIPS, CALM_STRIPS, PAGES = 12, 16, 5
"""So many run strips a page, where something is down and where nothing is, and so many pages, which take turns."""
ROW = 4
TURN = timedelta(seconds=15)
SAID_BEFORE = timedelta(days=14)
"""So long before the screen is signed out, it says so."""


@dataclass(frozen=True, slots=True)
class Down:
    """What is down: since when, why, and who is on it."""

    id: str
    name: str
    kind: str
    sentence: str
    since: datetime
    lasted: str
    who: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A monitor with its last runs."""

    id: str
    name: str
    status: str
    running: bool
    note: str
    strip: charts.Strip


@dataclass(frozen=True)
class Wall:
    """What the screen shows. size: how much room each thing that is down gets, from `few` to `most`."""

    at: datetime
    zone: str
    city: str
    headline: str
    mood: str
    total: int
    counts: Sequence[tuple[str, int]]
    others: str
    down: Sequence[Down]
    more_down: int
    size: str
    running: Sequence[running.Running]
    more_running: int
    last: str
    strips: Sequence[Strip]
    page: int
    pages: int
    notice: str
    signed_in_until: datetime | None


@dataclass(frozen=True)
class Choice:
    """What the address chooses: `scheme` light or dark, a `zone`, and a `tag` whose monitors' runs are shown."""

    scheme: str
    zone: str
    tag: str

    def url(self, **other: str) -> str:
        """The wall's address with this choice, or another."""
        chosen = {"scheme": self.scheme if self.scheme == "light" else "", "zone": self.zone, "tag": self.tag, **other}
        return url_for("wall.show", **{name: value for name, value in chosen.items() if value})  # type: ignore[arg-type]


@blueprint.get("")
@access.requires(Right.SEE)
def show() -> Response:
    """How everything stands, big; it follows by itself and says when it has lost touch."""
    choice = chosen()
    filters.look(frame.now(), _zone(choice))
    found = read(access.organization().id, choice.tag, frame.now())
    return htmx.page("wall/show.html", "wall/_live.html", wall=found, choice=choice, part=htmx.is_htmx())


def chosen() -> Choice:
    """The choice that the address makes; what it says wrongly, or in two ways, is as if it said nothing."""
    zone, tag = address.one(request.args, "zone"), address.one(request.args, "tag")
    scheme = "light" if address.one(request.args, "scheme") == "light" else "dark"
    return Choice(scheme, zone if zones.exists(zone) else "", tag.replace("\x00", ""))


def _zone(choice: Choice) -> ZoneInfo:
    """The zone of the address; or else of the organization, which its quiet hours know; or else of whoever is signed
    in."""
    kept = access.organization().quiet_hours.get("timezone", "")
    own = choice.zone or (kept if isinstance(kept, str) and zones.exists(kept) else "")
    return zones.zone(own or filters.zone_key())


def read(organization_id: UUID, tag: str, now: datetime) -> Wall:
    """Everything the screen shows, in one constant number of statements."""
    wrong = unresolved.of_organization(organization_id, DOWN)
    counts = frame.counts()
    frame.know(counts, wrong.count)
    going, going_on = running.of_organization(organization_id, RUNNING)
    strips, page, pages = _strips(organization_id, 0 if tag else counts[Status.DOWN], tag, wrong, now)
    mine = signed_in.current()
    ends = mine.created_at + sessions.LONGEST if mine else None
    return Wall(
        at=now,
        zone=filters.zone_key(),
        city=zones.city(filters.zone_key()),
        headline=overview.headline(counts, wrong.outage_count, wrong.acknowledged, wrong.performance_count),
        mood=_mood(counts, wrong),
        total=sum(counts.values()),
        counts=[(status.value, counts[status]) for status in (Status.DOWN, Status.LATE, Status.UP)],
        others=_others(counts),
        down=[_down(one, wrong, now) for one in wrong.outages],
        more_down=wrong.outage_count - len(wrong.outages),
        size=_size(len(wrong.outages)),
        running=going,
        more_running=going_on - len(going),
        last=_last(unresolved.last_resolved(organization_id, now)),
        strips=strips,
        page=page,
        pages=pages,
        notice=_notice(now),
        signed_in_until=ends if ends and ends - now < SAID_BEFORE else None,
    )


def _mood(counts: Mapping[Status, int], wrong: Unresolved) -> str:
    if wrong.outage_count:
        return "down"
    if counts[Status.LATE] or wrong.performance_count:
        return "late"
    return "up" if counts[Status.UP] else "new"


def _others(counts: Mapping[Status, int]) -> str:
    """`3 new, 2 paused`"""
    return ", ".join(f"{counts[one]} {one.value}" for one in (Status.NEW, Status.PAUSED) if counts[one])


def _size(number: int) -> str:
    return next((name for most, name in ((3, "few"), (8, "some"), (24, "many")) if number <= most), "most")


def _down(one: Incident, wrong: Unresolved, now: datetime) -> Down:
    trouble = troubles.of(one, now)
    assigned = wrong.hands.get(one.assigned_to, "") if one.assigned_to else ""
    who = assigned or one.acknowledged_by
    return Down(
        ids.public("inc", one.id), one.monitor.name, one.kind, trouble.sentence, one.last_opened_at,
        durations.words(trouble.lasted), f"{who} is on it" if who else "nobody is on it",
    )  # fmt: skip


def _last(ended: Incident | None) -> str:
    """The incident that ended last, in a sentence."""
    if ended is None or ended.resolved_at is None:
        return ""
    lasted = worse.rough((ended.resolved_at - ended.last_opened_at).total_seconds())
    return f"{ended.monitor.name} was down for {lasted} and is back since {filters.clock(ended.resolved_at)}"


def _strips(
    organization_id: UUID, skipped: int, tag: str, wrong: Unresolved, now: datetime
) -> tuple[list[Strip], int, int]:
    """The strips whose turn it is, which page that is, and how many there are, about equally full and in whole
    rows. What is down has its place above; what gets worse comes next."""
    most = STRIPS if wrong.outages else CALM_STRIPS
    odd = {one.monitor_id: one.kind for one in wrong.performance}
    wanted = monitors.Filter(tag=tag)
    found = monitors.page(organization_id, wanted, now, offset=skipped, limit=most * PAGES, worsening=odd)
    pages = max(1, -(-len(found) // most))
    page = int(now.timestamp() // TURN.total_seconds()) % pages
    each = ROW * -(-len(found) // (ROW * pages))
    shown = found[page * each : (page + 1) * each]
    ticks = monitors.strips([one.id for one in shown])
    return [_strip(one, ticks[one.id], _WORSE.get(odd.get(one.id, ""), ""), now) for one in shown], page, pages


_WORSE = {"anomaly": "unusual", "degraded": "slower"}


def _strip(one: Monitor, ticks: Sequence[monitors.Tick], note: str, now: datetime) -> Strip:
    status = monitors.shown_status(one, now)
    if status is Status.LATE and one.due_at and one.due_at <= now:
        note = f"{worse.rough((now - one.due_at).total_seconds())} late"
    return Strip(
        ids.public("mon", one.id), one.name, status.value, one.running > 0, note, monitor_list.strip(ticks)
    )  # fmt: skip


def _notice(now: datetime) -> str:
    """What makes all of this untrue."""
    if "clock" in system.silent_processes(now):
        return "Tokiflow’s clock is not running: missed jobs are not noticed."
    return ""
