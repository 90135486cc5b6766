"""Judge runs that have finished."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tokiflow.queue import Job, gathered
from tokiflow.services import judging

TURN_SECONDS = 2.0
"""Then other jobs of this worker have their turn; the clock rings again."""


def judge(_: list[str]) -> int:
    """Judge the monitors that wait for it; how many runs."""
    until, runs = time.monotonic() + TURN_SECONDS, 0
    while time.monotonic() < until and (monitor_ids := gathered(Job.JUDGE, judging.BATCH)):
        runs += judging.judge(monitor_ids, datetime.now(UTC))
    return runs
