"""One's own data: what is kept and for how long, a copy of it, the way out. And all of an organization as a file."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, current_app, flash, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors, extensions
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.queries import departures
from tokiflow.services import data_exports, exports, letters, people, sessions, sign_in
from tokiflow.settings import Settings
from tokiflow.web import access, frame, htmx, proofs, signed_in
from tokiflow.web.forms.departure import Departure

blueprint = Blueprint("privacy", __name__, url_prefix="/app/settings/data")

OFTEN_ENOUGH = "20 per hour"
"""So many copies one person may ask for."""


@blueprint.get("")
@access.person
def show() -> ResponseReturnValue:
    """What is kept about one and for how long, and the ways to a copy and out."""
    return htmx.page(
        "privacy/show.html", "privacy/show.html", me=access.user(), kept=_kept(), days=exports.KEPT.days,
        erase_at=access.user().erase_at, organization=access.organization() if _may_export() else None,
    )  # fmt: skip


@blueprint.route("/export", methods=["GET", "POST"])
@access.person
@proofs.needed
@extensions.limiter.limit(OFTEN_ENOUGH, key_func=lambda: str(access.user().id), methods=["POST"])
def export_mine() -> ResponseReturnValue:
    """Say what will be in it, then make it."""
    if request.method == "GET":
        return htmx.page("privacy/ask.html", "privacy/_export_mine.html", ask="privacy/_export_mine.html")
    return _go_to(data_exports.of_person(access.actor(), frame.now()))


@blueprint.route("/organization", methods=["GET", "POST"])
@access.requires(Right.EXPORT_ORGANIZATION)
@proofs.needed
@extensions.limiter.limit(OFTEN_ENOUGH, key_func=lambda: str(access.user().id), methods=["POST"])
def export_organization() -> ResponseReturnValue:
    """Say what will be in it and what not, then make it."""
    if request.method == "GET":
        return htmx.page(
            "privacy/ask.html", "privacy/_export_organization.html", ask="privacy/_export_organization.html",
            organization=access.organization(),
        )  # fmt: skip
    return _go_to(data_exports.of_organization(access.organization().id, access.actor(), frame.now()))


@blueprint.route("/delete-account", methods=["GET", "POST"])
@access.person
@proofs.keeping("typed")
def delete_account() -> ResponseReturnValue:
    """Say what goes and what stays, and have it meant; then let it go, a week from now."""
    form = Departure()
    if request.method == "GET":
        return _ask_to_delete(form)
    mine = signed_in.current()
    try:
        people.plan_erasure(access.user().id, form.typed.data or "", mine.id if mine else None, frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _ask_to_delete(form, 422)
    return htmx.see_other(url_for("privacy.show"))


@blueprint.post("/keep-account")
@access.person
def keep_account() -> ResponseReturnValue:
    """Undo it."""
    people.call_off_erasure(access.user().id, frame.now())
    flash("Your account stays. Nothing was deleted.", "success")
    return htmx.see_other(url_for("privacy.show"))


def _ask_to_delete(form: Departure, status: int = 200) -> Response:
    return htmx.page(
        "privacy/ask.html", "privacy/_delete_account.html", status, ask="privacy/_delete_account.html", form=form,
        email=access.user().email, impact=departures.impact(access.user().id), days=people.GRACE.days,
    )  # fmt: skip


def _go_to(export_id: UUID) -> Response:
    return htmx.see_other(url_for("exports.show", export_id=ids.public("exp", export_id)))


def _may_export() -> bool:
    return access.may(Right.EXPORT_ORGANIZATION)


def _kept() -> list[tuple[str, str, str]]:
    """What, why, for how long: from the settings, so that it is true here."""
    settings: Settings = current_app.extensions["tokiflow.settings"]
    ended = f"{sessions.KEPT.days} days after the session ends"
    log = f"{settings.audit_retention_days} days"
    return [
        ("Your address, name and time zone", "to know you, and show times as you read them", "As long as your account"),
        ("Where you are signed in: device and network address", "so that you can end what is not yours", ended),
        ("Sign-in links you asked for", "so that none works twice", f"{sign_in.KEPT.days} days"),
        ("Passkeys, authenticator and recovery codes", "to let you in and nobody else", "Until you remove them"),
        ("Your name and network address in the audit log", "so that your organization knows who changed what", log),
        ("Your name on incidents, and your comments", "the story of what happened", "As long as the monitor is there"),
        ("Your address in e-mail channels", "alerts are sent there", "Until you or they take it out"),
        ("Views of incidents you saved", "so that you find them again", "Until deleted, or with your account"),
        ("Which reports you get by mail", "to send them to you", "Until you stop them, or leave"),
        ("Mails we sent you", "to send them again if they fail", f"{letters.KEPT.days} days"),
        ("Files you asked for", "for you to fetch", f"{exports.KEPT.days} days"),
    ]  # fmt: skip
