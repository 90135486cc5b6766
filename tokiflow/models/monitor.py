from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, Key, MaybeUserId, Moment, Name, OrganizationId, TextList, Words


class Monitor(Model):
    """One watched scheduled job: what people chose, then what is known of it (core.status.State)."""

    __tablename__ = "monitors"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    name: Mapped[Name]
    slug: Mapped[str] = mapped_column(String(200))
    description: Mapped[Words]
    tags: Mapped[TextList]
    # Shown on the monitor's page, so it can't be hashed; unguessable, rotatable, in no log.
    token: Mapped[str] = mapped_column(String(64), unique=True)

    schedule_kind: Mapped[str] = mapped_column(String(10))
    schedule_seconds: Mapped[int | None]
    schedule_expression: Mapped[Words]
    schedule_timezone: Mapped[Words]
    grace_seconds: Mapped[int]
    max_runtime_seconds: Mapped[int]
    early_tolerance_seconds: Mapped[int] = mapped_column(server_default="0")
    failures_to_open: Mapped[int] = mapped_column(server_default="1")
    successes_to_resolve: Mapped[int] = mapped_column(server_default="1")
    overlaps_allowed: Mapped[bool] = mapped_column(server_default="true")
    capture_output: Mapped[bool] = mapped_column(server_default="true")
    # How far from usual a run may be before it is called an anomaly (core.anomaly.Sensitivity).
    sensitivity: Mapped[str] = mapped_column(String(6), server_default="normal")
    # Whether only the channels named in monitor_channels hear of it, even if none is left.
    own_channels: Mapped[bool] = mapped_column(server_default="false")

    status: Mapped[str] = mapped_column(String(10), server_default="new")
    due_at: Mapped[Moment | None]
    deadline_at: Mapped[Moment | None]
    bad: Mapped[Count]
    good: Mapped[Count]
    misses: Mapped[Count]
    flapping: Mapped[bool] = mapped_column(server_default="false")
    paused_until: Mapped[Moment | None]
    paused_at: Mapped[Moment | None]
    paused_by: Mapped[Words]
    # Not known of monitors that were heard of before 0009.
    first_ping_at: Mapped[Moment | None]
    last_ping_at: Mapped[Moment | None]
    ping_count: Mapped[Count]
    running: Mapped[Count]
    # When the oldest run began that may still finish: no open run is looked for before it.
    open_since: Mapped[Moment | None]
    # The rate limit of its pings (core.rates): when the next one fits in, and when one was last refused.
    rate_at: Mapped[Moment | None]
    limited_at: Mapped[Moment | None]
    # When the clock must look again (core.status.watch_at).
    watch_at: Mapped[Moment | None]

    version: Mapped[Count]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    created_by: Mapped[MaybeUserId]

    __table_args__ = (
        UniqueConstraint("organization_id", "slug"),
        CheckConstraint("status in ('new', 'up', 'down', 'paused')", name="status"),
        CheckConstraint("schedule_kind in ('every', 'cron', 'calendar')", name="schedule_kind"),
        CheckConstraint("sensitivity in ('off', 'low', 'normal', 'high')", name="sensitivity"),
        # queries.monitors.page: the list, by name
        Index("ix_monitors_organization_id_name", "organization_id", "name"),
        # services.overdue: the earliest to look at, and all that are due
        Index("ix_monitors_watch_at", "watch_at", postgresql_where=text("watch_at is not null")),
    )
