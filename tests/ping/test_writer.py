"""What arrives together is committed together; and what becomes of it when it can't be."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_monitor
from tests.fixtures.database import Database
from tests.fixtures.instance import wait_until
from tests.fixtures.wire import Mode, Wire
from tokiflow import settings
from tokiflow.adapters.spool import SpoolFolder
from tokiflow.bare import create_bare_app
from tokiflow.core import rates
from tokiflow.core.signals import Ping, Signal
from tokiflow.db import db
from tokiflow.models import Monitor, Organization, Run, Spool
from tokiflow.models import Ping as PingRow
from tokiflow.ping import limits
from tokiflow.ping import writer as writers
from tokiflow.ping.answers import Answer, Answers
from tokiflow.ping.backlog import Backlog
from tokiflow.ping.limits import Limits
from tokiflow.ping.writer import Writer
from tokiflow.services import spools
from tokiflow.services.pings import Incoming

NOW = datetime.now(UTC).replace(microsecond=0)
RID = UUID("0c0ffee0-1234-4abc-8def-0123456789ab")


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization)


@pytest.fixture
def over_the_wire(wire: Wire, database: Database, tmp_path: Path) -> Iterator[Flask]:
    """The app of an intake process that reaches the database over `wire`."""
    variables = {**database.environment, "DATABASE_URL": wire.url, "TOKIFLOW_DATA": str(tmp_path)}
    flask = create_bare_app(settings.load(variables))
    yield flask
    with flask.app_context():
        db.engine.dispose()


@pytest.fixture
def writer(over_the_wire: Flask, tmp_path: Path) -> Writer:
    return writer_of(over_the_wire, tmp_path / "spool")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has five seconds here."""
    monkeypatch.setattr(writers, "LONGEST_WAIT", 0.6)
    monkeypatch.setattr(writers, "LOOK_EVERY", 0.05)


def writer_of(flask: Flask, spool: Path) -> Writer:
    """A writer of its own, that spools into `spool`."""
    return Writer(flask.app_context, Answers(32_768), Limits(None), Backlog(SpoolFolder(spool, "a key for the spool")))


def submit(writer: Writer, to: str, at: datetime = NOW, signal: Signal = Signal.LOG, **said: object) -> Future[Answer]:
    future: Future[Answer] = Future()
    writer.submit(Incoming(to, Ping(signal, at, **said)), future)  # type: ignore[arg-type]
    return future


def send(writer: Writer, to: str, *messages: str, start: int = 0) -> list[int]:
    """A log for each of `messages`, a second apart, each once the one before is answered; the answers."""
    return [
        submit(writer, to, NOW + timedelta(seconds=start + n), message=message).result(20).status
        for n, message in enumerate(messages)
    ]


def kept() -> list[str]:
    """What was said, in the order in which it was counted."""
    db.session.rollback()
    return list(db.session.execute(select(PingRow.message).order_by(PingRow.n)).scalars())


def wait_settled(writer: Writer) -> None:
    wait_until(lambda: writer.settled, 20, "the spool to be empty")


# --- together ---------------------------------------------------------------------------------------------------


def test_a_poisonous_ping_harms_no_other(app: Flask, organization: Organization, tmp_path: Path) -> None:
    monitor = make_monitor(organization)
    writer = writer_of(app, tmp_path)
    poison = "half a \ud800 character"
    futures = [submit(writer, monitor.token, message=poison if n == 7 else f"ping {n}") for n in range(20)]
    assert [future.result(20).status for future in futures] == [503 if n == 7 else 200 for n in range(20)]
    assert kept() == [f"ping {n}" for n in range(20) if n != 7]


def test_each_is_told_whether_its_monitor_is_known(app: Flask, organization: Organization, tmp_path: Path) -> None:
    monitor = make_monitor(organization)
    writer = writer_of(app, tmp_path)
    futures = [submit(writer, token) for token in (monitor.token, "nobody", monitor.token)]
    assert [future.result(20).status for future in futures] == [200, 404, 200]


# --- the database is away ---------------------------------------------------------------------------------------


