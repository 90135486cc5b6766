"""Make room for people: sessions, second factors, invitations, exports, an end to accounts, and a chained audit log.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ENDS = "expires_at is not null and revoked_at is null and warned_at is null"

# What sending writes to again: with room for the next version of a row beside it, the lease of a delivery, the result of
# an attempt and the last success of a channel touch no index (services.claims, services.tries).
_WRITTEN_TWICE = ("deliveries", "attempts", "channels")


def upgrade() -> None:
    _add_tables()
    op.add_column("api_keys", sa.Column("replaced_by", sa.Uuid(), nullable=True))
    op.add_column("api_keys", sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("audit_events", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("audit_events", sa.Column("n", sa.BigInteger(), nullable=True))
    op.add_column("audit_events", sa.Column("words_hash", sa.String(length=64), server_default="", nullable=False))
    op.add_column("audit_events", sa.Column("hash", sa.String(length=64), server_default="", nullable=False))
    op.add_column("organizations", sa.Column("erase_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("erase_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sign_in_links", sa.Column("purpose", sa.String(length=10), server_default="sign_in", nullable=False))
    op.add_column("sign_in_links", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("sign_in_links", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.add_column("sign_in_links", sa.Column("google_sub", sa.String(length=255), nullable=True))
    for table in _WRITTEN_TWICE:
        op.execute(f"alter table {table} set (fillfactor = 50)")
    op.execute(
        "alter table api_keys add constraint fk_api_keys_replaced_by foreign key (replaced_by) "
        "references api_keys (id) on delete set null not valid"
    )
    with op.get_context().autocommit_block():
        op.execute("alter table api_keys validate constraint fk_api_keys_replaced_by")
        _index("ix_api_keys_expires_at", "api_keys", ["expires_at"], _ENDS)
        _index("ix_api_keys_replaced_by", "api_keys", ["replaced_by"], "replaced_by is not null")
        _index("ix_audit_events_by_id", "audit_events", ["by_id"], "by_id is not null")
        _index("uq_audit_events_n", "audit_events", ["organization_id", "n"], "n is not null", unique=True)
        _index_the_log()
        _index("ix_organizations_erase_at", "organizations", ["erase_at"], "erase_at is not null")
        _index("ix_users_erase_at", "users", ["erase_at"], "erase_at is not null")


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    """An index on a table in use."""
    op.create_index(name, table, columns, unique=unique, postgresql_concurrently=True, postgresql_where=sa.text(where))


def _index_the_log() -> None:
    """What the log can be narrowed down by, newest first. Ids alone did not know from which day an event is."""
    for name, by in (("at", []), ("by", ["by_kind", "by_id"]), ("what", ["what"])):
        columns = ["organization_id", *by, sa.literal_column("at desc"), sa.literal_column("id desc")]
        op.create_index(f"ix_audit_events_{name}", "audit_events", columns, postgresql_concurrently=True)
    op.drop_index("ix_audit_events_organization_id", table_name="audit_events", postgresql_concurrently=True)


def _add_tables() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("gone_n", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("gone_hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("before", sa.Integer(), server_default="0", nullable=False),
        sa.Column("walk_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("walk", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("verified_n", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("verified_hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broken", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_audit_chains_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_audit_chains")),
    )
    op.create_index("ix_audit_chains_walk_at", "audit_chains", ["walk_at"], unique=False)
    op.create_table(
        "authenticators",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_authenticators_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_authenticators")),
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("wanted", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("status", sa.String(length=10), server_default="pending", nullable=False),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("filename", sa.Text(), server_default="", nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('audit', 'organization', 'person')", name=op.f("ck_exports_kind")),
        sa.CheckConstraint("status in ('pending', 'done', 'dead')", name=op.f("ck_exports_status")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_exports_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_exports_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"], unique=False)
    op.create_index("ix_exports_organization_id", "exports", ["organization_id"], unique=False)
    op.create_index(
        "ix_exports_pending",
        "exports",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_exports_user_id", "exports", ["user_id", sa.literal_column("id desc")], unique=False)
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("synced", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_passkeys_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("digest", name=op.f("uq_recovery_codes_digest")),
    )
    op.create_index("ix_recovery_codes_user_id", "recovery_codes", ["user_id"], unique=False)
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("how", sa.String(length=10), nullable=False),
        sa.Column("device", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("how in ('link', 'google', 'passkey', 'local')", name=op.f("ck_user_sessions_how")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_user_sessions_digest")),
    )
    op.create_index(
        "ix_user_sessions_user_id",
        "user_sessions",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("ended_at is null"),
    )
    op.create_table(
        "api_key_uses",
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_api_key_uses_api_key_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("api_key_id", "day", name=op.f("pk_api_key_uses")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("letter_id", sa.Uuid(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_because", sa.String(length=10), server_default="", nullable=False),
        sa.CheckConstraint("role in ('owner', 'admin', 'member', 'viewer')", name=op.f("ck_invitations_role")),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["users.id"], name=op.f("fk_invitations_accepted_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name=op.f("fk_invitations_invited_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["letter_id"], ["letters.id"], name=op.f("fk_invitations_letter_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_invitations_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
    )
    op.create_index("ix_invitations_email", "invitations", ["email"], unique=False)
    op.create_index("ix_invitations_letter_id", "invitations", ["letter_id"], unique=False)
    op.create_index(
        "ix_invitations_organization_id", "invitations", ["organization_id", sa.literal_column("id desc")], unique=False
    )
    op.create_index(
        "uq_invitations_open",
        "invitations",
        ["organization_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at is null and declined_at is null and withdrawn_at is null"),
    )


def downgrade() -> None:
    for table in _WRITTEN_TWICE:
        op.execute(f"alter table {table} reset (fillfactor)")
    for name in ("google_sub", "session_id", "address", "purpose"):
        op.drop_column("sign_in_links", name)
    op.drop_index("ix_users_erase_at", table_name="users", postgresql_where=sa.text("erase_at is not null"))
    op.drop_column("users", "erase_at")
    op.drop_index(
        "ix_organizations_erase_at", table_name="organizations", postgresql_where=sa.text("erase_at is not null")
    )
    op.drop_column("organizations", "erase_at")
    op.drop_index("ix_audit_events_by_id", table_name="audit_events", postgresql_where=sa.text("by_id is not null"))
    op.create_index(
        "ix_audit_events_organization_id",
        "audit_events",
        ["organization_id", sa.literal_column("id desc")],
        unique=False,
    )
    for name in ("what", "by", "at"):
        op.drop_index(f"ix_audit_events_{name}", table_name="audit_events")
    op.drop_index("uq_audit_events_n", table_name="audit_events", postgresql_where=sa.text("n is not null"))
    op.drop_column("audit_events", "hash")
    op.drop_column("audit_events", "words_hash")
    op.drop_column("audit_events", "n")
    op.drop_column("audit_events", "address")
    op.drop_constraint(op.f("fk_api_keys_replaced_by"), "api_keys", type_="foreignkey")
    op.drop_index("ix_api_keys_replaced_by", table_name="api_keys", postgresql_where=sa.text("replaced_by is not null"))
    op.drop_column("api_keys", "replaced_by")
    op.drop_index("ix_api_keys_expires_at", table_name="api_keys", postgresql_where=sa.text(_ENDS))
    op.drop_column("api_keys", "warned_at")
    op.drop_index(
        "uq_invitations_open",
        table_name="invitations",
        postgresql_where=sa.text("accepted_at is null and declined_at is null and withdrawn_at is null"),
    )
    op.drop_index("ix_invitations_organization_id", table_name="invitations")
    op.drop_index("ix_invitations_letter_id", table_name="invitations")
    op.drop_index("ix_invitations_email", table_name="invitations")
    op.drop_table("invitations")
    op.drop_table("api_key_uses")
    op.drop_index("ix_user_sessions_user_id", table_name="user_sessions", postgresql_where=sa.text("ended_at is null"))
    op.drop_table("user_sessions")
    op.drop_index("ix_recovery_codes_user_id", table_name="recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_index("ix_passkeys_user_id", table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_index("ix_exports_user_id", table_name="exports")
    op.drop_index("ix_exports_pending", table_name="exports", postgresql_where=sa.text("status = 'pending'"))
    op.drop_index("ix_exports_organization_id", table_name="exports")
    op.drop_index("ix_exports_expires_at", table_name="exports")
    op.drop_table("exports")
    op.drop_table("authenticators")
    op.drop_table("audit_chains")
