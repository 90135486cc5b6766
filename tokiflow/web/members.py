"""Members: who is in the organization, as what, and how that changes."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, request, url_for

from tokiflow.core import ids
from tokiflow.core.roles import IN_SHORT, RIGHTS, SENTENCES, Right, Role, manages
from tokiflow.models import Membership
from tokiflow.queries import memberships as queries
from tokiflow.services import memberships
from tokiflow.web import access, frame, htmx, member_list, named, proofs, signed_in
from tokiflow.web.forms.member import Removal, RoleForm

blueprint = Blueprint("members", __name__, url_prefix="/app/settings/team")


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """Everybody who is in it, and what each role may do."""
    asked = member_list.wanted(request.args)
    return htmx.page(
        "members/index.html",
        "members/_list.html",
        list=member_list.read(access.organization().id, asked, access.membership()),
        rights=[(sentence, [right in RIGHTS[role] for role in Role]) for right, sentence in SENTENCES.items()],
        roles=list(Role),
    )


@blueprint.route("/<member_id>/role", methods=["GET", "POST"])
@access.requires(Right.EDIT_MEMBERS)
@proofs.keeping("role")
def set_role(member_id: str) -> Response:
    """Choose another role for somebody."""
    member = named.member(member_id)
    form = RoleForm(role=member.role)
    form.offer(_offered(member))
    if request.method == "GET":
        return _ask("role", member, form=form)
    if form.role.data not in list(Role):
        form.role.errors = ["Choose one of these."]
        return _ask("role", member, 422, form=form)
    role, name = Role(form.role.data), memberships.called(member)
    try:
        memberships.set_role(
            member.organization_id, member.user_id, role, access.actor(), frame.now(), session_id=signed_in.current_id()
        )
    except memberships.LastOwner as refused:
        form.form_errors.append(refused.message)
        return _ask("role", named.member(member_id), 409, form=form)
    flash(f"{name} is {_article(role)} {role} now.", "success")
    return htmx.see_other(url_for("members.index"))


@blueprint.route("/<member_id>/remove", methods=["GET", "POST"])
@access.requires(Right.EDIT_MEMBERS)
@proofs.keeping("revoke_keys")
def remove(member_id: str) -> Response:
    """Say what hangs on somebody, then take them out."""
    member = named.member(member_id)
    if member.user_id == access.user().id:
        return htmx.see_other(url_for("ownership.leave", organization=access.here()))
    form = Removal()
    if request.method == "GET":
        return _ask("remove", member, form=form, **_hanging_on(member))
    name = memberships.called(member)
    try:
        memberships.remove(
            member.organization_id, member.user_id, access.actor(), frame.now(), revoke_keys=form.revoke_keys.data
        )
    except memberships.LastOwner as refused:
        form.form_errors.append(refused.message)
        member = named.member(member_id)
        return _ask("remove", member, 409, form=form, **_hanging_on(member))
    flash(f"{name} is no longer in {access.organization().name}.", "success")
    return htmx.see_other(url_for("members.index"))


def _ask(what: str, member: Membership, status: int = 200, **context: Any) -> Response:
    return htmx.page(
        "members/ask.html",
        f"members/_{what}.html",
        status,
        question=f"members/_{what}.html",
        member=member,
        member_id=ids.public("usr", member.user_id),
        name=memberships.called(member),
        organization=access.organization(),
        in_short={str(role): f"{words}." for role, words in IN_SHORT.items()},
        forbidden="" if member.rank in manages(access.membership().rank) else "Only owners decide who owns it.",
        **context,
    )


def _offered(member: Membership) -> frozenset[Role]:
    """What the person may make of this member, and what they are now."""
    return manages(access.membership().rank) | {member.rank}


def _hanging_on(member: Membership) -> dict[str, Any]:
    """What somebody should know before they go."""
    return {
        "keys": queries.keys_made(member.organization_id, member.user_id, frame.now()),
        "channels": queries.channels_to(member.organization_id, member.user.email),
    }


def _article(role: Role) -> str:
    return "an" if role in (Role.OWNER, Role.ADMIN) else "a"
