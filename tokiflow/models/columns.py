"""Columns that many tables share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import mapped_column

from tokiflow.core import ids
from tokiflow.db import UtcDateTime

Key = Annotated[UUID, mapped_column(primary_key=True, default=ids.new)]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]
MaybeMoment = Annotated[datetime | None, mapped_column(UtcDateTime)]
CreatedAt = Annotated[datetime, mapped_column(UtcDateTime, server_default=text("now()"))]
Name = Annotated[str, mapped_column(String(200))]
Words = Annotated[str, mapped_column(Text, server_default="")]
TextList = Annotated[list[str], mapped_column(ARRAY(Text), server_default="{}")]
Json = Annotated[dict[str, Any], mapped_column(JSONB, server_default="{}")]
Count = Annotated[int, mapped_column(server_default="0")]
OrganizationId = Annotated[UUID, mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))]
MonitorId = Annotated[UUID, mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"))]
UserId = Annotated[UUID, mapped_column(ForeignKey("users.id", ondelete="CASCADE"))]
MaybeUserId = Annotated[UUID | None, mapped_column(ForeignKey("users.id", ondelete="SET NULL"))]


class Belonging(Protocol):
    """A row that belongs to an organization."""

    @property
    def organization_id(self) -> UUID: ...
