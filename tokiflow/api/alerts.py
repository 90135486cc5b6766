"""Alerts with their deliveries and attempts: who was told, and who wasn't."""

from __future__ import annotations

from flask import Response

from tokiflow.api import access, answers, parameters
from tokiflow.api.operations import V1, Answer, Operations
from tokiflow.api.shapes import alerts as shapes
from tokiflow.queries import alerts

operations = Operations("Alerts")

INCIDENT = parameters.identifier("incident", "Only those about this incident.", "inc")


@operations.get(
    f"{V1}/alerts",
    "alerts.list",
    Answer("Alerts, newest first.", "AlertPage", {"items": [shapes.EXAMPLE], "next": None}),
    query=(INCIDENT, *parameters.PAGING),
)
def index() -> Response:
    """List alerts. Newest first, each with its deliveries and every attempt; test messages are among them."""
    page = alerts.page(access.organization_id(), INCIDENT.value(), parameters.CURSOR.value(), parameters.LIMIT.value())
    return answers.page(page, shapes.alert)
