from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import Moment, Words


class Ping(Model):
    """One received signal, the `n`-th of its monitor. `body` is what was kept of its output, until it lies in the
    store under `body_key`.

    Partitioned by day (services.partitions) and therefore without a foreign key: a day goes by dropping its table.
    """

    __tablename__ = "pings"
    # In this order it is the one index that every query needs: a monitor's pings by time.
    monitor_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[Moment] = mapped_column(UtcDateTime, primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
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
    body_key: Mapped[str | None] = mapped_column(Text)
    body_size: Mapped[int] = mapped_column(server_default="0")
    body_cut: Mapped[int | None]

    __table_args__ = {"postgresql_partition_by": "RANGE (at)"}  # noqa: RUF012
