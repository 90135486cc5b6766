"""One message for many: what a channel is spared when much goes wrong at once, and how it still hears of all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID


def hold_back(delivery_ids: Sequence[UUID], now: datetime) -> set[UUID]:
    """Those of `delivery_ids` (pending, and locked by the caller) that don't go out by themselves.

    They have been merged into a summary, or must wait; all others are to be sent alone.
    """
    return set()
