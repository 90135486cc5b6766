"""A channel is deleted while what was sent to it is being written down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_monitor
from tests.fixtures.database import Database
from tests.fixtures.instance import wait_until
from tokiflow.core.actors import Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Channel, Delivery, Monitor, Organization
from tokiflow.services import channels, pings
from tokiflow.services.pings import Incoming

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BOB = Actor("person", "Bob")


@pytest.fixture
def channel(organization: Organization) -> Channel:
    """One that is to be told of trouble."""
    made = make_channel(organization)
    monitor = make_monitor(organization)
    pings.record([Incoming(monitor.token, Ping(Signal.FAIL, NOON))], NOON)
    db.session.rollback()
    return made


@contextmanager
def deleting(app: Flask, channel: Channel) -> Iterator[list[Exception]]:
    """Bob deletes it meanwhile; what came between."""
    failed: list[Exception] = []
    channel_id = channel.id

    def delete() -> None:
        with app.app_context():
            try:
                channels.delete(channel_id, BOB, NOON + timedelta(minutes=1))
            except Exception as error:
                failed.append(error)

    bob = threading.Thread(target=delete)
    bob.start()
    yield failed
    bob.join(20)
    assert not bob.is_alive()


def somebody_waits(database: Database) -> bool:
    with database.connect() as connection:
        waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        return connection.execute(waiting).fetchone() is not None


@pytest.mark.parametrize("status", ["pending", "sent"])
def test_whoever_deletes_a_channel_waits_until_its_results_are_written_down(
    app: Flask, channel: Channel, database: Database, status: str
) -> None:
    """What is pending is waited for. What is not can be held only in a rare moment: that ends in a ring of waits, which
    PostgreSQL breaks."""
    channel_id = channel.id
    with database.connect() as worker:
        worker.execute("update deliveries set status = %s", [status])
        worker.execute("begin")
        worker.execute("select from deliveries order by id for no key update")
        with deleting(app, channel) as failed:
            wait_until(lambda: somebody_waits(database), 10, "Bob to wait")
            # As services.tries does: deliveries first, then the channels.
            worker.execute("update channels set last_delivery_at = now() where id = %s", [channel_id])
            worker.execute("commit")
        assert failed == []
        assert worker.execute("select count(*) from channels where id = %s", [channel_id]).fetchone() == (0,)
        assert worker.execute("select count(*) from deliveries").fetchone() == (0,)


def test_a_monitor_that_named_it_alone_goes_by_the_rules_again(organization: Organization) -> None:
    gone, pager = make_channel(organization, name="Gone"), make_channel(organization, name="Pager")
    alone = make_monitor(organization, "Alone", channels=[gone])
    both = make_monitor(organization, "Both", channels=[gone, pager])
    channels.delete(gone.id, BOB, NOON)
    own = {row.id: row.own_channels for row in db.session.execute(select(Monitor)).scalars()}
    assert (own[alone.id], own[both.id]) == (False, True)
    pings.record([Incoming(alone.token, Ping(Signal.FAIL, NOON))], NOON)
    assert db.session.execute(select(Delivery.channel_id)).scalars().all() == [pager.id]
