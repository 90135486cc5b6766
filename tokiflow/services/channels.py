"""Create, edit, test and delete channels."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from tokiflow import channels, errors
from tokiflow.channels import Outside
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.monitor_draft import line
from tokiflow.db import db, transaction
from tokiflow.models import Alert, Attempt, Channel, Delivery, Organization
from tokiflow.services import audit, deliveries, recipients


def create(organization_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime) -> UUID:
    """A new channel from `kind`, `name` and `config`; its id. Raises Invalid naming every bad field."""
    kind = channels.get(values["kind"] if isinstance(values.get("kind"), str) else "")
    config, name = _checked(kind, values.get("config"), values.get("name"))
    enabled = _flag(values.get("enabled", True))
    with transaction():
        channel = Channel(
            id=ids.new(), organization_id=organization_id, kind=kind.kind, name=name, config=config,
            enabled=enabled, created_at=now, updated_at=now,
        )  # fmt: skip
        db.session.add(channel)
        audit.record(
            "channel.created", by, organization_id, now,
            object_id=channel.id, object_name=name, after=kind.public(config),
        )  # fmt: skip
        _ask_whom_it_writes_to(channel, by, now)
    return channel.id


def edit(channel_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime, version: int | None = None) -> None:
    """Change what `values` name (`name`, `config`, `enabled`); secrets left out are kept. Raises Invalid, Conflict."""
    with transaction():
        channel = _locked(channel_id)
        if version is not None and version != channel.version:
            raise errors.Conflict("Somebody else changed this channel while you were editing it.")
        kind, old_config = channels.get(channel.kind), channel.config
        before = _audited(channel, kind)
        written = values.get("config", {})
        if not isinstance(written, Mapping):
            raise errors.Invalid({"config": ["is not an object; write the fields of this kind of channel"]})
        merged = channels.with_kept_secrets(kind, channel.config, {**channel.config, **written})
        channel.config, channel.name = _checked(kind, merged, values.get("name", channel.name))
        if "enabled" in values:
            channel.enabled = _flag(values["enabled"])
        if channel.enabled:
            channel.disabled_reason = ""
        channel.version += 1
        channel.updated_at = now
        was, is_now = audit.difference(before, _audited(channel, kind) | _replaced(kind, old_config, channel.config))
        audit.record(
            "channel.edited", by, channel.organization_id, now,
            object_id=channel.id, object_name=channel.name, before=was, after=is_now,
        )  # fmt: skip
        _ask_whom_it_writes_to(channel, by, now)


def delete(channel_id: UUID, by: Actor, now: datetime) -> None:
    """Delete the channel and the record of what was sent to it."""
    with transaction():
        channel = _locked(channel_id)
        audit.record(
            "channel.deleted", by, channel.organization_id, now, object_id=channel.id, object_name=channel.name
        )
        db.session.execute(delete_rows(Channel).where(Channel.id == channel_id))


def test(channel_id: UUID, by: Actor, outside: Outside, now: datetime) -> Attempt:
    """Send a real message, now, and tell what came back. It goes through the outbox like any other."""
    with transaction():
        channel = _locked(channel_id)
        organization = db.session.get_one(Organization, channel.organization_id)
        alert = Alert(
            id=ids.new(), organization_id=organization.id, incident_id=None, kind="test", at=now,
            content=_test_content(organization.name, channel.name, by, now),
        )  # fmt: skip
        db.session.add(alert)
        db.session.flush()
        delivery = Delivery(
            id=ids.new(), organization_id=organization.id, alert_id=alert.id, channel_id=channel_id, status="pending",
            attempts=0, next_attempt_at=now,
            # Sent right here: nobody else needs to be rung for it.
            rung_at=now,
        )  # fmt: skip
        db.session.add(delivery)
        audit.record("channel.tested", by, organization.id, now, object_id=channel_id, object_name=channel.name)
        delivery_id = delivery.id
    deliveries.deliver([delivery_id], outside)
    _give_up(delivery_id)
    return db.session.execute(
        select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.n.desc()).limit(1)
    ).scalar_one()


def _audited(channel: Channel, kind: channels.ChannelKind) -> dict[str, Any]:
    """What the audit log keeps of it: no secret, only whether there is one."""
    return {"name": channel.name, "enabled": channel.enabled, **kind.public(channel.config)}


def _replaced(kind: channels.ChannelKind, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The secrets that are others now: a change, though both only read "set"."""
    found: dict[str, Any] = {}
    for name in kind.secret_fields:
        was, is_now = old.get(name), new.get(name)
        if isinstance(was, Mapping) and isinstance(is_now, Mapping) and was != is_now:
            found[name] = {one: "set" if was.get(one) == value else "replaced" for one, value in is_now.items()}
        elif was and is_now and was != is_now:
            found[name] = "replaced"
    return found


def _give_up(delivery_id: UUID) -> None:
    """A test that failed is over: whoever pressed the button has seen it, and nobody wants it in an hour."""
    with transaction():
        delivery = db.session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
        if delivery.status == "pending":
            delivery.status = "dead"


def _test_content(organization: str, channel: str, by: Actor, now: datetime) -> dict[str, Any]:
    return {
        "organization": organization,
        "monitor_name": "Tokiflow",
        "incident_kind": "missed",
        "severity": "critical",
        "summary": f"This is a test of {channel}",
        "reason": f"{by.name} pressed “Send a test” at {now.astimezone(UTC):%H:%M:%S} UTC.",
        "advice": "Nothing is wrong. Alerts will look like this and arrive here.",
        "opened_at": now.isoformat(),
    }


def _checked(kind: channels.ChannelKind, config: Any, name: Any) -> tuple[dict[str, Any], str]:
    mistakes: dict[str, list[str]] = {}
    checked, clean = {}, ""
    try:
        clean = line(name, 200, "what people call this channel, like #ops")
    except ValueError as error:
        mistakes["name"] = [str(error)]
    try:
        if not isinstance(config, Mapping):
            raise errors.Invalid({"config": ["is missing; write the fields of this kind of channel"]})
        checked = kind.validate(config)
    except errors.Invalid as error:
        mistakes |= error.fields
    if mistakes:
        raise errors.Invalid(mistakes)
    return checked, clean


def _ask_whom_it_writes_to(channel: Channel, by: Actor, now: datetime) -> None:
    if channel.kind == "email":
        recipients.remember(channel.organization_id, channel.config["to"], by, now)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise errors.Invalid({"enabled": ["is neither true nor false; write one of them"]})
    return value


def _locked(channel_id: UUID) -> Channel:
    channel = db.session.get(Channel, channel_id, with_for_update=True, populate_existing=True)
    if channel is None:
        raise errors.NotFound("This channel is gone.")
    return channel
