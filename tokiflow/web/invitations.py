"""People who were asked to join: asking them, and how each answer stands."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core.mail_addresses import Mistake
from tokiflow.core.roles import IN_SHORT, Right, Role, manages
from tokiflow.services import invitations
from tokiflow.services.invitations import Outcome
from tokiflow.web import access, filters, frame, htmx, invitation_list, named, proofs
from tokiflow.web.forms.base import choices
from tokiflow.web.forms.invitation import Invite

blueprint = Blueprint("invitations", __name__, url_prefix="/app/settings/invitations")


@blueprint.get("")
@access.requires(Right.EDIT_MEMBERS)
@proofs.finding_again
def index() -> ResponseReturnValue:
    """Who was asked, and how it stands."""
    return _page(_form())


@blueprint.post("")
@access.requires(Right.EDIT_MEMBERS)
@proofs.keeping("addresses", "role")
def invite() -> ResponseReturnValue:
    """Ask all who were pasted. Those that are no addresses stay in the form; the page says what became of each."""
    form = _form()
    pasted = form.wanted()
    outcomes: list[Outcome] = []
    try:
        if pasted.addresses or not pasted.mistakes:
            outcomes = invitations.invite(
                access.organization().id, pasted.addresses, form.role.data or "", access.actor(), frame.now()
            )
    except errors.Invalid as invalid:
        form.take(invalid)
        return _page(form, (), pasted.mistakes, 422)
    except errors.Conflict as error:
        flash(error.message, "warning")
        return _page(form, status=error.status)
    if not pasted.mistakes and all(one.what == "invited" for one in outcomes):
        flash(_on_their_way(len(outcomes)), "success")
        return htmx.see_other(url_for("invitations.index"))
    form.addresses.data = "\n".join(one.text for one in pasted.mistakes)
    if pasted.mistakes:
        form.take(errors.Invalid({"addresses": [_to_put_right(len(pasted.mistakes))]}))
    return _page(form, outcomes, pasted.mistakes, 422 if pasted.mistakes else 200)


@blueprint.post("/<invitation_id>/send-again")
@access.requires(Right.EDIT_MEMBERS)
def send_again(invitation_id: str) -> ResponseReturnValue:
    """Mail it once more, with a new link."""
    row = named.invitation(invitation_id)
    email = row.email
    try:
        invitations.send_again(row.id, row.organization_id, access.actor(), frame.now())
    except (errors.Conflict, errors.RateLimited) as error:
        flash(error.message, "warning")
    else:
        flash(f"A new mail is on its way to {email}. The link in the older one is over.", "success")
    return htmx.see_other(_back())


@blueprint.route("/<invitation_id>/withdraw", methods=["GET", "POST"])
@access.requires(Right.EDIT_MEMBERS)
def withdraw(invitation_id: str) -> ResponseReturnValue:
    """Say what it means, then take the invitation back."""
    row = named.invitation(invitation_id)
    if request.method == "GET":
        return htmx.page("invitations/withdraw.html", "invitations/_withdraw.html", row=row, row_id=invitation_id)
    email = row.email
    try:
        invitations.withdraw(row.id, row.organization_id, access.actor(), frame.now())
    except errors.Conflict as error:
        flash(error.message, "warning")
    else:
        flash(f"Withdrawn. The link that was sent to {email} is over.", "success")
    return htmx.see_other(url_for("invitations.index"))


def _form() -> Invite:
    form = Invite()
    given = manages(access.membership().rank)
    form.role.choices = choices((str(role), role.capitalize()) for role in reversed(Role) if role in given)
    return form


def _page(
    form: Invite, outcomes: Sequence[Outcome] = (), mistakes: Sequence[Mistake] = (), status: int = 200
) -> Response:
    return htmx.page(
        "invitations/index.html",
        "invitations/_list.html",
        status,
        form=form,
        outcomes=outcomes,
        mistakes=mistakes,
        helps={str(role): words for role, words in IN_SHORT.items()},
        list=invitation_list.read(access.organization().id, access.membership().rank, request.args, frame.now()),
    )


def _back() -> str:
    """The list, as narrowed as it was."""
    state = request.form.get("state", "")
    return url_for("invitations.index", state=state if state in invitation_list.WORDS else None)


def _on_their_way(count: int) -> str:
    return "The invitation is on its way." if count == 1 else f"{filters.number(count)} invitations are on their way."


def _to_put_right(count: int) -> str:
    if count == 1:
        return "This is not an e-mail address. Put it right and send it again."
    return f"These {filters.number(count)} are not e-mail addresses. Put them right and send them again."
