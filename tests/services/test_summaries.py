"""Storms, told minute by minute: few messages, nobody left out, and nothing lost whoever dies."""

from __future__ import annotations

import contextvars
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from tests.factories import make_channel, make_monitor, make_rule
from tests.house.statements import statements
from tokiflow.channels import Outside
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.errors import DeliveryError
from tokiflow.models import Alert, Channel, Delivery, Incident, Monitor, Organization, Summary
from tokiflow.queries.undelivered import Filter
from tokiflow.services import alert_rows, alerts, claims, deliveries, monitors, pings, tries
from tokiflow.services.news import News
from tokiflow.services.pings import Incoming

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BOB = Actor("person", "Bob")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Answer:
    status_code, text, retry_after = 200, "ok", None


@dataclass
class Room:
    """The other side: a channel in Slack, and whoever else is written to. `trouble` is what comes instead of thanks."""

    arrived: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    trouble: DeliveryError | None = None
    now: datetime = NOON
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, method: str, url: str, **given: Any) -> Answer:
        if self.trouble:
            raise self.trouble
        said = given.get("json") or json.loads(given.get("content") or b"{}")
        with self._lock:
            self.arrived.append((self.now, said))
        return Answer()

    @property
    def heads(self) -> list[str]:
        """The first line of each message, in order."""
        return [head(said) for _, said in self.arrived]

    @property
    def summaries(self) -> list[tuple[int, str, str]]:
        """Of each message about many: so many seconds after noon, its first line, and the sentence below it."""
        return [
            (round((when - NOON).total_seconds()), head(said), sentence(said))
            for when, said in self.arrived
            if " of Harbour Freight" in head(said)
        ]

    @property
    def outside(self) -> Outside:
        return Outside(self, None, "", "https://tokiflow.example")  # type: ignore[arg-type]

    def run(self, *seconds: float) -> None:
        """Workers do what there is to do at each of these moments."""
        for moment in seconds:
            self.now = at(moment)
            while due := waiting_since(self.now):
                if not deliveries.deliver(due[:64], self.outside, lambda: self.now) and due == waiting_since(self.now):
                    break


def head(said: dict[str, Any]) -> str:
    return str(said["text"]).strip("▲●◔ *")


def sentence(said: dict[str, Any]) -> str:
    blocks = said.get("blocks") or said["attachments"][0]["blocks"]
    return str(next(one["text"]["text"] for one in blocks if "text" in one and one["text"]["text"][:2] != "▲ "))


def waiting_since(now: datetime) -> list[UUID]:
    due = select(Delivery.id).where(Delivery.status == "pending", Delivery.next_attempt_at <= now).order_by(Delivery.id)
    return list(db.session.execute(due).scalars())


def rows(*where: Any) -> list[Delivery]:
    statement = select(Delivery).where(*where).order_by(Delivery.id).execution_options(populate_existing=True)
    return list(db.session.execute(statement).scalars())


def statuses() -> dict[str, int]:
    """How many deliveries about incidents stand how."""
    statement = (
        select(Delivery.status, func.count().label("number"))
        .where(Delivery.incident_id.is_not(None))
        .group_by(Delivery.status)
    )
    return {row.status: row.number for row in db.session.execute(statement)}


def make_many(organization: Organization, number: int) -> list[Monitor]:
    with transaction():
        return [make_monitor(organization, f"Job {n}") for n in range(number)]


def signal(monitors: list[Monitor], kind: Signal, seconds: float) -> None:
    pings.record([Incoming(one.token, Ping(kind, at(seconds))) for one in monitors], at(seconds))


def fail(monitors: list[Monitor], seconds: float = 0) -> None:
    signal(monitors, Signal.FAIL, seconds)


def succeed(monitors: list[Monitor], seconds: float) -> None:
    signal(monitors, Signal.SUCCESS, seconds)


def messages() -> list[Delivery]:
    return rows(Delivery.incident_id.is_(None))


@pytest.fixture
def room(app: Flask) -> Room:
    return Room()


@pytest.fixture
def ops(organization: Organization) -> Channel:
    return make_channel(organization, "slack", name="#ops", group_after=5)


# --- a storm ----------------------------------------------------------------------------------------------------


