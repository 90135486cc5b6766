"""What belongs to an organization, table by table: what its export holds, and its import writes.

In the order in which rows can be written: whatever a row refers to comes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Select, Table, select

from tokiflow import models
from tokiflow.db import Model

OF_THE_MOMENT = frozenset({"lease_until", "rung_at"})
"""Who works at a row right now: it means nothing elsewhere."""


@dataclass(frozen=True)
class Part:
    """The rows of one table that belong to an organization.

    of: the tables that its columns refer to, when those belong to the organization too: {"monitor_id": "monitors"}.
    without: columns that are not told. people: columns that name a person, which only tells of who is still a member.
    """

    model: type[Model]
    mine: Callable[[UUID], ColumnElement[bool]]
    of: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    @property
    def table(self) -> Table:
        found = self.model.__table__
        assert isinstance(found, Table)
        return found

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def columns(self) -> list[Column[Any]]:
        """The columns that are told."""
        return [one for one in self.table.columns if one.name not in self.without | OF_THE_MOMENT]

    def rows(self, organization_id: UUID) -> Select[Any]:
        """All of the organization's, each time in the same order."""
        return select(*self.columns).where(self.mine(organization_id)).order_by(*self.table.primary_key.columns)


def _own(model: Any) -> Callable[[UUID], ColumnElement[bool]]:
    def mine(organization_id: UUID) -> ColumnElement[bool]:
        found: ColumnElement[bool] = model.organization_id == organization_id
        return found

    return mine


def _through(column: Any, parent: Any) -> Callable[[UUID], ColumnElement[bool]]:
    """Rows whose `column` names a `parent` of the organization."""

    def mine(organization_id: UUID) -> ColumnElement[bool]:
        found: ColumnElement[bool] = column.in_(select(parent.id).where(parent.organization_id == organization_id))
        return found

    return mine


ORGANIZATION = Part(
    models.Organization, lambda organization_id: models.Organization.id == organization_id,
    without=frozenset({"erase_at"}),
)  # fmt: skip
MONITORS = Part(models.Monitor, _own(models.Monitor), people=frozenset({"created_by"}))
CHANNELS = Part(models.Channel, _own(models.Channel))
RUNS = Part(models.Run, _through(models.Run.monitor_id, models.Monitor), {"monitor_id": "monitors"})
PINGS = Part(
    models.Ping, _through(models.Ping.monitor_id, models.Monitor), {"monitor_id": "monitors"},
    without=frozenset({"body", "body_key"}),
)  # fmt: skip
DELIVERIES = Part(
    models.Delivery, _own(models.Delivery),
    {"alert_id": "alerts", "channel_id": "channels", "incident_id": "incidents", "summary_id": "summaries"},
)  # fmt: skip
AUDIT_CHAIN = Part(models.AuditChain, _own(models.AuditChain), without=frozenset({"sealed_key"}))
AUDIT = Part(models.AuditEvent, _own(models.AuditEvent))

PARTS: tuple[Part, ...] = (
    ORGANIZATION,
    CHANNELS,
    MONITORS,
    Part(
        models.MonitorChannel, _through(models.MonitorChannel.monitor_id, models.Monitor),
        {"monitor_id": "monitors", "channel_id": "channels"},
    ),
    Part(
        models.MonitorDependency, _through(models.MonitorDependency.monitor_id, models.Monitor),
        {"monitor_id": "monitors", "depends_on_id": "monitors"},
    ),
    Part(models.Recipient, _own(models.Recipient)),
    Part(models.RoutingRule, _own(models.RoutingRule)),
    Part(
        models.RoutingRuleChannel, _through(models.RoutingRuleChannel.rule_id, models.RoutingRule),
        {"rule_id": "routing_rules", "channel_id": "channels"},
    ),
    Part(models.MaintenanceWindow, _own(models.MaintenanceWindow), people=frozenset({"created_by"})),
    Part(
        models.MaintenanceWindowMonitor, _through(models.MaintenanceWindowMonitor.window_id, models.MaintenanceWindow),
        {"window_id": "maintenance_windows", "monitor_id": "monitors"},
    ),
    Part(
        models.MaintenanceOccurrence, _through(models.MaintenanceOccurrence.window_id, models.MaintenanceWindow),
        {"window_id": "maintenance_windows"},
    ),
    Part(models.Incident, _own(models.Incident), {"monitor_id": "monitors"}, people=frozenset({"assigned_to"})),
    Part(
        models.IncidentEvent, _through(models.IncidentEvent.incident_id, models.Incident),
        {"incident_id": "incidents"}, people=frozenset({"user_id"}),
    ),
    Part(models.Summary, _own(models.Summary), {"channel_id": "channels"}),
    Part(models.Alert, _own(models.Alert), {"incident_id": "incidents"}),
    DELIVERIES,
    Part(models.Attempt, _through(models.Attempt.delivery_id, models.Delivery), {"delivery_id": "deliveries"}),
    Part(
        models.FollowUp, _own(models.FollowUp),
        {"incident_id": "incidents", "rule_id": "routing_rules", "blocked_by": "monitors"},
    ),
    RUNS,
    PINGS,
    Part(models.Rollup, _through(models.Rollup.monitor_id, models.Monitor), {"monitor_id": "monitors"}),
    Part(models.Baseline, _through(models.Baseline.monitor_id, models.Monitor), {"monitor_id": "monitors"}),
    Part(models.Band, _through(models.Band.monitor_id, models.Monitor), {"monitor_id": "monitors"}),
    AUDIT_CHAIN,
    AUDIT,
)  # fmt: skip

LEFT_OUT = (
    "Secrets of channels: addresses of webhooks that are their own password, signing secrets, values of headers. "
    "Each channel names those it had under secrets_left_out.",
    "Slack workspaces: the token of Tokiflow’s app in them.",
    "API keys. Make new ones.",
    "Invitations that nobody has answered. Send them again.",
    "Sessions, passkeys and second factors of members: they belong to the people, who find them in their own export.",
    "Views of the incidents that members have saved, and who gets reports by mail.",
    "Mails that are no alerts, and exports.",
)
"""What is not in the export of an organization, and why."""


def named(name: str) -> Part:
    """The part of this table."""
    return next(part for part in PARTS if part.name == name)


def elsewhere() -> Iterator[tuple[Table, Callable[[UUID], ColumnElement[bool]]]]:
    """Other tables with rows of an organization: not exported, but with words of people in them all the same."""
    others: tuple[Any, ...] = (
        models.ApiKey, models.Invitation, models.Letter, models.IdempotencyKey, models.SlackInstallation, models.Export,
        models.Preset, models.ReportSchedule,
    )  # fmt: skip
    for model in others:
        yield model.__table__, _own(model)
