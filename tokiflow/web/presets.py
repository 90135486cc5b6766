"""Saved views of the list of incidents: save, rename, share, delete, and which one opens first."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue

from tokiflow import errors
from tokiflow.core.roles import Right
from tokiflow.models import Preset
from tokiflow.services import presets as service
from tokiflow.web import access, frame, htmx, incident_filter, named, preset_list
from tokiflow.web.forms.incident import PresetForm
from tokiflow.web.incident_filter import Choice

blueprint = Blueprint("presets", __name__, url_prefix="/app/incidents/presets")


@blueprint.get("")
@access.requires(Right.SEE)
def index() -> Response:
    """All that one may see, to be opened, renamed and deleted."""
    return htmx.page("presets/index.html", "presets/_list.html", presets=preset_list.read(access.membership()))


@blueprint.route("/new", methods=["GET", "POST"])
@access.requires(Right.SEE)
def new() -> Response:
    """Save the filters in the address under a name."""
    choice, mistakes = incident_filter.read(request.args)
    form = PresetForm()
    if mistakes:
        flash(" ".join(mistakes), "warning")
        return htmx.see_other(url_for("incidents.index"))
    if request.method == "POST":
        try:
            made = service.create(
                access.organization().id, form.name.data or "", choice.query, form.shared.data, access.actor(),
                frame.now(),
            )  # fmt: skip
        except errors.Invalid as invalid:
            form.take(invalid)
        else:
            if form.default.data:
                service.set_default(access.membership().organization_id, access.user().id, made)
            flash("Saved.", "success")
            return htmx.see_other(preset_list.opened(choice.query))
    return htmx.page(
        "presets/form.html",
        "presets/_form.html",
        422 if form.errors else 200,
        form=form,
        preset=None,
        action=url_for("presets.new", **choice.said),
        back=preset_list.opened(choice.query),
        said=choice.said,
        instead=preset_list.replaceable(access.membership(), choice),
    )


@blueprint.route("/<preset_id>/edit", methods=["GET", "POST"])
@access.person
def edit(preset_id: str) -> ResponseReturnValue:
    """Rename it, share it, or keep it to oneself; filters in the address take the place of its own."""
    row = named.preset(preset_id)
    _check(row)
    choice, mistakes = incident_filter.read(request.args)
    if mistakes:
        raise errors.NotFound(" ".join(mistakes))
    replacing = choice if "status" in request.args else None
    form = PresetForm(name=row.name, shared=row.shared, version=row.version, default=_is_default(row))
    status, late = 200, ""
    if request.method == "POST":
        try:
            _save(row, form, replacing)
        except errors.Invalid as invalid:
            form.take(invalid)
            status = 422
        except errors.Conflict as conflict:
            row = named.preset(preset_id)
            form.version.data, status = str(row.version), 409
            late = f"{conflict.message} It is called “{row.name}” now; save again if you mean it."
        else:
            flash("Saved.", "success")
            return htmx.see_other(preset_list.opened(choice.query) if replacing else url_for("presets.index"))
    return htmx.page(
        "presets/form.html",
        "presets/_form.html",
        status,
        form=form,
        preset=row,
        action=url_for("presets.edit", preset_id=preset_id, **(choice.said if replacing else {})),
        back=preset_list.opened(choice.query) if replacing else url_for("presets.index"),
        said=(replacing or preset_list.kept(row)).said,
        was=preset_list.kept(row).said if replacing else None,
        url=preset_list.opened(row.query),
        late=late,
    )


@blueprint.route("/<preset_id>/delete", methods=["GET", "POST"])
@access.person
def delete(preset_id: str) -> ResponseReturnValue:
    """Forget it, after a question."""
    row = named.preset(preset_id)
    _check(row)
    if request.method == "POST":
        service.delete(row.id, access.actor(), frame.now())
        flash("Deleted.", "success")
        return htmx.see_other(url_for("presets.index"))
    return htmx.page("presets/delete.html", "presets/_delete.html", preset=row, preset_id=preset_id)


@blueprint.post("/<preset_id>/default")
@access.person
def make_default(preset_id: str) -> ResponseReturnValue:
    """Open this one first from now on."""
    row = named.preset(preset_id)
    service.set_default(row.organization_id, access.user().id, row.id)
    flash("It opens first from now on, whenever you come to the incidents.", "success")
    return htmx.see_other(url_for("presets.index"))


@blueprint.post("/no-default")
@access.requires(Right.SEE)
def no_default() -> Response:
    """Open what goes on first, as for everybody."""
    service.set_default(access.organization().id, access.user().id, None)
    return htmx.see_other(url_for("presets.index"))


def _check(row: Preset) -> None:
    if not service.may_change(row, access.user().id, access.membership().rank):
        raise errors.Forbidden("Only whoever made this preset, or an admin, changes it. Save it under a name of yours.")


def _save(row: Preset, form: PresetForm, replacing: Choice | None) -> None:
    organization_id, preset_id, was_default = row.organization_id, row.id, _is_default(row)
    service.edit(
        preset_id, form.name.data or "", form.shared.data, access.actor(), frame.now(),
        version=form.edited_version() if form.version.data else None, query=replacing.query if replacing else None,
    )  # fmt: skip
    if form.default.data != was_default:
        service.set_default(organization_id, access.user().id, preset_id if form.default.data else None)


def _is_default(row: Preset) -> bool:
    return access.membership().preset_id == row.id
