"""Who is told, and when: rules, silences, steps, reminders, recoveries."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.factories import make_channel, make_monitor, make_rule, save
from tests.fixtures.database import Database
from tests.fixtures.instance import wait_until
from tests.house.statements import statements
from tokiflow import channels
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import (
    Alert,
    Channel,
    Delivery,
    FollowUp,
    Incident,
    IncidentEvent,
    Monitor,
    Organization,
)
from tokiflow.queries import routing as queries
from tokiflow.services import alerts, follow_ups, incidents, pings, routing, silences
from tokiflow.services import channels as channel_service
from tokiflow.services import monitors as monitor_service
from tokiflow.services.news import News
from tokiflow.services.pings import Incoming
from tokiflow.services.silences import Silence

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BOB = Actor("person", "Bob")
Silences = dict[Any, Silence]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def ping(monitor: Monitor, signal: Signal, minutes: float = 0, **values: Any) -> None:
    moment = at(minutes)
    pings.record([Incoming(monitor.token, Ping(signal, moment, **values))], moment)


def incident_of(monitor: Monitor) -> Incident:
    statement = select(Incident).where(Incident.monitor_id == monitor.id).order_by(Incident.opened_at.desc())
    return db.session.execute(statement.execution_options(populate_existing=True)).scalars().one()


def told(kind: str | None = None) -> list[tuple[str, str]]:
    """(kind of news, name of the channel), in the order in which they were promised."""
    statement = select(Alert.kind, Channel.name).select_from(Delivery).join(Alert).join(Channel)
    found = db.session.execute(statement.order_by(Alert.id, Channel.name)).all()
    return [(row.kind, row.name) for row in found if kind in (None, row.kind)]


def waiting() -> list[FollowUp]:
    statement = select(FollowUp).where(FollowUp.done_at.is_(None)).order_by(FollowUp.at)
    return list(db.session.execute(statement.execution_options(populate_existing=True)).scalars())


def outcomes() -> list[str]:
    statement = select(FollowUp.outcome).where(FollowUp.done_at.is_not(None)).order_by(FollowUp.id)
    return list(db.session.execute(statement).scalars())


def channel_id(channel: Channel) -> str:
    return ids.public("chn", channel.id)


def make_warning(monitor: Monitor, opened_at: datetime = NOON) -> Incident:
    return save(
        Incident(
            organization_id=monitor.organization_id, monitor_id=monitor.id, class_="performance", kind="degraded",
            status="open", opened_at=opened_at, last_opened_at=opened_at, summary="is slower than usual",
        )
    )  # fmt: skip


def plan(incident: Incident, monitor: Monitor, kind: str, moment: datetime) -> None:
    with transaction():
        alerts.plan([News(incident, monitor, kind, moment)], moment)


@pytest.fixture
def ops(organization: Organization) -> Channel:
    return make_channel(organization, "slack", name="#ops")


@pytest.fixture
def bob_pager(organization: Organization) -> Channel:
    return make_channel(organization, name="Bob")


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization, "Nightly backup", tags=["db"])


@pytest.fixture
def silenced(monkeypatch: pytest.MonkeyPatch) -> Silences:
    """By monitor: what keeps it silent; a test fills and empties it as time goes by."""
    found: Silences = {}
    monkeypatch.setattr(silences, "of", lambda rows, now: {row.id: found[row.id] for row in rows if row.id in found})
    return found


# --- rules ------------------------------------------------------------------------------------------------------


def test_without_rules_everybody_hears(monitor: Monitor, ops: Channel, bob_pager: Channel) -> None:
    ping(monitor, Signal.FAIL)
    assert told() == [("opened", "#ops"), ("opened", "Bob")]
    alert = db.session.execute(select(Alert)).scalar_one()
    assert set(alert.decision["by"].values()) == {"by the default rule"}


def test_rules_choose_and_it_is_kept_why(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], name="Database", condition={"tags": ["db"]})
    make_rule(organization, [bob_pager], name="Warnings", condition={"severities": ["warning"]})
    ping(monitor, Signal.FAIL)
    assert told() == [("opened", "#ops")]
    alert = db.session.execute(select(Alert)).scalar_one()
    assert [(rule["name"], rule["matched"], rule["why"]) for rule in alert.decision["rules"]] == [
        ("Database", True, ""),
        ("Warnings", False, "not a warning"),
        ("Default", False, "“Database” spoke, and this is for what no rule speaks of"),
    ]
    delivery = db.session.execute(select(Delivery)).scalar_one()
    assert delivery.because == "by the rule “Database”"


def test_the_environment_of_the_run_decides(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], condition={"environments": ["production"]})
    make_rule(organization, [bob_pager], condition={"environments": ["staging"]})
    ping(monitor, Signal.FAIL, environment="Production")
    assert told() == [("opened", "#ops")]
    assert db.session.execute(select(Alert)).scalar_one().content["environment"] == "Production"


def test_silence_happened_where_the_monitor_last_said_it_runs(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], condition={"environments": ["production"]})
    make_rule(organization, [bob_pager], condition={"environments": ["staging"]})
    ping(monitor, Signal.SUCCESS, environment="staging")
    incident = save(
        Incident(
            organization_id=organization.id, monitor_id=monitor.id, class_="outage", kind="missed", status="open",
            opened_at=NOON, last_opened_at=NOON, summary="was silent",
        )
    )  # fmt: skip
    plan(incident, monitor, "opened", NOON)
    assert told() == [("opened", "Bob")]


def test_a_monitors_own_channels_win_over_rules(organization: Organization, ops: Channel, bob_pager: Channel) -> None:
    make_rule(organization, [ops], waits=[60], remind_seconds=60)
    monitor = make_monitor(organization, channels=[bob_pager])
    ping(monitor, Signal.FAIL)
    assert told() == [("opened", "Bob")]
    assert waiting() == []


def test_a_disabled_channel_never_hears(organization: Organization, monitor: Monitor, ops: Channel) -> None:
    off = make_channel(organization, name="Off", enabled=False)
    make_rule(organization, [ops, off])
    ping(monitor, Signal.FAIL)
    assert told() == [("opened", "#ops")]
    assert list(db.session.execute(select(Alert)).scalar_one().decision["disabled"]) == [str(off.id)]


def test_that_nobody_is_told_is_kept_too(organization: Organization, monitor: Monitor, ops: Channel) -> None:
    make_rule(organization, [], name="Tests", last=True)
    ping(monitor, Signal.FAIL)
    assert told() == []
    assert db.session.execute(select(Alert)).scalar_one().decision["rules"][0]["matched"] is True


def delete_after_reading(monkeypatch: pytest.MonkeyPatch, database: Database, table: str, *doomed: UUID) -> None:
    """Another process deletes these between the moment in which it was read whom to tell and that of telling."""
    read = queries.audience

    def audience(*asked: Any) -> queries.Audience:
        found = read(*asked)
        with database.connect() as connection:
            connection.execute(f"delete from {table} where id = any(%s)", [list(doomed)])
        return found

    monkeypatch.setattr(queries, "audience", audience)


def test_a_channel_that_is_deleted_meanwhile_takes_no_other_with_it(
    organization: Organization, database: Database, ops: Channel, bob_pager: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lonely = make_monitor(organization, "Lonely", channels=[bob_pager])
    monitors = [lonely, *(make_monitor(organization, f"job {n}") for n in range(3))]
    delete_after_reading(monkeypatch, database, "channels", bob_pager.id)
    pings.record([Incoming(one.token, Ping(Signal.FAIL, NOON)) for one in monitors], NOON)
    assert told() == [("opened", "#ops")] * 3
    assert {incident_of(one).status for one in monitors} == {"open"}


def test_a_channel_that_is_being_deleted_is_waited_for(
    app: Flask, organization: Organization, database: Database, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    def fail() -> None:
        with app.app_context():
            ping(monitor, Signal.FAIL)

    with database.connect() as connection:
        pinging = threading.Thread(target=fail)
        with connection.transaction():
            connection.execute("delete from channels where id = %s", [bob_pager.id])
            pinging.start()
            with database.connect() as looking:
                asked = "select count(*) from pg_locks where not granted"
                wait_until(lambda: looking.execute(asked).fetchone() != (0,), 10, "somebody to wait")
        pinging.join()
    assert told() == [("opened", "#ops")]


def test_a_rule_that_is_deleted_meanwhile_calls_nobody_later(
    organization: Organization, database: Database, monitor: Monitor, ops: Channel, bob_pager: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    kept = make_rule(organization, [ops], [bob_pager], waits=[900])
    doomed = make_rule(organization, [ops], [bob_pager], waits=[600], remind_seconds=300)
    delete_after_reading(monkeypatch, database, "routing_rules", doomed.id)
    ping(monitor, Signal.FAIL)
    assert told() == [("opened", "#ops")]
    assert [(one.kind, one.rule_id) for one in waiting()] == [("escalation", kept.id)]


# --- recovery ---------------------------------------------------------------------------------------------------


def test_recovery_goes_to_those_who_were_told_though_rules_changed(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    rule = make_rule(organization, [ops])
    ping(monitor, Signal.FAIL)
    values = {"name": "Changed", "steps": [[channel_id(bob_pager)]]}
    routing.edit(rule.id, values, BOB, NOON)
    ping(monitor, Signal.SUCCESS, 5)
    assert told() == [("opened", "#ops"), ("resolved", "#ops")]
    latest = db.session.execute(select(Delivery.because).order_by(Delivery.id.desc()).limit(1)).scalar_one()
    assert latest == "because it was told of the trouble"
    trouble, end = db.session.execute(select(Alert.content).order_by(Alert.id)).scalars()
    assert (bool(trouble["advice"]), end["advice"]) == (True, ""), "nobody is told to mend what is well"


def test_whoever_disabled_a_channel_still_hears_the_end_of_what_it_was_told(monitor: Monitor, ops: Channel) -> None:
    ping(monitor, Signal.FAIL)
    channel_service.edit(ops.id, {"enabled": False}, BOB, NOON)
    ping(monitor, Signal.SUCCESS, 5)
    ping(monitor, Signal.FAIL, 60)
    assert told() == [("opened", "#ops"), ("resolved", "#ops")], "of the end, and of no new trouble"


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("the receiver answered 410: the address is gone for good", 1),
        ("nobody is left to write to: ops@example.com unsubscribed", 0),
    ],
)
def test_the_end_is_owed_where_nothing_arrives_now_and_not_where_nobody_wants_it(
    monitor: Monitor, ops: Channel, reason: str, ends: int
) -> None:
    """If it does not arrive it is listed as given up, to be sent when the channel works again."""
    ping(monitor, Signal.FAIL)
    ops.enabled, ops.disabled_reason = False, reason
    save(ops)
    ping(monitor, Signal.SUCCESS, 5)
    ping(monitor, Signal.FAIL, 60)
    assert told() == [("opened", "#ops"), *[("resolved", "#ops")] * ends]


def test_recovery_goes_to_those_of_later_steps_too(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    follow_ups.fire(at(15))
    ping(monitor, Signal.SUCCESS, 20)
    assert told("resolved") == [("resolved", "#ops"), ("resolved", "Bob")]


# --- steps and reminders ----------------------------------------------------------------------------------------


def test_the_next_step_is_told_when_nobody_acknowledges(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], name="Database", waits=[900])
    ping(monitor, Signal.FAIL, exit_code=3, body=b"disk full", body_size=9)
    assert follow_ups.fire(at(14.9)) == 0
    assert follow_ups.fire(at(15)) == 1
    assert follow_ups.fire(at(16)) == 0
    assert told() == [("opened", "#ops"), ("escalated", "Bob")]
    escalated = db.session.execute(select(Alert).where(Alert.kind == "escalated")).scalar_one()
    assert (escalated.content["step"], escalated.content["exit_code"]) == (1, 3)
    assert escalated.content["last_lines"] == ["disk full"]
    delivery = db.session.execute(select(Delivery).where(Delivery.alert_id == escalated.id)).scalar_one()
    assert delivery.because == "by step 2 of “Database”"


def test_acknowledgement_stops_the_steps(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900], remind_seconds=600)
    ping(monitor, Signal.FAIL)
    incidents.acknowledge(incident_of(monitor).id, BOB, at(5))
    assert waiting() == []
    assert outcomes() == ["Bob had acknowledged by then."] * 2
    assert follow_ups.fire(at(60)) == 0
    assert told() == [("opened", "#ops")]


def test_resolution_stops_the_steps(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    ping(monitor, Signal.SUCCESS, 1)
    assert follow_ups.fire(at(60)) == 0
    assert outcomes() == ["It was over by then."]


def test_trouble_that_comes_back_starts_anew(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    ping(monitor, Signal.SUCCESS, 1)
    ping(monitor, Signal.FAIL, 2)
    assert [one.at for one in waiting()] == [at(17)]


def test_who_was_told_is_reminded_until_somebody_acknowledges(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], remind_seconds=3600)
    make_rule(organization, [bob_pager])
    ping(monitor, Signal.FAIL)
    assert [follow_ups.fire(at(minutes)) for minutes in (59, 60, 61, 120)] == [0, 1, 0, 1]
    assert told("reminder") == [("reminder", "#ops")] * 2
    incidents.acknowledge(incident_of(monitor).id, BOB, at(121))
    assert follow_ups.fire(at(400)) == 0


def test_a_step_and_a_reminder_of_one_moment_tell_each_channel_once(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [ops, bob_pager], waits=[600], remind_seconds=600)
    ping(monitor, Signal.FAIL)
    assert follow_ups.fire(at(10)) == 2
    assert told() == [("opened", "#ops"), ("escalated", "#ops"), ("escalated", "Bob")]


def test_steps_go_by_the_rule_as_it_is_now(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    rule = make_rule(organization, [ops], [bob_pager], waits=[900], name="Database")
    ping(monitor, Signal.FAIL)
    routing.switch(rule.id, BOB, NOON, enabled=False)
    follow_ups.fire(at(15))
    assert outcomes() == ["The rule is disabled by now."]
    assert told() == [("opened", "#ops")]


def test_steps_of_a_deleted_rule_tell_nobody(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    rule = make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    routing.delete(rule.id, BOB, NOON)
    follow_ups.fire(at(15))
    assert outcomes() == ["The rule was deleted."]


def test_a_muted_incident_calls_nobody_until_the_mute_ends(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    incidents.mute(incident_of(monitor).id, at(60), BOB, at(1))
    follow_ups.fire(at(15))
    assert told() == [("opened", "#ops")]
    incidents.mute(incident_of(monitor).id, None, BOB, at(16))
    follow_ups.fire(at(16))
    assert told("escalated") == [("escalated", "Bob")]


def test_two_clocks_fire_once(app: Flask, organization: Organization, ops: Channel, bob_pager: Channel) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    for n in range(30):
        ping(make_monitor(organization, f"job {n}"), Signal.FAIL)
    fired: list[int] = []

    def clock() -> None:
        with app.app_context():
            while found := follow_ups.fire(at(15), batch=4):
                fired.append(found)

    threads = [threading.Thread(target=clock) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    follow_ups.fire(at(15))
    assert told("escalated") == [("escalated", "Bob")] * 30
    assert waiting() == []


def test_one_that_cannot_be_kept_does_not_stop_the_others(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel, silenced: Silences
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    silenced[monitor.id] = Silence("maintenance", "maintenance “Upgrade”")
    ping(monitor, Signal.FAIL)
    silenced.clear()
    other = make_monitor(organization, "Other")
    ping(other, Signal.FAIL)
    with transaction():
        db.session.execute(update(FollowUp).where(FollowUp.kind == "held").values(news={}, at=NOON))
    follow_ups.fire(at(15))
    assert told("escalated") == [("escalated", "Bob")]
    assert [one.at for one in waiting()] == [at(75)]


# --- acknowledgement --------------------------------------------------------------------------------------------


def test_those_who_follow_hear_of_an_acknowledgement(
    monitor: Monitor, ops: Channel, bob_pager: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(channels.get("slack")), "follows", frozenset({"acknowledged"}))
    monkeypatch.setattr(type(channels.get("webhook")), "follows", frozenset())
    ping(monitor, Signal.FAIL)
    incidents.acknowledge(incident_of(monitor).id, BOB, at(5))
    assert told("acknowledged") == [("acknowledged", "#ops")]
    alert = db.session.execute(select(Alert).where(Alert.kind == "acknowledged")).scalar_one()
    assert alert.content["acknowledged_by"] == "Bob"


# --- silences ---------------------------------------------------------------------------------------------------


def test_trouble_during_maintenance_is_told_when_it_ends(monitor: Monitor, ops: Channel, silenced: Silences) -> None:
    silenced[monitor.id] = Silence("maintenance", "maintenance “Upgrade” until 14:00 in Berlin", at(60))
    ping(monitor, Signal.FAIL, exit_code=3)
    assert told() == []
    step = db.session.execute(select(IncidentEvent).where(IncidentEvent.what == "held")).scalar_one()
    assert step.text == "Told nobody yet: maintenance “Upgrade” until 14:00 in Berlin"
    for minutes in range(3, 60, 3):
        follow_ups.fire(at(minutes))
    assert told() == []
    silenced.clear()
    assert follow_ups.fire(at(60)) == 1
    assert told() == [("opened", "#ops")]
    alert = db.session.execute(select(Alert)).scalar_one()
    assert (alert.at, alert.content["exit_code"]) == (NOON, 3)
    assert alert.content["opened_at"] == NOON.isoformat()
    ping(monitor, Signal.SUCCESS, 61)
    assert told("resolved") == [("resolved", "#ops")]


def test_what_is_over_before_the_silence_is_heard_of_by_nobody(
    monitor: Monitor, ops: Channel, silenced: Silences
) -> None:
    silenced[monitor.id] = Silence("maintenance", "maintenance", at(60))
    ping(monitor, Signal.FAIL)
    ping(monitor, Signal.SUCCESS, 5)
    silenced.clear()
    assert follow_ups.fire(at(60)) == 0
    assert told() == []
    assert outcomes() == ["It was over by then."]


def test_trouble_that_comes_back_in_silence_and_goes_is_not_told_again(
    monitor: Monitor, ops: Channel, silenced: Silences
) -> None:
    ping(monitor, Signal.FAIL)
    ping(monitor, Signal.SUCCESS, 1)
    silenced[monitor.id] = Silence("maintenance", "maintenance", at(60))
    ping(monitor, Signal.FAIL, 2)
    ping(monitor, Signal.SUCCESS, 3)
    assert told() == [("opened", "#ops"), ("resolved", "#ops")]


def test_steps_wait_for_the_end_of_a_silence(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel, silenced: Silences
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    silenced[monitor.id] = Silence("maintenance", "maintenance", at(17))
    follow_ups.fire(at(15))
    assert [(one.at, one.reason) for one in waiting()] == [(at(17), "maintenance")]
    silenced.clear()
    follow_ups.fire(at(17))
    assert told("escalated") == [("escalated", "Bob")]


def test_the_upstreams_recovery_releases_what_it_blocked(
    organization: Organization, monitor: Monitor, ops: Channel, silenced: Silences
) -> None:
    database = make_monitor(organization, "Database")
    ping(database, Signal.FAIL)
    silenced[monitor.id] = Silence("dependency", "it depends on Database, which is down", None, database.id)
    ping(monitor, Signal.FAIL, 1)
    silenced.clear()
    ping(database, Signal.SUCCESS, 1.5)
    assert [one.at for one in waiting()] == [at(3.5)], "it has two minutes to recover by itself"
    follow_ups.fire(at(3.5))
    assert told("opened") == [("opened", "#ops")] * 2


def test_a_silence_that_nobody_ends_is_looked_at_again(monitor: Monitor, ops: Channel, silenced: Silences) -> None:
    silenced[monitor.id] = Silence("dependency", "it depends on Database, which is down")
    ping(monitor, Signal.FAIL)
    silenced.clear()
    follow_ups.fire(at(3))
    assert told() == [("opened", "#ops")]


def test_warnings_wait_for_the_end_of_quiet_hours(organization: Organization, monitor: Monitor, ops: Channel) -> None:
    routing.set_quiet_hours(organization.id, {"from": "12:30", "to": "14:00", "timezone": "Europe/Berlin"}, BOB, NOON)
    incident = make_warning(monitor)
    plan(incident, monitor, "opened", NOON)  # 13:00 in Berlin
    assert told() == []
    (held,) = waiting()
    assert (held.reason, held.words) == ("quiet_hours", "quiet hours for warnings until 14:00 in Berlin")
    for minutes in range(3, 60, 3):
        follow_ups.fire(at(minutes))
    assert told() == []
    follow_ups.fire(at(60))
    assert told() == [("opened", "#ops")]


def test_quiet_hours_are_for_warnings_only(organization: Organization, monitor: Monitor, ops: Channel) -> None:
    routing.set_quiet_hours(organization.id, {"from": "00:00", "to": "23:00"}, BOB, NOON)
    ping(monitor, Signal.FAIL)
    assert told() == [("opened", "#ops")]


def test_trouble_that_comes_back_while_muted_is_told_when_the_mute_ends(monitor: Monitor, ops: Channel) -> None:
    ping(monitor, Signal.FAIL)
    incidents.mute(incident_of(monitor).id, at(60), BOB, at(1))
    ping(monitor, Signal.SUCCESS, 2)
    ping(monitor, Signal.FAIL, 3)
    assert told() == [("opened", "#ops"), ("resolved", "#ops")]
    for minutes in range(3, 61, 3):
        follow_ups.fire(at(minutes))
    assert told("reopened") == [("reopened", "#ops")]


def test_who_hears_of_a_mute_hears_what_is_muted(organization: Organization, monitor: Monitor) -> None:
    """A card in Slack says what it said before: that it comes and goes."""
    make_channel(organization, "slack_app", config={"team": "T0HARBOUR", "channel": "#cards"})
    for minute in (0, 2, 4):
        ping(monitor, Signal.FAIL, minute)
        ping(monitor, Signal.SUCCESS, minute + 1)
    incidents.mute(incident_of(monitor).id, at(60), BOB, at(6))
    news = db.session.execute(select(Alert).where(Alert.kind == "acknowledged")).scalar_one()
    assert (news.news, news.content["opened_as"]) == ("muted", "flapping")


def test_pausing_the_monitor_ends_what_waits(
    organization: Organization, monitor: Monitor, ops: Channel, bob_pager: Channel
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900])
    ping(monitor, Signal.FAIL)
    monitor_service.pause(monitor.id, None, BOB, at(1))
    assert waiting() == []
    assert told() == [("opened", "#ops"), ("resolved", "#ops")]


# --- cost -------------------------------------------------------------------------------------------------------


def test_a_storm_costs_as_many_statements_as_one(
    organization: Organization, ops: Channel, bob_pager: Channel, other_organization: Organization
) -> None:
    make_rule(organization, [ops], [bob_pager], waits=[900], remind_seconds=900)

    def cost(count: int, minutes: float) -> tuple[int, int]:
        moment = at(minutes)
        tokens = [make_monitor(organization, f"job {n}").token for n in range(count)]
        with statements() as opening:
            pings.record([Incoming(token, Ping(Signal.FAIL, moment)) for token in tokens], moment)
        with statements() as firing:
            assert follow_ups.fire(at(minutes + 15), batch=1_000) == count * 2
        with transaction():
            db.session.execute(update(FollowUp).values(done_at=NOON))
        return len(opening), len(firing)

    cost(1, 0)
    one, many = cost(2, 100), cost(60, 200)
    assert many == one
