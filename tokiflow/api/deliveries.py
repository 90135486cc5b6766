"""Deliveries: what was promised to each channel, what became of it, and the way to send again what was given up."""

from __future__ import annotations

from flask import Response

from tokiflow.api import access, answers, moments, parameters
from tokiflow.api.operations import V1, Answer, Operations
from tokiflow.api.shapes import alerts as shapes
from tokiflow.queries import alerts
from tokiflow.queries.undelivered import Filter
from tokiflow.services import deliveries as service

operations = Operations("Deliveries")
ONE = f"{V1}/deliveries/<delivery_id>"

STATUS = parameters.word("status", "Only those with this status; `dead` was given up.", shapes.STATUSES)
CHANNEL = parameters.identifier("channel", "Only those to this channel.", "chn")
INCIDENT = parameters.identifier("incident", "Only those about this incident.", "inc")

_A_DELIVERY = Answer("The delivery as it is now.", "PromisedDelivery", shapes.PROMISE_EXAMPLE)


@operations.get(
    f"{V1}/deliveries",
    "deliveries.list",
    Answer("Deliveries, newest first.", "PromisedDeliveryPage", {"items": [shapes.PROMISE_EXAMPLE], "next": None}),
    query=(STATUS, CHANNEL, INCIDENT, *parameters.PAGING),
)
def index() -> Response:
    """List deliveries. Newest first, each with every attempt; filters narrow together. `status=dead` is what was given
    up; test messages that failed are among them."""
    page = alerts.delivery_page(
        access.organization_id(), STATUS.value(), CHANNEL.value(), INCIDENT.value(),
        parameters.CURSOR.value(), parameters.LIMIT.value(),
    )  # fmt: skip
    return answers.page(page, shapes.promise)


@operations.get(ONE, "deliveries.read", _A_DELIVERY)
def show(delivery_id: str) -> Response:
    """Read a delivery. With every attempt, and what came back."""
    return _shaped(delivery_id)


@operations.post(f"{ONE}/send-again", "deliveries.send_again", {200: _A_DELIVERY})
def send_again(delivery_id: str) -> Response:
    """Send a delivery again. It keeps its deduplication key. Only one that was given up (`dead`) can be; any other is
    a conflict (409), and so is a test: send a new one."""
    delivery = access.delivery(delivery_id)
    service.send_again(delivery.organization_id, Filter(ids=[delivery.id]), access.actor(), moments.now())
    access.look_again()
    return _shaped(delivery_id)


def _shaped(public_id: str) -> Response:
    (record,) = alerts.records([access.delivery(public_id)])
    return answers.ok(shapes.promise(record))
