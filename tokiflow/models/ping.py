from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Moment, Words


class Ping(Model):
    """One received signal, the `n`-th of its monitor. `body` is what was kept of its output."""

    __tablename__ = "pings"
    monitor_id: Mapped[UUID] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Moment]
    signal: Mapped[str] = mapped_column(String(10))
    run_id: Mapped[UUID | None]
    rid: Mapped[UUID | None]
    exit_code: Mapped[int | None]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    environment: Mapped[Words]
    message: Mapped[Words]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    method: Mapped[str] = mapped_column(String(10))
    source: Mapped[Words]
    user_agent: Mapped[Words]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    body_size: Mapped[int] = mapped_column(server_default="0")
    body_cut: Mapped[int | None]

    __table_args__ = (
        # queries.runs: the pings of a run
        Index("ix_pings_run_id", "run_id", postgresql_where=text("run_id is not null")),
    )
