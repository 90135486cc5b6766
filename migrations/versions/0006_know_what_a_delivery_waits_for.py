"""Know which host a delivery waits for that does not answer.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("waits_for_host", sa.Text(), server_default="", nullable=False))
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_deliveries_waits_for_host",
            "deliveries",
            ["waits_for_host"],
            unique=False,
            postgresql_concurrently=True,
            postgresql_where=sa.text("waits_for_host <> ''"),
        )


def downgrade() -> None:
    op.drop_index(
        "ix_deliveries_waits_for_host", table_name="deliveries", postgresql_where=sa.text("waits_for_host <> ''")
    )
    op.drop_column("deliveries", "waits_for_host")
