"""What was promised and never arrived, and the way to send it again."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.queries.undelivered import Filter
from tokiflow.services import deliveries as service
from tokiflow.web import access, filters, frame, htmx, undelivered_list

blueprint = Blueprint("undelivered", __name__, url_prefix="/app/channels/undelivered")

LIVE = "undelivered"
NOTHING_CHOSEN = "Nothing was chosen. Tick what is to be sent again."


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """What was given up, by channel, filtered as the address says."""
    return _page()


@blueprint.post("/send-again")
@access.requires(Right.WORK_INCIDENTS)
def send_again() -> Response:
    """Take up one, those that are ticked, or all to a channel. The address says which view the form stood in."""
    which = _chosen()
    if which is None:
        return _page(422, NOTHING_CHOSEN)
    try:
        number = service.send_again(access.organization().id, which, access.actor(), frame.now())
    except errors.Conflict as conflict:
        return _page(409, conflict.message)
    said = f"{filters.count(number, 'message')} {'is' if number == 1 else 'are'} on the way again."
    if htmx.target() == LIVE:
        return htmx.toast(_page(), said)
    flash(said, "success")
    return htmx.see_other(undelivered_list.address(request.args))


def _chosen() -> Filter | None:
    """What the form names: a button for one or for a channel as a whole, else what is ticked. None if nothing."""
    form = request.form
    if form.get("only"):
        return Filter(ids=[ids.parse("dlv", form["only"])])
    if form.get("whole"):
        since = undelivered_list.since(request.args, frame.now())
        return Filter(channel_id=ids.parse("chn", form["whole"]), since=since)
    ticked = [ids.parse("dlv", one) for one in form.getlist("delivery")]
    return Filter(ids=ticked) if ticked else None


def _page(status: int = 200, said: str = "") -> Response:
    found = undelivered_list.read(access.membership().organization_id, request.args, frame.now())
    return htmx.page("undelivered/index.html", "undelivered/_answer.html", status, list=found, said=said)
