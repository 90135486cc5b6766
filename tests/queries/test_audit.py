"""The log, narrowed down: every filter alone and with others, and pages that neither skip nor repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tokiflow.core import ids
from tokiflow.core.actors import TOKIFLOW, Actor
from tokiflow.db import transaction
from tokiflow.errors import Malformed
from tokiflow.queries import audit
from tokiflow.queries.audit import Filter
from tokiflow.services import audit as service

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALICE = Actor("person", "Alice", ids.new(), "203.0.113.7")
DEPLOY = Actor("api_key", "API key Deploy", ids.new(), "198.51.100.4")
BACKUP, INVOICES = ids.new(), ids.new()


def do(organization, what, by=ALICE, at=NOON, name="", of=None, **halves: Any):
    with transaction():
        service.record(what, by, organization.id, at, object_id=of, object_name=name, **halves)


@pytest.fixture
def log(organization, other_organization):
    """Six events, an hour apart, and one of others."""
    do(organization, "monitor.created", at=NOON, name="Backup", of=BACKUP)
    do(organization, "monitor.edited", at=NOON + HOUR, name="Backup", of=BACKUP, after={"grace_seconds": 61})
    do(organization, "monitor.paused", DEPLOY, NOON + 2 * HOUR, "Backup", BACKUP)
    do(organization, "channel.created", at=NOON + 3 * HOUR, name="100% Ops")
    do(organization, "monitor.created", DEPLOY, NOON + 4 * HOUR, "Rechnungen für Köln", INVOICES)
    do(organization, "channel.disabled", TOKIFLOW, NOON + 5 * HOUR, "100% Ops")
    do(other_organization, "monitor.created", at=NOON, name="Backup", of=BACKUP)
    return organization


CASES = [
    (Filter(), [6, 5, 4, 3, 2, 1]),
    (Filter(by_kind="person", by_id=ALICE.id), [4, 2, 1]),
    (Filter(by_kind="api_key", by_id=DEPLOY.id), [5, 3]),
    (Filter(by_kind="api_key", by_id=ALICE.id), []),
    (Filter(by_kind="system"), [6]),
    (Filter(whats=("monitor.created",)), [5, 1]),
    (Filter(whats=("channel.created", "channel.disabled")), [6, 4]),
    (Filter(object_id=BACKUP), [3, 2, 1]),
    (Filter(since=NOON + 3 * HOUR), [6, 5, 4]),
    (Filter(until=NOON + 3 * HOUR), [3, 2, 1]),
    (Filter(words="backup"), [3, 2, 1]),
    (Filter(words="100%"), [6, 4]),
    (Filter(words="köln"), [5]),
    (Filter(words="198.51.100.4"), [5, 3]),
    (Filter(words="grace_seconds"), [2]),
    (Filter(words="61"), [2]),
    (Filter(words="_"), [2]),
    (Filter(words="\\"), []),
    (Filter(by_kind="person", by_id=ALICE.id, object_id=BACKUP, since=NOON + HOUR, words="back"), [2]),
    (Filter(whats=("monitor.created",), until=NOON + HOUR), [1]),
]


@pytest.mark.parametrize(("wanted", "numbers"), CASES, ids=range(len(CASES)))
def test_each_filter_alone_and_together(log, wanted, numbers):
    found = audit.window(log.id, wanted, limit=50)
    assert [one.n for one in found.items] == numbers
    assert (found.newer, found.older) == (None, None)
    assert audit.count(log.id, wanted) == len(numbers)
    assert [one.n for one in audit.oldest_first(log.id, wanted)] == numbers[::-1]
    assert Filter.from_json(wanted.to_json()) == wanted


def test_pages_neither_skip_nor_repeat_while_people_go_on(log):
    first = audit.window(log.id, Filter(), limit=2)
    do(log, "monitor.resumed", at=NOON + 6 * HOUR)
    second = audit.window(log.id, Filter(), after=first.older, limit=2)
    third = audit.window(log.id, Filter(), after=second.older, limit=2)
    assert [[one.n for one in page.items] for page in (first, second, third)] == [[6, 5], [4, 3], [2, 1]]
    assert (first.newer, third.older) == (None, None)
    back = audit.window(log.id, Filter(), before=third.newer, limit=2)
    assert [one.n for one in back.items] == [4, 3]
    newest = audit.window(log.id, Filter(), before=first.older, limit=50)
    assert [one.n for one in newest.items] == [7, 6]


def test_events_of_one_moment_are_all_there(organization):
    for _ in range(7):
        do(organization, "monitor.paused")
    seen, after = [], None
    while True:
        page = audit.window(organization.id, Filter(), after=after, limit=3)
        seen += [one.n for one in page.items]
        if page.older is None:
            break
        after = page.older
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_a_cursor_that_is_none_of_ours_is_refused(log):
    for place in ("x", "W10", "🙂"):
        with pytest.raises(Malformed):
            audit.window(log.id, Filter(), after=place, limit=2)


def test_nobody_counts_for_ever(log):
    assert audit.count(log.id, Filter(), most=3) == 4


def test_a_long_log_is_read_in_parts(log, monkeypatch):
    monkeypatch.setattr(audit, "READ_AT_ONCE", 4)
    assert [one.n for one in audit.oldest_first(log.id)] == [1, 2, 3, 4, 5, 6]


def test_where_it_begins(log, other_organization):
    assert audit.oldest_at(log.id) == NOON
    assert audit.oldest_at(UUID(int=1)) is None
    assert set(audit.organizations_with_events_before(NOON + HOUR)) == {log.id, other_organization.id}
    assert audit.organizations_with_events_before(NOON) == []
