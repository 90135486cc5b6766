from __future__ import annotations

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, OrganizationId


class AuditChain(Model):
    """Where the audit log of an organization begins and ends: each hash holds the one before (core.chain)."""

    __tablename__ = "audit_chains"
    organization_id: Mapped[OrganizationId] = mapped_column(primary_key=True)
    # What its hashes are made with: without the key of the installation nobody makes others (core.sealing).
    sealed_key: Mapped[str] = mapped_column(Text)
    # The last event's number and hash.
    n: Mapped[int] = mapped_column(BigInteger, server_default="0")
    hash: Mapped[str] = mapped_column(String(64), server_default="")
    # The same of the last event that was let go of because it was old.
    gone_n: Mapped[int] = mapped_column(BigInteger, server_default="0")
    gone_hash: Mapped[str] = mapped_column(String(64), server_default="")
    # How many events are older than the chain: one that was slipped in among them shows.
    before: Mapped[Count]
