from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Json, Key, Moment, OrganizationId, Words


class AuditEvent(Model):
    """Who did what to which thing, written in the transaction of the change itself."""

    __tablename__ = "audit_events"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    at: Mapped[Moment]
    what: Mapped[str] = mapped_column(String(60))
    by: Mapped[Words]
    by_kind: Mapped[str] = mapped_column(String(10))
    by_id: Mapped[UUID | None]
    object_id: Mapped[UUID | None]
    object_name: Mapped[Words]
    before: Mapped[Json]
    after: Mapped[Json]
    # The network address it came from, where there was one.
    address: Mapped[Words]
    # Its place in the chain of its organization, and the hashes that hold it there (core.chain); old ones have none.
    n: Mapped[int | None] = mapped_column(BigInteger)
    words_hash: Mapped[str] = mapped_column(String(64), server_default="")
    hash: Mapped[str] = mapped_column(String(64), server_default="")

    __table_args__ = (
        # queries.audit: the log, newest first, and from day to day; services.audit: what is old
        Index("ix_audit_events_at", "organization_id", text("at desc"), text("id desc")),
        # queries.audit: what one person or program did, and every time that one thing was done
        Index("ix_audit_events_by", "organization_id", "by_kind", "by_id", text("at desc"), text("id desc")),
        Index("ix_audit_events_what", "organization_id", "what", text("at desc"), text("id desc")),
        # queries.audit: what was done to one thing
        Index("ix_audit_events_object_id", "organization_id", "object_id", text("id desc")),
        # services.exporting.person, services.person_erasures: what somebody did, wherever
        Index("ix_audit_events_by_id", "by_id", postgresql_where=text("by_id is not null")),
        # services.audit: the chain, one link after the other
        Index("uq_audit_events_n", "organization_id", "n", unique=True, postgresql_where=text("n is not null")),
    )
