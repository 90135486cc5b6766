"""Maintenance windows: list, plan, read, change, end, delete."""

from __future__ import annotations

from typing import Any

from flask import Response

from tokiflow import errors
from tokiflow.api import access, answers, bodies, moments, parameters
from tokiflow.api.operations import V1, Answer, Body, Operations
from tokiflow.api.shapes import maintenance as shapes
from tokiflow.core import ids
from tokiflow.models import MaintenanceWindow
from tokiflow.queries import maintenance as read
from tokiflow.services import maintenance as service

operations = Operations("Maintenance")
ONE = f"{V1}/maintenance/<window_id>"

_A_WINDOW = Answer("The window as it is now.", "MaintenanceWindow", shapes.EXAMPLE)


@operations.get(
    f"{V1}/maintenance",
    "maintenance.list",
    Answer("Windows by name.", "MaintenanceWindowPage", {"items": [shapes.EXAMPLE], "next": None}),
    query=parameters.PAGING,
)
def index() -> Response:
    """List maintenance windows. By name."""
    now = moments.now()
    page = read.cursor_page(access.organization_id(), parameters.CURSOR.value(), parameters.LIMIT.value())
    windows = {one.row.id: one for one in read.of_rows(page.items, now, shapes.AHEAD)}
    return answers.page(page, lambda row: shapes.window(windows[row.id], now))


@operations.post(
    f"{V1}/maintenance",
    "maintenance.create",
    {201: Answer("It is planned.", "MaintenanceWindow", shapes.EXAMPLE, headers=("Location",))},
    body=Body("NewMaintenanceWindow", shapes.NEW_EXAMPLE),
)
def create() -> Response:
    """Plan maintenance. While it lasts, nobody is told of the monitors it covers; they are watched as ever."""
    window_id = service.create(access.organization_id(), _values(), access.actor(), moments.now())
    access.look_again()
    public_id = ids.public("mnt", window_id)
    return answers.created(_shaped(access.window(public_id)), f"{V1}/maintenance/{public_id}")


@operations.get(ONE, "maintenance.read", _A_WINDOW)
def show(window_id: str) -> Response:
    """Read a maintenance window. The address of its calendar is never read back: where there is one, it says "set"."""
    return answers.ok(_shaped(access.window(window_id)))


@operations.patch(
    ONE, "maintenance.change", _A_WINDOW, body=Body("MaintenanceWindowChange", {"name": "Upgrade of disks"})
)
def edit(window_id: str) -> Response:
    """Change a maintenance window. What is not named stays. What it holds back is judged again at once."""
    service.edit(access.window(window_id).id, _values(), access.actor(), moments.now())
    return _answer(window_id)


@operations.post(f"{ONE}/end", "maintenance.end", {200: _A_WINDOW}, problems=frozenset({409}))
def end(window_id: str) -> Response:
    """End maintenance early. What is planned for later stays. If it does not run now, that is a conflict (409)."""
    service.end(access.window(window_id).id, access.actor(), moments.now())
    return _answer(window_id)


@operations.delete(ONE, "maintenance.delete")
def delete(window_id: str) -> Response:
    """Delete a maintenance window. What it holds back is told, if it still lasts."""
    service.delete(access.window(window_id).id, access.actor(), moments.now())
    return answers.nothing()


def _values() -> dict[str, Any]:
    """What was sent, as services take it."""
    values = bodies.only(bodies.read(), shapes.WRITABLE, shapes.KNOWN, "a maintenance window")
    if values.get("ical_url") == shapes.SET:
        del values["ical_url"]
    mistakes = {}
    for name in {"starts_at", "ends_at"} & set(values):
        try:
            values[name] = None if values[name] is None else moments.read(values[name])
        except ValueError as error:
            mistakes[name] = [str(error)]
    if mistakes:
        raise errors.Invalid(mistakes)
    return {name: "" if value is None and name in _TEXT else value for name, value in values.items()}


_TEXT = frozenset({"expression", "ical_url"})


def _answer(public_id: str) -> Response:
    access.look_again()
    return answers.ok(_shaped(access.window(public_id)))


def _shaped(row: MaintenanceWindow) -> dict[str, Any]:
    now = moments.now()
    return shapes.window(read.window(row, now, shapes.AHEAD), now)
