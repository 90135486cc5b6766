"""Between an e-mail link or Google and being signed in: the second step of those who have a second factor.

Until it is done nobody is signed in. That the first step was, is noted in the browser's session, for ten minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint, Response, flash, make_response, render_template, session, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors, extensions
from tokiflow.core import recovery_codes
from tokiflow.db import db
from tokiflow.models import User
from tokiflow.queries import second_factors as queries
from tokiflow.services import google_accounts, passkeys, second_factors
from tokiflow.services.security_letters import Place
from tokiflow.web import access, admission, ceremonies, frame, htmx, known, redirects, signed_in
from tokiflow.web.forms.second_factors import Code, PasskeyAnswer

blueprint = Blueprint("second_step", __name__, url_prefix="/auth/second-step")

LIFETIME = timedelta(minutes=10)
_KEY = PURPOSE = "second_step"


@dataclass(frozen=True)
class Pending:
    """Whose first step is done, with what, where they want to go, and what they have for the second. google_sub: the
    Google account that is theirs from then on, if they came to link one."""

    user: User
    how: str
    target: str
    factors: queries.Factors
    google_sub: str


def is_due(user: User, how: str) -> bool:
    """Whether `user`, who came in by `how`, still has to do a second step. Nobody at the machine itself has."""
    return how != "local" and bool(queries.of_user(user.id))


def begin(user: User, how: str, target: str, google_sub: str = "") -> Response:
    """Note in this browser that the first step is done, and go on to the second."""
    noted = {"user": user.id.hex, "how": how, "next": target, "google": google_sub}
    session[_KEY] = noted | {"at": frame.now().timestamp()}
    return htmx.see_other(url_for("second_step.show"))


def _whose() -> str:
    """Whose tries are counted together: those of one person on one network. Nobody uses up those of a colleague."""
    return f"{known.network()} {session.get(_KEY, {}).get('user', '')}"


_limited = extensions.limiter.limit("60 per 10 minutes", key_func=_whose)


# --- doors ------------------------------------------------------------------------------------------------------


@blueprint.get("")
@access.public
def show() -> ResponseReturnValue:
    """A passkey, a code of the app, or a recovery code."""
    pending = _pending()
    return _page(pending, Code(formdata=None)) if pending else _too_late()


@blueprint.post("")
@access.public
@_limited
def use_code() -> ResponseReturnValue:
    """A code was typed."""
    pending = _pending()
    if pending is None:
        return _too_late()
    form = Code()
    named = "recovery" if (form.recovery.data or "").strip() else "code"
    try:
        kind = second_factors.verify_code(pending.user, form[named].data or "", frame.now(), _place())
    except errors.Invalid as invalid:
        form.take(errors.Invalid({named: invalid.fields["code"]}))
        return _page(pending, form, 422)
    except errors.RateLimited as limited:
        form[named].errors = [limited.message]
        answer = _page(pending, form, limited.status)
        answer.headers["Retry-After"] = str(limited.retry_after)
        return answer
    return _enter(pending, recovery=kind == "recovery")


@blueprint.post("/passkey/options")
@access.public
@_limited
def options() -> ResponseReturnValue:
    """What js/passkeys.js hands to the browser."""
    pending = _pending()
    if pending is None:
        raise errors.Forbidden(_OVER)
    return passkeys.options_to_verify(ceremonies.begin(PURPOSE), pending.user.id)


@blueprint.post("/passkey")
@access.public
@_limited
def use_passkey() -> ResponseReturnValue:
    """The browser has signed with a passkey."""
    pending = _pending()
    if pending is None:
        return _too_late()
    answer = PasskeyAnswer().credential.data or ""
    try:
        passkeys.verify(answer, ceremonies.take(PURPOSE), frame.now(), of=pending.user.id)
    except passkeys.Refused as refused:
        return _page(pending, Code(formdata=None), refused.status, said=refused.message)
    return _enter(pending)


@blueprint.post("/cancel")
@access.public
def cancel() -> ResponseReturnValue:
    """Forget the first step: begin again, perhaps as somebody else."""
    session.pop(_KEY, None)
    return htmx.see_other(url_for("auth.sign_in"))


# --- what they share --------------------------------------------------------------------------------------------

_OVER = "The first step was too long ago. Sign in again."


def _pending() -> Pending | None:
    """Whose second step this browser is at; None if it is at none, or has been for too long."""
    noted = session.get(_KEY)
    if noted is None or datetime.fromtimestamp(noted["at"], UTC) <= frame.now() - LIFETIME:
        return None
    user = db.session.get(User, UUID(noted["user"]))
    factors = queries.of_user(user.id) if user is not None else queries.Factors()
    # Without a second factor by now, the first step has to be done again: it then is enough.
    if user is None or not factors:
        return None
    return Pending(user, noted["how"], redirects.safe(noted["next"]), factors, noted.get("google", ""))


def _enter(pending: Pending, *, recovery: bool = False) -> Response:
    user_id = pending.user.id
    answer = admission.admit(pending.user, pending.how, pending.target)
    if pending.google_sub:
        try:
            google_accounts.link(user_id, pending.google_sub, _place(), frame.now())
        except google_accounts.Refused as refused:
            flash(refused.message, "error")
    if recovery:
        left = queries.of_user(user_id).codes
        word = f"{left} recovery {'code is' if left == 1 else 'codes are'} left."
        if left <= recovery_codes.FEW:
            flash(f"{word} Make new ones under Settings, Security, while you can still sign in.", "warning")
        else:
            flash(word, "info")
    return answer


def _too_late() -> Response:
    session.pop(_KEY, None)
    flash(_OVER, "warning")
    return htmx.see_other(url_for("auth.sign_in"))


def _page(pending: Pending, form: Code, status: int = 200, said: str = "") -> Response:
    page = render_template(
        "auth/second_step.html", form=form, email=pending.user.email, factors=pending.factors, said=said,
        origin=passkeys.origin() if pending.factors.passkeys else "",
    )  # fmt: skip
    return make_response(page, status)


def _place() -> Place:
    return Place(signed_in.device(), signed_in.address())
