"""Channels: where alerts go, whether they arrive, and a test that shows what comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, url_for

from tokiflow import channels as kinds
from tokiflow import errors, outside
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.models import Attempt, Channel
from tokiflow.queries import channels, recipients, slack_installations, undelivered
from tokiflow.services import channels as service
from tokiflow.services import recipients as asking
from tokiflow.settings import Settings
from tokiflow.web import (
    access,
    channel_history,
    channel_offers,
    channel_rows,
    frame,
    htmx,
    named,
    recipient_rows,
    trials,
    verifiers,
    webhook_preview,
    webhook_signing,
)
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
        undelivered_count=undelivered.count(access.organization().id),
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


@blueprint.post("/new/<kind>/preview")
@access.requires(Right.EDIT_CHANNELS)
def preview_new(kind: str) -> Response:
    """Show what the channel in the form would send."""
    access.check(Right.EDIT_CHANNELS)
    return _previewed(forms.of(kind).new(), kind, None)


@blueprint.post("/<channel_id>/preview")
@access.requires(Right.EDIT_CHANNELS)
def preview(channel_id: str) -> Response:
    """Show what a channel would send as its form has it now."""
    channel = named.channel(channel_id)
    return _previewed(forms.of(channel.kind).of(channel), channel.kind, channel)


@blueprint.get("/<channel_id>")
@access.requires(Right.SEE)
def show(channel_id: str) -> Response:
    """One channel and its last deliveries."""
    return htmx.page("channels/show.html", "channels/_channel.html", **_context(named.channel(channel_id)))


@blueprint.route("/<channel_id>/edit", methods=["GET", "POST"])
@access.requires(Right.EDIT_CHANNELS)
def edit(channel_id: str) -> Response:
    """Change a channel. Secrets left empty are kept."""
    channel = named.channel(channel_id)
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
    channel = named.channel(channel_id)
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
    return _switched(named.channel(channel_id), enabled=True)


@blueprint.post("/<channel_id>/disable")
@access.requires(Right.EDIT_CHANNELS)
def disable(channel_id: str) -> Response:
    """Let no alert go to it."""
    return _switched(named.channel(channel_id), enabled=False)


@blueprint.route("/<channel_id>/secret", methods=["GET", "POST"])
@access.requires(Right.EDIT_CHANNELS)
def rotate(channel_id: str) -> Response:
    """Say what another signing secret means; then make one, and show it this once."""
    channel = named.channel(channel_id)
    signing = webhook_signing.must_have(channel, frame.now())
    made = ""
    if request.method == "POST":
        made = webhook_signing.rotate(channel, request.form.get("version", ""), access.actor(), frame.now())
        signing = webhook_signing.must_have(channels.get(channel.id), frame.now())
    answer = htmx.page(
        "channels/secret.html",
        "channels/_secret.html",
        channel=channel_rows.of(channels.get(channel.id), ()),
        signing=signing,
        made=made,
    )
    return htmx.wake(answer, LIVE) if made and htmx.is_htmx() else answer


@blueprint.post("/<channel_id>/secret/forget")
@access.requires(Right.EDIT_CHANNELS)
def forget_former(channel_id: str) -> Response:
    """Sign with the present secret only, from now on."""
    channel = named.channel(channel_id)
    webhook_signing.must_have(channel, frame.now())
    service.edit(channel.id, {"config": {"previous_secret": None}}, access.actor(), frame.now())
    return _done(channel, "Only the present secret signs now.")


@blueprint.post("/<channel_id>/test")
@access.requires(Right.EDIT_CHANNELS)
def test(channel_id: str) -> Response:
    """Send a real message now, and show what came back."""
    channel = named.channel(channel_id)
    attempt = service.test(channel.id, access.actor(), outside.of(current_app), frame.now())
    result = _result(channel, attempt)
    if htmx.is_htmx():
        return htmx.wake(make_response(render_template("channels/_test.html", **result)), LIVE)
    return make_response(render_template("channels/show.html", **{**_context(channels.get(channel.id)), **result}))


@blueprint.post("/<channel_id>/ask")
@access.requires(Right.EDIT_CHANNELS)
def ask(channel_id: str) -> Response:
    """Send the question to an address once more, whether it wants these mails."""
    channel = named.channel(channel_id)
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
        "many": channel_rows.many(channel),
        "gathering": channels.gathering(channel.id),
        "monitors": channels.count_of_monitors(channel.id),
        "trials": [
            (
                trials.trial(one, channel, attempts[one.id], now),
                *trials.about(one.alert),
            )
            for one in latest
        ],
        **_history(channel, now),
        "to_outbox": channel.kind == "email" and _mails_stay_here(),
        "recipients": recipient_rows.of(recipients.of_channels([channel]).get(channel.id, ()), now),
        "signing": webhook_signing.of(channel, now),
        "verifiers": verifiers.snippets(),
    }


def _history(channel: Channel, now: datetime) -> dict[str, Any]:
    history = channel_history.of(channel.id, channel_history.period(request.args.get("days", "")), now)
    chips = [
        (f"{days} days", _url(channel, days=days), None, days == history.days, "") for days in channel_history.PERIODS
    ]
    lost = undelivered.count_by_channel(channel.organization_id).get(channel.id, 0)
    return {"history": history, "history_chips": chips, "undelivered": lost}


def _result(channel: Channel, attempt: Attempt) -> dict[str, Any]:
    """What is to be said about a test that was just made."""
    tried = trials.attempt(attempt)
    stays = channel.kind == "email" and _mails_stay_here()
    return {"tried": tried, "enabled": channels.get(channel.id).enabled, "to_outbox": stays}


def _previewed(form: ChannelForm, kind: str, channel: Channel | None) -> Response:
    """The form as it was written, and below it what that would send, or what is wrong."""
    if kind != webhook_preview.KIND:
        raise errors.NotFound
    try:
        written = form.read()["config"]
        form.requests = webhook_preview.of(written, channel.config if channel else {}, frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
    return _form(form, kind, channel)


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
        verifiers=verifiers.snippets(),
    )


def _switched(channel: Channel, *, enabled: bool) -> Response:
    service.edit(channel.id, {"enabled": enabled}, access.actor(), frame.now())
    return _done(channel, "Alerts go to it again." if enabled else "No alert goes to it until it is enabled again.")


def _done(channel: Channel, said: str) -> Response:
    """The page of `channel` after a button on it was pressed."""
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


def _url(channel: Channel, **more: Any) -> str:
    return url_for("channels.show", channel_id=ids.public("chn", channel.id), **more)
