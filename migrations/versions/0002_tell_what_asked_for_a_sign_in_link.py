"""Tell what asked for a sign-in link, and when the worker was last rung for it.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sign_in_links", sa.Column("device", sa.Text(), server_default="", nullable=False))
    op.add_column("sign_in_links", sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("sign_in_links", "rung_at")
    op.drop_column("sign_in_links", "device")
