"""What one wrote about an incident: change it, or take it back."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.models import Incident
from tokiflow.services import comments as service
from tokiflow.web import access, frame, htmx, named
from tokiflow.web.forms.incident import CommentForm
from tokiflow.web.markdown import markdown

blueprint = Blueprint("comments", __name__, url_prefix="/app/incidents/comments/<comment_id>")


@blueprint.route("/edit", methods=["GET", "POST"])
@access.person
def edit(comment_id: str) -> ResponseReturnValue:
    """Other words in place of one's own."""
    event, incident = named.comment(comment_id)
    form = CommentForm(text=event.text)
    if request.method == "POST" and "preview" not in request.form:
        try:
            service.edit(event.id, form.text.data or "", access.actor(), frame.now())
        except errors.Invalid as invalid:
            form.take(invalid)
        else:
            return _back(incident, "Changed. The timeline says that it was.")
    return htmx.page(
        "incidents/comment.html",
        "incidents/_comment_edit.html",
        422 if form.errors else 200,
        form=form,
        comment_id=comment_id,
        preview=markdown(form.text.data or "") if "preview" in request.form else None,
        back=_url(incident),
    )


@blueprint.route("/delete", methods=["GET", "POST"])
@access.person
def delete(comment_id: str) -> ResponseReturnValue:
    """Take it back, after a question."""
    event, incident = named.comment(comment_id)
    if request.method == "POST":
        service.delete(event.id, access.actor(), frame.now())
        return _back(incident, "Deleted. The timeline says that there was a comment.")
    return htmx.page(
        "incidents/comment.html",
        "incidents/_comment_delete.html",
        form=None,
        comment_id=comment_id,
        said=event.text,
        back=_url(incident),
    )


def _back(incident: Incident, said: str) -> Response:
    flash(said, "success")
    return htmx.refresh(_url(incident))


def _url(incident: Incident) -> str:
    return url_for("incidents.show", incident_id=ids.public("inc", incident.id), _anchor="timeline")