def test_a_database_that_is_away_is_not_asked_once_for_each_ping(writer: Writer, wire: Wire) -> None:
    wire.set(Mode.CUT)
    futures = [submit(writer, "token") for _ in range(90)]
    assert {future.result(20).status for future in futures} == {200}, "they are on disk, if not in the database"
    assert wire.knocks < 20, "a few batches, and not 90 pings"
    assert not writer.settled
    wire.set(Mode.WHOLE)
    wait_settled(writer)


def test_what_came_while_it_was_away_is_there_afterwards_in_order_and_with_its_own_time(
    writer: Writer, wire: Wire, monitor: Monitor
) -> None:
    assert send(writer, monitor.token, "before") == [200]
    wire.set(Mode.CUT)
    assert send(writer, monitor.token, "one", "two", "three", start=1) == [200, 200, 200]
    assert kept() == ["before"]
    wire.set(Mode.WHOLE)
    assert send(writer, monitor.token, "back", "again", start=4) == [200, 200]
    wait_settled(writer)
    assert kept() == ["before", "one", "two", "three", "back", "again"]
    times = db.session.execute(select(PingRow.at).order_by(PingRow.n)).scalars()
    assert list(times) == [NOW + timedelta(seconds=n) for n in range(6)]
    assert send(writer, monitor.token, "directly", start=6) == [200]
    assert kept()[-1] == "directly", "at once, and not by way of the spool"
    assert db.session.execute(select(Spool)).first() is None


def test_a_run_that_began_before_and_ended_meanwhile_has_its_duration(
    writer: Writer, wire: Wire, monitor: Monitor
) -> None:
    later = NOW + timedelta(seconds=90)
    assert submit(writer, monitor.token, NOW, Signal.START, rid=RID).result(20).status == 200
    wire.set(Mode.CUT)
    assert submit(writer, monitor.token, later, Signal.SUCCESS, rid=RID).result(20).status == 200
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    (run,) = db.session.execute(select(Run)).scalars()
    assert (run.started_at, run.finished_at, run.duration_ms) == (NOW, later, 90_000)


def test_who_is_unknown_is_found_out_later_and_dropped(writer: Writer, wire: Wire, monitor: Monitor) -> None:
    wire.set(Mode.CUT)
    assert send(writer, "nobody", "to nobody") == [200]
    assert send(writer, monitor.token, "to the monitor") == [200]
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    assert kept() == ["to the monitor"]


def test_what_a_process_left_behind_is_replayed_by_another(
    over_the_wire: Flask, wire: Wire, monitor: Monitor, tmp_path: Path
) -> None:
    gone = SpoolFolder(tmp_path / "spool", "a key for the spool").new()
    gone.append(spools.pack([Incoming(monitor.token, Ping(Signal.LOG, NOW, message="left"))], None))
    gone.close()
    writer = writer_of(over_the_wire, tmp_path / "spool")
    writer.start()
    wait_until(lambda: kept() == ["left"], 20, "what was left")
    wait_settled(writer)


@pytest.mark.parametrize("mode", [Mode.CUT_BEFORE_COMMIT, Mode.CUT_AFTER_COMMIT])
def test_a_commit_that_nobody_heard_of_counts_once(writer: Writer, wire: Wire, monitor: Monitor, mode: Mode) -> None:
    assert send(writer, monitor.token, "before") == [200]
    wire.set(mode)
    futures = [submit(writer, monitor.token, NOW + timedelta(seconds=1), message=f"ping {n}") for n in range(20)]
    assert {future.result(20).status for future in futures} == {200}
    # The replay's own commits go the same way, several times.
    wait_until(lambda: wire.commits_cut > 3, 20, "commits that are cut")
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    assert sorted(kept()) == sorted(["before", *(f"ping {n}" for n in range(20))])
    assert db.session.get_one(Monitor, monitor.id).ping_count == 21


