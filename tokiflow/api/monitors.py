"""Monitors: list, create, read, change, pause, resume, rotate, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response

from tokiflow import errors
from tokiflow.api import access, answers, bodies, moments, parameters
from tokiflow.api.operations import V1, Answer, Body, Operations
from tokiflow.api.shapes import monitors as shapes
from tokiflow.core import ids
from tokiflow.core.status import Status
from tokiflow.models import Monitor
from tokiflow.queries import dependencies, monitors
from tokiflow.services import monitors as service

operations = Operations("Monitors")
ONE = f"{V1}/monitors/<monitor_id>"

STATUS = parameters.word("status", "Only those with this status.", [one.value for one in Status])
TAG = parameters.text("tag", "Only those with this tag.")
WORDS = parameters.text("q", "Only those with all of these words in name, slug or tags.")

_A_MONITOR = Answer("The monitor as it is now.", "Monitor", shapes.EXAMPLE)
_NEW: dict[str, Any] = {
    "name": "Nightly backup",
    "schedule": {"kind": "cron", "expression": "0 2 * * *", "timezone": "Europe/Berlin"},
    "tags": ["db"],
}


@operations.get(
    f"{V1}/monitors",
    "monitors.list",
    Answer("Monitors by name.", "MonitorPage", {"items": [shapes.EXAMPLE], "next": None}),
    query=(STATUS, TAG, WORDS, *parameters.PAGING),
)
def index() -> Response:
    """List monitors. By name; filters narrow together."""
    status = STATUS.value()
    wanted = monitors.Filter(WORDS.value(), Status(status) if status else None, TAG.value())
    page = monitors.cursor_page(
        access.organization_id(), wanted, moments.now(), parameters.CURSOR.value(), parameters.LIMIT.value()
    )
    return answers.page(page, items=_shaped(page.items))


@operations.post(
    f"{V1}/monitors",
    "monitors.create",
    {
        201: Answer("It is there.", "Monitor", shapes.EXAMPLE, headers=("Location",)),
        200: Answer("With `unique`: the one that was there already, changed.", "Monitor", shapes.EXAMPLE),
    },
    body=Body("NewMonitor", _NEW),
)
def create() -> Response:
    """Create a monitor. With `unique` it changes the one that agrees in those fields, if there is one, so a script may
    run as often as it likes. Fields of a monitor that are only ever read are ignored."""
    values = bodies.read()
    unique = _unique(values.pop("unique", []))
    chosen = _chosen(values)
    monitor_id, new = service.put(access.organization_id(), chosen, unique, access.actor(), moments.now())
    public_id = ids.public("mon", monitor_id)
    if not new:
        return _answer(public_id)
    return answers.created(_shaped([_fresh(public_id)])[0], f"{V1}/monitors/{public_id}")


@operations.get(ONE, "monitors.read", _A_MONITOR)
def show(monitor_id: str) -> Response:
    """Read a monitor."""
    return answers.ok(_shaped([access.monitor(monitor_id)])[0])


@operations.patch(ONE, "monitors.change", _A_MONITOR, body=Body("MonitorChange", {"grace_seconds": 900}))
def edit(monitor_id: str) -> Response:
    """Change a monitor. What is not named stays; fields that are only ever read are ignored, so what was read can be
    sent back."""
    monitor = access.monitor(monitor_id)
    service.edit(monitor.id, _chosen(bodies.read()), access.actor(), moments.now())
    return _answer(monitor_id)


@operations.delete(ONE, "monitors.delete")
def delete(monitor_id: str) -> Response:
    """Delete a monitor. All its pings, runs and incidents go with it."""
    service.delete(access.monitor(monitor_id).id, access.actor(), moments.now())
    return answers.nothing()


@operations.post(
    f"{ONE}/pause",
    "monitors.pause",
    {200: _A_MONITOR},
    body=Body("Until", {"until": "2099-12-31T06:00:00Z"}, required=False),
)
def pause(monitor_id: str) -> Response:
    """Pause a monitor. Until the time given, or until somebody resumes it; an open incident is resolved."""
    monitor = access.monitor(monitor_id)
    values = bodies.only(bodies.read(required=False), {"until"}, (), "a pause")
    service.pause(monitor.id, bodies.until(values, required=False), access.actor(), moments.now())
    return _answer(monitor_id)


@operations.post(f"{ONE}/resume", "monitors.resume", {200: _A_MONITOR})
def resume(monitor_id: str) -> Response:
    """Resume a monitor. It is judged again from now on; one that is not paused stays as it is."""
    service.resume(access.monitor(monitor_id).id, access.actor(), moments.now())
    return _answer(monitor_id)


@operations.post(f"{ONE}/rotate-token", "monitors.rotate_token", {200: _A_MONITOR})
def rotate_token(monitor_id: str) -> Response:
    """Give a monitor a new ping address. The old one is unknown from this moment on."""
    service.rotate_token(access.monitor(monitor_id).id, access.actor(), moments.now())
    return _answer(monitor_id)


def _answer(public_id: str) -> Response:
    return answers.ok(_shaped([_fresh(public_id)])[0])


def _fresh(public_id: str) -> Monitor:
    access.look_again()
    return access.monitor(public_id)


def _shaped(rows: Sequence[Monitor]) -> list[dict[str, Any]]:
    own_channels = monitors.own_channels([row.id for row in rows if row.own_channels])
    upstream = dependencies.of_monitors([row.id for row in rows])
    url, now = answers.public_url(), moments.now()
    return [
        shapes.monitor(row, own_channels.get(row.id, []), [one.id for one in upstream.get(row.id, [])], now, url)
        for row in rows
    ]


def _chosen(values: dict[str, Any]) -> dict[str, Any]:
    chosen = bodies.only(values, shapes.WRITABLE, shapes.KNOWN, "a monitor")
    plan = chosen.get("schedule")
    unknown = set(plan) - {"kind", "seconds", "expression", "timezone"} if isinstance(plan, dict) else set()
    if unknown:
        hint = "is no field of a schedule; there is kind, seconds, expression, timezone"
        raise errors.Invalid({f"schedule.{name[:100]}": [hint] for name in sorted(unknown)})
    return chosen


def _unique(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(one in shapes.UNIQUE_FIELDS for one in value):
        raise errors.Invalid({"unique": ['is not a list of fields; write ["name"], ["slug"] or both']})
    return list(dict.fromkeys(value))
