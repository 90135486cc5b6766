"""Judge runs that have finished."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

from tokiflow.queue import Job, gather, gathered
from tokiflow.services import judging

TURN_SECONDS = 2.0
"""Then other jobs of this worker have their turn; the clock rings again."""


def judge(_: list[str]) -> int:
    """Judge the monitors that wait for it, each once: what is left of one waits for the next ring. How many runs."""
    until, runs = time.monotonic() + TURN_SECONDS, 0
    seen: set[UUID] = set()
    again: set[UUID] = set()
    while time.monotonic() < until and (found := set(gathered(Job.JUDGE, judging.BATCH))):
        again |= found & seen
        if not found - seen:
            break
        runs += judging.judge(found - seen, datetime.now(UTC))
        seen |= found
    gather(Job.JUDGE, again)
    return runs
