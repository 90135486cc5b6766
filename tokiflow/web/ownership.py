"""Going out of an organization, and what becomes of it: leave, hand over, delete, and keep it after all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, request, session, url_for

from tokiflow import errors
from tokiflow.core.roles import Right
from tokiflow.queries import memberships as queries
from tokiflow.queries import organizations as read
from tokiflow.services import memberships, organizations
from tokiflow.web import access, filters, frame, htmx, proofs, redirects, signed_in
from tokiflow.web.forms.base import Form
from tokiflow.web.forms.organization import Deletion, HandOver

blueprint = Blueprint("ownership", __name__, url_prefix="/app/settings/organization")

OFFERED = 200


@blueprint.route("/leave", methods=["GET", "POST"])
@access.requires(Right.SEE)
def leave() -> Response:
    """Say what leaving means, then go."""
    organization_id, name, me = access.organization().id, access.organization().name, access.user()
    if request.method == "GET":
        return _ask(
            "leave",
            alone=any(one.id == organization_id for one in queries.owned_alone(me.id)),
            keys=queries.keys_made(organization_id, me.id, frame.now()),
            channels=queries.channels_to(organization_id, me.email),
        )
    memberships.leave(organization_id, access.actor(), frame.now(), session_id=signed_in.current_id())
    session.pop("organization", None)
    flash(f"You are no longer in {name}.", "success")
    return htmx.see_other(redirects.HOME)


@blueprint.route("/hand-over", methods=["GET", "POST"])
@access.requires(Right.EDIT_ORGANIZATION)
@proofs.keeping("to", "typed")
def hand_over() -> Response:
    """Make somebody else the owner in one's own place."""
    organization, form = access.organization(), HandOver(to=request.args.get("to", "")[:320])
    if request.method == "GET":
        return _ask("hand_over", form=form, offered=_offered(organization.id))
    found = queries.by_address(organization.id, (form.to.data or "").replace("\x00", ""))
    if found is None:
        form.to.errors = ["Nobody here has this address; invite them first, or look it up under Members."]
        return _ask("hand_over", 422, form=form, offered=_offered(organization.id))
    name = memberships.called(found)
    try:
        memberships.hand_over(
            organization.id, found.user_id, form.typed.data or "", access.actor(), frame.now(),
            session_id=signed_in.current_id(),
        )  # fmt: skip
    except errors.Invalid as invalid:
        return _refused("hand_over", form, invalid, offered=_offered(organization.id))
    flash(f"{name} owns it now, and you are an admin.", "success")
    return htmx.see_other(url_for("organization.show"))


@blueprint.route("/delete", methods=["GET", "POST"])
@access.requires(Right.EDIT_ORGANIZATION)
@proofs.keeping("typed")
def delete() -> Response:
    """Count what would go, then let it go after a week."""
    organization, form = access.organization(), Deletion()
    if request.method == "GET":
        return _ask("delete", form=form, lost=_lost(organization.id))
    try:
        at = organizations.plan_deletion(organization.id, form.typed.data or "", access.actor(), frame.now())
    except errors.Invalid as invalid:
        return _refused("delete", form, invalid, lost=_lost(organization.id))
    flash(f"It will be deleted on {filters.clock(at)}. Until then you can keep it.", "warning")
    return htmx.see_other(url_for("organization.show"))


@blueprint.post("/keep")
@access.requires(Right.EDIT_ORGANIZATION)
def keep() -> Response:
    """Keep what was to be deleted."""
    organizations.call_off_deletion(access.organization().id, access.actor(), frame.now())
    flash(f"{access.organization().name} stays, as it is.", "success")
    return htmx.see_other(url_for("organization.show"))


def _ask(what: str, status: int = 200, **context: Any) -> Response:
    part = f"organization/_{what}.html"
    return htmx.page(
        "organization/question.html", part, status, question=part, organization=access.organization(),
        days=organizations.GRACE.days, **context,
    )  # fmt: skip


def _refused(what: str, form: Form, invalid: errors.Invalid, **context: Any) -> Response:
    form.take(invalid)
    return _ask(what, 422, form=form, **context)


def _offered(organization_id: UUID) -> Sequence[tuple[str, str]]:
    """Addresses and names to choose from while one types; of many members, the first."""
    found = queries.page(organization_id, queries.Filter(), 0, OFFERED)
    return [(one.user.email, memberships.called(one)) for one in found if one.user_id != access.user().id]


def _lost(organization_id: UUID) -> Sequence[tuple[int | str, str]]:
    """What goes, in numbers."""
    found = read.contents(organization_id)
    return [
        (f"{filters.number(read.COUNTED_TO)}+" if number > read.COUNTED_TO else number, _noun(noun, number))
        for noun, number in found
        if number
    ]


def _noun(many: str, number: int) -> str:
    return many.removesuffix("s") if number == 1 else many
