"""What waited in a spool file is in the database once, whoever dies, hangs or forgets on the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.factories import make_monitor, make_organization
from tests.fixtures.database import Database
from tokiflow.core import ids, signals, tokens
from tokiflow.core.names import Named
from tokiflow.core.signals import Ping, Progress, Signal
from tokiflow.db import db, transaction
from tokiflow.models import Monitor, Organization, Spool
from tokiflow.models import Ping as PingRow
from tokiflow.services import heartbeats, pings, spools
from tokiflow.services.pings import Incoming

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
POISON = "half a \ud800 character"


@pytest.fixture
def monitor(organization: Organization) -> Monitor:
    return make_monitor(organization)


def batch_for(token: str, *messages: str) -> list[Incoming]:
    """A log ping for each of `messages`, a second apart; as they come out of a spool."""
    return [
        Incoming(token, Ping(Signal.LOG, NOW + timedelta(seconds=n), message=message, source="203.0.113.7"), True)
        for n, message in enumerate(messages)
    ]


def kept() -> list[str]:
    db.session.rollback()
    return list(db.session.execute(select(PingRow.message).order_by(PingRow.n)).scalars())


def record(batch: Sequence[Incoming]) -> str:
    """Record it; the number of the transaction."""
    numbers: list[str] = []
    pings.record(batch, NOW, note=numbers.append)
    return numbers[0]


# --- a line -----------------------------------------------------------------------------------------------------

_words = st.text(st.characters(exclude_characters="\x00"), max_size=30)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_progress = st.builds(
    Progress,
    st.none() | st.floats(0, 100),
    st.none() | st.integers(0, 10**9),
    st.none() | st.integers(0, 10**9),
    _words,
)
_pings = st.builds(
    Ping,
    signal=st.sampled_from(Signal),
    at=st.datetimes(timezones=st.just(UTC)),
    rid=st.none() | st.uuids(),
    exit_code=st.none() | st.integers(0, 255),
    duration_ms=st.none() | st.integers(0, signals.LONGEST_MS),
    environment=_words,
    message=_words,
    progress=st.none() | _progress,
    metrics=st.dictionaries(_words, _numbers, max_size=3),
    body=st.binary(max_size=300),
    body_size=st.integers(0, 2**31),
    body_cut=st.none() | st.integers(0, 300),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    source=_words,
    user_agent=_words,
)
_names = st.builds(Named, _words, _words, st.booleans())


@settings(deadline=None)
@given(st.lists(st.builds(Incoming, _words | _names, _pings), max_size=4), st.none() | st.just("4711"))
def test_what_is_unpacked_is_what_was_packed(batch: list[Incoming], number: str | None) -> None:
    said, told = spools.unpack(spools.pack(batch, number))
    assert told == number
    assert said == [one._replace(promised=True) for one in batch]
    assert [type(one.ping.signal) for one in said] == [Signal] * len(batch)


def test_half_a_character_survives_the_spool() -> None:
    batch = batch_for("token", POISON)
    assert spools.unpack(spools.pack(batch, None)) == (batch, None)


# --- replay -----------------------------------------------------------------------------------------------------


def test_a_line_is_replayed_once_however_often_it_is_tried(monitor: Monitor) -> None:
    """As after a commit that nobody heard of: who replays asks the database how far it is, and not their memory."""
    spool = ids.new()
    first, second = batch_for(monitor.token, "one", "two"), batch_for(monitor.token, "three")
    for _ in range(3):
        spools.replay(spool, first, 100, NOW)
    spools.replay(spool, second, 150, NOW)
    spools.replay(spool, first, 100, NOW)
    assert kept() == ["one", "two", "three"]
    assert spools.replayed(spool) == 150


def test_a_replay_that_fails_leaves_nothing_behind(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = ids.new()

    class Killed(BaseException):
        """What the process dies of."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(db.session, "commit", die)
        with pytest.raises(Killed):
            spools.replay(spool, batch_for(monitor.token, "one"), 100, NOW)
    db.session.rollback()
    assert (kept(), spools.replayed(spool)) == ([], 0)
    spools.replay(spool, batch_for(monitor.token, "one"), 100, NOW)
    assert kept() == ["one"]


