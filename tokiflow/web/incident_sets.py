"""Doing the same with many incidents: a question that counts what will happen, then one press.

Which ones are meant stands in the form: each by its id, or all that the filters find (`all`), as far as they were known
when the question was asked (`seen`). What takes longer than a request may (PATIENCE) goes on with the next, by itself
or by another press: when it began (`since`), how many it is about (`of`) and how many are `done` stand in that form.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, request, url_for
from sqlalchemy import Select
from werkzeug.datastructures import MultiDict

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.db import db
from tokiflow.models import Incident
from tokiflow.queries import incidents
from tokiflow.queries.incidents import Filter
from tokiflow.services import incident_sets as service
from tokiflow.services.incident_sets import Done
from tokiflow.web import access, filters, frame, htmx, incident_list
from tokiflow.web.forms.incident import MuteForm
from tokiflow.web.incident_filter import Choice

blueprint = Blueprint("incident_sets", __name__, url_prefix="/app/incidents/bulk")

MOST = 500
"""So many are named one by one at most."""
PATIENCE = 8.0
"""So many seconds a request may take, and one slice more: routers in front of us give up after thirty."""
NAMED = 5
NONE_CHOSEN = "Tick the incidents that you mean first."


@dataclass(frozen=True)
class Deed:
    """Something to be done with many: in which statuses it means something, and how the page says it."""

    verb: str
    past: str
    on: tuple[str, ...]
    why: str


DEEDS = {
    "acknowledge": Deed(
        "Acknowledge", "acknowledged", ("open",), "Others see that you are on them, and nobody else is called."
    ),
    "resolve": Deed(
        "Resolve", "resolved", ("open", "acknowledged"), "They are over then, and their monitors get a fresh chance."
    ),
    "mute": Deed(
        "Mute", "muted", ("open", "acknowledged"),
        "Until then nobody is told about them again, only that they are over. They stay open.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Question:
    """What is asked before it is done. `will` is how many will be changed, `wont` what will not be, in words."""

    do: str
    deed: Deed
    title: str
    will: int
    wont: Sequence[str]
    names: str
    hidden: Sequence[tuple[str, str]]
    back: str


@dataclass(frozen=True)
class Stretch:
    """How far it came so far: since when, how many are done, of how many that were meant."""

    since: datetime
    done: int
    of: int


@blueprint.get("")
@access.requires(Right.WORK_INCIDENTS)
def ask() -> Response:
    """Say what will happen, and to how many, before it does."""
    return _ask(request.args, MuteForm(formdata=None))


@blueprint.post("")
@access.requires(Right.WORK_INCIDENTS)
def carry_out() -> Response:
    """Do it."""
    keys, choice = _meant(request.form)
    deed = DEEDS.get(request.form.get("do", ""))
    if keys is None or deed is None:
        return _nothing(choice)
    form = MuteForm()
    stretch = _stretch(request.form, keys)
    if stretch.done:
        keys = incidents.without(keys, deed.past, access.user().id, stretch.since)
    # Whose turn it could not be is not even asked: of years of incidents there may be very many.
    found = db.session.execute(keys.where(Incident.status.in_(deed.on))).scalars().all()
    try:
        came = _do(request.form["do"], found, form, stretch.since)
    except errors.Invalid as invalid:
        form.take(invalid)
        return _ask(request.form, form, 422)
    changed = stretch.done + came.changed
    if came.left:
        return _go_on(deed, replace(stretch, done=changed), came.left, choice)
    flash(_said(deed, changed, stretch.of), "success" if changed else "warning")
    return htmx.refresh(incident_list.url(choice))


def _do(do: str, found: Sequence[UUID], form: MuteForm, since: datetime) -> Done:
    by, now, end = access.actor(), frame.now(), time.monotonic() + PATIENCE

    def patience() -> bool:
        return time.monotonic() < end

    if do == "mute":
        return service.mute(found, form.end(since, filters.viewer().zone), by, now, patience)
    return (service.acknowledge if do == "acknowledge" else service.resolve)(found, by, now, patience)


def _stretch(asked: MultiDict[str, str], keys: Select[Any]) -> Stretch:
    """Where it goes on; at the first press, where it begins."""
    if "since" in asked:
        return Stretch(_moment(asked["since"], frame.now()), _number(asked.get("done")), _number(asked.get("of")))
    return Stretch(frame.now(), 0, sum(incidents.standing(keys).values()))


def _go_on(deed: Deed, stretch: Stretch, left: int, choice: Choice) -> Response:
    """Say how far it is; the page asks for the rest."""
    until = [(name, request.form[name]) for name in ("choice", "until") if name in request.form]
    where = [("since", stretch.since.isoformat()), ("done", str(stretch.done)), ("of", str(stretch.of))]
    return htmx.page(
        "incidents/bulk_on.html",
        "incidents/_bulk_on.html",
        title=f"{filters.number(stretch.done)} of {filters.count(stretch.done + left, 'incident')} are {deed.past}",
        percent=100 * stretch.done // (stretch.done + left),
        left=left,
        hidden=[*_hidden(request.form["do"], request.form, choice), *until, *where],
        back=incident_list.url(choice),
    )


def _ask(asked: MultiDict[str, str], form: MuteForm, status: int = 200) -> Response:
    keys, choice = _meant(asked)
    do = asked.get("do", "")
    if keys is None or do not in DEEDS:
        return _nothing(choice)
    question = _question(do, keys, asked, choice)
    return htmx.page("incidents/bulk.html", "incidents/_bulk_ask.html", status, question=question, form=form)


def _question(do: str, keys: Select[Any], asked: MultiDict[str, str], choice: Choice) -> Question:
    deed, by_status = DEEDS[do], incidents.standing(keys)
    will = sum(by_status.get(one, 0) for one in deed.on)
    some = incidents.some_of(keys, deed.on, NAMED) if will else ()
    names = list(dict.fromkeys(one.monitor.name for one in some))
    more = will - len(some)
    return Question(
        do=do,
        deed=deed,
        title=f"{deed.verb} {filters.count(will, 'incident')}?" if will else f"Nothing to {do}",
        will=will,
        wont=_wont(deed, by_status, asked),
        names=", ".join(names) + (f" and {filters.number(more)} more" if more > 0 else ""),
        hidden=_hidden(do, asked, choice),
        back=incident_list.url(choice),
    )


def _wont(deed: Deed, by_status: Mapping[str, int], asked: MultiDict[str, str]) -> list[str]:
    """Who is left as it is, and why."""
    said = []
    if number := by_status.get("resolved", 0):
        said.append(f"{filters.number(number)} {'is' if number == 1 else 'are'} resolved already")
    if (number := by_status.get("acknowledged", 0)) and "acknowledged" not in deed.on:
        said.append(f"{filters.number(number)} {'is' if number == 1 else 'are'} acknowledged already")
    named = len(set(asked.getlist("id")))
    if not asked.get("all") and (gone := named - sum(by_status.values())) > 0:
        said.append(f"{filters.number(gone)} {'is' if gone == 1 else 'are'} not here any more")
    return said


def _hidden(do: str, asked: MultiDict[str, str], choice: Choice) -> list[tuple[str, str]]:
    """What the question sends again with its answer."""
    which = [("all", "yes")] if asked.get("all") else [("id", one) for one in asked.getlist("id")[:MOST]]
    seen = asked.get("seen") or frame.now().isoformat()
    return [("do", do), ("seen", seen), *which, *choice.said.items()]


def _meant(asked: MultiDict[str, str]) -> tuple[Select[Any] | None, Choice]:
    """The ids that are meant, None if none are; and the filters that they were chosen under."""
    organization_id, now = access.organization().id, frame.now()
    found = incident_list.understand(organization_id, asked, access.user().id, now)
    seen = _moment(asked.get("seen", ""), now)
    if asked.get("all"):
        keys = incidents.keys(organization_id, found.wanted, known_by=seen) if found.wanted else None
        return keys, found.choice
    named = [id for one in asked.getlist("id")[:MOST] if (id := _id(one))]
    return incidents.keys(organization_id, Filter(), among=named) if named else None, found.choice


def _moment(text: str, now: datetime) -> datetime:
    try:
        seen = datetime.fromisoformat(text)
        return min(seen, now) if seen.tzinfo else now
    except (ValueError, OverflowError):
        return now


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _id(text: str) -> UUID | None:
    try:
        return ids.parse("inc", text)
    except errors.NotFound:
        return None


def _said(deed: Deed, changed: int, meant: int) -> str:
    left = meant - changed
    rest = f" {filters.number(left)} {'was left as it was' if left == 1 else 'were left as they were'}." if left else ""
    if not changed:
        return f"None was {deed.past}: somebody was faster, or they are over.{rest}"
    return f"{filters.count(changed, 'incident')} {'was' if changed == 1 else 'were'} {deed.past}.{rest}"


def _nothing(choice: Choice) -> Response:
    """Nobody said which ones, or what."""
    if htmx.is_htmx():
        return htmx.toast(Response(status=204), NONE_CHOSEN, "late")
    flash(NONE_CHOSEN, "warning")
    return htmx.see_other(url_for("incidents.index", **choice.said))
