"""Channels: where alerts go, whether they arrive, and a test that shows what comes back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, url_for

from tokiflow import channels as kinds
from tokiflow import errors, outside
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.models import Attempt, Channel
from tokiflow.queries import channels, recipients, slack_installations
from tokiflow.services import channels as service
from tokiflow.services import recipients as asking
from tokiflow.settings import Settings
from tokiflow.web import access, channel_offers, channel_rows, frame, htmx, recipient_rows, trials, verifiers
from tokiflow.web.forms import channel as forms
from tokiflow.web.forms.channel import ChannelForm

blueprint = Blueprint("channels", __name__, url_prefix="/app/channels")

LIVE = "channel"


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> str:
    """Every channel of the organization, and how each is doing."""
    found = channels.of_organization(access.organization().id)
    outcomes = channels.outcomes([one.id for one in found])
    return render_template(
        "channels/index.html",
        rows=[channel_rows.of(one, outcomes[one.id]) for one in found],
        workspaces=channel_rows.workspaces(slack_installations.of_organization(access.organization().id)),
    )


@blueprint.get("/new")
@access.requires(Right.EDIT_CHANNELS)
def new() -> str:
    """Choose what kind of channel to add."""
    return render_template("channels/new.html", kinds=kinds.KINDS)


@blueprint.route("/new/<kind>", methods=["GET", "POST"])
@access.requires(Right.EDIT_CHANNELS)
def create(kind: str) -> Response:
    """Set up a new channel of `kind`."""
    # The address names a kind and not a thing, so no loader asks for the right.
    access.check(Right.EDIT_CHANNELS)
    form = forms.of(kind).new()
    if kind == slack_installations.KIND and not slack_installations.of_organization(access.organization().id):
        return htmx.see_other(url_for("slack.index"))
    if request.method == "POST":
        try:
            values = {"kind": kind, **form.read()}
            made = service.create(access.organization().id, values, access.actor(), frame.now())
        except errors.Invalid as invalid:
            form.take(invalid)
        else:
            flash("Saved. Send a test now, so that the first alert is not the first try.", "success")
            return htmx.see_other(url_for("channels.show", channel_id=ids.public("chn", made)))
    return _form(form, kind, None)


@blueprint.get("/<channel_id>")
@access.requires(Right.SEE)
def show(channel_id: str) -> Response:
    """One channel and its last deliveries."""
    return htmx.page("channels/show.html", "channels/_channel.html", **_context(access.channel(channel_id)))


@blueprint.route("/<channel_id>/edit", methods=["GET", "POST"])
@access.requires(Right.EDIT_CHANNELS)
def edit(channel_id: str) -> Response:
    """Change a channel. Secrets left empty are kept."""
    channel = access.channel(channel_id)
    form = forms.of(channel.kind).of(channel)
    if request.method == "POST":
        try:
            service.edit(channel.id, form.read(), access.actor(), frame.now(), form.edited_version())
        except errors.Invalid as invalid:
            form.take(invalid)
        except errors.Conflict:
            # What the other person saved stands above the form; saving again is meant to overwrite it.
            form.version.data = str(channels.get(channel.id).version)
            return _form(form, channel.kind, channel, 409)
        else:
            flash("Saved.", "success")
            return htmx.see_other(_url(channel))
    return _form(form, channel.kind, channel)


@blueprint.route("/<channel_id>/delete", methods=["GET", "POST"])
@access.requires(Right.EDIT_CHANNELS)
def delete(channel_id: str) -> Response:
    """Ask, with what will go in numbers; then delete it."""
    channel = access.channel(channel_id)
    if request.method == "POST":
        name = channel.name
        service.delete(channel.id, access.actor(), frame.now())
        flash(f"{name} is deleted.", "success")
        return htmx.see_other(url_for("channels.index"))
    return htmx.page(
        "channels/delete.html",
        "channels/_delete.html",
        channel=channel_rows.of(channel, ()),
        monitors=channels.count_of_monitors(channel.id),
        deliveries=channels.count_of_deliveries(channel.id),
    )


@blueprint.post("/<channel_id>/enable")
@access.requires(Right.EDIT_CHANNELS)
def enable(channel_id: str) -> Response:
    """Let alerts go to it."""
    return _switched(access.channel(channel_id), enabled=True)


@blueprint.post("/<channel_id>/disable")
@access.requires(Right.EDIT_CHANNELS)
def disable(channel_id: str) -> Response:
    """Let no alert go to it."""
    return _switched(access.channel(channel_id), enabled=False)


@blueprint.post("/<channel_id>/test")
@access.requires(Right.EDIT_CHANNELS)
def test(channel_id: str) -> Response:
    """Send a real message now, and show what came back."""
    channel = access.channel(channel_id)
    attempt = service.test(channel.id, access.actor(), outside.of(current_app), frame.now())
    result = _result(channel, attempt)
    if htmx.is_htmx():
        return htmx.wake(make_response(render_template("channels/_test.html", **result)), LIVE)
    return make_response(render_template("channels/show.html", **{**_context(channels.get(channel.id)), **result}))


@blueprint.post("/<channel_id>/ask")
@access.requires(Right.EDIT_CHANNELS)
def ask(channel_id: str) -> Response:
    """Send the question to an address once more, whether it wants these mails."""
    channel = access.channel(channel_id)
    address = request.form.get("address", "")
    if address not in channel.config.get("to", ()):
        raise errors.Invalid({"address": ["is none of this channel; choose one of its own"]})
    try:
        asking.ask_again(channel.organization_id, address, access.actor(), frame.now())
        said, kind = f"The question is on its way to {address}.", "up"
    except (errors.Conflict, errors.RateLimited) as error:
        said, kind = error.message, "late"
    if htmx.target() == LIVE:
        return htmx.toast(
            make_response(render_template("channels/_channel.html", **_context(channels.get(channel.id)))), said, kind
        )
    flash(said, "success" if kind == "up" else "warning")
    return htmx.see_other(_url(channel))


def _context(channel: Channel) -> dict[str, Any]:
    now = frame.now()
    latest = channels.deliveries(channel.id)
    attempts = channels.attempts([one.id for one in latest])
    return {
        "channel": channel_rows.of(channel, channels.outcomes([channel.id])[channel.id]),
        "settings": channel_rows.settings(channel),
        "monitors": channels.count_of_monitors(channel.id),
        "trials": [
            (
                trials.trial(one, channel, attempts[one.id], now),
                *_about(one.alert.news, one.incident_id, one.alert.content),
            )
            for one in latest
        ],
        "to_outbox": channel.kind == "email" and _mails_stay_here(),
        "recipients": recipient_rows.of(recipients.of_channels([channel]).get(channel.id, ()), now),
    }


def _about(kind: str, incident_id: Any, content: dict[str, Any]) -> tuple[str, str]:
    """What a delivery was about, and where that can be read."""
    if incident_id is None:
        return "A test", ""
    words = {
        "opened": "began", "resolved": "is over", "escalated": "goes on, nobody had acknowledged",
        "reminder": "goes on", "acknowledged": "is in somebody’s hands", "muted": "is muted",
        "unmuted": "is muted no more",
    }  # fmt: skip
    word = words.get(kind, "came back")
    trouble = f"{content.get('monitor_name', 'A monitor')}: trouble {word}"
    return trouble, url_for("incidents.show", incident_id=ids.public("inc", incident_id))


def _result(channel: Channel, attempt: Attempt) -> dict[str, Any]:
    """What is to be said about a test that was just made."""
    tried = trials.attempt(attempt)
    stays = channel.kind == "email" and _mails_stay_here()
    return {"tried": tried, "enabled": channels.get(channel.id).enabled, "to_outbox": stays}


def _form(form: ChannelForm, kind: str, channel: Channel | None, status: int = 200) -> Response:
    stored = channel_rows.of(channels.get(channel.id), ()) if channel else None
    form.offer(channel_offers.of(kind))
    return htmx.page(
        "channels/edit.html" if channel else "channels/create.html",
        "channels/_form.html",
        422 if form.errors else status,
        form=form,
        kind=kinds.get(kind),
        channel=stored,
        kept=forms.kept(kinds.get(kind), channel.config) if channel else (),
        conflict=status == 409,
        to_outbox=kind == "email" and _mails_stay_here(),
        verify_python=verifiers.PYTHON,
        verify_node=verifiers.NODE,
    )


def _switched(channel: Channel, *, enabled: bool) -> Response:
    service.edit(channel.id, {"enabled": enabled}, access.actor(), frame.now())
    said = "Alerts go to it again." if enabled else "No alert goes to it until it is enabled again."
    if htmx.target() == LIVE:
        return htmx.toast(
            make_response(render_template("channels/_channel.html", **_context(channels.get(channel.id)))), said
        )
    flash(said, "success")
    return htmx.refresh(_url(channel))


def _mails_stay_here() -> bool:
    """Whether mail goes to the local outbox, because no mail server is set and this is not production."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return not (settings.production or settings.smtp_url or settings.resend_api_key)


def _url(channel: Channel) -> str:
    return url_for("channels.show", channel_id=ids.public("chn", channel.id))
