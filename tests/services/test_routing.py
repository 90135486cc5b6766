"""Writing rules: checked, ordered, one change after another, and on record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_channel
from tokiflow import errors
from tokiflow.core import ids
from tokiflow.core.actors import Actor
from tokiflow.core.routing import DEFAULT
from tokiflow.db import db
from tokiflow.models import AuditEvent, Channel, Organization
from tokiflow.queries import routing as stored
from tokiflow.services import channels, routing

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALICE = Actor("person", "Alice")


def public(channel: Channel) -> str:
    return ids.public("chn", channel.id)


def names(organization: Organization) -> list[str]:
    db.session.expire_all()
    return [row.name for row in stored.rows(organization.id)]


def audited() -> list[str]:
    return list(db.session.execute(select(AuditEvent.what).order_by(AuditEvent.id)).scalars())


@pytest.fixture
def ops(organization: Organization) -> Channel:
    return make_channel(organization, name="#ops")


def test_a_rule_is_kept_as_it_was_written(organization: Organization, ops: Channel) -> None:
    bob = make_channel(organization, name="Bob")
    values = {
        "name": " Database ", "severities": ["critical"], "kinds": ["missed", "failed"], "tags": ["db"],
        "without": ["x"],
        "environments": ["production"], "days": [0, 1], "from": "09:00", "to": "17:00", "timezone": "Europe/Berlin",
        "steps": [[public(ops)], [public(bob), public(ops)]], "waits": [900], "remind_seconds": 3600, "last": True,
    }  # fmt: skip
    made = routing.create(organization.id, values, ALICE, NOW)
    (rule,) = stored.of([organization.id])[organization.id]
    assert (rule.id, rule.name, rule.enabled, rule.last, rule.everybody) == (made, "Database", True, True, False)
    assert [set(step) for step in rule.steps] == [{ops.id}, {bob.id, ops.id}]
    assert (rule.waits, rule.remind) == ((900,), 3600)
    assert set(rule.condition.kinds) == {"missed", "failed"}
    assert set(rule.condition.without) == {"x"}
    assert rule.condition.hours.days == {0, 1}
    assert audited() == ["rule.created"]


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"name": ""}, "name", "is empty"),
        ({"severities": ["loud"]}, "severities", "critical or warning"),
        ({"kinds": "missed"}, "kinds", "is not a list"),
        ({"tags": [3]}, "tags", "list of words"),
        ({"tags": ["x" * 81]}, "tags", "too long"),
        ({"from": "22:00"}, "to", "is missing"),
        ({"timezone": "Berlin"}, "timezone", "Europe/Berlin"),
        ({"steps": [["chn_nonsense"]]}, "step_0", "does not exist here"),
        ({"steps": [[], []], "waits": [900]}, "step_1", "names no channel"),
        ({"waits": [5]}, "wait_1", "from 10 s to 7 days"),
        ({"waits": [True]}, "wait_1", "from 10 s to 7 days"),
        ({"steps": [[], ["chn_"], ["chn_"]], "waits": [900, 900]}, "wait_2", "not longer than"),
        ({"waits": [60, 120, 180, 240, 300]}, "waits", "too many"),
        ({"steps": [[], []]}, "steps", "more steps than waits"),
        ({"remind_seconds": 0}, "remind_seconds", "from 10 s to 7 days"),
        ({"last": "yes"}, "last", "true nor false"),
    ],
)
def test_what_is_wrong_is_said(organization: Organization, values: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        routing.create(organization.id, {"name": "Rule", **values}, ALICE, NOW)
    assert words in refused.value.fields[field][0]


def test_channels_of_others_do_not_exist(organization: Organization, other_organization: Organization) -> None:
    theirs = make_channel(other_organization)
    with pytest.raises(errors.Invalid) as refused:
        routing.create(organization.id, {"name": "Rule", "steps": [[public(theirs)]]}, ALICE, NOW)
    assert refused.value.fields == {"step_0": ["names a channel that does not exist here; choose among those that do"]}


def test_nobody_overwrites_unseen(organization: Organization) -> None:
    made = routing.create(organization.id, {"name": "One"}, ALICE, NOW)
    routing.edit(made, {"name": "Two"}, ALICE, NOW, 0)
    with pytest.raises(errors.Conflict):
        routing.edit(made, {"name": "Three"}, ALICE, NOW, 0)
    assert names(organization) == ["Two"]


def test_rules_are_moved(organization: Organization) -> None:
    one, _, three = (routing.create(organization.id, {"name": name}, ALICE, NOW) for name in ("1", "2", "3"))
    routing.move(three, -1, ALICE, NOW)
    assert names(organization) == ["1", "3", "2"]
    routing.move(one, 1, ALICE, NOW)
    assert names(organization) == ["3", "1", "2"]
    routing.move(three, -5, ALICE, NOW)
    routing.move(one, 99, ALICE, NOW)
    assert names(organization) == ["3", "2", "1"]


def test_a_rule_is_disabled_and_enabled(organization: Organization) -> None:
    made = routing.create(organization.id, {"name": "One"}, ALICE, NOW)
    for enabled in (False, False, True):
        routing.switch(made, ALICE, NOW, enabled=enabled)
    assert audited() == ["rule.created", "rule.disabled", "rule.enabled"]


def test_the_default_rule_is_written_once_and_always_there(organization: Organization, ops: Channel) -> None:
    routing.set_default(organization.id, {"steps": [[public(ops)]], "tags": ["ignored"]}, ALICE, NOW)
    routing.set_default(organization.id, {"everybody": True, "remind_seconds": 600}, ALICE, NOW, 1)
    (rule,) = stored.of([organization.id])[organization.id]
    assert (rule.name, rule.fallback, rule.everybody, rule.remind) == (DEFAULT.name, True, True, 600)
    assert rule.condition == DEFAULT.condition
    assert rule.id is not None
    with pytest.raises(errors.Conflict):
        routing.set_default(organization.id, {}, ALICE, NOW, 1)
    with pytest.raises(errors.Conflict):
        routing.switch(rule.id, ALICE, NOW, enabled=False)
    with pytest.raises(errors.Conflict):
        routing.move(rule.id, 1, ALICE, NOW)
    routing.delete(rule.id, ALICE, NOW)
    assert names(organization) == []


def test_a_deleted_channel_leaves_the_rules(organization: Organization, ops: Channel) -> None:
    routing.create(organization.id, {"name": "One", "steps": [[public(ops)]]}, ALICE, NOW)
    channels.delete(ops.id, ALICE, NOW)
    (rule,) = stored.of([organization.id])[organization.id]
    assert rule.steps == (frozenset(),)
    assert not rule.enabled, "a rule that speaks and tells nobody would keep the default rule silent"
    assert audited()[-2:] == ["rule.disabled", "channel.deleted"]


def test_a_rule_that_names_others_goes_on_without_a_deleted_channel(organization: Organization, ops: Channel) -> None:
    pager = make_channel(organization, name="Pager")
    later = {"name": "Later", "steps": [[public(ops)], [public(pager)]], "waits": [900]}
    routing.create(organization.id, later, ALICE, NOW)
    routing.create(organization.id, {"name": "Silence", "condition": {"tags": ["dev"]}}, ALICE, NOW)
    channels.delete(ops.id, ALICE, NOW)
    assert [rule.enabled for rule in stored.of([organization.id])[organization.id]] == [True, True]


def test_the_default_rule_tells_everybody_when_the_last_it_named_is_deleted(
    organization: Organization, ops: Channel
) -> None:
    routing.set_default(organization.id, {"steps": [[public(ops)]]}, ALICE, NOW)
    channels.delete(ops.id, ALICE, NOW)
    (rule,) = stored.of([organization.id])[organization.id]
    assert (rule.fallback, rule.everybody) == (True, True)


def test_there_is_an_end_to_rules(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "MOST_RULES", 1)
    routing.create(organization.id, {"name": "One"}, ALICE, NOW)
    with pytest.raises(errors.Invalid):
        routing.create(organization.id, {"name": "Two"}, ALICE, NOW)


def test_quiet_hours_are_set_and_lifted(organization: Organization) -> None:
    night = {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin", "days": [0, 1, 2, 3, 4]}
    routing.set_quiet_hours(organization.id, night, ALICE, NOW)
    kept = stored.audience([organization.id])
    assert kept.quiet_hours[organization.id] is not None
    assert kept.quiet_until(organization.id, "warning", datetime(2026, 11, 20, 22, 0, tzinfo=UTC)) is not None
    assert kept.quiet_until(organization.id, "critical", datetime(2026, 11, 20, 22, 0, tzinfo=UTC)) is None
    routing.set_quiet_hours(organization.id, None, ALICE, NOW)
    assert stored.audience([organization.id]).quiet_hours[organization.id] is None
    assert audited() == ["quiet_hours.edited"] * 2


@pytest.mark.parametrize("values", [{}, {"days": [1]}, {"from": "22:00"}, {"from": "x", "to": "07:00"}])
def test_quiet_hours_need_both_ends(organization: Organization, values: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid):
        routing.set_quiet_hours(organization.id, values, ALICE, NOW)
