"""The runs of a monitor: all of them by page, and one with its pings and output."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for

from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.roles import Right
from tokiflow.models import Monitor, Run
from tokiflow.queries import runs
from tokiflow.queries.runs import Output
from tokiflow.services import acceptance
from tokiflow.services import outputs as service
from tokiflow.web import (
    access,
    address,
    filters,
    findings,
    frame,
    htmx,
    metric_charts,
    named,
    output_differences,
    outputs,
    run_views,
    standing,
)

blueprint = Blueprint("runs", __name__, url_prefix="/app/monitors/<monitor_id>/runs")

PAGE = 50
DAY = timedelta(days=1)


@blueprint.get("")
@access.requires(Right.SEE)
def index(monitor_id: str) -> str:
    """All runs, newest first; `?before=` is the place of an older page, `?day=2026-11-20` asks for those of a day."""
    monitor = named.monitor(monitor_id)
    before = request.args.get("before") or None
    day = _day(address.one(request.args, "day"))
    page = runs.page(monitor.id, before, PAGE, day, day + DAY if day else None)
    return render_template(
        "runs/index.html",
        monitor=monitor,
        standing=standing.read(monitor, frame.now()),
        monitor_id=ids.public("mon", monitor.id),
        runs=run_views.rows(ids.public("mon", monitor.id), page.items),
        older=page.next,
        newest=before is None,
        day=day,
        days=[f"{day + step * DAY:%Y-%m-%d}" for step in (-1, 1)] if day else [],
    )


def _day(said: str) -> datetime | None:
    """The midnight (UTC) at which the day begins; None where none is said, or none that has a day before and after."""
    try:
        day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 9000 else None


@blueprint.get("/<run_id>")
@access.requires(Right.SEE)
def show(monitor_id: str, run_id: str) -> str:
    """One run: how it went, the pings it was built from, and what it printed."""
    monitor = named.monitor(monitor_id)
    run = named.run(run_id, monitor)
    pings = runs.pings_of(run)
    kept = outputs.fetch(run)
    return render_template(
        "runs/show.html",
        monitor=monitor,
        monitor_id=ids.public("mon", monitor.id),
        run=run,
        run_id=ids.public("run", run.id),
        sentence=run_views.sentence(run),
        fact_pairs=run_views.facts(run),
        odd=findings.of(run.findings),
        bar=run_views.bar(run.progress),
        steps=run_views.steps(pings, run.finished_at),
        metrics=[(name, metric_charts.number(float(value))) for name, value in sorted(run.metrics.items())],
        unusual=[one for one in run.findings or () if one["kind"] in acceptance.UNUSUAL and not one.get("accepted_by")],
        pings=pings,
        kept=kept,
        viewer=_viewer(monitor, run, kept.output) if kept.output else None,
        viewer_url=partial(_viewer_url, monitor, run),
    )


def _viewer(monitor: Monitor, run: Run, output: Output) -> outputs.Viewer:
    """What the address asks to see of the output."""
    wish = outputs.asked(request.args)
    address = partial(_viewer_url, monitor, run, wrap=request.args.get("wrap") if wish.wrap is not None else None)
    if not wish.difference:
        return outputs.view(output, run, wish, address)
    before = runs.last_success_before(run)
    earlier_url = _viewer_url(monitor, before) if before else ""
    return output_differences.between(output, run, before, outputs.fetch(before), wish, address, earlier_url)


def _viewer_url(monitor: Monitor, run: Run, anchor: str = "output", **asked: Any) -> str:
    """The run's page, with its viewer in sight, asked for these things."""
    monitor_id, run_id = ids.public("mon", monitor.id), ids.public("run", run.id)
    return url_for("runs.show", monitor_id=monitor_id, run_id=run_id, _anchor=anchor, **asked)


@blueprint.post("/<run_id>/not-a-problem")
@access.requires(Right.WORK_INCIDENTS)
def not_a_problem(monitor_id: str, run_id: str) -> Response:
    """Say that what was unusual about it is no problem: it is learnt, and what is open of it is over."""
    monitor = named.monitor(monitor_id)
    run = named.run(run_id, monitor)
    acceptance.accept_run(monitor.id, run.id, access.actor(), frame.now())
    flash("Not a problem. Runs like this are taken as usual from now on.", "success")
    return htmx.see_other(_page_of(monitor, run))


def _page_of(monitor: Monitor, run: Run) -> str:
    monitor_id, run_id = ids.public("mon", monitor.id), ids.public("run", run.id)
    return url_for("runs.show", monitor_id=monitor_id, run_id=run_id)


@blueprint.get("/<run_id>/output")
@access.requires(Right.SEE)
def output(monitor_id: str, run_id: str) -> Response:
    """The very bytes that were kept, to save as a file. A browser must never take them for a page of ours."""
    monitor = named.monitor(monitor_id)
    run = named.run(run_id, monitor)
    link = service.link(run, _file_name(monitor, run))
    if link:
        return Response(status=303, headers={"Location": link})
    kept = outputs.read(run)
    if kept is None:
        raise errors.NotFound("Nothing was kept of what this run printed.")
    answer = Response(kept.with_mark(), mimetype="application/octet-stream")
    answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(monitor, run)}"'
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def _file_name(monitor: Monitor, run: Run) -> str:
    """`nightly-backup-2025-11-21T0200.txt`, in the viewer's zone. Slugs are plain letters."""
    at = (run.started_at or run.at).astimezone(filters.viewer().zone)
    return f"{monitor.slug}-{at:%Y-%m-%dT%H%M}.txt"
