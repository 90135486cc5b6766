from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model


class MonitorDependency(Model):
    """`monitor_id` can't be well while `depends_on_id` is down, so nobody is told of it then."""

    __tablename__ = "monitor_dependencies"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    depends_on_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)

    __table_args__ = (
        CheckConstraint("monitor_id <> depends_on_id", name="not_itself"),
        Index("ix_monitor_dependencies_depends_on_id", "depends_on_id"),
    )
