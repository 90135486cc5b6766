"""Files that one asked for: how far they are, and the way to fetch them."""

from __future__ import annotations

from flask import Blueprint, Response, url_for
from flask.typing import ResponseReturnValue

from tokiflow.core import ids
from tokiflow.models import Export
from tokiflow.queries import exports as queries
from tokiflow.services import exports
from tokiflow.web import access, frame, htmx, named

blueprint = Blueprint("exports", __name__, url_prefix="/app/settings/exports")

TITLES = {
    "audit": "The log of who did what",
    "incidents": "Incidents",
    "monitors": "Monitors",
    "organization": "All of an organization",
    "person": "All that is known about you",
    "report": "A report",
    "runs": "Runs of a monitor",
}

TYPES = {"csv": "text/csv", "pdf": "application/pdf", "zip": "application/zip"}
"""By the end of a file's name: what is in it."""


@blueprint.get("")
@access.person
def index() -> ResponseReturnValue:
    """What one asked for lately."""
    found = queries.of_user(access.user().id)
    return htmx.page("exports/index.html", "exports/_list.html", rows=[_shown(one) for one in found])


@blueprint.get("/<export_id>")
@access.person
def show(export_id: str) -> ResponseReturnValue:
    """How far it is. While it is being made, the page looks again by itself."""
    return htmx.page("exports/show.html", "exports/_state.html", export=_shown(named.export(export_id)))


@blueprint.get("/<export_id>/file")
@access.person
def file(export_id: str) -> ResponseReturnValue:
    """The file, from the store or through us."""
    row = named.export(export_id)
    pieces = exports.chunks(row, frame.now())
    link = exports.link(row)
    if link:
        return Response(status=303, headers={"Location": link})
    of = TYPES.get(row.filename.rpartition(".")[2], "application/octet-stream")
    answer = Response(pieces, mimetype=of)
    answer.headers["Content-Disposition"] = f'attachment; filename="{row.filename}"'
    answer.headers["Content-Length"] = str(row.size)
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def _shown(row: Export) -> dict[str, object]:
    """What pages say of it. state: making · ready · gone · failed."""
    state = {"pending": "making", "dead": "failed"}.get(row.status)
    public = ids.public("exp", row.id)
    return {
        "title": TITLES[row.kind],
        "row": row,
        "state": state or ("gone" if row.expired(frame.now()) or not row.key else "ready"),
        "percent": min(100 * row.done // row.total, 99) if row.total else 0,
        "url": url_for("exports.show", export_id=public),
        "file": url_for("exports.file", export_id=public),
    }
