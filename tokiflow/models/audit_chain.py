from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, MaybeMoment, OrganizationId


class AuditChain(Model):
    """Where the audit log of an organization begins and ends: each hash holds the one before (core.chain)."""

    __tablename__ = "audit_chains"
    organization_id: Mapped[OrganizationId] = mapped_column(primary_key=True)
    # What its hashes are made with, and in a second line where it begins and ends: without the key of the installation
    # nobody makes others (core.sealing, services.audit).
    sealed_key: Mapped[str] = mapped_column(Text)
    # The last event's number and hash.
    n: Mapped[int] = mapped_column(BigInteger, server_default="0")
    hash: Mapped[str] = mapped_column(String(64), server_default="")
    # The same of the last event that was let go of because it was old.
    gone_n: Mapped[int] = mapped_column(BigInteger, server_default="0")
    gone_hash: Mapped[str] = mapped_column(String(64), server_default="")
    # How many events are older than the chain: one that was slipped in among them shows.
    before: Mapped[Count]
    # services.audit_walks: when it is to be walked along next, and how far the walk under way has come.
    walk_at: Mapped[CreatedAt]
    walk: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    # Where it ended, and when, as the last walk that found nothing wrong saw it.
    verified_n: Mapped[int] = mapped_column(BigInteger, server_default="0")
    verified_hash: Mapped[str] = mapped_column(String(64), server_default="")
    verified_at: Mapped[MaybeMoment]
    # What the last walk found wrong, in sentences, and since when something is; nothing while all holds.
    broken: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    broken_at: Mapped[MaybeMoment]

    __table_args__ = (
        # services.audit_walks: the ones that are due
        Index("ix_audit_chains_walk_at", "walk_at"),
    )
