"""Rules, and everybody they may choose from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import exists, false, select

from tokiflow import errors
from tokiflow.core import hours, routing
from tokiflow.core.hours import Hours
from tokiflow.core.routing import Routing, Rule, Subject
from tokiflow.db import among, db
from tokiflow.models import Channel, MonitorChannel, Organization, RoutingRule, RoutingRuleChannel

Steps = Mapping[int, frozenset[UUID]]


class Listener(NamedTuple):
    """A channel that may be told."""

    id: UUID
    kind: str
    name: str
    enabled: bool
    disabled_reason: str = ""
    """Why Tokiflow disabled it: nothing arrives there. Empty if a person did."""


@dataclass(frozen=True)
class Audience:
    """Who may be told in some organizations, and by what rules: by organization, and `own` by monitor. `populated` are
    those that have any channel."""

    names: Mapping[UUID, str]
    populated: Collection[UUID]
    quiet_hours: Mapping[UUID, Hours | None]
    listeners: Mapping[UUID, Mapping[UUID, Listener]]
    rules: Mapping[UUID, Sequence[Rule]]
    own: Mapping[UUID, frozenset[UUID]]

    def route(self, organization_id: UUID, subject: Subject, at: datetime) -> Routing:
        """Who is told of `subject` at `at`, disabled channels among them."""
        return routing.route(self.rules[organization_id], subject, at, self.listeners[organization_id])

    def rule(self, organization_id: UUID, rule_id: UUID | None) -> Rule | None:
        """The rule as it is now; None if it is gone."""
        return next((rule for rule in self.rules[organization_id] if rule.id is not None and rule.id == rule_id), None)

    def enabled(self, organization_id: UUID, channel_id: UUID) -> bool:
        """Whether the channel hears of trouble."""
        listener = self.listeners[organization_id].get(channel_id)
        return listener is not None and listener.enabled

    def quiet_until(self, organization_id: UUID, severity: str, at: datetime) -> datetime | None:
        """When the quiet hours end in which trouble of `severity` waits at `at`; None if it doesn't wait."""
        quiet = self.quiet_hours[organization_id]
        return quiet.until(at) if severity == "warning" and quiet is not None and quiet.contain(at) else None


def audience(
    organization_ids: Collection[UUID], with_own: Collection[UUID] = (), only_own: Collection[UUID] = ()
) -> Audience:
    """Everybody of these organizations, and what the monitors `with_own` channels name. Three statements, or four.

    Of the organizations in `only_own` nobody else is asked for: of a thousand channels, those of a few monitors.
    """
    populated = exists().where(Channel.organization_id == Organization.id)
    organizations = db.session.execute(
        select(Organization.id, Organization.name, Organization.quiet_hours, populated.label("populated")).where(
            among(Organization.id, organization_ids)
        )
    ).all()
    named = own(with_own)
    return Audience(
        names={row.id: row.name for row in organizations},
        quiet_hours={row.id: hours.from_json(row.quiet_hours) if row.quiet_hours else None for row in organizations},
        populated={row.id for row in organizations if row.populated},
        listeners=listeners(organization_ids, {one for found in named.values() for one in found}, only_own),
        rules=of(organization_ids),
        own=named,
    )


def quiet_hours(organization_id: UUID) -> Hours | None:
    """When warnings wait; None for never."""
    statement = select(Organization.quiet_hours).where(Organization.id == organization_id)
    kept = db.session.execute(statement).scalar_one()
    return hours.from_json(kept) if kept else None


def own(monitor_ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    """By monitor: the channels it names for itself."""
    if not monitor_ids:
        return {}
    found: dict[UUID, set[UUID]] = {monitor_id: set() for monitor_id in monitor_ids}
    statement = select(MonitorChannel.monitor_id, MonitorChannel.channel_id)
    for monitor_id, channel_id in db.session.execute(statement.where(among(MonitorChannel.monitor_id, monitor_ids))):
        found[monitor_id].add(channel_id)
    return {monitor_id: frozenset(channels) for monitor_id, channels in found.items()}


def of(organization_ids: Collection[UUID]) -> dict[UUID, list[Rule]]:
    """By organization: its rules in order, its default rule wherever it stands. One statement."""
    step = RoutingRuleChannel
    statement = select(RoutingRule, step.step, step.channel_id).outerjoin(step, step.rule_id == RoutingRule.id)
    statement = statement.where(among(RoutingRule.organization_id, organization_ids))
    rows: dict[UUID, RoutingRule] = {}
    steps: dict[UUID, dict[int, frozenset[UUID]]] = {}
    for row, number, channel_id in db.session.execute(statement.order_by(RoutingRule.position, RoutingRule.id)):
        rows[row.id] = row
        known = steps.setdefault(row.id, {})
        if channel_id is not None:
            known[number] = known.get(number, frozenset()) | {channel_id}
    found: dict[UUID, list[Rule]] = {organization_id: [] for organization_id in organization_ids}
    for row in rows.values():
        found[row.organization_id].append(as_rule(row, steps[row.id]))
    return found


def rows(organization_id: UUID) -> Sequence[RoutingRule]:
    """The organization's rules in order, the default rule last if it has been written."""
    statement = select(RoutingRule).where(RoutingRule.organization_id == organization_id)
    statement = statement.order_by(RoutingRule.fallback, RoutingRule.position, RoutingRule.id)
    return db.session.execute(statement).scalars().all()


def get(rule_id: UUID) -> RoutingRule:
    """Raises NotFound. Whoever calls checks the organization."""
    found = db.session.get(RoutingRule, rule_id)
    if found is None:
        raise errors.NotFound
    return found


def steps(rule_id: UUID) -> Steps:
    """The channels of each step of the rule."""
    found: dict[int, frozenset[UUID]] = {}
    statement = select(RoutingRuleChannel.step, RoutingRuleChannel.channel_id)
    for step, channel_id in db.session.execute(statement.where(RoutingRuleChannel.rule_id == rule_id)):
        found[step] = found.get(step, frozenset()) | {channel_id}
    return found


def as_rule(row: RoutingRule, steps: Steps) -> Rule:
    """The rule in `row`, as core thinks of it."""
    return Rule(
        id=row.id,
        name=row.name,
        condition=routing.from_json(row.condition),
        steps=tuple(steps.get(n, frozenset()) for n in range(len(row.waits) + 1)),
        waits=tuple(row.waits),
        remind=row.remind_seconds,
        enabled=row.enabled,
        fallback=row.fallback,
        everybody=row.everybody,
        last=row.last,
    )


def listeners(
    organization_ids: Collection[UUID], named: Collection[UUID] = (), only_named: Collection[UUID] = ()
) -> dict[UUID, dict[UUID, Listener]]:
    """By organization: every channel it has, disabled or not. Of those in `only_named`, only what is in `named`."""
    found: dict[UUID, dict[UUID, Listener]] = {organization_id: {} for organization_id in organization_ids}
    columns: Any = (
        Channel.id, Channel.kind, Channel.name, Channel.enabled, Channel.disabled_reason, Channel.organization_id
    )  # fmt: skip
    whole = [one for one in organization_ids if one not in only_named]
    wanted = among(Channel.organization_id, whole) if whole else false()
    if only_named:
        wanted = wanted | (among(Channel.id, named) & among(Channel.organization_id, only_named))
    for *said, organization_id in db.session.execute(select(*columns).where(wanted).order_by(Channel.id)):
        found[organization_id][said[0]] = Listener(*said)
    return found
