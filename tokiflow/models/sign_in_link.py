from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, Moment, Words


class SignInLink(Model):
    """A link mailed to prove an address. The token is the signed id (services.sign_in), so none is stored.

    What pressing its button does is its `purpose`: `sign_in`, `prove` (the person of `session_id` is still there) or
    `google` (sign in, and with the Google account `google_sub` from now on).
    """

    __tablename__ = "sign_in_links"
    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(320))
    # SHA-256 of the random value in the cookie of the browser that asked: the link works only there.
    browser: Mapped[str] = mapped_column(String(64))
    # What asked, as the mail tells it: "Firefox on Linux", and from which network address.
    device: Mapped[Words]
    address: Mapped[Words]
    purpose: Mapped[str] = mapped_column(String(10), server_default="sign_in")
    session_id: Mapped[UUID | None]
    google_sub: Mapped[str | None] = mapped_column(String(255))
    next_url: Mapped[Words]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]
    # The mail is promised when the row is there; the clock rings again until it is sent.
    sent_at: Mapped[Moment | None]
    lease_until: Mapped[Moment | None]
    rung_at: Mapped[Moment | None]

    __table_args__ = (
        # services.sign_in_letters.ring
        Index("ix_sign_in_links_unsent", "expires_at", postgresql_where=text("sent_at is null")),
        # services.sign_in.request_link: how many were asked for lately
        Index("ix_sign_in_links_email", "email", "created_at"),
    )
