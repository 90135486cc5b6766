"""Before something that does harm: whoever asks shows again who they are (the ways are in web.prove).

A view says so beside who may see it: `@proofs.needed`, or for a form `@proofs.keeping("name", …)`. A house test knows
what must.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import flash, g, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from tokiflow.services import drafts
from tokiflow.web import htmx, redirects

P = ParamSpec("P")
R = TypeVar("R")

NEEDED = "tokiflow_proof"

LASTS = timedelta(minutes=15)
"""So long nobody is asked again who they are."""


def needed(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Beside who may see it, for what does harm that cannot be undone: whoever asks has shown who they are within
    LASTS, or does so first and comes back to this address."""
    return keeping()(view)


def keeping(*fields: str) -> Callable[[Callable[P, R]], Callable[P, R | Response]]:
    """The same for a small form: if the time is over when it is sent, it is shown again afterwards with what was typed
    into `fields`. It is never sent by itself. Codes, keys and answers of passkeys are no such fields."""

    def decorate(view: Callable[P, R]) -> Callable[P, R | Response]:
        @wraps(view)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            if not lately():
                if fields and request.method == "POST":
                    _keep(fields)
                return htmx.see_other(url_for("auth.prove", next=_back()))
            if fields:
                _find_again()
            return view(*args, **kwargs)

        setattr(wrapped, NEEDED, True)
        return wrapped

    return decorate


def finding_again(view: Callable[P, R]) -> Callable[P, R]:
    """For a page that asks nobody who they are, with a form on it whose sending does (keeping): it shows again
    what had been typed."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if lately():
            _find_again()
        return view(*args, **kwargs)

    return wrapped


def _keep(fields: Sequence[str]) -> None:
    """What was typed, until the person is back."""
    here = g.get("user_session")
    if here is not None:
        typed = {name: request.form.getlist(name) for name in fields if name in request.form}
        drafts.keep(here.id, _address(), typed)


def _find_again() -> None:
    """What was typed before goes into the form of this page (forms.base), to be looked at and sent."""
    if request.method != "GET" or htmx.is_htmx():
        return
    found = drafts.take(g.user_session.id, _address())
    if found is not None:
        g.draft = MultiDict((name, value) for name, values in found.items() for value in values)
        flash("Thank you. Here is what you had typed: nothing has happened yet, so go on with the button.")


def _address() -> str:
    return request.full_path.rstrip("?")


def lately() -> bool:
    """Whether whoever asks has shown who they are within LASTS."""
    found = g.get("user_session")
    return found is not None and found.proved_at is not None and found.proved_at > g.now - LASTS


def _back() -> str:
    """This very address; or, if it only takes a POST, the page whose button was pressed."""
    if request.method == "GET" or redirects.answers_get():
        return _address()
    return redirects.came_from()
