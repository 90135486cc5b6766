"""How a webhook signs: whether, with one secret or two, and how it gets another one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tokiflow import errors
from tokiflow.channels import fields, webhook
from tokiflow.core.actors import Actor
from tokiflow.models import Channel
from tokiflow.services import channels as service


@dataclass(frozen=True)
class Signing:
    """`former_until`: until when the former secret signs, too, if it does."""

    signs: bool
    former_until: datetime | None


def of(channel: Channel, now: datetime) -> Signing | None:
    """How `channel` signs; None for a kind that never does."""
    if channel.kind != webhook.Webhook.kind:
        return None
    return Signing(bool(channel.config.get("secret")), webhook.former_until(channel.config, now))


def must_have(channel: Channel, now: datetime) -> Signing:
    """The same. Raises NotFound for a kind that never signs."""
    signing = of(channel, now)
    if signing is None:
        raise errors.NotFound
    return signing


def rotate(channel: Channel, version: str, by: Actor, now: datetime) -> str:
    """Give `channel` another secret, which is returned. Raises Conflict if it has changed since `version` was shown:
    a page that is sent twice must not lose the secret that the receiver still has."""
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else None
    if seen is None:
        raise errors.Conflict("This page is out of date. Open the channel again.")
    made = fields.new_secret()
    service.edit(channel.id, {"config": {"secret": made}}, by, now, seen)
    return made
