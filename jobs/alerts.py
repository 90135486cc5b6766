"""Deliver alerts."""

from __future__ import annotations

from uuid import UUID

from flask import current_app

from tokiflow import outside
from tokiflow.services import deliveries, sender


def deliver(delivery_ids: list[str]) -> int:
    """See to these deliveries, and to whatever else is due; how many were tried right here.

    In a `tokiflow worker` that is the sender's work, who is only woken. Any other worker sends by itself.
    """
    awake = sender.of(current_app)
    if awake is None:
        return deliveries.deliver([UUID(one) for one in delivery_ids], outside.of(current_app))
    awake.wake()
    return 0
