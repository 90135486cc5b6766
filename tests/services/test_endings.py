"""The end of trouble reaches whoever was told of it, late or of a monitor that is gone: nothing stays red."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.factories import make_channel, make_monitor
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Alert, Channel, Delivery, Incident, Monitor, Organization
from tokiflow.queries.undelivered import Filter
from tokiflow.services import claims, deliveries, messages, monitors, pings
from tokiflow.services.pings import Incoming

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BOB = Actor("person", "Bob")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def ping(monitor: Monitor, signal: Signal, minutes: float) -> None:
    pings.record([Incoming(monitor.token, Ping(signal, at(minutes)))], at(minutes))


def standing() -> list[tuple[str, str]]:
    """(kind of news, how it stands), in the order in which they are sent."""
    statement = select(Alert.kind, Delivery.status).join(Alert, Alert.id == Delivery.alert_id).order_by(Delivery.id)
    return [(row.kind, row.status) for row in db.session.execute(statement)]


def end(kind: str, status: str) -> None:
    """What was to be told of `kind` went so."""
    which = select(Alert.id).where(Alert.kind == kind)
    with transaction():
        db.session.execute(update(Delivery).where(Delivery.alert_id.in_(which)).values(status=status))


def again(*kinds: str) -> int:
    which = select(Delivery.id).join(Alert, Alert.id == Delivery.alert_id).where(Alert.kind.in_(kinds))
    wanted = Filter(ids=list(db.session.execute(which).scalars()))
    return deliveries.send_again(db.session.execute(select(Channel.organization_id)).scalar_one(), wanted, BOB, at(60))


@pytest.fixture
def pager(organization: Organization) -> Channel:
    return make_channel(organization, name="Pager")


@pytest.fixture
def monitor(organization: Organization, pager: Channel) -> Monitor:
    return make_monitor(organization, "Nightly backup")


def test_the_end_follows_trouble_that_was_given_up_before_it(monitor: Monitor) -> None:
    ping(monitor, Signal.FAIL, 0)
    end("opened", "dead")
    ping(monitor, Signal.SUCCESS, 5)
    assert standing() == [("opened", "dead")], "nobody had been told"
    assert again("opened") == 1
    assert standing() == [("opened", "pending"), ("resolved", "pending")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pending", [("opened", "pending"), ("resolved", "pending")]),
        ("dead", [("opened", "pending"), ("resolved", "pending")]),
        ("sent", [("opened", "pending"), ("resolved", "sent"), ("resolved", "pending")]),
    ],
)
def test_it_follows_once_whatever_became_of_it_before(
    monitor: Monitor, before: str, after: list[tuple[str, str]]
) -> None:
    ping(monitor, Signal.FAIL, 0)
    ping(monitor, Signal.SUCCESS, 5)
    end("opened", "dead")
    end("resolved", before)
    again("opened")
    assert standing() == after


def test_both_that_were_given_up_go_once_each(monitor: Monitor) -> None:
    ping(monitor, Signal.FAIL, 0)
    ping(monitor, Signal.SUCCESS, 5)
    end("opened", "dead")
    end("resolved", "dead")
    assert again("opened", "resolved") == 2
    assert standing() == [("opened", "pending"), ("resolved", "pending")]


def test_whoever_was_told_of_trouble_hears_of_its_end_though_the_monitor_is_deleted(
    organization: Organization, monitor: Monitor, pager: Channel
) -> None:
    ping(monitor, Signal.FAIL, 0)
    remembered = {"ts": "1795996226.000200", "channel": "C0OPS0000"}
    with transaction():
        db.session.execute(update(Delivery).values(status="sent", memory=remembered))
    make_channel(organization, name="Nobody told it")
    incident = ids.public("inc", db.session.execute(select(Incident.id)).scalar_one())
    monitors.delete(monitor.id, BOB, at(5))
    assert standing() == [("resolved", "pending")]
    (delivery_id,) = db.session.execute(select(Delivery.id)).scalars()
    (claimed,) = claims.by_name([delivery_id], at(5))
    told = messages.of(claimed, "https://tokiflow.example")
    assert (told.kind, told.thread_key, told.thread, told.by) == ("resolved", incident, remembered, "Bob")
    assert (told.incident_id, told.monitor_name) == (incident, "Nightly backup")
    assert incident not in told.incident_url, "its page is gone"
    assert ids.public("mon", monitor.id) not in told.monitor_url


def test_a_recovery_that_is_on_its_way_outlives_the_monitor(monitor: Monitor) -> None:
    ping(monitor, Signal.FAIL, 0)
    end("opened", "sent")
    ping(monitor, Signal.SUCCESS, 5)
    monitors.delete(monitor.id, BOB, at(6))
    assert standing() == [("resolved", "pending")]


def test_of_trouble_that_nobody_was_told_of_nobody_hears_when_the_monitor_is_deleted(monitor: Monitor) -> None:
    ping(monitor, Signal.FAIL, 0)
    monitors.delete(monitor.id, BOB, at(5))
    assert standing() == []


def test_what_goes_on_has_no_end_yet(monitor: Monitor) -> None:
    ping(monitor, Signal.FAIL, 0)
    end("opened", "dead")
    again("opened")
    assert standing() == [("opened", "pending")]
    ping(monitor, Signal.SUCCESS, 90)
    assert standing() == [("opened", "pending"), ("resolved", "pending")]
