"""Channels: list, create, read, change, test, delete."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app

from tokiflow import outside
from tokiflow.api import access, answers, bodies, moments, parameters
from tokiflow.api.operations import V1, Answer, Body, Operations
from tokiflow.api.shapes import channels as shapes
from tokiflow.core import ids
from tokiflow.models import Channel
from tokiflow.queries import channels, recipients
from tokiflow.services import channels as service

operations = Operations("Channels")
ONE = f"{V1}/channels/<channel_id>"

_A_CHANNEL = Answer("The channel as it is now.", "Channel", shapes.EXAMPLE)


@operations.get(
    f"{V1}/channels",
    "channels.list",
    Answer("Channels by name.", "ChannelPage", {"items": [shapes.EXAMPLE], "next": None}),
    query=parameters.PAGING,
)
def index() -> Response:
    """List channels. By name."""
    page = channels.page(access.organization_id(), parameters.CURSOR.value(), parameters.LIMIT.value())
    standing, now = recipients.of_channels(page.items), moments.now()
    return answers.page(page, lambda row: shapes.channel(row, now, standing.get(row.id, ())))


@operations.post(
    f"{V1}/channels",
    "channels.create",
    {201: Answer("It is there.", "Channel", shapes.EXAMPLE, headers=("Location",))},
    body=Body("NewChannel", shapes.NEW_EXAMPLE),
)
def create() -> Response:
    """Create a channel. It hears every alert of the organization, but for monitors that name channels of their own."""
    values = bodies.only(bodies.read(), shapes.WRITABLE | {"kind"}, shapes.KNOWN, "a channel")
    channel_id = service.create(access.organization_id(), values, access.actor(), moments.now())
    access.look_again()
    public_id = ids.public("chn", channel_id)
    return answers.created(_shaped(access.channel(public_id)), f"{V1}/channels/{public_id}")


@operations.get(ONE, "channels.read", _A_CHANNEL)
def show(channel_id: str) -> Response:
    """Read a channel. Secrets are never read back: where one is kept, it says "set"."""
    return answers.ok(_shaped(access.channel(channel_id)))


@operations.patch(ONE, "channels.change", _A_CHANNEL, body=Body("ChannelChange", {"enabled": False}))
def edit(channel_id: str) -> Response:
    """Change a channel. What is not named stays, and so does a secret sent back as "set"; null removes one. The kind
    can't be changed."""
    channel = access.channel(channel_id)
    values = bodies.only(bodies.read(), shapes.WRITABLE, shapes.KNOWN, "a channel")
    service.edit(channel.id, values, access.actor(), moments.now())
    access.look_again()
    return answers.ok(_shaped(access.channel(channel_id)))


@operations.delete(ONE, "channels.delete")
def delete(channel_id: str) -> Response:
    """Delete a channel. The record of what was sent to it goes with it."""
    service.delete(access.channel(channel_id).id, access.actor(), moments.now())
    return answers.nothing()


@operations.post(
    f"{ONE}/test",
    "channels.test",
    {200: Answer("What came of it, good or bad.", "Trial", shapes.TRIAL_EXAMPLE)},
    outside=True,
)
def test(channel_id: str) -> Response:
    """Send a test message. A real one, now; the answer tells whether it arrived."""
    channel = access.channel(channel_id)
    attempt = service.test(channel.id, access.actor(), outside.of(current_app), moments.now())
    return answers.ok(shapes.trial(attempt))


def _shaped(channel: Channel) -> dict[str, Any]:
    return shapes.channel(channel, moments.now(), recipients.of_channels([channel]).get(channel.id, ()))
