from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tokiflow.db import Model
from tokiflow.models.columns import Moment


class Heartbeat(Model):
    """A process of ours (`kind`: web, intake, worker, clock; `name`: host and pid) was alive at `seen_at`, and took its
    leave at `left_at`."""

    __tablename__ = "heartbeats"
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    started_at: Mapped[Moment]
    seen_at: Mapped[Moment]
    left_at: Mapped[Moment | None]
