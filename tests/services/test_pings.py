"""From a batch of pings to rows, runs, incidents and promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select

from tests.factories import make_channel, make_monitor
from tokiflow.core import ids
from tokiflow.core.names import UNKNOWN, Known
from tokiflow.core.signals import Ping, Progress, Signal
from tokiflow.db import db
from tokiflow.models import Delivery, Incident, Monitor, Organization, Run
from tokiflow.models import Ping as PingRow
from tokiflow.queries import timelines
from tokiflow.services import pings
from tokiflow.services.pings import Incoming

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def send(monitor: Monitor, signal: Signal, seconds: float = 0, **said: Any) -> None:
    ping = Ping(signal, at(seconds), **said)
    assert pings.record([Incoming(monitor.token, ping)], at(seconds)) == [Known(monitor.token)]
    db.session.refresh(monitor)


def all_of(model: Any) -> list:
    return list(db.session.execute(select(model).order_by(*model.__table__.primary_key)).scalars())


def test_a_success_is_a_ping_a_run_and_a_deadline(organization: Organization) -> None:
    monitor = make_monitor(organization)
    send(monitor, Signal.SUCCESS, body=b"done\n", body_size=5)
    assert (monitor.status, monitor.ping_count, monitor.last_ping_at) == ("up", 1, NOW)
    assert monitor.due_at == at(3600)
    assert monitor.watch_at == monitor.deadline_at == at(3900)
    (run,) = all_of(Run)
    (ping,) = all_of(PingRow)
    assert (run.outcome, run.output_n, run.output_size) == ("success", 1, 5)
    assert (ping.body, ping.run_id) == (b"done\n", run.id)


def test_start_and_finish_are_one_run(organization: Organization) -> None:
    monitor = make_monitor(organization)
    rid = uuid4()
    send(monitor, Signal.START, 0, rid=rid)
    assert monitor.running == 1
    assert monitor.watch_at == at(monitor.max_runtime_seconds)
    send(monitor, Signal.LOG, 5, rid=rid, progress=Progress(percent=50), metrics={"rows": 10.0})
    send(monitor, Signal.FAIL, 12, rid=rid, exit_code=3, metrics={"bytes": 5.0}, body=b"disk full", body_size=9)
    (run,) = all_of(Run)
    assert (run.outcome, run.exit_code, run.duration_ms) == ("failed", 3, 12_000)
    assert run.progress["fraction"] == 0.5, "what the finish did not speak of stays"
    assert run.metrics == {"rows": 10.0, "bytes": 5.0}
    assert monitor.running == 0


def test_a_start_that_comes_after_its_finish_is_kept_with_it(organization: Organization) -> None:
    monitor, together = make_monitor(organization), make_monitor(organization, "At once", slug="at-once")
    rid = uuid4()
    send(monitor, Signal.SUCCESS, 90, rid=rid)
    send(monitor, Signal.START, 0, rid=rid, message="where it began")
    batch = [
        Incoming(together.token, Ping(signal, at(seconds), rid=rid))
        for signal, seconds in ((Signal.SUCCESS, 90), (Signal.START, 0))
    ]
    pings.record(batch, at(90))
    for run in all_of(Run):
        assert (run.started_at, run.finished_at, run.duration_ms, run.outcome) == (NOW, at(90), 90_000, "success")
    assert (len(all_of(Run)), len(all_of(PingRow))) == (2, 4)
    assert (monitor.running, monitor.last_ping_at, monitor.due_at) == (0, at(90), at(3690))


def test_a_failure_opens_an_incident_and_promises_alerts_in_the_same_commit(organization: Organization) -> None:
    make_channel(organization)
    monitor = make_monitor(organization)
    send(monitor, Signal.FAIL, exit_code=3, body=b"ok so far\nSMTP: relay access denied\n", body_size=38)
    (incident,) = all_of(Incident)
    assert (incident.kind, incident.status, incident.opened_at) == ("failed", "open", NOW)
    assert incident.summary == "exit code 3: “SMTP: relay access denied”"
    assert [delivery.status for delivery in all_of(Delivery)] == ["pending"]
    assert monitor.status == "down"


def test_an_unknown_token_harms_nobody_else(organization: Organization) -> None:
    monitor = make_monitor(organization)
    batch = [
        Incoming("nobody", Ping(Signal.SUCCESS, NOW)),
        Incoming(monitor.token, Ping(Signal.SUCCESS, NOW)),
    ]
    assert pings.record(batch, NOW) == [UNKNOWN, Known(monitor.token)]
    assert len(all_of(PingRow)) == 1


def test_a_batch_is_worked_through_in_order(organization: Organization) -> None:
    monitor = make_monitor(organization)
    signals = [Signal.START, Signal.LOG, Signal.SUCCESS, Signal.START, Signal.FAIL]
    pings.record([Incoming(monitor.token, Ping(signal, at(n))) for n, signal in enumerate(signals)], at(5))
    db.session.refresh(monitor)
    assert monitor.ping_count == 5
    assert [run.outcome for run in sorted(all_of(Run), key=lambda run: run.at)] == ["success", "failed"]
    assert monitor.status == "down"


def test_a_clients_retry_is_answered_and_counted_once(organization: Organization) -> None:
    monitor = make_monitor(organization)
    rid = uuid4()
    for seconds in (0, 2, 4):
        send(monitor, Signal.SUCCESS, seconds, rid=rid)
    assert monitor.ping_count == 1
    assert len(all_of(Run)) == 1


def test_output_is_kept_only_where_it_is_wanted(organization: Organization) -> None:
    monitor = make_monitor(organization, capture_output=False)
    send(monitor, Signal.FAIL, body=b"secret", body_size=6)
    (ping,) = all_of(PingRow)
    assert ping.body is None
    assert ping.body_size == 6
    assert "secret" not in all_of(Incident)[0].summary


def test_trouble_that_comes_and_goes_is_one_incident(organization: Organization) -> None:
    make_channel(organization)
    monitor = make_monitor(organization)
    for n in range(20):
        send(monitor, Signal.FAIL if n % 2 == 0 else Signal.SUCCESS, n * 10)
    (incident,) = all_of(Incident)
    assert incident.reopened == 2
    assert monitor.flapping
    assert len(all_of(Delivery)) == 5, "opened, resolved, reopened, resolved, flapping; then silence"
    for n in range(3):
        send(monitor, Signal.SUCCESS, 300 + n)
    db.session.refresh(incident)
    assert incident.status == "resolved"
    assert len(all_of(Delivery)) == 6


def test_the_timeline_leads_to_the_last_bad_run_and_to_the_one_that_ended_it(organization: Organization) -> None:
    monitor = make_monitor(organization)
    for n, signal in enumerate([Signal.FAIL] * 4 + [Signal.SUCCESS]):
        send(monitor, signal, n * 10, exit_code=n if signal is Signal.FAIL else 0)
    (incident,), runs = all_of(Incident), [ids.public("run", one.id) for one in sorted(all_of(Run), key=lambda r: r.at)]
    story = timelines.story(incident.id, 10)
    told = [(one.what, one.times, one.detail.get("run")) for one in reversed(story.steps)]
    assert told == [("opened", 1, runs[0]), ("failed", 3, runs[3]), ("resolved", 1, runs[4])]
    assert story.steps[1].detail["exit_code"] == 3, "of the same run as its words"
    assert story.last_run == runs[3], "what is compared with the last good run is no good one itself"


def test_a_paused_monitor_keeps_pings_and_judges_nothing(organization: Organization) -> None:
    monitor = make_monitor(organization, status="paused")
    send(monitor, Signal.FAIL)
    assert monitor.status == "paused"
    assert monitor.ping_count == 1
    assert all_of(Incident) == []


def test_a_batch_takes_a_handful_of_statements_whatever_its_size(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [make_monitor(organization, f"job {n}").token for n in range(30)]
    statements: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(self: Any, query: Any, *args: Any, **how: Any) -> Any:
        statements.append(str(query))
        return execute(self, query, *args, **how)

    # Below SQLAlchemy: the writer speaks to the driver itself.
    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    started = [Incoming(token, Ping(Signal.START, NOW, rid=uuid4())) for token in known]
    plain = [Incoming(token, Ping(Signal.SUCCESS, at(1))) for token in known for _ in range(3)]
    pings.record([*started, *plain], at(1))
    assert len(statements) <= 8, statements
