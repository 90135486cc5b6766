"""The public front page."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, url_for
from flask_login import current_user

from tokiflow.web import access, htmx, local, scene

blueprint = Blueprint("front", __name__)


@blueprint.get("/")
@access.public
def show() -> Response | str:
    """What Tokiflow is; whoever is signed in, or sits at this machine, goes straight to work."""
    if current_user.is_authenticated:
        return htmx.see_other("/app")
    if local.comes_in_unasked():
        return htmx.see_other(url_for("auth.sign_in"))
    return render_template("front.html", scene=scene.rows())
