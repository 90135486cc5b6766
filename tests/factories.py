"""Rows for tests, complete and believable, each with what the test says about it. They are committed."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tokiflow import channels
from tokiflow.adapters import storage
from tokiflow.core import tokens
from tokiflow.core.roles import Role
from tokiflow.db import db, transaction
from tokiflow.models import (
    ApiKey,
    Channel,
    Export,
    Invitation,
    Membership,
    Monitor,
    MonitorChannel,
    Organization,
    Passkey,
    RoutingRule,
    RoutingRuleChannel,
    SlackInstallation,
    User,
)
from tokiflow.services import recipients

Row = TypeVar("Row")
_numbers = itertools.count(1)


def save(row: Row) -> Row:
    """Commit `row` and give it back. Inside a transaction it has its id already."""
    with transaction():
        db.session.add(row)
        db.session.flush()
    return row


def make_organization(name: str = "Harbour Freight", **values: Any) -> Organization:
    """An organization without people."""
    slug = values.pop("slug", f"{_slug(name)}-{next(_numbers)}")
    return save(Organization(name=name, slug=slug, **values))


def make_user(name: str = "Alice", **values: Any) -> User:
    """A person in no organization."""
    email = values.pop("email", f"{_slug(name)}-{next(_numbers)}@example.com")
    return save(User(name=name, email=email, **{"timezone": "Europe/Berlin", **values}))


def make_membership(organization: Organization, user: User, role: Role = Role.MEMBER) -> Membership:
    """Put `user` into `organization`."""
    return save(Membership(organization_id=organization.id, user_id=user.id, role=str(role)))


def make_monitor(organization: Organization, name: str = "Nightly backup", **values: Any) -> Monitor:
    """A monitor that expects a ping every hour, with five minutes of grace; never pinged unless `values` say so.

    `channels=[…]` are the only ones that hear of it.
    """
    named = values.pop("channels", [])
    usual = {
        "slug": f"{_slug(name)}-{next(_numbers)}",
        "token": tokens.new_ping_token(),
        "schedule_kind": "every",
        "schedule_seconds": 3600,
        "grace_seconds": 300,
        "max_runtime_seconds": 3600,
        "own_channels": bool(named),
    }
    with transaction():
        monitor = Monitor(organization_id=organization.id, name=name, **{**usual, **values})
        db.session.add(monitor)
        db.session.flush()
        db.session.add_all(MonitorChannel(monitor_id=monitor.id, channel_id=channel.id) for channel in named)
    return monitor


def make_channel(organization: Organization, kind: str = "webhook", **values: Any) -> Channel:
    """A channel of `kind`, to an address nobody listens at unless `config` is given; validated, as every one is.

    The addresses of an e-mail channel have confirmed, unless `confirmed=False`: then nobody knows of them.
    """
    config = channels.get(kind).validate(values.pop("config", _CONFIGS[kind]))
    usual = {"name": f"{kind} {next(_numbers)}", "config": config}
    if kind == "email" and values.pop("confirmed", True):
        recipients.take_as_confirmed(organization.id, config["to"], datetime.now(UTC))
    return save(Channel(organization_id=organization.id, kind=kind, **{**usual, **values}))


def make_api_key(organization: Organization, name: str = "ci", now: datetime | None = None, **values: Any) -> ApiKey:
    """A key that may read and write, and that nobody has."""
    key = tokens.new_api_key()
    usual = {"scopes": ["read", "write"], "created_at": now or datetime.now(UTC)}
    return save(
        ApiKey(
            organization_id=organization.id, name=name, prefix=key.prefix, digest=key.digest, **{**usual, **values}
        )
    )  # fmt: skip


def make_slack_installation(organization: Organization, **values: Any) -> SlackInstallation:
    """Tokiflow's app in a workspace of its own, with a token that nobody can open."""
    number = next(_numbers)
    usual = {"team_id": f"T0{number}", "team_name": f"Workspace {number}", "sealed_token": "sealed", "scopes": ""}
    return save(SlackInstallation(organization_id=organization.id, **{**usual, **values}))


def make_export(user: User, organization: Organization | None, now: datetime, **values: Any) -> Export:
    """A file with the log of the organization, ready, and in the store."""
    export = Export(
        organization_id=organization and organization.id, user_id=user.id, kind="audit", status="done",
        filename="audit.csv", size=5, created_at=now, next_attempt_at=now, finished_at=now,
        expires_at=now + timedelta(days=7),
    )  # fmt: skip
    store = storage.current()
    assert store is not None
    for name, value in values.items():
        setattr(export, name, value)
    save(export)
    export.key = f"exports/{export.id}"
    store.put(export.key, b"log\r\n")
    return save(export)


def make_passkey(user: User, name: str = "Laptop", **values: Any) -> Passkey:
    """A passkey that nobody can sign with."""
    number = str(next(_numbers)).encode()
    return save(Passkey(user_id=user.id, name=name, **{"credential_id": number, "public_key": b"none", **values}))


def make_invitation(organization: Organization, email: str = "dora@example.com", **values: Any) -> Invitation:
    """An invitation to be a member, mailed an hour ago, that waits for an answer."""
    at = values.pop("sent_at", datetime.now(UTC) - timedelta(hours=1))
    usual = {"role": "member", "nonce": f"nonce {next(_numbers)}", "expires_at": at + timedelta(days=7)}
    return save(
        Invitation(organization_id=organization.id, email=email, sent_at=at, created_at=at, **{**usual, **values})
    )


def make_rule(organization: Organization, *steps: list[Channel], **values: Any) -> RoutingRule:
    """A rule that tells the channels of `steps[0]` at once, and those of the others after `waits`. It always holds
    unless `condition` says otherwise."""
    number = next(_numbers)
    usual = {"name": f"Rule {number}", "position": number, "condition": {}, "waits": []}
    with transaction():
        rule = RoutingRule(organization_id=organization.id, **{**usual, **values})
        db.session.add(rule)
        db.session.flush()
        db.session.add_all(
            RoutingRuleChannel(rule_id=rule.id, step=n, channel_id=channel.id)
            for n, step in enumerate(steps)
            for channel in step
        )
    return rule


_CONFIGS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "http://127.0.0.1:9/hook"},
    "email": {"to": ["ops@example.com"]},
    "slack_app": {"team": "T0HARBOUR", "channel": "#ops"},
    "slack": {"url": "http://127.0.0.1:9/slack"},
    "teams": {"url": "http://127.0.0.1:9/workflow"},
    "discord": {"url": "http://127.0.0.1:9/api/webhooks/1/x"},
    "telegram": {"token": f"123456789:{'A' * 35}", "chat": "-1001234567890", "server": "http://127.0.0.1:9"},
    "ntfy": {"topic": "harbour-7fk2x9qd", "server": "http://127.0.0.1:9"},
    "pushover": {"token": "a" * 30, "user": "u" * 30, "server": "http://127.0.0.1:9"},
    "pagerduty": {"routing_key": "k" * 32, "server": "http://127.0.0.1:9"},
    "opsgenie": {"key": "12345678-90ab-cdef-1234-567890abcdef", "server": "http://127.0.0.1:9"},
    "sms": {
        "account": f"AC{'0' * 32}",
        "secret": "s" * 32,
        "sender": "+15550100999",
        "to": ["+4915112345678"],
        "server": "http://127.0.0.1:9",
    },
    "apprise": {"url": "gchat://AAAAspace/s3cret-key/s3cret-token"},
}


def _slug(name: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())
