"""One's own passkeys, authenticator app and recovery codes: the page Security.

What is shown once (recovery codes) is drawn in the answer to the POST that made it, because nothing keeps it. Each
address that changes something can be looked at as well: whoever is asked in between who they are comes back there.
"""

from __future__ import annotations

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core import ids, recovery_codes, totp
from tokiflow.models import Passkey
from tokiflow.queries import second_factors as queries
from tokiflow.services import authenticators, passkeys
from tokiflow.services import recovery_codes as codes_service
from tokiflow.services.security_letters import Place
from tokiflow.web import access, ceremonies, frame, htmx, proofs, qr, signed_in
from tokiflow.web.forms.second_factors import FirstCode, NewPasskey, PasskeyName

blueprint = Blueprint("security", __name__, url_prefix="/app/settings/security")

ADD = "add"


@blueprint.get("")
@access.person
def show() -> ResponseReturnValue:
    """What one signs in with beside e-mail and Google."""
    me = access.user().id
    app = queries.authenticator(me)
    rows = queries.passkeys(me)
    return render_template(
        "security/show.html",
        passkeys=[(_public(one), one) for one in rows],
        app=app if app is not None and app.confirmed_at else None,
        codes=queries.recovery_codes(me),
        few=recovery_codes.FEW,
        origin=passkeys.origin(),
        guarded=bool(rows) or bool(app is not None and app.confirmed_at),
    )


# --- passkeys ---------------------------------------------------------------------------------------------------


@blueprint.route("/passkeys/new", methods=["GET", "POST"])
@access.person
@proofs.keeping("name")
def add_passkey() -> ResponseReturnValue:
    """Name it, let the browser make it, keep it."""
    site = passkeys.site()
    if request.method == "GET":
        return _new_passkey(NewPasskey(name=signed_in.device() or "My passkey"), site.origin)
    form = NewPasskey()
    try:
        challenge = ceremonies.take(ADD)
        made = passkeys.add(
            access.user().id, form.name.data or "", form.credential.data or "", challenge, place(), frame.now()
        )
    except errors.Invalid as invalid:
        form.take(invalid)
        return _new_passkey(form, site.origin, 422)
    except passkeys.Refused as refused:
        form.credential.errors = [refused.message]
        return _new_passkey(form, site.origin, 422)
    return _added("The passkey is added.", made)


@blueprint.post("/passkeys/options")
@access.person
@proofs.needed
def passkey_options() -> ResponseReturnValue:
    """What js/passkeys.js hands to the browser."""
    return passkeys.options_to_add(access.user(), ceremonies.begin(ADD))


@blueprint.route("/passkeys/<passkey_id>", methods=["GET", "POST"])
@access.person
@proofs.keeping("name")
def rename_passkey(passkey_id: str) -> ResponseReturnValue:
    """Call it something else."""
    row = _passkey(passkey_id)
    if request.method == "GET":
        return _rename(PasskeyName(name=row.name), passkey_id)
    form = PasskeyName()
    try:
        passkeys.rename(row.id, access.user().id, form.name.data or "")
    except errors.Invalid as invalid:
        form.take(invalid)
        return _rename(form, passkey_id, 422)
    flash("The passkey has its new name.", "success")
    return htmx.see_other(url_for("security.show"))


@blueprint.route("/passkeys/<passkey_id>/remove", methods=["GET", "POST"])
@access.person
@proofs.needed
def remove_passkey(passkey_id: str) -> ResponseReturnValue:
    """Say what removing it means, then do it."""
    row = _passkey(passkey_id)
    if request.method == "GET":
        title = f"Remove “{row.name}”?"
        return _ask(title, "Remove passkey", "It opens Tokiflow no more.", last=_is_last(passkeys=1))
    passkeys.remove(row.id, access.user().id, place(), frame.now())
    flash("The passkey is removed. Delete it on the device as well, or it will still be offered there.", "success")
    return htmx.see_other(url_for("security.show"))


# --- the app ----------------------------------------------------------------------------------------------------


