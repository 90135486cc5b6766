from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Json, Key, Name, OrganizationId


class RoutingRule(Model):
    """Who is told of what, in the order of `position`. `condition` is core.routing.Condition's; {} is always.

    Step 0 is told at once, step n after `waits[n - 1]` seconds without acknowledgement.
    """

    __tablename__ = "routing_rules"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    position: Mapped[Count]
    name: Mapped[Name]
    enabled: Mapped[bool] = mapped_column(server_default="true")
    # The default rule, for what no other rule speaks of. At most one.
    fallback: Mapped[bool] = mapped_column(server_default="false")
    condition: Mapped[Json]
    # Every enabled channel hears of it at once, whatever routing_rule_channels say of step 0.
    everybody: Mapped[bool] = mapped_column(server_default="false")
    # No rule after this one is asked where it matches.
    last: Mapped[bool] = mapped_column(server_default="false")
    waits: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    remind_seconds: Mapped[int | None]
    version: Mapped[Count]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (
        # queries.routing: the rules in order
        Index("ix_routing_rules_organization_id", "organization_id", "position", "id"),
        Index("uq_routing_rules_fallback", "organization_id", unique=True, postgresql_where=text("fallback")),
    )


class RoutingRuleChannel(Model):
    """A channel that a step of a rule tells."""

    __tablename__ = "routing_rule_channels"
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("routing_rules.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (Index("ix_routing_rule_channels_channel_id", "channel_id"),)
