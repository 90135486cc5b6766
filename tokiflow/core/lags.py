"""How long it takes from trouble to the message about it."""

from __future__ import annotations

from datetime import datetime, timedelta

HELD_BACK = timedelta(minutes=10)
"""News promised so long after it happened was held back on purpose (maintenance, quiet hours), or found in a spool."""


def lag(happened_at: datetime, promised_at: datetime, sent_at: datetime) -> timedelta:
    """From when it happened to when it was sent; for what was held back, from when it was promised."""
    began = promised_at if promised_at - happened_at > HELD_BACK else happened_at
    return max(sent_at - began, timedelta())
