"""Every page asks the database a fixed number of questions, however much there is to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from tests.factories import make_channel, make_membership, make_monitor, make_user
from tests.fixtures.app import Client
from tests.house.statements import statements
from tests.house.test_access import stops
from tests.house.things import fail, make_things, succeed
from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW
from tokiflow.core.roles import Right
from tokiflow.db import db, transaction
from tokiflow.models import Monitor, Organization, User
from tokiflow.services import channels, heartbeats, incidents, maintenance, monitors

NOW = datetime.now(UTC) - timedelta(hours=2)
MORE = 40
MOST_STATEMENTS = 20
"""No page needs more than this; most need far fewer."""


def grow(organization: Organization, things: dict[str, str]) -> None:
    """Much more of everything that pages list: monitors in trouble, runs, steps, deliveries, channels, windows,
    members."""
    monitor = db.session.get_one(Monitor, ids.parse("mon", things["monitor_id"]))
    channel_id = ids.parse("chn", things["channel_id"])
    for n in range(MORE):
        at = NOW + timedelta(minutes=n)
        with transaction():  # a commit for each of these would take longer than they do
            (fail if n % 2 else succeed)(monitor, at)
            incidents.comment(ids.parse("inc", things["incident_id"]), f"tried {n}", TOKIFLOW, at)
            fail(make_monitor(organization, f"Job {n}", tags=[f"tag {n}"]), at)
            make_membership(organization, make_user(f"Member {n}"))
            make_channel(organization, ("webhook", "email", "slack")[n % 3])
            plan_and_depend(organization, things, n)
    channels.edit(channel_id, {"enabled": True}, TOKIFLOW, NOW)


def plan_and_depend(organization: Organization, things: dict[str, str], n: int) -> None:
    """A window more, and a monitor more that depends on the one in trouble and is named by the window that runs."""
    monitor = make_monitor(organization, f"Depends {n}", tags=["upgrade"])
    monitors.edit(monitor.id, {"depends_on": [things["monitor_id"]]}, TOKIFLOW, NOW)
    named = ids.public("mon", monitor.id)
    weekly = {"kind": "repeating", "expression": "0 2 * * 0", "duration_seconds": 3600, "monitors": [named]}
    maintenance.create(organization.id, {"name": f"Window {n}", "timezone": "UTC", **weekly}, TOKIFLOW, NOW)


def come_back(monitor: Monitor) -> None:
    """Trouble that ends and returns has turns, which are looked up for as long as there are any."""
    succeed(monitor, NOW - timedelta(minutes=4))
    fail(monitor, NOW - timedelta(minutes=3))


def test_no_page_asks_once_for_every_row(
    app: Flask,
    organization: Organization,
    alice: User,
    client_for: Callable[[User], Client],
    subtests: pytest.Subtests,
) -> None:
    for kind in ("clock", "worker"):
        heartbeats.beat(kind)
    client, things = client_for(alice), make_things(organization, NOW - timedelta(minutes=5))
    make_things(organization, NOW - timedelta(minutes=4))
    plan_and_depend(organization, things, MORE)
    come_back(db.session.get_one(Monitor, ids.parse("mon", things["monitor_id"])))
    pages = [stop.address(things) for stop in stops(app) if stop.method == "GET" and isinstance(stop.right, Right)]

    def asked() -> dict[str, list[str]]:
        found = {}
        for page in pages:
            with statements() as sent:
                assert client.get(page).status_code in (200, 303), page
            found[page] = sent
        return found

    few = asked()
    grow(organization, things)
    many = asked()
    for page in pages:
        with subtests.test(page):
            assert few[page], "somebody is signed in: that alone takes a look"
            assert len(many[page]) == len(few[page]), "\n".join(sorted(set(many[page]) - set(few[page])))
            assert len(many[page]) <= MOST_STATEMENTS, "\n\n".join(many[page])
