"""Promise the reports that people get by mail."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from tokiflow.services import report_schedules


def mail(schedule_ids: list[str]) -> int:
    """Promise a letter for those of these that are due; how many."""
    return report_schedules.mail([UUID(one) for one in schedule_ids], datetime.now(UTC))
