"""The overview: what is wrong, who knows, and the monitors worst first; in an empty organization, the tour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, current_app, request, url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.core.status import Status
from tokiflow.queries import alerts, channels, incidents, monitors
from tokiflow.services import tour as service
from tokiflow.settings import Settings
from tokiflow.web import access, filters, frame, htmx, monitor_list, tour, troubles

blueprint = Blueprint("overview", __name__, url_prefix="/app")

MONITORS = 20
INCIDENTS = 20


@dataclass(frozen=True)
class Overview:
    """The page, in the order in which it is read."""

    headline: str
    lede: str
    troubles: Sequence[troubles.Trouble]
    told_at: Mapping[str, datetime]
    more_troubles: int
    rows: Sequence[monitor_list.Row]
    total: int
    any_channel: bool
    tour: tour.Tour | None


@blueprint.get("")
@access.requires(Right.SEE)
def show() -> Response:
    """How the organization stands."""
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
    return htmx.page(
        "overview/show.html",
        "overview/_live.html",
        status,
        overview=_read(access.organization().id, frame.now()),
        part=htmx.is_htmx(),
        name=name,
        mistake=mistake,
        outbox_url="" if settings.production else url_for("outbox.index"),
    )


def _read(organization_id: UUID, now: datetime) -> Overview:
    """Everything the page shows, in one constant number of statements."""
    counts = monitors.count_by_status(organization_id, now)
    open_count = incidents.count_unresolved(organization_id)
    found = incidents.unresolved(organization_id, INCIDENTS) if open_count else []
    told = alerts.told([one.id for one in found]) if found else {}
    total = sum(counts.values())
    return Overview(
        headline=headline(counts, open_count, sum(one.status == "acknowledged" for one in found)),
        lede=lede(counts, open_count, alerts.last_sent_at(organization_id)),
        troubles=troubles.rows(found, now, told),
        told_at={
            ids.public("inc", incident_id): min(one.sent_at for one in sent if one.sent_at)
            for incident_id, sent in told.items()
            if sent
        },
        more_troubles=open_count - len(found),
        rows=monitor_list.rows(monitors.page(organization_id, monitors.Filter(), now, limit=MONITORS), now),
        total=total,
        any_channel=any(channel.enabled for channel in channels.of_organization(organization_id)),
        tour=tour.read(organization_id, total, now),
    )


def headline(counts: Mapping[Status, int], open_count: int, acknowledged: int) -> str:
    """The first line, read at 3 a.m.: `Two jobs need you`, `All 142 jobs are fine`."""
    total = sum(counts.values())
    if open_count:
        if acknowledged == open_count:
            return f"{_jobs(open_count)} down, and somebody is on it"
        return f"{filters.spelled(open_count)} {'job needs' if open_count == 1 else 'jobs need'} you"
    if not total:
        return "Welcome to Tokiflow"
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
