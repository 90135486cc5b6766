from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, MaybeUserId, Moment, OrganizationId
from tokiflow.models.letter import Letter
from tokiflow.models.organization import Organization


class Invitation(Model):
    """Somebody is asked to join. waiting → accepted, or → declined, withdrawn, expired.

    The token in the mail is the signed id and `nonce` (services.invitations); sending again changes the nonce, so that
    only the newest link works.
    """

    __tablename__ = "invitations"
    id: Mapped[Key]
    organization_id: Mapped[OrganizationId]
    email: Mapped[str] = mapped_column(String(320))
    role: Mapped[str] = mapped_column(String(10))
    nonce: Mapped[str] = mapped_column(String(32))
    invited_by: Mapped[MaybeUserId]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    # The mail that carries it, to tell whether it went out.
    letter_id: Mapped[UUID | None] = mapped_column(ForeignKey("letters.id", ondelete="SET NULL"))
    accepted_at: Mapped[MaybeMoment]
    accepted_by: Mapped[MaybeUserId]
    declined_at: Mapped[MaybeMoment]
    withdrawn_at: Mapped[MaybeMoment]
    # Empty where somebody pressed the button; else what became of whoever sent it: role · left · removed · erased.
    withdrawn_because: Mapped[str] = mapped_column(String(10), server_default="")

    organization: Mapped[Organization] = relationship(lazy="raise")
    letter: Mapped[Letter | None] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("role in ('owner', 'admin', 'member', 'viewer')", name="role"),
        Index("ix_invitations_organization_id", "organization_id", text("id desc")),
        # One open invitation for an address: a second one sends the first again.
        Index(
            "uq_invitations_open",
            "organization_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at is null and declined_at is null and withdrawn_at is null"),
        ),
        # queries.invitations: which wait for somebody who signs in
        Index("ix_invitations_email", "email"),
        Index("ix_invitations_letter_id", "letter_id"),
    )

    def status(self, now: datetime) -> str:
        """waiting · accepted · declined · withdrawn · expired."""
        for name in ("accepted", "declined", "withdrawn"):
            if getattr(self, f"{name}_at"):
                return name
        return "expired" if self.expires_at <= now else "waiting"
