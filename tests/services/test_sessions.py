"""Sessions: they begin, are noticed, and end wherever their cookie is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from tokiflow import errors
from tokiflow.db import db
from tokiflow.models import UserSession
from tokiflow.queries import sessions as queries
from tokiflow.services import sessions

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def begin(user, now=NOW, device="Firefox on Linux"):
    token = sessions.begin(user.id, "link", device, "203.0.113.7", now)
    return token, queries.signed_in(token, now)


def test_the_cookie_leads_to_the_person_and_the_table_does_not_hold_it(alice):
    token, row = begin(alice)
    assert row.user is db.session.get(type(alice), alice.id)
    assert (row.how, row.device, row.address, row.proved_at) == ("link", "Firefox on Linux", "203.0.113.7", NOW)
    assert len(token) >= 43  # 256 bits
    assert token not in str(db.session.execute(select(UserSession.__table__)).all())


@pytest.mark.parametrize("text", ["", ":", "x", "00000000-0000-7000-8000-000000000000", "\x00", "é" * 50])
def test_what_is_no_token_leads_to_nobody(alice, text):
    begin(alice)
    assert queries.signed_in(text, NOW) is None


def test_a_session_is_noted_once_in_five_minutes(alice):
    _token, row = begin(alice)
    for minutes, noted in ((4, NOW), (6, NOW + 6 * MINUTE), (8, NOW + 6 * MINUTE)):
        sessions.seen(row, "Safari on an iPhone", "198.51.100.9", NOW + minutes * MINUTE)
        db.session.expire_all()
        assert row.last_seen_at == noted
    assert (row.device, row.address) == ("Safari on an iPhone", "198.51.100.9")


@pytest.mark.parametrize(("after", "alive"), [(29 * DAY, True), (30 * DAY, False)])
def test_a_browser_that_is_not_used_is_signed_out(alice, after, alive):
    token, _ = begin(alice)
    assert (queries.signed_in(token, NOW + after) is not None) is alive


def test_however_much_it_is_used_it_ends_one_day(alice):
    token, row = begin(alice)
    for days in range(20, 200, 20):
        sessions.seen(row, "", "", NOW + days * DAY)
        db.session.expire_all()
    assert queries.signed_in(token, NOW + 179 * DAY) is not None
    assert queries.signed_in(token, NOW + 181 * DAY) is None


def test_one_session_is_ended_and_the_others_go_on(alice, bob):
    (first, row), (second, _) = begin(alice), begin(alice)
    with pytest.raises(errors.NotFound):
        sessions.end(row.id, bob.id, NOW)
    sessions.end(row.id, alice.id, NOW)
    assert queries.signed_in(first, NOW) is None
    assert queries.signed_in(second, NOW) is not None
    with pytest.raises(errors.NotFound, match="over already"):
        sessions.end(row.id, alice.id, NOW)


def test_all_are_ended_but_the_one_that_asks_for_it(alice, bob):
    _kept, row = begin(alice)
    others, bobs = [begin(alice)[0] for _ in range(3)], begin(bob)[0]
    assert sessions.end_all(alice.id, NOW, but=row.id) == 3
    assert [one.id for one in queries.of_user(alice.id, NOW)] == [row.id]
    assert [queries.signed_in(one, NOW) for one in others] == [None] * 3
    assert queries.signed_in(bobs, NOW) is not None
    assert sessions.end_all(alice.id, NOW) == 1


def test_sessions_are_listed_with_the_one_last_seen_first(alice):
    (_, old), (_, new) = begin(alice), begin(alice, NOW + MINUTE)
    assert [one.id for one in queries.of_user(alice.id, NOW + MINUTE)] == [new.id, old.id]
    sessions.seen(old, "", "", NOW + 10 * MINUTE)
    assert [one.id for one in queries.of_user(alice.id, NOW + 10 * MINUTE)] == [old.id, new.id]


def test_what_is_long_over_is_forgotten(alice):
    _token, row = begin(alice)
    begin(alice)
    sessions.end(row.id, alice.id, NOW)
    sessions.forget(NOW + 20 * DAY)
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 2
    sessions.forget(NOW + 31 * DAY)
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 1
    sessions.forget(NOW + 61 * DAY)
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 0
