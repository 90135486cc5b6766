"""Write, order and delete the rules that decide who is told; and the hours in which warnings wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_rows
from sqlalchemy import insert, select

from tokiflow import errors
from tokiflow.core import hours, ids, routing, rule_draft
from tokiflow.core.actors import Actor
from tokiflow.core.rule_draft import RuleDraft
from tokiflow.db import db, transaction
from tokiflow.models import Channel, FollowUp, Organization, RoutingRule, RoutingRuleChannel
from tokiflow.queries import routing as stored
from tokiflow.services import audit

MOST_RULES = 100


def create(organization_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime) -> UUID:
    """A new rule from `values` (core.rule_draft), asked after all others; its id. Raises Invalid naming every bad
    field."""
    draft = rule_draft.draft(values)
    with transaction():
        others = _ordered(organization_id)
        if len(others) >= MOST_RULES:
            raise errors.Invalid({"name": [f"is one rule too many; an organization may have {MOST_RULES}"]})
        rule = RoutingRule(
            id=ids.new(), organization_id=organization_id, position=_after(others), created_at=now, version=0
        )
        _write(rule, draft, now)
        _audit("rule.created", rule, by, now, after=_said(draft))
    return rule.id


def edit(rule_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime, version: int | None = None) -> None:
    """Make the rule what `values` say. Raises Invalid, and Conflict if it is not at `version` any more."""
    with transaction():
        rule = _locked(rule_id)
        _edit(rule, rule_draft.draft(values, routing.DEFAULT.name if rule.fallback else None), by, now, version)


def set_default(
    organization_id: UUID, values: Mapping[str, Any], by: Actor, now: datetime, version: int | None = None
) -> None:
    """Who hears of what no rule speaks of. Raises Invalid, and Conflict if it is not at `version` any more."""
    draft = rule_draft.draft(values, routing.DEFAULT.name)
    with transaction():
        _lock(organization_id)
        rule = next((row for row in stored.rows(organization_id) if row.fallback), None)
        if rule is None:
            rule = RoutingRule(
                id=ids.new(), organization_id=organization_id, fallback=True, created_at=now, version=0, enabled=True,
                name=draft.name, waits=[], everybody=True, condition={}, last=False,
            )  # fmt: skip
            db.session.add(rule)
            db.session.flush()
        _edit(rule, draft, by, now, version)


def switch(rule_id: UUID, by: Actor, now: datetime, *, enabled: bool) -> None:
    """Ask the rule, or leave it out. Raises Conflict for the default rule, which is always there."""
    with transaction():
        rule = _locked(rule_id)
        _not_the_default(rule)
        if rule.enabled is not enabled:
            rule.enabled = enabled
            rule.version += 1
            _audit("rule.enabled" if enabled else "rule.disabled", rule, by, now)


def move(rule_id: UUID, steps: int, by: Actor, now: datetime) -> None:
    """Ask the rule so many places later, or earlier if `steps` is negative; beyond the ends it stays there."""
    with transaction():
        rule = _locked(rule_id)
        _not_the_default(rule)
        order = _ordered(rule.organization_id)
        before = order.index(rule)
        order.insert(max(before + steps, 0), order.pop(before))
        for position, row in enumerate(order):
            row.position = position
        _audit("rule.moved", rule, by, now, {"position": before + 1}, {"position": order.index(rule) + 1})


def delete(rule_id: UUID, by: Actor, now: datetime) -> None:
    """Delete the rule; what its steps were still to tell is told to nobody. Of the default rule: make it everybody
    again."""
    with transaction():
        rule = _locked(rule_id)
        _audit("rule.deleted", rule, by, now)
        # Whoever keeps promises just now holds them, and then asks for their rules: we take both in the same order.
        db.session.execute(select(FollowUp.id).where(FollowUp.rule_id == rule_id).with_for_update())
        db.session.execute(delete_rows(RoutingRule).where(RoutingRule.id == rule_id))


def let_go(channel_id: UUID, by: Actor, now: datetime) -> None:
    """The channel is about to be deleted. A rule that names no other would keep others silent, and tell nobody: it is
    disabled. Where that is the default rule it tells everybody again."""
    naming = select(RoutingRuleChannel.rule_id).where(RoutingRuleChannel.channel_id == channel_id).distinct()
    for rule_id in sorted(db.session.execute(naming).scalars()):
        rule = _locked(rule_id)
        draft = _as_draft(rule)
        if draft.everybody or any(step - {channel_id} for step in draft.steps):
            continue
        if not rule.fallback:
            switch(rule_id, by, now, enabled=False)
        else:
            _edit(rule, replace(draft, steps=(frozenset(),), waits=(), everybody=True), by, now, None)


def set_quiet_hours(organization_id: UUID, values: Mapping[str, Any] | None, by: Actor, now: datetime) -> None:
    """Let warnings wait in these hours (`days`, `from`, `to`, `timezone`), or never for None. Raises Invalid."""
    quiet, mistakes = hours.read(values or {})
    if values is not None and not mistakes and quiet.start is None:
        mistakes = {"from": ["is missing; write when the quiet hours begin, like 22:00"]}
    if mistakes:
        raise errors.Invalid(mistakes)
    with transaction():
        organization = _lock(organization_id)
        kept = hours.to_json(quiet)
        if kept == organization.quiet_hours:
            return
        before, organization.quiet_hours = organization.quiet_hours, kept
        audit.record("quiet_hours.edited", by, organization_id, now, before=before, after=kept)


def _edit(rule: RoutingRule, draft: RuleDraft, by: Actor, now: datetime, version: int | None) -> None:
    if version is not None and version != rule.version:
        raise errors.Conflict("Somebody else changed this rule while you were editing it.")
    before = _said(_as_draft(rule))
    rule.version += 1
    _write(rule, draft, now)
    was, is_now = audit.difference(before, _said(draft))
    _audit("rule.edited", rule, by, now, was, is_now)


def _write(rule: RoutingRule, draft: RuleDraft, now: datetime) -> None:
    _check_channels(rule.organization_id, draft)
    rule.name, rule.condition = draft.name, routing.to_json(draft.condition)
    rule.everybody, rule.last = draft.everybody, draft.last
    rule.waits, rule.remind_seconds = list(draft.waits), draft.remind
    rule.updated_at = now
    db.session.add(rule)
    db.session.flush()
    db.session.execute(delete_rows(RoutingRuleChannel).where(RoutingRuleChannel.rule_id == rule.id))
    rows = [{"rule_id": rule.id, "step": n, "channel_id": id} for n, step in enumerate(draft.steps) for id in step]
    if rows:
        db.session.execute(insert(RoutingRuleChannel), rows)


def _check_channels(organization_id: UUID, draft: RuleDraft) -> None:
    """Raises Invalid for channels of somebody else: they don't exist here. The others can't be deleted meanwhile."""
    chosen = {id for step in draft.steps for id in step}
    statement = select(Channel.id).where(Channel.id.in_(chosen), Channel.organization_id == organization_id)
    known = set(db.session.execute(statement.with_for_update(read=True, key_share=True)).scalars()) if chosen else set()
    mistakes = {
        f"step_{n}": ["names a channel that does not exist here; choose among those that do"]
        for n, step in enumerate(draft.steps)
        if step - known
    }
    if mistakes:
        raise errors.Invalid(mistakes)


def _locked(rule_id: UUID) -> RoutingRule:
    """The rule, its organization locked. Raises NotFound if it is gone meanwhile."""
    organization_id = db.session.execute(
        select(RoutingRule.organization_id).where(RoutingRule.id == rule_id)
    ).scalar_one_or_none()
    if organization_id is None:
        raise errors.NotFound("This rule is gone.")
    _lock(organization_id)
    rule = db.session.get(RoutingRule, rule_id, populate_existing=True)
    if rule is None:
        raise errors.NotFound("This rule is gone.")
    return rule


def _lock(organization_id: UUID) -> Organization:
    """Whoever changes rules comes after whoever does so now: their order is one thing."""
    return db.session.get_one(
        Organization, organization_id, with_for_update={"key_share": True}, populate_existing=True
    )


def _ordered(organization_id: UUID) -> list[RoutingRule]:
    """All but the default rule, locked by way of their organization."""
    _lock(organization_id)
    return [row for row in stored.rows(organization_id) if not row.fallback]


def _after(others: Sequence[RoutingRule]) -> int:
    return max((row.position for row in others), default=-1) + 1


def _not_the_default(rule: RoutingRule) -> None:
    if rule.fallback:
        raise errors.Conflict("The default rule always comes last and can't be disabled. Change whom it tells instead.")


def _as_draft(row: RoutingRule) -> RuleDraft:
    rule = stored.as_rule(row, stored.steps(row.id))
    return RuleDraft(rule.name, rule.condition, rule.steps, rule.waits, rule.remind, rule.everybody, rule.last)


def _said(draft: RuleDraft) -> dict[str, Any]:
    """What the audit log keeps of it."""
    steps = [sorted(ids.public("chn", id) for id in step) for step in draft.steps]
    return {
        "name": draft.name, "condition": routing.to_json(draft.condition), "steps": steps, "waits": list(draft.waits),
        "remind_seconds": draft.remind, "everybody": draft.everybody, "last": draft.last,
    }  # fmt: skip


def _audit(
    what: str, rule: RoutingRule, by: Actor, now: datetime,
    before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    audit.record(
        what, by, rule.organization_id, now, object_id=rule.id, object_name=rule.name, before=before, after=after
    )
