"""Pages by cursor: stable while rows come and go, and as fast on the last page as on the first."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, tuple_

from tokiflow.db import db
from tokiflow.errors import Malformed
from tokiflow.models import Channel, MaintenanceWindow, Monitor

T = TypeVar("T")
Named = TypeVar("Named", Channel, MaintenanceWindow, Monitor)

NOT_OURS = Malformed("This cursor is not one of ours; take `next` from the page before as it is.")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and the cursor of what comes after them (None at the end)."""

    items: Sequence[T]
    next: str | None


def encode(*values: str) -> str:
    """An opaque cursor that stands for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[str]:
    """What `encode` was given. Raises Malformed for anything else."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise NOT_OURS from None
    if not isinstance(values, list) or len(values) != length:
        raise NOT_OURS
    if not all(isinstance(value, str) and _can_be_kept(value) for value in values):
        raise NOT_OURS
    return values


def by_name(statement: Select[Named], model: type[Named], cursor: str | None, limit: int) -> Page[Named]:
    """Those that `statement` selects, by name, `limit` at a time. Raises Malformed for a cursor of others."""
    order = model.name, model.id
    if cursor:
        name, key = decode(cursor, 2)
        statement = statement.where(tuple_(*order) > tuple_(name, _id(key)))
    found = list(db.session.execute(statement.order_by(*order).limit(limit + 1)).scalars())
    last = found[limit - 1] if len(found) > limit else None
    return Page(found[:limit], encode(last.name, str(last.id)) if last else None)


def only_id(cursor: str) -> UUID:
    """The place of a row in a list ordered by id. Raises Malformed."""
    (key,) = decode(cursor, 1)
    return _id(key)


def moment_and_id(cursor: str) -> tuple[datetime, UUID]:
    """The place of a row in a list ordered by time and id. Raises Malformed."""
    at, key = decode(cursor, 2)
    return _moment(at), _id(key)


def moment_and_number(cursor: str) -> tuple[datetime, int]:
    """The place of a row in a list ordered by time and number. Raises Malformed."""
    at, number = decode(cursor, 2)
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise NOT_OURS
    return _moment(at), int(number)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NOT_OURS from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise NOT_OURS
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NOT_OURS from None


def _can_be_kept(text: str) -> bool:
    """Whether the database can hold it: no NUL, and no half characters."""
    return "\x00" not in text and text == text.encode("utf-8", "ignore").decode()
