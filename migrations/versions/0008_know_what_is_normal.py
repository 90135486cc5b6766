"""Make room for what is normal: baselines, roll-ups of runs, views of incidents, and reports by mail.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())
_SENSITIVITIES = "sensitivity in ('off', 'low', 'normal', 'high')"


def upgrade() -> None:
    _add_baselines()
    _add_rollups()
    _add_presets()
    _add_report_schedules()
    op.add_column("monitors", sa.Column("sensitivity", sa.String(length=6), server_default="normal", nullable=False))
    op.add_column("runs", sa.Column("findings", _JSON, nullable=True))
    op.add_column("memberships", sa.Column("preset_id", sa.Uuid(), nullable=True))
    op.add_column("incident_events", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.execute(f"alter table monitors add constraint ck_monitors_sensitivity check ({_SENSITIVITIES}) not valid")
    _refer("memberships", "preset_id", "presets")
    _refer("incident_events", "user_id", "users")
    with op.get_context().autocommit_block():
        op.execute("alter table monitors validate constraint ck_monitors_sensitivity")
        for table, column in (("memberships", "preset_id"), ("incident_events", "user_id")):
            op.execute(f"alter table {table} validate constraint fk_{table}_{column}")
            op.create_index(
                f"ix_{table}_{column}",
                table,
                [column],
                postgresql_concurrently=True,
                postgresql_where=sa.text(f"{column} is not null"),
            )


def _refer(table: str, column: str, to: str) -> None:
    op.execute(
        f"alter table {table} add constraint fk_{table}_{column} foreign key ({column}) "
        f"references {to} (id) on delete set null not valid"
    )


def _add_baselines() -> None:
    op.create_table(
        "baselines",
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("judged_until", _MOMENT, nullable=False),
        sa.Column("measures", _JSON, server_default="{}", nullable=False),
        _of("baselines", "monitor_id", "monitors"),
        sa.PrimaryKeyConstraint("monitor_id", name=op.f("pk_baselines")),
    )
    op.create_table(
        "bands",
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("measure", sa.String(length=80), nullable=False),
        sa.Column("day", _MOMENT, nullable=False),
        sa.Column("low", sa.Float(), nullable=False),
        sa.Column("usual", sa.Float(), nullable=False),
        sa.Column("high", sa.Float(), nullable=False),
        _of("bands", "monitor_id", "monitors"),
        sa.PrimaryKeyConstraint("monitor_id", "measure", "day", name=op.f("pk_bands")),
    )


def _add_rollups() -> None:
    counts = ("succeeded", "failed", "overran", "missed", "unfinished", "awaited", "anomalies", "timed")
    op.create_table(
        "rollups",
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in counts),
        sa.Column("total_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("squares", sa.Float(precision=53), server_default="0", nullable=False),
        sa.Column("min_ms", sa.BigInteger(), nullable=True),
        sa.Column("max_ms", sa.BigInteger(), nullable=True),
        sa.Column("histogram", _JSON, server_default="{}", nullable=False),
        sa.Column("output_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("grain in ('hour', 'day')", name=op.f("ck_rollups_grain")),
        _of("rollups", "monitor_id", "monitors"),
        sa.PrimaryKeyConstraint("monitor_id", "grain", "at", name=op.f("pk_rollups")),
    )
    op.create_index("ix_rollups_grain_at", "rollups", ["grain", "at"])
    op.create_index("ix_rollups_open", "rollups", ["at"], postgresql_where=sa.text("unfinished > 0 or awaited > 0"))
    op.create_table(
        "rollup_marks",
        sa.Column("grain", sa.String(length=4), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("after", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("grain", name=op.f("pk_rollup_marks")),
    )


def _add_presets() -> None:
    op.create_table(
        "presets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("query", sa.Text(), server_default="", nullable=False),
        sa.Column("shared", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        _of("presets", "organization_id", "organizations"),
        _of("presets", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presets")),
    )
    op.create_index("ix_presets_organization_id", "presets", ["organization_id"])
    op.create_index("ix_presets_user_id", "presets", ["user_id"])


def _add_report_schedules() -> None:
    op.create_table(
        "report_schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), server_default="", nullable=False),
        sa.Column("next_at", _MOMENT, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        _of("report_schedules", "organization_id", "organizations"),
        _of("report_schedules", "user_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_schedules")),
    )
    op.create_index("uq_report_schedules_whose", "report_schedules", ["organization_id", "user_id", "tag"], unique=True)
    op.create_index("ix_report_schedules_user_id", "report_schedules", ["user_id"])
    op.create_index("ix_report_schedules_next_at", "report_schedules", ["next_at"])


def _of(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    """What goes with the row it belongs to."""
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def downgrade() -> None:
    op.drop_column("incident_events", "user_id")
    op.drop_column("memberships", "preset_id")
    op.drop_column("runs", "findings")
    op.drop_column("monitors", "sensitivity")
    for table in ("report_schedules", "presets", "rollup_marks", "rollups", "bands", "baselines"):
        op.drop_table(table)
