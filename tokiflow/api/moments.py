"""Times as the API speaks them: RFC 3339, in UTC on the way out, in any zone on the way in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import g

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EXAMPLE = "write one like 2026-11-20T02:00:00Z"


def read(value: Any) -> datetime:
    """The moment `value` names, in UTC. Raises ValueError saying what to write."""
    if not isinstance(value, str):
        raise ValueError(f"is not a time; {_EXAMPLE}")
    if not _RFC_3339.fullmatch(value):
        raise ValueError(f"is not a time with its zone; {_EXAMPLE}")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"is a time that does not exist; {_EXAMPLE}") from None


def say(moment: datetime | None) -> str | None:
    """`2026-11-20T02:00:00.000Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> datetime:
    """The moment of this request, the same for all it does."""
    found: datetime = g.now
    return found
