"""The overview: what is broken, what gets worse, how the organization does; in an empty organization, the tour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from flask import Blueprint, Response, current_app, request, url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.core.status import Status
from tokiflow.queries import alerts, downtime, incident_tallies, monitors, standing, unresolved
from tokiflow.queries.unresolved import Unresolved
from tokiflow.services import tour as service
from tokiflow.settings import Settings
from tokiflow.web import (
    access,
    address,
    charts,
    filters,
    frame,
    htmx,
    incident_trend,
    monitor_list,
    noise,
    org_health,
    tour,
    troubles,
    worse,
)

blueprint = Blueprint("overview", __name__, url_prefix="/app")

INCIDENTS = 20
PERIODS = {"7": "7 days", "30": "30 days"}
"""What `?days=` may say; the first is meant where it says nothing."""
LATER = 1_000
"""With more monitors than these the figures come after the page, which does not wait for them."""


@dataclass(frozen=True)
class Overview:
    """The first part of the page, in the order in which it is read: it follows the server closely."""

    headline: str
    lede: str
    statuses: Sequence[tuple[Status, int]]
    troubles: Sequence[troubles.Trouble]
    told_at: Mapping[str, datetime]
    hands: Mapping[str, str]
    more_troubles: int
    total: int
    any_channel: bool
    tour: tour.Tour | None


@dataclass(frozen=True)
class Figures:
    """The second part: what gets worse, how all do lately (`days` days, today included), and what is noisy.

    strips: run strips of the monitors that are named, by their public id.
    """

    days: str
    periods: Sequence[tuple[str, str, str]]
    worse: worse.Worsenings
    health: org_health.OrgHealth
    trend: incident_trend.Trend
    noisy: Sequence[noise.Noisy]
    strips: Mapping[str, charts.Strip]


@blueprint.get("")
@access.requires(Right.SEE)
def show() -> Response:
    """How the organization stands."""
    if htmx.is_htmx() and request.args.get("part") == "figures":
        return htmx.page("overview/_figures.html", "overview/_figures.html", figures=_figures_alone())
    return _page()


@blueprint.post("/tour")
@access.requires(Right.EDIT_MONITORS)
def start_tour() -> Response:
    """Begin the tour: a monitor that expects a ping every minute, and mail to whoever asks if nobody else is told."""
    name = request.form.get("name", "")
    email = access.user().email if access.may(Right.EDIT_CHANNELS) else ""
    organization_id = access.organization().id
    try:
        made = service.start(organization_id, name, email, access.actor(), frame.now())
    except errors.Invalid as refused:
        return _page(422, name=name, mistake=" ".join(refused.fields.get("name", [refused.message])))
    tour.remember(organization_id, made)
    return htmx.see_other(url_for("overview.show"))


@blueprint.post("/tour/dismiss")
@access.requires(Right.SEE)
def dismiss_tour() -> Response:
    """No more of the tour, in this browser."""
    tour.dismiss(access.organization().id)
    return htmx.see_other(url_for("overview.show"))


def _page(status: int = 200, name: str = "My first job", mistake: str = "") -> Response:
    settings: Settings = current_app.extensions["tokiflow.settings"]
    wrong = unresolved.of_organization(access.organization().id, INCIDENTS)
    later = _later()
    return htmx.page(
        "overview/show.html",
        "overview/_live.html",
        status,
        overview=_read(wrong),
        figures=None if htmx.is_htmx() or later else _figures(wrong),
        later=later,
        days=_days(),
        part=htmx.is_htmx(),
        name=name,
        mistake=mistake,
        outbox_url="" if settings.production else url_for("outbox.index"),
    )


def _read(wrong: Unresolved) -> Overview:
    """The first part, in one constant number of statements."""
    organization_id, now = access.organization().id, frame.now()
    counts = frame.counts()
    frame.know(counts, wrong.count)
    told = alerts.told([one.id for one in wrong.outages]) if wrong.outages else {}
    total = sum(counts.values())
    last_sent_at, any_channel = alerts.reach(organization_id)
    return Overview(
        headline=headline(counts, wrong.outage_count, wrong.acknowledged, wrong.performance_count),
        lede=lede(counts, wrong.outage_count, last_sent_at),
        statuses=[(status, counts[status]) for status in _ORDER if counts[status]],
        troubles=troubles.rows(wrong.outages, now, told),
        told_at={
            ids.public("inc", incident_id): min(one.sent_at for one in sent if one.sent_at)
            for incident_id, sent in told.items()
            if sent
        },
        hands={
            ids.public("inc", one.id): wrong.hands.get(one.assigned_to, "") for one in wrong.outages if one.assigned_to
        },
        more_troubles=wrong.outage_count - len(wrong.outages),
        total=total,
        any_channel=any_channel,
        tour=tour.read(organization_id, total, now),
    )


_ORDER = (Status.DOWN, Status.LATE, Status.UP, Status.NEW, Status.PAUSED)


def _later() -> bool:
    """Whether the browser asks for the figures on its own; one without JavaScript says that it wants them at once."""
    return sum(frame.counts().values()) > LATER and request.args.get("figures") != "now"


def _days() -> str:
    asked = address.one(request.args, "days")
    return asked if asked in PERIODS else next(iter(PERIODS))


def _figures_alone() -> Figures | None:
    return _figures(unresolved.of_organization(access.organization().id, INCIDENTS))


def _figures(wrong: Unresolved) -> Figures | None:
    """The second part; None in an organization that has nothing to tell of yet."""
    organization_id, now = access.organization().id, frame.now()
    days = _days()
    since = datetime.combine(now.astimezone(UTC).date(), time(), UTC) - timedelta(days=int(days) - 1)
    before = since - timedelta(days=int(days))
    found = standing.of_organization(
        organization_id, before, since, now,
        uptimes=downtime.uptimes(organization_id, since, now),
        known=[one.monitor_id for one in wrong.performance],
    )  # fmt: skip
    if not found.sums.pinged:
        return None
    first, earlier = incident_trend.starts(now)
    getting_worse = worse.read(found, wrong.performance, before, since, now)
    health = org_health.read(found, sum(frame.counts().values()))
    noisy = noise.read(organization_id, first, now)
    named = [*(one.id for one in getting_worse.rows), *(one.id for one in health.lowest), *(one.id for one in noisy)]
    return Figures(
        days=days,
        periods=[(name, words, url_for("overview.show", days=name)) for name, words in PERIODS.items()],
        worse=getting_worse,
        health=health,
        trend=incident_trend.of(
            incident_tallies.of_organization(organization_id, earlier, now, filters.zone_key()), now
        ),
        noisy=noisy,
        strips={ids.public("mon", key): monitor_list.strip(ticks) for key, ticks in monitors.strips(named).items()},
    )


def headline(counts: Mapping[Status, int], open_count: int, acknowledged: int, worsening: int = 0) -> str:
    """The first line, read at 3 a.m.: `Two jobs need you`, `All 142 jobs are fine`."""
    total = sum(counts.values())
    if open_count:
        if acknowledged == open_count:
            return f"{_jobs(open_count)} down, and somebody is on it"
        return f"{filters.spelled(open_count)} {'job needs' if open_count == 1 else 'jobs need'} you"
    if not total:
        return "Welcome to Tokiflow"
    if worsening:
        return f"{filters.spelled(worsening)} {'job does' if worsening == 1 else 'jobs do'} not run as usual"
    if counts[Status.LATE]:
        return f"{_jobs(counts[Status.LATE])} late"
    if counts[Status.UP] == total:
        return "Your job is fine" if total == 1 else f"All {filters.number(total)} jobs are fine"
    if counts[Status.UP]:
        return "Nothing is wrong"
    return "Waiting for a first ping" if counts[Status.NEW] else "Everything is paused"


def lede(counts: Mapping[Status, int], open_count: int, last_sent_at: datetime | None) -> str:
    """What else there is: `One more is late. The other 139 are fine; the last alert left 4 min ago.`"""
    sentences = []
    late, up = counts[Status.LATE], counts[Status.UP]
    if late and open_count:
        sentences.append(f"{filters.spelled(late)} more {_is(late)} late.")
    if up and (late or open_count):
        sentences.append(f"The other {filters.number(up)} {_is(up)} fine." if up > 1 else "The other one is fine.")
    elif up and up < sum(counts.values()):
        sentences.append(f"{_jobs(up)} fine.")
    for number, words in ((counts[Status.NEW], "waiting for a first ping"), (counts[Status.PAUSED], "paused")):
        if number:
            sentences.append(f"{filters.spelled(number)} {_is(number)} {words}.")
    if last_sent_at:
        sentences.append(f"The last alert left {filters.ago(last_sent_at)}.")
    elif sum(counts.values()):
        sentences.append("No alert has ever left.")
    return " ".join(sentences)


def _jobs(number: int) -> str:
    return f"{filters.spelled(number)} {'job is' if number == 1 else 'jobs are'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
