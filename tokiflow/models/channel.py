from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Key, Moment, Name, OrganizationId, Words
from tokiflow.models.sealed import SealedJson

CONFIG = SealedJson(open=("to", "team", "channel"))
"""Statements ask who gets mail, and which channels a workspace has."""


class Channel(Model):
    """A configured destination for alerts. `config` is what its kind (channels.get) has validated; addresses with a
    secret in them, tokens and headers lie sealed in it, and whatever a new kind brings."""

    __tablename__ = "channels"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[Name]
    config: Mapped[dict[str, Any]] = mapped_column(CONFIG, server_default="{}")
    enabled: Mapped[bool] = mapped_column(server_default="true")
    disabled_reason: Mapped[Words]
    # More than so many messages about trouble within the window become one that lists them. None: never.
    group_after: Mapped[int | None]
    group_window_seconds: Mapped[int] = mapped_column(server_default="60")
    # Beyond so many messages an hour they are summed up. None: no limit.
    rate_per_hour: Mapped[int | None]
    last_delivery_at: Mapped[Moment | None]
    last_error: Mapped[Words]
    version: Mapped[Count]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]

    __table_args__ = (Index("ix_channels_organization_id_name", "organization_id", "name"),)


class MonitorChannel(Model):
    """A channel that a monitor names for itself."""

    __tablename__ = "monitor_channels"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (Index("ix_monitor_channels_channel_id", "channel_id"),)