def test_the_first_five_go_alone_at_once_and_the_rest_becomes_one_message(
    organization: Organization, ops: Channel, room: Room
) -> None:
    fail(make_many(organization, 23))
    room.run(0)
    assert len(room.heads) == 5, "the first leave at once"
    room.run(9)
    assert len(room.heads) == 5
    room.run(10)
    assert room.summaries == [(10, "Down: 18 monitors of Harbour Freight", "18 monitors had trouble at once.")]
    assert statuses() == {"sent": 5, "merged": 18}
    told = {one.memory["told_in"] for one in rows(Delivery.status == "merged")}
    assert told == {str(one.id) for one in messages()}
    assert {one.memory["of"] for one in rows(Delivery.status == "merged")} == {18}
    assert {one.sent_at for one in rows(Delivery.status == "merged")} == {at(10)}


def test_five_in_a_minute_are_no_storm(organization: Organization, ops: Channel, room: Room) -> None:
    monitors = make_many(organization, 10)
    for n, one in enumerate(monitors):
        fail([one], 13 * n)
        room.run(13 * n)
        assert len(room.heads) == n + 1, "never delayed"
    assert room.summaries == []


def test_what_comes_later_is_told_in_follow_ups_at_growing_intervals(
    organization: Organization, ops: Channel, room: Room
) -> None:
    monitors = make_many(organization, 130)
    for n in range(13):
        # Ten at once, twice a minute.
        fail(monitors[10 * n : 10 * n + 10], 30 * n)
        room.run(*range(30 * n, 30 * n + 30, 5))
    room.run(*range(390, 1200, 5))
    assert [(when, head) for when, head, _ in room.summaries] == [
        (10, "Down: 5 monitors of Harbour Freight"),
        (70, "Down: 25 monitors of Harbour Freight"),
        (190, "Down: 65 monitors of Harbour Freight"),
        (490, "Down: 125 monitors of Harbour Freight"),
    ]
    assert [said for _, _, said in room.summaries[1:]] == [
        "20 more had trouble.", "40 more had trouble.", "60 more had trouble.",
    ]  # fmt: skip
    assert statuses() == {"sent": 5, "merged": 125}
    late = make_monitor(organization, "Late one")
    fail([late], 1300)
    room.run(1300)
    assert room.heads[-1] == "Down: Late one failed", "the storm is over"


def test_the_storm_of_the_guide(organization: Organization, ops: Channel, room: Room) -> None:
    """docs/grouping.md, minute by minute."""
    monitors = make_many(organization, 75)
    first, second, third, fourth = monitors[:3], monitors[3:28], monitors[28:68], monitors[68:]
    fail(first, 0)
    room.run(0)
    fail(second, 20)
    room.run(20, 30)
    fail(third, 50)
    room.run(*range(50, 100, 10))
    fail(fourth, 100)
    succeed(third[:12], 100)
    room.run(*range(100, 1200, 10))
    succeed(monitors[:5], 1200)
    room.run(1200)
    succeed(monitors[5:28] + third[12:] + fourth, 1220)
    room.run(*range(1220, 1800, 10))
    assert room.summaries == [
        (30, "Down: 23 monitors of Harbour Freight", "23 monitors had trouble at once."),
        (90, "Down: 63 monitors of Harbour Freight", "40 more had trouble."),
        (210, "Down: 70 monitors of Harbour Freight, 12 are back", "7 more had trouble; 12 of 70 are well again."),
        (1230, "Up: all 70 monitors of Harbour Freight are back", "All 70 are well again."),
    ]
    assert len(room.heads) == 14
    assert statuses() == {"sent": 10, "merged": 140}


def test_one_more_than_may_goes_alone_a_little_later(organization: Organization, ops: Channel, room: Room) -> None:
    fail(make_many(organization, 6))
    room.run(0, 9)
    assert len(room.heads) == 5
    room.run(10)
    assert (len(room.heads), room.summaries) == (6, [])
    assert statuses() == {"sent": 6}


