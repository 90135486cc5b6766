from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Count, CreatedAt, MaybeMoment, UserId


class Authenticator(Model):
    """The app of a person that shows a code every 30 seconds (TOTP, RFC 6238). `sealed_secret` is core.sealing's."""

    __tablename__ = "authenticators"
    user_id: Mapped[UserId] = mapped_column(primary_key=True)
    sealed_secret: Mapped[str] = mapped_column(Text)
    # The time step of the last code that was taken: none is taken twice.
    last_step: Mapped[int] = mapped_column(BigInteger, server_default="0")
    # Wrong codes in a row, and since when the next one has to wait.
    failures: Mapped[Count]
    failed_at: Mapped[MaybeMoment]
    created_at: Mapped[CreatedAt]
    # When its first code was right; before that it guards nothing.
    confirmed_at: Mapped[MaybeMoment]
