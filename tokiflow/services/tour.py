"""The two-minute tour: the first monitor of an organization, and a channel so that its alert really arrives."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select

from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Channel
from tokiflow.services import channels, monitors

INTERVAL = 60
GRACE = 15


def start(organization_id: UUID, name: str, email: str, by: Actor, now: datetime) -> UUID:
    """A monitor called `name` that expects a ping every minute; its id. If there is no channel, e-mail to `email`.

    Without `email` no channel is made. Raises Invalid for a name that can't be one.
    """
    values = {"name": name, "schedule": {"kind": "every", "seconds": INTERVAL}, "grace_seconds": GRACE}
    with transaction():
        monitor_id = monitors.create(organization_id, values, by, now)
        if email and not _has_channel(organization_id):
            channel = {"kind": "email", "name": email, "config": {"to": [email]}}
            channels.create(organization_id, channel, by, now)
    return monitor_id


def _has_channel(organization_id: UUID) -> bool:
    return bool(db.session.execute(select(exists().where(Channel.organization_id == organization_id))).scalar_one())
