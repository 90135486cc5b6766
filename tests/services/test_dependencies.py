"""Dependencies of monitors: nobody can close a circle, not even two at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import func, select

from tests.factories import make_monitor
from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.db import db
from tokiflow.models import AuditEvent, Monitor, MonitorDependency, Organization
from tokiflow.services import monitors

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def depend(monitor: Monitor, *upstream: Monitor) -> None:
    monitors.edit(monitor.id, {"depends_on": [ids.public("mon", one.id) for one in upstream]}, TOKIFLOW, NOW)


def test_two_who_point_at_each_other_at_once_close_no_circle(app: Flask, organization: Organization) -> None:
    pairs = [(make_monitor(organization), make_monitor(organization)) for _ in range(5)]
    keys = [(first.id, second.id) for first, second in pairs]
    refused = []
    barrier = threading.Barrier(2)

    def point(way: int) -> None:
        for pair in keys:
            with app.app_context():
                barrier.wait(10)
                try:
                    values = {"depends_on": [ids.public("mon", pair[1 - way])]}
                    monitors.edit(pair[way], values, TOKIFLOW, NOW)
                except errors.Invalid as error:
                    refused.append(error.fields["depends_on"][0])

    threads = [threading.Thread(target=point, args=(way,)) for way in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 5
    assert all("circle" in why for why in refused)
    assert db.session.execute(select(func.count()).select_from(MonitorDependency)).scalar_one() == 5


def test_what_was_changed_is_on_record(organization: Organization) -> None:
    shop, database = make_monitor(organization, "Shop"), make_monitor(organization, "Database")
    depend(shop, database)
    event = db.session.execute(select(AuditEvent)).scalar_one()
    assert (event.what, event.before, event.after) == (
        "monitor.edited", {"depends_on": []}, {"depends_on": [ids.public("mon", database.id)]},
    )  # fmt: skip


def test_what_nobody_mentions_stays(organization: Organization) -> None:
    shop, database = make_monitor(organization, "Shop"), make_monitor(organization, "Database")
    depend(shop, database)
    monitors.edit(shop.id, {"name": "The shop"}, TOKIFLOW, NOW)
    assert monitors.draft_of(db.session.get_one(Monitor, shop.id)).depends_on == {database.id}
    monitors.delete(database.id, TOKIFLOW, NOW)
    assert monitors.draft_of(db.session.get_one(Monitor, shop.id)).depends_on == frozenset()
