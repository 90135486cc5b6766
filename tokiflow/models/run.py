from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model, UtcDateTime
from tokiflow.models.columns import Json, Key, Moment, Words


class Run(Model):
    """One execution of a job, built from pings; or an occurrence that passed in silence (`missed`).

    Partitioned by week (services.partitions) and therefore without a foreign key: a week goes by dropping its table.
    """

    __tablename__ = "runs"
    id: Mapped[Key]
    monitor_id: Mapped[UUID]
    rid: Mapped[UUID | None]
    environment: Mapped[Words]
    # When it was first heard of: the start, or the finish of a run that never said it started, or the deadline missed.
    at: Mapped[Moment] = mapped_column(UtcDateTime, primary_key=True)
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    deadline_at: Mapped[Moment | None]
    overran_at: Mapped[Moment | None]
    # For a missed occurrence: when it was due.
    due_at: Mapped[Moment | None]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(String(10))
    exit_code: Mapped[int | None]
    message: Mapped[Words]
    # Which ping holds the output (pings.at, pings.n), and how much came.
    output_at: Mapped[Moment | None]
    output_n: Mapped[int | None]
    output_size: Mapped[int] = mapped_column(server_default="0")
    output_cut: Mapped[int | None]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    metrics: Mapped[Json]
    # What was unlike the usual, each with its reason in numbers (core.anomaly); None where nothing was.
    findings: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    # What its last log ping said (core.signals.fingerprint) and when, to know a client's retry.
    last_log: Mapped[str | None] = mapped_column(String(32))
    last_log_at: Mapped[Moment | None]

    # The id alone is unique; `at` stands in the table's key only because the table is partitioned by it.
    __mapper_args__ = {"primary_key": ["id"]}  # noqa: RUF012
    __table_args__ = (
        CheckConstraint("outcome in ('running', 'success', 'failed', 'overran', 'missed')", name="outcome"),
        # queries.runs.latest
        Index("ix_runs_monitor_id_at", "monitor_id", text("at desc"), text("id desc")),
        # services.pings: open runs of the monitors at hand; every one is watched
        Index(
            "ix_runs_open",
            "monitor_id",
            postgresql_where=text("finished_at is null and outcome in ('running', 'overran')"),
        ),
        # services.pings: the run of a rid
        Index("ix_runs_monitor_id_rid", "monitor_id", "rid", postgresql_where=text("rid is not null")),
        {"postgresql_partition_by": "RANGE (at)"},
    )
