from __future__ import annotations

from sqlalchemy.orm import Mapped

from tokiflow.db import Model
from tokiflow.models.columns import Count, Key, Moment


class BlindSpell(Model):
    """A time when Tokiflow itself could not listen, and how many deadlines got that time back."""

    __tablename__ = "blind_spells"
    id: Mapped[Key]
    started_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    moved: Mapped[Count]