def test_a_poisonous_ping_in_a_line_harms_no_other(monitor: Monitor) -> None:
    spool = ids.new()
    for _ in range(2):
        spools.replay(spool, batch_for(monitor.token, "one", POISON, "three", POISON, "five"), 100, NOW)
    assert kept() == ["one", "three", "five"]
    assert spools.replayed(spool) == 100


def test_what_waited_for_days_is_still_known_for_a_repetition(monitor: Monitor) -> None:
    rid = UUID("0c0ffee0-1234-4abc-8def-0123456789ab")
    waited = timedelta(days=3)
    for n in range(2):
        ping = Ping(Signal.SUCCESS, NOW - waited + timedelta(seconds=20 * n), rid=rid, message=f"try {n}")
        spools.replay(ids.new(), [Incoming(monitor.token, ping, True)], 100, NOW)
    assert kept() == ["try 0"]


def test_what_was_sent_to_nobody_is_dropped(monitor: Monitor) -> None:
    nobody = Named("nobody", "nightly-backup")
    batch = [*batch_for("nobody", "lost"), Incoming(nobody, Ping(Signal.LOG, NOW), True)]
    batch += batch_for(monitor.token, "kept")
    spools.replay(ids.new(), batch, 100, NOW)
    assert kept() == ["kept"]


def test_a_spool_that_was_removed_is_forgotten_and_so_are_old_ones(monitor: Monitor) -> None:
    old, lately, done = ids.new(), ids.new(), ids.new()
    for spool, when in ((old, NOW - timedelta(days=31)), (lately, NOW - timedelta(days=29)), (done, NOW)):
        spools.replay(spool, [], 7, when)
    spools.forget(done, NOW)
    assert list(db.session.execute(select(Spool.id)).scalars()) == [lately]


# --- what became of a transaction -------------------------------------------------------------------------------


def test_a_batch_that_was_committed_is_known_by_its_pings(monitor: Monitor) -> None:
    batch = batch_for(monitor.token, "one", "two")
    assert spools.committed(record(batch), batch, NOW) is True


@pytest.mark.usefixtures("app")
def test_a_batch_by_name_is_known_as_well() -> None:
    key = tokens.new_ping_key()
    make_organization(ping_key=key)
    batch = [Incoming(Named(key, "nightly-backup", create=True), Ping(Signal.START, NOW), True)]
    number = record(batch)
    assert spools.committed(number, batch, NOW) is True
    other = [Incoming(Named(key, "another", create=True), Ping(Signal.START, NOW), True)]
    assert spools.committed(number, other, NOW) is False
    assert db.session.execute(select(func.count()).select_from(Monitor)).scalar_one() == 1, "asking makes none"


def test_a_number_that_was_given_to_another_transaction_after_a_crash_proves_nothing(monitor: Monitor) -> None:
    with transaction():
        number = ping_number()
        heartbeats.beat("web", NOW)
    assert spools.committed(number, batch_for(monitor.token, "one"), NOW) is False


def test_a_transaction_that_was_rolled_back_recorded_nothing(monitor: Monitor) -> None:
    number = ping_number()
    db.session.rollback()
    assert spools.committed(number, batch_for(monitor.token, "one"), NOW) is False


def test_a_number_that_was_not_given_out_yet_is_of_another_server(monitor: Monitor) -> None:
    assert spools.committed("18446744073709000000", batch_for(monitor.token, "one"), NOW) is False


def test_a_transaction_that_still_goes_on_is_ended_first(monitor: Monitor, database: Database) -> None:
    """It holds a number beyond all that have ended, and must not be taken for one of another server."""
    batch = batch_for(monitor.token, "one")
    with psycopg.connect(database.url) as hanging:
        row = hanging.execute("select pg_current_xact_id()::text").fetchone()
        assert row
        assert spools.committed(row[0], batch, NOW) is None
        with pytest.raises(psycopg.OperationalError):
            hanging.execute("select 1")
    assert spools.committed(row[0], batch, NOW) is False


def ping_number() -> str:
    """A number of a transaction that is open now."""
    return str(db.session.execute(select(func.pg_current_xact_id())).scalar_one())
