"""What the current key may touch: the things of its own organization, as an admin of it; all else does not exist."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from flask import request

from tokiflow import errors
from tokiflow.api import keys
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.db import db
from tokiflow.models import Channel, Delivery, Incident, MaintenanceWindow, Monitor, Run
from tokiflow.models.columns import Belonging
from tokiflow.queries import alerts, channels, incidents, maintenance, monitors, runs

Owned = TypeVar("Owned", bound=Belonging)


def actor() -> Actor:
    """The key, as timelines and audit log name it."""
    key = keys.current()
    return Actor("api_key", f"API key {key.name}", key.id, (request.remote_addr or "")[:45])


def organization_id() -> UUID:
    """The organization of the key."""
    return keys.current().organization_id


def monitor(public_id: str) -> Monitor:
    """The monitor called `public_id` in the address. Raises NotFound."""
    return _own(monitors.get(ids.parse("mon", public_id)))


def run(monitor_id: str, public_id: str) -> Run:
    """The run called `public_id` of the monitor called `monitor_id`. Raises NotFound."""
    return runs.get(monitor(monitor_id).id, ids.parse("run", public_id))


def incident(public_id: str) -> Incident:
    """The incident called `public_id` in the address, with its monitor. Raises NotFound."""
    return _own(incidents.get(ids.parse("inc", public_id)))


def channel(public_id: str) -> Channel:
    """The channel called `public_id` in the address. Raises NotFound."""
    return _own(channels.get(ids.parse("chn", public_id)))


def delivery(public_id: str) -> Delivery:
    """The delivery called `public_id` in the address, with its channel and alert. Raises NotFound."""
    return _own(alerts.delivery(ids.parse("dlv", public_id)))


def window(public_id: str) -> MaintenanceWindow:
    """The maintenance window called `public_id` in the address. Raises NotFound."""
    return _own(maintenance.get(ids.parse("mnt", public_id)))


def look_again() -> None:
    """What a service has just written is read anew from here on, even inside its transaction."""
    db.session.flush()
    db.session.expire_all()


def _own(found: Owned) -> Owned:
    if found.organization_id != organization_id():
        raise errors.NotFound
    return found
