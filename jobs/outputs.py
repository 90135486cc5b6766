"""Move large outputs to the store."""

from __future__ import annotations

from datetime import UTC, datetime

from tokiflow.services import outputs


def offload(_: list[str]) -> int:
    """Move some of the outputs that wait; how many were tried."""
    return outputs.offload(datetime.now(UTC))
