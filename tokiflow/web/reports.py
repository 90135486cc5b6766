"""Reports: how jobs did in a month or any other stretch of days; as a page, as a file, and every month by mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for

from tokiflow import errors, extensions
from tokiflow.core import ids, stretches
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import clean
from tokiflow.core.reports import Report
from tokiflow.core.roles import Right
from tokiflow.models import Organization, User
from tokiflow.queries import monitors
from tokiflow.queries import reports as queries
from tokiflow.services import mail_links, report_files, report_schedules
from tokiflow.services.exporting import report as files
from tokiflow.web import access, address, filters, frame, htmx, report_bars

blueprint = Blueprint("reports", __name__)

SHOWN = 100
"""So many monitors are on the page at first."""
MONTHS = 24
"""So many can be chosen from the list; older ones by their days."""
FIELDS = ("period", "from", "until", "tag")


@blueprint.get("/app/reports")
@access.requires(Right.SEE)
def index() -> Response:
    """How monitors did in a month or any other days, for all of them or those of one tag."""
    choice = _choice(request.args)
    try:
        _unambiguous(request.args)
        found, wrong = _report(choice), None
    except errors.Invalid as invalid:
        found, wrong = None, invalid
    mails = queries.schedules(access.organization().id, access.user().id)
    answer = htmx.page(
        "reports/index.html", "reports/_report.html", 422 if wrong else 200,
        report=found, wrong=wrong.fields if wrong else {}, choice=choice, months=_months(), tags=_tags(choice["tag"]),
        all_shown="all" in request.args, most=SHOWN, bars=report_bars, public=ids.public, mails=mails, url=_url,
        subscribed=choice["tag"] in {one.tag for one in mails},
    )  # fmt: skip
    return htmx.push(answer, _url(choice)) if htmx.is_htmx() and not wrong else answer


@blueprint.post("/app/reports/export")
@access.requires(Right.SEE)
def export() -> Response:
    """Ask for what the page shows as a file: a small CSV at once, others in the background."""
    form = request.form.get("format", "")
    if form not in files.FORMATS:
        raise errors.Invalid({"format": [f"is unknown; choose {' or '.join(files.FORMATS)}"]})
    _unambiguous(request.form)
    choice, organization = _choice(request.form), access.organization()
    made, there = report_files.ask(organization.id, _stretch(choice), choice["tag"], form, access.actor(), frame.now())
    return htmx.see_other(url_for("exports.file" if there else "exports.show", export_id=ids.public("exp", made)))


@blueprint.post("/app/reports/subscribe")
@access.requires(Right.SEE)
def subscribe() -> Response:
    """Get the report of last month by mail, every first of the month at seven."""
    _unambiguous(request.form)
    tag = _tag(request.form)
    report_schedules.subscribe(access.organization().id, tag, access.actor(), frame.now())
    return htmx.see_other(url_for("reports.index", _anchor="by-mail", tag=tag or None))


@blueprint.post("/app/reports/unsubscribe")
@access.requires(Right.SEE)
def stop() -> Response:
    """Get it no more."""
    _unambiguous(request.form)
    report_schedules.unsubscribe(access.organization().id, _tag(request.form), access.actor(), frame.now())
    return htmx.see_other(url_for("reports.index", _anchor="by-mail"))


# --- out of a mail, without signing in --------------------------------------------------------------------------


@blueprint.get("/reports/unsubscribe/<token>")
@access.public
def subscription(token: str) -> Response:
    """Which report would stop, and the button for it: programs that guard mailboxes open every link."""
    return _answer("reports/unsubscribe.html", token)


@blueprint.post("/reports/unsubscribe/<token>")
@access.public
@extensions.csrf.exempt  # type: ignore[untyped-decorator]  # flask-wtf ships no types
def unsubscribe(token: str) -> Response:
    """No more of them: one POST by a mail program is enough (RFC 8058)."""
    return _answer("reports/unsubscribed.html", token, report_schedules.unsubscribe)


@blueprint.post("/reports/unsubscribe/<token>/undo")
@access.public
def undo(token: str) -> Response:
    """It comes again, as before."""
    return _answer("reports/subscribed.html", token, report_schedules.subscribe)


def _answer(template: str, token: str, act: Any = None) -> Response:
    try:
        user, organization, tag = queries.reader(*mail_links.reported(token))
        if act:
            by = Actor("person", user.name or user.email, user.id, (request.remote_addr or "")[:45])
            act(organization.id, tag, by, frame.now())
    except (mail_links.NotOurs, errors.NotFound, errors.Conflict) as error:
        page = render_template("reports/over.html", title=error.title, message=error.message)
        return make_response(page, error.status)
    user, organization, tag = queries.reader(*mail_links.reported(token))
    return make_response(_said(template, token, user, organization, tag))


def _said(template: str, token: str, user: User, organization: Organization, tag: str) -> str:
    return render_template(
        template, token=token, address=user.email, organization=organization.name, about=_of(tag),
    )  # fmt: skip


# --- what is asked for ------------------------------------------------------------------------------------------


def _unambiguous(asked: Mapping[str, str]) -> None:
    """Raises Invalid where it asks for two things at once."""
    several = [name for name in FIELDS if len(address.said(asked, name)) > 1]
    if several:
        raise errors.Invalid({name: ["is said several times: choose one of them"] for name in several})


def _choice(asked: Mapping[str, str]) -> dict[str, str]:
    choice = {name: clean(address.one(asked, name)).strip()[:40] for name in ("period", "from", "until")}
    if not choice["period"] and (choice["from"] or choice["until"]):
        choice["period"] = "dates"
    if not choice["period"]:
        choice["period"] = _usual()
    if choice["period"] != "dates":
        choice["from"] = choice["until"] = ""
    return choice | {"tag": _tag(asked)}


def _tag(asked: Mapping[str, str]) -> str:
    return clean(address.one(asked, "tag")).strip()[:200]


def _usual() -> str:
    """Last month; for an organization that is younger than that, the last thirty days."""
    zone = filters.zone_key()
    last = stretches.month(stretches.month_before(frame.now(), zone), zone, frame.now())
    return f"{last.days[0]:%Y-%m}" if access.organization().created_at < last.until else f"{stretches.LAST_DAYS}d"


def _stretch(choice: Mapping[str, str]) -> stretches.Stretch:
    return stretches.read(choice, filters.zone_key(), frame.now())


def _report(choice: Mapping[str, str]) -> Report:
    organization = access.organization()
    return queries.report(organization.id, organization.name, choice["tag"], _stretch(choice), frame.now())


def _months() -> list[tuple[str, str]]:
    """The months that can be chosen, this one first."""
    first = frame.now().astimezone(filters.viewer().zone).date().replace(day=1)
    found = []
    for n in range(MONTHS):
        found.append((f"{first:%Y-%m}", f"{first:%B %Y}, so far" if n == 0 else f"{first:%B %Y}"))
        first = (first - timedelta(days=1)).replace(day=1)
    return found


def _tags(chosen: str) -> list[str]:
    names = sorted(name for name, _ in monitors.tags(access.organization().id))
    return names if not chosen or chosen in names else [chosen, *names]


def _of(tag: str) -> str:
    return f"monitors tagged {tag}" if tag else "all monitors"


def _url(choice: Mapping[str, str], **more: str) -> str:
    said: dict[str, Any] = {name: choice[name] for name in FIELDS if choice[name]} | more
    return url_for("reports.index", **said)
