"""The sweep: silence noticed, dated right, by any number of clocks."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_channel, make_monitor, make_organization
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db, transaction
from tokiflow.models import BlindSpell, Delivery, Heartbeat, Incident, IncidentEvent, Monitor, Organization, Run
from tokiflow.services import blindness, heartbeats, overdue, pings
from tokiflow.services.pings import Incoming

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pinged(organization: Organization, signal: Signal = Signal.SUCCESS, **values: Any) -> Monitor:
    monitor = make_monitor(organization, **values)
    pings.record([Incoming(monitor.token, Ping(signal, NOW))], NOW)
    db.session.refresh(monitor)
    return monitor


def all_of(model: Any) -> list:
    return list(db.session.execute(select(model).order_by(*model.__table__.primary_key)).scalars())


def test_nothing_is_overdue_before_its_deadline(organization: Organization) -> None:
    pinged(organization)
    assert overdue.next_at() == at(3900)
    assert overdue.sweep(at(3899)) == 0


def test_a_missed_ping_opens_an_incident_dated_to_its_deadline(organization: Organization) -> None:
    make_channel(organization)
    monitor = pinged(organization)
    assert overdue.sweep(at(5000)) == 1
    (incident,) = all_of(Incident)
    assert (incident.kind, incident.opened_at) == ("missed", at(3900))
    missed = next(run for run in all_of(Run) if run.outcome == "missed")
    assert (missed.due_at, missed.at) == (at(3600), at(3900))
    assert len(all_of(Delivery)) == 1
    db.session.refresh(monitor)
    assert (monitor.status, monitor.watch_at) == ("down", None)
    assert overdue.sweep(at(9000)) == 0


def test_a_run_that_hangs_is_an_overrun(organization: Organization) -> None:
    monitor = pinged(organization, Signal.START)
    overdue.sweep(at(monitor.max_runtime_seconds))
    (incident,) = all_of(Incident)
    assert incident.kind == "overrun"
    (run,) = all_of(Run)
    assert run.outcome == "overran"
    db.session.refresh(monitor)
    assert monitor.running == 0
    pings.record([Incoming(monitor.token, Ping(Signal.SUCCESS, at(4000)))], at(4000))
    db.session.refresh(incident)
    assert incident.status == "resolved"
    assert len(all_of(Run)) == 1, "the late finish belongs to the run that overran"


def test_many_clocks_do_nothing_twice(app: Flask, organization: Organization) -> None:
    make_channel(organization)
    for n in range(40):
        pinged(organization, name=f"job {n}")
    swept: list[int] = []

    def clock() -> None:
        with app.app_context():
            while found := overdue.sweep(at(4000), batch=7):
                swept.append(found)

    clocks = [threading.Thread(target=clock) for _ in range(4)]
    for one in clocks:
        one.start()
    for one in clocks:
        one.join()
    assert sum(swept) == 40
    assert len(all_of(Incident)) == 40
    assert len(all_of(Delivery)) == 40


def test_a_monitor_that_cannot_be_judged_does_not_stop_the_others(organization: Organization) -> None:
    broken = pinged(organization, name="broken")
    pinged(organization, name="well")
    with transaction():
        db.session.get_one(Monitor, broken.id).schedule_kind = "cron"
        db.session.get_one(Monitor, broken.id).schedule_expression = "not an expression"
    assert overdue.sweep(at(4000)) == 2
    assert len(all_of(Incident)) == 1
    db.session.refresh(broken)
    assert broken.watch_at == at(4000 + 3600)


def test_a_pause_ends_by_itself(organization: Organization) -> None:
    monitor = pinged(organization)
    with transaction():
        row = db.session.get_one(Monitor, monitor.id)
        row.status, row.paused_until, row.watch_at = "paused", at(100), at(100)
    overdue.sweep(at(101))
    db.session.refresh(monitor)
    assert monitor.status == "up"
    assert monitor.due_at == at(101 + 3600)


def test_deadlines_that_passed_while_we_were_away_get_the_time_back(organization: Organization) -> None:
    make_channel(organization)
    monitor = pinged(organization)
    heartbeats.beat("web", at(3800), name="web")
    assert blindness.look(at(3800))
    # The clock is stopped from 3800 to 4400; the deadline at 3900 falls into that.
    heartbeats.beat("web", at(4400), name="web")
    assert not blindness.look(at(4400)), "the first look after a gap only finds it"
    assert blindness.look(at(4401))
    overdue.sweep(at(4401))
    assert all_of(Incident) == []
    db.session.refresh(monitor)
    assert monitor.deadline_at == at(3900 + 601)
    overdue.sweep(at(4502))
    (incident,) = all_of(Incident)
    assert incident.opened_at == at(4501)
    said = [step.what for step in all_of(IncidentEvent)]
    assert said == ["opened", "blind"]


def test_nothing_is_judged_while_nobody_takes_pings(organization: Organization) -> None:
    pinged(organization)
    heartbeats.beat("web", at(3800), name="web")
    for second in range(3800, 4000, 5):
        seeing = blindness.look(at(second))
    assert not seeing
    (spell,) = all_of(BlindSpell)
    assert spell.started_at == at(3800)
    assert spell.ended_at is None


def test_a_run_under_way_gets_the_time_back_too(organization: Organization) -> None:
    pinged(organization, Signal.START, max_runtime_seconds=60)
    assert blindness.look(at(30))
    assert not blindness.look(at(300))
    assert blindness.look(at(301))
    overdue.sweep(at(301))
    assert all_of(Incident) == []
    (run,) = all_of(Run)
    assert run.deadline_at == at(60 + 271)


def test_long_gone_processes_are_forgotten_but_not_the_last_word_of_a_kind(organization: Organization) -> None:
    heartbeats.beat("web", at(0), name="old")
    heartbeats.beat("web", at(10), name="new")
    heartbeats.forget(at(90_000))
    assert [one.name for one in all_of(Heartbeat)] == ["new"]


def silent(organization: Organization, number: int, at: datetime) -> None:
    for n in range(number):
        make_monitor(
            organization, f"{organization.name} {n} {at:%S}", status="up", due_at=at, deadline_at=at, watch_at=at
        )


def test_nobody_waits_behind_the_many_of_another(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "WINDOW", 10)
    second, third = make_organization("Second"), make_organization("Third")
    silent(organization, 30, at(0))
    silent(second, 1, at(5))
    silent(third, 2, at(4))
    assert overdue.sweep(at(60), batch=4) == 4
    heard = Counter(incident.organization_id for incident in all_of(Incident))
    assert heard == {organization.id: 2, second.id: 1, third.id: 1}
    while overdue.sweep(at(60), batch=4):
        pass
    assert len(all_of(Incident)) == 33, "and nobody is forgotten"
