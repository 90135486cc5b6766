"""Exports: promised, made by a job that may die at any moment, kept for a week, and nobody else's."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from tokiflow import errors
from tokiflow.adapters import storage
from tokiflow.core.actors import Actor
from tokiflow.db import db, transaction
from tokiflow.models import Export, Letter
from tokiflow.services import audit, exporting, exports

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVIL = '=HYPERLINK("http://evil.example")'


def ask(user, organization, at=NOW):
    return exports.ask("audit", Actor("person", user.name, user.id), organization.id, {}, at)


def kept(export_id):
    return db.session.get_one(Export, export_id, populate_existing=True)


def make(export_id, at=NOW):
    return exports.make([export_id], lambda: at)


def failing(monkeypatch, error):
    def fail(asked, path, progress):
        raise error

    monkeypatch.setattr(exporting, "makers", lambda: {"audit": fail})


def test_it_is_made_put_away_and_told_of(alice, organization):
    for name in ("Nightly backup", EVIL, '日本, "quoted"\nnew line'):
        with transaction():
            by = Actor("person", "Alice", address="203.0.113.7")
            audit.record("monitor.edited", by, organization.id, NOW, object_name=name, after={"grace": 5})
    asked = ask(alice, organization)
    assert make(asked) == 1
    row = kept(asked)
    assert (row.status, row.filename) == ("done", f"{organization.slug}-audit-2026-07-01.csv")
    assert row.expires_at == NOW + 7 * DAY
    data = b"".join(exports.chunks(row, NOW))
    assert len(data) == row.size
    lines = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    asked_for = lines.pop()
    assert asked_for["said"] == "Alice asked for an export of the audit log"
    assert [one["object"] for one in lines] == ["Nightly backup", f"'{EVIL}", '日本, "quoted"\nnew line']
    assert (lines[0]["number"], lines[0]["address"], lines[0]["after"]) == ("1", "203.0.113.7", '{"grace": 5}')
    letter = db.session.execute(select(Letter)).scalar_one()
    assert (letter.template, letter.to_address) == ("export_ready", alice.email)
    assert str(row.id) not in str(letter.context), "the mail alone opens nothing: whoever follows it signs in"
    assert make(asked) == 0, "once is enough"


def test_whoever_dies_over_it_is_followed_by_another(alice, organization):
    asked = ask(alice, organization)
    with transaction():
        db.session.execute(text("update exports set lease_until = :until, attempts = 1"), {"until": NOW + HOUR})
    assert (make(asked), exports.ring(NOW)) == (0, 0)
    assert exports.ring(NOW + HOUR) == 1
    assert make(asked, NOW + HOUR) == 1


def test_what_ends_whoever_makes_it_is_given_up(alice, organization):
    asked = ask(alice, organization)
    with transaction():
        tried = {"now": NOW, "n": exports.TRIES}
        db.session.execute(text("update exports set lease_until = :now, attempts = :n"), tried)
    assert make(asked) == 0
    assert (kept(asked).status, kept(asked).last_error, kept(asked).finished_at) == ("dead", exports.ENDED, NOW)
    assert exports.ring(NOW + HOUR) == 0


def test_what_does_not_work_is_tried_again_and_not_for_ever(alice, organization, monkeypatch):
    asked, at = ask(alice, organization), NOW
    failing(monkeypatch, errors.StorageError("The bucket is away."))
    for attempt in range(1, exports.TRIES):
        assert make(asked, at) == 0
        row = kept(asked)
        assert (row.status, row.attempts, row.last_error) == ("pending", attempt, "The bucket is away.")
        assert make(asked, at) == 0
        assert kept(asked).attempts == attempt, "not before its time"
        at = row.next_attempt_at
    make(asked, at)
    assert (kept(asked).status, kept(asked).finished_at) == ("dead", at)


def test_a_stumble_is_told_without_what_it_stumbled_over(alice, organization, monkeypatch):
    asked = ask(alice, organization)
    failing(monkeypatch, ValueError("secret-token"))
    make(asked)
    assert kept(asked).last_error == "Tokiflow stumbled: ValueError"


def test_progress_is_seen_and_keeps_the_lease(alice, organization, monkeypatch):
    asked, seen = ask(alice, organization), []

    def slow(asked, path, progress):
        for done in (1, 2):
            progress(done, 4)
            row = kept(asked.id)
            seen.append((row.done, row.total, row.lease_until))
        path.write_bytes(b"x")
        return "x.csv"

    monkeypatch.setattr(exporting, "makers", lambda: {"audit": slow})
    assert make(asked) == 1
    assert seen == [(1, 4, NOW + exports.LEASE), (2, 4, NOW + exports.LEASE)]


def test_after_a_week_the_file_goes_and_after_a_month_the_row(alice, organization):
    asked = ask(alice, organization)
    make(asked)
    row = kept(asked)
    with pytest.raises(exports.Expired):
        exports.chunks(row, NOW + 7 * DAY)
    assert exports.forget(NOW + 7 * DAY - HOUR) == 0
    assert exports.forget(NOW + 7 * DAY) == 1
    store = storage.current()
    assert store is not None
    with pytest.raises(errors.StorageError):
        store.get(f"exports/{asked}")
    assert kept(asked).key == ""
    exports.forget(NOW + 31 * DAY)
    assert db.session.get(Export, asked, populate_existing=True) is None


def test_nobody_has_more_than_three_made_at_once(alice, bob, organization):
    for _ in range(exports.AT_ONCE):
        ask(alice, organization)
    with pytest.raises(errors.Conflict, match="wait for one of them"):
        ask(alice, organization)
    ask(bob, organization)


def test_without_a_store_it_says_what_to_set(app, alice, organization):
    before = storage.current()
    storage.use(app, None)
    try:
        with pytest.raises(errors.Conflict, match="S3_BUCKET"):
            ask(alice, organization)
    finally:
        storage.use(app, before)


def test_a_file_that_outlives_whoever_asked_is_taken_back(alice, organization, monkeypatch):
    asked = ask(alice, organization)

    def slow(asked, path, progress):
        path.write_bytes(b"x")
        with transaction():
            db.session.execute(text("delete from users where id = :id"), {"id": asked.user_id})
        return "x.csv"

    monkeypatch.setattr(exporting, "makers", lambda: {"audit": slow})
    make(asked)
    store = storage.current()
    assert store is not None
    with pytest.raises(errors.StorageError):
        store.get(f"exports/{asked}")