def test_recoveries_of_what_was_told_together_are_told_together(
    organization: Organization, ops: Channel, room: Room
) -> None:
    monitors = make_many(organization, 28)
    fail(monitors)
    room.run(0, 10)
    grouped = monitors[5:]
    succeed(grouped[:17], 3600)
    room.run(3600, 3610)
    assert room.summaries[1:] == [
        (3610, "Down: 23 monitors of Harbour Freight, 17 are back", "17 of 23 are well again.")
    ]
    succeed(grouped[17:], 3660)
    room.run(*range(3660, 3900, 10))
    assert room.summaries[2:] == [(3730, "Up: all 23 monitors of Harbour Freight are back", "All 23 are well again.")]
    succeed(monitors[:1], 3900)
    room.run(3900)
    assert room.heads[-1].startswith("Up: Job 0 is back"), "what was told alone is over alone, and at once"
    assert {one.closed_at for one in db.session.execute(select(Summary)).scalars()} == {at(3730)}


def test_what_recovers_before_the_summary_leaves_is_told_as_over(
    organization: Organization, ops: Channel, room: Room
) -> None:
    monitors = make_many(organization, 10)
    fail(monitors)
    room.run(0)
    succeed(monitors[7:], 5)
    room.run(5, 10, 15, 20)
    assert room.summaries == [
        (10, "Down: 5 monitors of Harbour Freight, 3 are back",
         "5 monitors had trouble at once; 3 of 5 are well again."),
    ]  # fmt: skip
    assert statuses() == {"sent": 5, "merged": 8}


def test_the_recovery_of_what_went_alone_never_overtakes_it(
    organization: Organization, ops: Channel, room: Room
) -> None:
    monitors = make_many(organization, 12)
    fail(monitors)
    room.trouble = DeliveryError("the receiver answered 503")
    room.run(0)
    succeed(monitors, 5)
    room.run(*range(5, 60, 5))
    assert room.arrived == []
    room.trouble = None
    room.run(*range(60, 600, 10))
    assert sum(statuses().values()) == statuses()["sent"] + statuses()["merged"] == 24
    by_itself = [one.incident_id for one in rows(Delivery.status == "sent")]
    assert len(by_itself) >= 5
    for n in range(5):
        told = [head for head in room.heads if f" Job {n} " in head]
        assert told[0] == f"Down: Job {n} failed"
    assert room.heads[-1].startswith("Up: ")


def test_acknowledgements_and_tests_are_not_held_up(organization: Organization, ops: Channel, room: Room) -> None:
    app_like = make_channel(organization, "slack", name="like the app", group_after=1)
    (monitor, *_) = monitors = make_many(organization, 8)
    fail(monitors)
    room.run(0)
    incident = db.session.execute(select(Incident).where(Incident.monitor_id == monitor.id)).scalar_one()
    with transaction():
        alert = Alert(
            id=ids.new(), organization_id=organization.id, incident_id=incident.id, kind="acknowledged", at=at(1),
            content={**db.session.execute(select(Alert.content).limit(1)).scalar_one(), "kind": "acknowledged"},
        )  # fmt: skip
        db.session.add(alert)
        db.session.flush()
        db.session.add(
            Delivery(
                organization_id=organization.id, alert_id=alert.id, channel_id=app_like.id, incident_id=incident.id,
                status="pending", attempts=0, next_attempt_at=at(1), created_at=at(1),
            )
        )  # fmt: skip
    before = len(room.heads)
    room.run(1)
    assert len(room.heads) == before + 1
    assert room.heads[-1].startswith("Acknowledged: Job 0")


def test_a_machine_hears_of_each_and_asks_nothing_more_of_the_database(organization: Organization, room: Room) -> None:
    robot = make_channel(organization, "webhook", name="robot")
    fail(make_many(organization, 40))
    due = waiting_since(NOON)
    with statements() as asked:
        assert len(claims.by_name(due, NOON)) == 40
    assert not [one for one in asked if "summaries" in one or "for no key update of c" in one]
    assert robot.group_after is None