# --- the database hangs -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
def test_a_database_that_says_nothing_is_not_waited_for(writer: Writer, wire: Wire, monitor: Monitor) -> None:
    assert send(writer, monitor.token, "before") == [200]
    wire.set(Mode.SILENT)
    began = time.monotonic()
    assert send(writer, monitor.token, "the first", start=1) == [200]
    assert 0.5 < time.monotonic() - began < 2
    began = time.monotonic()
    assert send(writer, monitor.token, *"abcdefgh", start=2) == [200] * 8
    assert time.monotonic() - began < 2, "the first has found out for all"
    assert not writer.settled
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    assert kept() == ["before", "the first", *"abcdefgh"]


@pytest.mark.usefixtures("impatient")
def test_a_row_that_somebody_holds_is_not_waited_for(writer: Writer, monitor: Monitor, database: Database) -> None:
    with database.connect() as holding, holding.transaction():
        holding.execute("select from monitors for update")
        assert send(writer, monitor.token, "one", "two") == [200, 200]
        assert not writer.settled
    wait_settled(writer)
    assert kept() == ["one", "two"]
    assert send(writer, monitor.token, "three", start=2) == [200]
    assert kept() == ["one", "two", "three"]


@pytest.mark.usefixtures("impatient")
def test_when_the_spool_takes_nothing_either_it_goes_on_as_soon_as_the_database_does(
    writer: Writer, wire: Wire, monitor: Monitor, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("a file in the way")
    wire.set(Mode.SILENT)
    answer = submit(writer, monitor.token, message="not kept").result(20)
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "5")
    wire.set(Mode.WHOLE)
    wait_until(lambda: send(writer, monitor.token, "kept") == [200], 5, "the database to be used again")
    assert set(send(writer, monitor.token, *"abcdefgh")) == {200}, "all of them, not every other"
    assert set(kept()) == {"kept", *"abcdefgh"}


# --- the spool --------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_is_told_and_costs_nothing(
    writer: Writer, wire: Wire, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.set(Mode.CUT)
    assert send(writer, monitor.token, "one") == [200]

    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", no_room)
        before = len(os.listdir("/proc/self/fd"))
        answers = [submit(writer, monitor.token, message="no room").result(20) for _ in range(30)]
        assert {(answer.status, dict(answer.headers)["Retry-After"]) for answer in answers} == {(503, "5")}
        assert len(os.listdir("/proc/self/fd")) < before + 10
    assert send(writer, monitor.token, "two", start=1) == [200]
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    assert kept() == ["one", "two"]


def test_under_steady_load_a_spool_is_emptied_all_the_same(writer: Writer, wire: Wire, monitor: Monitor) -> None:
    """Each batch that comes in is a line more; so more than a line must go out at a time."""
    wire.set(Mode.CUT)
    for n in range(60):
        assert submit(writer, monitor.token, message=f"{n}").result(20).status == 200
    wire.set(Mode.WHOLE)
    for n in range(60, 120):
        assert submit(writer, monitor.token, message=f"{n}").result(20).status == 200
        if writer.settled:
            break
    assert writer.settled
    assert n < 90
    assert kept() == [f"{i}" for i in range(n + 1)]


def test_what_can_not_be_read_is_put_aside_and_holds_nothing_up(
    writer: Writer, monitor: Monitor, tmp_path: Path, wire: Wire
) -> None:
    other = SpoolFolder(tmp_path / "spool", "another key").new()
    other.append(b"for other eyes")
    other.close()
    odd = SpoolFolder(tmp_path / "spool", "a key for the spool").new()
    odd.append(b'{"pings": "as another version would write them"}')
    odd.close()
    assert send(writer, monitor.token, "one") == [200]
    wait_until(lambda: len(list((tmp_path / "spool").glob("*.unreadable"))) == 2, 20, "both to be put aside")
    wait_settled(writer)
    assert not list((tmp_path / "spool").glob("*.spool"))


