"""Create, edit, test and delete channels."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from tokiflow import channels, errors
from tokiflow.channels import Outside
from tokiflow.core import grouping, ids
from tokiflow.core.actors import Actor
from tokiflow.core.grouping import Limits
from tokiflow.core.monitor_draft import line
from tokiflow.db import again_after_deadlock, db, transaction
from tokiflow.models import Alert, Attempt, Channel, Delivery, Organization
from tokiflow.queries import channels as read
from tokiflow.queries import slack_installations
from tokiflow.services import audit, claims, deliveries, monitors, recipients, routing


def create(organization_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime) -> UUID:
    """A new channel from `kind`, `name`, `config` and, if they are to be others than usual, its limits (core.grouping);
    its id. Raises Invalid naming every bad field."""
    kind = channels.get(values["kind"] if isinstance(values.get("kind"), str) else "")
    config, name, limits = _checked(kind, values.get("config"), values, grouping.usual(kind.for_people))
    config = kind.carried({}, config, now)
    enabled = _flag(values.get("enabled", True))
    _check_workspace(organization_id, kind.kind, config)
    with transaction():
        channel = Channel(
            id=ids.new(), organization_id=organization_id, kind=kind.kind, name=name, config=config,
            enabled=enabled, created_at=now, updated_at=now, **_columns(limits),
        )  # fmt: skip
        db.session.add(channel)
        audit.record(
            "channel.created", by, organization_id, now,
            object_id=channel.id, object_name=name, after={**kind.public(config), **_columns(limits)},
        )  # fmt: skip
        _ask_whom_it_writes_to(channel, by, now)
    return channel.id


def edit(channel_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime, version: int | None = None) -> None:
    """Change what `values` name (`name`, `config`, `enabled`, limits); secrets left out are kept. Raises Invalid,
    Conflict."""
    with transaction():
        channel = _locked(channel_id)
        if version is not None and version != channel.version:
            raise errors.Conflict("Somebody else changed this channel while you were editing it.")
        kind, old_config = channels.get(channel.kind), channel.config
        before = _shown(channel)
        written = values.get("config", {})
        if not isinstance(written, Mapping):
            raise errors.Invalid({"config": ["is not an object; write the fields of this kind of channel"]})
        merged = channels.with_kept_secrets(kind, channel.config, {**channel.config, **written})
        named = {"name": channel.name, **values}
        config, channel.name, limits = _checked(kind, merged, named, _limits(channel), channel.config)
        if config.get("team") != channel.config.get("team"):
            _check_workspace(channel.organization_id, channel.kind, config)
        channel.config = kind.carried(channel.config, config, now)
        for column, value in _columns(limits).items():
            setattr(channel, column, value)
        if "enabled" in values:
            channel.enabled = _flag(values["enabled"])
        if channel.enabled:
            channel.disabled_reason = ""
        channel.version += 1
        channel.updated_at = now
        was, is_now = audit.difference(before, _shown(channel) | _replaced(kind, old_config, channel.config))
        audit.record(
            "channel.edited", by, channel.organization_id, now,
            object_id=channel.id, object_name=channel.name, before=was, after=is_now,
        )  # fmt: skip
        _ask_whom_it_writes_to(channel, by, now)


def delete(channel_id: UUID, by: Actor, now: datetime) -> None:
    """Delete the channel and the record of what was sent to it. Results that are being written down are waited for.

    Who named nobody else would name nobody now, and trouble must be told to somebody: such monitors go by the rules
    again, and such rules are asked no more.
    """
    again_after_deadlock(lambda: _delete(channel_id, by, now))


def _delete(channel_id: UUID, by: Actor, now: datetime) -> None:
    with transaction():
        # Before the channel, as everywhere: whoever promises alerts holds monitors when it comes to channels.
        routing.let_go(channel_id, by, now)
        for monitor_id in read.named_alone_by(channel_id):
            monitors.edit(monitor_id, {"channels": None}, by, now)
        # In the order of services.tries, which holds deliveries when it comes to channels. What is promised in between
        # may still make a ring of waits, of which PostgreSQL breaks one: then this is done again.
        on_its_way = select(Delivery.id).where(Delivery.channel_id == channel_id, Delivery.status == "pending")
        db.session.execute(on_its_way.order_by(Delivery.id).with_for_update())
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
            attempts=0, next_attempt_at=now, rung_at=now,
        )  # fmt: skip
        db.session.add(delivery)
        db.session.flush()
        # It is ours before anybody sees it: a worker that took it would leave nothing to show to whoever waits here.
        claimed = claims.by_name([delivery.id], now)
        audit.record("channel.tested", by, organization.id, now, object_id=channel_id, object_name=channel.name)
        delivery_id = delivery.id
    deliveries.send(claimed, outside)
    _give_up(delivery_id)
    return db.session.execute(
        select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.n.desc()).limit(1)
    ).scalar_one()


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


def _limits(channel: Channel) -> Limits:
    return Limits(channel.group_after, timedelta(seconds=channel.group_window_seconds), channel.rate_per_hour)


def _columns(limits: Limits) -> dict[str, Any]:
    """`limits` as the channel keeps them."""
    return {
        "group_after": limits.after,
        "group_window_seconds": round(limits.window.total_seconds()),
        "rate_per_hour": limits.per_hour,
    }


def _shown(channel: Channel) -> dict[str, Any]:
    """All that somebody may change, without secrets."""
    public = channels.get(channel.kind).public(channel.config)
    return {"name": channel.name, "enabled": channel.enabled, **_columns(_limits(channel)), **public}


def _checked(
    kind: channels.ChannelKind,
    config: Any,
    values: Mapping[str, Any],
    usual: Limits,
    stored: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], str, Limits]:
    """What is kept of config, name and limits. Raises Invalid naming every bad field.

    A config that is `stored` already was fit when it was written: rules that are newer must not keep anybody from
    disabling the channel.
    """
    mistakes: dict[str, list[str]] = {}
    checked: dict[str, Any] = {}
    clean, limits = "", usual
    try:
        clean = line(values.get("name"), 200, "what people call this channel, like #ops")
    except ValueError as error:
        mistakes["name"] = [str(error)]
    try:
        if not isinstance(config, Mapping):
            raise errors.Invalid({"config": ["is missing; write the fields of this kind of channel"]})
        checked = dict(config) if config == stored else kind.validate(config)
    except errors.Invalid as error:
        mistakes |= error.fields
    try:
        limits = grouping.checked(values, usual)
    except errors.Invalid as error:
        mistakes |= error.fields
    if mistakes:
        raise errors.Invalid(mistakes)
    return checked, clean, limits


def _ask_whom_it_writes_to(channel: Channel, by: Actor, now: datetime) -> None:
    if channel.kind == "email":
        recipients.remember(channel.organization_id, channel.config["to"], by, now)


def _check_workspace(organization_id: UUID, kind: str, config: Mapping[str, Any]) -> None:
    """Raises Invalid for a Slack workspace that this organization has not added our app to."""
    if kind != slack_installations.KIND:
        return
    teams = {one.team_id: one.team_name for one in slack_installations.of_organization(organization_id)}
    if config["team"] not in teams:
        known = ", ".join(f"{team} ({name})" for team, name in teams.items())
        hint = f"write {known}" if known else "add it first, on the page Channels, Slack"
        raise errors.Invalid({"config.team": [f"is no workspace that Tokiflow’s app is in for you; {hint}"]})


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise errors.Invalid({"enabled": ["is neither true nor false; write one of them"]})
    return value


def _locked(channel_id: UUID) -> Channel:
    channel = db.session.get(Channel, channel_id, with_for_update=True, populate_existing=True)
    if channel is None:
        raise errors.NotFound("This channel is gone.")
    return channel
