"""API keys: which there are and how much they are used; a new one, one for another, and the end of one."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core.roles import Right
from tokiflow.core.tokens import ApiKey
from tokiflow.queries import api_keys as queries
from tokiflow.services import api_keys as service
from tokiflow.settings import Settings
from tokiflow.web import access, api_key_list, filters, frame, htmx, named, proofs
from tokiflow.web.forms.api_key import SCOPES, ApiKeyForm, RotationForm

blueprint = Blueprint("api_keys", __name__, url_prefix="/app/settings/api-keys")


@blueprint.get("")
@access.requires(Right.EDIT_KEYS)
def index() -> ResponseReturnValue:
    """The organization's keys, newest first."""
    found = api_key_list.read(access.organization().id, request.args, frame.now())
    return htmx.page("api_keys/index.html", "api_keys/_list.html", list=found, example=_example())


@blueprint.get("/<key_id>")
@access.requires(Right.EDIT_KEYS)
def show(key_id: str) -> ResponseReturnValue:
    """One key: what it may, how long, and how much it is used."""
    return htmx.page("api_keys/show.html", "api_keys/_key.html", row=_row(key_id), scopes=SCOPES)


@blueprint.route("/new", methods=["GET", "POST"])
@access.requires(Right.EDIT_KEYS)
@proofs.keeping("name", "scopes", "lasts", "last_day")
def new() -> ResponseReturnValue:
    """Name it, say what it may and how long, and see it, this once."""
    form = ApiKeyForm()

    def make() -> ApiKey:
        expires_at = form.expires_at(frame.now(), filters.viewer().zone)
        return service.create(
            access.organization().id, form.name.data or "", form.scopes.data or [], access.actor(), frame.now(),
            expires_at, key_id=form.key_id(),
        )  # fmt: skip

    return _make(form, make, "api_keys/new.html")


@blueprint.route("/<key_id>/rotate", methods=["GET", "POST"])
@access.requires(Right.EDIT_KEYS)
@proofs.keeping("overlap", "until", "lasts", "last_day")
def rotate(key_id: str) -> ResponseReturnValue:
    """Make a key that takes the place of this one; both work for a while."""
    row = named.api_key(key_id)
    form = RotationForm()

    def make() -> ApiKey:
        now, zone = frame.now(), filters.viewer().zone
        until, expires_at = form.old_ends_at(now, zone), form.expires_at(now, zone)
        return service.rotate(row.id, until, access.actor(), now, expires_at, new_id=form.key_id())

    return _make(form, make, "api_keys/rotate.html", row=_row(key_id))


@blueprint.route("/<key_id>/revoke", methods=["GET", "POST"])
@access.requires(Right.EDIT_KEYS)
def revoke(key_id: str) -> ResponseReturnValue:
    """Say how much it is used, then end it. Nobody is asked who they are first: a key that leaked must end at once."""
    row = named.api_key(key_id)
    if request.method == "POST":
        name = row.name
        service.revoke(row.id, access.actor(), frame.now())
        flash(f"The key {name} is revoked. Calls with it are refused from now on.", "success")
        return htmx.see_other(url_for("api_keys.index"))
    return htmx.page("api_keys/revoke.html", "api_keys/_revoke.html", row=_row(key_id))


def _make(form: ApiKeyForm | RotationForm, make: Callable[[], ApiKey], asking: str, **context: object) -> Response:
    """The form, or what it made. The key itself goes into this one answer and nowhere else."""
    status, wait = 200, 0
    said = ""
    if request.method == "POST":
        try:
            return _shown_once(make(), form)
        except service.AlreadyMade:
            return _made_already(form)
        except errors.Invalid as invalid:
            form.refuse(invalid)
            status = 422
        except errors.RateLimited as limited:
            said, status, wait = limited.message, limited.status, limited.retry_after
    form.renew()
    page = render_template(
        asking, form=form, said=said, scopes=SCOPES, zone=filters.zone_key(), today=filters.viewer().now, **context
    )
    answer = make_response(page, status)
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


def _shown_once(key: ApiKey, form: ApiKeyForm | RotationForm) -> Response:
    """Never kept by the browser: neither for a reload nor for the way back."""
    made = queries.get(form.key_id())
    page = render_template(
        "api_keys/made.html", key=key, key_id=form.once.data, row=made, old=queries.replaced_by(made.id),
        example=_example(),
    )  # fmt: skip
    answer = make_response(page)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _made_already(form: ApiKeyForm | RotationForm) -> Response:
    """Whoever sent the form twice comes to the key it made, if it is theirs to see."""
    made = named.api_key(form.once.data or "")
    flash(
        f"This form was sent twice. The key {made.name} was made the first time and can’t be shown again: if nobody "
        "copied it, revoke it and make another.",
        "warning",
    )
    return htmx.see_other(url_for("api_keys.show", key_id=form.once.data))


def _row(key_id: str) -> api_key_list.Row:
    found = named.api_key(key_id)
    listed = queries.listed(found.id, frame.now())
    return api_key_list.row(listed, queries.uses([found.id], frame.now())[found.id], frame.now())


def _example() -> str:
    """A call to try a key with."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    return f'curl -fsS -H "Authorization: Bearer $KEY" {settings.public_url}/api/v1/monitors'