def test_escalations_and_reminders_are_gathered_too(organization: Organization, room: Room) -> None:
    chat = make_channel(organization, "slack", name="chat", group_after=5)
    boss = make_channel(organization, "slack", name="boss", group_after=5)
    make_rule(organization, [chat], [boss], waits=[600], remind_seconds=None)
    monitors = make_many(organization, 12)
    fail(monitors)
    room.run(0, 10)
    news = [
        (db.session.execute(select(Incident).where(Incident.monitor_id == one.id)).scalar_one(), one)
        for one in monitors
    ]
    people = alerts.audience([News(incident, one, "escalated", at(600)) for incident, one in news])
    with transaction():
        tellings = [alert_rows.Telling(News(incident, one, "escalated", at(600)), {boss.id: "step 2"}, step=1)
                    for incident, one in news]  # fmt: skip
        alert_rows.promise(tellings, people, {}, at(600))
    room.run(600, 610)
    to_boss = rows(Delivery.channel_id == boss.id, Delivery.incident_id.is_not(None))
    assert [one.status for one in to_boss] == ["sent"] * 5 + ["merged"] * 7


# --- the hour ---------------------------------------------------------------------------------------------------


def test_beyond_the_rate_nothing_is_dropped_and_critical_trouble_waits_five_minutes(
    organization: Organization, room: Room
) -> None:
    make_channel(organization, "slack", name="phone", rate_per_hour=3)
    monitors = make_many(organization, 9)
    for n, one in enumerate(monitors):
        fail([one], 100 * n)
        room.run(100 * n)
    assert len(room.heads) == 3 + 1
    room.run(*range(800, 1500, 10))
    assert [(when, head) for when, head, _ in room.summaries] == [
        (600, "Down: 4 monitors of Harbour Freight"),
        (1000, "Down: 6 monitors of Harbour Freight"),
    ]
    assert statuses() == {"sent": 3, "merged": 6}


def test_recoveries_beyond_the_rate_wait_until_the_hour_has_room(organization: Organization, room: Room) -> None:
    make_channel(organization, "slack", name="phone", rate_per_hour=4)
    monitors = make_many(organization, 3)
    fail(monitors)
    room.run(0)
    succeed(monitors, 60)
    room.run(60, 1800, 3590)
    assert len(room.heads) == 4
    room.run(3600)
    assert room.heads[4:] == ["Up: all 2 monitors of Harbour Freight are back"]


# --- who dies ---------------------------------------------------------------------------------------------------


def test_a_summary_whose_worker_died_is_sent_again_with_the_same_key(
    organization: Organization, ops: Channel, room: Room
) -> None:
    fail(make_many(organization, 20))
    room.run(0)
    bells = waiting_since(at(10))
    assert claims.by_name(bells, at(10)) == [], "merged and promised"
    (message,) = messages()
    (claimed,) = claims.by_name([message.id], at(10))
    assert tries.make(claimed, room.outside).error is None
    # Here its worker dies: sent and not recorded.
    room.run(11, 69)
    assert len(room.summaries) == 1
    room.run(71)
    assert len(room.summaries) == 2
    assert messages()[0].attempts == 2
    assert statuses() == {"sent": 5, "merged": 15}


def test_a_summary_that_is_given_up_gives_up_its_members_and_each_can_be_sent_again(
    organization: Organization, ops: Channel, room: Room
) -> None:
    fail(make_many(organization, 20))
    room.run(0)
    room.trouble = DeliveryError("Slack answered 404: no_service", permanent=True)
    room.run(10)
    assert statuses() == {"sent": 5, "dead": 15}
    lost = rows(Delivery.status == "dead", Delivery.incident_id.is_not(None))
    assert {one.last_error for one in lost} == {"Slack answered 404: no_service"}
    room.trouble = None
    deliveries.send_again(organization.id, Filter(ids=[lost[0].id]), BOB, at(400))
    room.run(400)
    assert room.heads[-1] == "Down: Job 5 failed"
    deliveries.send_again(organization.id, Filter(ids=[messages()[0].id]), BOB, at(500))
    room.run(500)
    assert statuses() == {"sent": 6, "merged": 14}
    assert rows(Delivery.id == lost[0].id)[0].memory.get("told_in") is None


def test_a_summary_that_fails_is_tried_again(organization: Organization, ops: Channel, room: Room) -> None:
    fail(make_many(organization, 20))
    room.run(0)
    room.trouble = DeliveryError("the receiver answered 503")
    room.run(10)
    assert rows(Delivery.status == "merged")[0].sent_at is None
    room.trouble = None
    room.run(*range(12, 30, 2))
    assert len(room.summaries) == 1
    assert {one.sent_at is None for one in rows(Delivery.status == "merged")} == {False}


