"""One of everything that an address can name, at home in one organization."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from tests.factories import (
    make_api_key,
    make_channel,
    make_export,
    make_invitation,
    make_membership,
    make_monitor,
    make_passkey,
    make_rule,
    make_slack_installation,
    make_user,
)
from tokiflow.core import ids, tokens
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Delivery, Incident, Monitor, Organization, Run, User, UserSession
from tokiflow.services import maintenance, pings, sessions


def make_things(organization: Organization, now: datetime) -> dict[str, str]:
    """By the name it has in routes: a monitor in trouble, its failed run with output, the incident, a channel
    that could not be told, that delivery, the maintenance that runs now, a rule, a key, somebody invited, a member."""
    channel = make_channel(organization)
    rule = make_rule(organization, [channel], [channel], waits=[900], remind_seconds=3600)
    monitor = make_monitor(organization, "Orders → warehouse", tags=["db"], channels=[channel])
    fail(monitor, now)
    incident = db.session.execute(select(Incident).where(Incident.monitor_id == monitor.id)).scalar_one()
    with transaction():
        db.session.execute(update(Delivery).where(Delivery.incident_id == incident.id).values(status="dead"))
    delivery = db.session.execute(select(Delivery.id).where(Delivery.incident_id == incident.id)).scalar_one()
    run = db.session.execute(select(Run.id).where(Run.monitor_id == monitor.id)).scalar_one()
    hours = {"starts_at": now - HOUR, "ends_at": datetime.now(UTC) + HOUR}
    window = maintenance.create(organization.id, _WINDOW | hours, TOKIFLOW, now)
    member = make_user("Somebody")
    make_membership(organization, member)
    return {
        "member_id": ids.public("usr", member.id),
        "monitor_id": ids.public("mon", monitor.id),
        "run_id": ids.public("run", run),
        "incident_id": ids.public("inc", incident.id),
        "channel_id": ids.public("chn", channel.id),
        "delivery_id": ids.public("dlv", delivery),
        "window_id": ids.public("mnt", window),
        "installation_id": ids.public("slk", make_slack_installation(organization).id),
        "key_id": ids.public("key", make_api_key(organization, now=now).id),
        "rule_id": ids.public("rul", rule.id),
        "invitation_id": ids.public("inv", make_invitation(organization, f"{ids.new()}@example.com").id),
    }


def make_personal_things(user: User, organization: Organization, now: datetime) -> dict[str, str]:
    """By the name it has in routes: a file that is ready, another browser, and a passkey of the person."""
    export, passkey = make_export(user, organization, now), make_passkey(user)
    token = sessions.begin(user.id, "link", "Safari on an iPhone", "198.51.100.9", now)
    session = db.session.execute(select(UserSession).where(UserSession.digest == tokens.digest(token))).scalar_one()
    return {
        "export_id": ids.public("exp", export.id),
        "passkey_id": ids.public("psk", passkey.id),
        "session_id": ids.public("ses", session.id),
    }


HOUR = timedelta(hours=1)
_WINDOW: dict[str, Any] = {"name": "Upgrade", "kind": "once", "timezone": "Europe/Berlin", "tags": ["upgrade"]}


def fail(monitor: Monitor, now: datetime) -> None:
    """A run of `monitor` that took a minute and failed at `now`."""
    output = b"dumping orders\n<b>disk</b> full\n"
    start = Ping(Signal.START, now - timedelta(minutes=1), source="203.0.113.7")
    end = Ping(Signal.FAIL, now, exit_code=3, body=output, body_size=len(output), metrics={"rows": 8.0})
    pings.record([pings.Incoming(monitor.token, start), pings.Incoming(monitor.token, end)], now)


def succeed(monitor: Monitor, now: datetime) -> None:
    """A run of `monitor` that took ten seconds and was fine."""
    pings.record([pings.Incoming(monitor.token, Ping(Signal.SUCCESS, now, duration_ms=10_000))], now)
