"""Partition pings and runs by time, and make room for output in a store, ping keys, rate limits and spools.

Copies all pings and runs, and holds every other user of them off meanwhile: run it in a quiet moment. The tables that
are copied have never been in a release.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _widen()
    _put_aside("pings", "ix_pings_run_id")
    _put_aside("runs", "ix_runs_monitor_id_at", "ix_runs_monitor_id_rid", "ix_runs_open")
    _make_pings()
    _make_runs()
    op.execute(f"insert into pings ({_PINGS}) select {_PINGS} from pings_before")
    op.execute(
        f"insert into runs ({_RUNS}, output_at) select {_RUNS}, (select p.at from pings_before p "
        "where p.monitor_id = r.monitor_id and p.n = r.output_n) from runs_before r"
    )
    op.execute(
        "update monitors set open_since = (select min(r.at) from runs_before r where r.monitor_id = monitors.id "
        "and r.finished_at is null and r.outcome in ('running', 'overran'))"
    )
    _on_purpose("ban-drop-table", "drop table pings_before")
    _on_purpose("ban-drop-table", "drop table runs_before")
    with op.get_context().autocommit_block():
        # Every ping would have to keep it up to date; the tags of one organization are quickly looked through.
        op.drop_index("ix_monitors_tags", table_name="monitors", postgresql_using="gin", postgresql_concurrently=True)


def _on_purpose(rule: str, statement: str) -> None:
    """What the check of our SQL rightly warns of, and what this migration is about."""
    op.execute(f"-- squawk-ignore {rule}\n{statement}")


def _widen() -> None:
    op.add_column("organizations", sa.Column("ping_key", sa.String(length=64), nullable=True))
    op.create_unique_constraint(op.f("uq_organizations_ping_key"), "organizations", ["ping_key"])
    op.add_column(
        "organizations",
        sa.Column("redaction_patterns", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("heartbeats", sa.Column("left_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("open_since", "rate_at", "limited_at"):
        op.add_column("monitors", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    # Room for the next version of a row beside it: most pings change nothing that is indexed.
    op.execute("alter table monitors set (fillfactor = 70)")
    op.create_table(
        "offloads",
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", "at", "n", name=op.f("pk_offloads")),
    )
    op.create_index("ix_offloads_next_attempt_at", "offloads", ["next_attempt_at"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("monitor_id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_next_attempt_at", "erasures", ["next_attempt_at"], unique=False)
    op.create_table(
        "spools",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("replayed", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spools")),
    )


def _put_aside(table: str, *indexes: str) -> None:
    """Rename `table` to `table`_before, so that its names are free."""
    for index in indexes:
        _on_purpose("require-concurrent-index-deletion", f"drop index {index}")
    _on_purpose("ban-drop-constraint", f"alter table {table} drop constraint pk_{table}")
    _on_purpose("renaming-table", f"alter table {table} rename to {table}_before")


def _make_pings() -> None:
    op.create_table(
        "pings",
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("signal", sa.String(length=10), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("rid", sa.Uuid(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("environment", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("body_key", sa.Text(), nullable=True),
        sa.Column("body_size", sa.Integer(), server_default="0", nullable=False),
        sa.Column("body_cut", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("monitor_id", "at", "n", name=op.f("pk_pings")),
        postgresql_partition_by="RANGE (at)",
    )
    # Three times as fast as what is built in, which compresses a little better. Some builds of PostgreSQL lack it.
    op.execute(
        "do $$ begin alter table pings alter column body set compression lz4; "
        "exception when feature_not_supported or invalid_parameter_value then null; end $$"
    )
    op.execute("create table pings_default partition of pings default")


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("rid", sa.Uuid(), nullable=True),
        sa.Column("environment", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overran_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("output_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("output_n", sa.Integer(), nullable=True),
        sa.Column("output_size", sa.Integer(), server_default="0", nullable=False),
        sa.Column("output_cut", sa.Integer(), nullable=True),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("last_log", sa.String(length=32), nullable=True),
        sa.Column("last_log_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "outcome in ('running', 'success', 'failed', 'overran', 'missed')", name=op.f("ck_runs_outcome")
        ),
        sa.PrimaryKeyConstraint("id", "at", name=op.f("pk_runs")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index(
        "ix_runs_monitor_id_at", "runs", ["monitor_id", sa.literal_column("at desc"), sa.literal_column("id desc")]
    )
    op.create_index(
        "ix_runs_monitor_id_rid", "runs", ["monitor_id", "rid"], postgresql_where=sa.text("rid is not null")
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["monitor_id"],
        postgresql_where=sa.text("finished_at is null and outcome in ('running', 'overran')"),
    )
    op.execute("create table runs_default partition of runs default")


_PINGS = (
    "monitor_id, at, n, signal, run_id, rid, exit_code, duration_ms, environment, message, progress, metrics, "
    "method, source, user_agent, body, body_size, body_cut"
)
_RUNS = (
    "id, monitor_id, rid, environment, at, started_at, finished_at, deadline_at, overran_at, due_at, duration_ms, "
    "outcome, exit_code, message, output_n, output_size, output_cut, progress, metrics"
)


def downgrade() -> None:
    """Pings and runs become plain tables again."""
    _put_aside("pings")
    _put_aside("runs", "ix_runs_monitor_id_at", "ix_runs_monitor_id_rid", "ix_runs_open")
    # `like` takes neither keys nor partitions along; the columns that are new go with the tables.
    op.execute("create table pings (like pings_before including defaults)")
    op.execute("create table runs (like runs_before including defaults including constraints)")
    op.execute(f"insert into pings ({_PINGS}) select {_PINGS} from pings_before")
    op.execute(f"insert into runs ({_RUNS}) select {_RUNS} from runs_before")
    op.execute("drop table pings_before")
    op.execute("drop table runs_before")
    op.drop_column("pings", "body_key")
    for column in ("output_at", "last_log", "last_log_at"):
        op.drop_column("runs", column)
    op.create_primary_key("pk_pings", "pings", ["monitor_id", "n"])
    op.create_primary_key("pk_runs", "runs", ["id"])
    for table in ("pings", "runs"):
        op.execute(f"delete from {table} where monitor_id not in (select id from monitors)")
        op.create_foreign_key(
            op.f(f"fk_{table}_monitor_id"), table, "monitors", ["monitor_id"], ["id"], ondelete="CASCADE"
        )
    op.create_index("ix_pings_run_id", "pings", ["run_id"], postgresql_where=sa.text("run_id is not null"))
    op.create_index(
        "ix_runs_monitor_id_at", "runs", ["monitor_id", sa.literal_column("at desc"), sa.literal_column("id desc")]
    )
    op.create_index(
        "ix_runs_monitor_id_rid", "runs", ["monitor_id", "rid"], postgresql_where=sa.text("rid is not null")
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["monitor_id"],
        postgresql_where=sa.text("finished_at is null and outcome in ('running', 'overran')"),
    )
    op.create_index("ix_monitors_tags", "monitors", ["tags"], postgresql_using="gin")
    for table in ("spools", "erasures", "offloads"):
        op.drop_table(table)
    op.drop_column("heartbeats", "left_at")
    op.execute("alter table monitors reset (fillfactor)")
    for column in ("open_since", "rate_at", "limited_at"):
        op.drop_column("monitors", column)
    op.drop_constraint(op.f("uq_organizations_ping_key"), "organizations", type_="unique")
    op.drop_column("organizations", "redaction_patterns")
    op.drop_column("organizations", "ping_key")