def test_a_summary_that_fails_is_not_overtaken_by_what_follows_it_up(
    organization: Organization, ops: Channel, room: Room
) -> None:
    many = make_many(organization, 20)
    fail(many)
    room.run(0)
    room.trouble = DeliveryError("the receiver answered 503", retry_after=600)
    room.run(10)
    room.trouble = None
    succeed(many[5:], 20)
    room.run(30, 80, 90, 140, 609, 611, 612)
    told = [" ".join(one.split()[:2]) for one in room.heads[5:]]
    assert told == ["Down: 15", "Up: all"]


def test_what_follows_a_summary_leaves_as_soon_as_that_has_arrived(
    organization: Organization, ops: Channel, room: Room
) -> None:
    many = make_many(organization, 20)
    fail(many)
    room.run(0)
    room.trouble = DeliveryError("the receiver answered 503", retry_after=600)
    room.run(10)
    room.trouble = None
    succeed(many[5:], 20)
    room.run(30, 80)
    with transaction():  # its host answers again
        db.session.execute(update(Delivery).where(Delivery.id == messages()[0].id).values(next_attempt_at=at(90)))
    room.run(91)
    assert [" ".join(one.split()[:2]) for one in room.heads[5:]] == ["Down: 15", "Up: all"]


def test_whoever_is_told_late_of_a_storm_that_is_over_is_told_that_it_is(
    organization: Organization, ops: Channel, room: Room
) -> None:
    many = make_many(organization, 20)
    fail(many)
    room.run(0)
    room.trouble = DeliveryError("Slack answered 404: no_service", permanent=True)
    room.run(10)
    succeed(many, 400)
    room.trouble = None
    with transaction():
        db.session.execute(update(Channel).values(enabled=True, disabled_reason=""))
    deliveries.send_again(organization.id, Filter(ids=[messages()[0].id]), BOB, at(500))
    room.run(500, 510, 600, 700)
    assert "Down: 15 monitors of Harbour Freight" in room.heads
    assert room.heads[-1] == "Up: all 15 monitors of Harbour Freight are back"
    assert statuses().get("pending") is None


def test_recoveries_that_are_gathered_are_told_though_their_monitors_are_deleted(
    organization: Organization, ops: Channel, room: Room
) -> None:
    many = make_many(organization, 20)
    fail(many)
    room.run(0, 10)
    succeed(many[5:7], 20)
    room.run(20)
    monitors.delete(many[5].id, BOB, at(25))
    room.run(*range(26, 100, 2))
    assert sum(one.startswith("Up: Job 5 is back") for one in room.heads) == 1
    assert "Down: 14 monitors of Harbour Freight, 1 is back" in room.heads
    assert statuses().get("pending") is None


def test_when_nothing_is_gathered_any_more_what_waits_goes_by_itself(
    organization: Organization, ops: Channel, room: Room
) -> None:
    fail(make_many(organization, 8))
    room.run(0)
    with transaction():
        db.session.execute(update(Channel).values(group_after=None))
    room.run(10, 70)
    assert statuses() == {"sent": 8}


# --- many workers, many incidents -------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_a_thousand_at_once_and_two_workers(app: Flask, organization: Organization, ops: Channel, room: Room) -> None:
    fail(make_many(organization, 1_000))
    failures: list[BaseException] = []

    def work(seconds: float) -> None:
        def forever() -> None:
            try:
                with app.app_context():
                    room.run(seconds)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=contextvars.Context().run, args=(forever,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for seconds in (0, 1, 10, 11, 70, 71, 130):
        work(seconds)
    assert failures == []
    assert statuses() == {"sent": 5, "merged": 995}
    assert len(room.heads) <= 7
    assert room.summaries[-1][1] == "Down: 995 monitors of Harbour Freight"
    told = [one.memory["told_in"] for one in rows(Delivery.status == "merged")]
    assert set(told) == {str(one.id) for one in messages()}, "each in exactly one message"
    assert db.session.execute(select(func.count()).select_from(Summary)).scalar_one() == 1
