"""What is done to many incidents at once is what would have been done to each alone: in every table, to the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_membership, make_monitor, make_organization, make_rule, make_user, save
from tests.house.things import fail
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import (
    Alert,
    AuditChain,
    AuditEvent,
    Channel,
    Delivery,
    FollowUp,
    Incident,
    IncidentEvent,
    Monitor,
    MonitorDependency,
    Organization,
    RoutingRule,
    User,
)
from tokiflow.queries import audit_chains
from tokiflow.services import audit, incident_sets, incidents, maintenance, pings

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
TOLD = (Monitor, Incident, IncidentEvent, Alert, Delivery, FollowUp)


def test_sets_equal_singles(app: Flask, people: Sequence[User]) -> None:
    bob = people[1]
    mia = Actor("person", "Mia", people[0].id, "198.51.100.7")
    deeds: dict[str, tuple[Callable[[UUID], object], Callable[[Sequence[UUID]], object]]] = {
        "acknowledge": (
            lambda one: incidents.acknowledge(one, mia, NOW),
            lambda those: incident_sets.acknowledge(those, mia, NOW),
        ),
        "mute": (
            lambda one: incidents.mute(one, NOW + HOUR, mia, NOW),
            lambda those: incident_sets.mute(those, NOW + HOUR, mia, NOW),
        ),
        "resolve": (
            lambda one: incidents.resolve(one, mia, NOW),
            lambda those: incident_sets.resolve(those, mia, NOW),
        ),
    }
    alone, together = (_world(people, bob) for _ in range(2))
    assert _account(alone) == _account(together)
    for name, (single, many) in deeds.items():
        before = _account(alone)
        for one in _meant(alone, name):
            single(one)
        many(_meant(together, ""))
        told = _account(alone)
        assert told != before, name
        assert _account(together) == told, name
    assert not list(audit_chains.breaks(together.id, audit.key_of(db.session.get_one(AuditChain, together.id))))


@pytest.fixture
def people(app: Flask) -> list[User]:
    """Mia and Bob, of both organizations."""
    return [make_user("Mia"), make_user("Bob")]


def _world(people: Sequence[User], bob: User) -> Organization:
    """Monitors in every kind of trouble, with people told, held back, waiting, called off and reminded."""
    organization = make_organization("Harbour Freight")
    for one in people:
        make_membership(organization, one)
    by, began = Actor("person", bob.name, bob.id), NOW - 2 * HOUR
    chat, pager = (make_channel(organization, kind, name=kind) for kind in ("ntfy", "webhook"))
    make_rule(organization, [chat], [pager], name="Night", waits=[7200 + 900], remind_seconds=3 * 3600)
    hours = {"starts_at": NOW - 3 * HOUR, "ends_at": NOW + 3 * HOUR}
    window = {"name": "Upgrade", "kind": "once", "timezone": "UTC", "tags": ["upgrade"]}
    maintenance.create(organization.id, window | hours, TOKIFLOW, NOW)
    made = {name: make_monitor(organization, name, slug=name, **more) for name, more in _MONITORS.items()}
    made["own"] = make_monitor(organization, "own", slug="own", channels=[pager])
    save(MonitorDependency(monitor_id=made["below"].id, depends_on_id=made["above"].id))
    for monitor in made.values():
        if monitor.name != "slower":
            fail(monitor, began)
    pings.record([pings.Incoming(made["running"].token, Ping(Signal.START, NOW - HOUR))], NOW - HOUR)
    for name in ("both", "slower"):
        save(
            Incident(
                organization_id=organization.id, monitor_id=made[name].id, class_="performance", kind="degraded",
                summary="is slower", opened_at=began, last_opened_at=began,
            )
        )  # fmt: skip
    of = {name: _of(monitor) for name, monitor in made.items()}
    incidents.acknowledge(of["acknowledged"], by, began + HOUR)
    incidents.snooze(of["snoozed"], NOW + HOUR, by, began + HOUR)
    incidents.mute(of["muted"], NOW + HOUR / 2, by, began + HOUR)
    incidents.assign(of["assigned"], bob.id, by, began + HOUR)
    incidents.resolve(of["over"], by, began + HOUR)
    return organization


_MONITORS: dict[str, dict[str, Any]] = {
    "plain": {}, "acknowledged": {}, "snoozed": {}, "muted": {}, "assigned": {}, "over": {}, "above": {}, "below": {},
    "maintained": {"tags": ["upgrade"]}, "both": {}, "slower": {}, "running": {"max_runtime_seconds": 10_000},
}  # fmt: skip


def _of(monitor: Monitor) -> UUID:
    statement = select(Incident.id).where(Incident.monitor_id == monitor.id).order_by(Incident.class_)
    return db.session.execute(statement.limit(1)).scalar_one()


def _meant(organization: Organization, do: str) -> Sequence[UUID]:
    """All but one that waits for another; of whom it is done to one by one, those that are ready for it."""
    theirs = (
        select(Incident.id).join(Monitor).where(Monitor.organization_id == organization.id, Monitor.name != "below")
    )
    if do:
        ready = ["open"] if do == "acknowledge" else ["open", "acknowledged"]
        theirs = theirs.where(Incident.status.in_(ready))
    return db.session.execute(theirs.order_by(Incident.monitor_id, Incident.id)).scalars().all()


def _account(organization: Organization) -> dict[str, list[str]]:
    """All that is written of the incidents and their monitors, but for what each row is called and when it was made."""
    db.session.rollback()
    names = _names(organization)
    found: dict[str, list[str]] = {}
    for model in (*TOLD, AuditEvent):
        statement = select(*model.__table__.columns)
        if model is IncidentEvent:
            statement = statement.join(Incident).where(Incident.organization_id == organization.id)
        else:
            statement = statement.where(model.organization_id == organization.id)  # type: ignore[union-attr]
        found[model.__tablename__] = sorted(_plain(row._mapping, names) for row in db.session.execute(statement))
    return found


def _names(organization: Organization) -> dict[str, str]:
    """By id, as it is kept and as people see it: a name that is the same in another organization."""
    named = {one.id: f"usr {one.name}" for one in db.session.execute(select(User.id, User.name))}
    named[organization.id] = "org"

    def note(model: Any, prefix: str, called: Any) -> None:
        for id, *words in db.session.execute(called.where(model.organization_id == organization.id)):
            named[id] = f"{prefix} {' '.join(words)}"

    note(Monitor, "mon", select(Monitor.id, Monitor.name))
    note(Channel, "chn", select(Channel.id, Channel.name))
    note(RoutingRule, "rul", select(RoutingRule.id, RoutingRule.name))
    note(Incident, "inc", select(Incident.id, Monitor.name, Incident.class_).select_from(Incident).join(Monitor))
    note(Alert, "alert", select(Alert.id, Monitor.name, Alert.kind).select_from(Alert).join(Incident).join(Monitor))
    public = {ids.public(name.split()[0], id): name for id, name in named.items()}
    return {str(id): name for id, name in named.items()} | public


# Of what else there is, like runs, there is one that it can be.
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[a-z]{3}_[0-9a-z]{26}")
_OWN = {"id", "created_at", "token", "n", "hash", "words_hash", "updated_at"}


def _plain(row: Any, names: dict[str, str]) -> str:
    text = json.dumps({name: value for name, value in row.items() if name not in _OWN}, default=str, sort_keys=True)
    for id, name in names.items():
        text = text.replace(id, name)
    return _ID.sub("some", text)
