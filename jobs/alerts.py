"""Deliver alerts."""

from __future__ import annotations

from uuid import UUID

from flask import current_app

from tokiflow import outside
from tokiflow.services import deliveries


def deliver(delivery_ids: list[str]) -> int:
    """Send those of these deliveries that are due and that nobody else is sending; how many were tried."""
    return deliveries.deliver([UUID(one) for one in delivery_ids], outside.of(current_app))
