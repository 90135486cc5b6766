from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import CreatedAt, Key, MaybeMoment, Name, TextList, UserId


class Passkey(Model):
    """A WebAuthn credential of a person: what their device signs with, as https://www.w3.org/TR/webauthn-3 has it."""

    __tablename__ = "passkeys"
    id: Mapped[Key]
    user_id: Mapped[UserId]
    name: Mapped[Name]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, server_default="0")
    transports: Mapped[TextList]
    # Whether it is copied to other devices of the person, so that losing one loses nothing.
    synced: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[MaybeMoment]

    __table_args__ = (Index("ix_passkeys_user_id", "user_id"),)