# --- once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "times"),
    [
        ((Signal.START, ""), (Signal.START, ""), 1),
        ((Signal.SUCCESS, ""), (Signal.SUCCESS, "with other words"), 1),
        ((Signal.FAIL, ""), (Signal.FAIL, ""), 1),
        ((Signal.SUCCESS, ""), (Signal.FAIL, ""), 2),
        ((Signal.LOG, "half"), (Signal.LOG, "half"), 1),
        ((Signal.LOG, "half"), (Signal.LOG, "all of it"), 2),
    ],
)
@pytest.mark.parametrize("away", [False, True], ids=["directly", "by way of the spool"])
def test_the_same_again_within_a_minute_is_one_ping(
    writer: Writer,
    wire: Wire,
    monitor: Monitor,
    first: tuple[Signal, str],
    second: tuple[Signal, str],
    times: int,
    away: bool,
) -> None:
    """As curl --retry sends it when the answer was lost; at any of the two the database may be away."""
    if first[0] is Signal.LOG:
        assert submit(writer, monitor.token, NOW, Signal.START, rid=RID).result(20).status == 200
        times += 1
    for n, (signal, message) in enumerate((first, second)):
        if n and away:
            wire.set(Mode.CUT)
        at = NOW + timedelta(seconds=30 * n)
        assert submit(writer, monitor.token, at, signal, rid=RID, message=message).result(20).status == 200
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    assert len(kept()) == times


# --- how much -----------------------------------------------------------------------------------------------------


def limited(flask: Flask, spool: Path, rate: str) -> Writer:
    backlog = Backlog(SpoolFolder(spool, "a key for the spool"))
    return Writer(flask.app_context, Answers(32_768), Limits(rates.parse(rate)), backlog)


def test_exactly_a_burst_is_let_in_whatever_door_it_comes_to(app: Flask, monitor: Monitor, tmp_path: Path) -> None:
    doors = [limited(app, tmp_path, "60/minute burst 10") for _ in range(2)]
    answers = [submit(doors[n % 2], monitor.token, message=f"{n}").result(20) for n in range(14)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 4
    assert {dict(answer.headers)["Retry-After"] for answer in answers[10:]} == {"1"}
    later = [submit(doors[0], monitor.token, NOW + timedelta(seconds=3)).result(20).status for _ in range(4)]
    assert later == [200, 200, 200, 429], "one a second has come free"
    assert len(kept()) == 13


def test_unlimited_is_unlimited(app: Flask, monitor: Monitor, tmp_path: Path) -> None:
    writer = limited(app, tmp_path, "unlimited")
    futures = [submit(writer, monitor.token) for _ in range(500)]
    assert {future.result(20).status for future in futures} == {200}


def test_one_monitor_that_is_too_loud_silences_no_other(
    app: Flask, monitor: Monitor, organization: Organization, tmp_path: Path
) -> None:
    other = make_monitor(organization, "Another", slug="another")
    writer = limited(app, tmp_path, "60/minute burst 2")
    tokens = [monitor.token] * 5 + [other.token] * 2
    assert [submit(writer, token).result(20).status for token in tokens] == [200] * 2 + [429] * 3 + [200] * 2


def test_who_guesses_tokens_is_told_to_stop_and_who_knows_one_is_not(
    app: Flask, monitor: Monitor, tmp_path: Path
) -> None:
    writer = writer_of(app, tmp_path)
    source = "203.0.113.7"
    answers = [submit(writer, f"guess-{n}", source=source).result(20) for n in range(limits.STRANGERS.burst + 5)]
    assert [answer.status for answer in answers] == [404] * limits.STRANGERS.burst + [429] * 5
    assert int(dict(answers[-1].headers)["Retry-After"]) >= 1
    assert submit(writer, monitor.token, source=source).result(20).status == 200
    assert submit(writer, "guess", source="203.0.113.8").result(20).status == 404, "another address"
    later = NOW + timedelta(seconds=2)
    assert submit(writer, "guess", later, source=source).result(20).status == 404, "a moment later"


def test_while_the_database_is_away_a_monitor_has_its_rate_all_the_same(
    over_the_wire: Flask, wire: Wire, monitor: Monitor, tmp_path: Path
) -> None:
    writer = limited(over_the_wire, tmp_path / "spool", "60/minute burst 5")
    wire.set(Mode.CUT)
    assert [submit(writer, monitor.token, message=f"{n}").result(20).status for n in range(8)] == [200] * 5 + [429] * 3
    wire.set(Mode.WHOLE)
    wait_settled(writer)
    assert len(kept()) == 5