@blueprint.route("/authenticator", methods=["GET", "POST"])
@access.person
@proofs.needed
def set_up_app() -> ResponseReturnValue:
    """Make a secret for the app, then show it: as a QR code and to type."""
    if request.method == "POST":
        authenticators.begin(access.user().id, frame.now())
        return htmx.see_other(url_for("security.set_up_app"))
    return _app(FirstCode(formdata=None))


@blueprint.route("/authenticator/confirm", methods=["GET", "POST"])
@access.person
@proofs.needed
def confirm_app() -> ResponseReturnValue:
    """The first code was typed."""
    if request.method == "GET":
        return htmx.see_other(url_for("security.set_up_app"))
    form = FirstCode()
    try:
        made = authenticators.confirm(access.user().id, form.code.data or "", place(), frame.now())
    except errors.Invalid as invalid:
        form.take(invalid)
        return _app(form, 422)
    return _added("The authenticator app is added.", made)


@blueprint.route("/authenticator/remove", methods=["GET", "POST"])
@access.person
@proofs.needed
def remove_app() -> ResponseReturnValue:
    """Say what removing it means, then do it."""
    if request.method == "GET":
        why = "Its codes are not asked for any more. To move to a new phone, remove it here and set it up there."
        return _ask("Remove your authenticator app?", "Remove app", why, last=_is_last(app=True))
    authenticators.remove(access.user().id, place(), frame.now())
    flash("The authenticator app is removed. You can delete Tokiflow in the app.", "success")
    return htmx.see_other(url_for("security.show"))


# --- recovery codes ---------------------------------------------------------------------------------------------


@blueprint.route("/recovery-codes", methods=["GET", "POST"])
@access.person
@proofs.needed
def renew_codes() -> ResponseReturnValue:
    """Say what new codes mean, then make and show them."""
    if request.method == "GET":
        why = "The ones you have stop working at once. The new ones are shown a single time."
        return _ask("Make new recovery codes?", "Make new codes", why, kind="primary", whole_page=True)
    return _codes(codes_service.renew(access.user().id, place(), frame.now()))


# --- what they share --------------------------------------------------------------------------------------------


def place() -> Place:
    """Where whoever asks sits, for the mail that tells of it."""
    return Place(signed_in.device(), signed_in.address())


def _public(row: Passkey) -> str:
    return ids.public("psk", row.id)


def _passkey(public_id: str) -> Passkey:
    return queries.passkey(ids.parse("psk", public_id), access.user().id)


def _is_last(passkeys: int = 0, app: bool = False) -> bool:
    """Would nothing be left without these?"""
    has = queries.of_user(access.user().id)
    return not queries.Factors(has.passkeys - passkeys, has.app and not app)


def _new_passkey(form: NewPasskey, origin: str, status: int = 200) -> Response:
    return make_response(render_template("security/new_passkey.html", form=form, origin=origin), status)


def _rename(form: PasskeyName, passkey_id: str, status: int = 200) -> Response:
    return make_response(render_template("security/rename.html", form=form, passkey_id=passkey_id), status)


def _app(form: FirstCode, status: int = 200) -> Response:
    row = queries.authenticator(access.user().id)
    if row is not None and row.confirmed_at is not None:
        return htmx.see_other(url_for("security.show"))
    context: dict[str, object] = {"form": form, "secret": "", "drawing": None, "uri": ""}
    if row is not None:
        secret = authenticators.secret(row)
        uri = totp.uri(secret, access.user().email, "Tokiflow")
        context |= {"secret": totp.grouped(secret), "drawing": qr.drawing(uri), "uri": uri}
    return make_response(render_template("security/authenticator.html", **context), status)


def _ask(title: str, verb: str, why: str, kind: str = "danger primary", **context: bool) -> Response:
    return htmx.page(
        "security/ask.html", "security/_ask.html", title=title, verb=verb, why=why, kind=kind, action=request.path,
        **context,
    )  # fmt: skip


def _added(said: str, made: list[str]) -> Response:
    flash(said, "success")
    return _codes(made) if made else htmx.see_other(url_for("security.show"))


def _codes(made: list[str]) -> Response:
    return make_response(render_template("security/codes.html", codes=made, account=access.user().email))
