"""Every message of every kind of channel, as its reader sees it, at `/dev/gallery/messages`. Development only."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import channels, errors
from tokiflow.channels import ChannelKind, examples
from tokiflow.channels.message import Message
from tokiflow.web import access, filters, gallery, message_capture, message_pictures
from tokiflow.web.message_capture import Captured
from tokiflow.web.outbox import MAIL_POLICY

blueprint = Blueprint("message_gallery", __name__, url_prefix="/dev/gallery/messages")

SCHEMES = ("light", "dark")
TITLES = {
    "missed": "A ping is missed", "failed": "A run failed", "overrun": "A run takes too long",
    "anomaly": "A run unlike the usual", "degraded": "Runs have become slower", "as-usual": "It is as usual again",
    "reopened": "It is back", "flapping": "It comes and goes", "escalated": "The next step is told",
    "reminder": "A reminder", "acknowledged": "Somebody is on it", "assigned": "It is somebody’s",
    "muted": "Somebody muted it",
    "resolved": "It is well again", "by-hand": "Somebody resolved it", "summary": "A storm in one message",
    "summary-over": "The storm is over", "test": "A test", "long": "Long names", "hostile": "Hostile names",
}  # fmt: skip


@blueprint.before_request
def _look() -> None:
    filters.look(examples.OPENED, UTC)


@blueprint.get("")
@access.public
def index() -> str:
    """One message of each kind."""
    shown = [(kind, _drawn(kind, "failed")) for kind in channels.KINDS if kind.kind in message_capture.EXAMPLES]
    return _page("gallery/messages.html", shown=shown)


@blueprint.get("/<kind>")
@access.public
def show(kind: str) -> str:
    """Every message of one kind, or with `?only=` one of them."""
    found, only = _kind(kind), request.args.get("only", "")
    names = [name for name in TITLES if only in ("", name)]
    return _page("gallery/kind.html", kind=found, shown=[(name, TITLES[name], _drawn(found, name)) for name in names])


@blueprint.get("/<kind>/<what>/html")
@access.public
def html(kind: str, what: str) -> ResponseReturnValue:
    """The HTML of a mail as a document of its own, for the frame on the page."""
    drawn = message_pictures.html(_captured(_kind(kind), what))
    if not drawn:
        raise errors.NotFound
    # A frame asks the browser and not its page whether it is dark.
    dark = request.args.get("scheme") == "dark"
    drawn = drawn.replace("@media (prefers-color-scheme: dark)", "@media all" if dark else "@media not all")
    drawn = drawn.replace("color-scheme: light dark", f"color-scheme: {SCHEMES[dark]}")
    answer: Response = make_response(drawn.replace("<head>", '<head><base target="_blank">', 1))
    answer.headers["Content-Security-Policy"] = MAIL_POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def _page(template: str, **more: Any) -> str:
    """The page, with a menu of kinds and of ways to look."""
    menu = [
        (one.title, _address("message_gallery.show", kind=one.kind, only=None), None, one is more.get("kind"), "")
        for one in channels.KINDS
    ]
    schemes = [one for one in SCHEMES if request.args.get("scheme") not in SCHEMES or one == request.args["scheme"]]
    return render_template(
        template,
        **gallery.context(quiet=True),
        menu=menu,
        lights=[(one.capitalize(), _address(scheme=one), None, schemes == [one], "") for one in SCHEMES],
        schemes=schemes,
        phone=request.args.get("width") == "phone",
        address=_address,
        **more,
    )


def _address(page: str = "", **changes: str | None) -> str:
    """This page, or another, looked at in the same way but for `changes`; None takes a word out."""
    known: dict[str, Any] = {name: request.args.get(name) for name in ("only", "scheme", "width")}
    known |= ({} if page else request.view_args or {}) | changes
    return url_for(page or str(request.endpoint), **known)


def _drawn(kind: ChannelKind, name: str) -> dict[str, Any]:
    """The pictures of one message, or in words why there are none."""
    message = _message(name)
    if message.kind in ("acknowledged", "assigned", "muted") and message.kind not in kind.follows:
        return {"pictures": [], "error": "", "silent": True, "name": name}
    captured = _captured(kind, name)
    pictures = message_pictures.of(captured, message_capture.example(kind.kind).drawing)
    return {"pictures": pictures, "error": captured.error, "silent": not (pictures or captured.error), "name": name}


def _captured(kind: ChannelKind, name: str) -> Captured:
    return message_capture.capture(kind, _message(name), _message("failed"))


def _message(name: str) -> Message:
    try:
        return examples.gallery()[name]
    except KeyError:
        raise errors.NotFound from None


def _kind(name: str) -> ChannelKind:
    message_capture.example(name)
    return channels.get(name)
